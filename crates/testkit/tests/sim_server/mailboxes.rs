//! CREATE, DELETE, RENAME, LIST, LSUB, STATUS, NAMESPACE.

use mailferry_testkit::sim::Profile;

use crate::client::{Client, account, date, server, with_inbox};

#[tokio::test]
async fn the_list_of_the_rfc_shows_levels_and_parents() {
    let account = account();
    for name in ["foo/bar", "foo2", "foo2/bar1", "foo2/bar2", "baz2/bar2"] {
        account.add_mailbox(name);
    }
    let state = server(Profile::bare(), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(
        client.run("LIST \"\" *").await,
        "* LIST () \"/\" INBOX\r\n* LIST (\\Noselect) \"/\" baz2\r\n* LIST () \"/\" baz2/bar2\r\n\
         * LIST (\\Noselect) \"/\" foo\r\n* LIST () \"/\" foo/bar\r\n* LIST () \"/\" foo2\r\n\
         * LIST () \"/\" foo2/bar1\r\n* LIST () \"/\" foo2/bar2\r\nt2 OK List completed\r\n"
    );
    assert_eq!(
        client.run("LIST foo2/ %").await,
        "* LIST () \"/\" foo2/bar1\r\n* LIST () \"/\" foo2/bar2\r\nt3 OK List completed\r\n"
    );
    assert_eq!(
        client.run("LIST \"\" \"\"").await,
        "* LIST (\\Noselect) \"/\" \"\"\r\nt4 OK List completed\r\n"
    );
    assert_eq!(client.run("LIST \"\" inbox").await.lines().next(), Some("* LIST () \"/\" INBOX"));
}

#[tokio::test]
async fn lsub_shows_the_parents_of_what_is_subscribed_to_a_percent() {
    let account = account();
    account.add_mailbox("foo/bar").subscribe("foo/bar").subscribe("gone");
    let state = server(Profile::bare(), &account);
    let mut client = Client::login(&state).await;
    // The example of RFC 3501 §6.3.9.
    assert_eq!(
        client.run("LSUB \"\" %").await,
        "* LSUB (\\Noselect) \"/\" foo\r\n* LSUB () \"/\" gone\r\nt2 OK Lsub completed\r\n"
    );
    assert!(client.run("LSUB \"\" *").await.starts_with("* LSUB () \"/\" foo/bar\r\n"));
    assert!(client.run("UNSUBSCRIBE gone").await.contains("OK"));
    assert!(client.run("SUBSCRIBE gone").await.contains("NO [NONEXISTENT]"));
    assert!(client.run("SUBSCRIBE inbox").await.contains("OK"));
    let names: Vec<String> = account.subscriptions().into_iter().collect();
    assert_eq!(names, ["INBOX", "foo/bar"]);
}

#[tokio::test]
async fn names_are_created_deleted_and_renamed_with_their_children() {
    let account = account();
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    for (command, answer) in [
        ("CREATE a/b/", "OK"),
        ("CREATE a/b", "NO [ALREADYEXISTS]"),
        ("CREATE a/b/c", "OK"),
        ("RENAME a x/y", "OK"),
        ("RENAME a z", "NO [NONEXISTENT]"),
        ("RENAME x x/q", "NO [CANNOT]"),
        ("DELETE x", "NO [HASCHILDREN]"),
        ("DELETE x/y/b", "OK"),
        ("DELETE INBOX", "NO [CANNOT]"),
        ("DELETE nowhere", "NO [NONEXISTENT]"),
        ("CREATE inbox", "NO [ALREADYEXISTS]"),
    ] {
        let line = client.run(command).await;
        assert!(line.contains(&format!(" {answer}")), "{command}: {line}");
    }
    let names: Vec<String> = account.snapshot().into_keys().collect();
    assert_eq!(names, ["INBOX", "x/y/b/c"]);
}

#[tokio::test]
async fn renaming_inbox_moves_its_messages_out() {
    let account = with_inbox(2);
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    assert!(client.run("RENAME INBOX old").await.contains("OK"));
    assert_eq!((account.messages("INBOX").len(), account.messages("old").len()), (0, 2));
}

#[tokio::test]
async fn a_recreated_mailbox_has_another_uidvalidity() {
    let account = account();
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    client.run("CREATE a").await;
    let before = account.uid_validity("a");
    client.run("RENAME a b").await;
    assert_eq!(account.uid_validity("b"), before, "kept through RENAME");
    client.run("DELETE b").await;
    client.run("CREATE b").await;
    assert_ne!(account.uid_validity("b"), before);
}

#[tokio::test]
async fn broken_and_unwelcome_names_are_refused() {
    let profile = Profile { refused_names: vec!["Calendar".to_owned()], ..Profile::modern() };
    let account = account();
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    for name in ["&Jjo", "a&AGE-", "Calendar", "a//b", "/a", "\"a*\"", "\"\"", "\"a\x07\""] {
        let line = client.run(&format!("CREATE {name}")).await;
        assert!(line.contains(" NO [CANNOT]"), "{name}: {line}");
    }
    let line = client.run_parts(&[b"CREATE {9}", b"R\xc3\xa9union+"]).await;
    assert!(line.contains(" NO [CANNOT]"), "8-bit: {line}");
    assert!(client.run("CREATE R&AOk-union").await.contains("OK"));
    assert!(client.run("SELECT &Jjo").await.contains(" NO [CANNOT]"));
    assert_eq!(account.snapshot().len(), 2);
}

#[tokio::test]
async fn the_other_layout_keeps_everything_below_inbox() {
    let account = account();
    let state = server(Profile::dotted(), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(
        client.run("NAMESPACE").await,
        "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\nt2 OK Namespace completed\r\n"
    );
    assert!(client.run("CREATE Sent").await.contains(" NO [CANNOT]"));
    assert!(client.run("CREATE inbox.Sent").await.contains("OK"));
    assert!(client.run("LIST \"\" *").await.contains(" \".\" INBOX.Sent\r\n"));
    assert!(account.snapshot().contains_key("INBOX.Sent"));
}

#[tokio::test]
async fn other_namespaces_are_told_and_not_written_to() {
    let profile = Profile {
        other: Some("user/".to_owned()),
        shared: Some("shared/".to_owned()),
        ..Profile::modern()
    };
    let account = account();
    account.add_mailbox("shared/team");
    let state = server(profile, &account);
    let mut client = Client::login(&state).await;
    let line = client.run("NAMESPACE").await;
    assert!(
        line.starts_with("* NAMESPACE ((\"\" \"/\")) ((\"user/\" \"/\")) ((\"shared/\" \"/\"))")
    );
    for command in ["CREATE shared/x", "DELETE shared/team", "RENAME shared/team mine"] {
        assert!(client.run(command).await.contains(" NO [NOPERM]"), "{command}");
    }
}

#[tokio::test]
async fn status_counts_and_select_describes() {
    let account = account();
    account.append("INBOX", b"one", &["\\Seen"], date());
    account.append("INBOX", b"three", &["Work"], date());
    account.raise_uid_next("INBOX", 100);
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    let validity = account.uid_validity("INBOX").unwrap();
    assert_eq!(
        client.run("STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE)").await,
        format!(
            "* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 100 UIDVALIDITY {validity} UNSEEN 1 \
             SIZE 8)\r\nt2 OK Status completed\r\n"
        )
    );
    account.append("Box", b"1234", &[], date());
    account.expunge("Box", 1);
    account.append("Box", b"123", &[], date());
    let answer = client.run("STATUS Box (SIZE UIDNEXT)").await;
    assert!(answer.starts_with("* STATUS Box (SIZE 3 UIDNEXT 3)"), "{answer}");
    let examined = client.run("EXAMINE INBOX").await;
    assert!(examined.contains("* OK [PERMANENTFLAGS ()]"), "as Dovecot: {examined}");
    assert!(examined.contains("t4 OK [READ-ONLY]"));
    assert_eq!(
        client.run("SELECT INBOX").await,
        format!(
            "* FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen Work)\r\n* 2 EXISTS\r\n\
             * 2 RECENT\r\n* OK [UNSEEN 2] First unseen\r\n\
             * OK [PERMANENTFLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen Work \\*)] Flags \
             permitted\r\n* OK [UIDVALIDITY {validity}] UIDs valid\r\n\
             * OK [UIDNEXT 100] Predicted next UID\r\nt5 OK [READ-WRITE] Select completed\r\n"
        )
    );
}

#[tokio::test]
async fn renumbering_changes_uidvalidity_and_uids() {
    let account = with_inbox(3);
    let before = account.uid_validity("INBOX");
    account.expunge("INBOX", 1);
    account.renumber("INBOX");
    assert_ne!(account.uid_validity("INBOX"), before);
    let uids: Vec<u32> = account.messages("INBOX").iter().map(|message| message.uid).collect();
    assert_eq!(uids, [1, 2]);
}
