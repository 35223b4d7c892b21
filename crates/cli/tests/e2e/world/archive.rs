//! An account with everything, and a place on this machine for its archive.

use super::*;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// An account, and a folder that is not there yet.
pub struct Archive<'w> {
    pub source: Place<'w>,
    pub desk: Desk,
    pub folder: PathBuf,
    /// What stands before the folder: `maildir:`.
    scheme: &'static str,
}

impl<'w> Archive<'w> {
    pub fn open(world: &'w World, scheme: &'static str) -> Self {
        let (source, _) = world.pair(Way::SlashToDot);
        furnish(&source);
        let desk = Desk::new();
        let folder = desk.path().join("archive of mail");
        Self { source, desk, folder, scheme }
    }

    pub fn url(&self) -> String {
        format!("{}{}", self.scheme, self.folder.display())
    }

    pub fn run(&self, verb: &str, from: &str, to: &str, options: &[&str]) -> Finished {
        let words =
            ["--source-password-command", "cat from", "--target-password-command", "cat to"];
        self.desk.file("from", &self.source.password);
        self.desk.mailferry(&[&[verb, from, to], options, &words[..]].concat())
    }

    /// Brings the account to the archive.
    pub fn archive(&self, options: &[&str]) -> Finished {
        self.run("sync", &self.source.url("imap"), &self.url(), options)
    }

    /// The same, killed after so many milliseconds.
    pub fn archive_killed_after(&self, milliseconds: u64, options: &[&str]) {
        let command = self.desk.ferry_command("sync", &self.source, &self.source, &[]);
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut own = Command::new(command.get_program());
        own.args([&words[0], &words[1]]).arg(self.url()).args(["--quiet", "--connections", "1"]);
        own.args(options);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => own.env(name, value),
                None => own.env_remove(name),
            };
        }
        own.current_dir(self.desk.path());
        let mut child = own.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Brings the account to the archive, which is found to be the same, and from there to another
    /// server; answers what the account was.
    pub fn goes_there_and_back(&self, world: &World) -> Account {
        let original = self.source.read();
        self.archive(&["--mirror"]).expect(0);
        let again = self.archive(&["--mirror", "--json"]).expect(0).json_lines();
        assert!(again.iter().all(|line| line["event"] != "copied"), "copied twice");
        let (source, folder) = (self.source.url("imap"), self.url());
        self.run("check", &source, &folder, &["--deep"]).expect(0);
        self.desk.file("to", &self.source.password);
        self.run("check", &folder, &source, &["--deep"]).expect(0);

        let target = Place::new(&world.dot, "back");
        self.desk.file("to", &target.password);
        self.run("sync", &folder, &target.url("imap"), &[]).expect(0);
        assert_copied(&original, &target.read(), &Expect::exact());
        self.run("check", &folder, &target.url("imap"), &["--deep"]).expect(0);
        assert_untouched(&original, &self.source.read());
        original
    }

    /// Changes much of the account, and brings that to the archive.
    pub fn changes(&self) {
        let mut probe = self.source.probe();
        probe.store("INBOX", &[1, 2], "FLAGS", "\\Flagged newword").unwrap();
        probe.remove("INBOX", &[7, 8]).unwrap();
        probe.delete("Drafts").unwrap();
        self.source.put("New/Below", &mails("new", 3));
        self.archive(&["--mirror"]).expect(0);
        self.run("check", &self.source.url("imap"), &self.url(), &["--deep"]).expect(0);
    }

    /// Restores from the archive what the account lost, and nothing else changes.
    pub fn brings_back(&self) {
        let original = self.source.read();
        let mut probe = self.source.probe();
        probe.remove("INBOX", &[1, 2, 3]).unwrap();
        probe.delete("Caf&AOk-").unwrap();
        self.source.put("INBOX", &mails("since", 2));
        self.desk.file("to", &self.source.password);
        self.run("restore", &self.url(), &self.source.url("imap"), &["--yes"]).expect(0);
        let after = self.source.read();
        assert_copied(&original, &after, &Expect { order: Duty::May, ..Expect::superset() });
        assert_eq!(after.message_count(), original.message_count() + 2);
    }
}
