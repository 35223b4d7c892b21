//! The imapsync front where there is next to nothing: no environment, no home, no terminal, a folder
//! that cannot be written, a user without rights; and with passwords of any characters.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::world::*;

/// The number that the system has for nobody.
const NOBODY: u32 = 65_534;

/// A folder that cannot be written, and one for temporary files.
struct Bare {
    room: tempfile::TempDir,
    program: PathBuf,
}

impl Bare {
    fn new() -> Self {
        let room = tempfile::tempdir().unwrap();
        // Whoever runs it has to reach it.
        let program = room.path().join("imapsync");
        fs::copy(env!("CARGO_BIN_EXE_imapsync"), &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        for (name, mode) in [("cwd", 0o555), ("tmp", 0o700)] {
            let folder = room.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(room.path(), Permissions::from_mode(0o755)).unwrap();
        let bare = Self { room, program };
        if bare.is_root() {
            chown(bare.tmp(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        bare
    }

    fn is_root(&self) -> bool {
        fs::metadata(self.room.path()).unwrap().uid() == 0
    }

    fn tmp(&self) -> PathBuf {
        self.room.path().join("tmp")
    }

    fn run(&self, source: &Place<'_>, target: &Place<'_>, options: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        for (number, place) in [("1", source), ("2", target)] {
            command
                .args([format!("--host{number}"), "127.0.0.1".to_owned()])
                .args([format!("--port{number}"), place.imap_port().to_string()])
                .args([format!("--user{number}"), place.user.clone()])
                .args([format!("--password{number}"), place.password.clone()]);
        }
        command.args(options).env_clear().current_dir(self.room.path().join("cwd"));
        command.stdin(Stdio::null());
        if self.is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }
}

#[track_caller]
fn good(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    assert_eq!(errors, "");
    text
}

fn files_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn it_runs_with_nothing_but_a_folder_for_temporary_files() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let bare = Bare::new();
    let large = format!("Message-Id: <large@e2e>\r\n\r\n{}", "0123456789abcde\r\n".repeat(100_000));
    source.put("INBOX", &mails("inbox", 3));
    source.put("INBOX", &[Draft::new(large).dated(EPOCH)]);
    let tmp = bare.tmp().to_str().unwrap().to_owned();
    let options = ["--tmpdir", &tmp, "--pipemess", "cat"];
    let first = good(bare.run(&source, &target, &options));
    assert!(first.contains("Messages transferred                    : 4"), "{first}");
    assert!(first.contains("notice: local state is kept in"), "{first}");
    assert!(first.contains("No log file: "), "{first}");
    let copy = target.read();
    assert_eq!(copy.message_count(), 4);
    // Nothing but the state is left behind.
    assert_eq!(files_below(&bare.tmp()), files_below(&bare.tmp().join("mailferry-state")));
    let again = good(bare.run(&source, &target, &options));
    assert!(again.contains("Messages transferred                    : 0"), "{again}");
    assert_untouched(&copy, &target.read());
}

#[test]
fn it_runs_without_any_place_for_state() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("inbox", 2));
    let bare = Bare::new();
    // What others may write in is not believed.
    let state = bare.tmp().join("mailferry-state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
    let tmp = bare.tmp().to_str().unwrap().to_owned();
    for (options, count) in [(&["--nolog"][..], 2), (&["--nolog", "--tmpdir", &tmp], 0)] {
        let told = good(bare.run(&source, &target, options));
        assert!(told.contains("notice: local state cannot be kept"), "{told}");
        let line = format!("Messages transferred                    : {count}");
        assert!(told.contains(&line), "{told}");
    }
}

/// The servers of these tests take a password that is made of the user's name.
#[test]
fn passwords_of_any_characters_log_in() {
    let Some(world) = World::open() else { return };
    let desk = Desk::new();
    for user in [
        "quo\"te's",
        r"back\slash\",
        "per%cent%s%u",
        "par(en)th{es}[e]s",
        "a blank  and two",
        "dol$lar`tick`",
        "equ=al=s;semi",
        "umlautäöü€",
        "\"quoted inside\" and out",
    ] {
        let place = Place { user: user.to_owned(), ..Place::named(&world.slash, user.to_owned()) };
        let by_option = desk.imapsync(&place, &place, &["--justlogin"]).expect(0);
        assert_eq!(by_option.stdout.matches("success login").count(), 2, "{}", by_option.report());
        let file = desk.file("secret", &format!("{}\n", place.password));
        let file = file.to_str().unwrap();
        for mechanism in ["LOGIN", "PLAIN"] {
            let options = ["--passfile1", file, "--passfile2", file, "--authmech1", mechanism];
            let options = [&options[..], &["--authmech2", mechanism, "--justlogin"]].concat();
            desk.imapsync(&place, &place, &options).expect(0);
        }
    }
}
