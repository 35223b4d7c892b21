//! Listing and changing the mailboxes of an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailferry_engine::fault::{FaultKind, Scope};
use mailferry_engine::listing::Namespace;
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_store::contract::{Source, Target};
use mailferry_testkit::sim::{Codes, Effect, Extension, Fault, Profile, Server};

use crate::meddler::{Meddler, holds};
use crate::world::{account, fill, open};

fn name(text: &str) -> MailboxName {
    MailboxName::from(text)
}

#[tokio::test]
async fn an_account_is_listed_alike_whatever_the_server_lacks() {
    let all = [
        Extension::ListExtended,
        Extension::ListStatus,
        Extension::SpecialUse,
        Extension::Namespace,
        Extension::Children,
    ];
    for without in all.into_iter().map(Some).chain([None]) {
        let account = account();
        fill(&account, "A/B/C", 1..4, 100);
        fill(&account, "R&AOk-unions", 1..2, 100);
        account.add_mailbox("with \"quotes\" and \\");
        account.subscribe("A/B/C").subscribe("gone");
        let profile = match without {
            Some(extension) => Profile::modern().without(extension),
            None => Profile::bare(),
        };
        let server = Server::bind(profile, [account]).await.unwrap();
        let mut store = open(server.addr()).await;
        let listing = store.mailboxes().await.unwrap();
        let names: Vec<String> =
            listing.mailboxes.iter().map(|info| info.name.to_string()).collect();
        assert_eq!(
            names,
            ["A", "A/B", "A/B/C", "INBOX", "R&AOk-unions", "with \"quotes\" and \\\\"],
            "{without:?}"
        );
        assert_eq!((&*listing.prefix, listing.delimiter), (&b""[..], Some(b'/')));
        assert_eq!(listing.bare_subscriptions, Some(vec![name("gone")]), "{without:?}");
        for info in &listing.mailboxes {
            assert_eq!(
                info.selectable,
                !["A", "A/B"].contains(&info.name.to_string().as_str()),
                "{info:?}"
            );
            assert_eq!(info.subscribed, info.name == name("A/B/C"), "{info:?}");
            assert_eq!(info.namespace, Namespace::Personal);
        }
        assert_eq!(listing.find(&name("A/B/C")).unwrap().messages, Some(3), "{without:?}");
    }
}

/// UW imapd keeps the subscription of a deleted mailbox, and refuses it when it is made again.
#[tokio::test]
async fn what_is_subscribed_already_is_no_fault_where_that_is_refused() {
    let account = account();
    account.add_mailbox("A");
    account.add_mailbox("B");
    account.subscribe("A");
    let refusal = |nth| Fault::at_command("SUBSCRIBE", nth, Effect::No("Already".to_owned()));
    let profile = Profile { faults: vec![refusal(1), refusal(2)], ..Profile::modern() };
    let server = Server::bind(profile, [account]).await.unwrap();
    let mut store = open(server.addr()).await;
    let results = store.subscribe(&[name("A"), name("B")]).await.unwrap();
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind, FaultKind::Subscribe);
}

#[tokio::test]
async fn what_is_not_subscribed_is_no_fault_to_unsubscribe_where_that_is_refused() {
    let account = account();
    account.add_mailbox("A").subscribe("A").subscribe("gone").subscribe("B");
    let refusal = |nth| Fault::at_command("UNSUBSCRIBE", nth, Effect::No("No".to_owned()));
    let profile = Profile { faults: vec![refusal(3), refusal(4)], ..Profile::modern() };
    let server = Server::bind(profile, [account.clone()]).await.unwrap();
    let mut store = open(server.addr()).await;
    let all = [name("A"), name("gone"), name("never"), name("B")];
    let results = store.unsubscribe(&all).await.unwrap();
    assert!(results[..3].iter().all(Result::is_ok));
    assert_eq!(results[3].as_ref().unwrap_err().kind, FaultKind::Unsubscribe);
    assert_eq!(account.subscriptions().into_iter().collect::<Vec<_>>(), ["B"]);
}

#[tokio::test]
async fn an_account_whose_lsub_is_refused_is_listed_and_does_not_tell_what_else_is_subscribed() {
    let account = account();
    account.add_mailbox("A").subscribe("A").subscribe("gone");
    let profile = Profile {
        faults: vec![Fault::at_command("LSUB", 1, Effect::Bad("what?".into()))],
        ..Profile::modern()
    };
    let server = Server::bind(profile, [account]).await.unwrap();
    let listing = open(server.addr()).await.mailboxes().await.unwrap();
    assert!(listing.find(&name("A")).unwrap().subscribed);
    assert_eq!(listing.bare_subscriptions, None);
}

/// Cyrus 3.6 leaves the STATUS of a mailbox out of LIST-STATUS while the mailbox is in use.
#[tokio::test]
async fn a_status_that_list_left_out_is_asked_for() {
    let account = account();
    fill(&account, "A", 1..4, 100);
    let server = Server::bind(Profile::modern(), [account]).await.unwrap();
    let is_first = AtomicBool::new(true);
    let rewrite = move |response: &[u8]| {
        let left_out = holds(response, "STATUS") && holds(response, "MESSAGES 3");
        match left_out && is_first.swap(false, Ordering::SeqCst) {
            true => Vec::new(),
            false => response.to_vec(),
        }
    };
    let meddler = Meddler::start(server.addr(), Arc::new(rewrite)).await;
    let mut store = open(meddler.address).await;
    let listing = store.mailboxes().await.unwrap();
    assert_eq!(listing.find(&name("A")).unwrap().messages, Some(3));
    assert_eq!(server.state().commands_named("STATUS").len(), 1);
}

/// Cyrus 3.6 refuses the STATUS as well where the mailbox stays in use. A mirror would not delete a
/// mailbox of which it is not known how much is in it.
#[tokio::test]
async fn a_status_refused_for_a_moment_is_asked_again() {
    let refusal = |nth, words: &str| Fault::at_command("STATUS", nth, Effect::No(words.to_owned()));
    for (words, asked, messages) in [
        ("Mailbox is locked", 4, Some(3)),
        ("[INUSE] Mailbox is locked", 4, Some(3)),
        ("[NOPERM] Permission denied", 2, None),
    ] {
        let account = account();
        fill(&account, "A", 1..4, 100);
        // `A` is asked first and INBOX second; `A` again, if so, third and fourth.
        let faults = vec![refusal(1, words), refusal(3, words)];
        let profile = Profile { faults, ..Profile::modern().without(Extension::ListStatus) };
        let server = Server::bind(profile, [account]).await.unwrap();
        let listing = open(server.addr()).await.mailboxes().await.unwrap();
        assert_eq!(listing.find(&name("A")).unwrap().messages, messages, "{words}");
        assert_eq!(server.state().commands_named("STATUS").len(), asked, "{words}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_told_apart() {
    let profile = Profile {
        other: Some("user/".into()),
        shared: Some("shared/".into()),
        ..Profile::modern()
    };
    let account = account();
    fill(&account, "user/ann/box", 1..2, 100);
    fill(&account, "shared/all", 1..2, 100);
    fill(&account, "username", 1..2, 100);
    let server = Server::bind(profile, [account]).await.unwrap();
    let listing = open(server.addr()).await.mailboxes().await.unwrap();
    let of = |text: &str| listing.find(&name(text)).unwrap().namespace;
    assert_eq!((of("user/ann/box"), of("shared/all")), (Namespace::Other, Namespace::Shared));
    assert_eq!((of("username"), of("INBOX")), (Namespace::Personal, Namespace::Personal));
}

#[tokio::test]
async fn a_mailbox_that_is_there_already_is_no_fault_to_create() {
    for codes in [Codes::Sent, Codes::Omitted] {
        for special_use in [None, Some(SpecialUse::Sent)] {
            let account = account();
            account.add_mailbox("there");
            let server = Server::bind(Profile { codes, ..Profile::modern() }, [account.clone()])
                .await
                .unwrap();
            let mut store = open(server.addr()).await;
            let wanted = ["there", "new", "bad//name"].map(|text| (name(text), special_use));
            let results = store.create(&wanted).await.unwrap();
            let [Ok(()), Ok(()), Err(fault)] = &results[..] else { panic!("{results:?}") };
            let uses = account.special_uses().get("new").cloned().unwrap_or_default();
            assert_eq!(uses.is_empty(), special_use.is_none());
            assert_eq!((fault.kind, fault.scope), (FaultKind::Create, Scope::Mailbox));
        }
    }
}

#[tokio::test]
async fn many_mailboxes_are_created_in_few_round_trips() {
    for (greeting, mailboxes, most) in [("IMAP", 150, 40), ("Dovecot ready.", 30, 2)] {
        let account = account();
        let profile = Profile { greeting: greeting.to_owned(), ..Profile::modern() };
        let server = Server::bind(profile, [account.clone()]).await.unwrap();
        let mut store = open(server.addr()).await;
        let wanted: Vec<_> = (0..mailboxes).map(|at| (name(&format!("box{at}")), None)).collect();
        let before = server.state().round_trips();
        let results = store.create(&wanted).await.unwrap();
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(account.snapshot().len(), mailboxes + 1);
        let round_trips = server.state().round_trips() - before;
        // A pipeline that arrives in pieces adds some.
        assert!(round_trips <= most, "{round_trips} round trips for {mailboxes} mailboxes");
    }
}

#[tokio::test]
async fn each_subscription_has_its_own_outcome() {
    let account = account();
    account.add_mailbox("a").add_mailbox("b");
    let server = Server::bind(Profile::modern(), [account.clone()]).await.unwrap();
    let mut store = open(server.addr()).await;
    let results = store.subscribe(&[name("a"), name("none"), name("b")]).await.unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(account.subscriptions().len(), 2);
}

#[tokio::test]
async fn a_mailbox_that_is_gone_already_is_no_fault_to_delete() {
    for codes in [Codes::Sent, Codes::Omitted] {
        let account = account();
        account.add_mailbox("a").subscribe("a");
        let server =
            Server::bind(Profile { codes, ..Profile::modern() }, [account.clone()]).await.unwrap();
        let mut store = open(server.addr()).await;
        store.delete_mailbox(&name("a")).await.unwrap();
        assert!(account.subscriptions().is_empty() && !account.snapshot().contains_key("a"));
        let again = store.delete_mailbox(&name("a")).await;
        // Without a code nobody can tell why it was refused.
        assert_eq!(again.is_ok(), codes == Codes::Sent);
    }
}

#[tokio::test]
async fn a_refused_list_is_a_fault_and_no_empty_account() {
    for command in ["LIST", "LSUB"] {
        for effect in [Effect::No("no".into()), Effect::Bad("what?".into())] {
            let profile =
                Profile { faults: vec![Fault::at_command(command, 1, effect)], ..Profile::bare() };
            let server = Server::bind(profile, [account()]).await.unwrap();
            let fault = open(server.addr()).await.mailboxes().await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::ListingIncomplete, "{command}");
        }
    }
}
