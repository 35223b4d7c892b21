//! SEARCH.

use mailferry_testkit::sim::{Account, Date, Profile};

use crate::client::{Client, account, server, with_inbox};

const DAY: i64 = 86_400;

/// Four messages on four days of January 2024.
fn four() -> Account {
    let account = account();
    let first = 1_704_067_200; // 2024-01-01T00:00:00Z
    let messages: [(&str, &[&str], &str); 4] = [
        ("alpha", &["\\Seen"], "Mon, 1 Jan 2024 10:00:00 +0000"),
        ("beta", &["\\Flagged", "Work"], "Tue, 2 Jan 2024 10:00:00 +0000"),
        ("Gamma alpha", &["\\Deleted", "\\Seen", "\\Draft"], "Fri, 5 Jan 2024 10:00:00 +0000"),
        ("delta", &["\\Answered"], "not a date"),
    ];
    for (day, (subject, flags, sent)) in messages.into_iter().enumerate() {
        let size = "x".repeat(day * 100);
        let text = format!(
            "From: ann@example.org\r\nSubject: {subject}\r\nDate: {sent}\r\nX-N: {day}\r\n\r\n\
             body {size}\r\n"
        );
        let date = Date::utc(first + i64::try_from(day).unwrap() * DAY + 3600);
        account.append("INBOX", text.as_bytes(), flags, date);
    }
    account.raise_uid_next("INBOX", 10);
    account.append("INBOX", b"Subject: late\r\n\r\n", &["\\Seen"], Date::utc(first + 9 * DAY));
    account
}

#[tokio::test]
async fn keys_find_what_the_rfc_says() {
    let state = server(Profile::modern(), &four());
    let mut client = Client::select(&state, "INBOX").await;
    for (keys, hits) in [
        ("ALL", "1 2 3 4 10"),
        ("1:*", "1 2 3 4 10"),
        ("UID 3:10", "3 4 10"),
        ("*", "10"),
        ("SEEN", "1 3 10"),
        ("UNSEEN", "2 4"),
        ("UNSEEN UNFLAGGED", "4"),
        ("DELETED", "3"),
        ("UNDELETED SEEN", "1 10"),
        ("ANSWERED", "4"),
        ("DRAFT", "3"),
        ("KEYWORD work", "2"),
        ("UNKEYWORD Work", "1 3 4 10"),
        ("SINCE 3-Jan-2024", "3 4 10"),
        ("BEFORE \"3-jan-2024\"", "1 2"),
        ("ON 3-Jan-2024", "3"),
        ("SENTSINCE 2-Jan-2024", "2 3"),
        ("SENTBEFORE 2-Jan-2024", "1"),
        ("SENTON 5-Jan-2024", "3"),
        ("LARGER 250", "3 4"),
        ("SMALLER 20", "10"),
        ("SUBJECT ALPHA", "1 3"),
        ("FROM ann", "1 2 3 4"),
        ("HEADER x-n \"\"", "1 2 3 4"),
        ("HEADER X-N 2", "3"),
        ("BODY subject", ""),
        ("TEXT subject", "1 2 3 4 10"),
        ("NOT SEEN", "2 4"),
        ("OR DELETED FLAGGED", "2 3"),
        ("(OR DELETED FLAGGED) NOT (SEEN)", "2"),
        ("CHARSET UTF-8 SUBJECT {5}\r\nalpha", "1 3"),
    ] {
        let parts: Vec<&[u8]> = keys.split("\r\n").map(str::as_bytes).collect();
        let first = [b"UID SEARCH ", parts[0]].concat();
        let answer = match parts.get(1) {
            None => client.run_octets(&first).await,
            Some(rest) => client.run_parts(&[&first, rest]).await,
        };
        let space = if hits.is_empty() { "" } else { " " };
        assert!(answer.starts_with(&format!("* SEARCH{space}{hits}\r\n")), "{keys}: {answer}");
    }
    assert!(client.run("SEARCH SUBJECT late").await.starts_with("* SEARCH 5\r\n"), "by number");
}

#[tokio::test]
async fn malformed_searches_are_bad() {
    let state = server(Profile::modern(), &with_inbox(1));
    let mut client = Client::select(&state, "INBOX").await;
    for keys in ["", "(ALL", "OR SEEN", "NOT", "SINCE 32-Jan-2024", "FOO", "ALL  ALL", "2"] {
        let answer = client.run(&format!("SEARCH {keys}")).await;
        assert!(answer.contains(" BAD "), "{keys}: {answer}");
    }
    let deep = format!("SEARCH {}ALL", "NOT ".repeat(10_000));
    assert!(client.run(&deep).await.contains(" BAD Nested too deeply"));
    let answer = client.run("SEARCH CHARSET KOI8-R ALL").await;
    assert!(answer.contains(" NO [BADCHARSET (US-ASCII UTF-8)]"), "{answer}");
}

#[tokio::test]
async fn extended_results_come_in_sets() {
    let state = server(Profile::modern(), &four());
    let mut client = Client::select(&state, "INBOX").await;
    assert_eq!(
        client.run("UID SEARCH RETURN (MIN MAX COUNT ALL) ALL").await,
        "* ESEARCH (TAG \"t3\") UID MIN 1 MAX 10 ALL 1:4,10 COUNT 5\r\nt3 OK UID Search completed\r\n"
    );
    assert!(
        client
            .run("SEARCH RETURN () SEEN")
            .await
            .starts_with("* ESEARCH (TAG \"t4\") ALL 1,3,5\r\n")
    );
    assert!(
        client
            .run("SEARCH RETURN (COUNT MIN) KEYWORD none")
            .await
            .starts_with("* ESEARCH (TAG \"t5\") COUNT 0\r\n")
    );
    assert!(client.run("SEARCH RETURN (SAVE) ALL").await.contains(" BAD "));
}
