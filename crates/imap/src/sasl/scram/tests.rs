#![allow(clippy::unwrap_used)]
use super::*;

const USER: Identities<'_> = Identities { authorise: None, user: b"user" };

fn scram(hash: Hash, binding: ChannelBinding, nonce: &str) -> Scram {
    Scram::new(hash, USER, b"pencil", binding, nonce.to_owned())
}

#[track_caller]
fn assert_says(response: &Response, expected: &str) {
    assert_eq!(String::from_utf8_lossy(response), expected);
}

/// RFC 5802 §5.
#[test]
fn the_example_of_rfc_5802_comes_out() {
    let mut exchange = scram(Hash::Sha1, ChannelBinding::Unsupported, "fyko+d2lbbFgONRv9qkxdawL");
    assert_says(&exchange.initial().unwrap(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    let challenge =
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096".as_slice();
    assert_says(
        &exchange.respond(challenge).unwrap(),
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    );
    assert_eq!(exchange.conclude(), Err(SaslError::Impostor), "not before the server's proof");
    assert_says(&exchange.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=").unwrap(), "");
    assert_eq!(exchange.conclude(), Ok(()));
    assert_eq!(exchange.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Err(OVER));
}

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &[u8] =
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

/// RFC 7677 §3.
#[test]
fn the_example_of_rfc_7677_comes_out() {
    let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, NONCE);
    assert_says(&exchange.initial().unwrap(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_says(
        &exchange.respond(SERVER_FIRST).unwrap(),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    let proof = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_says(&exchange.respond(proof).unwrap(), "");
    assert_eq!(exchange.conclude(), Ok(()));
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    for proof in [b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=".as_slice(), b"v=", b"x"] {
        let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, NONCE);
        exchange.initial();
        exchange.respond(SERVER_FIRST).unwrap();
        assert!(exchange.respond(proof).is_err());
        assert_eq!(exchange.conclude(), Err(SaslError::Impostor));
    }
}

#[test]
fn what_the_server_complains_of_is_kept() {
    let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, NONCE);
    exchange.initial();
    exchange.respond(SERVER_FIRST).unwrap();
    assert_says(&exchange.respond(b"e=invalid-proof").unwrap(), "");
    assert_eq!(exchange.complaint(), Some(b"invalid-proof".as_slice()));
    assert_eq!(exchange.conclude(), Err(SaslError::Impostor));
    let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, NONCE);
    exchange.initial();
    assert!(exchange.respond(b"e=unknown-user").is_ok());
    assert_eq!(exchange.complaint(), Some(b"unknown-user".as_slice()));
}

#[test]
fn a_challenge_that_is_none_is_not_answered() {
    for challenge in [
        "",
        "r=another,s=W22Z,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
        "m=must,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,i=4096,s=W22Z",
        "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=-1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z",
    ] {
        let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, NONCE);
        exchange.initial();
        let answer = exchange.respond(challenge.as_bytes());
        assert!(matches!(answer, Err(SaslError::Challenge(_))), "{challenge}: {answer:?}");
    }
    let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, NONCE);
    exchange.initial();
    let endless = b"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4294967295";
    assert_eq!(exchange.respond(endless), Err(SaslError::Iterations(u32::MAX)));
}

/// RFC 5802 §7 and RFC 9266 §2: the header names the binding, and `c` holds header and data.
#[test]
fn a_binding_is_named_first_and_sent_with_the_proof() {
    let mut exchange = scram(Hash::Sha256, ChannelBinding::TlsExporter(b"bound".to_vec()), NONCE);
    assert_says(&exchange.initial().unwrap(), "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let answer = exchange.respond(SERVER_FIRST).unwrap();
    let bound = BASE64.encode(b"p=tls-exporter,,bound");
    assert!(String::from_utf8_lossy(&answer).starts_with(&format!("c={bound},r=")));
    let mut exchange = scram(Hash::Sha256, ChannelBinding::NotOffered, NONCE);
    assert_says(&exchange.initial().unwrap(), "y,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert!(exchange.respond(SERVER_FIRST).unwrap().starts_with(b"c=eSws,r="));
}

#[test]
fn names_are_prepared_and_escaped_and_another_account_is_named() {
    // RFC 4013 §3: a soft hyphen goes, a compatibility character becomes what it stands for.
    let identities = Identities { authorise: Some(b"a,b=c"), user: "I\u{ad}X \u{2168}".as_bytes() };
    let binding = ChannelBinding::Unsupported;
    let mut exchange = Scram::new(Hash::Sha1, identities, b"x", binding, "nonce".to_owned());
    assert_says(&exchange.initial().unwrap(), "n,a=a=2Cb=3Dc,n=IX IX,r=nonce");
    let identities = Identities { authorise: None, user: b"\xff\x07" };
    let binding = ChannelBinding::Unsupported;
    let mut exchange = Scram::new(Hash::Sha1, identities, b"x", binding, "nonce".to_owned());
    assert_eq!(**exchange.initial().unwrap(), *b"n,,n=\xff\x07,r=nonce");
}
