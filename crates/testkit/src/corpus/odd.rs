//! Single odd messages, each named after what is odd about it.
//!
//! All of them have been seen in real mailboxes, and each has made some program lose mail,
//! double it or stop.

use crate::probe::Draft;

/// A message that some program stumbles over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddMessage {
    /// What is odd, in words with hyphens; equal only where messages belong together and are
    /// numbered.
    pub name: String,
    /// Octets, flags and date.
    pub draft: Draft,
}

/// 2020-09-13T12:26:40Z; each message is a minute after the one before it.
const EPOCH: i64 = 1_600_000_000;

/// All of them, about sixty. Some have bare CR, bare LF or NUL, which a server may mend.
#[must_use]
pub fn odd_messages() -> Vec<OddMessage> {
    let mut list = List::default();
    identities(&mut list);
    octets(&mut list);
    shapes(&mut list);
    mailbox_formats(&mut list);
    mime(&mut list);
    flags_and_dates(&mut list);
    list.messages
}

#[derive(Default)]
struct List {
    messages: Vec<OddMessage>,
}

impl List {
    fn add(&mut self, name: &str, octets: impl Into<Vec<u8>>) {
        self.add_draft(name, Draft::new(octets));
    }

    fn add_draft(&mut self, name: &str, draft: Draft) {
        let minutes = i64::try_from(self.messages.len()).unwrap_or(0);
        let instant = draft.instant.unwrap_or(EPOCH + 60 * minutes);
        let draft = Draft { instant: Some(instant), ..draft };
        self.messages.push(OddMessage { name: name.to_owned(), draft });
    }
}

/// A message with this extra header text, whose subject is `name`.
fn with_header(name: &str, extra: &str) -> String {
    format!(
        "From: a@example.org\r\nTo: b@example.org\r\nSubject: {name}\r\n\
         Date: Sun, 13 Sep 2020 12:26:40 +0000\r\n{extra}\r\nThis is {name}.\r\n"
    )
}

/// A message with a Message-Id made of its name.
fn ordinary(name: &str, extra: &str) -> String {
    with_header(name, &format!("Message-Id: <{name}@odd.example.org>\r\n{extra}"))
}

/// As `ordinary`, with this in place of its body.
fn with_body(name: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("Message-Id: <{name}@odd.example.org>\r\nSubject: {name}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// What programs recognise messages by.
fn identities(list: &mut List) {
    let received = |n: u32| {
        format!(
            "Received: from a.example.org by b.example.org id {n}; Sun, 13 Sep 2020 1{n}:00:00 +0000\r\n"
        )
    };
    list.add("no-headers-at-all", "\r\nOnly a body.\r\n");
    list.add("no-message-id", with_header("no-message-id", ""));
    list.add("no-message-id-but-received", with_header("received-only", &received(1)));
    list.add("empty-message-id", with_header("empty-message-id", "Message-Id:\r\n"));
    list.add("another-empty-message-id", with_header("another-empty", "Message-Id: \r\n"));
    list.add("blank-message-id", with_header("blank-message-id", "Message-Id: <>\r\n"));
    list.add("imapsync-message-id", with_header("imapsync-id", "Message-Id: <12@imapsync>\r\n"));
    list.add(
        "imapsync-message-id-first",
        "Message-Id: <13@imapsync>\r\nFrom: a@example.org\r\nSubject: stamped\r\n\r\nBody.\r\n",
    );
    for (n, body) in ["first", "second", "third and longer"].iter().enumerate() {
        let text =
            format!("Message-Id: <draft@odd.example.org>\r\nSubject: draft\r\n\r\n{body}\r\n");
        list.add(&format!("draft-{n}-of-one-message-id"), text);
    }
    for (n, body) in ["aaaa", "bbbb"].iter().enumerate() {
        // The same key and size, other content.
        let text =
            format!("Message-Id: <same-size@odd.example.org>\r\nSubject: twin\r\n\r\n{body}\r\n");
        list.add(&format!("twin-{n}-of-one-size"), text);
    }
    for n in 0..2 {
        let draft = Draft::new(ordinary("equal-in-everything", "")).dated(EPOCH);
        list.add_draft(&format!("equal-in-everything-{n}"), draft);
    }
    list.add(
        "message-id-in-capitals",
        with_header("capitals", "MESSAGE-ID: <CASE@ODD.EXAMPLE.ORG>\r\n"),
    );
    list.add(
        "message-id-in-small-letters",
        with_header("small", "message-id: <case@odd.example.org>\r\n"),
    );
    list.add(
        "folded-message-id",
        with_header("folded-id", "Message-Id:\r\n <folded@odd.example.org>\r\n"),
    );
    list.add(
        "two-message-ids",
        with_header("two-ids", "Message-Id: <one@x>\r\nMessage-Id: <two@x>\r\n"),
    );
    list.add("message-id-without-brackets", with_header("no-brackets", "Message-Id: plain\r\n"));
    list.add("message-id-with-blanks", with_header("blanks", "Message-Id: <a b  c@x>\r\n"));
    list.add("message-id-without-blank", with_header("no-blank", "Message-Id:<tight@x>\r\n"));
    let long = format!("Message-Id: <{}@odd.example.org>\r\n", "i".repeat(9000));
    list.add("message-id-of-9-kb", with_header("long-id", &long));
    let mut latin = with_header("eight-bit-id", "Message-Id: <caf-").into_bytes();
    latin = replace(&latin, b"<caf-", b"<caf\xE9@odd.example.org>\r\n");
    list.add("eight-bit-message-id", latin);
    list.add("received-order-one", with_header("hops", &(received(1) + &received(2))));
    list.add("received-order-two", with_header("hops", &(received(2) + &received(1))));
}

/// Octets that mail should not have.
fn octets(list: &mut List) {
    let latin =
        b"From: Ren\xE9 <r@example.org>\r\nMessage-Id: <latin@x>\r\nSubject: caf\xE9\r\n\r\nx\r\n";
    list.add("eight-bit-header-latin-1", *latin);
    list.add("eight-bit-header-utf-8", ordinary("utf-8-header", "X-Name: Zo\u{eb} \u{2603}\r\n"));
    list.add("eight-bit-body", with_body("eight-bit-body", b"\x80\x81\xFE\xFF caf\xE9\r\n"));
    list.add("nul-in-body", with_body("nul-in-body", b"before\0after\r\n"));
    list.add("nul-in-header", ordinary("nul-in-header", "X-Odd: a\0b\r\n"));
    list.add("bare-lf", ordinary("bare-lf", "").replace("\r\n", "\n"));
    list.add("bare-lf-in-body", with_body("bare-lf-in-body", b"one\ntwo\r\nthree\n"));
    list.add("bare-cr", with_body("bare-cr", b"one\rtwo\r\n"));
    list.add("cr-cr-lf", with_body("cr-cr-lf", b"one\r\r\ntwo\r\n"));
    list.add(
        "control-octets",
        with_body("control-octets", b"\x01\x07\x08\x0B\x0C\x1A\x1B\x7F\r\n"),
    );
    list.add(
        "byte-order-mark",
        [b"\xEF\xBB\xBF".as_slice(), ordinary("bom", "").as_bytes()].concat(),
    );
    list.add("literal-lookalike", with_body("literal-lookalike", b"a {3}\r\nb {3+}\r\n~{5}\r\n"));
    list.add(
        "answer-lookalike",
        with_body("answer-lookalike", b"* BYE\r\nA1 OK done\r\n)\r\n+ go\r\n"),
    );
    list.add("dots", with_body("dots", b".\r\n..\r\n.\r\n"));
    list.add("trailing-blanks", with_body("trailing-blanks", b"text  \t \r\n\r\n\r\n \r\n"));
}

/// Lengths and ends.
fn shapes(list: &mut List) {
    list.add("one-octet", "x");
    list.add("one-line-end", "\r\n");
    list.add("no-body", "Message-Id: <no-body@x>\r\nSubject: no body\r\n\r\n");
    list.add("header-without-end", "Message-Id: <no-end@x>\r\nSubject: no empty line\r\n");
    list.add("header-cut-off", "Message-Id: <cut@x>\r\nSubject: cut of");
    list.add("no-final-line-end", with_body("no-final-line-end", b"the end"));
    list.add("line-of-64-kb", with_body("line-of-64-kb", "l".repeat(65_536).as_bytes()));
    list.add("line-of-1000", with_body("line-of-1000", ("m".repeat(1000) + "\r\n").as_bytes()));
    let header = format!("X-Long:{}\r\n", format!("\r\n {}", "h".repeat(70)).repeat(1000));
    list.add("header-of-70-kb", ordinary("header-of-70-kb", &header));
    let many: String = (0..2000).map(|n| format!("X-Many-{n}: {n}\r\n")).collect();
    list.add("headers-2000", ordinary("headers-2000", &many));
    let subject = format!("Message-Id: <subject@x>\r\nSubject: {}\r\n\r\nx\r\n", "s".repeat(5000));
    list.add("subject-of-5-kb", subject);
    let references: String = (0..800).map(|n| format!("\r\n <{n}@refs.example.org>")).collect();
    list.add("references-800", ordinary("references-800", &format!("References:{references}\r\n")));
    list.add("header-without-colon", ordinary("header-without-colon", "this is no header\r\n"));
    list.add("header-of-blanks", ordinary("header-of-blanks", "X-Blank:   \t\r\n \t\r\n"));
    list.add("starts-with-continuation", format!(" lost\r\n{}", ordinary("continuation", "")));
    list.add(
        "body-of-1-mb",
        with_body("body-of-1-mb", "0123456789abcde\r\n".repeat(61_681).as_bytes()),
    );
}

/// What mbox files and old servers leave behind.
fn mailbox_formats(list: &mut List) {
    let from_line = "From a@example.org Sun Sep 13 12:26:40 2020\r\n";
    list.add("mbox-from-line", format!("{from_line}{}", ordinary("mbox-from-line", "")));
    list.add(
        "mbox-from-in-body",
        with_body("from-in-body", b"one\r\n\r\nFrom here on\r\n>From there\r\n"),
    );
    list.add("status-headers", ordinary("status-headers", "Status: RO\r\nX-Status: A\r\n"));
    list.add("x-uid-headers", ordinary("x-uid-headers", "X-UID: 42\r\nX-Keywords: work\r\n"));
    list.add("content-length", ordinary("content-length", "Content-Length: 7\r\nLines: 1\r\n"));
    list.add("x-imap-base", ordinary("x-imap-base", "X-IMAPbase: 1234567890 0000000042\r\n"));
    list.add(
        "read-receipt",
        ordinary("read-receipt", "Disposition-Notification-To: a@example.org\r\n"),
    );
}

fn mime(list: &mut List) {
    let mut deep = String::from("innermost\r\n");
    for level in (0..60).rev() {
        deep = format!(
            "Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n\r\n--b{level}\r\n{deep}\r\n--b{level}--\r\n"
        );
    }
    list.add("mime-60-deep", format!("Message-Id: <deep@x>\r\nMIME-Version: 1.0\r\n{deep}"));
    let open = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"never\"\r\n";
    list.add("mime-boundary-missing", ordinary("mime-boundary-missing", open));
    let forwarded = "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n";
    list.add(
        "forwarded-message",
        format!("{}{}", ordinary("forwarded-message", forwarded), ordinary("inner", "")),
    );
    let unknown =
        "MIME-Version: 1.0\r\nContent-Type: ;;;=\"\r\nContent-Transfer-Encoding: x-none\r\n";
    list.add("mime-nonsense", ordinary("mime-nonsense", unknown));
}

fn flags_and_dates(list: &mut List) {
    let named = |name: &str| Draft::new(ordinary(name, ""));
    list.add_draft("flag-deleted", named("flag-deleted").flagged("\\Deleted \\Seen"));
    let all = "\\Answered \\Deleted \\Draft \\Flagged \\Seen";
    list.add_draft("all-system-flags", named("all-system-flags").flagged(all));
    list.add_draft("keywords", named("keywords").flagged("$Forwarded $MDNSent NonJunk work a.b"));
    list.add_draft("date-1970", named("date-1970").dated(86_400));
    list.add_draft("date-1999", named("date-1999").dated(946_684_799));
    list.add_draft("date-2030", named("date-2030").dated(1_893_456_000));
    let dated = "Date: 32 Foo 99999 25:61:61\r\n";
    list.add("date-header-nonsense", with_header("date-nonsense", dated));
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(text, old);
    at.map_or_else(Vec::new, |at| [&text[..at], new, &text[at + old.len()..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_many_and_their_names_differ() {
        let messages = odd_messages();
        let names: BTreeSet<_> = messages.iter().map(|message| message.name.as_str()).collect();
        assert_eq!(names.len(), messages.len());
        assert!(messages.len() >= 70, "{}", messages.len());
        assert!(messages.iter().all(|message| !message.draft.octets.is_empty()));
    }

    #[test]
    fn only_the_duplicate_is_equal_to_another() {
        let mut seen = BTreeSet::new();
        let twice: Vec<_> = odd_messages()
            .into_iter()
            .filter(|message| !seen.insert(message.draft.octets.clone()))
            .map(|message| message.name)
            .collect();
        assert_eq!(twice, ["equal-in-everything-1"]);
    }
}
