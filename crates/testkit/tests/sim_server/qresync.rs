//! QRESYNC, by the examples of RFC 7162 §3.2.

use std::ops::RangeInclusive;

use mailferry_testkit::sim::{Account, Extension, Limits, Profile, State};

use crate::client::{Client, account, date, server, with_inbox};

const VALIDITY: u32 = 67_890_007;

/// An account whose INBOX has the messages 1 to `last`, none of them recent.
async fn numbered(profile: Profile, last: usize) -> (Account, State) {
    let account = with_inbox(last);
    account.set_uid_validity("INBOX", VALIDITY);
    let state = server(profile, &account);
    Client::select(&state, "INBOX").await;
    (account, state)
}

fn expunge(account: &Account, ranges: &[RangeInclusive<u32>]) {
    for uid in ranges.iter().cloned().flatten() {
        assert!(account.expunge("INBOX", uid), "{uid}");
    }
}

fn flag_at(account: &Account, modseq: u64, uid: u32, flags: &[&str]) {
    account.raise_modseq("INBOX", modseq);
    assert!(account.set_flags("INBOX", uid, flags));
    assert_eq!(account.modseq("INBOX", uid), Some(modseq));
}

async fn enabled(state: &State) -> Client {
    let mut client = Client::login(state).await;
    let answer = client.run("ENABLE QRESYNC").await;
    assert_eq!(answer, "* ENABLED QRESYNC\r\nt2 OK Enable completed\r\n");
    client
}

/// The lines of a SELECT that tell what changed.
async fn changes(client: &mut Client, command: &str) -> Vec<String> {
    let answer = client.run(command).await;
    assert!(answer.contains(" OK [READ-WRITE]"), "{answer}");
    let is_change = |line: &&str| line.contains("VANISHED") || line.contains("FETCH");
    answer.lines().filter(is_change).map(str::to_owned).collect()
}

#[tokio::test]
async fn enable_tells_what_it_enabled() {
    let state = server(Profile::resyncing(), &account());
    let mut client = Client::login(&state).await;
    for (command, answer) in [
        ("ENABLE X-GOOD-IDEA", "* ENABLED\r\n"),
        ("ENABLE CONDSTORE", "* ENABLED CONDSTORE\r\n"),
        ("ENABLE x qresync CONDSTORE", "* ENABLED QRESYNC CONDSTORE\r\n"),
    ] {
        let line = client.run(command).await;
        assert!(line.starts_with(answer) && line.contains(" OK "), "{command}: {line}");
    }
    assert!(client.run("ENABLE").await.contains(" BAD "));
    let state = server(Profile::resyncing().without(Extension::Qresync), &account());
    let mut client = Client::login(&state).await;
    assert!(client.run("ENABLE QRESYNC").await.starts_with("* ENABLED\r\n"));
    assert!(client.run("SELECT INBOX (QRESYNC (1 1))").await.contains(" BAD "));
}

#[tokio::test]
async fn select_tells_what_vanished_and_what_changed() {
    let (account, state) = numbered(Profile::resyncing(), 599).await;
    flag_at(&account, 90_060_115_194_045_000, 42, &["\\Seen"]);
    flag_at(&account, 90_060_115_194_045_001, 117, &["\\Seen", "\\Answered"]);
    flag_at(&account, 90_060_115_194_045_002, 541, &["\\Seen", "$Forwarded"]);
    flag_at(&account, 90_060_115_194_045_308, 119, &["\\Draft", "$MDNSent"]);
    expunge(&account, &[41..=41, 43..=116, 118..=118, 120..=211, 214..=540]);
    flag_at(&account, 90_060_115_205_545_359, 1, &["\\Seen"]);
    let mut client = enabled(&state).await;
    let resync = "67890007 90060115194045000 41:211,214:541";
    let answer = client.run(&format!("SELECT INBOX (QRESYNC ({resync}))")).await;
    assert!(answer.contains("* OK [HIGHESTMODSEQ 90060115205545359] "), "{answer}");
    assert!(
        answer.ends_with(
            "* VANISHED (EARLIER) 41,43:116,118,120:211,214:540\r\n\
             * 42 FETCH (UID 117 FLAGS (\\Answered \\Seen) MODSEQ (90060115194045001))\r\n\
             * 43 FETCH (UID 119 FLAGS ($MDNSent \\Draft) MODSEQ (90060115194045308))\r\n\
             * 46 FETCH (UID 541 FLAGS ($Forwarded \\Seen) MODSEQ (90060115194045002))\r\n\
             t3 OK [READ-WRITE] Select completed\r\n"
        ),
        "{answer}"
    );
    // Without known UIDs, all of them are meant; an up-to-date client is told nothing.
    let select = "SELECT INBOX (CONDSTORE QRESYNC (67890007 90060115194045308))";
    assert_eq!(
        changes(&mut client, select).await,
        [
            "* VANISHED (EARLIER) 41,43:116,118,120:211,214:540",
            "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (90060115205545359))"
        ]
    );
    let select = "SELECT INBOX (QRESYNC (67890007 90060115205545359 1:599))";
    assert_eq!(changes(&mut client, select).await, [] as [&str; 0]);
    let answer = client.run(select).await;
    assert!(answer.starts_with("* OK [CLOSED] "), "§3.2.11: {answer}");
}

#[tokio::test]
async fn another_uidvalidity_tells_nothing() {
    let (account, state) = numbered(Profile::resyncing(), 5).await;
    account.expunge("INBOX", 1);
    let mut client = enabled(&state).await;
    let select = "SELECT INBOX (QRESYNC (67890006 1 1:5))";
    assert_eq!(changes(&mut client, select).await, [] as [&str; 0]);
}

#[tokio::test]
async fn it_needs_enable_and_its_grammar() {
    let (_, state) = numbered(Profile::resyncing(), 5).await;
    let mut client = Client::select(&state, "INBOX").await;
    for command in ["SELECT INBOX (QRESYNC (1 1))", "UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)"] {
        assert!(client.run(command).await.contains(" BAD "), "not enabled: {command}");
    }
    assert!(client.run("FETCH 1 UID").await.contains(" OK "), "INBOX is still selected");
    client.run("ENABLE QRESYNC").await;
    for command in [
        "SELECT INBOX (QRESYNC (0 1))",
        "SELECT INBOX (QRESYNC (1 0))",
        "SELECT INBOX (QRESYNC (1))",
        "SELECT INBOX (QRESYNC (1 1 1:*))",
        "SELECT INBOX (QRESYNC (1 1 1:3 (1,2 1)))",
        "SELECT INBOX (QRESYNC (1 1 1:3 (2,1 1,2)))",
        "SELECT INBOX (QRESYNC (1 1) QRESYNC (1 1))",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
    ] {
        assert!(client.run(command).await.contains(" BAD "), "{command}");
    }
}

#[tokio::test]
async fn sequence_match_data_spares_what_the_client_knows() {
    // A server that remembers no expunge, and only UIDs divisible by three are left.
    let limits = Limits { expunges_known_max: 0, ..Limits::default() };
    let (account, state) = numbered(Profile { limits, ..Profile::resyncing() }, 30).await;
    let known = account.highest_modseq("INBOX").unwrap();
    for uid in (1..=30).filter(|uid| uid % 3 != 0) {
        account.expunge("INBOX", uid);
    }
    let mut client = enabled(&state).await;
    let mut vanished = async |more: &str| {
        let select = format!("SELECT INBOX (QRESYNC ({VALIDITY} {known} {more}))");
        changes(&mut client, &select).await
    };
    assert_eq!(vanished("1:15").await, ["* VANISHED (EARLIER) 1:2,4:5,7:8,10:11,13:14"]);
    assert_eq!(vanished("1:15 (3,5 9,15)").await, [] as [&str; 0]);
    assert_eq!(vanished("1:15 (3:4 9,13)").await, ["* VANISHED (EARLIER) 10:11,13:14"]);
    assert_eq!(vanished("(8 24)").await, ["* VANISHED (EARLIER) 25:26,28:29"]);
    assert_eq!(vanished("28:40").await, ["* VANISHED (EARLIER) 28:29,31:40"]);
}

#[tokio::test]
async fn uid_fetch_tells_what_vanished() {
    let (account, state) = numbered(Profile::resyncing(), 420).await;
    expunge(&account, &[1..=299, 311..=403, 409..=409, 413..=420]);
    account.raise_modseq("INBOX", 12_346);
    expunge(&account, &[411..=411, 300..=310, 405..=405]);
    flag_at(&account, 29_738, 408, &["$NoJunk", "$AutoJunk", "$MDNSent"]);
    flag_at(&account, 65_402, 404, &["\\Seen"]);
    flag_at(&account, 75_403, 406, &["\\Deleted"]);
    let mut client = enabled(&state).await;
    client.run("SELECT INBOX").await;
    let rows = "* 1 FETCH (UID 404 MODSEQ (65402) FLAGS (\\Seen))\r\n\
                * 2 FETCH (UID 406 MODSEQ (75403) FLAGS (\\Deleted))\r\n\
                * 4 FETCH (UID 408 MODSEQ (29738) FLAGS ($AutoJunk $MDNSent $NoJunk))\r\n";
    assert_eq!(
        client.run("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)").await,
        format!("* VANISHED (EARLIER) 300:310,405,411\r\n{rows}t4 OK UID Fetch completed\r\n")
    );
    let answer = client.run("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345)").await;
    assert_eq!(answer, format!("{rows}t5 OK UID Fetch completed\r\n"));
    let answer = client.run("UID SEARCH UID 300:500").await;
    assert!(answer.starts_with("* SEARCH 404 406 407 408 410 412\r\n"), "{answer}");
}

#[tokio::test]
async fn expunge_tells_the_uids_once_it_is_enabled() {
    for profile in [Profile::resyncing(), Profile::modern()] {
        let is_resyncing = profile.has(Extension::Qresync);
        let account = account();
        for uid in [401, 402, 405, 407, 408, 409, 410, 411, 412, 413, 425] {
            account.raise_uid_next("INBOX", uid);
            account.append("INBOX", b"x", &[], date());
        }
        let state = server(profile, &account);
        let mut client = Client::login(&state).await;
        client.run("ENABLE QRESYNC").await;
        client.run("SELECT INBOX").await;
        client.run("UID STORE 405,407,410,425 +FLAGS.SILENT (\\Deleted)").await;
        account.raise_modseq("INBOX", 20_010_715_194_045_316);
        let answer = client.run("EXPUNGE").await;
        assert_eq!(
            answer,
            match is_resyncing {
                true =>
                    "* VANISHED 405,407,410,425\r\n\
                     t5 OK [HIGHESTMODSEQ 20010715194045319] Expunged\r\n",
                false =>
                    "* 3 EXPUNGE\r\n* 3 EXPUNGE\r\n* 5 EXPUNGE\r\n* 8 EXPUNGE\r\n\
                     t5 OK Expunge completed\r\n",
            }
        );
        client.run("UID STORE 401:402 +FLAGS.SILENT (\\Deleted)").await;
        let answer = client.run("UID EXPUNGE 401").await;
        assert_eq!(answer.contains("* VANISHED 401\r\nt7 OK [HIGHESTMODSEQ "), is_resyncing);
        assert_eq!(client.run("CLOSE").await, "t8 OK Close completed\r\n", "§3.2.8: no number");
        assert_eq!(account.messages("INBOX").len(), 5);
    }
}

#[tokio::test]
async fn what_vanishes_under_a_session_is_told_without_earlier() {
    let (account, state) = numbered(Profile::resyncing(), 6).await;
    let known = account.highest_modseq("INBOX").unwrap();
    account.expunge("INBOX", 1);
    let mut client = enabled(&state).await;
    client.run("SELECT INBOX").await;
    account.expunge("INBOX", 3);
    account.expunge("INBOX", 4);
    account.append("INBOX", b"x", &[], date());
    account.expunge("INBOX", 7);
    let answer = client.run("FETCH 1 (UID)").await;
    assert!(!answer.contains("VANISHED"), "withheld as EXPUNGE is: {answer}");
    assert_eq!(
        client.run(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {known} VANISHED)")).await,
        "* VANISHED (EARLIER) 1,7\r\n* VANISHED 3:4\r\n\
         t5 OK [EXPUNGEISSUED] Some messages were expunged meanwhile\r\n"
    );
    assert!(client.run("FETCH 2 (UID)").await.starts_with("* 2 FETCH (UID 5)"));
    let answer = client.run("STORE 2 +FLAGS.SILENT (\\Seen)").await;
    assert!(answer.starts_with("* 2 FETCH (UID 5 MODSEQ ("), "§3.2.4: {answer}");
}

#[tokio::test]
async fn an_empty_mailbox_has_nothing_to_tell() {
    let state = server(Profile::resyncing(), &account());
    let mut client = enabled(&state).await;
    let answer = client.run("SELECT INBOX").await;
    let (_, rest) = answer.split_once("[UIDVALIDITY ").unwrap();
    let (validity, _) = rest.split_once(']').unwrap();
    let select = format!("SELECT INBOX (QRESYNC ({validity} 1))");
    assert_eq!(changes(&mut client, &select).await, [] as [&str; 0]);
    let answer = client.run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)").await;
    assert!(answer.starts_with("t5 OK"), "{answer}");
}
