//! A server that says anything: every run ends, none panics, and the other side hears nothing but
//! proper commands. `FUZZ_SECONDS` says for how long (`mailferry_testkit::fuzz`).

#![allow(clippy::print_stderr)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mailferry_engine::fault::Fault;
use mailferry_engine::policy::Rules;
use mailferry_run::job::{Job, Limits, ReconnectLimits};
use mailferry_run::report::Report;
use mailferry_testkit::fuzz::{Grammar, Mutations, first_number, time_for_each};
use mailferry_testkit::sim::{Extension, Profile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Running, World, assert_complete, date, digest, fill, furnish, job, quick};

const RESPONSES: Grammar = Grammar {
    words: &[
        b"* ",
        b"+ ",
        b"OK ",
        b"NO ",
        b"BAD ",
        b"* BYE ",
        b"FETCH (",
        b"UID 1",
        b"FLAGS (",
        b"BODY[] ",
        b"{3}\r\nabc",
        b"RFC822.SIZE 0",
        b"\r\n* 99 EXISTS\r\n",
        b"\r\n* 1 EXPUNGE\r\n",
        b"\r\n* LIST () \"/\" \"..\"\r\n",
        b"\r\n* LIST () \"/\" {17}\r\na\r\nA9 DELETE INBOX\r\n",
        b"\r\n* LIST () \"/\" \"a\\\"b\\\\c\"\r\n",
        b"\\Seen) (",
        b"a{3}",
        b"\r\n* 1 FETCH (FLAGS ({6}\r\na) (b\r))\r\n",
        b"[UIDVALIDITY 1] ",
        b"[UIDNEXT 1] ",
        b"[APPENDUID 1 1] ",
        b"[PERMANENTFLAGS ()] ",
        b"[READ-ONLY] ",
        b"[CAPABILITY IMAP4rev1] ",
        b"\r\n* CAPABILITY IMAP4rev1 LITERAL+ BINARY COMPRESS=DEFLATE\r\n",
        b"\r\n* SEARCH 1 2 3\r\n",
        b"\r\n* ESEARCH UID ALL 1:4294967295\r\n",
        b"\r\n* VANISHED 1:4294967295\r\n",
        b"\x1b[2J",
        b"\r\n",
    ],
};

/// Silence after which the liar hangs up: what it said may have left both waiting.
const SILENCE_MAX: Duration = Duration::from_millis(60);
/// One run; the limits that it waits for are far smaller.
const RUN_MAX: Duration = Duration::from_secs(60);

/// Lies that were told.
static LIES: AtomicU64 = AtomicU64::new(0);

/// Carries connections to `upstream` and changes some of what it says.
async fn liar(upstream: SocketAddr, lies: Arc<Mutex<Mutations>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            tokio::spawn(tell(client, server, lies.clone()));
        }
    });
    address
}

async fn tell(mut client: TcpStream, mut server: TcpStream, lies: Arc<Mutex<Mutations>>) {
    let (mut asked, mut told) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        let passed = tokio::select! {
            octets = client.read(&mut asked) => match octets {
                Ok(octets @ 1..) => server.write_all(&asked[..octets]).await,
                _ => return,
            },
            octets = server.read(&mut told) => match octets {
                Ok(octets @ 1..) => client.write_all(&changed(&told[..octets], &lies)).await,
                _ => return,
            },
            () = tokio::time::sleep(SILENCE_MAX) => return,
        };
        if passed.is_err() {
            return;
        }
    }
}

/// What a server said, or something else.
fn changed(words: &[u8], lies: &Mutex<Mutations>) -> Vec<u8> {
    let mut words = words.to_vec();
    let mut lies = lies.lock().unwrap();
    if lies.roll(4) == 0 {
        lies.mutate(&mut words);
        LIES.fetch_add(1, Ordering::Relaxed);
    }
    words
}

/// Which side lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lying {
    Source,
    Target,
}

fn lied_to() -> Job {
    let reconnect = ReconnectLimits { attempts_max: 3, ..quick().reconnect };
    Job { limits: Limits { reconnect, ..quick() }, ..job(Rules::sync()) }
}

fn assert_no_panic(faults: &[Fault]) {
    let panicked = faults.iter().find(|fault| fault.words.contains("panic"));
    assert!(panicked.is_none(), "{panicked:?}");
}

/// Messages of the source that the target does not have as often.
fn missing(world: &World) -> usize {
    let mut there = digest(&world.target);
    let mut missing = 0;
    for (name, mail) in digest(&world.source) {
        let there = there.entry(name).or_default();
        for (octets, ..) in mail {
            match there.iter().position(|(other, ..)| *other == octets) {
                Some(at) => drop(there.swap_remove(at)),
                None => missing += 1,
            }
        }
    }
    missing
}

/// One run with a liar, and one without.
async fn listen(number: u64, lying: Lying) -> Result<Report, Vec<Fault>> {
    let world = World::new();
    furnish(&world.source);
    world.source.append("INBOX", b"Subject: x\r\n\r\nx\r\n", &["odd", "$A"], date(70));
    fill(&world.target, "INBOX", 1..8, 700);
    fill(&world.target, "Own", 500..503, 300);
    let before = (world.source.snapshot(), world.target.snapshot());
    let lies = Mutations::new(vec![b"* OK ".to_vec()], RESPONSES, number);
    let profile = Profile::resyncing().without(Extension::Compress);
    let running = world.serve(profile.clone(), profile.clone()).await;
    let mut addresses = running.addresses.clone();
    addresses.silence_max = Duration::from_secs(1);
    let place = match lying {
        Lying::Source => &mut addresses.source,
        Lying::Target => &mut addresses.target,
    };
    *place = liar(*place, Arc::new(Mutex::new(lies))).await;
    let running = Running { addresses, ..running };
    let ended = tokio::time::timeout(RUN_MAX, running.run(&lied_to())).await;
    let ended = ended.expect("the run hangs");
    match &ended {
        Ok(report) => assert_no_panic(&report.faults),
        Err(faults) => assert_no_panic(faults),
    }
    assert!(before.0 == world.source.snapshot(), "the source was changed");
    for (mailbox, messages) in &before.1 {
        let now = world.target.messages(mailbox);
        for message in messages {
            let found = now.iter().find(|other| other.uid == message.uid);
            assert!(found.is_some_and(|found| found.octets == message.octets), "{mailbox}");
        }
    }
    let honest = match lying {
        Lying::Source => running.target.state(),
        Lying::Target => running.source.state(),
    };
    assert_eq!(honest.improper(), [""; 0], "{:#?}", honest.commands());
    drop(running);
    if lying == Lying::Target {
        assert_complete(&world.run(profile.clone(), profile, &job(Rules::sync())).await);
        assert_eq!(missing(&world), 0, "messages are missing after a run without lies");
    }
    ended
}

fn hear(lying: Lying) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let first = first_number();
    let end = Instant::now() + 2 * time_for_each();
    let (mut runs, mut failed) = (0, 0);
    while Instant::now() < end || runs < 5 {
        let number = first.wrapping_add(runs);
        let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(listen(number, lying))
        }));
        let heard =
            heard.unwrap_or_else(|_| panic!("{lying:?} lies: FUZZ_SEED={number} repeats it"));
        failed += u64::from(!heard.is_ok_and(|report| report.is_complete()));
        runs += 1;
    }
    eprintln!("{lying:?} lied in {runs} runs, {failed} of them failed");
    assert!(LIES.load(Ordering::Relaxed) > runs, "hardly any lie was told");
}

#[test]
fn a_source_that_says_anything_harms_no_target() {
    hear(Lying::Source);
}

#[test]
fn a_target_that_says_anything_harms_no_source_and_loses_nothing() {
    hear(Lying::Target);
}
