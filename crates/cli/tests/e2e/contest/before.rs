//! What is on both sides before the run.

use std::sync::OnceLock;

use crate::world::{Draft, EPOCH, Place, furnish, mail, mails};

#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// An account with everything, and an empty one.
    Fresh,
    /// The same, but that the two accounts are not made within one second: both INBOXes would have the
    /// same UIDVALIDITY and UIDs, and might be one.
    Apart,
    /// The target has some of it, with other flags, and mail and mailboxes of its own.
    Partly,
    /// Messages twice on the source, and three times on the target.
    Doubled,
    /// Messages of which some have no Message-Id, no date, no header at all, long lines.
    Odd,
    /// Names that need care.
    Names,
    /// Messages that arrived at other times than they were sent.
    Aged,
}

pub fn prepare(before: Before, source: &Place<'_>, target: &Place<'_>) {
    match before {
        Before::Fresh => furnish(source),
        Before::Apart => {
            furnish(source);
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        Before::Partly => {
            furnish(source);
            let some: Vec<Draft> = (0..6).map(|n| mail("inbox", 100 - n)).collect();
            target.put("INBOX", &some);
            target.put("INBOX", &mails("stranger", 3));
            target.put("INBOX/Extra", &mails("extra", 2));
            target.put("INBOX/Extra/Below", &mails("below", 1));
            target.probe().store("INBOX", &[1, 2], "FLAGS", "\\Flagged").unwrap();
        }
        Before::Doubled => {
            let twice: Vec<Draft> =
                (0..4).flat_map(|n| [mail("twice", n), mail("twice", n)]).collect();
            source.put("INBOX", &twice);
            source.put("Copies", &mails("twice", 4));
            let thrice: Vec<Draft> = (0..3).map(|_| mail("twice", 0)).collect();
            target.put("INBOX", &thrice);
        }
        Before::Odd => source.put("INBOX", &odd_mail()),
        Before::Names => {
            let names = ["A B", "a&AOk-b", "Q &- A", "INBOX/Inbox", "x~y'z", "100%"];
            for (name, number) in names.into_iter().zip(1..) {
                source.put(name, &mails("named", number));
            }
        }
        Before::Aged => {
            let sent_long_ago = mail("aged", 1);
            let arrived = |days: i64| sent_long_ago.clone().dated(now() - days * 86_400);
            source.put("INBOX", &[arrived(1)]);
            source.put("Other", &[arrived(20), mail("aged", 2), mail("aged", 3).dated(now())]);
        }
    }
}

/// The same for all runs, or what they leave would differ.
fn now() -> i64 {
    static NOW: OnceLock<i64> = OnceLock::new();
    *NOW.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_secs() as i64
    })
}

fn odd_mail() -> Vec<Draft> {
    let odd = [
        "Subject: no id\r\nReceived: from x by y; now\r\n\r\nbody\r\n".to_owned(),
        "Subject: no identity\r\n\r\nbody of it\r\n".to_owned(),
        "Subject: no identity\r\n\r\nanother body\r\n".to_owned(),
        "Message-Id: <same@x>\r\nSubject: one\r\n\r\none\r\n".to_owned(),
        "Message-Id: <same@x>\r\nSubject: other\r\n\r\nother one, and longer\r\n".to_owned(),
        format!("Message-Id: <long@x>\r\n\r\n{}\r\n", "x".repeat(3000)),
        "Message-Id: <read@x>\r\nDisposition-Notification-To: a@example.org\r\n\r\nr\r\n"
            .to_owned(),
        "Message-Id: <empty@x>\r\n\r\n".to_owned(),
        "Message-Id: <accents@x>\r\nSubject: caf\u{e9}\r\n\r\n\u{e9}\r\n".to_owned(),
    ];
    let dated = |(text, number): (String, i64)| Draft::new(text).dated(EPOCH + 60 * number);
    odd.into_iter().zip(0..).map(dated).collect()
}
