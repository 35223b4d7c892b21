//! What goes wrong does so once, and to the octet.

use mailferry_testkit::sim::{Account, Effect, Fault, Profile, State};

use crate::client::{Client, account, server, with_inbox};

fn with(fault: Fault, account: &Account) -> State {
    server(Profile { faults: vec![fault], ..Profile::modern() }, account)
}

#[tokio::test]
async fn a_lost_answer_is_of_a_command_carried_out() {
    let account = account();
    let state = with(Fault::at_command("APPEND", 2, Effect::CutUnanswered), &account);
    let mut client = Client::login(&state).await;
    assert!(client.append("INBOX", b"one").await.contains("OK"));
    client.send(b"a APPEND INBOX {3+}\r\ntwo\r\n").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(account.messages("INBOX").len(), 2);
    let mut client = Client::login(&state).await;
    assert!(client.append("INBOX", b"three").await.contains("OK"), "once");
}

#[tokio::test]
async fn a_cut_command_is_not_carried_out() {
    let account = account();
    let state = with(Fault::at_command("APPEND", 1, Effect::Cut), &account);
    let mut client = Client::login(&state).await;
    client.send(b"a NOOP\r\nb APPEND INBOX {3+}\r\ntwo\r\n").await;
    assert_eq!(client.rest().await, "a OK Noop completed\r\n");
    assert_eq!(account.messages("INBOX").len(), 0);
}

#[tokio::test]
async fn a_mute_server_still_works() {
    let account = account();
    let state = with(Fault::at_command("APPEND", 1, Effect::Mute), &account);
    let mut client = Client::login(&state).await;
    client.send(b"a APPEND INBOX {3+}\r\ntwo\r\nb CREATE made\r\n").await;
    assert!(client.hears_nothing().await);
    assert_eq!(account.messages("INBOX").len(), 1);
    assert!(account.snapshot().contains_key("made"));
}

#[tokio::test]
async fn no_bad_and_bye_take_the_place_of_the_command() {
    let account = account();
    let faults = vec![
        Fault::at_command("CREATE", 1, Effect::No("[LIMIT] Slow down".to_owned())),
        Fault::at_command("CREATE", 2, Effect::Bad("What?".to_owned())),
        Fault::at_command("CREATE", 4, Effect::Bye("[UNAVAILABLE] Going down".to_owned())),
    ];
    let state = server(Profile { faults, ..Profile::modern() }, &account);
    let mut client = Client::login(&state).await;
    assert_eq!(client.run("CREATE a").await, "t2 NO [LIMIT] Slow down\r\n");
    assert_eq!(client.run("CREATE b").await, "t3 BAD What?\r\n");
    assert!(client.run("CREATE c").await.contains("OK"));
    client.send(b"a CREATE d\r\n").await;
    assert_eq!(client.rest().await, "* BYE [UNAVAILABLE] Going down\r\n");
    let names: Vec<String> = account.snapshot().into_keys().collect();
    assert_eq!(names, ["INBOX", "c"]);
}

#[tokio::test]
async fn the_clients_octets_are_cut_exactly() {
    // Greeting aside, LOGIN has 21 octets with its CRLF and tag `t1`; APPEND's line 24.
    let line = b"a APPEND INBOX {10+}\r\n";
    let all = b"t1 LOGIN joe secret\r\n".len() + line.len() + 10 + 2;
    for (octets, kept) in [(all, 1), (all - 1, 0), (all - 5, 0)] {
        let account = account();
        let cut = Fault::after_received(octets as u64, Effect::Cut);
        let state = with(cut, &account);
        let mut client = Client::login(&state).await;
        client.send(line).await;
        client.send(b"0123456789\r\nb NOOP\r\n").await;
        let answer = client.rest().await;
        assert_eq!(account.messages("INBOX").len(), kept, "cut after {octets}");
        assert_eq!(answer.starts_with("a OK"), kept == 1, "answered before the cut: {answer}");
        assert!(!answer.contains("b OK"), "{answer}");
    }
}

#[tokio::test]
async fn the_servers_octets_are_cut_exactly() {
    let account = with_inbox(3);
    let plain = server(Profile::modern(), &account);
    let script = b"a LOGIN joe secret\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\nd LOGOUT\r\n";
    let (mut client, greeting) = Client::greeted(&plain).await;
    client.send(script).await;
    let whole = greeting.clone() + &client.rest().await;
    for octets in [greeting.len() + 1, whole.len() / 2, whole.len() - 30, whole.len() - 1] {
        let state = with(Fault::after_sent(octets as u64, Effect::Cut), &account);
        let (mut client, greeting) = Client::greeted(&state).await;
        client.send(script).await;
        let heard = greeting + &client.rest().await;
        // \Recent and UNSEEN may differ from the first run; the count may not.
        assert_eq!(heard.len(), octets);
    }
}

#[tokio::test]
async fn a_fault_may_wait_for_its_connection() {
    let account = account();
    let fault = Fault::at_command("NOOP", 1, Effect::No("third".to_owned())).on_connection(3);
    let state = with(fault, &account);
    for (number, hit) in [(1, false), (2, false), (3, true), (4, false)] {
        let mut client = Client::connect(&state).await;
        assert_eq!(client.run("NOOP").await.contains(" NO third"), hit, "connection {number}");
    }
    assert_eq!(state.connections(), 4);
    assert_eq!(state.log()[2].line, "NOOP");
    assert_eq!(state.log()[2].connection, 3);
}

#[tokio::test]
async fn mute_after_so_many_octets_lets_the_first_ones_through() {
    let account = account();
    let state = server(Profile::bare(), &account);
    let (_, greeting) = Client::greeted(&state).await;
    let fault = Fault::after_sent(greeting.len() as u64 + 4, Effect::Mute);
    let state = server(Profile { faults: vec![fault], ..Profile::bare() }, &account);
    let (mut client, _) = Client::greeted(&state).await;
    client.send(b"a LOGIN joe secret\r\nb CREATE made\r\nc LOGOUT\r\n").await;
    assert_eq!(client.rest().await, "a OK");
    assert!(account.snapshot().contains_key("made"));
}

#[tokio::test]
async fn a_cut_at_the_end_of_an_answer_waits_for_nothing() {
    let account = account();
    let (_, greeting) = Client::greeted(&server(Profile::modern(), &account)).await;
    let state = with(Fault::after_sent(greeting.len() as u64, Effect::Cut), &account);
    let (mut client, heard) = Client::greeted(&state).await;
    assert_eq!(heard, greeting);
    assert_eq!(client.rest().await, "");
}
