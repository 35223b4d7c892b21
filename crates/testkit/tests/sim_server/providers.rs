//! The imitated providers do what is told of them.

use std::time::Duration;

use mailferry_testkit::sim::provider::{self, Provider};
use mailferry_testkit::sim::{Account, Profile, Refused};

use crate::client::{Client, account, date, server};

fn mail(id: &str) -> Vec<u8> {
    format!("Message-Id: <{id}@x>\r\nSubject: {id}\r\n\r\nbody of {id}\r\n").into_bytes()
}

fn gmail() -> (Account, Profile) {
    let account = account();
    account.append("INBOX", &mail("one"), &[], date());
    account.add_mailbox("Work");
    (account, Provider::Gmail.profile())
}

/// What stands behind a word in an answer, up to a blank or a parenthesis.
fn behind<'a>(answer: &'a str, word: &str) -> &'a str {
    let (_, rest) = answer.split_once(word).unwrap_or_else(|| panic!("no {word} in {answer}"));
    rest.trim_start().split([' ', ')']).next().unwrap()
}

#[tokio::test]
async fn gmail_holds_a_message_once_and_shows_it_under_its_labels() {
    let (account, profile) = gmail();
    let state = server(profile, &account);
    let mut client = Client::select(&state, "INBOX").await;
    let answer = client.run("UID FETCH 1 (X-GM-MSGID X-GM-THRID X-GM-LABELS)").await;
    let id = behind(&answer, "X-GM-MSGID").to_owned();
    assert!(answer.contains("X-GM-LABELS ()"), "the selected one is not told: {answer}");
    assert!(client.run("UID COPY 1 Work").await.contains("[COPYUID"));
    assert!(client.run("UID STORE 1 +FLAGS (\\Seen \\Flagged)").await.contains(" OK "));

    for (mailbox, labels) in [
        ("Work", "(\"\\\\Inbox\" \"\\\\Starred\")"),
        ("\"[Gmail]/All Mail\"", "(Work \"\\\\Inbox\" \"\\\\Starred\")"),
        ("\"[Gmail]/Starred\"", "(Work \"\\\\Inbox\")"),
    ] {
        let mut client = Client::select(&state, mailbox).await;
        let answer = client.run("UID FETCH 1:* (FLAGS X-GM-MSGID X-GM-LABELS)").await;
        assert_eq!(behind(&answer, "X-GM-MSGID"), id, "{mailbox}");
        assert!(answer.contains("\\Seen"), "{mailbox}: {answer}");
        let told: Vec<&str> = labels.trim_matches(['(', ')']).split(' ').collect();
        assert!(told.iter().all(|label| answer.contains(label)), "{mailbox}: {answer}");
        assert_eq!(answer.matches("FETCH").count(), 1, "once: {answer}");
    }
}

#[tokio::test]
async fn gmail_stores_labels_and_finds_messages_by_them() {
    let (account, profile) = gmail();
    let state = server(profile, &account);
    let mut client = Client::select(&state, "\"[Gmail]/All Mail\"").await;
    let answer = client.run("UID STORE 1 +X-GM-LABELS (Work \"New label\" \\Important)").await;
    let labels = "X-GM-LABELS (\"\\\\Inbox\" \"New label\" Work \"\\\\Important\")";
    assert!(answer.contains(labels), "{answer}");
    assert_eq!(account.messages("New label").len(), 1);
    assert!(client.run("UID SEARCH X-GM-LABELS work").await.contains("* SEARCH\r\n"));
    assert!(client.run("UID SEARCH X-GM-LABELS Work").await.contains("* SEARCH 1\r\n"));
    assert!(client.run("UID SEARCH X-GM-LABELS \\Inbox").await.contains("* SEARCH 1\r\n"));
    let answer = client.run("UID FETCH 1 X-GM-MSGID").await;
    let search = format!("UID SEARCH X-GM-MSGID {}", behind(&answer, "X-GM-MSGID"));
    assert!(client.run(&search).await.contains("* SEARCH 1\r\n"));
    client.run("UID STORE 1 -X-GM-LABELS.SILENT (Work \\Inbox)").await;
    assert_eq!(account.labels("[Gmail]/All Mail", 1), ["New label", "\\Important"]);
    client.run("UID STORE 1 X-GM-LABELS (Work)").await;
    assert_eq!(account.labels("[Gmail]/All Mail", 1), ["Work"]);
}

#[tokio::test]
async fn gmail_drops_what_it_knows_by_its_message_id_and_keeps_the_label() {
    let (account, profile) = gmail();
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    let other = [&mail("one")[..], b"another body\r\n"].concat();
    let answer = client.append("Work (\\Seen)", &other).await;
    assert!(answer.contains("[APPENDUID") && answer.contains(" 1] "), "{answer}");
    let again = client.append("Work", &mail("one")).await;
    assert!(again.contains(" 1] "), "the old UID: {again}");
    assert_eq!(account.messages("Work")[0].octets.to_vec(), mail("one"), "the first one stays");
    assert_eq!(account.messages("[Gmail]/All Mail").len(), 1);
    // Without Message-Id it cannot know.
    for _ in 0..2 {
        client.append("Work", b"Subject: x\r\n\r\nx\r\n").await;
    }
    assert_eq!(account.messages("Work").len(), 3);
    assert!(client.run("CREATE \"[Gmail]/Mine\"").await.contains(" NO "));
    assert!(client.run("CREATE \"Work / Late\"").await.contains(" NO "));
    assert!(client.run("DELETE \"[Gmail]/All Mail\"").await.contains(" NO "));
}

#[tokio::test]
async fn what_is_expunged_from_a_label_of_gmail_stays_until_it_is_expunged_from_trash() {
    let (account, profile) = gmail();
    let state = server(profile, &account);
    let mut client = Client::select(&state, "INBOX").await;
    client.run("UID STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert!(client.run("UID EXPUNGE 1").await.contains("* 1 EXPUNGE"));
    assert_eq!(account.messages("[Gmail]/All Mail").len(), 1);
    let mut client = Client::select(&state, "\"[Gmail]/All Mail\"").await;
    client.run("UID STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    client.run("EXPUNGE").await;
    assert_eq!(account.messages("[Gmail]/All Mail").len(), 1, "it is archived");
    client.run("UID MOVE 1 \"[Gmail]/Trash\"").await;
    assert_eq!(account.messages("[Gmail]/All Mail").len(), 0);
    let mut client = Client::select(&state, "\"[Gmail]/Trash\"").await;
    client.run("UID STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    client.run("EXPUNGE").await;
    assert_eq!(account.messages("[Gmail]/Trash").len(), 0);
}

#[tokio::test]
async fn exchange_refuses_with_bad_what_it_does_not_like() {
    let account = account();
    let state = server(Provider::Exchange.profile(), &account);
    let mut client = Client::login(&state).await;
    let answer = client.append("INBOX ($MDNSent)", &mail("receipt")).await;
    assert!(answer.contains(" OK "), "{answer}");
    let answer = client.append("INBOX (work)", &mail("one")).await;
    assert!(answer.contains("BAD Command Argument Error. 11"), "{answer}");
    let long = [&mail("long")[..], &[b'x'; 10_300], b"\r\n"].concat();
    let answer = client.append("INBOX", &long).await;
    assert!(answer.contains("BAD Command Error. 10"), "{answer}");
    let answer = client.run("SELECT INBOX").await;
    assert!(answer.contains("\\Seen $MDNSent)]"), "{answer}");
}

#[tokio::test]
async fn exchange_wants_to_be_left_alone_for_as_long_as_it_says() {
    let account = account();
    let profile = provider::exchange_throttling("APPEND", 2, Duration::from_secs(300));
    let clock = profile.habits.clock.clone();
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    for id in ["a", "b"] {
        assert!(client.append("INBOX", &mail(id)).await.contains(" OK "));
    }
    let answer = client.append("INBOX", &mail("c")).await;
    let words = "BAD Request is throttled. Suggested Backoff Time: 300000 milliseconds";
    assert!(answer.contains(words), "{answer}");
    let all = answer + &client.rest().await;
    assert!(all.contains("* BYE Connection closed. 14"), "{all}");
    clock.advance(Duration::from_secs(290));
    let mut client = Client::login(&state).await;
    assert!(client.run("NOOP").await.contains("is throttled"), "whatever is asked");
    clock.advance(Duration::from_secs(11));
    let mut client = Client::login(&state).await;
    assert!(client.append("INBOX", &mail("c")).await.contains(" OK "));
}

#[tokio::test]
async fn gmail_moves_no_more_than_a_days_octets() {
    let (account, _) = gmail();
    account.append("INBOX", &[b'x'; 2_000], &[], date());
    let profile = provider::gmail_within(2_000, 300, Refused::No);
    let clock = profile.habits.clock.clone();
    let state = server(profile, &account);
    let mut client = Client::select(&state, "INBOX").await;
    let over = "NO [OVERQUOTA] Account exceeded command or bandwidth limits.";
    assert!(client.run("UID FETCH 2 BODY.PEEK[]").await.contains(" OK "));
    assert!(client.run("UID FETCH 1 BODY.PEEK[]").await.contains(over));
    assert!(client.append("INBOX", &[b'y'; 400]).await.contains(" OK "));
    assert!(client.append("INBOX", &mail("z")).await.contains(over));
    assert!(client.run("NOOP").await.contains(" OK "));
    clock.advance(Duration::from_secs(86_401));
    assert!(client.run("UID FETCH 1 BODY.PEEK[]").await.contains(" OK "));
    assert!(client.append("INBOX", &mail("z")).await.contains(" OK "));
}

#[tokio::test]
async fn yahoo_shows_the_newest_and_takes_no_deleted_messages() {
    let account = account();
    for id in ["a", "b", "c", "d"] {
        account.append("INBOX", &mail(id), &[], date());
    }
    let mut profile = Provider::Yahoo.profile();
    profile.habits.view_messages_max = Some(3);
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    assert!(client.run("STATUS INBOX (MESSAGES)").await.contains("MESSAGES 3"));
    assert!(client.run("SELECT INBOX").await.contains("* 3 EXISTS"));
    let answer = client.run("UID FETCH 1:* FLAGS").await;
    assert!(!answer.contains("UID 1 ") && answer.contains("* 1 FETCH (UID 2"), "{answer}");
    let answer = client.append("INBOX (\\Deleted)", &mail("e")).await;
    assert!(answer.contains("NO [CANNOT] APPEND Contains Deleted flag"), "{answer}");
    let answer = client.append("INBOX ($Junk other)", &mail("e")).await;
    assert!(answer.contains(" OK "), "{answer}");
    let stored = account.messages("INBOX").pop().unwrap();
    assert_eq!(stored.flags.iter().collect::<Vec<_>>(), ["$Junk"]);
}

#[tokio::test]
async fn the_others_have_their_habits_too() {
    let account = account();
    let state = server(Provider::ICloud.profile(), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(client.run("ENABLE QRESYNC").await, "t2 OK Enable completed\r\n");

    let state = server(Provider::ProtonBridge.profile(), &account);
    let mut client = Client::login(&state).await;
    let answer = client.run("CREATE Mailspring").await;
    assert!(answer.contains("operation not allowed"), "{answer}");
    assert!(client.run("CREATE Folders/Mine").await.contains(" OK "));
    client.append("INBOX", &mail("proton")).await;
    client.run("SELECT INBOX").await;
    let answer = client.run("UID FETCH 1 (RFC822.SIZE BODY.PEEK[])").await;
    let (size, octets): (usize, usize) = (
        behind(&answer, "RFC822.SIZE").parse().unwrap(),
        behind(&answer, "BODY[] {").split('}').next().unwrap().parse().unwrap(),
    );
    assert_eq!(size + 7, octets, "{answer}");

    let state = server(Provider::Zimbra.profile(), &account);
    let mut client = Client::login(&state).await;
    let answer = client.append("INBOX (TEST:FLAG211)", &mail("tag")).await;
    assert!(answer.contains("NO APPEND failed"), "{answer}");

    let state = server(Provider::Domino.profile(), &account);
    let mut client = Client::login(&state).await;
    let answer = client.run("LIST \"\" \"\"").await;
    assert!(answer.contains("\"\\\\\" \"\""), "{answer}");
    client.append("INBOX", &mail("note")).await;
    let stored = account.messages("INBOX").pop().unwrap();
    let text = String::from_utf8(stored.octets.to_vec()).unwrap();
    assert!(text.contains("Message-Id: <note@LocalDomain>\r\n"), "{text}");
}
