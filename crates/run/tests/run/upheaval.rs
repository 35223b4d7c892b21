//! Storms while others are at work in both accounts: mail comes and goes on either side, flags change,
//! mailboxes are renumbered, servers fall silent, are full, or ask to be left alone. When it is over,
//! the target has what the source has, as often as the source ever had it, and what others put there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailferry_engine::policy::{DeleteRule, FlagPolicy, Rules};
use mailferry_run::job::{CopyOrder, Job, Limits};
use mailferry_testkit::sim::{Account, Effect, Fault, Profile, Refused, Throttle};

use crate::storm::{Dice, calm, fault, furnished, storms};
use crate::world::{
    World, assert_complete, assert_idle, contents, date, digest, job, message, quick,
};

/// Seeds that each of the tests tries.
const SEEDS: u64 = 400;

/// Mailbox and octets of a message.
type Content = (String, Vec<u8>);

/// Somebody who is at work in both accounts.
struct Others {
    dice: Dice,
    source: Account,
    target: Account,
    /// Messages that were written so far.
    written: u32,
    /// How often the source has had each content.
    ever: BTreeMap<Content, usize>,
    /// What the target has of somebody else, or had when it began.
    foreign: BTreeMap<Content, usize>,
    /// A server that ends may still carry something out.
    are_gone: bool,
}

/// Numbers of messages that others write; the world has smaller ones.
const FIRST_WRITTEN: u32 = 100_000;
const MAILBOXES: [&str; 4] = ["INBOX", "Archive/2024", "Bare", "Small 0"];

impl Others {
    fn new(world: &World, dice: Dice) -> Self {
        let (source, target) = (world.source.clone(), world.target.clone());
        let (ever, foreign) = (contents(&source), contents(&target));
        Self { dice, source, target, written: 0, ever, foreign, are_gone: false }
    }

    /// Does something, or nothing.
    fn act(&mut self) {
        if self.are_gone {
            return;
        }
        match self.dice.roll(40) {
            0..=4 => self.deliver_to_source(),
            5 | 6 => self.take_from_source(),
            7 | 8 => self.deliver_to_target(),
            9 => self.take_from_target(),
            10 | 11 => self.flag_on_source(),
            12 if self.dice.roll(4) == 0 => {
                let mailbox = self.dice.of(&MAILBOXES);
                self.dice.of(&[&self.source, &self.target]).renumber(mailbox);
            }
            _ => {}
        }
    }

    fn write(&mut self) -> Vec<u8> {
        self.written += 1;
        let octets = if self.dice.roll(10) == 0 { 70_000 } else { 200 + self.dice.roll(2000) };
        message(FIRST_WRITTEN + self.written, usize::try_from(octets).unwrap())
    }

    fn deliver_to_source(&mut self) {
        let (mailbox, octets) = (self.dice.of(&MAILBOXES), self.write());
        self.source.append(mailbox, &octets, &[], date(self.written));
        *self.ever.entry((mailbox.to_owned(), octets)).or_default() += 1;
    }

    fn take_from_source(&mut self) {
        let mailbox = self.dice.of(&MAILBOXES);
        let all = self.source.messages(mailbox);
        if !all.is_empty() {
            let at = self.dice.roll(all.len() as u64);
            self.source.expunge(mailbox, all[usize::try_from(at).unwrap()].uid);
        }
    }

    fn deliver_to_target(&mut self) {
        let octets = self.write();
        self.target.append("INBOX", &octets, &[], date(self.written));
        self.foreign.insert(("INBOX".to_owned(), octets), 1);
    }

    fn take_from_target(&mut self) {
        let all = self.target.messages("INBOX");
        if !all.is_empty() {
            let at = self.dice.roll(all.len() as u64);
            let gone = &all[usize::try_from(at).unwrap()];
            self.target.expunge("INBOX", gone.uid);
            self.foreign.remove(&("INBOX".to_owned(), gone.octets.to_vec()));
        }
    }

    fn flag_on_source(&mut self) {
        let mailbox = self.dice.of(&MAILBOXES);
        let all = self.source.messages(mailbox);
        if !all.is_empty() {
            let at = usize::try_from(self.dice.roll(all.len() as u64)).unwrap();
            let flags: &[&str] = if self.dice.roll(2) == 0 { &["\\Answered"] } else { &[] };
            self.source.set_flags(mailbox, all[at].uid, flags);
        }
    }
}

fn lock(others: &Mutex<Others>) -> MutexGuard<'_, Others> {
    others.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that has its bad day.
fn troubled(dice: &mut Dice, profile: &Profile) -> Profile {
    let mut faults: Vec<Fault> = (0..dice.roll(3)).map(|_| fault(dice)).collect();
    let mut profile = profile.clone();
    match dice.roll(6) {
        0 => {
            let nth = 1 + u32::try_from(dice.roll(4)).unwrap();
            let command = dice.of(&["APPEND", "UID FETCH", "EXAMINE", "UID STORE"]);
            faults.push(Fault::at_command(command, nth, Effect::Mute));
        }
        1 => {
            let most = usize::try_from(1 + dice.roll(60)).unwrap();
            profile.limits.quota_messages_max = Some(most);
        }
        2 => {
            profile.habits.throttle = Some(Throttle {
                command: dice.of(&["APPEND", "UID FETCH", "STATUS"]),
                commands_max: 1 + u32::try_from(dice.roll(6)).unwrap(),
                backoff: Duration::from_millis(20),
                answer: dice.of(&[Refused::No, Refused::BadAndBye, Refused::Bye]),
            });
        }
        _ => {}
    }
    Profile { faults, ..profile }
}

/// One storm in which others are at work, then a calm without them.
async fn upheaval(seed: u64, rules: Rules) -> bool {
    let mut dice = Dice::new(seed);
    let world = furnished(&mut dice);
    let (source, target) = (calm(&mut dice), calm(&mut dice));
    let troubled = (troubled(&mut dice, &source), troubled(&mut dice, &target));
    let limits = Limits { pairs_at_first: 1 + usize::try_from(dice.roll(3)).unwrap(), ..quick() };
    let order = dice.of(&[CopyOrder::OfUids, CopyOrder::Any]);
    let job = Job { limits, order, ..job(rules) };
    let others = Arc::new(Mutex::new(Others::new(&world, dice)));
    let watched = |profile: Profile| {
        let others = others.clone();
        Profile { watch: Some(Arc::new(move |_| lock(&others).act())), ..profile }
    };
    let mut running = world.serve(watched(troubled.0), watched(troubled.1)).await;
    running.addresses.silence_max = Duration::from_millis(300);
    let ended = tokio::time::timeout(Duration::from_secs(60), running.run(&job)).await;
    let felt = match ended.expect("the run hangs") {
        Ok(report) => !report.is_complete() || report.reconnections != [0, 0],
        Err(_) => true,
    };
    drop(running);
    lock(&others).are_gone = true;
    let removes = job.rules.delete != DeleteRule::Nothing;
    assert_nothing_lost(&lock(&others), removes);
    let report = world.run(source.clone(), target.clone(), &job).await;
    assert_complete(&report);
    if report.mailboxes.iter().any(|mailbox| mailbox.planned.held_back > 0) {
        // What has no identity headers goes only when nothing of that kind is missing any more.
        assert_complete(&world.run(source.clone(), target.clone(), &job).await);
    }
    if removes {
        world.assert_same_mail();
    } else {
        assert_nothing_lost(&lock(&others), removes);
        assert_all_there(&world);
    }
    assert_idle(&world.run(source, target, &job).await);
    felt
}

/// No content is on the target more often than the source ever had it; and, unless the rules remove,
/// nothing is gone that others have there.
#[track_caller]
fn assert_nothing_lost(others: &Others, removes: bool) {
    let there = contents(&others.target);
    for (content, &times) in &there {
        let ever = others.ever.get(content).copied().unwrap_or(0);
        let foreign = others.foreign.get(content).copied().unwrap_or(0);
        assert!(times <= ever.max(foreign), "{}: {times} times, here {ever}", content.0);
    }
    for content in others.foreign.keys().filter(|_| !removes) {
        assert!(there.contains_key(content), "{}: mail of others is gone", content.0);
    }
}

/// Each message of the source is on the target, with its flags and its date.
#[track_caller]
fn assert_all_there(world: &World) {
    let target = digest(&world.target);
    for (mailbox, mail) in digest(&world.source) {
        let mut left = target.get(&mailbox).cloned().unwrap_or_default();
        for one in mail {
            let at = left.iter().position(|other| *other == one);
            left.swap_remove(at.unwrap_or_else(|| panic!("{mailbox}: {one:?} is not there")));
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_while_others_are_at_work_on_both_sides() {
    storms(SEEDS, |seed| upheaval(seed, Rules { flags: FlagPolicy::Mirror, ..Rules::sync() }));
}

#[test]
fn a_mirror_in_a_storm_ends_as_the_source_does_while_others_are_at_work() {
    storms(SEEDS, |seed| upheaval(seed, Rules::mirror()));
}
