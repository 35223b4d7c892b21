//! `dovecot-uidlist`: UIDVALIDITY, the next UID, and which file has which UID. Version 3 is
//!
//! ```text
//! 3 V1276528487 N25022 G3085f01b7f11094c501100008c4a11c1
//! 25006 W2534 :1276528487.M364837P9451.kurkku,S=1355,W=1394
//! ```
//!
//! with letters that are kept as they are for whoever understands them.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UidList {
    /// UIDVALIDITY; 0 until there is one.
    pub(super) validity: u32,
    /// The UID that the next message gets.
    pub(super) next: u32,
    /// Further words of the head.
    head: String,
    /// By the part of a file's name that stays: its UID, and further words of the line.
    pub(super) rows: HashMap<Box<str>, (u32, Box<str>)>,
}

impl UidList {
    /// One for a mailbox that has none.
    pub(super) fn new(validity: u32) -> Self {
        Self { validity, next: 1, ..Self::default() }
    }

    /// Reads the file; `None` where it is another one. A line that is not understood, or whose UID
    /// was given before, counts as missing: its file gets a UID anew.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ');
        if words.next()? != "3" {
            return None;
        }
        let mut list = Self::default();
        for word in words {
            match word.split_at_checked(1) {
                Some(("V", number)) => list.validity = number.parse().ok()?,
                Some(("N", number)) => list.next = number.parse().ok()?,
                _ => list.head += &format!(" {word}"),
            }
        }
        let mut given = std::collections::HashSet::new();
        for line in lines {
            let Some((before, name)) = line.split_once(" :") else { continue };
            let (uid, words) = before.split_once(' ').unwrap_or((before, ""));
            let Some(uid) = uid.parse::<u32>().ok().filter(|uid| *uid != 0) else { continue };
            if given.insert(uid) {
                list.rows.insert(super::info::base(name).into(), (uid, words.into()));
                list.next = list.next.max(uid.saturating_add(1));
            }
        }
        (list.validity != 0 && list.next != 0).then_some(list)
    }

    /// Writes it whole.
    pub(super) fn write(&self) -> String {
        let mut rows: Vec<(&u32, &str, &str)> =
            self.rows.iter().map(|(base, (uid, words))| (uid, &**words, &**base)).collect();
        rows.sort_unstable();
        let mut text = format!("3 V{} N{}{}\n", self.validity, self.next, self.head);
        for (uid, words, base) in rows {
            let _ = match words {
                "" => writeln!(text, "{uid} :{base}"),
                words => writeln!(text, "{uid} {words} :{base}"),
            };
        }
        text
    }

    /// Gives the next UID to a file.
    pub(super) fn add(&mut self, base: &str) -> u32 {
        let uid = self.next;
        self.next = self.next.saturating_add(1);
        self.rows.insert(base.into(), (uid, Box::default()));
        uid
    }

    /// A line for a file, as it can be added to what is there: the head need not know of it.
    pub(super) fn line(uid: u32, base: &str) -> String {
        format!("{uid} :{base}\n")
    }
}
