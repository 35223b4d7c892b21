//! What goes wrong is named by the exit status, stops nothing else, and is made good later.

use crate::walk;
use crate::world::*;
use mailferry_testkit::proxy::{Cut, Manner, Proxy, Weather};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

const FRONTS: [Front; 2] = [Front::Imapsync, Front::Mailferry];

/// The status is that of the whole process, and in imapsync also of the last line but one or
/// two, which other programs read.
fn assert_named(run: &Finished, front: Front, status: i32) {
    if front == Front::Imapsync {
        let line = format!("Exiting with return value {status} (");
        assert!(run.stdout.contains(&line), "{}", run.report());
    }
}

#[test]
fn a_wrong_password_is_161_on_the_source_and_162_on_the_target() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (mut source, mut target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("kept", 1));
        let right = std::mem::replace(&mut source.password, "wr0ng-one".to_owned());
        let run = Desk::new().transfer(front, &source, &target).expect(161);
        assert_named(&run, front, 161);
        run.keeps_secret("wr0ng-one");
        source.password = right;
        target.password = "wr0ng-two".to_owned();
        let run = Desk::new().transfer(front, &source, &target).expect(162);
        assert_named(&run, front, 162);
        run.keeps_secret("wr0ng-two");
    }
}

/// A port that nobody listens on.
fn dead_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_server_that_is_not_there_is_101_as_source_and_102_as_target() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        let nowhere = source.through(dead_address());
        let run = Desk::new().transfer(front, &nowhere, &target).expect(101);
        assert_named(&run, front, 101);
        let nowhere = target.through(dead_address());
        let run = Desk::new().transfer(front, &source, &nowhere).expect(102);
        assert_named(&run, front, 102);
    }
}

#[test]
fn a_full_target_is_113_and_keeps_what_fitted() {
    let Some(world) = World::open() else { return };
    let setup = Setup { quota_messages: Some(3), ..Setup::new(Layout::DotInbox) };
    let Some(full) = server(&setup) else { return };
    for front in FRONTS {
        let (source, target) = (Place::new(&world.slash, "much"), Place::new(&full, "full"));
        source.put("INBOX", &mails("much", 8));
        let original = source.read();
        let run = Desk::new().transfer(front, &source, &target).expect(113);
        assert_named(&run, front, 113);
        let copy = target.read();
        assert!(copy.message_count() <= 3);
        assert_copied(&copy, &original, &Expect::superset());
        // Again: as full as before, and nothing doubled.
        Desk::new().transfer(front, &source, &target).expect(113);
        assert_eq!(target.read().message_count(), 3, "{front:?}");
    }
}

#[test]
fn a_refused_message_is_114_and_the_others_arrive() {
    let Some(world) = World::open() else { return };
    let setup = Setup { mail_octets_max: Some(20_000), ..Setup::new(Layout::DotInbox) };
    let Some(strict) = server(&setup) else { return };
    for front in FRONTS {
        let (source, target) = (Place::new(&world.slash, "large"), Place::new(&strict, "strict"));
        source.put("INBOX", &mails("before", 5));
        let mut large = mail("large", 1);
        large.octets.extend_from_slice("0123456789abcde\r\n".repeat(4000).as_bytes());
        source.put("INBOX", &[large]);
        source.put("INBOX", &mails("after", 5));
        source.put("Zoo", &mails("zoo", 2));
        let desk = Desk::new();
        let run = desk.transfer(front, &source, &target).expect(114);
        assert_named(&run, front, 114);
        let copy = target.read();
        assert_eq!((copy.messages("INBOX").len(), copy.messages("Zoo").len()), (10, 2));
        assert_copied(&copy, &source.read(), &Expect::superset());
        desk.transfer(front, &source, &target).expect(114);
        assert_untouched(&copy, &target.read());
    }
}

#[test]
fn an_unknown_option_is_64_and_nothing_is_tried() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("kept", 1));
        let run = match front {
            Front::Imapsync => Desk::new().imapsync(&source, &target, &["--nosuchoption"]),
            Front::Mailferry => Desk::new().ferry("sync", &source, &target, &["--nosuchoption"]),
        };
        let run = run.expect(64);
        assert!(run.text().contains("nosuchoption"), "{}", run.report());
        assert_eq!(target.read().message_count(), 0);
    }
}

#[test]
fn contradicting_deletions_are_64_before_any_login() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("kept", 1));
    let nowhere = source.through(dead_address());
    Desk::new().imapsync(&nowhere, &target, &["--delete1", "--delete2"]).expect(64);
    Desk::new().imapsync(&nowhere, &target, &["--delete", "2"]).expect(64);
    assert_eq!(source.read().message_count(), 1);
}

#[test]
fn a_refused_mailbox_is_116_and_the_others_arrive() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        // Each part fits the source; the whole is too long for the target, where it is one
        // file name.
        let long = format!("{}/{}/{}", "a".repeat(100), "b".repeat(100), "c".repeat(100));
        source.put(&long, &mails("far", 2));
        source.put("INBOX", &mails("inbox", 3));
        source.put("Zoo", &mails("zoo", 2));
        let run = Desk::new().transfer(front, &source, &target).expect(116);
        assert_named(&run, front, 116);
        let copy = target.read();
        assert_eq!((copy.messages("INBOX").len(), copy.messages("Zoo").len()), (3, 2));
    }
}

#[test]
fn a_server_without_tls_is_12_when_tls_is_asked_for() {
    let Some(world) = World::open() else { return };
    let Some(old) = server(&Setup::plain_old(Layout::Slash)) else { return };
    let (source, target) = (Place::new(&old, "old"), Place::new(&world.dot, "to"));
    Desk::new().imapsync(&source, &target, &["--tls1"]).expect(12);
    let right = format!("echo {}", target.password);
    let passwords = ["--source-password-command", "echo x", "--target-password-command", &right];
    let (from, to) = (source.url("imap"), target.url("imap"));
    let mut words = vec!["sync", &from, &to];
    words.extend(passwords);
    Desk::new().mailferry(&words).expect(12);
}

/// Runs a transfer whose connections to one side break, then one on a calm network: all is
/// there, once. A first run that says it succeeded must have done so. Gives the number of
/// connections that broke: a program that spreads its work over many may get away unhurt.
fn survive(world: &World, front: Front, cut: Cut, side: Side) -> u64 {
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    source.put("INBOX", &mails("more", 60));
    let original = source.read();
    let upstream = match side {
        Side::Source => source.server.imap(),
        Side::Target => target.server.imap(),
    };
    let weather = Weather { cut: Some(cut), ..Weather::default() };
    let proxy = Proxy::start(upstream, weather).unwrap();
    let (stormy_source, stormy_target) = match side {
        Side::Source => (source.through(proxy.address()), target.clone()),
        Side::Target => (source.clone(), target.through(proxy.address())),
    };
    let desk = Desk::new();
    let first = desk.transfer(front, &stormy_source, &stormy_target);
    let cuts = proxy.cuts();
    if cuts == 0 {
        assert_eq!(first.status, Some(0), "{}", first.report());
    }
    // What the second run brings comes after what the first one had brought.
    let expect = Expect { order: Duty::May, ..Expect::exact() };
    if first.status == Some(0) {
        assert_copied(&original, &target.read(), &expect);
    }
    drop(proxy);
    desk.transfer(front, &source, &target).expect(0);
    assert_copied(&original, &target.read(), &expect);
    // Nor does a program that has lost its memory double anything.
    Desk::new().transfer(front, &source, &target).expect(0);
    assert_copied(&original, &target.read(), &expect);
    cuts
}

/// `survive` with connections that break after these many octets from the client.
fn survive_all(side: Side, manner: Manner, connections: u64, after: &[u64]) {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let cuts = after.iter().map(|&client_octets| {
            survive(&world, front, Cut { client_octets, connections, manner }, side)
        });
        assert!(cuts.sum::<u64>() > 0, "{front:?}: the storm never came");
    }
}

#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

#[test]
fn a_target_that_breaks_off_early_or_late_loses_and_doubles_nothing() {
    survive_all(Side::Target, Manner::Reset, 1, &[100, 600, 3_000, 12_000]);
}

#[test]
fn a_target_whose_answers_get_lost_loses_and_doubles_nothing() {
    survive_all(Side::Target, Manner::LostAnswers, 1, &[1_500, 5_000, 14_000]);
}

#[test]
fn a_target_that_breaks_off_again_and_again_loses_and_doubles_nothing() {
    survive_all(Side::Target, Manner::LostAnswers, 4, &[4_000]);
}

#[test]
fn a_source_that_breaks_off_loses_and_doubles_nothing() {
    survive_all(Side::Source, Manner::Reset, 2, &[60, 150, 400]);
}

#[test]
fn a_target_that_breaks_off_for_ever_is_a_failure_and_a_calm_one_makes_it_good() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        let mut large = mail("large", 1);
        large.octets.extend_from_slice("0123456789abcde\r\n".repeat(8000).as_bytes());
        source.put("INBOX", &[large]);
        // No connection lives long enough for this one message.
        let cut = Cut { client_octets: 50_000, connections: u64::MAX, manner: Manner::Reset };
        let weather = Weather { cut: Some(cut), ..Weather::default() };
        let proxy = Proxy::start(target.server.imap(), weather).unwrap();
        let desk = Desk::new();
        desk.transfer(front, &source, &target.through(proxy.address())).expect_failure();
        assert!(proxy.cuts() > 0);
        desk.transfer(front, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());
    }
}

/// imapsync leaves 17 duplicates and status 114 behind on such a network.
#[test]
fn a_target_that_breaks_off_time_and_again_is_copied_to_in_one_run() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        // What was sent may all arrive behind the answers that get lost: then one cut is enough.
        for (manner, cuts_min) in [(Manner::LostAnswers, 1), (Manner::Reset, 4)] {
            let (source, target) = world.pair(Way::SlashToDot);
            furnish(&source);
            source.put("INBOX", &mails("many", 1000));
            let cut = Cut { client_octets: 60_000, connections: 6, manner };
            let weather = Weather { cut: Some(cut), ..Weather::default() };
            let proxy = Proxy::start(target.server.imap(), weather).unwrap();
            let desk = Desk::new();
            let run = desk.transfer(front, &source, &target.through(proxy.address())).expect(0);
            assert!(proxy.cuts() >= cuts_min, "{manner:?}: only {} cuts", proxy.cuts());
            assert!(run.text().contains("broke"), "{}", run.report());
            let expect = Expect { order: Duty::May, ..Expect::exact() };
            assert_copied(&source.read(), &target.read(), &expect);
        }
    }
}

#[test]
fn a_killed_run_loses_and_doubles_nothing() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        for milliseconds in [60, 150, 400, 900] {
            let (source, target) = world.pair(Way::SlashToDot);
            furnish(&source);
            source.put("INBOX", &mails("more", 60));
            let latency = Duration::from_millis(10);
            let proxy =
                Proxy::start(target.server.imap(), Weather { latency, ..Weather::default() })
                    .unwrap();
            let desk = Desk::new();
            let slow = target.through(proxy.address());
            let mut child = desk.start(desk.transfer_command(front, &source, &slow));
            std::thread::sleep(Duration::from_millis(milliseconds));
            child.kill().unwrap();
            child.wait().unwrap();
            drop(proxy);
            desk.transfer(front, &source, &target).expect(0);
            let expect = Expect { order: Duty::May, ..Expect::exact() };
            assert_copied(&source.read(), &target.read(), &expect);
        }
    }
}

/// Seeds that are tried; `KILL_SEEDS=N` tries more.
const KILL_SEEDS: u64 = 4;

/// The same run killed three times at moments that a seed says, with and without what runs learn.
#[test]
fn a_run_killed_again_and_again_loses_and_doubles_nothing() {
    let Some(world) = World::open() else { return };
    let asked = std::env::var("KILL_SEEDS").ok().and_then(|text| text.parse().ok());
    let mut in_the_midst = 0;
    for seed in 0..asked.unwrap_or(KILL_SEEDS) {
        let mut dice = walk::Dice(seed);
        let front = FRONTS[dice.roll(2)];
        let stateless = dice.roll(2) == 0;
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        source.put("INBOX", &mails("more", 60));
        let mut large = mail("large", 1);
        large.octets.extend_from_slice("0123456789abcde\r\n".repeat(8000).as_bytes());
        source.put("Zoo", &[mail("zoo", 0), large, mail("zoo", 2)]);
        let latency = Duration::from_millis(5);
        let weather = Weather { latency, ..Weather::default() };
        let proxy = Proxy::start(target.server.imap(), weather).unwrap();
        let (desk, slow) = (Desk::new(), target.through(proxy.address()));
        let command = |target: &Place<'_>| {
            let mut command = desk.transfer_command(front, &source, target);
            if stateless {
                command.env("MAILFERRY_NOSTATE", "1");
            }
            command
        };
        for _ in 0..3 {
            let mut child = desk.start(command(&slow));
            std::thread::sleep(Duration::from_millis(20 + dice.roll(700) as u64));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            in_the_midst += u64::from(ended.is_none());
        }
        drop(proxy);
        desk.finish(command(&target)).expect(0);
        let expect = Expect { order: Duty::May, ..Expect::exact() };
        assert_copied(&source.read(), &target.read(), &expect);
        let copy = target.read();
        desk.finish(command(&target)).expect(0);
        assert_untouched(&copy, &target.read());
    }
    assert!(in_the_midst > 0, "every run had ended before it was killed");
}

/// The first INT finishes what is in flight and reports; a second run completes the copy.
#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_in_good_order_and_is_gone_on_with() {
    let Some(world) = World::open() else { return };
    for (front, signal) in
        [(Front::Mailferry, "-INT"), (Front::Imapsync, "-INT"), (Front::Mailferry, "-TERM")]
    {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        // Each message alone, too large for a batch, so that some are left when it is stopped.
        let mut zoo = mails("large", 60);
        for large in &mut zoo {
            large.octets.extend_from_slice("0123456789abcde\r\n".repeat(6000).as_bytes());
        }
        source.put("Zoo", &zoo);
        let latency = Duration::from_millis(25);
        let proxy =
            Proxy::start(target.server.imap(), Weather { latency, ..Weather::default() }).unwrap();
        let desk = Desk::new();
        let command = desk.transfer_command(front, &source, &target.through(proxy.address()));
        let mut child = desk.start(command);
        // Until the first message has arrived, so that the run is in the middle of its work.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while target.read().message_count() == 0 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
        let status = child.wait().unwrap();
        let output = desk.output("stdout") + &desk.output("stderr");
        if status.success() {
            assert_copied(&source.read(), &target.read(), &Expect::superset());
        } else {
            assert_eq!(status.code(), Some(123), "{front:?} {signal}: {output}");
        }
        let told = if front == Front::Mailferry { "copied" } else { "Messages transferred" };
        assert!(output.contains(told), "{front:?} {signal}: {output}");
        desk.transfer(front, &source, &target).expect(0);
        let expect = Expect { order: Duty::May, ..Expect::exact() };
        assert_copied(&source.read(), &target.read(), &expect);
    }
}

/// A machine that sleeps: the run stands still, all connections end meanwhile, and it wakes up.
#[cfg(unix)]
#[test]
fn a_run_that_slept_while_its_connections_ended_goes_on() {
    let Some(world) = World::open() else { return };
    for front in [Front::Mailferry, Front::Imapsync] {
        let (source, target) = world.pair(Way::SlashToDot);
        let mut large = mails("large", 80);
        for large in &mut large {
            large.octets.extend_from_slice("0123456789abcde\r\n".repeat(6000).as_bytes());
        }
        source.put("Zoo", &large);
        let weather = Weather { latency: Duration::from_millis(25), ..Weather::default() };
        let proxies =
            [&source, &target].map(|place| Proxy::start(place.server.imap(), weather).unwrap());
        let [from, to] = [(&source, &proxies[0]), (&target, &proxies[1])]
            .map(|(place, proxy)| place.through(proxy.address()));
        let desk = Desk::new();
        let mut child = desk.start(desk.transfer_command(front, &from, &to));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while target.read().message_count() == 0 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let pid = child.id().to_string();
        let send = |signal: &str| {
            let mut kill = std::process::Command::new("kill");
            assert!(kill.args([signal, &pid]).status().unwrap().success());
        };
        send("-STOP");
        assert!(child.try_wait().unwrap().is_none(), "{front:?}: it had ended before");
        proxies.iter().for_each(Proxy::hang_up);
        std::thread::sleep(Duration::from_secs(2));
        send("-CONT");
        let status = child.wait().unwrap();
        let output = desk.output("stdout") + &desk.output("stderr");
        assert_eq!(status.code(), Some(0), "{front:?}: {output}");
        let expect = Expect { order: Duty::May, ..Expect::exact() };
        assert_copied(&source.read(), &target.read(), &expect);
        assert!(proxies.iter().all(|proxy| proxy.connections() > 1), "{front:?}: {output}");
    }
}
