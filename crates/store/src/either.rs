//! One of two kinds of accounts, where it is known only at run time which.

use std::collections::HashMap;

use mailferry_engine::fault::Fault;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{AccountListing, Mark, MessageListing};
use mailferry_engine::message::Uid;
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::pairing::Digests;
use mailferry_engine::policy::PermanentFlags;

use crate::contract::{
    Among, Appended, AsListed, BodyEvent, CopiesTold, DayOctets, Emptiness, Envelope, FlagUpdate,
    InternalDates, LabelListing, LabelsAsked, ListRequest, Moved, OctetDigests, Removable,
    Selection, Source, Target, TellListed, Wanted,
};
use crate::quota::Quota;

/// An account of the one kind or of the other.
pub enum Either<A, B> {
    /// The one.
    One(A),
    /// The other.
    Other(B),
}

/// Does the same with whichever it is.
macro_rules! of {
    ($either:expr, $account:ident => $done:expr) => {
        match $either {
            Either::One($account) => $done,
            Either::Other($account) => $done,
        }
    };
}

impl<A: Source, B: Source> Source for Either<A, B> {
    fn day_octets(&self) -> DayOctets {
        of!(self, account => account.day_octets())
    }

    async fn mailboxes(&mut self) -> Result<AccountListing, Fault> {
        of!(self, account => account.mailboxes().await)
    }

    async fn marks(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Mark>, Fault> {
        of!(self, account => account.marks(mailboxes).await)
    }

    async fn marks_and_rows(
        &mut self,
        mailboxes: &[MailboxName],
        some: (&MailboxName, &[Uid]),
        keys: &KeyRule,
    ) -> Result<(Vec<Mark>, MessageListing), Fault> {
        of!(self, account => account.marks_and_rows(mailboxes, some, keys).await)
    }

    async fn messages(
        &mut self,
        mailbox: &MailboxName,
        selection: &Selection,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        of!(self, account => account.messages(mailbox, selection, keys).await)
    }

    async fn messages_among(
        &mut self,
        mailbox: &MailboxName,
        which: Among<'_>,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        of!(self, account => account.messages_among(mailbox, which, keys).await)
    }

    async fn list(
        &mut self,
        requests: Vec<ListRequest>,
        keys: &KeyRule,
        tell: &mut TellListed<'_>,
    ) -> Result<(), Fault> {
        of!(self, account => account.list(requests, keys, tell).await)
    }

    async fn dates(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<InternalDates, Fault> {
        of!(self, account => account.dates(listed, uids).await)
    }

    async fn digests(&mut self, listed: AsListed<'_>, uids: &[Uid]) -> Result<Digests, Fault> {
        of!(self, account => account.digests(listed, uids).await)
    }

    async fn octet_digests(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<OctetDigests, Fault> {
        of!(self, account => account.octet_digests(listed, uids).await)
    }

    async fn headlines(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, Vec<u8>>, Fault> {
        of!(self, account => account.headlines(listed, uids).await)
    }

    fn has_labels(&self) -> bool {
        of!(self, account => account.has_labels())
    }

    async fn labels(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
        asked: LabelsAsked,
    ) -> Result<LabelListing, Fault> {
        of!(self, account => account.labels(listed, uids, asked).await)
    }

    async fn account_numbers(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, u64>, Fault> {
        of!(self, account => account.account_numbers(listed, uids).await)
    }

    fn has_room_for_bodies(&self) -> bool {
        of!(self, account => account.has_room_for_bodies())
    }

    fn open_bodies(&mut self, listed: AsListed<'_>, wanted: Vec<Wanted>) {
        of!(self, account => account.open_bodies(listed, wanted));
    }

    async fn next_body(&mut self) -> Result<BodyEvent<'_>, Fault> {
        of!(self, account => account.next_body().await)
    }

    async fn close(&mut self) {
        of!(self, account => account.close().await);
    }
}

impl<A: Removable, B: Removable> Removable for Either<A, B> {
    async fn change_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        of!(self, account => account.change_flags(mailbox, updates).await)
    }

    async fn remove_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        of!(self, account => account.remove_messages(mailbox, uids).await)
    }

    async fn delete_empty_mailbox(&mut self, mailbox: &MailboxName) -> Result<Emptiness, Fault> {
        of!(self, account => account.delete_empty_mailbox(mailbox).await)
    }
}

impl<A: Target, B: Target> Target for Either<A, B> {
    async fn quota(&mut self) -> Result<Quota, Fault> {
        of!(self, account => account.quota().await)
    }

    async fn create(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        of!(self, account => account.create(mailboxes).await)
    }

    async fn subscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        of!(self, account => account.subscribe(mailboxes).await)
    }

    async fn unsubscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        of!(self, account => account.unsubscribe(mailboxes).await)
    }

    async fn delete_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        of!(self, account => account.delete_mailbox(mailbox).await)
    }

    async fn octets_in(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Option<u64>>, Fault> {
        of!(self, account => account.octets_in(mailboxes).await)
    }

    fn takes_literal8(&self) -> bool {
        of!(self, account => account.takes_literal8())
    }

    fn bears_refusals(&self) -> bool {
        of!(self, account => account.bears_refusals())
    }

    fn drops_keywords(&self) -> bool {
        of!(self, account => account.drops_keywords())
    }

    fn append_limit(&self) -> Option<u64> {
        of!(self, account => account.append_limit())
    }

    async fn open_appends(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        of!(self, account => account.open_appends(mailbox).await)
    }

    fn has_room(&self) -> bool {
        of!(self, account => account.has_room())
    }

    fn is_busy(&self) -> bool {
        of!(self, account => account.is_busy())
    }

    fn append(&mut self, envelope: Envelope, octets: Vec<u8>) {
        of!(self, account => account.append(envelope, octets));
    }

    fn append_begin(&mut self, envelope: Envelope, octets: u64) {
        of!(self, account => account.append_begin(envelope, octets));
    }

    fn append_chunk(&mut self, octets: &[u8]) {
        of!(self, account => account.append_chunk(octets));
    }

    fn append_end(&mut self) {
        of!(self, account => account.append_end());
    }

    fn flush_appends(&mut self) {
        of!(self, account => account.flush_appends());
    }

    async fn advance_appends(&mut self) -> Result<(), Fault> {
        of!(self, account => account.advance_appends().await)
    }

    fn take_appended(&mut self) -> Vec<Appended> {
        of!(self, account => account.take_appended())
    }

    async fn permanent_flags(&mut self, mailbox: &MailboxName) -> Result<PermanentFlags, Fault> {
        of!(self, account => account.permanent_flags(mailbox).await)
    }

    async fn update_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        of!(self, account => account.update_flags(mailbox, updates).await)
    }

    async fn update_labels(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        of!(self, account => account.update_labels(mailbox, updates).await)
    }

    fn tells_copies(&self) -> bool {
        of!(self, account => account.tells_copies())
    }

    async fn copy_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<CopiesTold, Fault> {
        of!(self, account => account.copy_messages(mailbox, uids, to).await)
    }

    async fn delete_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        of!(self, account => account.delete_messages(mailbox, uids).await)
    }

    async fn move_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        of!(self, account => account.move_messages(mailbox, uids, to).await)
    }
}
