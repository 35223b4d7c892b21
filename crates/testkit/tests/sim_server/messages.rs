//! FETCH, STORE, COPY, MOVE, EXPUNGE.

use mailferry_testkit::sim::{Extension, Profile, UidPlace};

use crate::client::{Client, account, date, server, with_inbox};

const MESSAGE: &[u8] =
    b"Message-Id: <1@x>\r\nSubject: two\r\n lines\r\nReceived: by x\r\n\r\nbody text\r\n";

#[tokio::test]
async fn every_item_of_a_copier_is_fetched() {
    let account = account();
    account.append("INBOX", MESSAGE, &["\\Flagged"], date());
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    client.run("EXAMINE INBOX").await;
    assert_eq!(
        client
            .run(
                "UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE \
                  BODY.PEEK[HEADER.FIELDS (Message-Id RECEIVED)])"
            )
            .await,
        format!(
            "* 1 FETCH (UID 1 FLAGS (\\Recent \\Flagged) INTERNALDATE \" 5-Feb-2024 10:00:00 \
             +0100\" RFC822.SIZE {} BODY[HEADER.FIELDS (Message-Id RECEIVED)] {{37}}\r\n\
             Message-Id: <1@x>\r\nReceived: by x\r\n\r\n)\r\nt3 OK UID Fetch completed\r\n",
            MESSAGE.len()
        )
    );
    let text = std::str::from_utf8(MESSAGE).unwrap();
    let (header, body) = text.split_at(text.len() - 11);
    for (item, label, value) in [
        ("BODY.PEEK[]", "BODY[]", text),
        ("RFC822", "RFC822", text),
        ("RFC822.HEADER", "RFC822.HEADER", header),
        ("BODY.PEEK[HEADER]", "BODY[HEADER]", header),
        ("BODY.PEEK[TEXT]", "BODY[TEXT]", body),
        ("body.peek[]<5.6>", "BODY[]<5>", &text[5..11]),
        ("BODY.PEEK[TEXT]<9.100>", "BODY[TEXT]<9>", "\r\n"),
        ("BODY.PEEK[]<10000.5>", "BODY[]<10000>", ""),
    ] {
        let answer = client.run(&format!("FETCH 1 {item}")).await;
        let wanted = format!("* 1 FETCH ({label} {{{}}}\r\n{value})\r\n", value.len());
        assert!(answer.starts_with(&wanted), "{item}: {answer}");
    }
    assert!(client.run("FETCH 1 FAST").await.starts_with("* 1 FETCH (FLAGS "));
}

#[tokio::test]
async fn only_reading_without_peek_sets_seen_and_only_after_select() {
    let account = with_inbox(2);
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    client.run("EXAMINE INBOX").await;
    client.run("FETCH 1 BODY[]").await;
    client.run("SELECT INBOX").await;
    client.run("FETCH 1 BODY.PEEK[]").await;
    client.run("FETCH 1 RFC822.HEADER").await;
    assert!(!account.messages("INBOX")[0].flags.contains("\\Seen"));
    let answer = client.run("FETCH 2 BODY[]").await;
    assert!(answer.contains(" FLAGS (\\Recent \\Seen))\r\nt7 OK"), "told once: {answer}");
    assert!(account.messages("INBOX")[1].flags.contains("\\Seen"));
}

#[tokio::test]
async fn the_uid_stands_where_the_profile_puts_it() {
    let profile = Profile { uid_place: UidPlace::Last, ..Profile::modern() };
    let state = server(profile, &with_inbox(1));
    let mut client = Client::select(&state, "INBOX").await;
    let answer = client.run("UID FETCH 1 (UID RFC822.SIZE)").await;
    assert!(answer.starts_with("* 1 FETCH (RFC822.SIZE 22 UID 1)\r\n"), "{answer}");
    let answer = client.run("UID STORE 1 FLAGS ()").await;
    assert!(answer.starts_with("* 1 FETCH (FLAGS (\\Recent) UID 1)\r\n"), "{answer}");
}

#[tokio::test]
async fn bad_and_unsupported_items_are_told_apart() {
    let state = server(Profile::modern(), &with_inbox(1));
    let mut client = Client::select(&state, "INBOX").await;
    for item in ["BODY.PEEK", "BODY[HEADER.FIELDS ()]", "BODY[]<0.0>", "X", "(UID", "()", "MODSEQ"]
    {
        let answer = client.run(&format!("FETCH 1 {item}")).await;
        assert!(answer.contains(" BAD "), "{item}: {answer}");
    }
    for item in ["ENVELOPE", "BODYSTRUCTURE", "BODY[1]", "FULL"] {
        let answer = client.run(&format!("FETCH 1 {item}")).await;
        assert!(answer.contains(" NO [CANNOT]"), "{item}: {answer}");
    }
}

#[tokio::test]
async fn absent_uids_are_no_error_and_absent_numbers_are() {
    let account = with_inbox(2);
    account.add_mailbox("Empty");
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    assert_eq!(client.run("UID FETCH 99 (UID)").await, "t3 OK UID Fetch completed\r\n");
    assert!(client.run("UID FETCH 99:* (UID)").await.starts_with("* 2 FETCH (UID 2)"));
    assert!(client.run("FETCH 3 (UID)").await.contains(" BAD "));
    client.run("SELECT Empty").await;
    assert!(client.run("FETCH 1:* (UID)").await.contains(" BAD "));
    assert!(client.run("UID FETCH 1:* (UID)").await.contains(" OK "));
}

#[tokio::test]
async fn flags_are_replaced_added_and_removed() {
    let account = with_inbox(2);
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    let flags = || account.messages("INBOX")[0].flags.iter().collect::<Vec<_>>().join(" ");
    assert!(client.run("STORE 1 +FLAGS (\\Seen Work)").await.starts_with("* 1 FETCH (FLAGS ("));
    assert_eq!(flags(), "\\Seen Work");
    let answer = client.run("UID STORE 1 -FLAGS.SILENT \\seen").await;
    assert_eq!((answer.as_str(), flags().as_str()), ("t4 OK UID Store completed\r\n", "Work"));
    client.run("STORE 1 FLAGS \\Draft \\Deleted").await;
    assert_eq!(flags(), "\\Deleted \\Draft");
    client.run("STORE 1 FLAGS.SILENT ()").await;
    assert_eq!(flags(), "");
    assert!(client.run("STORE 1 +FLAGS (\\Recent)").await.contains(" BAD "));
    client.run("EXAMINE INBOX").await;
    assert!(client.run("STORE 1 +FLAGS (\\Seen)").await.contains(" NO "));
}

#[tokio::test]
async fn expunge_closes_the_numbers_up() {
    let account = with_inbox(5);
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    client.run("STORE 1,3:4 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(
        client.run("UID EXPUNGE 1,2,4").await,
        "* 1 EXPUNGE\r\n* 3 EXPUNGE\r\nt4 OK UID Expunge completed\r\n"
    );
    assert_eq!(client.run("EXPUNGE").await, "* 2 EXPUNGE\r\nt5 OK Expunge completed\r\n");
    let uids: Vec<u32> = account.messages("INBOX").iter().map(|message| message.uid).collect();
    assert_eq!(uids, [2, 5]);
}

#[tokio::test]
async fn close_expunges_after_select_only() {
    let account = with_inbox(2);
    account.set_flags("INBOX", 1, &["\\Deleted"]);
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    client.run("EXAMINE INBOX").await;
    assert!(client.run("EXPUNGE").await.contains(" NO "));
    assert_eq!(client.run("CLOSE").await, "t4 OK Close completed\r\n");
    assert_eq!(account.messages("INBOX").len(), 2);
    client.run("SELECT INBOX").await;
    assert_eq!(client.run("UNSELECT").await, "t6 OK Unselect completed\r\n");
    assert_eq!(account.messages("INBOX").len(), 2);
    client.run("SELECT INBOX").await;
    client.run("CLOSE").await;
    assert_eq!(account.messages("INBOX").len(), 1);
}

#[tokio::test]
async fn copies_keep_octets_flags_and_date() {
    let account = with_inbox(3);
    account.set_flags("INBOX", 3, &["\\Seen", "Work"]);
    account.add_mailbox("Box");
    account.append("Box", b"before", &[], date());
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    let validity = account.uid_validity("Box").unwrap();
    assert_eq!(
        client.run("UID COPY 2:3 Box").await,
        format!("t3 OK [COPYUID {validity} 2:3 2:3] Copy completed\r\n")
    );
    let (from, to) = (account.messages("INBOX"), account.messages("Box"));
    assert_eq!(
        (&from[2].octets, &from[2].flags, from[2].date),
        (&to[2].octets, &to[2].flags, to[2].date)
    );
    assert!(client.run("COPY 1 nowhere").await.contains("NO [TRYCREATE]"));
    assert_eq!(
        client.run("MOVE 1,3 Box").await,
        format!(
            "* OK [COPYUID {validity} 1,3 4:5] Moved\r\n* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n\
             t5 OK Move completed\r\n"
        )
    );
    assert_eq!(account.messages("INBOX").len(), 1);

    let state = server(Profile::modern().without(Extension::UidPlus), &account);
    let mut client = Client::select(&state, "Box").await;
    assert_eq!(client.run("COPY 1 INBOX").await, "t3 OK Copy completed\r\n");
}

#[tokio::test]
async fn many_bodies_stream_whole() {
    let account = account();
    let big: Vec<u8> = (0..3_000_000u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    for _ in 0..3 {
        account.append("INBOX", &big, &[], date());
    }
    for _ in 0..2_000 {
        account.append("INBOX", MESSAGE, &[], date());
    }
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    client.send(b"a UID FETCH 1:* (BODY.PEEK[])\r\nb LOGOUT\r\n").await;
    let all = client.rest().await;
    let pieces = all.matches(" FETCH (UID ").count();
    assert_eq!(pieces, 2_003);
    assert!(all.len() > 9_000_000 + 2_000 * MESSAGE.len());
    assert!(all.ends_with("b OK Logout completed\r\n"));
}
