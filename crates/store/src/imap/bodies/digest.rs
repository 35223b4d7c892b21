//! Digests of messages, their bodies streamed through.

use mailferry_engine::canonical::Canonical;
use mailferry_engine::fault::Fault;
use mailferry_engine::message::{Digest, Uid};
use mailferry_engine::pairing::Digests;

use super::super::ImapAccount;
use crate::contract::{AsListed, BodyEvent, DigestOf, Wanted};

impl ImapAccount {
    /// Digests of messages, their bodies streamed through.
    pub(in crate::imap) async fn digest_messages(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        of: DigestOf,
    ) -> Result<Digests, Fault> {
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        let wanted = uids.into_iter().map(|uid| Wanted { uid, size: 0 }).collect();
        self.begin_bodies(listed, wanted);
        let known_to_lie = std::mem::replace(&mut self.bodies.size_lies, true);
        let mut digests = Digests::default();
        let mut open: Option<(Uid, Digester)> = None;
        loop {
            match self.advance_bodies().await? {
                BodyEvent::Whole { uid, octets } => {
                    let mut digester = Digester::new(of);
                    digester.update(&octets);
                    digests.insert(uid, digester.finish());
                }
                BodyEvent::Begin { uid, .. } => open = Some((uid, Digester::new(of))),
                BodyEvent::Chunk(octets) => {
                    if let Some((_, digester)) = &mut open {
                        digester.update(octets);
                    }
                }
                BodyEvent::End => {
                    if let Some((uid, digester)) = open.take() {
                        digests.insert(uid, digester.finish());
                    }
                }
                BodyEvent::Missing { uid, .. } => digests.insert_unavailable(uid),
                BodyEvent::Unavailable { fault } => {
                    self.bodies.size_lies = known_to_lie;
                    return Err(fault);
                }
                BodyEvent::Finished => break,
            }
        }
        self.bodies.size_lies = known_to_lie;
        Ok(digests)
    }
}

enum Digester {
    Canonical(Box<Canonical>),
    Octets(Box<blake3::Hasher>),
}

impl Digester {
    fn new(of: DigestOf) -> Self {
        match of {
            DigestOf::CanonicalForm => Self::Canonical(Box::new(Canonical::new())),
            DigestOf::Octets => Self::Octets(Box::default()),
        }
    }

    fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Canonical(canonical) => canonical.update(octets),
            Self::Octets(hasher) => {
                hasher.update(octets);
            }
        }
    }

    fn finish(self) -> Digest {
        match self {
            Self::Canonical(canonical) => canonical.finish(),
            Self::Octets(hasher) => {
                let mut digest = [0; 16];
                digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
                Digest(digest)
            }
        }
    }
}
