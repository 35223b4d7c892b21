//! Transfers between two real servers, with both programs and in both directions.

use crate::world::*;
use mailferry_testkit::corpus::{Corpus, Large, Recipe, odd_messages};
use std::collections::{BTreeMap, BTreeSet};

/// Furnishes a source, transfers it, and looks whether all is there and stays as it is.
fn transfer_everything(front: Front, way: Way) {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(way);
    furnish(&source);
    let original = source.read();
    let desk = Desk::new();

    let first = desk.transfer(front, &source, &target).expect(0);
    let copy = target.read();
    assert_copied(&original, &copy, &Expect::exact());
    assert_untouched(&original, &source.read());
    if front == Front::Imapsync {
        assert_eq!(first.transferred() as usize, original.message_count());
    }

    let second = desk.transfer(front, &source, &target).expect(0);
    assert_untouched(&copy, &target.read());
    if front == Front::Imapsync {
        assert_eq!(second.transferred(), 0);
    }

    // Invariant: a run without any local state is as correct as one with it.
    Desk::new().transfer(front, &source, &target).expect(0);
    assert_untouched(&copy, &target.read());
}

#[test]
fn imapsync_carries_everything_from_slash_to_dot_and_then_nothing() {
    transfer_everything(Front::Imapsync, Way::SlashToDot);
}

#[test]
fn imapsync_carries_everything_from_dot_to_slash_and_then_nothing() {
    transfer_everything(Front::Imapsync, Way::DotToSlash);
}

#[test]
fn mailferry_carries_everything_from_slash_to_dot_and_then_nothing() {
    transfer_everything(Front::Mailferry, Way::SlashToDot);
}

#[test]
fn mailferry_carries_everything_from_dot_to_slash_and_then_nothing() {
    transfer_everything(Front::Mailferry, Way::DotToSlash);
}

#[test]
fn a_target_filled_by_one_program_is_recognised_by_the_other() {
    let Some(world) = World::open() else { return };
    for (first, second) in
        [(Front::Imapsync, Front::Mailferry), (Front::Mailferry, Front::Imapsync)]
    {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        Desk::new().transfer(first, &source, &target).expect(0);
        let copy = target.read();
        assert_copied(&source.read(), &copy, &Expect::exact());
        Desk::new().transfer(second, &source, &target).expect(0);
        assert_untouched(&copy, &target.read());
    }
}

#[test]
fn a_target_that_has_some_mail_gets_only_the_rest() {
    let Some(world) = World::open() else { return };
    for front in [Front::Imapsync, Front::Mailferry] {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("some", 10));
        target.put("INBOX", &mails("some", 4));
        target.put("INBOX", &mails("own", 2));
        target.put("Own", &mails("own", 2));
        Desk::new().transfer(front, &source, &target).expect(0);
        let copy = target.read();
        let expect = Expect { order: Duty::May, ..Expect::superset() };
        assert_copied(&source.read(), &copy, &expect);
        assert_eq!((copy.messages("INBOX").len(), copy.messages("Own").len()), (12, 2));
    }
}

#[test]
fn every_way_to_connect_leads_to_the_same_copy() {
    let Some(world) = World::open() else { return };
    let source = Place::new(&world.slash, "ways");
    source.put("INBOX", &mails("ways", 3));
    let original = source.read();
    let desk = Desk::new();
    let port = |address: std::net::SocketAddr| address.port().to_string();
    for flags in [["--tls1", "--tls2"], ["--notls1", "--notls2"], ["--ssl1", "--ssl2"]] {
        let target = Place::new(&world.dot, "ways");
        let mut options = flags.to_vec();
        let ports = [port(world.slash.imaps().unwrap()), port(world.dot.imaps().unwrap())];
        if flags[0] == "--ssl1" {
            // The last value of a scalar option wins.
            options.extend(["--port1", ports[0].as_str(), "--port2", ports[1].as_str()]);
        }
        desk.imapsync(&source, &target, &options).expect(0).keeps_secret(&source.password);
        assert_copied(&original, &target.read(), &Expect::exact());
    }
    for (from, to) in [("imap", "imaps"), ("imaps", "imap"), ("imap+plain", "imap+plain")] {
        let target = Place::new(&world.dot, "ways");
        let (from, to) = (source.url(from), target.url(to));
        let passwords = [
            desk.file("source-password", &format!("{}\n", source.password)),
            desk.file("target-password", &format!("{}\n", target.password)),
        ];
        desk.mailferry(&[
            "sync",
            &from,
            &to,
            "--source-password-file",
            passwords[0].to_str().unwrap(),
            "--target-password-file",
            passwords[1].to_str().unwrap(),
        ])
        .expect(0)
        .keeps_secret(&source.password);
        assert_copied(&original, &target.read(), &Expect::exact());
    }
}

#[test]
fn a_password_may_come_from_a_command() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("command", 2));
    let desk = Desk::new();
    desk.mailferry(&[
        "sync",
        &source.url("imap"),
        &target.url("imap"),
        "--source-password-command",
        &format!("echo {}", source.password),
        "--target-password-command",
        &format!("echo {}", target.password),
    ])
    .expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn user_names_and_passwords_may_have_any_characters() {
    let Some(world) = World::open() else { return };
    for front in [Front::Imapsync, Front::Mailferry] {
        let stem = "Jo \"x\" \\ 'y' %@example.org";
        let source = Place::named(&world.slash, world.slash.fresh_user(stem));
        let target = Place::named(&world.dot, world.dot.fresh_user(stem));
        source.put("INBOX", &mails("odd", 2));
        Desk::new().transfer(front, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());
    }
}

#[test]
fn imapsync_makes_flags_follow_unless_told_not_to() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    let desk = Desk::new();
    desk.imapsync(&source, &target, &[]).expect(0);
    let copied = target.read();
    let uid = uid_of(&source.read(), "INBOX", "inbox 98");
    source.probe().store("INBOX", &[uid], "FLAGS", "\\Flagged later").unwrap();

    desk.imapsync(&source, &target, &["--noresyncflags"]).expect(0);
    assert_untouched(&copied, &target.read());

    desk.imapsync(&source, &target, &[]).expect(0);
    let followed = target.read();
    assert_eq!(followed.uids(), copied.uids());
    assert_copied(&source.read(), &followed, &Expect::exact());
}

#[test]
fn mailferry_adds_flags_mirrors_them_or_leaves_them() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    source.put("INBOX", &[mail("flags", 1).flagged("\\Seen work")]);
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &[]).expect(0);
    source.probe().store("INBOX", &[1], "FLAGS", "\\Flagged").unwrap();
    let flags = || target.read().messages("INBOX")[0].flags.clone();

    desk.ferry("sync", &source, &target, &["--flags", "new-only"]).expect(0);
    assert_eq!(flags(), ["\\Seen", "work"]);
    desk.ferry("sync", &source, &target, &[]).expect(0);
    assert_eq!(flags(), ["\\Flagged", "\\Seen", "work"]);
    desk.ferry("sync", &source, &target, &["--flags", "mirror"]).expect(0);
    assert_eq!(flags(), ["\\Flagged"]);
    assert_eq!(target.read().uids()["INBOX"], [1]);
}

#[test]
fn different_drafts_with_one_message_id_are_all_carried() {
    let Some(world) = World::open() else { return };
    let drafts: Vec<Draft> = (0..4)
        .map(|n| {
            let text = format!("Message-Id: <draft@x>\r\nSubject: draft\r\n\r\nVersion {n}\r\n");
            Draft::new(text).dated(EPOCH + n)
        })
        .collect();
    for front in [Front::Imapsync, Front::Mailferry] {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("Drafts", &drafts[..2]);
        let desk = Desk::new();
        desk.transfer(front, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());
        // Edited later: the old ones stay where they are, the new ones arrive.
        source.put("Drafts", &drafts[2..]);
        desk.transfer(front, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());
    }
}

#[test]
fn equal_duplicates_are_all_carried_by_mailferry_and_once_by_imapsync() {
    let Some(world) = World::open() else { return };
    for (front, copies) in [(Front::Imapsync, 1), (Front::Mailferry, 3)] {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &[mail("equal", 1), mail("equal", 1), mail("equal", 1)]);
        source.put("INBOX", &mails("other", 2));
        let desk = Desk::new();
        desk.transfer(front, &source, &target).expect(0);
        let copy = target.read();
        let equal = copy.messages("INBOX").iter().filter(|m| m.subject == "equal 1").count();
        assert_eq!((equal, copy.message_count()), (copies, copies + 2), "{front:?}");
        desk.transfer(front, &source, &target).expect(0);
        assert_untouched(&copy, &target.read());
    }
}

#[test]
fn mailferry_carries_odd_messages_and_knows_them_again() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        let (source, target) = world.pair(way);
        let drafts: Vec<Draft> = odd_messages().into_iter().map(|odd| odd.draft).collect();
        source.put("Odd", &drafts);
        Desk::new().ferry("sync", &source, &target, &[]).expect(0);
        let copy = target.read();
        // The two storage formats end lines differently; no message may be lost or doubled.
        let expect = Expect { octets: Form::Loose, ..Expect::exact() };
        assert_copied(&source.read(), &copy, &expect);
        Desk::new().ferry("sync", &source, &target, &[]).expect(0);
        assert_untouched(&copy, &target.read());
    }
}

/// The octets that no server changes, without a Message-Id that `--addheader` made.
fn essence(octets: &[u8]) -> Vec<u8> {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line).to_lowercase();
    let digits =
        text.trim().strip_prefix("message-id: <").and_then(|t| t.strip_suffix("@imapsync>"));
    let made = digits.is_some_and(|d| d.bytes().all(|octet| octet.is_ascii_digit()));
    let rest = if made { &octets[line.len() + 1..] } else { octets };
    rest.iter().copied().filter(|o| !matches!(o, b'\r' | b'\n' | b' ' | b'\t' | 0 | 0x80)).collect()
}

#[test]
fn imapsync_carries_each_odd_message_once_and_knows_it_again() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let odd = odd_messages();
    let drafts: Vec<Draft> = odd.iter().map(|odd| odd.draft.clone()).collect();
    source.put("Odd", &drafts);
    Desk::new().transfer(Front::Imapsync, &source, &target).expect(0);
    let copy = target.read();
    let mut found: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for message in copy.messages("Odd") {
        *found.entry(essence(&message.octets)).or_default() += 1;
    }
    let wanted: BTreeSet<Vec<u8>> = drafts.iter().map(|draft| essence(&draft.octets)).collect();
    for (odd, draft) in odd.iter().zip(&drafts) {
        assert_eq!(found.get(&essence(&draft.octets)), Some(&1), "{}", odd.name);
    }
    assert_eq!(found.len(), wanted.len());

    let second = Desk::new().transfer(Front::Imapsync, &source, &target).expect(0);
    assert_eq!(second.transferred(), 0);
    assert_untouched(&copy, &target.read());
}

#[test]
fn servers_without_any_extension_are_good_sources_and_targets() {
    let Some(world) = World::open() else { return };
    let Some(old) = server(&Setup::plain_old(Layout::Slash)) else { return };
    for front in [Front::Imapsync, Front::Mailferry] {
        let modern = Place::new(&world.dot, "modern");
        let (target, back) = (Place::new(&old, "old"), Place::new(&world.dot, "back"));
        furnish(&modern);
        let original = modern.read();
        let desk = Desk::new();
        desk.transfer(front, &modern, &target).expect(0);
        let copy = target.read();
        assert_copied(&original, &copy, &Expect::exact());
        desk.transfer(front, &modern, &target).expect(0);
        assert_untouched(&copy, &target.read());
        desk.transfer(front, &target, &back).expect(0);
        assert_copied(&original, &back.read(), &Expect::exact());
    }
}

#[test]
fn special_uses_meet_under_unlike_names() {
    let Some(world) = World::open() else { return };
    let setup = Setup {
        special_use: vec![
            special_use("Gesendet", "\\Sent"),
            special_use("Entw&APw-rfe", "\\Drafts"),
        ],
        ..Setup::new(Layout::DotInbox)
    };
    let Some(german) = server(&setup) else { return };
    let source = Place::new(&world.slash, "special");
    source.put("Sent", &mails("sent", 3));
    source.put("Drafts", &mails("draft", 2));
    type Run<'a> = &'a dyn Fn(&Place<'_>) -> Finished;
    let runs: [(&str, Run<'_>); 3] = [
        ("Gesendet", &|target| Desk::new().ferry("sync", &source, target, &[])),
        ("Gesendet", &|target| Desk::new().imapsync(&source, target, &["--automap"])),
        ("Sent", &|target| Desk::new().imapsync(&source, target, &[])),
    ];
    for (name, run) in runs {
        let target = Place::new(&german, "special");
        target.put("Gesendet", &[]);
        target.put("Entw&APw-rfe", &[]);
        run(&target).expect(0);
        let copy = target.read();
        assert_eq!(subjects(&copy, name), ["sent 0", "sent 1", "sent 2"]);
        assert_eq!(copy.message_count(), 5);
        assert_eq!(copy.mailboxes.contains_key("Sent"), name == "Sent");
    }
}

#[test]
fn an_account_of_four_hundred_messages_arrives_whole() {
    let Some(world) = World::open() else { return };
    let recipe = Recipe { seed: 11, messages: 400, median_octets: 3000, large: Large::Some };
    let source = Place::new(&world.dot, "corpus");
    world.dot.fill(&source.user, &Corpus::new(recipe)).unwrap();
    let original = source.read();
    for front in [Front::Imapsync, Front::Mailferry] {
        let target = Place::new(&world.slash, "corpus");
        Desk::new().transfer(front, &source, &target).expect(0);
        let copy = target.read();
        if front == Front::Mailferry {
            assert_copied(&original, &copy, &Expect::exact());
        }
        // --addheader changes messages without Message-Id and Received; there are none here
        // without Received.
        assert_eq!(copy.message_count(), original.message_count());
        assert_copied(&original, &copy, &Expect::exact());
    }
}

#[test]
fn dry_runs_and_plans_change_nothing() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    target.put("Own", &mails("own", 2));
    let (original, before) = (source.read(), target.read());
    let desk = Desk::new();
    desk.imapsync(&source, &target, &["--dry", "--delete2", "--delete2folders"]).expect(0);
    desk.ferry("plan", &source, &target, &[]).expect(0);
    desk.ferry("plan", &source, &target, &["--json"]).expect(0).json_lines();
    assert_untouched(&before, &target.read());
    assert_untouched(&original, &source.read());
}

#[test]
fn check_tells_a_copy_from_a_copy_with_a_hole() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    furnish(&source);
    let desk = Desk::new();
    desk.ferry("check", &source, &target, &[]).expect(1);
    desk.ferry("sync", &source, &target, &["--json"]).expect(0).json_lines();
    desk.ferry("check", &source, &target, &[]).expect(0);
    desk.ferry("check", &source, &target, &["--deep"]).expect(0);
    let sampled = desk.ferry("check", &source, &target, &["--deep", "--sample", "1%"]).expect(0);
    assert!(sampled.stdout.contains("they are not in the sample"), "{}", sampled.report());
    let record = desk.path().join("record");
    let resumed = ["--deep", "--resume", record.to_str().unwrap()];
    desk.ferry("check", &source, &target, &resumed).expect(0);
    let again = desk.ferry("check", &source, &target, &resumed).expect(0);
    assert!(!again.stdout.contains("had their octets read"), "{}", again.report());
    assert!(again.stdout.contains("by an earlier run"), "{}", again.report());
    desk.ferry("check", &target, &source, &resumed).expect(64);
    let uid = uid_of(&target.read(), "Caf&AOk-", "cafe 2");
    target.probe().remove("Caf&AOk-", &[uid]).unwrap();
    desk.ferry("check", &source, &target, &[]).expect(1);
    desk.ferry("check", &source, &target, &resumed).expect(1);
    desk.ferry("check", &source, &target, &["--deep"]).expect(1);
}

#[test]
fn the_demo_needs_nothing_and_succeeds() {
    let demo = Desk::new().mailferry(&["demo"]).expect(0);
    assert!(!demo.stdout.trim().is_empty(), "{}", demo.report());
}

#[test]
fn quiet_runs_that_succeed_say_nothing_on_stderr() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("quiet", 2));
    let run = Desk::new().ferry("sync", &source, &target, &["--quiet"]).expect(0);
    assert_eq!((run.stderr.trim(), target.read().message_count()), ("", 2));
}
