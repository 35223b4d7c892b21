//! Digests of messages, their bodies streamed through.

use mailferry_engine::canonical::Canonical;
use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_engine::pairing::Digests;
use ring::digest::{Context, SHA256};

use super::super::ImapAccount;
use crate::contract::{AsListed, BodyEvent, OctetDigest, OctetDigests, Wanted};

impl ImapAccount {
    /// Digests of their canonical form.
    pub(in crate::imap) async fn digest_messages(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Digests, Fault> {
        let mut digests = Digests::default();
        self.digest(listed, uids, Canonical::new, |uid, canonical| match canonical {
            Some(canonical) => digests.insert(uid, canonical.finish()),
            None => digests.insert_unavailable(uid),
        })
        .await?;
        Ok(digests)
    }

    /// Digests of their plain octets.
    pub(in crate::imap) async fn digest_octets(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<OctetDigests, Fault> {
        let mut digests = OctetDigests::with_capacity(uids.len());
        self.digest(
            listed,
            uids,
            || Context::new(&SHA256),
            |uid, context| {
                digests.insert(uid, context.map(OctetDigest::of));
            },
        )
        .await?;
        Ok(digests)
    }

    /// Streams bodies through a digester each; `tell` hears of every message once, without a
    /// digester where it could not be read.
    async fn digest<D: Digester>(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        begin: impl Fn() -> D,
        tell: impl FnMut(Uid, Option<D>),
    ) -> Result<(), Fault> {
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        let wanted = uids.into_iter().map(|uid| Wanted { uid, size: 0 }).collect();
        self.begin_bodies(listed, wanted);
        // No sizes were listed that could be held against those delivered.
        let known_to_lie = std::mem::replace(&mut self.bodies.size_lies, true);
        let digested = self.digest_all(begin, tell).await;
        self.bodies.size_lies = known_to_lie;
        digested.map_err(|fault| fault.in_mailbox(listed.mailbox))
    }

    async fn digest_all<D: Digester>(
        &mut self,
        begin: impl Fn() -> D,
        mut tell: impl FnMut(Uid, Option<D>),
    ) -> Result<(), Fault> {
        let mut open: Option<(Uid, D)> = None;
        loop {
            match self.advance_bodies().await? {
                BodyEvent::Whole { uid, octets } => {
                    let mut digester = begin();
                    digester.take(&octets);
                    tell(uid, Some(digester));
                }
                BodyEvent::Begin { uid, .. } => open = Some((uid, begin())),
                BodyEvent::Chunk(octets) => {
                    if let Some((_, digester)) = &mut open {
                        digester.take(octets);
                    }
                }
                BodyEvent::End => {
                    if let Some((uid, digester)) = open.take() {
                        tell(uid, Some(digester));
                    }
                }
                BodyEvent::Missing { uid, .. } => tell(uid, None),
                BodyEvent::Unavailable { fault } => return Err(fault),
                BodyEvent::Finished => return Ok(()),
            }
        }
    }
}

/// Takes in the octets of one message.
trait Digester {
    fn take(&mut self, octets: &[u8]);
}

impl Digester for Canonical {
    fn take(&mut self, octets: &[u8]) {
        self.update(octets);
    }
}

impl Digester for Context {
    fn take(&mut self, octets: &[u8]) {
        self.update(octets);
    }
}
