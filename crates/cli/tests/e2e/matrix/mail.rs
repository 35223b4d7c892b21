//! Accounts that every server can hold: no mailbox has both messages and children, since on
//! some a mailbox is a file.

use crate::world::{Account, Draft, EPOCH, Host, Place, farm, mail, mails};
use mailferry_testkit::corpus::{OddMessage, odd_messages};

/// Mailboxes, flags, keywords, dates that run against the UIDs, a mailbox to be removed later.
pub fn furnish(place: &Place<'_>) {
    let mut inbox: Vec<Draft> = (0..12).map(|n| mail("inbox", 100 - n)).collect();
    inbox[1] = inbox[1].clone().flagged("\\Seen");
    inbox[2] = inbox[2].clone().flagged("\\Seen \\Answered \\Flagged");
    inbox[3] = inbox[3].clone().flagged("\\Draft \\Seen");
    place.put("INBOX", &inbox);
    place.put("Caf&AOk-", &mails("cafe", 4));
    place.put("Lists", &mails("lists", 30));
    place.put("Gone", &mails("gone", 5));
    place.probe().subscribe("Lists").unwrap();
    // Where a server takes keywords it is asked to keep one.
    if takes_keywords(place) {
        let uid = nth_uid(&place.read(), "INBOX", 4);
        place.probe().store("INBOX", &[uid], "FLAGS", "\\Seen work").unwrap();
    }
}

/// imap4d refuses them, pymap forgets them.
pub fn takes_keywords(place: &Place<'_>) -> bool {
    match place.server {
        Host::Dovecot(_) => true,
        Host::Other(server) => !matches!(server.kind(), farm::Kind::Imap4d | farm::Kind::Pymap),
    }
}

/// The UID of the n-th message of a mailbox, from 0.
#[track_caller]
pub fn nth_uid(account: &Account, mailbox: &str, n: usize) -> u32 {
    account.messages(mailbox)[n].uid
}

/// Removes the messages at these places of a mailbox.
pub fn remove(place: &Place<'_>, mailbox: &str, places: &[usize]) {
    let account = place.read();
    let uids: Vec<u32> = places.iter().map(|&n| nth_uid(&account, mailbox, n)).collect();
    place.probe().remove(mailbox, &uids).unwrap();
}

/// The odd messages, and those that are odd in size and structure.
pub fn odd_corpus() -> Vec<OddMessage> {
    let mut all = odd_messages();
    let mut add = |name: &str, octets: Vec<u8>| {
        let instant = EPOCH + 10_000 + 60 * i64::try_from(all.len()).unwrap();
        let draft = Draft::new(octets).dated(instant);
        all.push(OddMessage { name: name.to_owned(), draft });
    };
    let head = |name: &str| format!("Message-Id: <{name}@odd>\r\nMIME-Version: 1.0\r\n");
    let mut huge = head("huge").into_bytes();
    for n in 0..14_000 {
        huge.extend_from_slice(format!("X-{n}: {}\r\n", "v".repeat(60)).as_bytes());
    }
    add("header-of-1-mb", [huge, b"\r\nx\r\n".to_vec()].concat());
    let line = format!("{}X-Long: {}\r\n\r\nx\r\n", head("line"), "h".repeat(65_000));
    add("header-line-of-64-kb", line.into_bytes());
    let mut deep = head("deep-300");
    for n in 0..300 {
        deep += &format!("Content-Type: multipart/mixed; boundary=\"b{n}\"\r\n\r\n--b{n}\r\n");
    }
    add("mime-300-deep", (deep + "x\r\n").into_bytes());
    let mut wide = head("wide-500") + "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n";
    for n in 0..500 {
        wide += &format!("--b\r\n\r\npart {n}\r\n");
    }
    add("mime-500-parts", (wide + "--b--\r\n").into_bytes());
    add("one-octet-x", b"y".to_vec());
    all
}
