//! Processes and their ends.

use mailferry_testkit::proxy::{Cut, Manner, Proxy, Weather};

use super::Scenario;
use crate::scene::*;
use crate::world::*;
use std::os::unix::process::ExitStatusExt as _;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S237", |s| {
        let pidfile = s.desk.path().join("pid");
        s.alone(&["--pidfile", pidfile.to_str().unwrap(), "--justbanner", "--nolog"], 0);
        assert!(!pidfile.exists());
    }),
    ("S238", |s| {
        drop(s.alone(&["--pidfile", "/no/such/folder/pid", "--justbanner", "--nolog"], 8))
    }),
    ("S240", |s| {
        s.source.put("INBOX", &mails("inbox", 6));
        let folder = s.desk.path().to_str().unwrap().to_owned();
        let pidfile = format!("{folder}/pid");
        let slow =
            ["--pidfile", &pidfile, "--maxmessagespersecond", "2", "--log", "--logdir", &folder];
        let mut first = s.desk.start(s.desk.imapsync_command(&s.source, &s.target, &slow));
        until_it_copies(&s);
        let waiting = std::thread::spawn(move || first.wait().unwrap());
        let options = ["--pidfile", &pidfile, "--pidfilelocking", "--tail"];
        let run = Desk::new().imapsync(&s.source, &s.target, &options).expect(0);
        has(&run, &["copied to", "Messages transferred", "The sync looks good"]);
        assert!(waiting.join().unwrap().success());
    }),
    ("S241", abort_a_run),
    ("S242", |s| {
        let run = s.alone(&["--abort", "--pidfile", "/no/such/pidfile", "--nolog"], 0);
        has(&run, &["Can not read pidfile"]);
    }),
    ("S244", |s| {
        let pidfile = s.desk.file("pid", "12345678\n");
        let run = s.alone(&["--abort", "--pidfile", pidfile.to_str().unwrap(), "--nolog"], 0);
        has(&run, &["is not a pid number"]);
    }),
    ("S245", |s| {
        // In its own folder for temporary files, which other tests do not share.
        let folder = s.desk.path().to_str().unwrap().to_owned();
        s.source.put("INBOX", &mails("inbox", 40));
        let options = ["--maxmessagespersecond", "1"];
        let mut victim = s.desk.start(s.desk.imapsync_command(&s.source, &s.target, &options));
        until_it_copies(&s);
        let waiting = std::thread::spawn(move || victim.wait().unwrap());
        has(&alone(&Desk::new(), &["--abort", "--tmpdir", &folder, "--nolog"], 0), &[" ended."]);
        assert!(!waiting.join().unwrap().success());
    }),
    ("S246", end_a_run_by_a_file),
    ("S248", end_a_run_by_an_aborter),
    // An interrupt ends the run after what is in flight, and the next run goes on.
    ("S249", |s| {
        let (mut child, _) = run_under_way(&s);
        send(&child, "-INT");
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(123), "{}", s.desk.output("stdout"));
        assert!(s.desk.output("stdout").contains("Messages transferred"));
        s.run(&["--sigreconnect", "INT"], 0);
        assert_eq!(s.target.read().messages("INBOX").len(), 40);
    }),
    ("S250", |s| {
        s.source.put("INBOX", &mails("inbox", 12));
        let options = ["--maxmessagespersecond", "4", "--sigignore", "INT"];
        let mut child = s.desk.start(s.desk.imapsync_command(&s.source, &s.target, &options));
        until_it_copies(&s);
        send(&child, "-INT");
        assert!(child.wait().unwrap().success(), "{}", s.desk.output("stdout"));
        assert_eq!(s.target.read().messages("INBOX").len(), 12);
    }),
    ("S252", |s| {
        s.source.put("INBOX", &mails("inbox", 200));
        let cut = Cut { client_octets: 40_000, connections: 1, manner: Manner::Reset };
        let weather = Weather { cut: Some(cut), ..Weather::default() };
        let proxy = Proxy::start(s.target.server.imap(), weather).unwrap();
        let through = s.target.through(proxy.address());
        let options = ["--tls1", "--tls2", "--debugimap2"];
        let run = s.desk.imapsync(&s.source, &through, &options).expect(0);
        assert!(proxy.cuts() > 0, "nothing was cut");
        let sent = |words: &str| {
            let lines = run.stdout.lines().filter(|line| line.starts_with("Host2 >"));
            lines.filter(|line| line.contains(words)).count()
        };
        let logins = sent(" LOGIN ") + sent(" AUTHENTICATE ");
        assert!(logins > 1 && sent(" STARTTLS") == logins, "{}", run.report());
        assert_copied(&s.source.read(), &s.target.read(), &Expect::exact());
    }),
];

fn abort_a_run(s: Scene<'_>) {
    let (mut victim, pidfile) = run_under_way(&s);
    let aborter = Desk::new();
    let mut command = aborter.shell("exec \"$0\" \"$@\"");
    command.arg(env!("CARGO_BIN_EXE_imapsync")).args(["--abort", "--pidfile", &pidfile, "--nolog"]);
    // Whoever starts a run waits for it, or it would stay a process.
    let aborting = std::thread::spawn(move || aborter.finish(command));
    let status = victim.wait().unwrap();
    let ended = aborting.join().unwrap().expect(0);
    has(&ended, &[&format!("Process PID {} ended.", victim.id())]);
    let is_ended = matches!(status.code(), Some(131 | 137)) || status.signal() == Some(9);
    assert!(is_ended, "{status:?}\n{}", s.desk.output("stdout"));
    assert!(s.desk.output("stdout").contains("Killing myself with signal QUIT"));
}

fn end_a_run_by_a_file(s: Scene<'_>) {
    let (mut victim, pidfile) = run_under_way(&s);
    let file = format!("{pidfile}abort{}", victim.id());
    std::fs::write(&file, "").unwrap();
    assert_eq!(victim.wait().unwrap().code(), Some(7), "{}", s.desk.output("stdout"));
    assert!(!std::path::Path::new(&file).exists());
    assert!(s.desk.output("stdout").contains("EXIT_BY_FILE"));
}

fn end_a_run_by_an_aborter(s: Scene<'_>) {
    let (mut victim, pidfile) = run_under_way(&s);
    let options = ["--abortbyfile", "--pidfile", &pidfile, "--nolog"];
    alone(&Desk::new(), &options, 0);
    assert_eq!(victim.wait().unwrap().code(), Some(7), "{}", s.desk.output("stdout"));
}

fn send(child: &std::process::Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}
