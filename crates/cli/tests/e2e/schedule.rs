//! Timers: what `mailferry schedule` writes, what it tells systemd and cron, and that nothing else
//! is touched.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::jobs::*;
use crate::world::{Desk, Finished};

/// A desk with a job, a `systemctl` that writes down what it is told, and a `crontab` that keeps a
/// file.
struct Machine {
    desk: Desk,
}

impl Machine {
    fn new() -> Self {
        let desk = Desk::new();
        let text = "kind = \"backup\"\nsource = \"imaps://u@h\"\ntarget = \"maildir:/srv/a\"\n";
        write_jobs(&desk, &format!("[job.alice]\n{text}\n[job.bob]\n{text}"));
        std::fs::create_dir(desk.path().join("bin")).unwrap();
        let machine = Self { desk };
        machine.tool(
            "systemctl",
            "echo \"$@\" >>$HOME/told; [ ! -e $HOME/refuse ] || { echo no bus >&2; exit 1; }",
        );
        machine.tool(
            "crontab",
            "case $1 in\n-l) cat $HOME/table 2>/dev/null || { echo no crontab for me >&2; exit 1; };;\n\
             -) cat >$HOME/table; echo . >>$HOME/written;;\nesac",
        );
        machine
    }

    fn tool(&self, name: &str, script: &str) {
        let path = self.desk.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn schedule(&self, words: &[&str]) -> Finished {
        let path = format!("{}:/usr/bin:/bin", self.desk.path().join("bin").display());
        let mut command = self.desk.command_of_ferry();
        command.arg("schedule").args(words).env("PATH", path);
        self.desk.finish(command)
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.desk.path().join("XDG_CONFIG_HOME").join("systemd").join("user").join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.desk.path().join(name)).unwrap_or_default()
    }
}

const DAILY: [&str; 8] =
    ["install", "alice", "--with", "systemd", "--every", "day", "--at", "03:10"];

#[test]
fn a_timer_of_systemd_is_written_shown_started_and_taken_away() {
    let machine = Machine::new();
    let run = machine.schedule(&DAILY).expect(0);
    let (service, timer) =
        (machine.unit("mailferry-alice.service"), machine.unit("mailferry-alice.timer"));
    let texts = [&service, &timer].map(|path| std::fs::read_to_string(path).unwrap());
    for (path, text) in [(&service, &texts[0]), (&timer, &texts[1])] {
        assert!(run.stdout.contains(&format!("# {}\n{}", path.display(), text.trim_end())));
    }
    let program = std::fs::canonicalize(env!("CARGO_BIN_EXE_mailferry")).unwrap();
    let start = format!("ExecStart={} job run --quiet alice\n", program.display());
    assert!(texts[0].contains(&start), "{}", texts[0]);
    let state = machine.desk.path().join("XDG_STATE_HOME");
    assert!(texts[0].contains(&format!("Environment=\"XDG_STATE_HOME={}\"", state.display())));
    for line in ["OnCalendar=*-*-* 03:10:00", "Persistent=true", "RandomizedDelaySec=600"] {
        assert!(texts[1].lines().any(|it| it == line), "{line}: {}", texts[1]);
    }
    let told = "--user daemon-reload\n--user enable --now mailferry-alice.timer\n";
    assert_eq!(machine.text("told"), told);
    // Twice is the same.
    machine.schedule(&DAILY).expect(0);
    assert_eq!([&service, &timer].map(|path| std::fs::read_to_string(path).unwrap()), texts);

    let list = machine.schedule(&["list"]).expect(0);
    let line = format!("alice  *-*-* 03:10:00  (systemd, user: {})\n", timer.display());
    assert_eq!(list.stdout, line);
    // One of somebody else's is neither listed, nor written over, nor removed.
    let foreign = machine.unit("mailferry-bob.timer");
    std::fs::write(&foreign, "[Timer]\n").unwrap();
    let other = ["install", "bob", "--with", "systemd", "--every", "hour"];
    machine.schedule(&other).expect(111);
    machine.schedule(&["remove", "bob"]).expect(0);
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "[Timer]\n");
    assert_eq!(machine.schedule(&["list"]).expect(0).stdout, line);

    machine.schedule(&["remove", "alice"]).expect(0);
    assert!(!service.exists() && !timer.exists());
    assert!(
        machine
            .text("told")
            .ends_with("--user disable --now mailferry-alice.timer\n--user daemon-reload\n")
    );
}

#[test]
fn systemd_takes_what_is_written() {
    let tool = Command::new("systemd-analyze").arg("--version").output();
    if tool.is_err() {
        eprintln!("left out: there is no systemd-analyze");
        return;
    }
    let machine = Machine::new();
    machine.schedule(&DAILY).expect(0);
    for name in ["mailferry-alice.service", "mailferry-alice.timer"] {
        let output = Command::new("systemd-analyze")
            .args(["--user", "--man=no", "verify"])
            .arg(machine.unit(name))
            .env("XDG_RUNTIME_DIR", machine.desk.path())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> = words.lines().filter(|line| line.contains("mailferry-")).collect();
        assert!(output.status.success() && ours.is_empty(), "{name}: {words}");
    }
    let timer = std::fs::read_to_string(machine.unit("mailferry-alice.timer")).unwrap();
    let calendar = timer.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    let judged = Command::new("systemd-analyze").args(["calendar", calendar]).output().unwrap();
    assert!(judged.status.success(), "{calendar}");
    // A calendar that is none is refused before anything is written.
    let bad = ["install", "bob", "--with", "systemd", "--calendar", "whenever"];
    let run = machine.schedule(&bad).expect(64);
    assert!(run.stderr.contains("is no calendar of systemd's"), "{}", run.report());
    assert!(!machine.unit("mailferry-bob.timer").exists());
    let good = ["install", "bob", "--with", "systemd", "--calendar", "Mon..Fri *-*-* 02:00"];
    machine.schedule(&good).expect(0);
}

#[test]
fn a_timer_that_systemd_does_not_take_leaves_nothing() {
    let machine = Machine::new();
    machine.desk.file("refuse", "");
    let run = machine.schedule(&DAILY).expect(111);
    assert!(
        run.stderr.contains("`systemctl --user daemon-reload` failed: no bus"),
        "{}",
        run.report()
    );
    assert!(!machine.unit("mailferry-alice.timer").exists());
    assert!(!machine.unit("mailferry-alice.service").exists());
}

#[test]
fn a_line_in_the_crontab_stands_between_marks_and_nothing_else_is_touched() {
    let machine = Machine::new();
    let others = "MAILTO=me\n5 5 * * * other \\% job\n# END mailferry job alice\n";
    let weekly = [
        "install", "alice", "--with", "cron", "--every", "week", "--on", "monday", "--at", "04:05",
    ];
    // There was none.
    machine.schedule(&weekly).expect(0);
    let alone = machine.text("table");
    assert!(
        alone.starts_with("# BEGIN mailferry job alice\n5 4 * * 1 XDG_CONFIG_HOME="),
        "{alone}"
    );
    assert!(alone.ends_with(" job run --quiet alice\n# END mailferry job alice\n"), "{alone}");
    machine.schedule(&weekly).expect(0);
    assert_eq!(machine.text("written"), ".\n", "the second time nothing changed");

    machine.desk.file("table", others);
    machine.schedule(&weekly).expect(0);
    let both = machine.text("table");
    assert_eq!(both, format!("{others}{alone}"));
    let hourly = ["install", "bob", "--with", "cron", "--every", "hour", "--at", ":07"];
    machine.schedule(&hourly).expect(0);
    let list = machine.schedule(&["list"]).expect(0);
    assert_eq!(list.stdout, "alice  5 4 * * 1  (cron: crontab)\nbob  7 * * * *  (cron: crontab)\n");
    machine.schedule(&["remove", "alice"]).expect(0);
    machine.schedule(&["remove", "bob"]).expect(0);
    assert_eq!(machine.text("table"), others);
    // Cron itself takes the line: the command runs as it stands.
    let command = alone.lines().nth(1).unwrap().splitn(6, ' ').nth(5).unwrap().replace("\\%", "%");
    let run = machine.desk.finish(machine.desk.shell(&command));
    assert_ne!(run.status, Some(127), "{}", run.report());
}

#[test]
fn what_cannot_be_is_refused_and_writes_nothing() {
    let machine = Machine::new();
    for (words, said) in [
        (&["install", "nobody", "--every", "day"][..], "there is no job `nobody`"),
        (&["install", "alice"], "it is not said when"),
        (&["install", "alice", "--every", "day", "--at", "25:00"], "is no time of day"),
        (&["install", "alice", "--every", "day", "--on", "monday"], "--every week"),
        (&["install", "alice", "--with", "cron", "--calendar", "daily"], "cron knows no calendar"),
        (&["install", "alice", "--with", "cron", "--every", "day", "--system"], "--system"),
        (&["remove", "../x"], "is the name of no job"),
    ] {
        let run = machine.schedule(words).expect(64);
        assert!(run.stderr.contains(said), "{said}: {}", run.report());
    }
    write_jobs(&machine.desk, "[job.alice]\nkind = \"backup\"\n");
    machine.schedule(&DAILY).expect(64);
    assert!(!machine.unit("mailferry-alice.timer").exists() && machine.text("table").is_empty());
}
