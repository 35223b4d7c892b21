//! The order of the rules, and what becomes of one message.
#![allow(clippy::unwrap_used)]

use super::*;

struct Replace(&'static str, &'static str);

impl MessageRewrite for Replace {
    fn rule(&self) -> &str {
        "replace"
    }

    fn rewrite(&self, message: Vec<u8>, _: &MailboxName) -> Result<Vec<u8>, NoResult> {
        let text = String::from_utf8(message).map_err(|error| NoResult(error.to_string()))?;
        Ok(text.replace(self.0, self.1).into_bytes())
    }
}

struct Contains(&'static str);

impl MessageTest for Contains {
    fn rule(&self) -> &str {
        "contains"
    }

    fn matches(&self, message: &[u8]) -> Result<bool, NoResult> {
        Ok(String::from_utf8_lossy(message).contains(self.0))
    }
}

fn subject(header: AddHeader) -> Subject {
    Subject { mailbox: "INBOX".into(), uid: Uid::new(7).unwrap(), header }
}

fn applied(transform: &Transform, message: &str, purpose: Purpose) -> Result<Made, Failed> {
    transform.apply(message.as_bytes(), &subject(AddHeader::Never), purpose)
}

fn sent(transform: &Transform, message: &str) -> String {
    match applied(transform, message, Purpose::Sending).unwrap() {
        Made::Message { octets, .. } => String::from_utf8(octets).unwrap(),
        Made::LeftOut(rule) => panic!("left out by {rule}"),
    }
}

fn rewriting(rules: impl IntoIterator<Item = (&'static str, &'static str)>) -> Transform {
    let rewrites = rules.into_iter().map(|(from, to)| Arc::new(Replace(from, to)) as Rewrite);
    Transform { rewrites: rewrites.collect(), ..Transform::default() }
}

#[test]
fn without_rules_no_octet_changes() {
    let transform = Transform::default();
    assert!(transform.is_empty());
    assert_eq!(sent(&transform, "A: b\n\nbare\n"), "A: b\n\nbare\n");
    assert_eq!(sent(&transform, ""), "");
}

#[test]
fn what_a_rule_does_not_touch_keeps_its_line_ends() {
    let transform = rewriting([("absent", "x")]);
    assert_eq!(sent(&transform, "A: b\n\nbare\n"), "A: b\n\nbare\n");
}

#[test]
fn what_is_altered_goes_with_crlf() {
    let transform = rewriting([("A: b", "X: 1\nA: b")]);
    assert_eq!(sent(&transform, "A: b\r\n\r\nc\rd\n"), "X: 1\r\nA: b\r\n\r\nc\rd\r\n");
}

#[test]
fn rules_see_what_those_before_them_made() {
    let mut transform = rewriting([("one", "two"), ("two", "three")]);
    transform.pipes = vec![Pipe::new("", "sed s/three/four/"), Pipe::new("", "tr u U")];
    transform.cut_at = Some(3);
    assert_eq!(sent(&transform, "one"), "foU");
}

/// Rules that leave out see the message as it is on the source.
#[test]
fn what_is_left_out_is_decided_first() {
    let mut transform = rewriting([("secret", "public")]);
    transform.skip = vec![Arc::new(Contains("secret"))];
    let made = applied(&transform, "a secret", Purpose::Sending).unwrap();
    assert!(matches!(made, Made::LeftOut(rule) if rule == "contains"));
    let Made::Message { octets, .. } =
        applied(&transform, "a secret", Purpose::Recognising).unwrap()
    else {
        panic!("an earlier run may have copied it")
    };
    assert_eq!(octets, b"a public");
}

#[test]
fn line_lengths_are_those_of_what_is_sent() {
    let mut transform = rewriting([("short", "much longer than before")]);
    transform.lines.longest_max = Some(LineLength { octets: 10, rule: "ten".to_owned() });
    let made = applied(&transform, "short\r\n", Purpose::Sending).unwrap();
    assert!(matches!(made, Made::LeftOut(rule) if rule == "ten"));
    transform.lines.command = Some(Pipe::new("", "fold -w 5"));
    assert_eq!(sent(&transform, "short\r\n").lines().next(), Some("much "));
}

#[test]
fn nothing_left_of_a_message_is_a_failure_and_not_an_empty_copy() {
    let transform = rewriting([("all", "")]);
    let failed = applied(&transform, "all", Purpose::Sending).unwrap_err();
    assert_eq!(failed.to_string(), "replace: it leaves nothing of the message");
    let pipes = vec![Pipe::new("--pipemess true", "true")];
    let transform = Transform { pipes, ..Transform::default() };
    let failed = applied(&transform, "all", Purpose::Sending).unwrap_err();
    assert_eq!(failed.to_string(), "--pipemess true: it wrote nothing");
}

/// imapsync adds it behind the rules, before it cuts.
#[test]
fn a_message_id_is_added_to_what_the_rules_leave_without_one() {
    let mut transform = rewriting([("Message-Id: a\r\n", "")]);
    let apply = |transform: &Transform, message: &str| {
        let made = transform.apply(
            message.as_bytes(),
            &subject(AddHeader::IfUnidentified),
            Purpose::Sending,
        );
        match made.unwrap() {
            Made::Message { octets, .. } => String::from_utf8(octets).unwrap(),
            Made::LeftOut(rule) => panic!("left out by {rule}"),
        }
    };
    let message = "Message-Id: a\r\nX: y\r\n\r\nz";
    assert_eq!(apply(&transform, message), "Message-Id: <7@imapsync>\r\nX: y\r\n\r\nz");
    transform.cut_at = Some(15);
    assert_eq!(apply(&transform, message), "Message-Id: <7@");
}

#[test]
fn read_receipts_are_disarmed_in_the_header_alone() {
    let transform = Transform { receipts: Receipts::Disarm, ..Transform::default() };
    let message =
        "A: b\r\ndisposition-notification-to: z\r\n\r\nDisposition-Notification-To: y\r\n";
    let disarmed =
        "A: b\r\nX-disposition-notification-to: z\r\n\r\nDisposition-Notification-To: y\r\n";
    assert_eq!(sent(&transform, message), disarmed);
}

#[test]
fn the_date_is_that_of_the_header_as_it_is_sent() {
    let mut transform = rewriting([("Date: x", "Date: Sun, 13 Sep 2020\n\t12:26:40 +0000")]);
    transform.date = DateFrom::Header;
    let date =
        |transform: &Transform, message: &str| match applied(transform, message, Purpose::Sending)
            .unwrap()
        {
            Made::Message { date, .. } => date.and_then(InternalDate::instant),
            Made::LeftOut(rule) => panic!("left out by {rule}"),
        };
    assert_eq!(date(&transform, "A: b\r\nDate: x\r\n\r\n"), Some(1_600_000_000));
    assert_eq!(date(&transform, "A: b\r\nDate: no date\r\n\r\n"), None);
    assert_eq!(date(&transform, "A: b\r\n\r\nDate: x\r\n"), None);
}

/// U66 of the unit catalogue.
#[test]
fn a_message_is_cut_where_it_is_longer() {
    for (octets, expected) in [(Some(2), "ab"), (Some(4), "abc"), (None, "abc")] {
        let transform = Transform { cut_at: octets, ..Transform::default() };
        assert_eq!(sent(&transform, "abc"), expected);
    }
}

#[test]
fn a_message_is_shown_as_it_is_sent() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&shown);
    let show: Show = Arc::new(move |mailbox, uid, octets| {
        seen.lock().unwrap().push((mailbox.clone(), uid, octets.to_vec()));
    });
    let transform = Transform { show: Some(show), ..rewriting([("a", "b")]) };
    assert!(!transform.is_empty());
    assert_eq!(sent(&transform, "a"), "b");
    applied(&transform, "a", Purpose::Recognising).unwrap();
    let expected = ("INBOX".into(), Uid::new(7).unwrap(), b"b".to_vec());
    assert_eq!(*shown.lock().unwrap(), [expected]);
}
