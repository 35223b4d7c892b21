//! Compressed connections to real servers: the same mail, fewer octets, and a choice that rests
//! on what was measured.

use crate::world;
use crate::world::{
    Desk, Dovecot, Draft, Expect, Finished, Front, Layout, Place, Setup, World, assert_copied,
    furnish, mail, server,
};
use mailferry_testkit::dovecot::Compression;
use mailferry_testkit::proxy::{Proxy, Weather};

fn compressing(layout: Layout) -> Option<Dovecot> {
    server(&Setup { compression: Compression::Offered, ..Setup::new(layout) })
}

/// Messages that deflate well, of so many octets together.
fn long_mails(name: &str, octets: usize) -> Vec<Draft> {
    let count = octets / 40_000;
    let mut drafts: Vec<Draft> = (0..count as i64).map(|number| mail(name, number)).collect();
    for (number, draft) in drafts.iter_mut().enumerate() {
        let line = format!("line {number} of {name}, and more of the same\r\n");
        draft.octets.extend(line.repeat(40_000 / line.len()).into_bytes());
    }
    drafts
}

/// Runs with a proxy on each side; the octets that came from the source and went to the target.
fn watched(
    (source, target): (&Place<'_>, &Place<'_>),
    weather: Weather,
    run: impl FnOnce(&Place<'_>, &Place<'_>) -> Finished,
) -> (u64, u64) {
    let (from, to) = (
        Proxy::start(source.server.imap(), weather).unwrap(),
        Proxy::start(target.server.imap(), weather).unwrap(),
    );
    let finished = run(&source.through(from.address()), &target.through(to.address()));
    finished.expect(0);
    (from.server_octets(), to.client_octets())
}

#[test]
fn compressed_on_demand_the_mail_is_the_same_and_its_way_is_shorter() {
    let (Some(slash), Some(dot)) = (compressing(Layout::Slash), compressing(Layout::DotInbox))
    else {
        return;
    };
    let source = Place::new(&slash, "from");
    furnish(&source);
    source.put("INBOX", &long_mails("long", 800_000));
    let original = source.read();
    type Run<'a> = &'a dyn Fn(&Desk, &Place<'_>, &Place<'_>) -> Finished;
    let always = ["--compress", "always"];
    let both = ["--addheader", "--compress1", "--compress2"];
    let only2 = ["--addheader", "--nocompress1"];
    let runs: [(Run<'_>, bool, bool); 5] = [
        (&|desk, from, to| desk.ferry("sync", from, to, &[]), false, false),
        (&|desk, from, to| desk.ferry("sync", from, to, &always), true, true),
        (&|desk, from, to| desk.imapsync(from, to, &["--addheader"]), false, false),
        (&|desk, from, to| desk.imapsync(from, to, &both), true, true),
        (
            &|desk, from, to| {
                let mut command = desk.imapsync_command(from, to, &only2);
                command.env("MAILFERRY_COMPRESS", "always");
                desk.finish(command)
            },
            false,
            true,
        ),
    ];
    for (number, (run, first, second)) in runs.into_iter().enumerate() {
        let target = Place::new(&dot, "to");
        let (came, went) =
            watched((&source, &target), Weather::default(), |from, to| run(&Desk::new(), from, to));
        assert_copied(&original, &target.read(), &Expect::exact());
        assert_eq!((came < 300_000, went < 300_000), (first, second), "{number}: {came} {went}");
    }
    let target = Place::new(&dot, "to");
    let desk = Desk::new();
    let mut command = desk.ferry_command("sync", &source, &target, &[]);
    command.env("MAILFERRY_COMPRESS", "always");
    desk.finish(command).expect(0);
    assert_copied(&original, &target.read(), &Expect::exact());
    desk.ferry("check", &source, &target, &["--deep", "--compress", "always"]).expect(0);
}

#[test]
fn a_server_that_does_not_compress_is_told_of_once_and_used_as_it_is() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(world::Way::SlashToDot);
    furnish(&source);
    let told = Desk::new().ferry("sync", &source, &target, &["--compress", "always"]).expect(0);
    for side in ["source", "target"] {
        let notice = format!("notice: the connections to the {side} are not compressed");
        assert_eq!(told.stderr.matches(&notice).count(), 1, "{}", told.report());
    }
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    let told = Desk::new().ferry("check", &source, &target, &["--compress", "auto"]).expect(0);
    assert!(!told.text().contains("compressed"), "{}", told.report());
}

#[test]
fn a_word_that_is_none_is_refused_before_connecting() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(world::Way::SlashToDot);
    let desk = Desk::new();
    for command in [
        desk.ferry_command("sync", &source, &target, &[]),
        desk.transfer_command(Front::Imapsync, &source, &target),
    ] {
        let mut command = command;
        command.env("MAILFERRY_COMPRESS", "sometimes");
        let told = desk.finish(command);
        assert!(told.text().contains("MAILFERRY_COMPRESS") || told.text().contains("--compress"));
        assert!(told.text().contains("sometimes"), "{}", told.report());
        told.expect_failure();
    }
}

#[test]
fn on_a_slow_link_auto_compresses_what_is_slow() {
    let (Some(slash), Some(dot)) = (compressing(Layout::Slash), compressing(Layout::DotInbox))
    else {
        return;
    };
    const OCTETS: usize = 6_000_000;
    let source = Place::new(&slash, "from");
    source.put("INBOX", &long_mails("inbox", OCTETS));
    source.put("Other", &long_mails("other", OCTETS / 2));
    let original = source.read();
    let auto = ["--compress", "auto", "--connections", "1"];
    let slow = Weather { octets_per_second: Some(1_500_000), ..Weather::default() };
    let all = OCTETS as u64 * 3 / 2;

    let target = Place::new(&dot, "to");
    let proxy = Proxy::start(slash.imap(), slow).unwrap();
    Desk::new().ferry("sync", &source.through(proxy.address()), &target, &auto).expect(0);
    assert_copied(&original, &target.read(), &Expect::exact());
    let came = proxy.server_octets();
    assert!(came < all * 8 / 10, "the second mailbox comes compressed: {came} of {all}");

    let target = Place::new(&dot, "to");
    let proxy = Proxy::start(dot.imap(), slow).unwrap();
    Desk::new().ferry("sync", &source, &target.through(proxy.address()), &auto).expect(0);
    assert_copied(&original, &target.read(), &Expect::exact());
    let went = proxy.client_octets();
    assert!(went < all * 8 / 10, "in the middle of the first already: {went} of {all}");
}
