//! Writes a corpus as Maildir++, the way a server finds it when its mail was moved there.

use super::{Corpus, Letter};
use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Keywords are letters in a Maildir, explained by a file in each mailbox.
const KEYWORDS: [&str; 2] = ["$Forwarded", "work"];

impl Corpus {
    /// Writes the account into a directory that does not hold one yet; all its mailboxes are
    /// subscribed. INTERNALDATE is a file's modification time; UIDs come from the server, in
    /// the order of delivery times.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_maildir(&self, root: &Path) -> io::Result<()> {
        let mut subscriptions = String::from("V\t2\n\n");
        for mailbox in self.mailboxes() {
            let dir = mailbox_dir(root, mailbox);
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(dir.join(part))?;
            }
            let table = KEYWORDS.iter().enumerate().map(|(n, word)| format!("{n} {word}\n"));
            fs::write(dir.join("dovecot-keywords"), table.collect::<String>())?;
            if mailbox != "INBOX" {
                subscriptions += &mailbox.replace('/', "\t");
                subscriptions.push('\n');
            }
        }
        fs::write(root.join("subscriptions"), subscriptions)?;
        for (number, letter) in self.letters().enumerate() {
            write_letter(root, number, &letter)?;
        }
        Ok(())
    }
}

fn mailbox_dir(root: &Path, mailbox: &str) -> PathBuf {
    match mailbox {
        "INBOX" => root.to_owned(),
        other => root.join(format!(".{}", other.replace('/', "."))),
    }
}

fn write_letter(root: &Path, number: usize, letter: &Letter) -> io::Result<()> {
    let mut stored = letter.octets.clone();
    stored.retain(|octet| *octet != b'\r');
    let name = format!(
        "{}.M{number}P1.corpus,S={},W={}:2,{}",
        letter.instant,
        stored.len(),
        letter.octets.len(),
        info(&letter.flags)
    );
    let mut file = File::create(mailbox_dir(root, letter.mailbox).join("cur").join(name))?;
    file.write_all(&stored)?;
    let seconds = u64::try_from(letter.instant).unwrap_or(0);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time))
}

/// The letters after `:2,`, which have to be in ASCII order.
fn info(flags: &[&str]) -> String {
    let mut letters: Vec<char> = flags
        .iter()
        .filter_map(|flag| match *flag {
            "\\Draft" => Some('D'),
            "\\Flagged" => Some('F'),
            "\\Answered" => Some('R'),
            "\\Seen" => Some('S'),
            "\\Deleted" => Some('T'),
            keyword if keyword == KEYWORDS[0] => Some('a'),
            keyword if keyword == KEYWORDS[1] => Some('b'),
            _ => None,
        })
        .collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}
