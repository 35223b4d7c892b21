//! APPEND: what arrives, what is refused, and that several go in together or not at all.

use std::sync::Arc;

use mailferry_testkit::sim::{AppendCheck, Codes, Extension, Keywords, Limits, Profile, Zones};

use crate::client::{Client, account, server};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n\xe9\0bare\n";

#[tokio::test]
async fn octets_flags_and_date_are_kept() {
    let account = account();
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    let head = "INBOX (\\SEEN $Forwarded \\Flagged) \"17-Jul-1996 02:44:25 -0700\"";
    let answer = client.append(head, MESSAGE).await;
    let validity = account.uid_validity("INBOX").unwrap();
    assert_eq!(answer, format!("t2 OK [APPENDUID {validity} 1] Append completed\r\n"));
    let kept = account.messages("INBOX");
    assert_eq!(&*kept[0].octets, MESSAGE);
    assert_eq!(kept[0].flags.iter().collect::<Vec<_>>(), ["$Forwarded", "\\Flagged", "\\Seen"]);
    assert_eq!(kept[0].date.to_string(), "17-Jul-1996 02:44:25 -0700");
}

#[tokio::test]
async fn without_uidplus_there_is_no_appenduid() {
    let state = server(Profile::bare(), &account());
    let mut client = Client::login(&state).await;
    assert_eq!(client.append("INBOX", MESSAGE).await, "t2 OK Append completed\r\n");
}

#[tokio::test]
async fn a_missing_mailbox_is_refused_in_place_of_the_continuation() {
    for (append_check, waits) in
        [(AppendCheck::BeforeLiteral, false), (AppendCheck::AfterLiteral, true)]
    {
        let state = server(Profile { append_check, ..Profile::modern() }, &account());
        let mut client = Client::login(&state).await;
        client.send(b"a APPEND nowhere {5}\r\n").await;
        if waits {
            client.send(b"hello\r\n").await;
        }
        let answer = client.tagged("a").await;
        assert_eq!(answer.starts_with("+ "), waits, "{answer}");
        assert!(answer.contains("a NO [TRYCREATE]"), "{answer}");
        assert!(client.run("NOOP").await.ends_with("OK Noop completed\r\n"));
    }
}

#[tokio::test]
async fn several_messages_go_in_together() {
    let account = account();
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    let answer = client
        .run_parts(&[b"APPEND INBOX (\\Seen) {3}", b"one {3}", b"two (\\Draft) {5}", b"three"])
        .await;
    assert!(answer.contains(" 1:3] Append completed"), "{answer}");
    let kept = account.messages("INBOX");
    assert_eq!(&*kept[2].octets, b"three");
    assert!(kept[0].flags.contains("\\Seen") && kept[1].flags.iter().next().is_none());
}

#[tokio::test]
async fn multiappend_is_all_or_nothing() {
    let account = account();
    let refuse_two: mailferry_testkit::sim::Refuse = Arc::new(|request| {
        let text = format!("[ALERT] Message {} is not to my taste", request.place + 1);
        (request.octets == b"two").then_some(text)
    });
    let state = server(Profile { refuse: Some(refuse_two), ..Profile::modern() }, &account);
    let mut client = Client::login(&state).await;
    let answer = client.run_parts(&[b"APPEND INBOX {3}", b"one {3}", b"two {5}", b"three"]).await;
    assert_eq!(answer, "t2 NO [ALERT] Message 2 is not to my taste\r\n");
    assert_eq!(account.messages("INBOX").len(), 0, "RFC 3502 §6.3.11");
    let answer = client.run_parts(&[b"APPEND INBOX {3}", b"one {0}", b""]).await;
    assert!(answer.starts_with("t3 NO"), "an empty one calls it off: {answer}");
    assert_eq!(account.messages("INBOX").len(), 0);
    assert!(client.append("INBOX", b"three").await.contains("OK"));
}

#[tokio::test]
async fn without_multiappend_a_second_message_is_bad() {
    let account = account();
    let state = server(Profile::modern().without(Extension::MultiAppend), &account);
    let mut client = Client::login(&state).await;
    let answer = client.run_parts(&[b"APPEND INBOX {3}", b"one {3}", b"two"]).await;
    assert!(answer.starts_with("t2 BAD"), "{answer}");
    client.send(b"a APPEND INBOX {3+}\r\none {3+}\r\ntwo\r\n").await;
    assert!(client.tagged("a").await.starts_with("a BAD"));
    assert_eq!(account.messages("INBOX").len(), 0);
}

#[tokio::test]
async fn the_append_limit_is_told_and_kept() {
    let limits = Limits { append_octets_max: Some(10), ..Limits::default() };
    let profile = Profile { limits, ..Profile::modern().with(Extension::AppendLimit) };
    let account = account();
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    assert!(client.run("CAPABILITY").await.contains(" APPENDLIMIT=10"));
    assert!(client.run("STATUS INBOX (APPENDLIMIT)").await.contains("(APPENDLIMIT 10)"));
    assert!(client.run("APPEND INBOX {11}").await.starts_with("t4 NO [TOOBIG]"), "no `+`");
    client.send(b"a APPEND INBOX {11+}\r\n12345678901\r\n").await;
    assert!(client.tagged("a").await.starts_with("a NO [TOOBIG]"), "swallowed, then refused");
    assert!(client.append("INBOX", b"1234567890").await.contains("OK"));
    assert_eq!(account.messages("INBOX").len(), 1);
}

#[tokio::test]
async fn quotas_of_octets_and_messages_refuse_with_or_without_a_code() {
    let limits =
        Limits { quota_octets_max: Some(10), quota_messages_max: Some(2), ..Limits::default() };
    let profile = Profile { limits, codes: Codes::Omitted, ..Profile::modern() };
    let state = server(profile, &account());
    let mut client = Client::login(&state).await;
    assert!(client.append("INBOX", b"1234").await.contains("OK"));
    assert_eq!(client.append("INBOX", b"1234567").await, "t3 NO Quota exceeded\r\n");
    assert!(client.append("INBOX", b"1234").await.contains("OK"));
    assert_eq!(client.append("INBOX", b"1").await, "t5 NO Quota exceeded\r\n");
    client.run("SELECT INBOX").await;
    assert_eq!(client.run("COPY 1 INBOX").await, "t7 NO Quota exceeded\r\n");
}

#[tokio::test]
async fn keywords_fare_as_the_profile_says() {
    for (keywords, star, after_append, after_store) in [
        (Keywords::Kept, true, true, true),
        (Keywords::DroppedByAppend, true, false, true),
        (Keywords::Dropped, false, false, false),
        (Keywords::Refused, false, false, false),
    ] {
        let account = account();
        let state = server(Profile { keywords, ..Profile::modern() }, &account);
        let mut client = Client::login(&state).await;
        let answer = client.append("INBOX (\\Seen Work)", b"x").await;
        let refused = keywords == Keywords::Refused;
        assert_eq!(answer.contains(" NO "), refused, "{keywords:?}: {answer}");
        account.append("INBOX", b"y", &[], mailferry_testkit::sim::Date::utc(0));
        let has = |keyword| account.messages("INBOX")[0].flags.contains(keyword);
        assert_eq!(has("Work"), after_append, "{keywords:?}");
        let answer = client.run("SELECT INBOX").await;
        assert_eq!(answer.contains("\\*)] Flags permitted"), star, "{keywords:?}: {answer}");
        let answer = client.run("STORE 1 +FLAGS (Home)").await;
        assert_eq!(answer.contains(" NO "), refused, "{keywords:?}: {answer}");
        assert_eq!(has("Home"), after_store, "{keywords:?}");
    }
}

#[tokio::test]
async fn a_mailbox_has_so_many_keywords_and_no_more() {
    let limits = Limits { keywords_max: Some(2), ..Limits::default() };
    let account = account();
    let state = server(Profile { limits, ..Profile::modern() }, &account);
    let mut client = Client::login(&state).await;
    assert!(client.append("INBOX (a b)", b"x").await.contains("OK"));
    assert!(client.append("INBOX (A)", b"x").await.contains("OK"), "known already");
    assert!(client.append("INBOX (c)", b"x").await.contains("NO [LIMIT]"));
}

#[tokio::test]
async fn flags_and_dates_out_of_grammar_are_bad() {
    let account = account();
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    for head in [
        "INBOX (\\Recent)",
        "INBOX (\\Foo)",
        "INBOX (\\Seen",
        "INBOX \"1-Jan-2024 00:00:00 +0000\"",
        "INBOX \"31-Feb-2024 00:00:00 +0000\"",
        "INBOX \" 1-Jan-2024 00:00:00 +0000\" (\\Seen)",
    ] {
        let answer = client.append(head, b"x").await;
        assert!(answer.contains(" BAD "), "{head}: {answer}");
    }
    assert_eq!(account.messages("INBOX").len(), 0);
}

#[tokio::test]
async fn octets_and_zones_may_be_altered_on_the_way_in() {
    let alter: mailferry_testkit::sim::Alter =
        Arc::new(|octets| octets.iter().map(|&o| if o == 0 { 0x80 } else { o }).collect());
    let profile = Profile { alter: Some(alter), zones: Zones::Utc, ..Profile::modern() };
    let account = account();
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    client.append("INBOX \"01-Jan-2024 00:30:00 +0100\"", b"a\0b").await;
    let kept = account.messages("INBOX");
    assert_eq!(&*kept[0].octets, b"a\x80b");
    assert_eq!(kept[0].date.to_string(), "31-Dec-2023 23:30:00 +0000");
}

#[tokio::test]
async fn a_mailbox_name_may_be_a_literal_too() {
    let account = account();
    let state = server(Profile::bare(), &account);
    let mut client = Client::login(&state).await;
    let answer = client.run_parts(&[b"APPEND {5}", b"inbox {3}", b"one"]).await;
    assert!(answer.contains("OK"), "{answer}");
    assert_eq!(account.messages("INBOX").len(), 1);
}
