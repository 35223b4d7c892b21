//! Extensions: there when they are on, absent when they are off.

use mailferry_testkit::sim::{Extension, Profile};

use crate::client::{Client, account, server, with_inbox};

/// A command for each extension that only it allows, run with INBOX selected.
const ONLY_WITH: [(Extension, &str); 15] = [
    (Extension::Id, "ID NIL"),
    (Extension::Id, "ID (\"name\" \"x\" \"version\" NIL)"),
    (Extension::Enable, "ENABLE CONDSTORE"),
    (Extension::Namespace, "NAMESPACE"),
    (Extension::UidPlus, "UID EXPUNGE 1"),
    (Extension::SpecialUse, "LIST (SPECIAL-USE) \"\" *"),
    (Extension::SpecialUse, "LIST \"\" * RETURN (SPECIAL-USE)"),
    (Extension::CreateSpecialUse, "CREATE made (USE (\\Sent))"),
    (Extension::ListExtended, "LIST (SUBSCRIBED) \"\" (INBOX Sent) RETURN (CHILDREN SUBSCRIBED)"),
    (Extension::ListStatus, "LIST \"\" * RETURN (STATUS (MESSAGES))"),
    (Extension::StatusSize, "STATUS INBOX (SIZE)"),
    (Extension::ESearch, "SEARCH RETURN (COUNT) ALL"),
    (Extension::Move, "MOVE 1 INBOX"),
    (Extension::AppendLimit, "STATUS INBOX (APPENDLIMIT)"),
    (Extension::Unselect, "UNSELECT"),
];

#[tokio::test]
async fn each_is_really_absent_when_off() {
    for (extension, command) in ONLY_WITH {
        let on = Profile::modern().with(Extension::AppendLimit);
        let state = server(on.clone(), &with_inbox(1));
        let mut client = Client::select(&state, "INBOX").await;
        let answer = client.run(command).await;
        assert!(answer.contains("t3 OK"), "{extension:?} on: {answer}");

        let state = server(on.without(extension), &with_inbox(1));
        let mut client = Client::select(&state, "INBOX").await;
        let answer = client.run(command).await;
        assert!(answer.contains("t3 BAD"), "{extension:?} off: {answer}");

        let state = server(Profile::bare(), &with_inbox(1));
        let mut client = Client::select(&state, "INBOX").await;
        assert!(client.run(command).await.contains("t3 BAD"), "{extension:?} on a bare server");
    }
}

#[tokio::test]
async fn capability_tells_exactly_what_is_on() {
    for extension in Extension::EVERY {
        // Told before login, or not without TLS.
        if matches!(extension, Extension::AuthPlain | Extension::StartTls) {
            continue;
        }
        let state = server(Profile::bare().with(extension), &account());
        let mut client = Client::login(&state).await;
        let answer = client.run("CAPABILITY").await;
        let line = answer.lines().next().unwrap();
        assert_eq!(line.split(' ').count(), 4, "IMAP4rev1 and {extension:?} alone: {line}");
    }
}

#[tokio::test]
async fn special_uses_are_listed_and_created() {
    let account = account();
    account.mark("Sent", "\\Sent").add_mailbox("Other");
    let state = server(Profile::modern().without(Extension::Children), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(
        client.run("LIST (SPECIAL-USE) \"\" *").await,
        "* LIST (\\Sent) \"/\" Sent\r\nt2 OK List completed\r\n"
    );
    assert!(client.run("CREATE Papers (USE (\\Archive))").await.contains("OK"));
    assert!(client.run("CREATE Odd (USE (\\Odd))").await.contains("NO [USEATTR]"));
    assert_eq!(account.special_uses()["Papers"], ["\\Archive"]);
    assert!(!account.snapshot().contains_key("Odd"));

    let state = server(Profile::bare(), &account);
    let mut client = Client::login(&state).await;
    assert!(!client.run("LIST \"\" *").await.contains("\\Sent"), "not told without the extension");
}

#[tokio::test]
async fn extended_list_selects_and_returns() {
    let account = account();
    account.add_mailbox("a/b/c").add_mailbox("d").subscribe("a/b/c").subscribe("gone");
    let state = server(Profile::modern().without(Extension::Children), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(
        client.run("LIST (SUBSCRIBED) \"\" *").await,
        "* LIST (\\Subscribed) \"/\" a/b/c\r\n* LIST (\\NonExistent \\Subscribed) \"/\" gone\r\n\
         t2 OK List completed\r\n"
    );
    assert_eq!(
        client.run("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %").await,
        "* LIST (\\NonExistent) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n\
         * LIST (\\NonExistent \\Subscribed) \"/\" gone\r\nt3 OK List completed\r\n"
    );
    assert_eq!(
        client.run("LIST \"\" (d a%) RETURN (CHILDREN SUBSCRIBED)").await,
        "* LIST (\\NonExistent \\HasChildren) \"/\" a\r\n* LIST (\\HasNoChildren) \"/\" d\r\n\
         t4 OK List completed\r\n"
    );
    assert!(client.run("LIST (RECURSIVEMATCH) \"\" *").await.contains(" BAD "));
}

#[tokio::test]
async fn list_status_answers_for_each_mailbox() {
    let account = with_inbox(2);
    account.add_mailbox("a/b");
    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(
        client.run("LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))").await,
        "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 2 UNSEEN 2)\r\n\
         * LIST (\\NonExistent \\HasChildren) \"/\" a\r\nt2 OK List completed\r\n"
    );
}
