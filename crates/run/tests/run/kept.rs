//! Messages in files as the source of a run.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::message::{Flag, InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::policy::{Rules, Subscribe};
use mailferry_run::accounts::Accounts;
use mailferry_run::events::Silent;
use mailferry_run::execute::Execution;
use mailferry_run::job::Job;
use mailferry_run::report::Report;
use mailferry_run::stop::Stop;
use mailferry_run::survey::survey;
use mailferry_store::files::{FileAccount, FileMailbox, FileMessage, FileStore, Part};
use mailferry_store::imap::ImapAccount;
use mailferry_testkit::sim::{Effect, Fault as ServerFault, Profile, Server};

use crate::world::{World, approval, assert_complete, faults, job, message, open_account};

struct Files {
    account: Arc<FileAccount>,
    target: SocketAddr,
}

impl Accounts for Files {
    type Source = FileStore<Arc<FileAccount>>;
    type Removal = ImapAccount;
    type Target = ImapAccount;

    async fn open_source(&self) -> Result<FileStore<Arc<FileAccount>>, Fault> {
        Ok(FileStore::new(self.account.clone()))
    }

    async fn open_removal(&self) -> Result<ImapAccount, Fault> {
        unreachable!("nothing is removed from files")
    }

    async fn open_target(&self) -> Result<ImapAccount, Fault> {
        open_account(self.target).await
    }
}

/// Forty messages, two of them large, one without identity headers.
fn furnish(folder: &Path) -> FileAccount {
    let mut messages = Vec::new();
    for number in 1..=40_u32 {
        let octets = match number {
            7 | 8 => message(number, 300_000),
            9 => b"Subject: nobody\r\n\r\nx\r\n".to_vec(),
            _ => message(number, 400),
        };
        let path = folder.join(number.to_string());
        std::fs::write(&path, &octets).unwrap();
        messages.push(FileMessage {
            uid: Uid::new(number).unwrap(),
            flags: [Flag::new(b"\\Seen")].into_iter().collect(),
            date: InternalDate::new(1_600_000_000 + i64::from(number), 0),
            octets: octets.len() as u64,
            path,
            part: Part::Whole,
            digest: None,
        });
    }
    let name = MailboxName::from("INBOX");
    FileAccount {
        mailboxes: vec![Arc::new(FileMailbox { name, uid_validity: 1, uid_next: 41, messages })],
        delimiter: None,
    }
}

async fn run(account: FileAccount, server: &Server) -> Report {
    let accounts = Arc::new(Files { account: Arc::new(account), target: server.addr() });
    let rules = Rules { subscribe: Subscribe::None, ..Rules::sync() };
    let (job, stop): (Job, Stop) = (job(rules), Stop::default());
    let survey = survey(&*accounts, &job, &Silent, &stop).await.unwrap();
    let approval = approval(&survey.plan);
    let execution = Execution { accounts, job: Arc::new(job), events: Arc::new(Silent), stop };
    execution.run(survey, approval).await
}

fn assert_there(world: &World, folder: &Path) {
    let mut there: Vec<Vec<u8>> =
        world.target.messages("INBOX").iter().map(|found| found.octets.to_vec()).collect();
    let files = std::fs::read_dir(folder).unwrap();
    let mut expected: Vec<Vec<u8>> =
        files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    there.sort();
    expected.sort();
    assert!(there == expected, "{} messages, not {}", there.len(), expected.len());
}

#[tokio::test]
async fn files_are_brought_in_and_then_known() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    let server = Server::bind(Profile::modern(), [world.target.clone()]).await.unwrap();
    let report = run(furnish(folder.path()), &server).await;
    assert_complete(&report);
    assert_eq!(report.total().copied, 40);
    assert_there(&world, folder.path());
    let found = &world.target.messages("INBOX")[0];
    assert_eq!((found.date.seconds, found.flags.iter().count()), (1_600_000_001, 1));
    let again = run(furnish(folder.path()), &server).await;
    assert_complete(&again);
    assert_eq!(again.total().copied, 0);
}

#[tokio::test]
async fn lost_answers_double_nothing() {
    for nth in 1..4 {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new();
        let cut = ServerFault::at_command("APPEND", nth, Effect::CutUnanswered);
        let profile = Profile { faults: vec![cut], ..Profile::modern() };
        let server = Server::bind(profile, [world.target.clone()]).await.unwrap();
        let report = run(furnish(folder.path()), &server).await;
        assert_complete(&report);
        assert!(report.reconnections[1] > 0, "the cut was not felt");
        assert_there(&world, folder.path());
    }
}

#[tokio::test]
async fn a_file_that_changed_or_went_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    let server = Server::bind(Profile::modern(), [world.target.clone()]).await.unwrap();
    let account = furnish(folder.path());
    let listed = account.clone();
    let accounts = Arc::new(Files { account: Arc::new(listed), target: server.addr() });
    let (job, stop) = (job(Rules::sync()), Stop::default());
    let survey = survey(&*accounts, &job, &Silent, &stop).await.unwrap();
    std::fs::remove_file(folder.path().join("3")).unwrap();
    std::fs::write(folder.path().join("4"), b"another one").unwrap();
    std::fs::write(folder.path().join("8"), message(8, 200_000)).unwrap();
    let approval = approval(&survey.plan);
    let execution = Execution { accounts, job: Arc::new(job), events: Arc::new(Silent), stop };
    let report = execution.run(survey, approval).await;
    let mut failed = faults(&report, FaultKind::Fetch);
    failed.sort_unstable();
    assert_eq!(failed, [3, 4, 8]);
    assert_eq!((report.total().copied, report.total().failed), (37, 3));
    assert_eq!(world.target.messages("INBOX").len(), 37);
}
