//! One scenario of imapsync's catalogue: two new accounts, and what is asked of them.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use crate::world::*;

/// One scenario: two accounts on servers with `.` and the prefix `INBOX.`.
pub struct Scene<'w> {
    pub source: Place<'w>,
    pub target: Place<'w>,
    pub desk: Desk,
}

impl<'w> Scene<'w> {
    pub fn new(world: &'w World) -> Self {
        let place = |stem| Place::new(&world.dot, stem);
        Self { source: place("tata"), target: place("titi"), desk: Desk::new() }
    }

    /// Mailboxes by their names without prefix, each with so many messages.
    pub fn with(self, mailboxes: &[(&str, i64)]) -> Self {
        for &(name, count) in mailboxes {
            let stem = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            self.source.put(name, &mails(&stem, count));
        }
        self
    }

    pub fn run(&self, options: &[&str], status: i32) -> Finished {
        self.desk.imapsync(&self.source, &self.target, options).expect(status)
    }

    /// Nothing but these words.
    pub fn alone(&self, words: &[&str], status: i32) -> Finished {
        alone(&self.desk, words, status)
    }

    /// What is on the target: names with their numbers of messages, empty mailboxes left out.
    pub fn arrived(&self) -> BTreeMap<String, usize> {
        let account = self.target.read();
        let mailboxes = account.mailboxes.iter().filter(|(_, messages)| !messages.is_empty());
        mailboxes.map(|(name, messages)| (name.clone(), messages.len())).collect()
    }

    #[track_caller]
    pub fn assert_arrived(&self, expected: &[(&str, usize)]) {
        let expected = expected.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(self.arrived(), expected);
    }

    pub fn text_of(&self, mailbox: &str) -> String {
        String::from_utf8_lossy(&self.target.read().messages(mailbox)[0].octets).into_owned()
    }

    pub fn flags(&self, mailbox: &str) -> Vec<String> {
        self.target.read().messages(mailbox).iter().map(|it| it.flags.join(" ")).collect()
    }

    /// How many messages a mailbox has on both sides.
    pub fn counts(&self, mailbox: &str) -> (usize, usize) {
        (self.source.read().messages(mailbox).len(), self.target.read().messages(mailbox).len())
    }

    /// A run the other way round.
    pub fn back(&self, options: &[&str]) -> Finished {
        self.desk.imapsync(&self.target, &self.source, options).expect(0)
    }

    pub fn tls_port(&self) -> String {
        self.source.server.imaps().unwrap().port().to_string()
    }
}

/// The program with nothing but these words.
pub fn alone(desk: &Desk, words: &[&str], status: i32) -> Finished {
    let mut command = desk.shell("exec \"$0\" \"$@\"");
    command.arg(env!("CARGO_BIN_EXE_imapsync")).args(words);
    desk.finish(command).expect(status)
}

/// The output has these words.
#[track_caller]
pub fn has(run: &Finished, words: &[&str]) {
    for word in words {
        assert!(run.text().contains(word), "`{word}` is missing: {}", run.report());
    }
}

#[track_caller]
pub fn has_not(run: &Finished, words: &[&str]) {
    for word in words {
        assert!(!run.text().contains(word), "`{word}` is there: {}", run.report());
    }
}

/// A run that has copied something and has much left to do, and its pidfile.
pub fn run_under_way(s: &Scene<'_>) -> (Child, String) {
    s.source.put("INBOX", &mails("inbox", 40));
    let pidfile = s.desk.path().join("pid").to_str().unwrap().to_owned();
    let options = ["--pidfile", &pidfile, "--maxmessagespersecond", "1"];
    let child = s.desk.start(s.desk.imapsync_command(&s.source, &s.target, &options));
    until_it_copies(s);
    (child, pidfile)
}

/// Waits until the run of this scene has copied something.
pub fn until_it_copies(s: &Scene<'_>) {
    for _ in 0..600 {
        if s.desk.output("stdout").contains("copied to") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whoever has an odd name has an odd password here.
pub fn odd_login(s: &Scene<'_>, user: &str) {
    let odd = Place::named(s.source.server.dovecot(), user.to_owned());
    s.desk.imapsync(&odd, &odd, &["--justlogin"]).expect(0);
}

pub const DAY: i64 = 86_400;

pub fn now() -> i64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

pub fn days_ago(days: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(now() - days * DAY).unwrap()
}

pub fn date_days_ago(days: i64) -> String {
    days_ago(days).strftime("%-d-%b-%Y").to_string()
}

/// A message whose Date header says so.
pub fn sent_days_ago(name: &str, days: i64) -> Draft {
    let date = days_ago(days).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let text = format!("Message-Id: <{name}@e2e>\r\nDate: {date}\r\nSubject: {name}\r\n\r\nx\r\n");
    Draft::new(text).dated(EPOCH)
}
