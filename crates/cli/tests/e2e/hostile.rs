//! Servers that mean ill: nothing of what they say acts on a terminal, becomes a command for the other
//! side, makes a file outside of its folder, or makes a program panic or hang.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::pair::{Pair, fill};
use crate::world::{Desk, Finished, Front};
use mailferry_testkit::fuzz::{Grammar, Mutations, first_number, time_for_each};
use mailferry_testkit::sim::{AppendRequest, Date, Profile, Server};

/// ESC, a C1 CSI, BEL, CR, LF, DEL, and what turns the direction of writing.
const ACTING: [char; 9] =
    ['\x1b', '\u{9b}', '\x07', '\r', '\n', '\x7f', '\u{202e}', '\u{2066}', '\u{200f}'];

/// A name as it stands on the wire.
fn encoded(name: &str) -> String {
    String::from_utf8(mailferry_imap::mutf7::encode(name)).unwrap()
}

/// Nothing acts on a terminal.
#[track_caller]
fn assert_harmless(text: &str, of: &str) {
    let acts = |letter: char| {
        (letter.is_control() && letter != '\n' && letter != '\t') || ACTING[6..].contains(&letter)
    };
    if let Some(at) = text.find(acts) {
        let begin = text.floor_char_boundary(at.saturating_sub(200));
        panic!("{of} acts on a terminal: {:?}", &text[begin..text.ceil_char_boundary(at + 20)]);
    }
}

#[track_caller]
fn assert_quiet(run: &Finished, of: &str) {
    assert_harmless(&run.stdout, of);
    assert_harmless(&run.stderr, of);
    assert!(!run.stderr.contains("panicked"), "{}", run.report());
}

/// It was reached by proper commands only, and by none that a name smuggled in.
#[track_caller]
fn assert_proper(server: &Server) {
    let commands = server.state().commands();
    assert_eq!(server.state().improper(), [""; 0], "{commands:#?}");
    assert!(!commands.iter().any(|line| line.contains("INJECTED")), "{commands:#?}");
}

/// Names, keywords, subjects and refusals that would do something if they were let.
fn hostile() -> Pair {
    let refuse = |request: &AppendRequest<'_>| {
        let evil = request.octets.windows(4).any(|window| window == b"evil");
        evil.then(|| "[CANNOT] \x1b[2J\x1b]0;INJECTED\x07 \u{9b}31m \u{202e}no\x7f".to_owned())
    };
    let greeting = "\x1b[2J\u{9b}hello \u{202e}Dovecot ready.".to_owned();
    let evil = |profile: Profile| Profile { greeting: greeting.clone(), ..profile };
    let target = Profile { refuse: Some(Arc::new(refuse)), ..evil(Profile::modern()) };
    let pair = Pair::new(evil(Profile::modern()), target);
    fill(&pair.from, "INBOX", 1..5);
    for (at, acting) in ACTING.into_iter().enumerate() {
        let number = 100 + 10 * at as i64;
        // As names are to be encoded, and as they are not; a raw line break would end the line.
        fill(&pair.from, &encoded(&format!("{at} {acting}[2J")), number..number + 2);
        if !matches!(acting, '\r' | '\n') {
            fill(&pair.from, &format!("raw {at} {acting}[2J"), number + 5..number + 6);
        }
    }
    let injection = encoded("a\r\nA7 DELETE INBOX");
    let names =
        ["\"quoted\\\"", &injection, "..", "../../mischief", "per%cent", "st*r", "{5}", "-rf"];
    for (at, name) in names.into_iter().enumerate() {
        let number = 300 + 10 * at as i64;
        fill(&pair.from, name, number..number + 2);
    }
    let message = |name: &str| {
        format!("Message-Id: <{name}@x>\r\nSubject: \x1b[2J\u{202e}{name}\r\n\r\n{name}\r\n")
    };
    for (mailbox, name, flags) in [
        ("INBOX", "evil", &["\\Seen"][..]),
        ("INBOX", "plain", &["key\x1b[2J", "$Work"]),
        ("INBOX", "eightbit", &["caf\u{e9}", "\\Odd"]),
        ("Flags", "injection", &["a) \"INJECTED", "{3}", "c]", "d\\"]),
    ] {
        pair.from.append(mailbox, message(name).as_bytes(), flags, Date::utc(1_600_000_000));
    }
    pair
}

/// Whether a command line copies anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    Some,
    None,
}

#[test]
fn nothing_that_a_server_names_acts_on_a_terminal_or_becomes_a_command() {
    for (front, verb, options, copies) in [
        (Front::Mailferry, "plan", &["--save", "plan.json"][..], Copies::None),
        (Front::Mailferry, "sync", &["--verbose"], Copies::Some),
        (Front::Mailferry, "sync", &["--json"], Copies::Some),
        (Front::Mailferry, "sync", &["--trace"], Copies::Some),
        (Front::Mailferry, "check", &[], Copies::None),
        (Front::Mailferry, "check", &["--json"], Copies::None),
        (Front::Imapsync, "", &["--logfile", "log.txt"], Copies::Some),
        (Front::Imapsync, "", &["--nolog", "--debugimap", "--automap", "--dry"], Copies::None),
        (Front::Imapsync, "", &["--nolog", "--justfolders"], Copies::None),
        (Front::Imapsync, "", &["--nolog", "--justlogin"], Copies::None),
    ] {
        let (pair, desk) = (hostile(), Desk::new());
        let of = format!("{front:?} {verb} {options:?}");
        for round in 1..=2 {
            let run = desk.finish(pair.within(&desk, "exec \"$@\"", (front, verb, options)));
            assert_quiet(&run, &format!("{of}, run {round}"));
            let copied = if copies == Copies::Some { 6 } else { 0 };
            assert_eq!(pair.to.messages("INBOX").len(), copied, "{of}: {}", run.report());
        }
        assert_proper(&pair.target);
        let mut files = Vec::new();
        files_below(desk.path(), &mut files);
        for path in &files {
            let name = path.rsplit('/').next().unwrap_or_default();
            assert!(!name.contains("mischief"), "{path}");
            if name.ends_with(".json") || name == "log.txt" {
                assert_harmless(&std::fs::read_to_string(path).unwrap(), path);
            }
        }
        let kept = files.iter().any(|path| path.ends_with(".eml"));
        assert_eq!(kept, copies == Copies::Some, "{of}: {files:?}");
    }
}

fn files_below(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        files.push(path.display().to_string());
        if path.is_dir() {
            files_below(&path, files);
        }
    }
}

const RESPONSES: Grammar = Grammar {
    words: &[
        b"* ",
        b"OK ",
        b"NO \x1b[2J",
        b"BAD \xc2\x9b",
        b"* BYE \x1b]0;x\x07\r\n",
        b"FETCH (",
        b"UID 1",
        b"{3}\r\nabc",
        b"{4294967296}\r\n",
        b"{99999999999999999999}\r\n",
        b"\r\n* 4294967295 EXISTS\r\n",
        b"\r\n* LIST () \"/\" {21}\r\nx\r\nA9 DELETE INJECTED\r\n",
        b"\r\n* LIST () \"\x1b\" \"a\x1b[2J\"\r\n",
        b"\r\n* 1 FETCH (FLAGS ({12}\r\na) INJECTED\r))\r\n",
        b"[UIDVALIDITY 1] ",
        b"[APPENDUID 1 1:4294967295] ",
        b"\r\n* ESEARCH UID ALL 1:4294967295\r\n",
        b"\r\n* VANISHED 1:4294967295\r\n",
        b"((((((((((((((((",
        b"\r\n* CAPABILITY IMAP4rev1 LITERAL+ BINARY\r\n",
    ],
};

/// Lies that were told.
static LIES: AtomicU64 = AtomicU64::new(0);

/// In front of a server: changes some of what it says, and hangs up after a silence.
fn liar(upstream: SocketAddr, number: u64) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (at, client) in listener.incoming().enumerate() {
            let Ok(client) = client else { return };
            let Ok(server) = TcpStream::connect(upstream) else { return };
            let lies = Mutations::new(vec![b"* OK ".to_vec()], RESPONSES, number + at as u64);
            let (other_client, other_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || carry(&other_client, &other_server, |_| {}));
            std::thread::spawn(move || {
                let mut lies = lies;
                carry(&server, &client, |words| {
                    if lies.roll(5) == 0 {
                        lies.mutate(words);
                        LIES.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
        }
    });
    address
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, mut change: impl FnMut(&mut Vec<u8>)) {
    let mut octets = vec![0; 16 << 10];
    from.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    while let Ok(read @ 1..) = from.read(&mut octets) {
        let mut words = octets[..read].to_vec();
        change(&mut words);
        if to.write_all(&words).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

/// With at most so many KiB of memory, in which a program of its kind runs easily.
const MEMORY_KIB: u32 = 2 << 20;

#[test]
fn whatever_a_server_says_a_program_ends_and_says_nothing_harmful() {
    let first = first_number();
    let end = Instant::now() + 3 * time_for_each();
    let (mut runs, mut failed) = (0, 0);
    while Instant::now() < end || runs < 4 {
        let number = first.wrapping_add(1000 * runs);
        let pair = Pair::new(Profile::resyncing(), Profile::resyncing());
        fill(&pair.from, "INBOX", 1..40);
        fill(&pair.from, "Work", 100..120);
        fill(&pair.to, "INBOX", 1..9);
        let before = pair.from.snapshot();
        let source_lies = runs % 2 == 0;
        let mut words = pair.words(Front::Imapsync, "", &[]);
        let honest = if source_lies { &pair.target } else { &pair.source };
        let lying = if source_lies { &pair.source } else { &pair.target };
        let port = lying.addr().port().to_string();
        let detour = liar(lying.addr(), number).port().to_string();
        words.iter_mut().filter(|word| **word == port).for_each(|word| *word = detour.clone());
        let more = [
            "--nolog",
            "--timeout",
            "2",
            "--reconnectretry1",
            "1",
            "--reconnectretry2",
            "1",
            "--debugimap",
        ];
        words.extend(more.map(str::to_owned));
        let desk = Desk::new();
        let mut command = desk.shell(&format!("ulimit -v {MEMORY_KIB}; exec \"$@\""));
        command.arg("sh").args(&words);
        eprintln!("FUZZ_SEED={number}");
        let run = desk.finish(command);
        // A signal would be a crash: memory without bounds, or worse.
        assert!(run.status.is_some(), "a signal ended it: {}", run.report());
        assert_quiet(&run, &format!("FUZZ_SEED={number}"));
        assert_proper(honest);
        assert!(before == pair.from.snapshot(), "FUZZ_SEED={number}: the source was changed");
        for message in 1..9 {
            let there = pair.to.messages("INBOX");
            assert!(
                there.iter().any(|found| found.uid == message),
                "FUZZ_SEED={number}: {message} went"
            );
        }
        failed += u64::from(run.status != Some(0));
        runs += 1;
    }
    eprintln!("{runs} runs, {failed} of them failed");
    assert!(LIES.load(Ordering::Relaxed) > runs, "hardly any lie was told");
}
