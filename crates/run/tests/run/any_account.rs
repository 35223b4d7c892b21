//! Any two accounts between any two servers: a sync brings everything, a mirror makes both the
//! same, a broken run is made good by the next one, and then there is nothing to do.

use std::collections::BTreeSet;

use mailferry_engine::policy::{Rules, Unrecognised};
use mailferry_testkit::sim::{
    Account, AppendCheck, Codes, Date, Effect, Extension, Fault, Profile, UidPlace, Zones,
};
use proptest::prelude::*;

use crate::world::{World, assert_totals, job, message, words};

const MAILBOXES: [&str; 6] = ["INBOX", "A", "A/B", "A/B/c d", "R&AOk-unions", "Sent"];
/// What the target may hold before: some of it the source does not know.
const MAILBOXES_BEFORE: [&str; 6] = ["INBOX", "A", "A/B", "Old", "Old/child", "A/old"];
const FLAGS: [&[&str]; 5] = [
    &[],
    &["\\Seen"],
    &["\\Seen", "\\Flagged", "Work"],
    &["$Forwarded"],
    &["\\Deleted", "\\Draft"],
];

/// One message: which content, how it differs from others of that identity, where and how.
#[derive(Clone, Debug)]
struct Letter {
    mailbox: usize,
    content: u32,
    flags: usize,
    later: i64,
}

/// The content decides the octets: some have a Message-Id, some share one with another, some
/// have nothing, some are large.
fn octets(content: u32) -> Vec<u8> {
    match content % 5 {
        0 | 1 => message(content, 300 + content as usize),
        2 => format!("Subject: none\r\n\r\nunidentified {}\r\n", content / 10).into_bytes(),
        3 => {
            let draft = content / 10;
            let text = "edited ".repeat(content as usize % 10);
            format!("Message-Id: <draft{draft}@world>\r\n\r\n{text}\r\n").into_bytes()
        }
        _ => message(content, 60_000 + 1_500 * content as usize),
    }
}

fn letters(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Letter>> {
    let one = (0..MAILBOXES.len(), 0u32..40, 0..FLAGS.len(), 0i64..3);
    let letter =
        one.prop_map(|(mailbox, content, flags, later)| Letter { mailbox, content, flags, later });
    prop::collection::vec(letter, count)
}

fn profiles() -> impl Strategy<Value = Profile> {
    let extensions = prop::collection::vec(any::<bool>(), Extension::EVERY.len());
    let habits =
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (extensions, habits).prop_map(|(extensions, (dotted, last, omitted, early, utc, told))| {
        let base = if dotted { Profile::dotted() } else { Profile::modern() };
        let has = Extension::EVERY
            .into_iter()
            .zip(extensions)
            .filter(|(_, has)| *has)
            .map(|(extension, _)| extension);
        let mut profile = Profile {
            extensions: has.collect(),
            uid_place: if last { UidPlace::Last } else { UidPlace::First },
            codes: if omitted { Codes::Omitted } else { Codes::Sent },
            append_check: if early {
                AppendCheck::BeforeLiteral
            } else {
                AppendCheck::AfterLiteral
            },
            zones: if utc { Zones::Utc } else { Zones::Kept },
            capabilities_in_greeting: told,
            capabilities_after_login: told,
            ..base
        };
        if dotted {
            // Nothing else tells the prefix of an account that holds INBOX alone.
            profile = profile.with(Extension::Namespace);
        }
        profile
    })
}

fn faults() -> impl Strategy<Value = Fault> {
    let commands = [
        "APPEND",
        "UID FETCH",
        "EXAMINE",
        "LIST",
        "CREATE",
        "UID STORE",
        "UID EXPUNGE",
        "UNSELECT",
    ];
    let effects = prop_oneof![
        Just(Effect::Cut),
        Just(Effect::CutUnanswered),
        Just(Effect::No("not now".to_owned())),
        Just(Effect::Bad("what?".to_owned())),
        Just(Effect::Bye("go away".to_owned())),
    ];
    let at_command = (0..commands.len(), 1u32..6, effects)
        .prop_map(move |(name, nth, effect)| Fault::at_command(commands[name], nth, effect));
    let octets = (10u64..200_000).prop_map(|octets| Fault::after_received(octets, Effect::Cut));
    prop_oneof![3 => at_command, 1 => octets]
}

fn furnish(account: &Account, profile: &Profile, names: [&str; 6], letters: &[Letter]) {
    for letter in letters {
        let name = local(names[letter.mailbox], profile);
        let date = Date::utc(1_500_000_000 + i64::from(letter.content) * 1_000 + letter.later);
        account.append(&name, &octets(letter.content), FLAGS[letter.flags], date);
        if letter.flags == 1 {
            account.subscribe(&name);
        }
    }
}

/// A name with `/` as this server writes it.
fn local(name: &str, profile: &Profile) -> String {
    let translated = name.replace('/', &char::from(profile.delimiter).to_string());
    if name == "INBOX" { translated } else { format!("{}{translated}", profile.prefix) }
}

/// Mailboxes with their messages: octets and flags.
type Contents = Vec<(String, Vec<(Vec<u8>, Vec<String>)>)>;

/// The account by names with `/`, each mailbox as a sorted list.
fn contents(account: &Account, profile: &Profile) -> Contents {
    let all = account.snapshot().into_iter();
    let mut contents: Vec<_> = all
        .map(|(name, messages)| {
            let bare = name.strip_prefix(&profile.prefix).unwrap_or(&name);
            let mut mail: Vec<_> =
                messages.iter().map(|found| (found.octets.to_vec(), words(&found.flags))).collect();
            mail.sort();
            (bare.replace(char::from(profile.delimiter), "/"), mail)
        })
        .collect();
    contents.sort();
    contents
}

fn subscriptions(account: &Account, profile: &Profile) -> BTreeSet<String> {
    let names = account.subscriptions().into_iter();
    names
        .map(|name| {
            let bare = name.strip_prefix(&profile.prefix).unwrap_or(&name);
            bare.replace(char::from(profile.delimiter), "/")
        })
        .collect()
}

/// Runs until nothing is left to do, at most `runs` times and once more.
async fn settle(world: &World, source: &Profile, target: &Profile, rules: &Rules, runs: usize) {
    for run in 0..=runs {
        let report = world.run(source.clone(), target.clone(), &job(rules.clone())).await;
        assert_totals(&report);
        assert!(report.is_complete(), "run {run}: {report:#?}");
        let planned = report
            .mailboxes
            .iter()
            .map(|mailbox| mailbox.planned.act() + mailbox.planned.deletions());
        if planned.sum::<u64>() == 0
            && report.created.is_empty()
            && report.deleted_mailboxes.is_empty()
        {
            return;
        }
        assert!(run < runs, "there is still something to do: {report:#?}");
    }
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sync_brings_everything_once(
        mail in letters(0..60),
        source in profiles(),
        target in profiles(),
    ) {
        block_on(async {
            let world = World::new();
            furnish(&world.source, &source, MAILBOXES, &mail);
            settle(&world, &source, &target, &Rules::sync(), 1).await;
            assert!(contents(&world.source, &source) == contents(&world.target, &target));
            assert_eq!(subscriptions(&world.source, &source), subscriptions(&world.target, &target));
        });
    }

    #[test]
    fn a_mirror_makes_both_accounts_the_same(
        mail in letters(1..50),
        there in letters(0..50),
        source in profiles(),
        target in profiles(),
    ) {
        block_on(async {
            let world = World::new();
            furnish(&world.source, &source, MAILBOXES, &mail);
            // A parent in name only would keep the target's mailbox of that name, with its mail.
            for name in MAILBOXES {
                world.source.add_mailbox(&local(name, &source));
            }
            // Without UIDPLUS nothing is expunged beside messages that others marked.
            let unmarked = there.into_iter().filter(|letter| letter.flags != 4).collect::<Vec<_>>();
            furnish(&world.target, &target, MAILBOXES_BEFORE, &unmarked);
            let target = target.with(Extension::UidPlus);
            let rules = Rules { unrecognised: Unrecognised::Append, ..Rules::mirror() };
            // What is known by its content alone is removed when nothing of that kind is missing.
            settle(&world, &source, &target, &rules, 2).await;
            assert!(contents(&world.source, &source) == contents(&world.target, &target));
        });
    }

    #[test]
    fn a_broken_run_is_made_good_by_the_next(
        mail in letters(1..60),
        source in profiles(),
        target in profiles(),
        source_fault in prop::option::of(faults()),
        target_fault in prop::option::of(faults()),
    ) {
        block_on(async {
            let world = World::new();
            furnish(&world.source, &source, MAILBOXES, &mail);
            let broken = |profile: &Profile, fault: Option<Fault>| Profile { faults: fault.into_iter().collect(), ..profile.clone() };
            let running = world.serve(broken(&source, source_fault), broken(&target, target_fault)).await;
            match running.run(&job(Rules::sync())).await {
                Ok(report) => assert!(report.is_complete() || report.failures().next().is_some(), "{report:#?}"),
                Err(faults) => assert!(!faults.is_empty()),
            }
            drop(running);
            settle(&world, &source, &target, &Rules::sync(), 2).await;
            // Of equal messages, which of them was lost cannot be told: flags may have changed places.
            let octets = |account, profile| -> Vec<_> {
                let all = contents(account, profile).into_iter();
                all.map(|(name, mail)| (name, mail.into_iter().map(|(octets, _)| octets).collect::<Vec<_>>())).collect()
            };
            assert!(octets(&world.source, &source) == octets(&world.target, &target));
        });
    }

    /// Whatever breaks in a mirror: what both sides had, the target still has.
    #[test]
    fn a_broken_mirror_removes_nothing_that_the_source_has(
        mail in letters(1..40),
        there in letters(0..20),
        source in profiles(),
        target in profiles(),
        source_faults in prop::collection::vec(faults(), 0..3),
        target_faults in prop::collection::vec(faults(), 0..3),
    ) {
        block_on(async {
            let world = World::new();
            furnish(&world.source, &source, MAILBOXES, &mail);
            furnish(&world.target, &target, MAILBOXES, &mail);
            furnish(&world.target, &target, MAILBOXES_BEFORE, &there);
            let broken = |profile: &Profile, faults: Vec<Fault>| Profile { faults, ..profile.clone() };
            let running = world.serve(broken(&source, source_faults), broken(&target, target_faults)).await;
            let rules = Rules { unrecognised: Unrecognised::Append, ..Rules::mirror() };
            if let Err(faults) = running.run(&job(rules)).await {
                assert!(!faults.is_empty());
            }
            let after = contents(&world.target, &target);
            for (name, mail) in contents(&world.source, &source) {
                let (_, left) = after.iter().find(|(other, _)| *other == name).expect("the mailbox is there");
                let count = |mail: &[(Vec<u8>, Vec<String>)], octets: &[u8]| {
                    mail.iter().filter(|(other, _)| other == octets).count()
                };
                for (octets, _) in &mail {
                    assert!(count(left, octets) >= count(&mail, octets), "{name}: a message was lost");
                }
            }
        });
    }
}
