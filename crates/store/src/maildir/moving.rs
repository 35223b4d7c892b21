//! Moving messages from one folder to another: the same file under another roof, so that octets, date
//! and the fixed part of its name stay.

use std::fs;
use std::io;
use std::path::Path;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::name::MailboxName;

use super::folder::Found;
use super::uid_list::UidList;
use super::{info, list_lock};
use crate::contract::Moved;
use crate::files::disk::{add, fresh_validity, read_or_empty, replace, sync_folder};

/// Moves messages of a folder that was looked into. A program that is killed in between leaves each
/// in one of the two folders; one without a line in the list there gets its UID when it is seen.
pub(super) fn move_all(
    (mailbox, found): (&MailboxName, &Found),
    uids: &[Uid],
    (from, to): (&Path, &Path),
) -> io::Result<Moved> {
    let _lock = list_lock(to)?;
    let keywords_path = to.join("dovecot-keywords");
    let known = info::read_keywords(&read_or_empty(&keywords_path)?);
    let mut keywords = known.clone();
    let messages: Vec<_> = uids.iter().map(|uid| (*uid, found.mailbox.message(*uid))).collect();
    let end = |message: &crate::files::FileMessage, keywords: &mut Vec<String>| {
        info::end(&message.flags, keywords)
    };
    let ends: Vec<Option<String>> =
        messages.iter().map(|(_, message)| Some(end((*message)?, &mut keywords))).collect();
    // What letters mean is written before they are used.
    if keywords != known {
        replace(&keywords_path, &info::write_keywords(&keywords))?;
    }
    let list_path = to.join("dovecot-uidlist");
    let mut list = match UidList::read(&read_or_empty(&list_path)?) {
        Some(list) => list,
        None => {
            let list = UidList::new(fresh_validity());
            replace(&list_path, &list.write())?;
            list
        }
    };
    let mut moved = Moved { uid_validity: list.validity, ..Moved::default() };
    let mut lines = String::new();
    for ((uid, message), end) in messages.into_iter().zip(ends) {
        // One that was removed meanwhile is nowhere.
        let Some((message, end)) = message.zip(end) else {
            moved.gone.push((uid, None));
            continue;
        };
        match place(&message.path, to, &end) {
            Ok(base) => {
                let there = list.add(&base);
                lines += &UidList::line(there, &base);
                moved.gone.push((uid, Uid::new(there)));
            }
            Err(error) => {
                let words = format!("{}: {error}", message.path.display());
                let fault = Fault::new(Side::Target, FaultKind::DeleteMessage, words);
                moved.stayed.push((uid, fault.in_mailbox(mailbox).of_message(uid)));
            }
        }
    }
    // There first: a message may be in both folders after a power cut, and never in none.
    sync_folder(&to.join("cur"))?;
    add(&list_path, &lines)?;
    for room in ["cur", "new"] {
        sync_folder(&from.join(room))?;
    }
    Ok(moved)
}

/// Gives a file another folder; answers the part of its name that stays.
fn place(path: &Path, to: &Path, end: &str) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let base = info::base(name.ok_or(io::ErrorKind::InvalidFilename)?);
    let placed = to.join("cur").join(format!("{base}{end}"));
    // Another message of that name would be lost.
    if fs::exists(&placed)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(path, placed)?;
    Ok(base.to_owned())
}
