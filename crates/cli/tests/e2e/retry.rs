//! What a target refused is brought in later from the files in which it was kept aside, with the
//! source gone.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::world::*;
use mailferry_testkit::sim::{Account, AppendRequest, Date, Profile, Server};
use tokio::runtime::Runtime;

const POISON: &[u8] = b"Message-Id: <poison@x>\r\nSubject: \x1b[2Jodd\r\n\r\npoison\n\r\n";
const DATE: i64 = 1_600_000_000;

/// A target that refuses some messages for a while.
struct Case {
    desk: Desk,
    source_url: String,
    target: Account,
    target_server: Server,
    refusing: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Case {
    /// Two messages of which the target refuses one; the source is gone afterwards.
    fn open() -> Self {
        let runtime = Runtime::new().unwrap();
        let (source, target) = (Account::new("joe", "x"), Account::new("joe", "x"));
        source.add_mailbox("Old");
        source.append("Old", POISON, &["\\Seen", "work"], Date::utc(DATE));
        source.append("Old", b"Message-Id: <good@x>\r\n\r\ngood\r\n", &[], Date::utc(DATE));
        let refusing = Arc::new(AtomicBool::new(true));
        let asked = refusing.clone();
        let refuse = move |request: &AppendRequest<'_>| {
            let poisoned = String::from_utf8_lossy(request.octets).contains("poison");
            (poisoned && asked.load(Ordering::SeqCst)).then(|| "I do not like it".to_owned())
        };
        let profile = Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() };
        let bind = |profile, account: &Account| {
            runtime.block_on(Server::bind(profile, [account.clone()])).unwrap()
        };
        let (source_server, target_server) =
            (bind(Profile::modern(), &source), bind(profile, &target));
        let source_url = format!("imap+plain://joe@{}", source_server.addr());
        let desk = Desk::new();
        let case = Self { desk, source_url, target, target_server, refusing, _runtime: runtime };
        case.ferry(&["sync", "--source-password-command", "echo x"]).expect(114);
        assert_eq!(case.there(), 1);
        drop(source_server);
        case
    }

    fn ferry(&self, words: &[&str]) -> Finished {
        let target_url = format!("imap+plain://joe@{}", self.target_server.addr());
        let accounts = [&*self.source_url, &target_url, "--target-password-command", "echo x"];
        self.desk.mailferry(&[&words[..1], &accounts[..], &words[1..]].concat())
    }

    fn there(&self) -> usize {
        self.target.messages("Old").len()
    }

    /// The files of messages that are kept aside.
    fn kept(&self) -> Vec<PathBuf> {
        let below = self.desk.path().join("XDG_DATA_HOME/mailferry/quarantine");
        let folders = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut paths: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "eml"));
        paths
    }
}

#[test]
fn what_was_refused_comes_in_later_without_its_source() {
    let case = Case::open();
    let listed = case.ferry(&["retry", "--list"]).expect(0);
    let path = case.kept().pop().unwrap();
    assert!(listed.stdout.contains(path.to_str().unwrap()), "{}", listed.report());
    assert!(listed.stdout.contains("for `Old`"), "{}", listed.report());
    assert!(listed.stdout.contains("I do not like it"), "{}", listed.report());

    // The target has not changed its mind.
    case.ferry(&["retry"]).expect_failure();
    assert_eq!((case.there(), case.kept().len()), (1, 1));

    case.refusing.store(false, Ordering::SeqCst);
    case.ferry(&["retry"]).expect(0);
    let arrived = case.target.messages("Old");
    let poison = arrived.iter().find(|found| *found.octets == *POISON).unwrap();
    let mut flags: Vec<&str> = poison.flags.iter().collect();
    flags.sort_unstable();
    assert_eq!((flags, poison.date.seconds), (vec!["\\Seen", "work"], DATE));
    assert_eq!((arrived.len(), case.kept().len()), (2, 0));

    let nothing = case.ferry(&["retry"]).expect(0);
    assert!(nothing.stdout.contains("nothing is kept aside"), "{}", nothing.report());
    assert_eq!(case.there(), 2);
}

#[test]
fn what_has_arrived_otherwise_is_not_brought_in_again() {
    let case = Case::open();
    case.target.append("Old", POISON, &[], Date::utc(DATE));
    case.ferry(&["retry"]).expect(0);
    assert_eq!((case.there(), case.kept().len()), (2, 0));
    let poison = case.target.messages("Old").pop().unwrap();
    assert_eq!(poison.flags.iter().count(), 0, "flags of what is there are left alone");
}

/// It has the same Message-Id and the same size, and was there before.
#[test]
fn an_older_form_of_a_message_does_not_stand_for_it() {
    let case = Case::open();
    let older = String::from_utf8(POISON.to_vec()).unwrap().replace("poison\n", "quaint\n");
    assert_eq!(older.len(), POISON.len());
    case.target.append("Old", older.as_bytes(), &[], Date::utc(DATE - 60));
    case.ferry(&["retry"]).expect_failure();
    assert_eq!((case.there(), case.kept().len()), (2, 1));
    case.refusing.store(false, Ordering::SeqCst);
    case.ferry(&["retry"]).expect(0);
    assert_eq!((case.there(), case.kept().len()), (3, 0));
    let octets = case.target.messages("Old").pop().unwrap().octets;
    assert_eq!(octets[..], *POISON);
}

#[test]
fn a_file_that_is_no_longer_the_message_stays_where_it_is() {
    let case = Case::open();
    case.refusing.store(false, Ordering::SeqCst);
    let path = case.kept().pop().unwrap();
    fs::write(&path, b"Message-Id: <forged@x>\r\n\r\nforged\r\n").unwrap();
    let run = case.ferry(&["retry"]).expect(111);
    assert!(run.stderr.contains("not the message that was kept"), "{}", run.report());
    assert_eq!((case.there(), case.kept().len()), (1, 1));
}
