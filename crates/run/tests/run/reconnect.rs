//! Connections that break while a run is under way: it goes on with others, and nothing is lost or
//! doubled.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailferry_engine::fault::{FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_engine::policy::Rules;
use mailferry_run::events::{Event, EventSink};
use mailferry_run::job::{Job, Limits, ReconnectLimits};
use mailferry_run::stop::Stop;
use mailferry_testkit::sim::{AppendRequest, Effect, Extension, Fault, Profile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::{
    Running, World, assert_complete, assert_idle, date, fill, furnish, job, job_in_order, quick,
};

/// A job that is over when a connection breaks.
pub(crate) fn job_without_reconnecting() -> Job {
    let reconnect = ReconnectLimits { attempts_max: 0, ..quick().reconnect };
    Job { limits: Limits { reconnect, ..quick() }, ..job(Rules::sync()) }
}

/// Whether a run goes on with another connection where one breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reconnect {
    Never,
    Often,
}

/// Runs with faults and then without: the second run has nothing to do where the first one may
/// reconnect, and brings the rest where it may not, and nothing is there twice. Whether the fault
/// was felt.
pub(crate) async fn survives(source: Profile, target: Profile, reconnect: Reconnect) -> u32 {
    let world = World::new();
    furnish(&world.source);
    fill(&world.source, "INBOX", 400..402, 200_000);
    assert!(!source.faults.is_empty() || !target.faults.is_empty());
    let running = world.serve(source.clone(), target.clone()).await;
    let broken = match reconnect {
        Reconnect::Never => match running.run(&job_without_reconnecting()).await {
            Ok(report) if report.is_complete() => 0,
            Ok(report) => {
                assert!(report.failures().next().is_some(), "incomplete: {report:#?}");
                1
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                1
            }
        },
        Reconnect::Often => match running.run(&job(Rules::sync())).await {
            Ok(report) => {
                assert_complete(&report);
                world.assert_same_mail();
                u32::from(report.reconnections != [0, 0])
            }
            // The first connection of all: nothing was begun.
            Err(faults) => {
                assert!(faults.iter().all(|fault| fault.kind == FaultKind::Connection));
                return 0;
            }
        },
    };
    drop(running);
    let plain = |profile: Profile| Profile { faults: Vec::new(), ..profile };
    let report = world.run(plain(source.clone()), plain(target.clone()), &job(Rules::sync())).await;
    match reconnect {
        Reconnect::Never => assert_complete(&report),
        Reconnect::Often => assert_idle(&report),
    }
    world.assert_same_mail();
    let report = world.run(plain(source), plain(target), &job(Rules::sync())).await;
    assert_idle(&report);
    broken
}

pub(crate) fn with(fault: Fault, profile: Profile) -> Profile {
    Profile { faults: vec![fault], ..profile }
}

#[tokio::test]
async fn a_cut_connection_is_told_and_made_good_by_another_or_by_the_next_run() {
    for reconnect in [Reconnect::Never, Reconnect::Often] {
        let mut cuts = 0;
        for octets in [10, 200, 700, 3_000, 20_000, 90_000, 300_000] {
            let fault = Fault::after_sent(octets, Effect::Cut);
            cuts += survives(with(fault, Profile::modern()), Profile::modern(), reconnect).await;
            for target in [Profile::modern(), Profile::bare()] {
                let fault = Fault::after_received(octets, Effect::Cut);
                cuts += survives(Profile::modern(), with(fault, target), reconnect).await;
            }
        }
        assert!(cuts > 10, "{reconnect:?}: only {cuts} runs were cut: the test does not test");
    }
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_not_sent_twice() {
    for profile in
        [Profile::modern(), Profile::modern().without(Extension::MultiAppend), Profile::bare()]
    {
        for nth in [1, 2, 3] {
            for effect in [Effect::CutUnanswered, Effect::Cut, Effect::Bye("gone".into())] {
                for reconnect in [Reconnect::Never, Reconnect::Often] {
                    let fault = Fault::at_command("APPEND", nth, effect.clone());
                    let target = with(fault, profile.clone());
                    assert_eq!(survives(Profile::modern(), target, reconnect).await, 1);
                }
            }
        }
    }
}

/// Carries connections to `upstream` and cuts each at the moment when `wire` would pass through.
async fn tripwire(upstream: SocketAddr, wire: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            tokio::spawn(async move {
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::select! {
                    () = carry(from_client, to_server, wire) => {}
                    () = carry(from_server, to_client, wire) => {}
                }
            });
        }
    });
    address
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, wire: &[u8]) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(octets @ 1..) = from.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..octets]);
        if seen.windows(wire.len()).any(|window| window == wire)
            || to.write_all(&buffer[..octets]).await.is_err()
        {
            return;
        }
        seen.drain(..seen.len().saturating_sub(wire.len()));
    }
}

/// Some servers hang up on a message that is too large for them, or that they cannot read.
#[tokio::test]
async fn a_message_at_which_a_server_hangs_up_does_not_stop_its_mailbox() {
    const POISON: &[u8] = b"the octets at which it hangs up";
    for kind in [FaultKind::Append, FaultKind::Fetch] {
        let world = World::new();
        fill(&world.source, "INBOX", 1..31, 400);
        let bad = [b"Message-Id: <bad@x>\r\n\r\n", POISON, b"\r\n"].concat();
        world.source.append("INBOX", &bad, &[], date(40));
        fill(&world.source, "INBOX", 41..71, 400);
        fill(&world.source, "Later", 100..120, 400);
        let running = world.serve(Profile::modern(), Profile::modern()).await;
        let mut addresses = running.addresses.clone();
        match kind {
            FaultKind::Append => addresses.target = tripwire(addresses.target, POISON).await,
            _ => addresses.source = tripwire(addresses.source, POISON).await,
        }
        let running = Running { addresses, ..running };
        let report = running.run(&job_in_order(Rules::sync())).await.unwrap();
        let failures: Vec<_> = report.failures().collect();
        let [only] = failures[..] else { panic!("{failures:#?}") };
        assert_eq!((only.kind, only.uid), (kind, Uid::new(31)), "{only:?}");
        assert_eq!(world.target.messages("INBOX").len(), 60);
        assert_eq!(world.target.messages("Later").len(), 20);
        assert_eq!(report.total().failed, 1);
    }
}

/// The flags that a target keeps are asked for before the first message goes there.
#[tokio::test]
async fn a_target_that_breaks_off_before_the_first_message_costs_no_mailbox() {
    for effect in [Effect::Cut, Effect::CutUnanswered, Effect::Bye("idle too long".into())] {
        let world = World::new();
        furnish(&world.source);
        let target = with(Fault::at_command("SELECT", 1, effect), Profile::modern());
        let report = world.run(Profile::modern(), target, &job_in_order(Rules::sync())).await;
        assert_complete(&report);
        assert_eq!(report.reconnections, [0, 1]);
        world.assert_same();
    }
}

/// The next mailboxes were asked for already when one is refused.
#[tokio::test]
async fn a_refused_mailbox_takes_no_other_with_it() {
    for (words, lost) in [("[TRYCREATE] it is gone", 3), ("[INUSE] not now", 0)] {
        let world = World::new();
        for number in 0..10 {
            fill(&world.source, &format!("Box {number}"), 1..4, 300);
        }
        let source = Profile { greeting: "Dovecot ready.".to_owned(), ..Profile::modern() };
        let target = with(Fault::at_command("APPEND", 1, Effect::No(words.into())), source.clone());
        let report = world.run(source, target, &job_in_order(Rules::sync())).await;
        assert_eq!(report.is_complete(), lost == 0, "{words}");
        let total = report.total();
        assert_eq!((total.copied, total.failed), (30 - lost, lost), "{words}");
        assert_eq!(report.not_started(), 0, "{words}");
    }
}

/// It is asked again after a while, as after a break, and not once a message.
#[tokio::test]
async fn a_target_that_takes_nothing_now_is_not_asked_for_ever() {
    let world = World::new();
    for number in 0..5 {
        fill(&world.source, &format!("Box {number}"), 1..400, 70_000);
    }
    let refuse = |_: &AppendRequest<'_>| Some("[INUSE] not now".to_owned());
    let target = Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() };
    let running = world.serve(Profile::modern(), target).await;
    let report = running.run(&job_in_order(Rules::sync())).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.total().copied, 0);
    let connections = running.target.state().connections();
    assert!((3..60).contains(&connections), "{connections} connections for 2,000 messages");
}

/// Carries connections to `upstream` while that is up; as long as it is down there are none.
async fn switched(upstream: SocketAddr, down: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut down = down.clone();
            if *down.borrow() {
                continue;
            }
            let Ok(mut server) = TcpStream::connect(upstream).await else { return };
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = down.wait_for(|down| *down) => {}
                }
            });
        }
    });
    address
}

/// Goes down when so many messages were copied, and comes up after a while.
struct Restarts {
    copied: AtomicUsize,
    down: Arc<watch::Sender<bool>>,
}

impl EventSink for Restarts {
    fn on(&self, event: &Event<'_>) {
        if matches!(event, Event::Copied(_)) && self.copied.fetch_add(1, Ordering::SeqCst) == 20 {
            let down = self.down.clone();
            down.send_replace(true);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                down.send_replace(false);
            });
        }
    }
}

/// A server that restarts, a router that does, a machine that slept: all connections are gone at once,
/// and nobody answers for a while.
#[tokio::test]
async fn a_server_that_is_away_for_a_while_is_gone_on_with_in_the_same_run() {
    for side in [Side::Source, Side::Target] {
        let world = World::new();
        for mailbox in 0..6 {
            let first = mailbox * 100 + 1;
            fill(&world.source, &format!("Box {mailbox}"), first..first + 30, 2_000);
        }
        let mut running = world.serve(Profile::modern(), Profile::modern()).await;
        let (down, is_down) = watch::channel(false);
        let place = match side {
            Side::Source => &mut running.addresses.source,
            Side::Target => &mut running.addresses.target,
        };
        *place = switched(*place, is_down).await;
        let events = Restarts { copied: AtomicUsize::new(0), down: Arc::new(down) };
        let small = Job { limits: Limits { pairs_max: 2, ..quick() }, ..job(Rules::sync()) };
        let report = running.run_with(&small, &Stop::default(), Arc::new(events)).await.unwrap();
        assert_complete(&report);
        assert!(report.reconnections[usize::from(side == Side::Target)] > 0, "{side:?}");
        world.assert_same();
    }
}
