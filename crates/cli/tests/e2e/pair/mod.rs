//! Two simulated servers in this process, and the programs between them.

use std::process::Command;

use mailferry_testkit::sim::{Account, Date, Profile, Server};
use tokio::runtime::Runtime;

use crate::world::{Desk, Front};

pub struct Pair {
    pub from: Account,
    pub to: Account,
    pub source: Server,
    pub target: Server,
    _runtime: Runtime,
}

impl Pair {
    pub fn new(source: Profile, target: Profile) -> Self {
        let runtime = Runtime::new().unwrap();
        let (from, to) = (Account::seeded("joe", "x", 1), Account::seeded("joe", "x", 2));
        let bind = |profile, account: &Account| {
            runtime.block_on(Server::bind(profile, [account.clone()])).unwrap()
        };
        let (source, target) = (bind(source, &from), bind(target, &to));
        Self { from, to, source, target, _runtime: runtime }
    }

    /// The program and its words.
    pub fn words(&self, front: Front, verb: &str, options: &[&str]) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        match front {
            Front::Mailferry => {
                words.extend([env!("CARGO_BIN_EXE_mailferry").to_owned(), verb.to_owned()]);
                for server in [&self.source, &self.target] {
                    words.push(format!("imap+plain://joe@{}", server.addr()));
                }
                for side in ["source", "target"] {
                    words.extend([format!("--{side}-password-command"), "echo x".to_owned()]);
                }
            }
            Front::Imapsync => {
                words.push(env!("CARGO_BIN_EXE_imapsync").to_owned());
                for (number, server) in [(1, &self.source), (2, &self.target)] {
                    let port = server.addr().port().to_string();
                    for (option, value) in [
                        ("host", "127.0.0.1"),
                        ("port", &*port),
                        ("user", "joe"),
                        ("password", "x"),
                    ] {
                        words.extend([format!("--{option}{number}"), value.to_owned()]);
                    }
                }
            }
        }
        words.extend(options.iter().map(|&option| option.to_owned()));
        words
    }

    /// The program within a shell text, which has it as `"$@"`.
    pub fn within(
        &self,
        desk: &Desk,
        shell: &str,
        (front, verb, options): (Front, &str, &[&str]),
    ) -> Command {
        let mut command = desk.shell(shell);
        command.arg("sh").args(self.words(front, verb, options));
        command
    }

    /// Whether the target has every message of the source, as often and octet by octet.
    #[track_caller]
    pub fn assert_complete(&self) {
        for (mailbox, messages) in self.from.snapshot() {
            let mut there = self.to.messages(&mailbox);
            for message in messages {
                let at = there.iter().position(|other| {
                    other.octets == message.octets
                        && other.flags == message.flags
                        && other.date.seconds == message.date.seconds
                });
                let at = at.unwrap_or_else(|| panic!("{mailbox}: UID {} is missing", message.uid));
                there.swap_remove(at);
            }
            assert!(there.is_empty(), "{mailbox}: {} too many", there.len());
        }
    }
}

/// Adds ordinary messages.
pub fn fill(account: &Account, mailbox: &str, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let text = format!("Message-Id: <{number}@pair>\r\nSubject: n\r\n\r\nnumber {number}\r\n");
        let date = Date::utc(1_600_000_000 + number * 60);
        account.append(mailbox, text.as_bytes(), &["\\Seen"], date);
    }
}
