//! Local state makes runs shorter and changes nothing else: with it, without it, and with one
//! that is stale, broken or another's, the plan and the outcome are the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mailferry_testkit::proxy::{Proxy, Weather};

use crate::walk::{Dice, Owner};
use crate::world::*;

const STATELESS: (&str, &str) = ("MAILFERRY_NOSTATE", "1");

/// The plan of these options, made with what earlier runs learnt or without.
fn plan(
    desk: &Desk,
    (source, target): (&Place<'_>, &Place<'_>),
    options: &[&str],
    without_state: bool,
) -> (Option<i32>, String) {
    let file = desk.path().join("plan.json");
    let _ = fs::remove_file(&file);
    let saved = ["--save", file.to_str().unwrap()];
    let mut command = desk.ferry_command("plan", source, target, &[options, &saved].concat());
    if without_state {
        command.env(STATELESS.0, STATELESS.1);
    }
    let finished = desk.finish(command);
    let plan = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", finished.report()));
    (finished.status, plan)
}

/// Both plans are the same, octet for octet.
#[track_caller]
fn assert_same_plan(desk: &Desk, pair: (&Place<'_>, &Place<'_>), options: &[&str], of: &str) {
    let with = plan(desk, pair, options, false);
    let without = plan(desk, pair, options, true);
    if with != without {
        let lines = with.1.lines().zip(without.1.lines());
        let differing: Vec<String> = lines
            .filter(|(one, other)| one != other)
            .take(20)
            .map(|(one, other)| format!("  {one}\n  {other}"))
            .collect();
        panic!(
            "{options:?} after {of}: with state {:?}, without {:?}\n{}",
            with.0,
            without.0,
            differing.join("\n")
        );
    }
}

/// The commands that a run sent to one side, without their tags.
fn sent(finished: &Finished, side: &str) -> Vec<String> {
    let begin = format!("{side} > ");
    let lines = finished.stderr.lines().filter_map(|line| line.strip_prefix(&begin));
    lines.map(|line| line.split_once(' ').map_or(line, |(_, words)| words).to_owned()).collect()
}

/// In clear text: many runs, and none of them about TLS.
fn plainly<'a>((source, target): (Place<'a>, Place<'a>)) -> (Place<'a>, Place<'a>) {
    (source.through(source.server.imap()), target.through(target.server.imap()))
}

fn databases(desk: &Desk) -> Vec<PathBuf> {
    let folder = desk.path().join("XDG_STATE_HOME").join("mailferry");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "sqlite3")).collect();
    found.sort();
    found
}

#[test]
fn a_run_asks_only_for_what_changed() {
    let Some(world) = World::open() else { return };
    for way in [Way::SlashToDot, Way::DotToSlash] {
        let (source, target) = world.pair(way);
        furnish(&source);
        let desk = Desk::new();
        desk.ferry("sync", &source, &target, &[]).expect(0);

        // What was copied is known by its copy: no header is asked for.
        let second = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
        for side in ["source", "target"] {
            let fetched: Vec<String> =
                sent(&second, side).into_iter().filter(|line| line.contains("BODY")).collect();
            assert!(fetched.is_empty(), "{side}: {fetched:?}");
        }

        let third = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
        for side in ["source", "target"] {
            let sent = sent(&third, side);
            let asked = |word: &str| sent.iter().filter(|line| line.starts_with(word)).count();
            assert_eq!((asked("EXAMINE"), asked("SELECT"), asked("UID")), (0, 0, 0), "{sent:?}");
        }

        source.put("Drafts", &[mail("one more", 1)]);
        let fourth = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
        let opened: Vec<String> = sent(&fourth, "source")
            .into_iter()
            .filter(|line| line.starts_with("EXAMINE"))
            .collect();
        assert!(opened.iter().all(|line| line.contains("Drafts")), "{opened:?}");
        assert_copied(&source.read(), &target.read(), &Expect::exact());
    }
}

/// Rounds of one walk.
const ROUNDS: usize = 30;
const MODES: [&[&str]; 3] = [&[], &["--delete"], &["--mirror"]];

fn take_a_walk(way: Way, seed: u64) {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(way));
    let desk = Desk::new();
    let mut dice = Dice(seed);
    let mut owners = [Owner::of(&source, 0), Owner::of(&target, 1_000_000)];
    let mut history = Vec::new();
    for round in 0..ROUNDS {
        for _ in 0..1 + dice.roll(4) {
            let side = usize::from(dice.roll(4) == 0);
            let step = owners[side].step(&mut dice);
            history.push(format!("{round}: {} {step}", ["source", "target"][side]));
        }
        let story = format!("a walk with seed {seed}:\n  {}", history.join("\n  "));
        for turn in 0..MODES.len() {
            let options = MODES[(round + turn) % MODES.len()];
            assert_same_plan(&desk, (&source, &target), options, &story);
        }
        if round % 3 == 2 {
            let options = MODES[(round / 3) % MODES.len()];
            let options = [options, &["--max-delete", "100%"]].concat();
            if options[0] == "--mirror" {
                // What is known only by its content goes once the rest was copied.
                desk.ferry("sync", &source, &target, &options).expect(0);
            }
            let finished = desk.ferry("sync", &source, &target, &options).expect(0);
            history.push(format!("{round}: {options:?} {}", finished.stdout.trim()));
            // A message of the same content and another date is the same one.
            let expect = Expect { order: Duty::May, dates: Duty::May, ..Expect::exact() };
            let expect = match options[0] {
                "--mirror" => expect,
                _ => Expect { flags: Duty::May, nothing_more: Duty::May, ..expect },
            };
            owners[1].come_back(&target);
            let differences = compare(&source.read(), &target.read(), &expect);
            assert!(differences.is_empty(), "{}\n{story}", differences.join("\n"));
        }
    }
    desk.ferry("sync", &source, &target, &["--mirror", "--max-delete", "100%"]).expect(0);
    let expect = Expect { order: Duty::May, dates: Duty::May, ..Expect::exact() };
    assert_copied(&source.read(), &target.read(), &expect);
    for options in MODES {
        assert_same_plan(&desk, (&source, &target), options, &format!("the walk {seed}"));
    }
}

#[test]
fn a_walk_from_slash_to_dot_is_planned_alike_with_and_without_state() {
    take_a_walk(Way::SlashToDot, seed(0x5eed_0001));
}

#[test]
fn a_walk_from_dot_to_slash_is_planned_alike_with_and_without_state() {
    take_a_walk(Way::DotToSlash, seed(0x5eed_0002));
}

/// Another walk may be asked for.
fn seed(usual: u64) -> u64 {
    std::env::var("WALK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual)
}

/// Dovecot keeps UIDVALIDITY and UIDNEXT of a Maildir in a file of its own. Without its index it
/// counts changes from the beginning.
#[test]
fn a_server_that_lost_its_index_is_listed_anew() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::DotToSlash));
    source.put("INBOX", &mails("index", 6));
    let mut probe = source.probe();
    for _ in 0..20 {
        probe.store("INBOX", &[1, 2], "+FLAGS", "\\Flagged").unwrap();
        probe.store("INBOX", &[1, 2], "-FLAGS", "\\Flagged").unwrap();
    }
    drop(probe);
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
    world.dot.forget_indexes(&source.user).unwrap();
    source.probe().store("INBOX", &[3, 4], "+FLAGS", "\\Seen work").unwrap();
    assert_same_plan(&desk, (&source, &target), &["--mirror"], "the index went");
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_selection_of_messages_is_the_same_with_state() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    furnish(&source);
    let fresh = |number: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        mail("fresh", number).dated(i64::try_from(now.as_secs()).unwrap() - 3600)
    };
    let boxes = ["INBOX", "Drafts", "Sent", "Caf&AOk-", "Archive/2020/Q&-A"];
    let selections: [&[&str]; 5] = [
        &["--maxage", "10"],
        &["--search", "UNSEEN"],
        &["--search", "FLAGGED", "--delete"],
        &["--maxage", "10", "--mirror"],
        &["--maxsize", "215"],
    ];
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &[]).expect(0);
    for (round, options) in (0_i64..).zip(selections) {
        // Every mailbox has news: something came, something went, a flag changed.
        for (at, name) in (0_i64..).zip(boxes) {
            source.put(name, &[fresh(10 * round + at), mail("late", 10 * round + at)]);
            let uids: Vec<u32> = source.read().messages(name).iter().map(|one| one.uid).collect();
            let mut probe = source.probe();
            probe.store(name, &uids[1..2], "+FLAGS", "\\Flagged").unwrap();
            probe.remove(name, &uids[..1]).unwrap();
        }
        for options in selections {
            assert_same_plan(&desk, (&source, &target), options, "every mailbox had news");
        }
        let options = [options, &["--max-delete", "100%"]].concat();
        desk.ferry("sync", &source, &target, &options).expect(0);
    }
    desk.ferry("sync", &source, &target, &["--mirror", "--max-delete", "100%"]).expect(0);
    let expect = Expect { order: Duty::May, ..Expect::exact() };
    assert_copied(&source.read(), &target.read(), &expect);
}

/// What may happen to a file between two runs.
fn ruin(path: &Path, how: usize) {
    let octets = fs::read(path).unwrap();
    let half = octets.len() / 2;
    let cut = |left: usize| fs::write(path, &octets[..left]).unwrap();
    match how {
        0 => fs::remove_file(path).unwrap(),
        1 => cut(0),
        2 => cut(half),
        3 => cut(100),
        4 => fs::write(path, "x".repeat(octets.len())).unwrap(),
        5 => fs::write(path, [&octets[..half], &vec![0xa5; octets.len() - half]].concat()).unwrap(),
        6 => fs::write(path.with_extension("sqlite3-wal"), "no log at all").unwrap(),
        7 => fs::write(path.with_extension("sqlite3-shm"), [7; 40_000]).unwrap(),
        8 => {
            let mut rights = fs::metadata(path).unwrap().permissions();
            rights.set_readonly(true);
            fs::set_permissions(path, rights).unwrap();
        }
        9 => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }
        _ => unreachable!(),
    }
}

#[test]
fn a_state_that_was_ruined_changes_no_run() {
    let Some(world) = World::open() else { return };
    for how in 0..10 {
        let (source, target) = plainly(world.pair(Way::SlashToDot));
        furnish(&source);
        let desk = Desk::new();
        desk.ferry("sync", &source, &target, &[]).expect(0);
        ruin(&databases(&desk)[0], how);
        source.put("INBOX", &mails("after", 2));
        assert_same_plan(&desk, (&source, &target), &[], &format!("ruin {how}"));
        let run = desk.ferry("sync", &source, &target, &[]).expect(0);
        assert_eq!(run.stderr.contains("notice: local state"), how == 9, "{}", run.report());
        let copy = target.read();
        assert_copied(&source.read(), &copy, &Expect::exact());
        desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
        assert_untouched(&copy, &target.read());
    }
}

/// A folder that cannot be made, and a disk on which nothing fits.
#[cfg(unix)]
#[test]
fn a_state_that_cannot_be_kept_is_told_of_and_changes_no_run() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    furnish(&source);
    source.put("Many", &mails("many", 120));
    let desk = Desk::new();
    let in_the_way = desk.file("in-the-way", "a file");
    for (verb, options) in [("sync", &[][..]), ("sync", &["--mirror"]), ("plan", &[])] {
        let mut command = desk.ferry_command(verb, &source, &target, options);
        command.env("MAILFERRY_STATE_DIR", in_the_way.join("state"));
        let run = desk.finish(command).expect(0);
        assert!(run.stderr.contains("notice: local state cannot be kept"), "{}", run.report());
    }
    assert_copied(&source.read(), &target.read(), &Expect::exact());

    // What is written beyond the limit fails, as on a full disk.
    for blocks in ["8", "40", "80"] {
        source.put("Many", &[mail(blocks, 1)]);
        let inner = desk.ferry_command("sync", &source, &target, &[]);
        let mut command = desk.shell(&format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""));
        command.arg("sh").arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // A receipt that does not fit is a failure.
        command.env("MAILFERRY_NORECEIPT", "1");
        desk.finish(command).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());
        assert_same_plan(&desk, (&source, &target), &["--mirror"], "a full disk");
    }
}

#[test]
fn the_state_of_other_accounts_changes_no_run() {
    let Some(world) = World::open() else { return };
    // Made side by side, so that both have the same UIDVALIDITY where the server takes its clock.
    let pairs = [world.pair(Way::SlashToDot), world.pair(Way::SlashToDot)];
    for (number, (source, target)) in (0..).zip(&pairs) {
        source.put("INBOX", &mails(["ann", "bob"][number], 8));
        target.put("INBOX", &[]);
        source.put("Box", &mails(["box", "crate"][number], 8));
    }
    let desks = [Desk::new(), Desk::new()];
    for (desk, (source, target)) in desks.iter().zip(&pairs) {
        desk.ferry("sync", source, target, &[]).expect(0);
    }
    fs::copy(&databases(&desks[0])[0], &databases(&desks[1])[0]).unwrap();
    let (source, target) = &pairs[1];
    source.put("INBOX", &mails("new", 3));
    for options in MODES {
        assert_same_plan(&desks[1], (source, target), options, "another pair's state");
    }
    desks[1].ferry("sync", source, target, &["--mirror"]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn runs_side_by_side_share_one_state() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    let names: Vec<String> = (0..4).map(|number| format!("Box {number}")).collect();
    names.iter().for_each(|name| source.put(name, &mails(name, 15)));
    let desk = Desk::new();
    for round in 0..2 {
        let runs = names.iter().map(|name| {
            let options = ["--folder", name, "--connections", "1"];
            let mut command = desk.ferry_command("sync", &source, &target, &options);
            std::thread::spawn(move || command.output().unwrap())
        });
        for run in runs.collect::<Vec<_>>() {
            let output = run.join().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{told}");
            assert!(!told.contains("notice: local state"), "{told}");
        }
        assert_copied(&source.read(), &target.read(), &Expect::exact());
        names.iter().for_each(|name| source.put(name, &[mail("more", round)]));
    }
    desk.ferry("sync", &source, &target, &[]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    let last = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
    assert!(sent(&last, "source").iter().all(|line| !line.starts_with("EXAMINE")));
}

#[test]
fn a_killed_run_is_gone_on_with_alike_with_and_without_state() {
    let Some(world) = World::open() else { return };
    for (milliseconds, nostate) in [(120, false), (350, true), (500, false), (800, false)] {
        let (source, target) = plainly(world.pair(Way::SlashToDot));
        furnish(&source);
        for number in 0..4 {
            source.put(&format!("Zoo {number}"), &mails(&format!("zoo {number}"), 30));
        }
        let weather = Weather { latency: Duration::from_millis(8), ..Weather::default() };
        let proxy = Proxy::start(target.server.imap(), weather).unwrap();
        let slow = target.through(proxy.address());
        let desk = Desk::new();
        let mut child = desk.start(desk.ferry_command("sync", &source, &slow, &[]));
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        settle(&target);
        assert_same_plan(&desk, (&source, &slow), &[], "a run was killed");
        let options: &[&str] = if nostate { &["--nostate"] } else { &[] };
        desk.ferry("sync", &source, &slow, options).expect(0);
        let expect = Expect { order: Duty::May, ..Expect::exact() };
        assert_copied(&source.read(), &target.read(), &expect);
    }
}

/// Waits until the server has done what the dead connections had sent.
fn settle(place: &Place<'_>) {
    let end = Instant::now() + Duration::from_secs(10);
    let mut before = place.read();
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(150));
        let now = place.read();
        if now == before {
            return;
        }
        before = now;
    }
}

/// The lines that tell of mailboxes and messages, and none that tells of time.
fn numbers(finished: &Finished) -> Vec<String> {
    let begins = [
        "Host1 ",
        "Host2 ",
        "Host2-Host1",
        "Folders synced",
        "Messages ",
        "Total bytes",
        "Biggest message",
        "Start difference",
        "Final difference",
        "The sync",
        "There ",
    ];
    let of_time = ["Message rate"];
    let told = finished.stdout.lines().filter(|line| {
        begins.iter().any(|begin| line.starts_with(begin))
            && !of_time.iter().any(|begin| line.starts_with(begin))
    });
    told.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn imapsync_tells_the_same_numbers_with_and_without_state() {
    let Some(world) = World::open() else { return };
    let source = Place::new(&world.slash, "numbers");
    furnish(&source);
    let targets = [Place::new(&world.dot, "with"), Place::new(&world.dot, "without")];
    let desk = Desk::new();
    let run = |target: &Place<'_>, options: &[&str], stateless: bool| {
        let mut command = desk.imapsync_command(&source, target, options);
        if stateless {
            command.env(STATELESS.0, STATELESS.1);
        }
        desk.finish(command).expect(0)
    };
    let rounds: [&[&str]; 6] =
        [&[], &[], &["--delete2"], &["--delete2duplicates"], &["--maxage", "10"], &["--delete2"]];
    for (round, options) in (0_i64..).zip(rounds) {
        let told = [run(&targets[0], options, false), run(&targets[1], options, true)];
        assert_eq!(numbers(&told[0]), numbers(&told[1]), "{options:?} in round {round}");
        assert!(numbers(&told[0]).len() > 30);
        let dry = [options, &["--dry"]].concat();
        let told = [run(&targets[0], &dry, false), run(&targets[0], &dry, true)];
        assert_eq!(numbers(&told[0]), numbers(&told[1]), "{dry:?} in round {round}");
        // An edit, a duplicate, one less, a flag.
        let edit = mail("inbox", 95).octets;
        let edit = [edit, b"Edited.\r\n".repeat(usize::try_from(round).unwrap() + 1)].concat();
        source.put("INBOX", &[Draft::new(edit).dated(EPOCH + round), mail("cafe", 1)]);
        source.put("Caf&AOk-", &[mail("cafe", 1)]);
        let uid = source.read().messages("INBOX")[0].uid;
        let mut probe = source.probe();
        probe.remove("INBOX", &[uid]).unwrap();
        probe.store("Drafts", &[1], if round % 2 == 0 { "+FLAGS" } else { "-FLAGS" }, "b").unwrap();
        for target in &targets {
            target.put("Sent", &[mail("own", round)]);
        }
    }
}

/// The target took its own clock, so that the date of an edit does not say that it is there.
#[test]
fn an_edit_with_the_date_of_the_first_draft_is_copied_where_dates_are_not() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    source.put("INBOX", &mails("draft", 2));
    let desk = Desk::new();
    desk.imapsync(&source, &target, &["--nosyncinternaldates"]).expect(0);
    source.probe().remove("INBOX", &[1]).unwrap();
    let edited = [mail("draft", 0).octets, b"Edited.\r\n".to_vec()].concat();
    source.put("INBOX", &[Draft::new(edited).dated(EPOCH)]);
    let run = desk.imapsync(&source, &target, &["--nosyncinternaldates"]).expect(0);
    assert_eq!(run.transferred(), 1, "{}", run.report());
}

#[test]
fn each_mailbox_is_told_of_once_also_where_it_is_listed_again() {
    let Some(world) = World::open() else { return };
    let (source, target) = plainly(world.pair(Way::SlashToDot));
    furnish(&source);
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &[]).expect(0);
    target.put("INBOX", &mails("surplus", 2));
    let told = |options: &[&str]| {
        let run = desk.ferry("plan", &source, &target, options).expect(0);
        let lines = run.json_lines().into_iter().filter(|line| line["event"] == "listed");
        let mut lines: Vec<String> = lines.map(|line| line.to_string()).collect();
        lines.sort();
        lines
    };
    let with = told(&["--mirror", "--json"]);
    assert!(with.len() > 10, "{with:?}");
    assert_eq!(with, told(&["--mirror", "--json", "--nostate"]));
}
