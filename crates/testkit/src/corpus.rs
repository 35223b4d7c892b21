//! Mail to carry: whole accounts as people have them, and single odd messages.
//!
//! Everything comes from a seed: the same [`Recipe`] gives the same octets on every machine.

mod dice;
mod maildir;
mod odd;

pub use odd::{OddMessage, odd_messages};

use crate::probe::{Draft, date};
use data_encoding::BASE64;
use dice::Dice;

/// What an account should be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Another seed gives other mail.
    pub seed: u64,
    /// In all mailboxes together.
    pub messages: u32,
    /// The median size of a body, in octets; sizes are log-normal.
    pub median_octets: u32,
    /// Whether some are much larger.
    pub large: Large,
}

/// Whether an account has messages of one to eight MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// Three in a thousand.
    Some,
    /// None: for quick tests.
    None,
}

/// One message and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Canonical name: separator `/`, no prefix, mUTF-7.
    pub mailbox: &'static str,
    /// The message, with CRLF.
    pub octets: Vec<u8>,
    /// System flags and keywords.
    pub flags: Vec<&'static str>,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub instant: i64,
}

impl Letter {
    /// The letter as something to append.
    #[must_use]
    pub fn draft(&self) -> Draft {
        Draft::new(self.octets.clone()).flagged(&self.flags.join(" ")).dated(self.instant)
    }
}

/// An account's worth of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corpus {
    recipe: Recipe,
    spread: Spread,
}

/// Where the messages of an account lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// In all of [`MAILBOXES`].
    Mailboxes,
    /// In INBOX.
    Inbox,
}

/// The mailboxes of every account, and how many of a hundred messages each gets.
const MAILBOXES: [(&str, u32); 14] = [
    ("INBOX", 30),
    ("Sent", 15),
    ("Drafts", 1),
    ("Trash", 4),
    ("Junk", 4),
    ("Archive", 6),
    ("Archive/2019", 8),
    ("Archive/2020", 8),
    ("Archive/2021", 8),
    ("Lists", 2),
    ("Lists/gardening", 6),
    ("Lists/railways", 4),
    // `Clients/Café &c`: an accent, an ampersand, a blank, and a parent that does not exist.
    ("Clients/Caf&AOk- &-c", 2),
    ("Projects", 2),
];

/// Flags with how often they occur.
const FLAGS: [(&str, f64); 7] = [
    ("\\Seen", 0.7),
    ("\\Answered", 0.2),
    ("\\Flagged", 0.05),
    ("\\Deleted", 0.01),
    ("\\Draft", 0.01),
    ("$Forwarded", 0.03),
    ("work", 0.02),
];

const WORDS: [&str; 64] = [
    "garden", "train", "letter", "harbour", "ferry", "paper", "window", "morning", "river",
    "kitchen", "bridge", "ticket", "summer", "market", "island", "lantern", "village", "carpet",
    "orchard", "engine", "violin", "mountain", "pocket", "teapot", "signal", "meadow", "cellar",
    "copper", "blanket", "winter", "station", "pencil", "the", "a", "of", "and", "to", "with",
    "for", "from", "under", "over", "near", "after", "before", "between", "is", "was", "will",
    "can", "has", "goes", "comes", "waits", "sends", "keeps", "green", "old", "small", "late",
    "quiet", "seven", "yellow", "again",
];

/// The time of the first possible message, 2017-07-14T02:40:00Z, and how far the others lie.
const EPOCH: i64 = 1_500_000_000;
const SPAN_SECONDS: u64 = 200_000_000;
/// Bodies above this are base64, as attachments are.
const TEXT_OCTETS_MAX: usize = 100_000;

impl Corpus {
    /// The account of a recipe. Nothing is made before it is asked for.
    #[must_use]
    pub fn new(recipe: Recipe) -> Self {
        Self { recipe, spread: Spread::Mailboxes }
    }

    /// The same messages, all of them in INBOX, which is then the only mailbox.
    #[must_use]
    pub fn in_one_mailbox(self) -> Self {
        Self { spread: Spread::Inbox, ..self }
    }

    /// Its mailboxes: canonical names, in no order that matters. Some may stay empty.
    pub fn mailboxes(&self) -> impl Iterator<Item = &'static str> {
        let count = match self.spread {
            Spread::Mailboxes => MAILBOXES.len(),
            Spread::Inbox => 1,
        };
        MAILBOXES.iter().take(count).map(|(name, _)| *name)
    }

    /// Its messages, one at a time.
    pub fn letters(&self) -> impl Iterator<Item = Letter> {
        let Self { recipe, spread } = *self;
        (0..recipe.messages).map(move |number| match spread {
            Spread::Mailboxes => letter(&recipe, number),
            Spread::Inbox => Letter { mailbox: "INBOX", ..letter(&recipe, number) },
        })
    }
}

/// Each letter has dice of its own, so that it does not depend on those before it.
fn letter(recipe: &Recipe, number: u32) -> Letter {
    let mut dice = Dice::new(recipe.seed ^ (u64::from(number) << 32 | u64::from(number)));
    let mailbox = mailbox(&mut dice);
    let instant = EPOCH + i64::try_from(dice.below(SPAN_SECONDS)).unwrap_or(0);
    let size = match recipe.large {
        Large::Some if dice.chance(0.003) => 1 << 20 | dice.index(7 << 20),
        _ => dice.log_normal(f64::from(recipe.median_octets), 1.1),
    };
    let mut octets = header(&mut dice, number, instant);
    if size > TEXT_OCTETS_MAX {
        attachment(&mut dice, size, &mut octets);
    } else {
        text(&mut dice, size, &mut octets);
    }
    let flags = FLAGS.iter().filter(|(_, often)| dice.chance(*often)).map(|(flag, _)| *flag);
    Letter { mailbox, octets, flags: flags.collect(), instant }
}

fn mailbox(dice: &mut Dice) -> &'static str {
    let mut point = dice.below(100);
    for (name, share) in MAILBOXES {
        match point.checked_sub(u64::from(share)) {
            Some(rest) => point = rest,
            None => return name,
        }
    }
    "INBOX"
}

fn header(dice: &mut Dice, number: u32, instant: i64) -> Vec<u8> {
    let date = date::mail_date(instant);
    let mut text = String::new();
    for hop in 0..1 + dice.below(5) {
        text += &format!(
            "Received: from mx{}.example.org (mx.example.org [192.0.2.{}])\r\n\
             \tby relay{hop}.example.net with ESMTPS id {:X}\r\n\tfor <user@example.net>; {date}\r\n",
            1 + dice.below(99),
            1 + dice.below(254),
            dice.next() >> 20,
        );
    }
    let person = 1 + dice.below(500);
    text += &format!("Date: {date}\r\nFrom: Person {person} <p{person}@example.org>\r\n");
    text += "To: user@example.net\r\nSubject:";
    for _ in 0..2 + dice.below(8) {
        text += " ";
        text += WORDS[dice.index(WORDS.len())];
    }
    // One in a hundred has none, as drafts and sent mail of some programs.
    if !dice.chance(0.01) {
        text += &format!("\r\nMessage-ID: <{:016x}.{number}@example.org>", dice.next());
    }
    text += "\r\nMIME-Version: 1.0\r\n";
    text.into_bytes()
}

fn text(dice: &mut Dice, size: usize, octets: &mut Vec<u8>) {
    octets.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n\r\n");
    let end = octets.len() + size;
    while octets.len() < end {
        for _ in 0..11 {
            octets.extend_from_slice(WORDS[dice.index(WORDS.len())].as_bytes());
            octets.push(b' ');
        }
        octets.extend_from_slice(b"so.\r\n");
    }
}

fn attachment(dice: &mut Dice, size: usize, octets: &mut Vec<u8>) {
    octets.extend_from_slice(
        b"Content-Type: application/octet-stream; name=\"a.bin\"\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n",
    );
    for _ in 0..size / 78 {
        let mut raw = [0; 57];
        dice.fill(&mut raw);
        octets.extend_from_slice(BASE64.encode(&raw).as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const RECIPE: Recipe =
        Recipe { seed: 7, messages: 2000, median_octets: 4096, large: Large::Some };

    #[test]
    fn a_seed_gives_the_same_mail_and_another_seed_other_mail() {
        let digest = |seed| {
            let mut hasher = blake3::Hasher::new();
            for letter in Corpus::new(Recipe { seed, messages: 50, ..RECIPE }).letters() {
                hasher.update(&letter.octets);
                hasher.update(letter.mailbox.as_bytes());
                hasher.update(letter.flags.join(" ").as_bytes());
            }
            hasher.finalize()
        };
        assert_eq!(digest(7), digest(7));
        assert_ne!(digest(7), digest(8));
    }

    #[test]
    fn an_account_has_all_mailboxes_flags_and_sizes_it_should() {
        let letters: Vec<Letter> = Corpus::new(RECIPE).letters().collect();
        let mailboxes: BTreeSet<_> = letters.iter().map(|letter| letter.mailbox).collect();
        assert_eq!(mailboxes.len(), MAILBOXES.len());
        let flags: BTreeSet<_> = letters.iter().flat_map(|letter| letter.flags.clone()).collect();
        assert_eq!(flags.len(), FLAGS.len());
        let mut sizes: Vec<_> = letters.iter().map(|letter| letter.octets.len()).collect();
        sizes.sort_unstable();
        assert!((4000..7000).contains(&sizes[1000]), "median {}", sizes[1000]);
        assert!(sizes[1999] > 1 << 20, "largest {}", sizes[1999]);
        let without_id = letters.iter().filter(|l| !has_id(&l.octets)).count();
        assert!((5..60).contains(&without_id), "{without_id} without Message-ID");
    }

    #[test]
    fn one_mailbox_holds_the_same_messages() {
        let recipe = Recipe { messages: 50, ..RECIPE };
        let corpus = Corpus::new(recipe).in_one_mailbox();
        assert_eq!(corpus.mailboxes().collect::<Vec<_>>(), ["INBOX"]);
        for (one, spread) in corpus.letters().zip(Corpus::new(recipe).letters()) {
            assert_eq!((one.mailbox, &one.octets), ("INBOX", &spread.octets));
        }
    }

    fn has_id(octets: &[u8]) -> bool {
        memchr::memmem::find(octets, b"\r\nMessage-ID: ").is_some()
    }
}
