//! What is moved away from mailboxes of the target, as it is written down.

use std::fmt::Write as _;
use std::io;

use mailferry_engine::message::{Key, Uid};
use mailferry_engine::name::MailboxName;

use super::Writing;
use super::line::Line;
use crate::events::Leaving;

impl Writing {
    /// Messages are about to be moved: on the disk before they are, so that they can be found again
    /// whatever happens.
    pub(super) fn note_leaving(
        &mut self,
        (mailbox, uid_validity, to): (&MailboxName, u32, &MailboxName),
        messages: &[Leaving],
    ) -> io::Result<()> {
        let way = (mailbox.clone(), to.clone());
        let f = match self.moves.get(&way) {
            Some(&f) => f,
            None => {
                let f = u32::try_from(self.moves.len()).unwrap_or(u32::MAX);
                self.moves.insert(way, f);
                let (mailbox, to) = (mailbox.to_string().into(), to.to_string().into());
                self.output.push(&Line::MoveFrom { f, mailbox, uid_validity, to })?;
                f
            }
        };
        for &Leaving { uid, key, octets, date } in messages {
            let key = key_word(key).into();
            self.output.push(&Line::Moving { f, uid: uid.value(), key, octets, date })?;
        }
        self.output.flush()
    }

    pub(super) fn note_moved(
        &mut self,
        (mailbox, uid, to): (&MailboxName, Uid, &MailboxName),
        (target, uid_validity): (Option<Uid>, u32),
    ) -> io::Result<()> {
        let Some(&f) = self.moves.get(&(mailbox.clone(), to.clone())) else { return Ok(()) };
        let target = target.map_or(0, Uid::value);
        self.output.push(&Line::Moved { f, uid: uid.value(), target, uid_validity })
    }
}

/// A key as it is written: nothing for one that identifies nothing.
fn key_word(key: Key) -> String {
    let mut word = String::new();
    if !key.is_none() {
        key.0.iter().for_each(|octet| {
            let _ = write!(word, "{octet:02x}");
        });
    }
    word
}

/// Reads it back.
pub(super) fn read_key(word: &str) -> Option<Key> {
    if word.is_empty() {
        return Some(Key::NONE);
    }
    let mut key = [0; 16];
    let is_whole = word.len() == 2 * key.len() && word.bytes().all(|it| it.is_ascii_hexdigit());
    if !is_whole {
        return None;
    }
    for (at, octet) in key.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&word[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Key(key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_written() {
        for key in [Key::NONE, Key([0xa5; 16]), Key(*b"0123456789abcdef")] {
            assert_eq!(read_key(&key_word(key)), Some(key));
        }
        for word in ["0", "xy", &"g".repeat(32), &"\u{e9}".repeat(16)] {
            assert_eq!(read_key(word), None, "{word}");
        }
    }
}
