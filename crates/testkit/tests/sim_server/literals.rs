//! Literals and lines: where a client must wait, and what ends the connection.

use mailferry_testkit::sim::{Extension, Limits, Profile};

use crate::client::{Client, account, server};

#[tokio::test]
async fn a_synchronising_literal_is_asked_for() {
    // The example of RFC 3501 §7.5.
    let state = server(Profile::bare(), &account());
    let mut client = Client::connect(&state).await;
    let answer = client.run_parts(&[b"LOGIN {3}", b"joe {6}", b"secret"]).await;
    assert_eq!(answer, "t1 OK Logged in\r\n");
}

#[tokio::test]
async fn a_non_synchronising_literal_needs_its_extension() {
    let state = server(Profile::modern(), &account());
    let mut client = Client::connect(&state).await;
    client.send(b"a LOGIN {3+}\r\njoe {6+}\r\nsecret\r\nb LOGOUT\r\n").await;
    assert!(client.rest().await.starts_with("a OK"));

    let state = server(Profile::modern().without(Extension::LiteralPlus), &account());
    let mut client = Client::connect(&state).await;
    client.send(b"a LOGIN {3+}\r\njoe {6+}\r\nsecret\r\nb LOGOUT\r\n").await;
    let all = client.rest().await;
    assert!(all.starts_with("a BAD Non-synchronising"), "{all}");
    assert!(all.contains("* BYE") && !all.contains("b OK"), "nothing after it is read: {all}");
}

#[tokio::test]
async fn literal_minus_takes_4096_octets_and_not_one_more() {
    let minus = Profile::modern().without(Extension::LiteralPlus).with(Extension::LiteralMinus);
    let account = account();
    let state = server(minus, &account);
    for (octets, taken) in [(4096, true), (4097, false)] {
        let mut client = Client::login(&state).await;
        client.send(format!("a APPEND INBOX {{{octets}+}}\r\n").as_bytes()).await;
        client.send(&vec![b'x'; octets]).await;
        client.send(b"\r\nb LOGOUT\r\n").await;
        let all = client.rest().await;
        assert_eq!(all.starts_with("a OK"), taken, "{octets}: {all}");
        assert_eq!(all.contains("b OK"), taken, "{octets}: {all}");
    }
    assert_eq!(account.messages("INBOX").len(), 1);
}

#[tokio::test]
async fn text_of_a_refused_message_is_never_taken_for_commands() {
    let account = account();
    let state = server(Profile::modern().without(Extension::LiteralPlus), &account);
    let mut client = Client::login(&state).await;
    client.send(b"a APPEND INBOX {18+}\r\nx CREATE injected\r\n\r\n").await;
    client.rest().await;
    assert!(!account.snapshot().contains_key("injected"));
}

#[tokio::test]
async fn lines_are_at_most_64_kib() {
    let state = server(Profile::modern(), &account());
    let mut client = Client::login(&state).await;
    let set = vec!["1"; 32_000].join(",");
    let longest = format!("STATUS \"{set}\" (MESSAGES)");
    assert!(client.run(&longest).await.starts_with("t2 NO"), "63 999 octets are read");
    client
        .send(format!("a STATUS \"{set},{}\" (MESSAGES)\r\n", "1".repeat(2_000)).as_bytes())
        .await;
    let all = client.rest().await;
    assert!(all.starts_with("a BAD Line too long\r\n* BYE"), "{all}");
}

#[tokio::test]
async fn a_bare_line_feed_ends_no_command() {
    let state = server(Profile::modern(), &account());
    let mut client = Client::connect(&state).await;
    client.send(b"a NOOP\n").await;
    assert_eq!(client.tagged("a").await, "a BAD Line ended with LF instead of CRLF\r\n");
}

#[tokio::test]
async fn grammar_is_kept_to_the_letter() {
    let state = server(Profile::modern(), &account());
    let mut client = Client::login(&state).await;
    let wrong: [&[u8]; 13] = [
        b"NOOP ",
        b" NOOP",
        b"STATUS INBOX  (MESSAGES)",
        b"STATUS INBOX (MESSAGES )",
        b"STATUS INBOX ()",
        b"SELECT \"INBOX",
        b"SELECT in(box",
        b"SELECT \"R\xc3\xa9union\"",
        b"SELECT R\xc3\xa9union",
        b"CREATE a%b",
        b"CREATE \"a\rb\"",
        b"UID NOOP",
        b"SELECT \"a\\b\"",
    ];
    for command in wrong {
        let answer = client.run_octets(command).await;
        assert!(answer.contains(" BAD "), "{}: {answer}", command.escape_ascii());
    }
    client.send(b"+ NOOP\r\n").await;
    assert!(client.tagged("*").await.starts_with("* BAD"), "`+` is no tag");
}

#[tokio::test]
async fn literals_of_strings_are_bounded() {
    let limits = Limits { string_octets_max: 10, ..Limits::default() };
    let state = server(Profile { limits, ..Profile::modern() }, &account());
    let mut client = Client::login(&state).await;
    assert_eq!(client.run("SELECT {11}").await, "t2 BAD Literal too big\r\n");
    assert!(client.run("SELECT {99999999999999999999}").await.starts_with("t3 BAD"));
    assert!(client.run("SELECT ~{5}").await.starts_with("t4 BAD"), "no BINARY here");
    client.send(b"a SELECT {11+}\r\n0123456789A\r\nb NOOP\r\n").await;
    assert_eq!(client.tagged("b").await, "a BAD Literal too big\r\nb OK Noop completed\r\n");
}

#[tokio::test]
async fn a_command_is_bounded_as_a_whole() {
    let limits = Limits { command_octets_max: 100, ..Limits::default() };
    let state = server(Profile { limits, ..Profile::modern() }, &account());
    let mut client = Client::login(&state).await;
    let text = format!("STATUS \"{}\" ({{1}}", "x".repeat(100));
    assert_eq!(client.run(&text).await, "t2 BAD Literal too big\r\n");
    assert!(client.run("APPEND INBOX {100}").await.starts_with("t3 NO [TOOBIG]"));
    assert!(client.append("INBOX", &[b'x'; 60]).await.contains("t4 OK"));
    client.send(b"a APPEND INBOX {101+}\r\n").await;
    let all = client.rest().await;
    assert!(all.starts_with("a NO [TOOBIG] Message too big\r\n* BYE"), "{all}");
}
