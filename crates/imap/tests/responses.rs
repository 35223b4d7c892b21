//! Known answers: the examples of the RFCs, and what real servers were seen to send.

#![allow(clippy::unwrap_used)]

use mailferry_imap::date::InternalDate;
use mailferry_imap::response::{
    Body, Code, ConditionKind, Fetch, List, Numbering, Response, Status, StatusItems, Untagged,
    parse,
};
use mailferry_imap::uid_set::UidSet;
use mailferry_imap::wire::Frame;

fn untagged(line: &str) -> Untagged<'_> {
    match parse(Frame::whole(line.as_bytes())) {
        Response::Untagged(untagged) => untagged,
        other => panic!("{other:?}"),
    }
}

fn fetch(line: &str) -> Fetch<'_> {
    match untagged(line) {
        Untagged::Fetch(fetch) => fetch,
        other => panic!("{other:?}"),
    }
}

fn list(line: &str) -> List<'_> {
    match untagged(line) {
        Untagged::List(list) => list,
        other => panic!("{other:?}"),
    }
}

fn status(line: &str) -> (Vec<u8>, StatusItems<'_>) {
    match untagged(line) {
        Untagged::Status { mailbox, items } => (mailbox.into_owned(), items),
        other => panic!("{other:?}"),
    }
}

fn set(text: &str) -> UidSet {
    UidSet::parse(text.as_bytes()).unwrap()
}

#[test]
fn labels_are_read_however_they_are_written() {
    let labels = |list: &str| {
        let line = format!("* 1 FETCH (X-GM-LABELS {list} UID 3)");
        let fetch = fetch(&line);
        assert_eq!(fetch.uid, Some(3), "{line}");
        let labels = fetch.labels?;
        Some(labels.iter().map(|label| label.to_vec()).collect::<Vec<_>>())
    };
    let told = |words: &[&str]| Some(words.iter().map(|word| word.as_bytes().to_vec()).collect());
    // The example of Gmail's documentation, and what it sends in fact.
    let shown = "(\\Inbox \\Sent Important \"Muy Importante\")";
    assert_eq!(labels(shown), told(&["\\Inbox", "\\Sent", "Important", "Muy Importante"]));
    assert_eq!(labels("(\"\\\\Inbox\" \"\\Sent\")"), told(&["\\Inbox", "\\Sent"]));
    let odd = "(\"a \\\"b\\\" (c)\" {6}\r\nd\"e) f &AOk-t&AOk- [x] nil)";
    assert_eq!(labels(odd), told(&["a \"b\" (c)", "d\"e) f", "&AOk-t&AOk-", "[x]", "NIL"]));
    assert_eq!(labels("()"), told(&[]));
    for unreadable in ["NIL", "(a (b) c)"] {
        assert_eq!(labels(unreadable), None, "{unreadable}");
    }
}

#[test]
fn a_fetch_of_rfc_3501_is_read() {
    // RFC 3501 §8, without the ENVELOPE's contents.
    let line = "* 12 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" \
                RFC822.SIZE 4286 ENVELOPE (\"Wed\" (NIL \"a)b\" {3}\r\nx\"y)) UID 4827313)";
    let expected = Fetch {
        sequence: 12,
        uid: Some(4_827_313),
        flags: Some(vec![b"\\Seen"]),
        internal_date: Some(InternalDate { seconds: 837_596_665, zone_minutes: -420 }),
        internal_date_raw: Some(b"17-Jul-1996 02:44:25 -0700"),
        size: Some(4_286),
        warnings: 1,
        ..Fetch::default()
    };
    assert_eq!(fetch(line), expected);
}

#[test]
fn a_message_may_be_a_quoted_string_or_nil() {
    // RFC 9051 §7.5.2: the value is an nstring.
    assert_eq!(fetch("* 1 FETCH (BODY[] NIL UID 7)").body, Some(Body::Nil));
    assert_eq!(fetch("* 1 FETCH (BODY[] \"\" UID 7)").body, Some(Body::Inline(b"".into())));
    let quoted = fetch("* 1 FETCH (BODY[] \"a\\\"b\\\\c\" UID 7)");
    assert_eq!(quoted.body, Some(Body::Inline(b"a\"b\\c".into())));
    assert_eq!(quoted.uid, Some(7));
}

#[test]
fn what_is_missing_does_not_look_empty() {
    let torn = fetch("* 1 FETCH (UID 7 FLAGS)");
    assert_eq!((torn.uid, torn.flags, torn.warnings), (Some(7), None, 1));
    let gone = fetch("* 1 FETCH (UID 7 FLAGS () BODY[HEADER.FIELDS (DATE)] NIL)");
    assert_eq!((gone.flags, gone.header_fields, gone.warnings), (Some(vec![]), None, 0));
    let empty = fetch("* 1 FETCH (UID 7 BODY[HEADER.FIELDS (DATE)] {2}\r\n\r\n)");
    assert_eq!(empty.header_fields.as_deref(), Some(&b"\r\n"[..]));
}

#[test]
fn numbers_out_of_range_are_no_numbers() {
    let odd = fetch("* 1 FETCH (UID 4294967296 RFC822.SIZE 18446744073709551616 MODSEQ (-1) X 1)");
    assert_eq!((odd.uid, odd.size, odd.modseq, odd.warnings), (None, None, None, 4));
    assert_eq!(fetch("* 1 FETCH (UID 4294967295)").uid, Some(u32::MAX));
}

#[test]
fn items_are_read_whatever_stands_between_them() {
    for line in [
        "* 1 FETCH (UID 7 FLAGS (\\Seen))",
        "* 1 FETCH (FLAGS (\\Seen) UID 7)",
        "* 1 FETCH(UID 7 FLAGS(\\Seen))",
        "* 1 fetch uid 7 flags (\\Seen)",
        "* 1 FETCH (\"junk\" UID 7 (more (junk)) FLAGS (\\Seen))",
        "* 1 FETCH (BODYSTRUCTURE (((\"a\" NIL)(\"b)\"))) UID 7 FLAGS (\\Seen))",
        "* 1 FETCH (BODY[2.HEADER.FIELDS (\"a]b\")]<5> {4}\r\n) UI UID 7 FLAGS (\\Seen))",
        "* 1 FETCH (BODY[TEXT] \"UID 8\" UID 7 FLAGS (\\Seen))",
        "* 1 FETCH (UID 7) FLAGS (\\Seen))",
    ] {
        let fetch = fetch(line);
        assert_eq!((fetch.uid, fetch.flags), (Some(7), Some(vec![&b"\\Seen"[..]])), "{line}");
    }
}

#[test]
fn nesting_of_any_depth_is_stepped_over() {
    let depth = 100_000;
    let line = format!("* 1 FETCH (X {}{} UID 7)", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(fetch(&line).uid, Some(7));
}

#[test]
fn list_examples_of_the_rfcs_are_read() {
    // RFC 6154 §5.
    let sent = list("* LIST (\\Marked \\HasNoChildren \\Sent) \"/\" SentMail");
    assert_eq!(sent.attributes, [&b"\\Marked"[..], b"\\HasNoChildren", b"\\Sent"]);
    assert_eq!((sent.delimiter, &*sent.name), (Some(b'/'), &b"SentMail"[..]));
    // RFC 5258 §5.
    let foo = list("* LIST (\\NonExistent) \"/\" \"Foo (1)\" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    assert_eq!(&*foo.name, b"Foo (1)");
    assert_eq!(foo.extended, b"(\"CHILDINFO\" (\"SUBSCRIBED\"))");
    assert!(list("* LSUB () \".\" #news.comp.mail.mime").is_lsub);
    for line in ["* LIST (\\Sent)\"/\" x", "* LIST (\\Sent)NIL x", "* LIST(\\Sent) \"/\" x"] {
        let list = list(line);
        assert_eq!((list.attributes, &*list.name), (vec![&b"\\Sent"[..]], &b"x"[..]), "{line}");
    }
}

#[test]
fn names_that_servers_quote_wrongly_are_read() {
    let name = |line| list(line).name.into_owned().escape_ascii().to_string();
    assert_eq!(name("* LIST () \"/\" \"foo\"bar\""), "foo\\\"bar");
    assert_eq!(name("* LIST () \"/\" \"foo\"bar\" (\"CHILDINFO\" (\"X\"))"), "foo\\\"bar");
    assert_eq!(name("* LIST () \"/\" Sent Items"), "Sent Items");
    assert_eq!(name("* LIST () \"/\" Sent (old)"), "Sent (old)");
    assert_eq!(name("* LIST () \"/\" \"open"), "open");
    assert_eq!(name("* LIST () \"\\\" \"INBOX\\Sent\""), "INBOX\\\\Sent");
    assert_eq!(name("* LIST () \"/\" \"a\\\\b\\\"c\""), "a\\\\b\\\"c");
    assert_eq!(name("* LIST () \"/\" \" blanks \""), " blanks ");
    assert_eq!(name("* LIST () \"/\" \"\""), "");
    assert_eq!(list("* LIST () \"\\\" INBOX").delimiter, Some(b'\\'));
    assert_eq!(list("* LIST () \"\\\\\" INBOX").delimiter, Some(b'\\'));
    for line in ["* LIST", "* LIST ()", "* LIST () \"/\"", "* LIST () \"/\" "] {
        assert_eq!(untagged(line), Untagged::Other(line.as_bytes()));
    }
}

#[test]
fn status_names_end_where_the_items_begin() {
    // RFC 5819 §4.
    let (name, items) = status("* STATUS \"bar\" (MESSAGES 30 UNSEEN 29)");
    assert_eq!((&name[..], items.messages, items.unseen), (&b"bar"[..], Some(30), Some(29)));
    for (line, expected) in [
        ("* STATUS Sent Items (MESSAGES 3)", "Sent Items"),
        ("* STATUS Sent (old) (MESSAGES 3)", "Sent (old)"),
        ("* STATUS \"Sent (old)\" (MESSAGES 3 MAILBOXID (F1))", "Sent (old)"),
        ("* STATUS \"a\"b\" (MESSAGES 3)", "a\"b"),
        ("* STATUS {3}\r\na b (MESSAGES 3)", "a b"),
        ("* STATUS x(MESSAGES 3 X (a (b)) Y \"z\")", "x"),
    ] {
        let (name, items) = status(line);
        assert_eq!((&name[..], items.messages), (expected.as_bytes(), Some(3)), "{line}");
    }
}

#[test]
fn esearch_examples_of_rfc_4731_are_read() {
    let esearch = |tag, numbering, min, max, count, all| Untagged::ESearch {
        tag: Some(std::borrow::Cow::Borrowed(tag)),
        numbering,
        min,
        max,
        count,
        all: set(all),
        modseq: None,
    };
    assert_eq!(
        untagged("* ESEARCH (TAG \"A283\") ALL 2,10:11"),
        esearch(b"A283", Numbering::Sequence, None, None, None, "2,10:11")
    );
    assert_eq!(
        untagged("* ESEARCH (TAG \"A285\") UID MIN 7 MAX 3800 COUNT 4 ALL 7,17,900:901,3800"),
        esearch(b"A285", Numbering::Uid, Some(7), Some(3800), Some(4), "7,17,900:901,3800")
    );
    assert!(matches!(
        untagged("* ESEARCH (TAG \"a567\") UID MODSEQ 1236 ALL 5"),
        Untagged::ESearch { modseq: Some(1236), .. }
    ));
}

#[test]
fn a_search_result_never_shrinks_silently() {
    for line in [
        "* SEARCH 1 x 3",
        "* SEARCH 1:4294967295",
        "* SEARCH 4294967296",
        "* ESEARCH (TAG \"a\") UID ALL 1,x",
        "* VANISHED 1,x",
    ] {
        assert_eq!(untagged(line), Untagged::Other(line.as_bytes()));
    }
}

#[test]
fn vanished_messages_of_rfc_7162_are_read() {
    let vanished = |earlier, uids: &str| Untagged::Vanished { earlier, uids: set(uids) };
    assert_eq!(untagged("* VANISHED (EARLIER) 41,43:116"), vanished(true, "41,43:116"));
    assert_eq!(untagged("* VANISHED 405,407"), vanished(false, "405,407"));
    assert_eq!(untagged("* vanished 1:4294967295"), vanished(false, "1:*"));
}

#[test]
fn conditions_and_tagged_answers_are_read() {
    let refused = parse(Frame::whole(b"A003 no [OVERQUOTA] APPEND Failed"));
    let expected = Response::Tagged {
        tag: b"A003",
        status: Status::No,
        code: Some(Code::OverQuota),
        text: b"APPEND Failed",
    };
    assert_eq!(refused, expected);
    assert_eq!(
        untagged("* BYE [UNAVAILABLE] later"),
        Untagged::Condition {
            kind: ConditionKind::Bye,
            code: Some(Code::Unavailable),
            text: b"later"
        }
    );
    // GNU mailutils imap4d.
    assert_eq!(untagged("* 1 EXPUNGED"), Untagged::Expunge(1));
    for line in ["", "a1", "a1 BYE x", "a1 FETCH", " OK", "OK", "b\")", "*  * NAMESPACE NIL"] {
        let response = parse(Frame::whole(line.as_bytes()));
        assert_eq!(response, Response::Untagged(Untagged::Other(line.as_bytes())));
    }
}
