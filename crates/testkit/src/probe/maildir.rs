//! A Maildir++ as it lies on the disk, read by nothing but its documentation
//! (<https://cr.yp.to/proto/maildir.html>, Dovecot's `dovecot-uidlist` and `dovecot-keywords`).

use super::account::{Account, Keep, Message};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

const SYSTEM_FLAGS: [(char, &str); 5] = [
    ('D', "\\Draft"),
    ('F', "\\Flagged"),
    ('R', "\\Answered"),
    ('S', "\\Seen"),
    ('T', "\\Deleted"),
];

/// Reads all mailboxes of a Maildir++, and its subscriptions.
///
/// # Errors
/// A file cannot be read, or a message has no UID.
pub fn read_maildir(root: &Path, keep: Keep) -> io::Result<Account> {
    let mut account = Account::default();
    account.mailboxes.insert("INBOX".to_owned(), read_mailbox(root, keep)?);
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| io::ErrorKind::InvalidData)?;
        if let (Some(name), true) = (name.strip_prefix('.'), entry.path().is_dir()) {
            account.mailboxes.insert(name.replace('.', "/"), read_mailbox(&entry.path(), keep)?);
        }
    }
    let names = text(&root.join("subscriptions"))?;
    let names = names.strip_prefix("V\t2\n\n").unwrap_or(&names);
    account.subscriptions = names.lines().map(|name| name.replace(['\t', '.'], "/")).collect();
    Ok(account)
}

fn read_mailbox(folder: &Path, keep: Keep) -> io::Result<Vec<Message>> {
    let list = text(&folder.join("dovecot-uidlist"))?;
    let row = |line: &str| {
        let (words, name) = line.split_once(" :")?;
        let base = name.split(':').next()?.to_owned();
        Some((base, words.split(' ').next()?.parse::<u32>().ok()?))
    };
    let uids: BTreeMap<String, u32> = list.lines().skip(1).filter_map(row).collect();
    let keywords = text(&folder.join("dovecot-keywords"))?;
    let keyword = |line: &str| {
        let (number, word) = line.split_once(' ')?;
        let letter = char::from(b'a' + number.parse::<u8>().ok()?);
        Some((letter, word.to_owned()))
    };
    let keywords: BTreeMap<char, String> = keywords.lines().filter_map(keyword).collect();
    let mut messages = Vec::new();
    for room in ["new", "cur"] {
        for entry in fs::read_dir(folder.join(room))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| io::ErrorKind::InvalidData)?;
            let (base, letters) = name.split_once(":2,").unwrap_or((&name, ""));
            let uid = *uids.get(base).ok_or_else(|| io::Error::other(format!("{name}: no UID")))?;
            let system: BTreeMap<char, &str> = SYSTEM_FLAGS.into();
            let word = |letter: char| match system.get(&letter) {
                Some(flag) => Some((*flag).to_owned()),
                None => keywords.get(&letter).cloned(),
            };
            let mut flags: Vec<String> = letters.chars().filter_map(word).collect();
            flags.sort();
            let modified = entry.metadata()?.modified()?;
            let instant = match modified.duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_secs()),
                Err(before) => i64::try_from(before.duration().as_secs()).map(|before| -before),
            };
            let instant = instant.map_err(io::Error::other)?;
            messages.push(Message::of(&fs::read(entry.path())?, (uid, flags, instant), keep));
        }
    }
    messages.sort_by_key(|message| message.uid);
    Ok(messages)
}

fn text(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}
