//! Greeting, login, states, and sessions that see each other.

use std::sync::Arc;
use std::time::Duration;

use mailferry_testkit::sim::{Extension, Limits, LogEntry, LoginPolicy, Profile, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::client::{Client, account, date, server, with_inbox};

#[tokio::test]
async fn capabilities_are_told_where_the_profile_says() {
    let state = server(Profile::modern(), &account());
    let (mut client, greeting) = Client::greeted(&state).await;
    assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+"), "{greeting}");
    assert!(!greeting.contains("UIDPLUS"), "told after login only: {greeting}");
    let answer = client.run("LOGIN joe secret").await;
    assert!(answer.starts_with("t1 OK [CAPABILITY IMAP4rev1 "), "{answer}");
    assert!(answer.contains(" UIDPLUS") && !answer.contains("AUTH=PLAIN"), "{answer}");

    let state = server(Profile::bare(), &account());
    let (mut client, greeting) = Client::greeted(&state).await;
    assert!(!greeting.contains("CAPABILITY"), "{greeting}");
    assert_eq!(client.run("LOGIN joe secret").await, "t1 OK Logged in\r\n");
    let answer = client.run("CAPABILITY").await;
    assert_eq!(answer, "* CAPABILITY IMAP4rev1\r\nt2 OK Capability completed\r\n");
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_a_code() {
    let state = server(Profile::modern(), &account());
    let mut client = Client::connect(&state).await;
    let answer = client.run("LOGIN joe wrong").await;
    assert!(answer.starts_with("t1 NO [AUTHENTICATIONFAILED]"), "{answer}");
    assert!(client.run("SELECT INBOX").await.starts_with("t2 BAD"));
    assert!(!format!("{:?}", state.log()).contains("wrong"), "no password in the log");
}

#[tokio::test]
async fn plain_is_taken_with_and_without_initial_response() {
    let state = server(Profile::modern(), &account());
    let plain = "AGpvZQBzZWNyZXQ="; // NUL joe NUL secret
    let mut client = Client::connect(&state).await;
    let answer = client.run(&format!("AUTHENTICATE PLAIN {plain}")).await;
    assert!(answer.starts_with("t1 OK"), "{answer}");

    let mut client = Client::connect(&state).await;
    let answer = client.run_parts(&[b"AUTHENTICATE PLAIN", plain.as_bytes()]).await;
    assert!(answer.starts_with("t1 OK"), "{answer}");

    let state = server(Profile::modern().without(Extension::SaslIr), &account());
    let mut client = Client::connect(&state).await;
    assert!(client.run(&format!("AUTHENTICATE PLAIN {plain}")).await.starts_with("t1 BAD"));
    assert!(client.run_parts(&[b"AUTHENTICATE PLAIN", b"*"]).await.starts_with("t2 BAD"));

    let state = server(Profile::modern().without(Extension::AuthPlain), &account());
    let mut client = Client::connect(&state).await;
    assert!(client.run(&format!("AUTHENTICATE PLAIN {plain}")).await.starts_with("t1 NO"));
}

#[tokio::test]
async fn login_disabled_is_told_and_kept() {
    let profile = Profile { login: LoginPolicy::Never, ..Profile::modern() };
    let state = server(profile, &account());
    let (mut client, greeting) = Client::greeted(&state).await;
    assert!(greeting.contains(" LOGINDISABLED "), "{greeting}");
    assert!(!greeting.contains("AUTH=PLAIN"), "{greeting}");
    assert!(client.run("LOGIN joe secret").await.starts_with("t1 NO [PRIVACYREQUIRED]"));
    assert!(client.run("AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ=").await.starts_with("t2 NO"));
}

#[tokio::test]
async fn commands_need_their_state() {
    let state = server(Profile::modern(), &with_inbox(1));
    let mut client = Client::connect(&state).await;
    for command in ["LIST \"\" *", "FETCH 1 UID", "STATUS INBOX (MESSAGES)"] {
        assert!(client.run(command).await.contains(" BAD "), "{command}");
    }
    assert!(client.run("LOGIN joe secret").await.contains(" OK "));
    for command in ["FETCH 1 UID", "EXPUNGE", "CLOSE", "LOGIN joe secret", "STARTTLS"] {
        assert!(client.run(command).await.contains(" BAD "), "{command}");
    }
    assert!(client.run("SELECT INBOX").await.contains(" OK "));
    assert!(client.run("SELECT nowhere").await.contains(" NO [NONEXISTENT]"));
    assert!(client.run("FETCH 1 UID").await.contains(" BAD "), "nothing is selected");
}

#[tokio::test]
async fn logout_says_bye_and_ends() {
    let state = server(Profile::modern(), &account());
    let mut client = Client::connect(&state).await;
    client.send(b"a LOGOUT\r\n").await;
    assert_eq!(client.rest().await, "* BYE Logging out\r\na OK Logout completed\r\n");
}

#[tokio::test]
async fn connections_and_sessions_are_limited() {
    let limits = Limits { connections_max: Some(2), sessions_max: Some(1), ..Limits::default() };
    let state = server(Profile { limits, ..Profile::modern() }, &account());
    let first = Client::login(&state).await;
    let mut second = Client::connect(&state).await;
    assert!(second.run("LOGIN joe secret").await.starts_with("t1 NO [LIMIT]"));
    let (_, greeting) = Client::greeted(&state).await;
    assert!(greeting.starts_with("* BYE"), "{greeting}");
    drop(first);
    let mut answer = String::new();
    for _ in 0..100 {
        answer = second.run("LOGIN joe secret").await;
        if answer.contains(" OK ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(answer.contains(" OK "), "the place is free again: {answer}");
}

#[tokio::test]
async fn sessions_are_told_of_each_others_changes() {
    let account = with_inbox(3);
    let state = server(Profile::modern(), &account);
    let mut one = Client::select(&state, "INBOX").await;
    let mut other = Client::select(&state, "INBOX").await;
    assert!(
        one.run("STORE 2 +FLAGS (\\Flagged)")
            .await
            .contains("* 2 FETCH (FLAGS (\\Recent \\Flagged))")
    );
    assert_eq!(
        other.run("NOOP").await,
        "* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\nt3 OK Noop completed\r\n"
    );
    assert!(!one.run("NOOP").await.contains("FETCH"), "its own change is no news");
    let answer = one.append("INBOX", b"Subject: 4\r\n\r\nx").await;
    assert!(answer.starts_with("* 4 EXISTS\r\n"), "{answer}");
    assert!(other.run("NOOP").await.starts_with("* 4 EXISTS\r\n"));
    assert!(other.run("NOOP").await.starts_with("t5 OK"), "told once");
}

#[tokio::test]
async fn an_expunge_is_not_told_during_fetch_store_and_search() {
    let account = with_inbox(3);
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    account.expunge("INBOX", 1);
    account.append("INBOX", b"Subject: 4\r\n\r\n", &[], date());
    let answer = client.run("FETCH 1:3 (UID)").await;
    assert!(!answer.contains("EXPUNGE\r\n"), "RFC 9051 §7.5.1: {answer}");
    assert!(answer.contains("* 2 FETCH (UID 2)"), "numbers stay: {answer}");
    assert!(answer.contains("* 4 EXISTS"), "the expunged one still counts: {answer}");
    assert!(answer.ends_with("OK [EXPUNGEISSUED] Some messages were expunged meanwhile\r\n"));
    assert!(!client.run("STORE 2 +FLAGS (\\Seen)").await.contains("EXPUNGE\r\n"));
    assert!(!client.run("SEARCH ALL").await.contains("EXPUNGE\r\n"));
    assert!(client.run("UID FETCH 2 (FLAGS)").await.contains("* 1 EXPUNGE\r\n"));
    assert!(client.run("FETCH 1 (UID)").await.contains("* 1 FETCH (UID 2)"));
}

#[tokio::test]
async fn a_mailbox_deleted_under_a_session_ends_it() {
    let account = account();
    account.add_mailbox("Box");
    let state = server(Profile::modern(), &account);
    let mut client = Client::select(&state, "Box").await;
    account.remove_mailbox("Box");
    client.send(b"a NOOP\r\n").await;
    assert!(client.rest().await.ends_with("* BYE Selected mailbox was deleted\r\n"));
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let state = server(Profile::modern(), &with_inbox(2));
    let mut client = Client::connect(&state).await;
    client
        .send(b"a LOGIN joe secret\r\nb SELECT INBOX\r\nc UID FETCH 1:* (FLAGS)\r\nd LOGOUT\r\n")
        .await;
    let all = client.rest().await;
    let at = |text: &str| all.find(text).unwrap_or_else(|| panic!("{text} not in {all}"));
    assert!(at("a OK") < at("* 2 EXISTS") && at("b OK") < at("* 2 FETCH (UID 2"));
    assert!(at("c OK") < at("* BYE"));
}

#[tokio::test]
async fn it_serves_a_loopback_socket_until_dropped() {
    let server = Server::bind(Profile::modern(), [account()]).await.unwrap();
    assert!(server.addr().ip().is_loopback());
    let mut stream = BufReader::new(TcpStream::connect(server.addr()).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("* OK"), "{line}");
    stream.write_all(b"a LOGIN joe secret\r\n").await.unwrap();
    line.clear();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("a OK"), "{line}");
    assert_eq!(server.state().connections(), 1);
    let addr = server.addr();
    drop(server);
    line.clear();
    assert_eq!(stream.read_line(&mut line).await.unwrap_or(0), 0, "cut");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(TcpStream::connect(addr).await.is_err(), "no longer listening");
}

#[tokio::test]
async fn too_many_bad_commands_end_the_connection() {
    let limits = Limits { bad_commands_max: 3, ..Limits::default() };
    let state = server(Profile { limits, ..Profile::modern() }, &account());
    let mut client = Client::connect(&state).await;
    client.send(b"a X\r\nb X\r\nc X\r\nd NOOP\r\n").await;
    let all = client.rest().await;
    assert!(all.ends_with("c BAD Unknown command X\r\n* BYE Too many invalid commands\r\n"));
}

#[tokio::test]
async fn a_watch_changes_the_account_under_the_clients_feet() {
    let account = with_inbox(2);
    let behind = account.clone();
    let watch = move |entry: &LogEntry| {
        if entry.line.starts_with("UID FETCH 2 ") {
            behind.expunge("INBOX", 2);
        }
    };
    let profile = Profile { watch: Some(Arc::new(watch)), ..Profile::modern() };
    let state = server(profile, &account);
    let mut client = Client::select(&state, "INBOX").await;
    assert_eq!(
        client.run("UID FETCH 2 (BODY.PEEK[])").await,
        "* 2 EXPUNGE\r\nt3 OK [EXPUNGEISSUED] Some messages were expunged meanwhile\r\n"
    );
}

#[tokio::test]
async fn the_sample_is_served_whole() {
    let account = mailferry_testkit::sim::sample::source(1);
    let state = server(Profile::modern(), &account);
    let mut client = Client::connect(&state).await;
    assert!(client.run("LOGIN demo demo").await.contains("t1 OK"));
    for (name, messages) in account.snapshot() {
        let answer = client.run(&format!("EXAMINE {name}")).await;
        assert!(answer.contains(&format!("* {} EXISTS", messages.len())), "{name}: {answer}");
        let answer = client.run("UID FETCH 1:* (RFC822.SIZE)").await;
        assert_eq!(answer.matches(" FETCH (UID ").count(), messages.len(), "{name}");
    }
}
