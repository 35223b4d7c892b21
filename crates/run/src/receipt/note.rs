//! From what happens to lines.

use std::io;

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::MailboxName;

use super::line::{Line, Text, kind_word};
use super::{Headline, Writing};
use crate::events::Event;

/// Octets of a server's words that are kept.
const WORDS_OCTETS_MAX: usize = 4096;

impl Writing {
    pub(super) fn note_sent(
        &mut self,
        mailbox: &MailboxName,
        uid: Uid,
        (octets, headline): (u64, &Headline),
    ) -> io::Result<()> {
        let Some(m) = self.number(mailbox, uid) else { return Ok(()) };
        let id = headline.message_id.as_str().into();
        let subject = headline.subject.as_str().into();
        self.output.push(&Line::Sent { m, uid: uid.value(), octets, id, subject })
    }

    pub(super) fn note(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Copied(copied) => self.note_copied(copied.source, copied.uid, copied.target_uid),
            Event::Failed(fault) => self.note_failed(fault),
            Event::LeftOut { mailbox, uid, rule } => {
                let Some(m) = self.number(mailbox, *uid) else { return Ok(()) };
                if let Some(counted) = self.counted.get_mut(m as usize) {
                    counted.left_out += 1;
                }
                self.output.push(&Line::LeftOut { m, uid: uid.value(), rule: cut(rule).into() })
            }
            Event::FlagsUpdated { mailbox, uid, before, after } => {
                let Some(&m) = self.targets.get(*mailbox) else { return Ok(()) };
                let (before, after) = (words_of(before), words_of(after));
                self.output.push(&Line::Flags { m, uid: uid.value(), before, after })
            }
            Event::LabelsChanged { mailbox, uid, added, taken } => {
                let Some(&m) = self.targets.get(*mailbox) else { return Ok(()) };
                let (added, taken) = (words_of(added), words_of(taken));
                self.output.push(&Line::Labels { m, uid: uid.value(), added, taken })
            }
            Event::Deleted { mailbox, uid } => {
                let Some(&m) = self.targets.get(*mailbox) else { return Ok(()) };
                self.output.push(&Line::Removed { m, uid: uid.value() })
            }
            Event::Leaving { mailbox, uid_validity, to, messages } => {
                self.note_leaving((mailbox, *uid_validity, to), messages)
            }
            Event::Moved { mailbox, uid, to, to_uid, to_uid_validity } => {
                self.note_moved((mailbox, *uid, to), (*to_uid, *to_uid_validity))
            }
            Event::Pruned(gone) => {
                self.output.push(&Line::Pruned { mailbox: gone.name.to_string().into() })
            }
            Event::SourceDeleted { mailbox, uid } => {
                let Some(m) = self.number(mailbox, *uid) else { return Ok(()) };
                self.output.push(&Line::SourceRemoved { m, uid: uid.value() })
            }
            Event::DoubleRemoved { mailbox, uid } => {
                let Some(&m) = self.targets.get(*mailbox) else { return Ok(()) };
                self.note_double(m);
                self.output.push(&Line::DoubleRemoved { m, uid: uid.value() })
            }
            Event::Repaired { mailbox, uid, steps } => {
                let Some(m) = self.number(mailbox, *uid) else { return Ok(()) };
                let steps = steps.iter().map(|&step| step.into()).collect();
                self.output.push(&Line::Repaired { m, uid: uid.value(), steps })
            }
            Event::KeptAside { mailbox, uid, path } => {
                let Some(m) = self.number(mailbox, *uid) else { return Ok(()) };
                let path = path.to_string_lossy();
                self.output.push(&Line::KeptAside { m, uid: uid.value(), path })
            }
            Event::Created(mailbox) => {
                self.output.push(&Line::Created { mailbox: mailbox.to_string().into() })
            }
            Event::Subscribed(mailbox) => {
                self.output.push(&Line::Subscribed { mailbox: mailbox.to_string().into() })
            }
            Event::Unsubscribed(mailbox) => {
                self.output.push(&Line::Unsubscribed { mailbox: mailbox.to_string().into() })
            }
            Event::MailboxDeleted(mailbox) => {
                self.output.push(&Line::MailboxDeleted { mailbox: mailbox.to_string().into() })
            }
            _ => Ok(()),
        }
    }

    /// Something cannot be undone.
    pub(super) fn note_left(
        &mut self,
        mailbox: &MailboxName,
        uid: Option<Uid>,
        why: &str,
    ) -> io::Result<()> {
        let words = match uid {
            Some(uid) => format!("UID {uid} is left as it is: {}", cut(why)),
            None => format!("it is left as it is: {}", cut(why)),
        };
        let mailbox = Some(mailbox.to_string().into());
        self.output.push(&Line::Fault { kind: "left".into(), mailbox, words: words.into() })
    }

    fn note_copied(
        &mut self,
        mailbox: &MailboxName,
        uid: Uid,
        copy: Option<Uid>,
    ) -> io::Result<()> {
        let Some(m) = self.number(mailbox, uid) else { return Ok(()) };
        if let Some(counted) = self.counted.get_mut(m as usize) {
            counted.copied += 1;
        }
        let target = copy.map_or(0, Uid::value);
        self.output.push(&Line::Copied { m, uid: uid.value(), target })
    }

    /// A copy in this mailbox was removed again: where its messages stand is seen by the next run.
    fn note_double(&mut self, first: u32) {
        if let Some(counted) = self.counted.get_mut(first as usize) {
            counted.doubles = true;
        }
    }

    fn note_failed(&mut self, fault: &Fault) -> io::Result<()> {
        let words = Text::from(cut(&fault.words));
        let place = fault.mailbox.as_ref().zip(fault.uid);
        let of_target = place.filter(|_| fault.side == Side::Target);
        let of_target =
            of_target.and_then(|(mailbox, uid)| Some((*self.targets.get(mailbox)?, uid)));
        match (fault.kind, of_target) {
            (FaultKind::Flags, Some((m, uid))) => {
                return self.output.push(&Line::FlagsFailed { m, uid: uid.value(), words });
            }
            (FaultKind::DeleteMessage, Some((m, uid))) => {
                return self.output.push(&Line::RemoveFailed { m, uid: uid.value(), words });
            }
            _ => {}
        }
        let kind = kind_word(fault.kind).into();
        // Whichever side refused it, a message that was to be copied is named by where it is.
        let of_source = place.and_then(|(mailbox, uid)| Some((self.number(mailbox, uid)?, uid)));
        let is_change = matches!(fault.kind, FaultKind::Flags | FaultKind::DeleteMessage);
        let Some((m, uid)) = of_source.filter(|_| !is_change) else {
            let mailbox = fault.mailbox.as_ref().map(|mailbox| mailbox.to_string().into());
            let words = match fault.uid {
                Some(uid) => format!("UID {uid}: {words}").into(),
                None => words,
            };
            return self.output.push(&Line::Fault { kind, mailbox, words });
        };
        if self.failed.insert((m, uid))
            && let Some(counted) = self.counted.get_mut(m as usize)
        {
            match fault.kind {
                FaultKind::Expunged => counted.expunged += 1,
                _ => counted.failed += 1,
            }
        }
        self.output.push(&Line::Failed { m, uid: uid.value(), kind, words })
    }
}

fn words_of(flags: &FlagSet) -> Vec<Text<'static>> {
    flags.iter().map(|flag| flag.to_string().into()).collect()
}

fn cut(words: &str) -> &str {
    let mut end = words.len().min(WORDS_OCTETS_MAX);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    &words[..end]
}
