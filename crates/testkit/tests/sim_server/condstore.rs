//! CONDSTORE, by the examples of RFC 7162 §3.1, and OBJECTID by those of RFC 8474 §4.

use mailferry_testkit::sim::{Account, Extension, ModSequences, Profile, State};

use crate::client::{Client, account, date, server, with_inbox};

/// A server that knows CONDSTORE and not QRESYNC.
fn condstore() -> Profile {
    Profile::modern().with(Extension::Condstore)
}

/// A mailbox whose messages have these UIDs, none of them recent.
async fn of_uids(profile: Profile, uids: &[u32]) -> (Account, State) {
    let account = account();
    for &uid in uids {
        account.raise_uid_next("INBOX", uid);
        account.append("INBOX", b"Subject: x\r\n\r\n", &[], date());
    }
    let state = server(profile, &account);
    Client::select(&state, "INBOX").await;
    (account, state)
}

/// Sets a message's flags under this mod-sequence.
fn flag_at(account: &Account, modseq: u64, uid: u32, flags: &[&str]) {
    account.raise_modseq("INBOX", modseq);
    assert!(account.set_flags("INBOX", uid, flags));
    assert_eq!(account.modseq("INBOX", uid), Some(modseq));
}

async fn aware(state: &State) -> Client {
    let mut client = Client::login(state).await;
    let answer = client.run("SELECT INBOX (CONDSTORE)").await;
    assert!(answer.contains("t2 OK [READ-WRITE]"), "{answer}");
    client
}

#[tokio::test]
async fn select_tells_the_highest_mod_sequence() {
    let (account, state) = of_uids(condstore(), &[1, 2]).await;
    flag_at(&account, 715_194_045_007, 2, &["\\Seen"]);
    let mut client = Client::login(&state).await;
    for command in ["SELECT INBOX", "EXAMINE INBOX", "SELECT INBOX (CONDSTORE)"] {
        let answer = client.run(command).await;
        assert!(answer.contains("* OK [HIGHESTMODSEQ 715194045007] "), "{command}: {answer}");
    }
    assert!(client.run("SELECT INBOX (CONDSTORE X)").await.contains(" BAD "));
    assert!(client.run("SELECT INBOX ()").await.contains(" BAD "));

    let state = server(Profile::modern(), &account);
    let mut client = Client::login(&state).await;
    assert!(!client.run("SELECT INBOX").await.contains("MODSEQ"));
    for command in [
        "SELECT INBOX (CONDSTORE)",
        "FETCH 1 MODSEQ",
        "UID FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
        "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
        "SEARCH MODSEQ 1",
        "STATUS INBOX (HIGHESTMODSEQ)",
        "STATUS INBOX (MAILBOXID)",
    ] {
        assert!(client.run(command).await.contains(" BAD "), "{command}");
    }
}

#[tokio::test]
async fn qresync_alone_means_condstore_too() {
    let profile = Profile::modern().with(Extension::Qresync);
    let (_, state) = of_uids(profile, &[1]).await;
    let mut client = Client::login(&state).await;
    assert!(client.run("SELECT INBOX (CONDSTORE)").await.contains("[HIGHESTMODSEQ 2]"));
}

#[tokio::test]
async fn a_mailbox_without_lasting_mod_sequences_says_so() {
    let profile = Profile { mod_sequences: ModSequences::NotKept, ..Profile::resyncing() };
    let (account, state) = of_uids(profile, &[1, 2]).await;
    let mut client = Client::login(&state).await;
    assert!(client.run("ENABLE QRESYNC").await.starts_with("* ENABLED QRESYNC\r\n"));
    let validity = account.uid_validity("INBOX").unwrap();
    let answer = client.run(&format!("SELECT INBOX (QRESYNC ({validity} 1))")).await;
    assert!(answer.contains("* OK [NOMODSEQ] ") && answer.contains("t3 OK"), "{answer}");
    assert!(!answer.contains("FETCH"), "as if nothing had changed: {answer}");
    for command in [
        "UID FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
        "FETCH 1 (MODSEQ)",
        "SEARCH MODSEQ 1",
        "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
    ] {
        assert!(client.run(command).await.contains(" BAD "), "{command}");
    }
    let answer = client.run("STATUS INBOX (HIGHESTMODSEQ)").await;
    assert!(answer.starts_with("* STATUS INBOX (HIGHESTMODSEQ 0)\r\n"), "{answer}");
    account.set_flags("INBOX", 2, &["\\Seen"]);
    account.expunge("INBOX", 1);
    let answer = client.run("NOOP").await;
    assert!(answer.starts_with("* 1 EXPUNGE\r\n"), "not VANISHED: {answer}");
    assert!(answer.contains("* 1 FETCH (UID 2 FLAGS (\\Seen))\r\n"), "{answer}");
}

#[tokio::test]
async fn changedsince_tells_what_changed() {
    let (account, state) = of_uids(condstore(), &[4, 6, 7, 8]).await;
    flag_at(&account, 29_738, 8, &["$NoJunk", "$AutoJunk", "$MDNSent"]);
    flag_at(&account, 65_402, 4, &["\\Seen"]);
    flag_at(&account, 75_403, 6, &["\\Deleted"]);
    let mut client = aware(&state).await;
    assert_eq!(
        client.run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)").await,
        "* 1 FETCH (UID 4 MODSEQ (65402) FLAGS (\\Seen))\r\n\
         * 2 FETCH (UID 6 MODSEQ (75403) FLAGS (\\Deleted))\r\n\
         * 4 FETCH (UID 8 MODSEQ (29738) FLAGS ($AutoJunk $MDNSent $NoJunk))\r\n\
         t3 OK UID Fetch completed\r\n"
    );
    assert_eq!(
        client.run("FETCH 1:4 FLAGS (CHANGEDSINCE 65402)").await,
        "* 2 FETCH (MODSEQ (75403) FLAGS (\\Deleted))\r\nt4 OK Fetch completed\r\n"
    );
    for modifiers in [
        "(CHANGEDSINCE 0)",
        "(CHANGEDSINCE)",
        "(CHANGEDSINCE 9223372036854775808)",
        "(CHANGEDSINCE 1 VANISHED)",
        "(CHANGEDSINCE 1 CHANGEDSINCE 1)",
        "()",
    ] {
        let answer = client.run(&format!("UID FETCH 1:* (FLAGS) {modifiers}")).await;
        assert!(answer.contains(" BAD "), "{modifiers}: {answer}");
    }
}

#[tokio::test]
async fn fetch_tells_mod_sequences() {
    let (account, state) = of_uids(condstore(), &[1, 2, 3]).await;
    flag_at(&account, 624_140_003, 1, &["\\Seen"]);
    flag_at(&account, 624_140_005, 3, &["\\Seen"]);
    flag_at(&account, 624_140_007, 2, &["\\Seen"]);
    let mut client = Client::select(&state, "INBOX").await;
    assert_eq!(
        client.run("FETCH 1:3 (MODSEQ)").await,
        "* OK [HIGHESTMODSEQ 624140007] Highest\r\n* 1 FETCH (MODSEQ (624140003))\r\n\
         * 2 FETCH (MODSEQ (624140007))\r\n* 3 FETCH (MODSEQ (624140005))\r\n\
         t3 OK Fetch completed\r\n"
    );
    assert!(client.run("FETCH 1:3 (MODSEQ)").await.starts_with("* 1 FETCH"), "told once");
    let answer = client.run("STORE 2 FLAGS (\\Draft)").await;
    assert!(answer.starts_with("* 2 FETCH (FLAGS (\\Draft) MODSEQ (624140008))\r\n"), "{answer}");
    let answer = client.run("FETCH 2 (BODY[TEXT])").await;
    assert!(answer.contains(" FLAGS (\\Draft \\Seen) UID 2 MODSEQ (624140009))\r\n"), "{answer}");
}

#[tokio::test]
async fn a_conditional_store_spares_what_was_changed() {
    let (account, state) = of_uids(condstore(), &[4, 6, 7, 8]).await;
    account.raise_modseq("INBOX", 12_121_230_956);
    let mut client = aware(&state).await;
    assert_eq!(
        client.run("UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)").await,
        "* 1 FETCH (UID 4 MODSEQ (12121230956))\r\n* 2 FETCH (UID 6 MODSEQ (12121230957))\r\n\
         * 4 FETCH (UID 8 MODSEQ (12121230958))\r\nt3 OK UID Store completed\r\n"
    );
    assert_eq!(
        client.run("STORE 2:* (UNCHANGEDSINCE 12121230957) +FLAGS.SILENT ($Processed)").await,
        "* 2 FETCH (MODSEQ (12121230959))\r\n* 3 FETCH (MODSEQ (12121230960))\r\n\
         t4 OK [MODIFIED 4] Conditional STORE failed\r\n"
    );
    assert_eq!(
        client.run("UID STORE 4,8 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)").await,
        "t5 OK [MODIFIED 4,8] Conditional STORE failed\r\n"
    );
    let flags: Vec<bool> = account
        .messages("INBOX")
        .iter()
        .map(|message| message.flags.contains("$Processed"))
        .collect();
    assert_eq!(flags, [false, true, true, false]);
    let answer = client.run("UID STORE 8 +FLAGS.SILENT (\\Deleted)").await;
    assert!(answer.contains("(UID 8 MODSEQ (12121230958))"), "no change, no number: {answer}");
}

#[tokio::test]
async fn the_first_command_that_shows_awareness_is_told_where_it_stands() {
    let (account, state) = of_uids(condstore(), &[1, 2]).await;
    flag_at(&account, 12_111_230_047, 1, &["\\Deleted"]);
    let mut client = Client::select(&state, "INBOX").await;
    account.set_flags("INBOX", 2, &["\\Seen"]);
    assert_eq!(
        client.run("STORE 1 (UNCHANGEDSINCE 12121230045) -FLAGS.SILENT (\\Deleted)").await,
        "* OK [HIGHESTMODSEQ 12111230047] Highest\r\n* 1 FETCH (MODSEQ (12111230049))\r\n\
         * 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (12111230048))\r\nt3 OK Store completed\r\n"
    );
}

#[tokio::test]
async fn another_session_is_told_the_mod_sequence_if_it_is_aware() {
    let (account, state) = of_uids(condstore(), &[6, 7]).await;
    flag_at(&account, 12_121_230_999, 7, &["\\Answered"]);
    let (mut first, mut second) = (aware(&state).await, aware(&state).await);
    let mut third = Client::select(&state, "INBOX").await;
    assert_eq!(
        first.run("STORE 2 +FLAGS.SILENT (\\Deleted)").await,
        "* 2 FETCH (MODSEQ (12121231000))\r\nt3 OK Store completed\r\n"
    );
    assert_eq!(
        second.run("NOOP").await,
        "* 2 FETCH (UID 7 FLAGS (\\Answered \\Deleted) MODSEQ (12121231000))\r\n\
         t3 OK Noop completed\r\n"
    );
    assert_eq!(
        third.run("NOOP").await,
        "* 2 FETCH (UID 7 FLAGS (\\Answered \\Deleted))\r\nt3 OK Noop completed\r\n"
    );
}

#[tokio::test]
async fn search_finds_by_mod_sequence() {
    let (account, state) = of_uids(condstore(), &[1, 2, 5]).await;
    flag_at(&account, 620_162_338, 2, &["\\Draft"]);
    flag_at(&account, 917_162_500, 5, &["\\Draft"]);
    let mut client = aware(&state).await;
    assert_eq!(
        client.run("SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338").await,
        "* SEARCH 2 3 (MODSEQ 917162500)\r\nt3 OK Search completed\r\n"
    );
    assert_eq!(
        client.run("SEARCH OR MODSEQ 917162501 LARGER 50000").await,
        "* SEARCH\r\nt4 OK Search completed\r\n"
    );
    assert_eq!(
        client.run("UID SEARCH RETURN (ALL) MODSEQ 1234").await,
        "* ESEARCH (TAG \"t5\") UID ALL 2,5 MODSEQ 917162500\r\nt5 OK UID Search completed\r\n"
    );
    let answer = client.run("SEARCH RETURN (MIN) MODSEQ 1234").await;
    assert!(answer.contains(" MIN 2 MODSEQ 620162338\r\n"), "of that one: {answer}");
    assert!(client.run("SEARCH MODSEQ x 1").await.contains(" BAD "));
}

#[tokio::test]
async fn status_tells_it_alone_and_in_a_list() {
    let account = account();
    account.add_mailbox("blurdybloop");
    account.raise_uid_next("blurdybloop", 44_291);
    account.raise_modseq("blurdybloop", 7_011_231_777);
    account.append("blurdybloop", b"x", &[], date());
    let state = server(condstore(), &account);
    let mut client = Client::login(&state).await;
    assert_eq!(
        client.run("STATUS blurdybloop (UIDNEXT MESSAGES HIGHESTMODSEQ)").await,
        "* STATUS blurdybloop (UIDNEXT 44292 MESSAGES 1 HIGHESTMODSEQ 7011231777)\r\n\
         t2 OK Status completed\r\n"
    );
    let answer = client.run("LIST \"\" b% RETURN (STATUS (HIGHESTMODSEQ))").await;
    assert!(answer.contains("* STATUS blurdybloop (HIGHESTMODSEQ 7011231777)\r\n"), "{answer}");
}

#[tokio::test]
async fn every_change_raises_the_mod_sequence() {
    let account = with_inbox(3);
    let highest = || account.highest_modseq("INBOX").unwrap();
    let mut before = highest();
    let mut rises = || {
        let rises = highest() > before;
        before = highest();
        rises
    };
    account.append("INBOX", b"x", &["\\Seen"], date());
    assert!(rises(), "append");
    assert!(account.set_flags("INBOX", 1, &["\\Seen"]) && rises());
    assert!(account.set_flags("INBOX", 1, &["\\Seen"]) && !rises(), "nothing was changed");
    assert!(account.expunge("INBOX", 2) && rises());
    let state = server(condstore(), &account);
    let mut client = Client::select(&state, "INBOX").await;
    for command in ["STORE 1 FLAGS (\\Deleted)", "COPY 2 INBOX", "MOVE 2 INBOX", "EXPUNGE"] {
        client.run(command).await;
        assert!(rises(), "{command}");
    }
}

#[tokio::test]
async fn a_mailbox_keeps_its_mailboxid_through_rename() {
    let account = account();
    let state = server(Profile::resyncing(), &account);
    let mut client = Client::login(&state).await;
    assert!(client.run("CREATE foo").await.starts_with("t2 OK [MAILBOXID (F00000002)] "));
    assert!(client.run("CREATE bar").await.starts_with("t3 OK [MAILBOXID (F00000003)] "));
    let answer = client.run("SELECT foo").await;
    assert!(answer.contains("* OK [MAILBOXID (F00000002)] Ok\r\n"), "{answer}");
    assert!(client.run("RENAME foo renamed").await.contains(" OK "));
    assert_eq!(
        client.run("STATUS renamed (mailboxid)").await,
        "* STATUS renamed (MAILBOXID (F00000002))\r\nt6 OK Status completed\r\n"
    );
    let answer = client.run("LIST \"\" b% RETURN (STATUS (MAILBOXID))").await;
    assert!(answer.contains("* STATUS bar (MAILBOXID (F00000003))\r\n"), "{answer}");
    account.recreate_mailbox("bar");
    assert_eq!(account.mailbox_id("bar").as_deref(), Some("F00000004"), "never used again");
    // INBOX stays what it was; its messages move to a mailbox of its own (RFC 8474 §4).
    let inbox = account.mailbox_id("INBOX");
    assert!(client.run("RENAME INBOX old").await.contains(" OK "));
    assert_eq!(account.mailbox_id("INBOX"), inbox);
    assert_ne!(account.mailbox_id("old"), inbox);
    assert!(client.run("SELECT old").await.contains("* OK [CLOSED] "));
    assert!(client.run("FETCH 1:* (EMAILID)").await.contains(" NO [CANNOT]"));
}
