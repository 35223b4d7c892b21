//! What a client is told makes what it remembers right, however the server keeps its log.

use std::collections::BTreeMap;

use mailferry_testkit::sim::{Account, Flags, Limits, Profile, State, Vanished};
use proptest::prelude::*;

use crate::client::{Client, account, date, server};

/// Something that happens to a mailbox while the client is away.
#[derive(Clone, Debug)]
enum Event {
    Append,
    Flag(usize, &'static str),
    Expunge(usize),
}

/// UIDs and flags.
type Memory = BTreeMap<u32, Flags>;

fn event() -> impl Strategy<Value = Event> {
    let flag = prop::sample::select(vec!["\\Seen", "\\Flagged", "Work"]);
    prop_oneof![
        2 => Just(Event::Append),
        2 => (any::<usize>(), flag).prop_map(|(place, flag)| Event::Flag(place, flag)),
        3 => any::<usize>().prop_map(Event::Expunge),
    ]
}

fn happen(account: &Account, event: &Event) {
    let uids: Vec<u32> = account.messages("INBOX").iter().map(|message| message.uid).collect();
    let uid = |place: usize| uids.get(place % uids.len().max(1)).copied().unwrap_or(0);
    match *event {
        Event::Append => {
            account.append("INBOX", b"Subject: x\r\n\r\n", &[], date());
        }
        Event::Flag(place, flag) => {
            account.set_flags("INBOX", uid(place), &[flag]);
        }
        Event::Expunge(place) => {
            account.expunge("INBOX", uid(place));
        }
    }
}

fn truth(account: &Account) -> Memory {
    let messages = account.messages("INBOX");
    messages.into_iter().map(|message| (message.uid, message.flags)).collect()
}

/// Takes in what an answer tells; HIGHESTMODSEQ where it has one.
fn learn(memory: &mut Memory, answer: &str) -> Option<u64> {
    let mut highest = None;
    for line in answer.lines() {
        if let Some(set) = line.strip_prefix("* VANISHED (EARLIER) ") {
            for range in set.split(',') {
                let (first, last) = range.split_once(':').unwrap_or((range, range));
                let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
                memory.retain(|uid, _| !(first..=last).contains(uid));
            }
        } else if let Some((_, items)) = line.split_once(" FETCH (UID ") {
            let (uid, _) = items.split_once(' ').unwrap();
            let (_, flags) = items.split_once("FLAGS (").unwrap();
            let (flags, _) = flags.split_once(')').unwrap();
            memory.insert(uid.parse().unwrap(), flags.split_terminator(' ').collect());
        } else if let Some((_, rest)) = line.split_once("[HIGHESTMODSEQ ") {
            highest = rest.split_once(']').unwrap().0.parse().ok();
        }
    }
    highest
}

/// Comes back by SELECT with QRESYNC, then by UID FETCH with VANISHED.
async fn come_back(state: &State, memory: &mut [Memory; 2], modseq: u64, uid_validity: u32) -> u64 {
    let [selected, fetched] = memory;
    let mut client = Client::login(state).await;
    client.run("ENABLE QRESYNC").await;
    let resync = format!("EXAMINE INBOX (QRESYNC ({uid_validity} {modseq}))");
    let highest = learn(selected, &client.run(&resync).await).unwrap();
    let fetch = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)");
    learn(fetched, &client.run(&fetch).await);
    highest
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_client_that_comes_back_learns_the_truth(
        times in prop::collection::vec(prop::collection::vec(event(), 0..12), 1..6),
        expunges_known_max in 0usize..8,
        vanished in prop::sample::select(vec![Vanished::Logged, Vanished::EveryAbsent]),
    ) {
        let limits = Limits { expunges_known_max, ..Limits::default() };
        let account = account();
        let profile = Profile { limits, vanished, ..Profile::resyncing() };
        let state = server(profile, &account);
        let uid_validity = account.uid_validity("INBOX").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut memory, mut modseq) = ([Memory::new(), Memory::new()], 1);
        for events in times {
            for event in &events {
                happen(&account, event);
            }
            let back = come_back(&state, &mut memory, modseq, uid_validity);
            modseq = runtime.block_on(back);
            prop_assert_eq!(&memory[0], &truth(&account));
            prop_assert_eq!(&memory[1], &truth(&account));
            prop_assert_eq!(Some(modseq), account.highest_modseq("INBOX"));
        }
    }
}
