//! Mail on an IMAP server.

mod appends;
mod attributes;
mod bodies;
mod changes;
pub mod compression;
mod emptied;
mod labels;
mod listings;
mod mailboxes;
mod messages;
mod moves;
mod opening;
mod quota;
mod refusal;
mod sample;
mod throttle;
mod way_in;
mod welcome;

use std::collections::HashMap;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{AccountListing, Mark, MessageListing};
use mailferry_engine::message::Uid;
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::pairing::Digests;
use mailferry_engine::policy::PermanentFlags;
use mailferry_imap::command::Command;
use mailferry_imap::connection::{Connection, ConnectionError};
use mailferry_imap::credentials::Credentials;
use mailferry_imap::login::{Endpoint, Introduction, Preauthenticated, connect, login};
use mailferry_imap::response::{Code, ConditionKind, Status, Untagged};
use mailferry_imap::session::Completion;

use self::compression::Compression;
use self::opening::permanent;
use self::throttle::{throttled, throttled_by};
use self::way_in::{connect_fault, login_fault};
pub use self::welcome::Welcome;
use crate::contract::{
    Among, Appended, AsListed, BodyEvent, CopiesTold, DayOctets, Envelope, FlagUpdate,
    InternalDates, LabelListing, LabelsAsked, ListRequest, Moved, OctetDigests, Selection, Source,
    Target, TellListed, Wanted,
};
use crate::quota::Quota;

/// How long LOGOUT may take to be sent before the connection is simply dropped.
const LOGOUT_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// One logged-in connection to one account.
pub struct ImapAccount {
    side: Side,
    introduction: Introduction,
    connection: Connection,
    selected: Option<Selected>,
    namespaces: Option<mailboxes::Namespaces>,
    bodies: bodies::Bodies,
    appends: appends::Appends,
    policy: Compression,
    /// What was learnt when connecting, for whoever shows it.
    pub welcome: Welcome,
}

/// The mailbox that is open, and what opening it told (RFC 9051 §6.3.2).
#[derive(Clone, Debug)]
struct Selected {
    mailbox: MailboxName,
    access: Access,
    exists: u64,
    uid_validity: u32,
    uid_next: u32,
    highest_modseq: u64,
    mailbox_id: Option<Box<[u8]>>,
    permanent_flags: PermanentFlags,
}

impl Selected {
    /// Of which nothing has been told yet.
    fn untold(mailbox: &MailboxName, access: Access) -> Self {
        Self {
            mailbox: mailbox.clone(),
            access,
            exists: 0,
            uid_validity: 0,
            uid_next: 0,
            highest_modseq: 0,
            mailbox_id: None,
            permanent_flags: PermanentFlags::Unknown,
        }
    }

    fn is(&self, mailbox: &MailboxName, access: Access) -> bool {
        self.mailbox == *mailbox && self.access == access
    }

    /// Takes note of what the server says on opening it, the number of messages apart.
    fn take_note(&mut self, code: &Code<'_>) {
        match code {
            Code::UidValidity(value) => self.uid_validity = narrow(*value),
            Code::UidNext(value) => self.uid_next = narrow(*value),
            Code::HighestModSeq(value) => self.highest_modseq = *value,
            Code::MailboxId(id) => self.mailbox_id = Some(Box::from(*id)),
            // PERMANENTFLAGS of EXAMINE is no answer: Dovecot says `()`.
            Code::PermanentFlags(flags) if self.access == Access::Write => {
                self.permanent_flags = permanent(flags);
            }
            _ => {}
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            messages: u32::try_from(self.exists).ok(),
            highest_modseq: self.highest_modseq,
            mailbox_id: self.mailbox_id.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// EXAMINE: leaves no trace.
    Read,
    /// SELECT.
    Write,
}

impl Access {
    fn verb(self) -> &'static str {
        match self {
            Self::Read => "EXAMINE",
            Self::Write => "SELECT",
        }
    }
}

impl ImapAccount {
    /// Connects and logs in.
    ///
    /// # Errors
    /// A fault of kind Connection, Proxy, Tls, Certificate, OldTls, Authentication, TokenRefused or Mechanism.
    pub async fn open(
        side: Side,
        endpoint: &Endpoint,
        credentials: &Credentials,
    ) -> Result<Self, Fault> {
        Self::open_with(side, endpoint, credentials, Compression::Never).await
    }

    /// The same, compressed where `policy` says so and the server can.
    ///
    /// # Errors
    /// As [`ImapAccount::open`].
    pub async fn open_with(
        side: Side,
        endpoint: &Endpoint,
        credentials: &Credentials,
        policy: Compression,
    ) -> Result<Self, Fault> {
        let greeted = connect(endpoint).await.map_err(|error| connect_fault(side, &error))?;
        let mut connection = greeted.connection;
        let mechanism = match greeted.preauthenticated {
            Preauthenticated::Yes => None,
            Preauthenticated::No => Some(
                login(&mut connection, credentials)
                    .await
                    .map_err(|error| login_fault(side, &error))?,
            ),
        };
        if policy.is_due() {
            connection.compress().await.map_err(|error| broken(side, &error))?;
        }
        let met = (greeted.banner, greeted.certificate, greeted.peer);
        let welcome = Welcome::new(met, mechanism, &connection);
        let bodies = bodies::Bodies::default();
        let appends = appends::Appends::default();
        let introduction = endpoint.introduction;
        Ok(Self {
            side,
            introduction,
            connection,
            selected: None,
            namespaces: None,
            bodies,
            appends,
            policy,
            welcome,
        })
    }

    fn fault(&self, kind: FaultKind, words: impl Into<String>) -> Fault {
        Fault::new(self.side, kind, words)
    }

    fn broken(&self, error: &ConnectionError) -> Fault {
        broken(self.side, error)
    }

    async fn run(
        &mut self,
        command: &Command,
        untagged: impl FnMut(&Untagged<'_>),
    ) -> Result<Completion, Fault> {
        let result = self.connection.run(command, untagged).await;
        let completion = result.map_err(|error| self.broken(&error))?;
        throttled_by(self.side, &completion).map_or(Ok(completion), Err)
    }

    async fn run_all(
        &mut self,
        commands: &[Command],
        untagged: impl FnMut(&Untagged<'_>),
    ) -> Result<Vec<Completion>, Fault> {
        let result = self.connection.run_all(commands, untagged).await;
        let completions = result.map_err(|error| self.broken(&error))?;
        let throttled = completions.iter().find_map(|it| throttled_by(self.side, it));
        throttled.map_or(Ok(completions), Err)
    }

    /// Opens a mailbox anew, whichever was open: what it tells is of now.
    async fn select(&mut self, mailbox: &MailboxName, access: Access) -> Result<Selected, Fault> {
        let mut now = Selected::untold(mailbox, access);
        let mut exists = None;
        self.selected = None;
        let mut completion = self.open_mailbox(&mut now, &mut exists).await?;
        if is_bad(&completion) && self.tells_modseq() {
            self.connection.session.quirks.no_condstore_parameter = true;
            completion = self.open_mailbox(&mut now, &mut exists).await?;
        }
        if !completion.is_ok() {
            return Err(self.fault(FaultKind::Select, completion.words()).in_mailbox(mailbox));
        }
        // It must be told (RFC 9051 §6.3.2). Without it a full mailbox would look empty, and
        // what looks empty is copied again, or removed.
        let Some(exists) = exists else {
            let words = format!("{} did not tell how many messages there are", access.verb());
            return Err(self.fault(FaultKind::ListingIncomplete, words).in_mailbox(mailbox));
        };
        now.exists = exists;
        self.selected = Some(now.clone());
        Ok(now)
    }

    async fn open_mailbox(
        &mut self,
        now: &mut Selected,
        exists: &mut Option<u64>,
    ) -> Result<Completion, Fault> {
        let command = self.open_command(&now.mailbox, now.access);
        self.run(&command, |data| match data {
            Untagged::Exists(count) => *exists = Some(*count),
            Untagged::Condition { kind: ConditionKind::Ok, code: Some(code), .. } => {
                now.take_note(code);
            }
            _ => {}
        })
        .await
    }

    /// Whether mailboxes are opened so that HIGHESTMODSEQ is told and kept from then on
    /// (RFC 7162 §3.1.8).
    fn tells_modseq(&self) -> bool {
        self.connection.capabilities().has("CONDSTORE")
            && !self.connection.session.quirks.no_condstore_parameter
    }

    fn open_command(&self, mailbox: &MailboxName, access: Access) -> Command {
        let command = Command::new(access.verb()).sp().mailbox(mailbox.as_bytes());
        if self.tells_modseq() { command.sp().raw("(CONDSTORE)") } else { command }
    }

    /// Leaves nothing selected and nothing expunged: imap4d loses messages appended to the
    /// mailbox that is open in the same session, and servers differ in what they tell there.
    async fn unselect(&mut self) -> Result<(), Fault> {
        let Some(selected) = self.selected.take() else { return Ok(()) };
        if self.connection.capabilities().has("UNSELECT") {
            let unselect = Command::new("UNSELECT");
            if self.connection.session.quirks.keeps_order {
                // What comes behind it is carried out behind it: its answer tells nothing.
                let sent = self.connection.session.send(&unselect);
                return sent.map(|_| ()).map_err(|error| self.broken(&error.into()));
            }
            self.run(&unselect, |_| {}).await?;
            return Ok(());
        }
        // CLOSE expunges what is `\Deleted`, except where the mailbox is open for reading
        // only (RFC 3501 §6.4.2).
        if selected.access == Access::Write {
            match self.select(&selected.mailbox, Access::Read).await {
                Ok(_) => {}
                // Gone meanwhile: then none is open any more (RFC 9051 §6.3.2).
                Err(fault) if fault.kind == FaultKind::Select => return Ok(()),
                Err(fault) => return Err(fault),
            }
        }
        self.run(&Command::new("CLOSE"), |_| {}).await?;
        self.selected = None;
        Ok(())
    }
}

impl Source for ImapAccount {
    async fn mailboxes(&mut self) -> Result<AccountListing, Fault> {
        self.list_mailboxes().await
    }

    async fn marks(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Mark>, Fault> {
        self.ask_marks(mailboxes).await
    }

    async fn marks_and_rows(
        &mut self,
        mailboxes: &[MailboxName],
        some: (&MailboxName, &[Uid]),
        keys: &KeyRule,
    ) -> Result<(Vec<Mark>, MessageListing), Fault> {
        self.ask_marks_and_rows(mailboxes, some, keys).await
    }

    async fn messages(
        &mut self,
        mailbox: &MailboxName,
        selection: &Selection,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        let listed = self.list_messages(mailbox, selection, keys).await;
        listed.map_err(|fault| fault.in_mailbox(mailbox))
    }

    async fn messages_among(
        &mut self,
        mailbox: &MailboxName,
        which: Among<'_>,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        let listed = self.list_among(mailbox, which, keys).await;
        listed.map_err(|fault| fault.in_mailbox(mailbox))
    }

    async fn list(
        &mut self,
        requests: Vec<ListRequest>,
        keys: &KeyRule,
        tell: &mut TellListed<'_>,
    ) -> Result<(), Fault> {
        self.list_all(requests, keys, tell).await
    }

    async fn dates(&mut self, mailbox: AsListed<'_>, uids: &[Uid]) -> Result<InternalDates, Fault> {
        self.fetch_dates(mailbox, uids).await
    }

    async fn digests(&mut self, mailbox: AsListed<'_>, uids: &[Uid]) -> Result<Digests, Fault> {
        self.digest_messages(mailbox, uids).await
    }

    async fn octet_digests(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<OctetDigests, Fault> {
        self.digest_octets(mailbox, uids).await
    }

    async fn headlines(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, Vec<u8>>, Fault> {
        self.fetch_headlines(mailbox, uids).await
    }

    fn has_labels(&self) -> bool {
        self.connection.capabilities().has("X-GM-EXT-1")
    }

    async fn labels(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        asked: LabelsAsked,
    ) -> Result<LabelListing, Fault> {
        self.fetch_labels(mailbox, uids, asked).await
    }

    async fn account_numbers(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, u64>, Fault> {
        self.fetch_account_numbers(mailbox, uids).await
    }

    fn day_octets(&self) -> DayOctets {
        self.connection.session.quirks.day_octets
    }

    fn has_room_for_bodies(&self) -> bool {
        self.has_room_for_flight()
    }

    fn open_bodies(&mut self, mailbox: AsListed<'_>, wanted: Vec<Wanted>) {
        self.begin_bodies(mailbox, wanted);
        // Sent at once. What fails now fails again for whoever waits for the bodies.
        let _ = self.ask_ahead().map(|()| self.connection.push());
    }

    async fn next_body(&mut self) -> Result<BodyEvent<'_>, Fault> {
        self.see_to_compression()?;
        self.advance_bodies().await
    }

    async fn close(&mut self) {
        // Politeness only: nothing is in flight, and nobody waits for the server's BYE, which
        // would take a round trip.
        if self.connection.session.send(&Command::new("LOGOUT")).is_ok() {
            let hung_up = self.connection.hang_up();
            let _ = tokio::time::timeout(LOGOUT_PATIENCE, hung_up).await;
        }
    }
}

impl Target for ImapAccount {
    async fn quota(&mut self) -> Result<Quota, Fault> {
        self.ask_quota().await
    }

    async fn create(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        self.create_mailboxes(mailboxes).await
    }

    async fn subscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        self.subscribe_mailboxes(mailboxes).await
    }

    async fn unsubscribe(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        self.unsubscribe_mailboxes(mailboxes).await
    }

    async fn delete_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.remove_mailbox(mailbox).await
    }

    async fn octets_in(&mut self, mailboxes: &[MailboxName]) -> Result<Vec<Option<u64>>, Fault> {
        self.sum_octets(mailboxes).await
    }

    fn takes_literal8(&self) -> bool {
        self.connection.capabilities().has("BINARY")
    }

    fn bears_refusals(&self) -> bool {
        self.connection.session.quirks.errors_max == u32::MAX
    }

    fn drops_keywords(&self) -> bool {
        self.connection.session.quirks.drops_keywords
    }

    fn append_limit(&self) -> Option<u64> {
        self.connection.capabilities().append_limit()
    }

    async fn open_appends(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.see_to_compression()?;
        self.unselect().await?;
        let opened = self.appends.open(&mut self.connection, mailbox);
        opened
            .map_err(|error| self.fault(FaultKind::Mapping, error.to_string()).in_mailbox(mailbox))
    }

    fn has_room(&self) -> bool {
        self.appends.has_room(&self.connection) && !self.awaits_quiet()
    }

    fn is_busy(&self) -> bool {
        self.appends.is_busy(&self.connection)
    }

    fn append(&mut self, envelope: Envelope, octets: Vec<u8>) {
        self.appends.gather(&mut self.connection, envelope, octets);
    }

    fn append_begin(&mut self, envelope: Envelope, octets: u64) {
        self.appends.begin(&mut self.connection, envelope, octets);
    }

    fn append_chunk(&mut self, octets: &[u8]) {
        self.connection.session.write(octets);
    }

    fn append_end(&mut self) {
        self.appends.end(&mut self.connection);
    }

    fn flush_appends(&mut self) {
        self.appends.flush(&mut self.connection);
    }

    async fn advance_appends(&mut self) -> Result<(), Fault> {
        self.see_to_compression()?;
        self.move_appends_on().await
    }

    fn take_appended(&mut self) -> Vec<Appended> {
        self.appends.take_outcomes()
    }

    async fn permanent_flags(&mut self, mailbox: &MailboxName) -> Result<PermanentFlags, Fault> {
        Ok(self.select(mailbox, Access::Write).await?.permanent_flags)
    }

    async fn update_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.store_flags(mailbox, updates).await
    }

    async fn update_labels(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.store_labels(mailbox, updates).await
    }

    async fn delete_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.expunge_messages(mailbox, uids).await
    }

    fn tells_copies(&self) -> bool {
        let capabilities = self.connection.capabilities();
        capabilities.has("UIDPLUS") || capabilities.is_rev2()
    }

    async fn copy_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<CopiesTold, Fault> {
        self.copy_in_order(mailbox, uids, to).await
    }

    async fn move_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
        to: &MailboxName,
    ) -> Result<Moved, Fault> {
        self.relocate(mailbox, uids, to).await
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn broken(side: Side, error: &ConnectionError) -> Fault {
    if let ConnectionError::Goodbye(words) = error
        && let Some(fault) = throttled(side, &format!("BYE {words}"))
    {
        return fault;
    }
    let kind = match error {
        ConnectionError::Protocol(_) | ConnectionError::Corrupt(_) => FaultKind::Protocol,
        _ => FaultKind::Connection,
    };
    Fault::new(side, kind, error.to_string())
}

fn is_bad(completion: &Completion) -> bool {
    completion.status == Status::Bad
}
