//! A walk of many small steps: what the owner of an account does to it between two runs, drawn
//! by a seed, so that each walk can be taken again.

use crate::world::{Draft, EPOCH, Keep, Place, Probe, mail};

/// Mailboxes that come and go. INBOX is there in any case.
const MAILBOXES: [&str; 5] = ["INBOX", "Work", "Work/2020", "Caf&AOk-", "Zoo"];
const FLAGS: [&str; 7] = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "work", "$Label1", "b"];

/// Draws numbers (splitmix64); the same seed draws the same.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides.max(1) as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// Who changes one account.
pub struct Owner {
    probe: Probe,
    /// All that was ever appended, on any side: source of duplicates and edits.
    pool: Vec<Draft>,
    number: i64,
}

impl Owner {
    pub fn of(place: &Place<'_>, first_number: i64) -> Self {
        Self { probe: place.probe(), pool: Vec::new(), number: first_number }
    }

    /// Logs in anew: Dovecot closes a connection whose mailbox somebody else deleted.
    pub fn come_back(&mut self, place: &Place<'_>) {
        self.probe = place.probe();
    }

    /// One step; what it was, for people.
    pub fn step(&mut self, dice: &mut Dice) -> String {
        match dice.roll(16) {
            0..=3 => self.receive(dice),
            4 => self.receive_without_identity(dice),
            5 => self.receive_again(dice),
            6 | 7 => self.edit(dice),
            8..=10 => self.flag(dice),
            11 => self.remove(dice),
            12 => self.relocate(dice),
            13 => self.swap_one(dice),
            14 => self.rename(dice),
            _ => self.delete_mailbox(dice),
        }
    }

    fn mailbox(&mut self, dice: &mut Dice) -> String {
        let mailbox = (*dice.pick(&MAILBOXES)).to_owned();
        // A mirror leaves a mailbox that is a parent in name only on the source.
        if mailbox == "Work/2020" {
            self.probe.create_if_missing("Work").unwrap();
        }
        if mailbox != "INBOX" {
            self.probe.create_if_missing(&mailbox).unwrap();
        }
        mailbox
    }

    fn append(&mut self, mailbox: &str, draft: Draft) {
        self.probe.append(mailbox, &draft).unwrap();
        self.pool.push(draft);
    }

    fn next_mail(&mut self, dice: &mut Dice) -> Draft {
        self.number += 1;
        let mut draft = mail("walk", self.number);
        // Octets of their own, so that sizes tell messages apart as they do in life.
        draft.octets.extend_from_slice("x".repeat(dice.roll(40)).as_bytes());
        draft.octets.extend_from_slice(b"\r\n");
        if dice.roll(2) == 0 { draft.flagged(&draw_flags(dice)) } else { draft }
    }

    fn receive(&mut self, dice: &mut Dice) -> String {
        let mailbox = self.mailbox(dice);
        let count = 1 + dice.roll(3);
        for _ in 0..count {
            let draft = self.next_mail(dice);
            self.append(&mailbox, draft);
        }
        format!("receives {count} in {mailbox}")
    }

    fn receive_without_identity(&mut self, dice: &mut Dice) -> String {
        let mailbox = self.mailbox(dice);
        self.number += 1;
        // Sometimes the same content twice, with dates of their own.
        let number = self.number - dice.roll(2) as i64;
        let text = format!("Subject: nobody {number}\r\n\r\nNo identity at all, {number}.\r\n");
        self.append(&mailbox, Draft::new(text).dated(EPOCH + 60 * self.number));
        format!("receives {number} without identity in {mailbox}")
    }

    fn receive_again(&mut self, dice: &mut Dice) -> String {
        if self.pool.is_empty() {
            return self.receive(dice);
        }
        let mailbox = self.mailbox(dice);
        let mut draft = dice.pick(&self.pool).clone();
        if dice.roll(2) == 0 {
            draft = draft.dated(EPOCH + 7 * self.number);
        }
        self.append(&mailbox, draft);
        format!("receives a duplicate in {mailbox}")
    }

    /// The same headers with another body, as a mail program saves a draft: mostly instead of
    /// the first one. Its date and its size are others, since one of them that agrees makes it
    /// the same message (`docs/design/identity.md`).
    fn edit(&mut self, dice: &mut Dice) -> String {
        let mailbox = self.mailbox(dice);
        let account = self.probe.account(Keep::Octets).unwrap();
        let messages = account.messages(&mailbox);
        if messages.is_empty() {
            return self.receive(dice);
        }
        let old = dice.pick(messages);
        self.number += 1;
        let mut octets = old.octets.clone();
        octets.extend_from_slice(format!("Edited, {}.\r\n", self.number).as_bytes());
        let instant = EPOCH + 11 * self.number;
        let uid = old.uid;
        if dice.roll(4) > 0 {
            self.probe.remove(&mailbox, &[uid]).unwrap();
        }
        self.append(&mailbox, Draft::new(octets).dated(instant));
        format!("edits UID {uid} of {mailbox}")
    }

    fn some(&mut self, mailbox: &str, dice: &mut Dice) -> Vec<u32> {
        let account = self.probe.account(Keep::Digests).unwrap();
        let uids: Vec<u32> = account.messages(mailbox).iter().map(|message| message.uid).collect();
        uids.into_iter().filter(|_| dice.roll(3) == 0).collect()
    }

    fn flag(&mut self, dice: &mut Dice) -> String {
        let mailbox = self.mailbox(dice);
        let uids = self.some(&mailbox, dice);
        if uids.is_empty() {
            return self.receive(dice);
        }
        let change = *dice.pick(&["+FLAGS", "-FLAGS", "FLAGS"]);
        let flags = draw_flags(dice);
        self.probe.store(&mailbox, &uids, change, &flags).unwrap();
        format!("{change} {flags} of {uids:?} in {mailbox}")
    }

    fn remove(&mut self, dice: &mut Dice) -> String {
        let mailbox = self.mailbox(dice);
        let uids = self.some(&mailbox, dice);
        if uids.is_empty() {
            return self.receive(dice);
        }
        self.probe.remove(&mailbox, &uids).unwrap();
        format!("removes {uids:?} from {mailbox}")
    }

    fn relocate(&mut self, dice: &mut Dice) -> String {
        let (from, to) = (self.mailbox(dice), self.mailbox(dice));
        let uids = self.some(&from, dice);
        if uids.is_empty() || from == to {
            return self.receive(dice);
        }
        self.probe.relocate(&from, &uids, &to).unwrap();
        format!("moves {uids:?} from {from} to {to}")
    }

    /// One goes and one comes, so that their number stands.
    fn swap_one(&mut self, dice: &mut Dice) -> String {
        let mailbox = self.mailbox(dice);
        let account = self.probe.account(Keep::Digests).unwrap();
        let Some(uid) = account.messages(&mailbox).first().map(|message| message.uid) else {
            return self.receive(dice);
        };
        let draft = self.next_mail(dice);
        self.append(&mailbox, draft);
        self.probe.remove(&mailbox, &[uid]).unwrap();
        format!("swaps UID {uid} of {mailbox} for another")
    }

    fn rename(&mut self, dice: &mut Dice) -> String {
        let (from, to) = (*dice.pick(&MAILBOXES[1..]), *dice.pick(&MAILBOXES[1..]));
        let there = |name: &str, probe: &mut Probe| {
            probe.list().unwrap().iter().any(|mailbox| mailbox.name == name)
        };
        let nested = to.starts_with(from) || from.starts_with(to);
        if nested || !there(from, &mut self.probe) || there(to, &mut self.probe) {
            return self.receive(dice);
        }
        self.probe.rename(from, to).unwrap();
        format!("renames {from} to {to}")
    }

    /// Deletes a mailbox; mostly it comes back at once, with other messages.
    fn delete_mailbox(&mut self, dice: &mut Dice) -> String {
        let mailbox = *dice.pick(&["Work/2020", "Caf&AOk-", "Zoo"]);
        if !self.probe.list().unwrap().iter().any(|known| known.name == mailbox) {
            return self.receive(dice);
        }
        self.probe.delete(mailbox).unwrap();
        if dice.roll(3) == 0 {
            return format!("deletes {mailbox}");
        }
        self.probe.create_if_missing(mailbox).unwrap();
        for _ in 0..1 + dice.roll(3) {
            let draft = self.next_mail(dice);
            self.append(mailbox, draft);
        }
        format!("makes {mailbox} anew")
    }
}

fn draw_flags(dice: &mut Dice) -> String {
    let drawn: Vec<&str> = FLAGS.into_iter().filter(|_| dice.roll(3) == 0).collect();
    if drawn.is_empty() { "\\Seen".to_owned() } else { drawn.join(" ") }
}
