//! NTLM, version 2 (MS-NLMP §3.3.2): the password stays here, but its hash is MD4, and whoever
//! listens can try passwords against what goes over the wire. For Exchange servers that offer
//! nothing better. Version 1, which is worse, is never spoken.

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use zeroize::Zeroizing;

use super::{Exchange, OVER, Response, SaslError};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Text is UTF-16 (MS-NLMP §2.2.2.5, A).
const UNICODE: u32 = 0x0000_0001;
/// The server is to name its domain (C).
const REQUEST_TARGET: u32 = 0x0000_0004;
/// NTLM (H).
const NTLM: u32 = 0x0000_0200;
/// Required by the version of the session's security (M, P).
const ALWAYS_SIGN: u32 = 0x0000_8000;
const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
/// The challenge tells of its target (S).
const TARGET_INFO: u32 = 0x0080_0000;

const FLAGS: u32 = UNICODE | REQUEST_TARGET | NTLM | ALWAYS_SIGN | EXTENDED_SESSION_SECURITY;

/// AvId of the server's clock, and of the end (MS-NLMP §2.2.2.1).
const AV_END: u16 = 0;
const AV_TIMESTAMP: u16 = 7;

/// Where the payload of the last message begins: behind six fields and the flags (MS-NLMP
/// §2.2.1.3, without the version and the code of integrity, which need signing).
const AUTHENTICATE_HEAD_OCTETS: usize = 64;

/// What the client adds of its own: of this moment and of this login only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Random.
    pub challenge: [u8; 8],
    /// Now, in units of 100 ns since 1601-01-01T00:00:00Z. The server's own clock is preferred
    /// where it tells.
    pub now: u64,
}

/// One login by NTLM.
pub struct Ntlm {
    user: String,
    domain: String,
    password: Option<Response>,
    own: Own,
}

impl Ntlm {
    /// A name, mostly `DOMAIN\user`, and a password.
    #[must_use]
    pub fn new(user: &[u8], password: &[u8], own: Own) -> Self {
        let user = text(user);
        let (domain, user) = match user.split_once('\\') {
            Some((domain, user)) => (domain.to_owned(), user.to_owned()),
            None => (String::new(), user),
        };
        Self { user, domain, password: Some(Zeroizing::new(password.to_vec())), own }
    }

    fn authenticate(&mut self, challenge: &Challenge<'_>) -> Result<Response, SaslError> {
        let password = self.password.take().ok_or(OVER)?;
        let key = self.response_key(&password)?;
        let clock = challenge.clock()?;
        let blob = [
            &[1, 1, 0, 0, 0, 0, 0, 0],
            &clock.unwrap_or(self.own.now).to_le_bytes()[..],
            &self.own.challenge,
            &[0; 4],
            challenge.target_info,
            &[0; 4],
        ]
        .concat();
        let proof = hmac_md5(&key, &[challenge.nonce, &blob])?;
        let nt = [&proof[..], &blob].concat();
        // Where the server told its clock, the older response is left empty (MS-NLMP §3.1.5.1.2).
        let lm = match clock {
            Some(_) => vec![0; 24],
            None => {
                let proof = hmac_md5(&key, &[challenge.nonce, &self.own.challenge])?;
                [&proof[..], &self.own.challenge].concat()
            }
        };
        Ok(message(&[&lm, &nt, &utf16(&self.domain), &utf16(&self.user), &[], &[]]))
    }

    /// NTOWFv2 (MS-NLMP §3.3.2).
    fn response_key(&self, password: &[u8]) -> Result<Zeroizing<[u8; 16]>, SaslError> {
        let password = Zeroizing::new(text(password));
        let hash: Zeroizing<[u8; 16]> =
            Zeroizing::new(Md4::digest(Zeroizing::new(utf16(&password))).into());
        let who = utf16(&format!("{}{}", self.user.to_uppercase(), self.domain));
        hmac_md5(&hash, &[&who])
    }
}

impl Exchange for Ntlm {
    /// NEGOTIATE (MS-NLMP §2.2.1.1), without names.
    fn initial(&mut self) -> Option<Response> {
        let flags = FLAGS.to_le_bytes();
        Some(Zeroizing::new([SIGNATURE, &1_u32.to_le_bytes()[..], &flags, &[0; 16]].concat()))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Response, SaslError> {
        let challenge = Challenge::read(challenge).ok_or(SaslError::Challenge("no NTLM one"))?;
        self.authenticate(&challenge)
    }
}

/// CHALLENGE (MS-NLMP §2.2.1.2), as far as it matters.
struct Challenge<'a> {
    nonce: &'a [u8],
    target_info: &'a [u8],
}

impl<'a> Challenge<'a> {
    fn read(octets: &'a [u8]) -> Option<Self> {
        if !octets.starts_with(SIGNATURE) || u32_at(octets, 8)? != 2 {
            return None;
        }
        let told = u32_at(octets, 20)? & TARGET_INFO != 0;
        let target_info = if told { payload(octets, 40)? } else { &[] };
        Some(Self { nonce: octets.get(24..32)?, target_info })
    }

    /// What the server's clock says, if it tells.
    fn clock(&self) -> Result<Option<u64>, SaslError> {
        let broken = SaslError::Challenge("its target cannot be read");
        let mut rest = self.target_info;
        while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let value = rest.get(4..4 + usize::from(length)).ok_or(broken.clone())?;
            match id {
                AV_END => break,
                AV_TIMESTAMP => {
                    let octets = value.try_into().map_err(|_| broken.clone())?;
                    return Ok(Some(u64::from_le_bytes(octets)));
                }
                _ => rest = &rest[4 + value.len()..],
            }
        }
        Ok(None)
    }
}

/// AUTHENTICATE (MS-NLMP §2.2.1.3) with these values, in the order of its fields.
fn message(values: &[&[u8]; 6]) -> Response {
    let mut head = [SIGNATURE, &3_u32.to_le_bytes()[..]].concat();
    let mut body = Vec::new();
    for value in values {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes();
        let at = u32::try_from(AUTHENTICATE_HEAD_OCTETS + body.len()).unwrap_or(u32::MAX);
        head.extend([length, length].concat());
        head.extend(at.to_le_bytes());
        body.extend_from_slice(value);
    }
    head.extend(FLAGS.to_le_bytes());
    Zeroizing::new([head, body].concat())
}

fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Result<Zeroizing<[u8; 16]>, SaslError> {
    let mut mac = Hmac::<Md5>::new_from_slice(key).map_err(|_| OVER)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

/// What the field at `at` points to.
fn payload(octets: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(u16_at(octets, at)?);
    let begins = usize::try_from(u32_at(octets, at + 4)?).ok()?;
    octets.get(begins..begins.checked_add(length)?)
}

/// UTF-8, or else each octet for itself (Latin-1).
fn text(octets: &[u8]) -> String {
    std::str::from_utf8(octets)
        .map_or_else(|_| octets.iter().copied().map(char::from).collect(), str::to_owned)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use data_encoding::HEXLOWER_PERMISSIVE;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(text.replace([' ', '\n'], "").as_bytes()).unwrap()
    }

    /// The parameters of MS-NLMP §4.2.1.
    fn example() -> Ntlm {
        Ntlm::new(b"Domain\\User", b"Password", Own { challenge: [0xaa; 8], now: 0 })
    }

    /// The challenge of MS-NLMP §4.2.4.3.
    const CHALLENGE: &str = "4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef
        0000000000000000 2400240044000000 06007017 0000000f 530065007200760065007200
        02000c0044006f006d00610069006e00 01000c005300650072007600650072000 0000000";

    #[test]
    fn the_example_of_ms_nlmp_comes_out() {
        let mut exchange = example();
        assert_eq!(
            *exchange.response_key(b"Password").unwrap(),
            hex("0c868a403bfd7a93a3001ef22ef02e3f")[..]
        );
        let answer = exchange.respond(&hex(CHALLENGE)).unwrap();
        let lm = payload(&answer, 12).unwrap();
        assert_eq!(lm, hex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"));
        let nt = payload(&answer, 20).unwrap();
        assert_eq!(nt[..16], hex("68cd0ab851e51c96aabc927bebef6a1c"));
        assert_eq!(nt[16..44], hex("0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000"));
        assert_eq!(payload(&answer, 28).unwrap(), utf16("Domain"));
        assert_eq!(payload(&answer, 36).unwrap(), utf16("User"));
        assert_eq!(exchange.respond(&hex(CHALLENGE)), Err(OVER));
    }

    #[test]
    fn the_servers_clock_is_preferred() {
        let mut challenge = hex(CHALLENGE);
        let end = challenge.len() - 4;
        challenge.truncate(end);
        challenge.extend(hex("0700 0800 1122334455667788 0000 0000"));
        challenge[40..44].copy_from_slice(&[0x30, 0, 0x30, 0]);
        let answer = example().respond(&challenge).unwrap();
        assert_eq!(payload(&answer, 12).unwrap(), [0; 24]);
        assert_eq!(payload(&answer, 20).unwrap()[24..32], hex("1122334455667788"));
    }

    #[test]
    fn what_is_no_challenge_is_not_answered() {
        let good = hex(CHALLENGE);
        for cut in 0..good.len() - 4 {
            assert!(example().respond(&good[..cut]).is_err(), "{cut}");
        }
        let mut elsewhere = good.clone();
        elsewhere[44..48].copy_from_slice(&[0xff; 4]);
        assert!(example().respond(&elsewhere).is_err());
    }

    #[test]
    fn the_first_word_names_nobody() {
        let first = example().initial().unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(first[..12], hex("4e544c4d53535000 01000000"));
    }
}
