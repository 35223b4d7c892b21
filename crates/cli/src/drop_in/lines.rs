//! Events in the lines that other programs read.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Zoned};
use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::name::MailboxName;
use mailferry_imap::mutf7;
use mailferry_imap::session::printable;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::stop::Stop;

use super::journal::Log;
use crate::claims::waiting_words;
use crate::fault_text::room_words;
use crate::imapsync::ImapsyncOptions;
use crate::imapsync::output::{Copied, Eta, Place, ShownName, folder_line};
use crate::imapsync::settings::Mechanism;
use crate::moment;

/// Writes events as imapsync does.
pub(super) struct Lines<'a> {
    log: &'a Log,
    parties: Parties,
    eta: ShowEta,
    /// Octets after which the run is stopped.
    limit: Option<(u64, Stop)>,
    reached: OnceLock<String>,
    sums: Mutex<Sums>,
}

/// Who is on either side, by which errors are told.
#[derive(Clone, Debug)]
pub(super) struct Parties {
    hosts: [String; 2],
    users: [String; 2],
    pub(super) mechanisms: [String; 2],
}

impl Parties {
    pub(super) fn new(options: &ImapsyncOptions) -> Self {
        let sides = [&options.side1, &options.side2];
        Self {
            hosts: sides.map(|side| side.host.clone()),
            users: sides.map(|side| printable(&side.user)),
            mechanisms: sides.map(|side| match side.mechanism {
                Mechanism::Usual => "LOGIN".to_owned(),
                Mechanism::Preauth => "PREAUTH".to_owned(),
                Mechanism::Named(mechanism) => mechanism.name().to_owned(),
            }),
        }
    }

    /// Host and user of side 1 or 2.
    pub(super) fn of(&self, number: u8) -> (&str, &str) {
        let at = usize::from(number) - 1;
        (&self.hosts[at], &self.users[at])
    }
}

/// Whether copy lines tell when it will end: only with the sizes known (`--foldersizes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShowEta {
    Yes,
    No,
}

struct Sums {
    began: Instant,
    messages: u64,
    octets: u64,
    left: u64,
    total: u64,
    /// `sources -> target` of each mailbox of the plan.
    folders: Vec<(MailboxName, MailboxName)>,
    errors: Vec<Fault>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        log: &'a Log,
        parties: Parties,
        eta: ShowEta,
        limit: Option<(u64, Stop)>,
    ) -> Self {
        let sums = Sums {
            began: Instant::now(),
            messages: 0,
            octets: 0,
            left: 0,
            total: 0,
            folders: Vec::new(),
            errors: Vec::new(),
        };
        Self { log, parties, eta, limit, reached: OnceLock::new(), sums: Mutex::new(sums) }
    }

    /// The line that says that enough was copied, if it was.
    pub(super) fn limit_reached(&self) -> Option<String> {
        self.reached.get().cloned()
    }

    fn stop_at_limit(&self) {
        let Some((limit, stop)) = &self.limit else { return };
        let octets = self.with_sums(|sums| sums.octets).unwrap_or(0);
        if octets >= *limit {
            stop.ask();
            let words =
                format!("Maximum bytes transferred reached, {octets} >= {limit}, ending sync");
            if self.reached.set(words.clone()).is_ok() {
                self.log.line(&words);
            }
        }
    }

    fn with_sums<T>(&self, take: impl FnOnce(&mut Sums) -> T) -> Option<T> {
        self.sums.lock().ok().map(|mut sums| take(&mut sums))
    }

    fn begin(&self, plan: &Plan) {
        self.with_sums(|sums| {
            sums.began = Instant::now();
            sums.total = plan.summary.total.listed;
            sums.left = plan.summary.total.copy;
            let name = |mailbox: &mailferry_engine::plan::MailboxPlan| {
                mailbox
                    .parts
                    .first()
                    .map_or_else(|| mailbox.target.clone(), |part| part.source.clone())
            };
            sums.folders = plan
                .mailboxes
                .iter()
                .map(|mailbox| (name(mailbox), mailbox.target.clone()))
                .collect();
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are shown with two and three digits")]
    fn copied(&self, copied: &mailferry_run::events::Copied<'_>) {
        let line = self.with_sums(|sums| {
            sums.messages += 1;
            sums.octets += copied.octets;
            sums.left = sums.left.saturating_sub(1);
            let seconds = sums.began.elapsed().as_secs_f64().max(1e-6);
            let rate = sums.messages as f64 / seconds;
            let eta = (self.eta == ShowEta::Yes).then(|| eta(sums.left, sums.total, rate));
            Copied {
                folder1: &raw(copied.source),
                uid1: copied.uid.value(),
                octets: copied.octets,
                folder2: &raw(copied.target),
                uid2: copied.target_uid.map(|uid| uid.value()),
                message_rate: rate,
                octet_rate: sums.octets as f64 / seconds,
                octets_so_far: sums.octets,
                eta,
            }
            .line()
        });
        if let Some(line) = line {
            self.log.line(&line);
        }
        self.stop_at_limit();
    }

    fn folder(&self, at: usize) {
        let line = self.with_sums(|sums| {
            let (source, target) = sums.folders.get(at)?;
            let place = Place { this: at + 1, of: sums.folders.len() };
            Some(named(source, |name1| named(target, |name2| folder_line(place, name1, name2))))
        });
        if let Some(line) = line.flatten() {
            self.log.line(&line);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
fn eta(left: u64, total: u64, rate: f64) -> Eta {
    let seconds = if rate > 0.0 { left as f64 / rate } else { 0.0 };
    let now = Zoned::now();
    #[expect(clippy::cast_possible_truncation, reason = "kept below a year")]
    let ahead = SignedDuration::from_secs(seconds.min(3.0e7) as i64);
    let end = now.checked_add(ahead).unwrap_or(now);
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Eta { end, seconds, left: count(left) as _, total: count(total) as _ }
}

impl Lines<'_> {
    /// The option alone tells imapsync's readers which rule it was.
    fn left_out(&self, message: &str, rule: &str) {
        let option = rule.split(' ').next().unwrap_or(rule);
        self.log.line(&format!("- msg {message} skipped by {option}"));
        self.log.line(&format!("- msg {message} skipped."));
        self.with_sums(|sums| sums.left = sums.left.saturating_sub(1));
    }

    fn labels(&self, folder: &MailboxName, set: u64, left: u64) {
        let folder = bracketed(folder);
        if set > 0 {
            self.log.line(&format!("Host2: folder {folder}: labels of {set} messages set"));
        }
        if left > 0 {
            self.log.line(&format!(
                "Host2: folder {folder}: labels of {left} messages left as they are, since they have no \
                 Message-Id"
            ));
        }
    }

    fn reconnecting(&self, fault: &Fault, wait: Duration) {
        let number = if fault.side == Side::Source { 1 } else { 2 };
        self.log.line(&format!(
            "Host{number}: it broke off ({}), reconnecting in {:.1} s",
            printable(fault.words.as_bytes()),
            wait.as_secs_f32()
        ));
    }

    fn left_alone(&self, fault: &Fault, wait: Duration) {
        let number = if fault.side == Side::Source { 1 } else { 2 };
        self.log.line(&format!(
            "Host{number}: it asks to be left alone ({}), going on at {}, in {}",
            printable(fault.words.as_bytes()),
            moment::after(wait),
            moment::span(wait)
        ));
    }
}

impl EventSink for Lines<'_> {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => self.begin(plan),
            Event::MailboxBegins { at, .. } => self.folder(*at),
            Event::Copied(copied) => self.copied(copied),
            Event::Created(name) => {
                self.log.line(&format!("Created folder {} on host2", bracketed(name)))
            }
            Event::Subscribed(name) => {
                self.log.line(&format!("Host2: Subscribing to folder {}", raw(name)))
            }
            Event::Deleted { mailbox, uid } => {
                self.log
                    .line(&format!("Host2: msg {}/{uid} marked \\Deleted on host2", raw(mailbox)));
            }
            Event::SourceDeleted { mailbox, uid } => {
                self.log
                    .line(&format!("Host1: {}/{uid} marking deleted and expunged ", raw(mailbox)));
            }
            Event::LabelsSet { mailbox, messages, left } => self.labels(mailbox, *messages, *left),
            Event::CopiedWithin { mailbox, messages, behind } => self.log.line(&format!(
                "Host2: folder {}: {messages} messages copied there on host2, not fetched again, {behind} of them \
                 behind later ones",
                bracketed(mailbox)
            )),
            Event::MailboxDeleted(name) => {
                self.log.line(&format!("Host2: Deleted folder {}", bracketed(name)))
            }
            Event::LeftOut { mailbox, uid, rule } => {
                self.left_out(&format!("{}/{uid}", raw(mailbox)), rule);
            }
            Event::CommandSaid { mailbox, uid, command, words } => self.log.line(&format!(
                "- msg {}/{uid} through {command}: {}",
                raw(mailbox),
                printable(words.as_bytes())
            )),
            Event::Repaired { mailbox, uid, steps } => self.log.line(&format!(
                "Host2: msg {}/{uid} was refused, and taken after: {}",
                raw(mailbox),
                steps.join(", ")
            )),
            Event::KeptAside { mailbox, uid, path } => self.log.line(&format!(
                "Host2: msg {}/{uid} was refused, and is kept as {}",
                raw(mailbox),
                path.display()
            )),
            Event::Waiting { mailbox, process, wait } => self.log.line(&format!(
                "Host2: folder {}: {}",
                bracketed(mailbox),
                waiting_words(*process, *wait)
            )),
            Event::MadeRoom { messages, mailboxes } => {
                self.log.line(&format!("Host2: {}", room_words(*messages, *mailboxes)));
            }
            Event::AfterKilled => self
                .log
                .line("Notice: the last run was killed; waiting for what it had sent to arrive"),
            Event::DoubleRemoved { mailbox, uid } => self.log.line(&format!(
                "Host2: msg {}/{uid} had been stored twice, this copy of it was removed",
                raw(mailbox)
            )),
            Event::Reconnecting { fault, wait } => self.reconnecting(fault, *wait),
            Event::Throttled { fault, wait } => self.left_alone(fault, *wait),
            Event::Failed(fault) => {
                self.log.line(&error_line(fault, &self.parties));
                self.with_sums(|sums| sums.errors.push((*fault).clone()));
            }
            _ => {}
        }
    }
}

/// A name on the wire as printable text.
pub(super) fn raw(name: &MailboxName) -> String {
    printable(name.as_bytes())
}

/// `[raw] = [decoded]`
pub(super) fn bracketed(name: &MailboxName) -> String {
    named(name, |shown| shown.bracketed())
}

/// Lends the two forms of a name.
pub(super) fn named<T>(name: &MailboxName, show: impl FnOnce(ShownName<'_>) -> T) -> T {
    let decoded = mutf7::display(name.as_bytes());
    show(ShownName { raw: &raw(name), decoded: Some(&decoded) })
}

/// A fault in the words of imapsync, by which others tell its kind.
pub(super) fn error_line(fault: &Fault, parties: &Parties) -> String {
    let host = if fault.side == Side::Source { "Host1" } else { "Host2" };
    let folder = fault.mailbox.as_ref().map(raw).unwrap_or_default();
    let uid = fault.uid.map(|uid| uid.to_string()).unwrap_or_default();
    let words = printable(fault.words.as_bytes());
    let number = if fault.side == Side::Source { 1 } else { 2 };
    let (name, user) = parties.of(number);
    let auth = &parties.mechanisms[usize::from(number) - 1];
    match fault.kind {
        FaultKind::Authentication
        | FaultKind::TokenRefused
        | FaultKind::TokenMissing
        | FaultKind::Mechanism => {
            format!(
                "{host} failure: Error login on [{name}] with user [{user}] auth [{auth}]: {words}"
            )
        }
        FaultKind::Tls | FaultKind::Certificate | FaultKind::OldTls => {
            format!(
                "{host} failure: Can not go to tls encryption on host{number} [{name}]: {words}"
            )
        }
        FaultKind::Throttled => {
            format!("{host} failure: it asks to be left alone: {words}")
        }
        FaultKind::DayQuota => {
            format!("{host} failure: it has moved as much as it may in a day: {words}")
        }
        FaultKind::Connection | FaultKind::Proxy => {
            format!(
                "{host} failure: can not open imap connection on host{number} [{name}] with user \
                 [{user}]: {words}"
            )
        }
        FaultKind::Fetch | FaultKind::Expunged => {
            format!("- msg {folder}/{uid} could not be fetched: {words}")
        }
        FaultKind::Transform => {
            format!("- msg {folder}/{uid} could not be transformed, so it is not copied: {words}")
        }
        FaultKind::Append
        | FaultKind::AppendSize
        | FaultKind::AppendVirus
        | FaultKind::OverQuota => {
            format!("- msg {folder}/{uid} could not append: {words}")
        }
        FaultKind::Create | FaultKind::Mapping => {
            format!("Could not create folder [{folder}]: {words}")
        }
        FaultKind::Select => format!("{host} folder {folder}: Could not select: {words}"),
        FaultKind::Flags => {
            format!("{host}: flags msg {folder}/{uid} could not add flags: {words}")
        }
        FaultKind::DeleteMessage => {
            format!("{host}: msg {folder}/{uid} could not be deleted: {words}")
        }
        kind => format!("{host}: {kind:?} {folder} {uid}: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U73 of the unit catalogue: what is left takes as long as what is done took, by its number.
    #[test]
    fn the_time_that_is_left_is_by_the_rate_so_far() {
        for (spent, done, total, left) in [(1.0, 1.0, 10, 9.0), (9.0, 9.0, 10, 1.0)] {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let open = total - done as u64;
            let told = eta(open, total, done / spent).seconds;
            assert!((told - left).abs() < 1e-9, "{told}");
        }
        assert!(eta(10, 10, 0.0).seconds.abs() < 1e-9);
    }
}
