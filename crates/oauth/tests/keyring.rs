//! Logins in the keyring of the system: a Secret Service of GNOME, started for this test alone.
//!
//! `cargo test -p mailferry-oauth --features keyring --test keyring`
#![cfg(all(feature = "keyring", target_os = "linux"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;
use std::process::Command;

use mailferry_oauth::authority::Provider;
use mailferry_oauth::grant::Permission;
use mailferry_oauth::store::{Kept, Keyring, Store};

/// Which part this process is to do.
const PART: &str = "MAILFERRY_TEST_PART";
/// Unlocks a keyring, and then the words.
const SESSION: &str = "printf word | gnome-keyring-daemon --unlock --components=secrets >/dev/null && \
                       exec \"$@\"";

fn permission(word: &str) -> Permission {
    let authority = Provider::Microsoft.authority("common", "client", None);
    Permission { authority, refresh_token: word.into() }
}

fn runs_here(program: &str) -> bool {
    let told = Command::new(program).arg("--version").output();
    told.is_ok_and(|told| told.status.success())
}

/// Runs this test again as another part, in a session of its own.
#[track_caller]
fn run_part(mut session: Command, part: &str, test: &str, home: &Path) {
    session.args(["--exact", test, "--nocapture"]).env(PART, part);
    session.env("HOME", home).env("XDG_RUNTIME_DIR", home).env_remove("XDG_DATA_HOME");
    let told = session.env_remove("DBUS_SESSION_BUS_ADDRESS").output().unwrap();
    let words = String::from_utf8_lossy(&told.stdout) + String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success() && words.contains("1 passed"), "{words}");
}

#[test]
fn a_login_is_kept_in_the_keyring_and_leaves_no_file() {
    if std::env::var_os(PART).is_some() {
        return with_keyring();
    }
    if !runs_here("dbus-run-session") || !runs_here("gnome-keyring-daemon") {
        assert!(std::env::var_os("MAILFERRY_REQUIRE_KEYRING").is_none(), "no keyring here");
        return eprintln!("left out: no dbus-run-session or no gnome-keyring-daemon");
    }
    let home = tempfile::tempdir().unwrap();
    let mut session = Command::new("dbus-run-session");
    session.args(["--", "sh", "-c", SESSION, "sh"]).arg(std::env::current_exe().unwrap());
    let test = "a_login_is_kept_in_the_keyring_and_leaves_no_file";
    run_part(session, "with a keyring", test, home.path());
}

fn with_keyring() {
    let folder = tempfile::tempdir().unwrap();
    let store = |keyring| Store::new(folder.path().to_owned(), None, keyring);
    let (asked, left) = (store(Keyring::Asked), store(Keyring::Left));
    // A login of a time when there was no keyring is found, and moves there when it is renewed.
    let in_file = left.keep("Joe@example.org", &permission("one")).unwrap();
    assert!(matches!(&in_file, Kept::InFile(path) if path.is_file()), "{in_file:?}");
    assert_eq!(asked.find("joe@example.org").unwrap(), Some(permission("one")));
    assert_eq!(asked.keep("joe@example.org", &permission("two")).unwrap(), Kept::InKeyring);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(left.find("joe@example.org").unwrap(), None);
    assert_eq!(asked.find("JOE@example.org").unwrap(), Some(permission("two")));
    assert_eq!(asked.find("ann@example.org").unwrap(), None);
    // With a passphrase a file is wanted.
    let sealed = Store::new(folder.path().to_owned(), Some("open".into()), Keyring::Asked);
    assert!(matches!(sealed.keep("ann@example.org", &permission("x")).unwrap(), Kept::InFile(_)));
    assert!(asked.forget("joe@example.org").unwrap());
    assert!(!asked.forget("joe@example.org").unwrap());
    assert_eq!(asked.find("joe@example.org").unwrap(), None);
}

#[test]
fn where_no_keyring_answers_a_file_keeps_the_login() {
    if std::env::var_os(PART).is_none() {
        let home = tempfile::tempdir().unwrap();
        let alone = Command::new(std::env::current_exe().unwrap());
        let test = "where_no_keyring_answers_a_file_keeps_the_login";
        return run_part(alone, "without a keyring", test, home.path());
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().to_owned(), None, Keyring::Asked);
    let kept = store.keep("joe@example.org", &permission("one")).unwrap();
    assert!(matches!(kept, Kept::InFile(_)), "{kept:?}");
    assert_eq!(store.find("joe@example.org").unwrap(), Some(permission("one")));
    assert!(store.forget("joe@example.org").unwrap());
}
