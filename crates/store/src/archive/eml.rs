//! A mailbox as a folder of files, a message each: `412.eml` is the message with the UID 412.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use mailferry_engine::message::Uid;

use super::index::{Index, IndexRow, Place};
use super::mbox::Agreement;
use crate::files::delivery::Delivery;
use crate::files::disk::{date_of, sync_folder};

const END: &str = ".eml";
/// A name above this does not say which UID its file gets, so that some are left.
const NAMED_UID_MAX: u32 = 1 << 30;

/// Whether there are messages in a folder.
pub(super) fn holds_messages(folder: &Path) -> io::Result<bool> {
    Ok(!files(folder)?.is_empty())
}

/// The files of a folder that are messages.
fn files(folder: &Path) -> io::Result<BTreeMap<Box<str>, fs::Metadata>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let shown = name.to_string_lossy();
        let is_message = shown.len() > END.len() && shown.to_ascii_lowercase().ends_with(END);
        if !is_message || shown.starts_with('.') {
            continue;
        }
        match fs::metadata(folder.join(&name)) {
            Ok(metadata) if metadata.is_file() => {
                let Some(name) = name.to_str() else {
                    let words = format!("the name of `{shown}` is not UTF-8: give it another");
                    return Err(io::Error::new(io::ErrorKind::InvalidFilename, words));
                };
                files.insert(name.into(), metadata);
            }
            // It was removed since the folder was read.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(files)
}

/// Brings an index in agreement with the files; whether it was not. A message whose file is gone is
/// gone, and a file that the index does not know is a new message.
pub(super) fn agree(folder: &Path, index: &mut Index) -> io::Result<Agreement> {
    let mut files = files(folder)?;
    let before = index.rows.len();
    index.rows.retain_mut(|row| {
        let Place::File(name) = &row.place else { return false };
        let Some(metadata) = files.remove(name) else { return false };
        if row.digest.is_none() {
            row.octets = metadata.len();
        }
        true
    });
    let has_changed = index.rows.len() != before || !files.is_empty();
    let mut unknown: Vec<_> = files.into_iter().collect();
    unknown.sort_by_cached_key(|(name, _)| (named_uid(name).unwrap_or(u32::MAX), name.clone()));
    for (name, metadata) in unknown {
        // Where the index was lost, UIDs are what they were.
        index.next = index.next.max(named_uid(&name).unwrap_or(0));
        let uid = index.give()?;
        index.rows.push(IndexRow {
            uid,
            date: date_of(&metadata)?,
            octets: metadata.len(),
            digest: None,
            place: Place::File(name),
            flags: [].into_iter().collect(),
        });
    }
    Ok(if has_changed { Agreement::Changed } else { Agreement::Same })
}

fn named_uid(name: &str) -> Option<u32> {
    let number = name.split('.').next()?.parse().ok()?;
    (1..NAMED_UID_MAX).contains(&number).then_some(number)
}

/// Gives messages that are on the disk their lines and then their names: a file with such a name is
/// never without its line.
pub(super) fn place(
    folder: &Path,
    index: &mut Index,
    (deliveries, settled): (&[Delivery], Vec<io::Result<()>>),
) -> io::Result<Vec<io::Result<Uid>>> {
    let mut placed = Vec::with_capacity(deliveries.len());
    let mut rows = Vec::new();
    for (delivery, settled) in deliveries.iter().zip(settled) {
        let uid = settled.and_then(|()| free_uid(folder, index));
        if let Ok(uid) = &uid {
            rows.push(IndexRow::of(delivery, *uid, Place::File(name_of(*uid).into())));
        }
        placed.push(uid);
    }
    index.add(folder, rows)?;
    for (delivery, uid) in deliveries.iter().zip(&mut placed) {
        if let Ok(number) = uid
            && let Err(error) = delivery.place(&folder.join(name_of(*number)))
        {
            *uid = Err(error);
        }
    }
    sync_folder(folder)?;
    Ok(placed)
}

/// The next UID whose name is free.
fn free_uid(folder: &Path, index: &mut Index) -> io::Result<Uid> {
    loop {
        let uid = index.give()?;
        if !fs::exists(folder.join(name_of(uid)))? {
            return Ok(uid);
        }
    }
}

fn name_of(uid: Uid) -> String {
    format!("{uid}{END}")
}

/// Removes the files of messages; answers those that stay.
pub(super) fn remove<'a>(
    folder: &Path,
    rows: impl Iterator<Item = &'a IndexRow>,
) -> io::Result<Vec<(Uid, io::Error)>> {
    let mut stay = Vec::new();
    for row in rows {
        let Place::File(name) = &row.place else { continue };
        match fs::remove_file(folder.join(&**name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => stay.push((row.uid, error)),
            _ => {}
        }
    }
    sync_folder(folder)?;
    Ok(stay)
}
