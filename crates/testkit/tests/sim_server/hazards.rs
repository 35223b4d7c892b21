//! Servers that lead astray a client that remembers, and what a test does behind its back.

use mailferry_testkit::sim::{
    Account, Extension, Limits, ModSequences, Modifier, Profile, Server, UidValidities, Vanished,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, account, date, server, with_inbox};

/// What UID FETCH tells of INBOX: since before three expunges and a change, and since the last
/// of the expunges.
async fn told(profile: Profile) -> [String; 2] {
    let account = with_inbox(8);
    account.expunge("INBOX", 6);
    let before = account.highest_modseq("INBOX").unwrap();
    for uid in [2, 3, 5] {
        account.expunge("INBOX", uid);
    }
    let after = account.highest_modseq("INBOX").unwrap();
    account.set_flags("INBOX", 4, &["\\Seen"]);
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    client.run("ENABLE QRESYNC").await;
    client.run("EXAMINE INBOX").await;
    let mut since = async |modseq: u64| {
        let fetch = format!("UID FETCH 1:7 (UID) (CHANGEDSINCE {modseq} VANISHED)");
        let answer = client.run(&fetch).await;
        assert_eq!(answer.matches(" FETCH (UID 4 MODSEQ (").count(), 1, "{answer}");
        let first = answer.lines().next().unwrap_or_default();
        first.strip_prefix("* VANISHED (EARLIER) ").unwrap_or("nothing").to_owned()
    };
    [since(before).await, since(after).await]
}

#[tokio::test]
async fn a_log_that_is_too_short_tells_more_or_nothing() {
    let profile = Profile::resyncing();
    assert_eq!(told(profile.clone()).await, ["2:3,5", "nothing"]);
    let short = Limits { expunges_known_max: 2, ..Limits::default() };
    let profile = Profile { limits: short.clone(), ..profile };
    assert_eq!(told(profile.clone()).await, ["2:3,5:6", "nothing"], "RFC 7162 §3.2.6");
    let stalwart = Profile { vanished: Vanished::NothingOld, ..profile.clone() };
    assert_eq!(told(stalwart.clone()).await, ["nothing", "nothing"]);
    let reaches = Profile { limits: Limits { expunges_known_max: 3, ..short }, ..stalwart };
    assert_eq!(told(reaches).await, ["2:3,5", "nothing"]);
    let all = Profile { vanished: Vanished::EveryAbsent, ..Profile::resyncing() };
    assert_eq!(told(all).await, ["2:3,5:6", "2:3,5:6"], "RFC 7162 §5.1");
}

#[tokio::test]
async fn changedsince_may_be_taken_and_ignored() {
    let pymap = Profile { changed_since: Modifier::Ignored, ..Profile::bare() };
    for profile in [pymap, Profile { changed_since: Modifier::Ignored, ..Profile::resyncing() }] {
        let state = server(profile, &with_inbox(3));
        let mut client = Client::select(&state, "INBOX").await;
        let answer = client.run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1000)").await;
        assert_eq!(answer.matches(" FETCH (UID ").count(), 3, "every row: {answer}");
        assert!(!answer.contains("MODSEQ") && answer.contains("t3 OK"), "{answer}");
        assert!(client.run("FETCH 1 FLAGS (CHANGEDSINCE)").await.contains(" BAD "));
    }
}

#[tokio::test]
async fn unchangedsince_may_be_taken_and_ignored() {
    let account = with_inbox(1);
    let profile = Profile { unchanged_since: Modifier::Ignored, ..Profile::bare() };
    let state = server(profile, &account);
    let mut client = Client::select(&state, "INBOX").await;
    let answer = client.run("STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\\Seen)").await;
    assert_eq!(answer, "t3 OK Store completed\r\n");
    assert!(account.messages("INBOX")[0].flags.contains("\\Seen"));
}

#[tokio::test]
async fn a_server_blind_to_flags_moves_with_messages_only() {
    let profile = Profile { mod_sequences: ModSequences::BlindToFlags, ..Profile::resyncing() };
    let account = with_inbox(3);
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    let mut highest = async || {
        let answer = client.run("STATUS INBOX (HIGHESTMODSEQ)").await;
        let (_, rest) = answer.split_once("(HIGHESTMODSEQ ").unwrap();
        rest.split_once(')').unwrap().0.parse::<u64>().unwrap()
    };
    let first = highest().await;
    account.set_flags("INBOX", 2, &["\\Seen"]);
    assert_eq!(highest().await, first);
    account.append("INBOX", b"x", &[], date());
    let second = highest().await;
    assert!(second > first);
    account.set_flags("INBOX", 3, &["\\Seen"]);
    let mut client = Client::select(&state, "INBOX").await;
    let answer = client.run(&format!("UID FETCH 1:* FLAGS (CHANGEDSINCE {second})")).await;
    assert!(!answer.contains(" FETCH ("), "missed: {answer}");
    let answer = client.run(&format!("UID FETCH 1:* FLAGS (CHANGEDSINCE {first})")).await;
    assert_eq!(answer.matches(" FETCH (").count(), 1, "the new one alone: {answer}");
}

#[tokio::test]
async fn uidvalidity_is_fresh_reused_or_constant() {
    let validities = |account: &Account| {
        let before = account.uid_validity("Box").unwrap();
        account.append("Box", b"x", &[], date());
        account.recreate_mailbox("Box");
        assert_eq!((account.messages("Box").len(), account.uid_next("Box")), (0, Some(1)));
        (before, account.uid_validity("Box").unwrap())
    };
    for (habit, is_same) in [
        (UidValidities::Fresh, false),
        (UidValidities::Reused, true),
        (UidValidities::Constant, true),
    ] {
        let account = account();
        account.add_mailbox("Box");
        let profile = Profile { uid_validities: habit, ..Profile::modern() };
        let state = server(profile, &account);
        let (before, after) = validities(&account);
        assert_eq!(before == after, is_same, "{habit:?}");
        let mut client = Client::login(&state).await;
        for command in ["DELETE Box", "CREATE Box", "CREATE Other"] {
            assert!(client.run(command).await.contains(" OK "), "{command}");
        }
        assert_eq!(account.uid_validity("Box") == Some(after), is_same, "{habit:?}");
        let is_one = habit == UidValidities::Constant;
        for name in ["INBOX", "Box", "Other"] {
            assert_eq!(account.uid_validity(name) == Some(1), is_one, "{habit:?} {name}");
        }
    }
}

#[tokio::test]
async fn an_account_is_changed_while_nobody_is_connected() {
    let account = with_inbox(3);
    let before = account.uid_validity("INBOX");
    drop(Client::select(&server(Profile::resyncing(), &account), "INBOX").await);
    account.append("INBOX", b"Subject: new\r\n\r\n", &["\\Flagged", "Work"], date());
    assert!(account.set_flags("INBOX", 1, &["\\Seen"]));
    assert!(account.expunge("INBOX", 2));
    assert!(account.rename_mailbox("INBOX", "Kept"));
    assert!(!account.rename_mailbox("nowhere", "x") && !account.rename_mailbox("INBOX", "Kept"));
    assert_eq!((account.messages("INBOX").len(), account.uid_validity("Kept")), (0, before));
    account.set_uid_validity("Kept", 7);
    let state = server(Profile::resyncing(), &account);
    let mut client = Client::login(&state).await;
    client.run("ENABLE QRESYNC").await;
    let answer = client.run("EXAMINE Kept (QRESYNC (7 4 1:3))").await;
    assert!(answer.contains("* VANISHED (EARLIER) 2\r\n* 1 FETCH (UID 1 FLAGS ("), "{answer}");
    assert_eq!(account.modseq("Kept", 4), Some(5));
    assert_eq!(account.modseq("Kept", 2), None);
}

#[tokio::test]
async fn commands_are_counted_by_connection_and_in_all() {
    let state = server(Profile::modern(), &with_inbox(1));
    let mut one = Client::select(&state, "INBOX").await;
    let mut other = Client::login(&state).await;
    one.run("uid fetch 1 (UID)").await;
    one.run("UID FETCH 1 (FLAGS)").await;
    other.run("UID SEARCH ALL").await;
    assert_eq!(state.commands().len(), 6);
    assert_eq!(state.commands_on(2), ["LOGIN *", "UID SEARCH ALL"]);
    assert_eq!(state.commands_named("UID FETCH"), ["uid fetch 1 (UID)", "UID FETCH 1 (FLAGS)"]);
    assert_eq!(state.commands_named("UID FET").len(), 0, "whole names only");
    assert!(!format!("{:?}", state.commands()).contains("secret"));
}

#[tokio::test]
async fn round_trips_are_what_a_client_waits_for() {
    let state = server(Profile::modern().without(Extension::LiteralPlus), &with_inbox(1));
    let mut client = Client::login(&state).await;
    assert_eq!(state.round_trips_on(1), 1, "the greeting came before LOGIN");
    client.run("NOOP").await;
    assert_eq!(state.round_trips_on(1), 2);
    let tag = client.next_tag();
    let ahead = format!("a NOOP\r\nb EXAMINE INBOX\r\n{tag} UID FETCH 1 (FLAGS)\r\n");
    client.send(ahead.as_bytes()).await;
    client.tagged(&tag).await;
    assert_eq!(state.round_trips_on(1), 3, "one wait for the three");
    client.append("INBOX", b"Subject: x\r\n\r\n").await;
    assert_eq!(state.round_trips_on(1), 5, "and one for the +");
    let _other = Client::login(&state).await;
    assert_eq!((state.round_trips_on(2), state.round_trips()), (1, 6));
    assert_eq!(state.round_trips_on(9), 0);
}

#[tokio::test]
async fn round_trips_are_counted_over_a_socket_too() {
    let server = Server::bind(Profile::modern(), [account()]).await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let mut octets = [0; 4096];
    assert!(stream.read(&mut octets).await.unwrap() > 0, "the greeting");
    stream.write_all(b"a LOGIN joe secret\r\nb NOOP\r\nc LOGOUT\r\n").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(server.state().round_trips(), 1, "everything was sent ahead");
    assert_eq!(server.state().commands(), ["LOGIN *", "NOOP", "LOGOUT"]);
}
