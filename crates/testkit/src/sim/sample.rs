//! Sample accounts for the demo: one with mail of many kinds, one empty with another layout.

use super::account::Account;
use super::date::Date;
use super::profile::Profile;

/// Octets of the attachment in the one big message.
const ATTACHMENT_OCTETS: usize = 300 * 1024;
/// 2024-01-08T08:00:00Z, when the sample's mail begins.
const FIRST_SECONDS: i64 = 1_704_700_800;
/// From one message to the next: the archives begin and end in their years.
const STEP_SECONDS: i64 = 156 * 3600;

/// User name of both sample accounts.
pub const USER: &str = "demo";
/// Password of both sample accounts.
pub const PASSWORD: &str = "demo";

/// An account with some 120 small messages in seven mailboxes: flags, keywords, dates in
/// several zones, one message without Message-Id, one with an 8-bit header, one with an
/// attachment of 300 KiB. The same seed gives the same octets. It goes with
/// [`Profile::modern`].
#[must_use]
pub fn source(seed: u64) -> Account {
    let account = Account::seeded(USER, PASSWORD, seed);
    let mut writer = Writer { account: &account, dice: Dice(seed), written: 0 };
    for (mailbox, count) in [
        ("Archive/2024", 24),
        // "Réunions"
        ("R&AOk-unions", 12),
        ("Sent", 20),
        ("Archive/2025", 22),
        ("INBOX", 40),
    ] {
        for _ in 0..count {
            writer.plain(mailbox);
        }
    }
    writer.odd();
    account.mark("Sent", "\\Sent").mark("Drafts", "\\Drafts").mark("Trash", "\\Trash");
    for name in ["INBOX", "Sent", "Drafts", "Archive/2024", "Archive/2025", "R&AOk-unions"] {
        account.subscribe(name);
    }
    account
}

/// An empty account for a server with the other layout; it goes with [`target_profile`].
#[must_use]
pub fn target(seed: u64) -> Account {
    Account::seeded(USER, PASSWORD, seed.wrapping_add(1))
}

/// Delimiter `.`, everything below `INBOX.`.
#[must_use]
pub fn target_profile() -> Profile {
    Profile::dotted()
}

/// A stream of numbers that only its seed decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T], otherwise: T) -> T {
        let place = usize::try_from(self.roll(from.len() as u64)).unwrap_or(0);
        from.get(place).copied().unwrap_or(otherwise)
    }
}

const PEOPLE: [&str; 6] = [
    "Ada Lovelace <ada@example.org>",
    "Charles Babbage <charles@example.org>",
    "Grace Hopper <grace@example.net>",
    "Alan Turing <alan@example.net>",
    "Emmy Noether <emmy@example.com>",
    "Srinivasa Ramanujan <srinivasa@example.com>",
];
const SUBJECTS: [&str; 8] = [
    "Minutes of the meeting",
    "Lunch on Thursday?",
    "Draft of the report",
    "Train tickets",
    "Notes on the engine",
    "Your invoice",
    "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=",
    "Photos of the garden",
];
const SENTENCES: [&str; 6] = [
    "I have put the new figures into the table.",
    "The train leaves at a quarter past nine.",
    "Could you look at the second page once more?",
    "We meet in the small room, as always.",
    "The garden is full of roses this year.",
    "Nothing of this is urgent.",
];
const FLAGS: [&[&str]; 7] = [
    &["\\Seen"],
    &["\\Seen"],
    &["\\Seen", "\\Answered"],
    &["\\Seen", "\\Flagged"],
    &[],
    &["\\Seen", "$Forwarded"],
    &["\\Seen", "Work"],
];
const ZONES: [i16; 4] = [0, 60, 120, -300];

struct Writer<'a> {
    account: &'a Account,
    dice: Dice,
    written: i64,
}

impl Writer<'_> {
    /// Some days after the message before.
    fn next_date(&mut self) -> Date {
        self.written += 1;
        let minutes = i64::try_from(self.dice.roll(240)).unwrap_or(0);
        let seconds = FIRST_SECONDS + self.written * STEP_SECONDS + minutes * 60;
        Date { seconds, zone_minutes: self.dice.pick(&ZONES, 0) }
    }

    fn plain(&mut self, mailbox: &str) {
        let date = self.next_date();
        let flags = self.dice.pick(&FLAGS, &[]);
        let header = format!("{}Message-Id: <{}@example.org>\r\n", self.header(date), self.id());
        let text = self.text();
        self.account.append(mailbox, format!("{header}\r\n{text}").as_bytes(), flags, date);
    }

    /// The messages that make a copier think.
    fn odd(&mut self) {
        let date = self.next_date();
        let draft = format!("{}\r\n{}", self.header(date), self.text());
        self.account.append("Drafts", draft.as_bytes(), &["\\Draft", "\\Seen"], date);

        let date = self.next_date();
        let mut raw = format!("Date: {}\r\nSubject: R", date.rfc5322()).into_bytes();
        raw.push(0xe9);
        raw.extend_from_slice(b"union en f");
        raw.push(0xe9);
        raw.extend_from_slice(
            b"vrier\r\nFrom: ada@example.org\r\nMessage-Id: <latin1@example.org>",
        );
        raw.extend_from_slice(b"\r\n\r\nBonjour.\r\n");
        self.account.append("R&AOk-unions", &raw, &["\\Seen"], date);

        let date = self.next_date();
        let big = self.with_attachment(date);
        self.account.append("INBOX", big.as_bytes(), &["\\Seen", "\\Flagged"], date);
    }

    fn header(&mut self, date: Date) -> String {
        let from = self.dice.pick(&PEOPLE, PEOPLE[0]);
        let to = self.dice.pick(&PEOPLE, PEOPLE[0]);
        let subject = self.dice.pick(&SUBJECTS, SUBJECTS[0]);
        let id = self.id();
        let date = date.rfc5322();
        format!(
            "Received: from mx.example.org by mail.example.org with ESMTP id {id};\r\n\t{date}\r\n\
             Date: {date}\r\nFrom: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        )
    }

    fn id(&mut self) -> String {
        format!("{:04}.{:08x}", self.written, self.dice.roll(1 << 32))
    }

    fn text(&mut self) -> String {
        let mut text = String::from("Hello,\r\n\r\n");
        for _ in 0..=self.dice.roll(20) {
            text.push_str(self.dice.pick(&SENTENCES, ""));
            text.push_str("\r\n");
        }
        text.push_str("\r\nYours\r\n");
        text
    }

    fn with_attachment(&mut self, date: Date) -> String {
        let from = self.dice.pick(&PEOPLE, PEOPLE[0]);
        let mut message = format!(
            "Date: {}\r\nFrom: {from}\r\nSubject: The scan you asked for\r\n\
             Message-Id: <{}@example.org>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"part\"\r\n\r\n\
             --part\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n\
             --part\r\nContent-Type: application/octet-stream; name=\"scan.bin\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n",
            date.rfc5322(),
            self.id()
        );
        let octets: Vec<u8> = (0..ATTACHMENT_OCTETS)
            .map(|_| u8::try_from(self.dice.roll(256)).unwrap_or(0))
            .collect();
        // 57 octets make a line of 76 characters.
        for line in octets.chunks(57) {
            message.push_str(&data_encoding::BASE64.encode(line));
            message.push_str("\r\n");
        }
        message.push_str("--part--\r\n");
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_mail() {
        assert_eq!(source(7).snapshot(), source(7).snapshot());
        assert_ne!(source(7).snapshot(), source(8).snapshot());
    }

    #[test]
    fn the_sample_has_what_a_demo_wants_to_show() {
        let mail = source(1).snapshot();
        let all: Vec<_> = mail.values().flatten().collect();
        assert!((60..=200).contains(&all.len()), "{} messages", all.len());
        assert!(mail.contains_key("R&AOk-unions"));
        assert!(all.iter().any(|m| m.octets.len() > ATTACHMENT_OCTETS));
        assert!(all.iter().any(|m| m.octets.contains(&0xe9)));
        assert!(all.iter().any(|m| m.flags.contains("$Forwarded")));
        for (name, year) in [("Archive/2024", "2024"), ("Archive/2025", "2025")] {
            for date in mail[name].iter().map(|message| message.date.to_string()) {
                assert!(date.contains(year), "{name}: {date}");
            }
        }
        let without_id =
            all.iter().filter(|m| memchr::memmem::find(&m.octets, b"Message-Id:").is_none());
        assert_eq!(without_id.count(), 1);
    }
}
