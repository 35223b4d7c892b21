//! Two simulated servers and a job between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailferry_engine::account::Plan;
use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::guard::{self, Approval, GuardLimits, NearlyAll};
use mailferry_engine::policy::Rules;
use mailferry_imap::credentials::Credentials;
use mailferry_imap::login::{Endpoint, Family, Introduction, Security};
use mailferry_imap::meter::Meter;
use mailferry_imap::tls::TlsPolicy;
use mailferry_run::accounts::{Accounts, Need, Seat};
use mailferry_run::events::{Event, EventSink};
use mailferry_run::execute::Execution;
use mailferry_run::job::{Job, Limits, ReconnectLimits};
use mailferry_run::receipt::{About, Receipt};
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_store::imap::ImapAccount;
use mailferry_testkit::sim::{Account, Date, Flags, Profile, Server};

#[path = "witness.rs"]
mod witness;

use witness::assert_receipt;

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "pass word\"\\%*";

/// A message as both sides should have it.
pub(crate) type Mail = (Vec<u8>, Vec<String>, i64);

/// Where the two servers listen.
#[derive(Clone)]
pub(crate) struct Addresses {
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) silence_max: Duration,
    /// Pairs of connections for which there is leave.
    pub(crate) seats: usize,
    pub(crate) taken: Arc<AtomicUsize>,
    /// What counts the octets of either side.
    pub(crate) meters: [Arc<Meter>; 2],
}

impl Accounts for Addresses {
    type Source = ImapAccount;
    type Removal = ImapAccount;
    type Target = ImapAccount;

    async fn open_source(&self) -> Result<ImapAccount, Fault> {
        let endpoint = Endpoint {
            meter: Some(self.meters[0].clone()),
            ..endpoint(self.source, self.silence_max)
        };
        ImapAccount::open(Side::Source, &endpoint, &credentials()).await
    }

    async fn open_removal(&self) -> Result<ImapAccount, Fault> {
        self.open_source().await
    }

    async fn open_target(&self) -> Result<ImapAccount, Fault> {
        let endpoint = Endpoint {
            meter: Some(self.meters[1].clone()),
            ..endpoint(self.target, self.silence_max)
        };
        ImapAccount::open(Side::Target, &endpoint, &credentials()).await
    }

    fn seat(&self, need: Need) -> Option<Seat> {
        if need == Need::Spare && self.taken.load(Ordering::SeqCst) >= self.seats {
            return None;
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        Some(Seat::holding(Taken(self.taken.clone())))
    }
}

/// Gives its seat back.
struct Taken(Arc<AtomicUsize>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn endpoint(address: SocketAddr, silence_max: Duration) -> Endpoint {
    Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
        security: Security::StartTlsOrLoopback,
        tls: TlsPolicy::default(),
        proxy: None,
        family: Family::Any,
        trace: None,
        meter: None,
        introduction: Introduction::Given,
        silence_max,
    }
}

fn credentials() -> Credentials {
    Credentials::with_password(USER, PASSWORD)
}

/// Both accounts, apart from the servers that serve them: they outlive a server.
pub(crate) struct World {
    pub(crate) source: Account,
    pub(crate) target: Account,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            source: Account::seeded(USER, PASSWORD, 1),
            target: Account::seeded(USER, PASSWORD, 2),
        }
    }

    pub(crate) async fn serve(&self, source: Profile, target: Profile) -> Running {
        let source = Server::bind(source, [self.source.clone()]).await.unwrap();
        let target = Server::bind(target, [self.target.clone()]).await.unwrap();
        let silence_max = Duration::from_secs(20);
        let addresses = Addresses {
            source: source.addr(),
            target: target.addr(),
            silence_max,
            seats: 10,
            taken: Arc::default(),
            meters: Default::default(),
        };
        Running { addresses, source, target }
    }

    /// Serves both and runs once; the source must come out as it went in.
    pub(crate) async fn run(&self, source: Profile, target: Profile, job: &Job) -> Report {
        let before = self.source.snapshot();
        let running = self.serve(source, target).await;
        let report = running.run(job).await.unwrap();
        assert!(before == self.source.snapshot(), "the source was changed");
        for entry in running.source.state().log() {
            let reads = [
                "CAPABILITY",
                "LOGIN",
                "AUTHENTICATE",
                "ID",
                "NAMESPACE",
                "LIST",
                "LSUB",
                "STATUS",
                "EXAMINE",
                "UID FETCH",
                "UID SEARCH",
                "NOOP",
                "LOGOUT",
                "UNSELECT",
                "CLOSE",
            ];
            assert!(
                reads.iter().any(|verb| entry.line.starts_with(verb)),
                "the source was told to {}",
                entry.line
            );
            assert!(!entry.line.contains("BODY["), "read without PEEK: {}", entry.line);
        }
        report
    }

    /// Runs twice: the first time completely, the second time with nothing to do.
    pub(crate) async fn run_until_settled(&self, source: Profile, target: Profile, job: &Job) {
        let report = self.run(source.clone(), target.clone(), job).await;
        assert_complete(&report);
        let report = self.run(source, target, job).await;
        assert_idle(&report);
    }

    /// Both accounts hold the same messages, in whatever order.
    pub(crate) fn assert_same_mail(&self) {
        let sorted = |account: &Account| {
            let mut all = digest(account);
            all.values_mut().for_each(|mail| mail.sort());
            all
        };
        let (here, there) = (sorted(&self.source), sorted(&self.target));
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (name, mail) in &here {
            let only = |one: &[Mail], other: &[Mail]| -> Vec<String> {
                let is_missing = |mail: &&Mail| !other.contains(*mail);
                one.iter().filter(is_missing).map(shown).collect()
            };
            let (gone, extra) = (only(mail, &there[name]), only(&there[name], mail));
            assert!(*mail == there[name], "{name} differs: missing {gone:?}, too many {extra:?}");
        }
    }

    /// Both accounts hold the same mail in the same order, under the same names.
    pub(crate) fn assert_same(&self) {
        let (here, there) = (digest(&self.source), digest(&self.target));
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (name, mail) in &here {
            let other = &there[name];
            for (at, (one, other)) in mail.iter().zip(other).enumerate() {
                assert!(one.0 == other.0, "{name}: message {} has other octets", at + 1);
                assert_eq!((&one.1, one.2), (&other.1, other.2), "{name}: message {}", at + 1);
            }
            assert_eq!(mail.len(), other.len(), "{name}");
        }
        assert_eq!(self.source.subscriptions(), self.target.subscriptions());
    }
}

/// Two servers at work.
pub(crate) struct Running {
    pub(crate) addresses: Addresses,
    pub(crate) source: Server,
    pub(crate) target: Server,
}

impl Running {
    pub(crate) async fn run(&self, job: &Job) -> Result<Report, Vec<Fault>> {
        let notes = Arc::new(Notes::default());
        let report = self.run_with(job, &Stop::default(), notes.clone()).await?;
        let total = report.total();
        for (word, expected) in [
            ("Copied(", total.copied),
            ("FlagsUpdated ", total.flags_updated),
            ("Deleted ", total.deleted),
            ("Moved ", report.moved()),
            ("Pruned(", report.pruned.len() as u64),
            ("SourceDeleted ", total.source_deleted),
            ("MailboxDeleted(", report.deleted_mailboxes.len() as u64),
            ("Created(", report.created.len() as u64),
            ("Subscribed(", report.subscribed.len() as u64),
            ("Unsubscribed(", report.unsubscribed.len() as u64),
            ("SubscriptionRefused(", report.subscriptions_refused.len() as u64),
        ] {
            let told = notes.0.lock().unwrap().iter().filter(|note| note.starts_with(word)).count();
            assert_eq!(told as u64, expected, "events and report differ: {word}");
        }
        Ok(report)
    }

    pub(crate) async fn run_with(
        &self,
        job: &Job,
        stop: &Stop,
        events: Arc<dyn EventSink>,
    ) -> Result<Report, Vec<Fault>> {
        let accounts = Arc::new(self.addresses.clone());
        // Every run of these tests writes a receipt, which has to say what the report says.
        let folder = in_memory();
        let mut job = job.clone();
        let own = job.receipt.is_none();
        job.receipt.get_or_insert_with(|| receipt(folder.path(), 0));
        let job = &job;
        let survey = survey(&*accounts, job, &*events, stop).await?;
        for mailbox in &survey.plan.mailboxes {
            assert!(mailbox.counts.add_up(), "{:?}", mailbox.counts);
        }
        let refused = |objection: &guard::Objection| {
            Fault::new(Side::Target, FaultKind::Limit, objection.to_string())
        };
        let approval = guard::check(&survey.plan.summary, &limits())
            .map_err(|objections| objections.iter().map(refused).collect::<Vec<_>>())?;
        let execution =
            Execution { accounts, job: Arc::new(job.clone()), events, stop: stop.clone() };
        let plan = survey.plan.clone();
        let report = execution.run(survey, approval).await;
        assert_totals(&report);
        // A run that makes room leaves two, and one report of both.
        if own && std::fs::read_dir(folder.path()).unwrap().count() == 1 {
            assert_receipt(folder.path(), &plan, &report);
        }
        Ok(report)
    }
}

/// A folder in memory, where the system has a place for that: a receipt is brought to the disk at its
/// end, which is to be waited for once, and not thousands of times.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Another connection to the target that listens there.
pub(crate) async fn open_account(address: SocketAddr) -> Result<ImapAccount, Fault> {
    let endpoint = endpoint(address, Duration::from_secs(20));
    ImapAccount::open(Side::Target, &endpoint, &credentials()).await
}

pub(crate) fn approval(plan: &Plan) -> Approval {
    guard::check(&plan.summary, &limits()).unwrap()
}

/// The receipt of a run that began so many seconds after the first.
pub(crate) fn receipt(folder: &Path, seconds: i64) -> Arc<Receipt> {
    let (source, target) = ("user@source:143".to_owned(), "user@target:143".to_owned());
    let (program, began) = ("test".to_owned(), 1_795_719_420 + seconds);
    Arc::new(Receipt::new(folder.to_owned(), About { program, began, source, target }))
}

fn limits() -> GuardLimits {
    GuardLimits { mailbox: None, nearly_all: NearlyAll::Allow, ..GuardLimits::modern() }
}

pub(crate) fn job(rules: Rules) -> Job {
    Job { limits: quick(), ..Job::new(rules) }
}

/// Waits that are no waits.
pub(crate) fn quick() -> Limits {
    let wait = Duration::from_millis(5);
    let reconnect = ReconnectLimits {
        first_wait: wait,
        settle_wait: wait,
        throttle_wait: Duration::from_millis(400),
        ..ReconnectLimits::default()
    };
    Limits { reconnect, ..Limits::default() }
}

/// One pair of connections, so that things happen in order.
pub(crate) fn job_in_order(rules: Rules) -> Job {
    Job { limits: Limits { pairs_max: 1, ..quick() }, ..job(rules) }
}

/// What happened, in words.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<Vec<String>>);

impl EventSink for Notes {
    fn on(&self, event: &Event<'_>) {
        if !matches!(event, Event::Octets(_) | Event::Planned(_) | Event::Accounts { .. }) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }
}

/// Every message that was to be copied is accounted for, exactly once.
pub(crate) fn assert_totals(report: &Report) {
    for mailbox in &report.mailboxes {
        let (planned, done) = (&mailbox.planned, &mailbox.done);
        let told = done.copied + done.failed + done.expunged + done.left_out;
        assert!(told <= planned.copy, "more was told than planned: {mailbox:?}");
        assert_eq!(planned.copy, told + mailbox.copies_not_started());
        assert!(done.flags_updated + done.flags_failed <= planned.update_flags, "{mailbox:?}");
        let removed = done.deleted + done.moved + done.delete_failed;
        assert!(removed <= planned.deletions(), "{mailbox:?}");
        assert!(done.source_deleted + done.source_kept <= planned.delete_source, "{mailbox:?}");
    }
}

pub(crate) fn assert_complete(report: &Report) {
    assert!(report.is_complete(), "{report:#?}");
}

pub(crate) fn assert_idle(report: &Report) {
    assert_complete(report);
    for mailbox in &report.mailboxes {
        let nothing = (mailbox.planned.act(), mailbox.planned.deletions());
        assert_eq!(nothing, (0, 0), "the second run has something to do: {mailbox:#?}");
    }
    assert_eq!(
        (report.created.len(), report.subscribed.len(), report.deleted_mailboxes.len()),
        (0, 0, 0)
    );
    assert_eq!(report.unsubscribed, []);
}

/// The faults of one kind.
pub(crate) fn faults(report: &Report, kind: FaultKind) -> Vec<u32> {
    let of_kind = report.faults.iter().filter(|fault| fault.kind == kind);
    of_kind.map(|fault| fault.uid.map_or(0, |uid| uid.value())).collect()
}

/// An account in a form that can be compared: no UIDs, instants without zones.
pub(crate) fn digest(account: &Account) -> BTreeMap<String, Vec<Mail>> {
    let all = account.snapshot().into_iter();
    all.map(|(name, messages)| {
        let mail = messages
            .iter()
            .map(|found| (found.octets.to_vec(), words(&found.flags), found.date.seconds));
        (name, mail.collect())
    })
    .collect()
}

/// A message as a test that fails shows it.
fn shown((octets, flags, seconds): &Mail) -> String {
    let begin = String::from_utf8_lossy(&octets[..octets.len().min(60)]).into_owned();
    format!("{begin:?} of {} octets, {flags:?}, {seconds}", octets.len())
}

/// How often each content is in each mailbox of an account.
pub(crate) fn contents(account: &Account) -> BTreeMap<(String, Vec<u8>), usize> {
    let mut contents = BTreeMap::new();
    for (mailbox, mail) in digest(account) {
        for (octets, ..) in mail {
            *contents.entry((mailbox.clone(), octets)).or_default() += 1;
        }
    }
    contents
}

/// While messages are moved each is on one side at least, and on the target no more often than the
/// source had it.
#[track_caller]
pub(crate) fn assert_on_either_side(
    world: &World,
    before: &BTreeMap<(String, Vec<u8>), usize>,
    what: &str,
) {
    let (here, there) = (contents(&world.source), contents(&world.target));
    for (content, &times) in before {
        let of = |side: &BTreeMap<_, usize>| side.get(content).copied().unwrap_or(0);
        assert!(of(&here) + of(&there) >= times, "{what}: a message of {} is lost", content.0);
        assert!(of(&there) <= times, "{what}: a message of {} is doubled", content.0);
    }
}

pub(crate) fn words(flags: &Flags) -> Vec<String> {
    flags.iter().map(str::to_owned).collect()
}

/// The octets of the messages of a mailbox, in order.
pub(crate) fn bodies(account: &Account, mailbox: &str) -> Vec<Vec<u8>> {
    account.messages(mailbox).iter().map(|found| found.octets.to_vec()).collect()
}

pub(crate) fn date(number: u32) -> Date {
    let zones = [0, 60, -300, 345];
    Date {
        seconds: 1_600_000_000 + i64::from(number) * 3_601,
        zone_minutes: zones[number as usize % 4],
    }
}

/// A message of exactly so many octets, with a Message-Id where there is room for one.
pub(crate) fn message(number: u32, octets: usize) -> Vec<u8> {
    let head = format!("Message-Id: <{number}@world>\r\nSubject: message {number}\r\n\r\n");
    let mut message = if head.len() <= octets { head.into_bytes() } else { Vec::new() };
    let line = format!("This is a line of message {number}, and there are others.\r\n");
    while message.len() < octets {
        let left = octets - message.len();
        message.extend_from_slice(&line.as_bytes()[..left.min(line.len())]);
    }
    message
}

/// Adds messages `numbers` of that size to a mailbox.
pub(crate) fn fill(account: &Account, mailbox: &str, numbers: std::ops::Range<u32>, octets: usize) {
    const FLAGS: [&[&str]; 5] = [
        &[],
        &["\\Seen"],
        &["\\Seen", "\\Answered", "Work"],
        &["\\Flagged"],
        &["$Forwarded", "\\Draft"],
    ];
    for number in numbers {
        account.append(mailbox, &message(number, octets), FLAGS[number as usize % 5], date(number));
    }
}

/// Some mail in several mailboxes, of many kinds and sizes.
pub(crate) fn furnish(account: &Account) {
    fill(account, "INBOX", 1..31, 700);
    fill(account, "Archive/2024", 100..110, 5_000);
    fill(account, "Archive/2025", 200..203, 100_000);
    fill(account, "R&AOk-unions", 300..305, 300);
    account.append("INBOX", b"Subject: no identity\r\n\r\nx\r\n", &["\\Seen"], date(50));
    account.append("INBOX", b"\r\nno header at all\r\n", &[], date(51));
    account.add_mailbox("Empty");
    account.add_mailbox("with space \"quoted\"");
    for name in ["INBOX", "Archive/2024", "Empty"] {
        account.subscribe(name);
    }
}
