//! Archives in plain files: an account goes there and comes back, programs that know nothing of this
//! one read it, and runs that are killed leave it whole.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::jobs::write_jobs;
use crate::world::*;

/// What a program in Python tells of a folder: the octets of the messages of each mailbox, in
/// hexadecimal digits.
fn read_by_python(script: &str, folder: &Path) -> BTreeMap<String, Vec<String>> {
    let said = Command::new("python3").args(["-c", script]).arg(folder).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(said.stdout).unwrap().lines() {
        let (mailbox, octets) = line.split_once('\t').unwrap();
        let messages = found.entry(mailbox.to_owned()).or_default();
        if !octets.is_empty() {
            messages.push(octets.to_owned());
        }
    }
    found.values_mut().for_each(|messages| messages.sort());
    found
}

/// The same of an account, whose mailboxes have these folders.
fn as_python_reads(account: &Account) -> BTreeMap<String, Vec<String>> {
    let folder = |name: &str| name.replace("Caf&AOk-", "Café").replace("Q&-A", "Q&A");
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let mailbox = |(name, messages): (&String, &Vec<Message>)| {
        let mut all: Vec<String> = messages.iter().map(|message| hex(&message.octets)).collect();
        all.sort();
        (folder(name), all)
    };
    account.mailboxes.iter().map(mailbox).collect()
}

fn comes_and_goes(world: &World, scheme: &'static str) {
    let case = Archive::open(world, scheme);
    let original = case.goes_there_and_back(world);
    assert_eq!(read_by_python(script(scheme), &case.folder), as_python_reads(&original));
    let again = case.archive(&["--mirror", "--json", "--nostate"]).expect(0).json_lines();
    assert!(again.iter().all(|line| line["event"] != "copied"), "copied twice");
    case.changes();
    assert!(!case.folder.join("Drafts").exists());
    let changed = as_python_reads(&case.source.read());
    assert_eq!(read_by_python(script(scheme), &case.folder), changed);
}

/// Octets as a program reads them that knows the form and nothing else.
fn script(scheme: &str) -> &'static str {
    match scheme {
        "eml:" => {
            "import email, os, sys\n\
             for folder, below, files in os.walk(sys.argv[1]):\n\
             \x20 name = os.path.relpath(folder, sys.argv[1])\n\
             \x20 if 'mailferry.index' in files: print(name, '', sep='\\t')\n\
             \x20 for file in files:\n\
             \x20   if file.endswith('.eml'):\n\
             \x20     octets = open(os.path.join(folder, file), 'rb').read()\n\
             \x20     assert email.message_from_bytes(octets)['Message-ID']\n\
             \x20     print(name, octets.hex(), sep='\\t')\n"
        }
        "mbox:" => {
            "import mailbox, os, re, sys\n\
             for folder, below, files in os.walk(sys.argv[1]):\n\
             \x20 name = os.path.relpath(folder, sys.argv[1])\n\
             \x20 if 'mailferry.index' in files: print(name, '', sep='\\t')\n\
             \x20 if 'mbox' in files:\n\
             \x20   box = mailbox.mbox(os.path.join(folder, 'mbox'), create=False)\n\
             \x20   for key in box.keys():\n\
             \x20     assert box[key]['Message-ID']\n\
             \x20     octets = re.sub(rb'(?m)^>(>*From )', rb'\\1', box.get_bytes(key))\n\
             \x20     print(name, octets.hex(), sep='\\t')\n"
        }
        other => panic!("{other}"),
    }
}

fn is_whole_after_kills(world: &World, scheme: &'static str) {
    let case = Archive::open(world, scheme);
    case.source.put("Many", &mails("many", 400));
    let original = case.source.read();
    for milliseconds in [30, 60, 90, 120, 180] {
        case.archive_killed_after(milliseconds, &[]);
    }
    case.archive(&[]).expect(0);
    let (source, folder) = (case.source.url("imap"), case.url());
    case.run("check", &source, &folder, &["--deep"]).expect(0);
    assert_eq!(read_by_python(script(scheme), &case.folder), as_python_reads(&original));
    // And while messages are removed.
    let gone: Vec<u32> = (1..=399).step_by(2).collect();
    case.source.probe().remove("Many", &gone).unwrap();
    for milliseconds in [60, 120, 180] {
        case.archive_killed_after(milliseconds, &["--mirror", "--max-delete", "100%"]);
    }
    case.archive(&["--mirror", "--max-delete", "100%"]).expect(0);
    case.run("check", &source, &folder, &["--deep"]).expect(0);
    let left = as_python_reads(&case.source.read());
    assert_eq!(read_by_python(script(scheme), &case.folder), left);
}

fn keeps_and_undoes_what_a_mirror_removes(world: &World, scheme: &'static str) {
    let case = Archive::open(world, scheme);
    let keeping = ["--mirror", "--backup-mailbox", "Backup", "--quiet"];
    case.archive(&keeping).expect(0);
    let whole = case.source.read();
    let before = as_python_reads(&whole);
    case.source.probe().remove("INBOX", &[2, 6]).unwrap();
    case.source.probe().delete("Drafts").unwrap();
    case.archive(&keeping).expect(0);
    let found = read_by_python(script(scheme), &case.folder);
    let kept: usize = found
        .iter()
        .filter(|(name, _)| name.starts_with("Backup/"))
        .map(|(_, all)| all.len())
        .sum();
    let gone = whole.message_count() - case.source.read().message_count();
    assert!(gone > 3 && !found.contains_key("Drafts"));
    assert_eq!(kept, gone);
    case.run("check", &case.source.url("imap"), &case.url(), &["--backup-mailbox", "Backup"])
        .expect(0);
    for _ in 0..2 {
        let words = ["undo", "last", &case.source.url("imap"), &case.url(), "--yes"];
        case.desk
            .mailferry(&[&words, &["--source-password-command", "cat from"][..]].concat())
            .expect(0);
        let mut undone = read_by_python(script(scheme), &case.folder);
        undone.retain(|name, _| !name.starts_with("Backup"));
        assert_eq!(undone, before);
    }
}

fn serves_all_verbs(world: &World, scheme: &'static str) {
    let case = Archive::open(world, scheme);
    case.archive(&["--mirror"]).expect(0);
    let (source, folder) = (case.source.url("imap"), case.url());
    case.run("plan", &source, &folder, &[]).expect(0);
    case.desk.file("to", &case.source.password);
    let told = case.run("doctor", &folder, &source, &[]);
    assert!(told.stdout.contains("archive of mail"), "{}", told.report());

    case.brings_back();

    // From one form to another, and a form on trial.
    let other = format!("maildir:{}", case.desk.path().join("other").display());
    case.run("sync", &folder, &other, &[]).expect(0);
    case.run("check", &folder, &other, &["--deep"]).expect(0);
    let text = "[job.a]\nkind = \"backup\"\nsource = \"@\"\ntarget = \"%\"\nsource_password_file = \"?\"\n";
    let secret = case.desk.file("secret", &case.source.password);
    let text = text.replace('@', &source).replace('%', &folder);
    let text = text.replace('?', &secret.display().to_string());
    write_jobs(&case.desk, &text);
    let into = format!("{scheme}{}", case.desk.path().join("trial").display());
    for _ in 0..2 {
        let run = case.desk.mailferry(&["drill", "a", "--into", &into]).expect(0);
        assert!(run.stdout.contains("drill a: good: "), "{}", run.report());
    }

    // What is no archive is told.
    let nowhere = format!("{scheme}{}/nowhere", case.desk.path().display());
    let run = case.run("sync", &nowhere, &other, &[]).expect_failure();
    assert!(run.stderr.contains("nowhere"), "{}", run.report());
    fs::write(case.desk.path().join("a file"), b"a file").unwrap();
    let file = format!("{scheme}{}/a file", case.desk.path().display());
    case.run("sync", &source, &file, &[]).expect_failure();
    assert_eq!(fs::read(case.desk.path().join("a file")).unwrap(), b"a file");
}

#[test]
fn an_account_goes_to_a_folder_of_eml_and_comes_back() {
    let Some(world) = World::open() else { return };
    comes_and_goes(&world, "eml:");
}

#[test]
fn a_run_that_is_killed_leaves_a_folder_of_eml_whole() {
    let Some(world) = World::open() else { return };
    is_whole_after_kills(&world, "eml:");
}

#[test]
fn a_folder_of_eml_keeps_what_goes() {
    let Some(world) = World::open() else { return };
    keeps_and_undoes_what_a_mirror_removes(&world, "eml:");
}

#[test]
fn a_folder_of_eml_serves_all_verbs() {
    let Some(world) = World::open() else { return };
    serves_all_verbs(&world, "eml:");
}

#[test]
fn an_account_goes_to_an_mbox_and_comes_back() {
    let Some(world) = World::open() else { return };
    comes_and_goes(&world, "mbox:");
}

#[test]
fn a_run_that_is_killed_leaves_an_mbox_whole() {
    let Some(world) = World::open() else { return };
    is_whole_after_kills(&world, "mbox:");
}

#[test]
fn an_mbox_keeps_what_goes() {
    let Some(world) = World::open() else { return };
    keeps_and_undoes_what_a_mirror_removes(&world, "mbox:");
}

#[test]
fn an_mbox_serves_all_verbs() {
    let Some(world) = World::open() else { return };
    serves_all_verbs(&world, "mbox:");
}

#[test]
fn dovecot_serves_an_mbox_as_it_is() {
    let Some(world) = World::open() else { return };
    let Some(server) = server(&Setup::new(Layout::SlashMbox)) else { return };
    let case = Archive::open(&world, "mbox:");
    case.archive(&["--mirror"]).expect(0);
    let user = server.fresh_user("archive");
    let home = server.adopt(&user, &case.folder).unwrap();
    let served = Place::named(&server, user);
    let expect = Expect { flags: Duty::May, subscriptions: Duty::May, ..Expect::exact() };
    let original = case.source.read();
    assert_copied(&original, &served.read(), &expect);
    // And what Dovecot made of it, with headers of its own, is the same mail to us.
    let (source, url) = (case.source.url("imap"), format!("mbox:{}", home.display()));
    let lines = case.run("sync", &source, &url, &["--json"]).expect(0).json_lines();
    assert!(lines.iter().all(|line| line["event"] != "copied"), "copied twice");
    case.run("check", &source, &url, &[]).expect(0);
}

/// Set where a test that leaves itself out for want of mutt has failed.
const REQUIRE_MUTT: &str = "MAILFERRY_REQUIRE_MUTT";

/// Copies all messages of a folder that mutt reads, which wants a terminal, to a Maildir.
const MUTT: &str = "exec script -qec 'mutt -n -R -F /dev/null -f \"$FROM\" \
    -e \"set mbox_type=Maildir copy=yes confirmappend=no confirmcreate=no quit=yes wait_key=no\" \
    -e \"push \\\"<tag-pattern>~A<enter><tag-prefix><copy-message>$TO<enter><exit>\\\"\"' /dev/null";

/// What a message says, however its lines end, without the fields that mutt adds.
fn plain(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets).replace('\r', "");
    let is_added =
        |line: &&str| line.starts_with("Content-Length: ") || line.starts_with("Lines: ");
    let lines: Vec<&str> = text.trim_end().lines().filter(|line| !is_added(line)).collect();
    lines.join("\n")
}

#[test]
fn mutt_reads_a_maildir_and_an_mbox_as_they_are() {
    let Some(world) = World::open() else { return };
    if !Command::new("mutt").arg("-v").output().is_ok_and(|told| told.status.success()) {
        assert!(std::env::var_os(REQUIRE_MUTT).is_none(), "there is no mutt");
        return eprintln!("left out: there is no mutt");
    }
    for (scheme, inbox) in [("maildir:", "."), ("mbox:", "INBOX/mbox")] {
        let case = Archive::open(&world, scheme);
        case.archive(&["--mirror"]).expect(0);
        let copied = case.desk.path().join("copied");
        // It asks whether to make this one where it is not there.
        fs::create_dir(case.desk.path().join("Mail")).unwrap();
        let mut mutt = Command::new("sh");
        mutt.args(["-c", MUTT]).env("HOME", case.desk.path()).env("TERM", "xterm");
        mutt.env("FROM", case.folder.join(inbox)).env("TO", &copied);
        let told = mutt.stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let mut read: Vec<String> = ["cur", "new"]
            .iter()
            .flat_map(|room| fs::read_dir(copied.join(room)).unwrap_or_else(|_| panic!("{told}")))
            .map(|file| plain(&fs::read(file.unwrap().path()).unwrap()))
            .collect();
        let account = case.source.read();
        let mut sent: Vec<String> =
            account.messages("INBOX").iter().map(|message| plain(&message.octets)).collect();
        read.sort();
        sent.sort();
        assert_eq!(read, sent, "{scheme}");
    }
}
