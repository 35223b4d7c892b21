//! Logins without a password, from the permission to the copied mail: a local authorisation server,
//! and a Dovecot that checks its tokens.

use crate::world::{
    Desk, Dovecot, Expect, Finished, Layout, Place, Setup, assert_copied, mails, server,
};
use mailferry_testkit::authority::{Authority, CLIENT, CLIENT_SECRET, Custom, service_key};
use mailferry_testkit::dovecot::{Logins, Tokens};
use mailferry_testkit::proxy::{Cut, Manner, Proxy, Weather};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

fn taking_tokens() -> Option<Dovecot> {
    let logins = Logins { tokens: Tokens::Taken, ..Logins::with(&["xoauth2", "oauthbearer"]) };
    server(&Setup { logins, ..Setup::new(Layout::Slash) })
}

fn accounts(server: &Dovecot) -> (Place<'_>, Place<'_>) {
    let (source, target) = (Place::new(server, "from"), Place::new(server, "to"));
    source.put("INBOX", &mails("oauth", 2));
    (source, target)
}

/// `mailferry login` of this user at this server.
fn login(desk: &Desk, authority: &Authority, user: &str, options: &[&str]) -> Command {
    let mut command = desk.command_of_ferry();
    command
        .args(["login", "other", user, "--token-url", &authority.url("token")])
        .args(["--auth-url", &authority.url("authorize"), "--device-url", &authority.url("device")])
        .args(["--scope", "imap", "--client-id", CLIENT])
        .args(options)
        .env("MAILFERRY_CLIENT_SECRET", CLIENT_SECRET);
    command
}

/// A transfer in which nothing is said of how the source is logged in to.
fn transfer(desk: &Desk, source: &Place<'_>, target: &Place<'_>, options: &[&str]) -> Finished {
    let mut command = desk.ferry_command("sync", source, target, options);
    command.env_remove("MAILFERRY_SOURCE_PASSWORD");
    desk.finish(command)
}

fn kept(desk: &Desk, user: &str) -> PathBuf {
    desk.path().join("XDG_DATA_HOME/mailferry/logins").join(format!("{user}.json"))
}

#[test]
fn a_code_typed_elsewhere_logs_in_for_all_later_runs() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    let authority = Authority::start(Custom::of(&source.user)).unwrap();
    let desk = Desk::new();
    let run = desk.finish(login(&desk, &authority, &source.user, &["--device"])).expect(0);
    assert!(run.stderr.contains("WXYZ-1234"), "{}", run.stderr);
    let file = kept(&desk, &source.user);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Each refresh token is good once: the second run needs the one that the first was given.
    for _ in 0..2 {
        transfer(&desk, &source, &target, &[]).expect(0);
    }
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    let options = ["--authmech1", "XOAUTH2", "--justlogin"];
    let mut bare = desk.imapsync_command(&source, &target, &options);
    let words: Vec<_> = bare.get_args().map(ToOwned::to_owned).collect();
    let at = words.iter().position(|word| word == "--password1").unwrap();
    let program = bare.get_program().to_owned();
    let home = desk.path().to_owned();
    bare = Command::new(program);
    bare.args(&words[..at]).args(&words[at + 2..]).current_dir(&home).env("HOME", &home);
    bare.env("XDG_DATA_HOME", home.join("XDG_DATA_HOME"));
    desk.finish(bare).expect(0);
    assert!(authority.issued() >= 4, "{}", authority.issued());
    // Whoever takes the permission back ends it.
    authority.revoke();
    let run = transfer(&desk, &source, &target, &[]).expect(161);
    assert!(run.stderr.contains("error: no access token for the source"), "{}", run.stderr);
    assert!(run.stderr.contains("invalid_grant"), "{}", run.stderr);
    let mut forget = desk.command_of_ferry();
    forget.args(["login", "other", &source.user, "--forget"]);
    desk.finish(forget).expect(0);
    assert!(!file.exists());
}

#[test]
fn a_browser_is_led_back_with_a_code_that_only_we_can_use() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    let authority = Authority::start(Custom::of(&source.user)).unwrap();
    let desk = Desk::new();
    let mut command = login(&desk, &authority, &source.user, &["--browser"]);
    command.env("MAILFERRY_PASSPHRASE", "open sesame");
    let mut child = desk.start(command);
    let end = Instant::now() + Duration::from_secs(30);
    let address = loop {
        let said = desk.output("stderr");
        let line = said.lines().find(|line| line.trim_start().starts_with("http://"));
        if let Some(line) = line {
            break line.trim().to_owned();
        }
        assert!(Instant::now() < end, "{said}");
        std::thread::sleep(Duration::from_millis(20));
    };
    // Somebody else on this machine, who does not know the state.
    let back = address.split("redirect_uri=").nth(1).unwrap().split('&').next().unwrap();
    let back = back.replace("%3A", ":").replace("%2F", "/");
    let foreign = Authority::visit(&format!("{back}?code=stolen&state=guessed")).unwrap();
    assert!(foreign.contains("not what was waited for"), "{foreign}");
    let answer = Authority::visit(&address).unwrap();
    assert!(answer.contains("That is all"), "{answer}");
    assert!(child.wait().unwrap().success(), "{}", desk.output("stderr"));
    let content = std::fs::read_to_string(kept(&desk, &source.user)).unwrap();
    assert!(!content.contains("refresh-"), "{content}");
    transfer(&desk, &source, &target, &[]).expect(64);
    let mut command = desk.ferry_command("sync", &source, &target, &[]);
    command.env_remove("MAILFERRY_SOURCE_PASSWORD").env("MAILFERRY_PASSPHRASE", "open sesame");
    desk.finish(command).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_run_outlives_its_tokens() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    source.put("INBOX", &mails("more", 300));
    // Each token is at its end as soon as it was used.
    let custom = Custom { life_seconds: 2, ..Custom::of(&target.user) };
    let authority = Authority::start(custom).unwrap();
    let desk = Desk::new();
    desk.finish(login(&desk, &authority, &target.user, &["--device"])).expect(0);
    let before = authority.issued();
    let cut = Cut { client_octets: 20_000, connections: 2, manner: Manner::Reset };
    let weather = Weather { cut: Some(cut), ..Weather::default() };
    let proxy = Proxy::start(server.imap(), weather).unwrap();
    let through = target.through(proxy.address());
    let mut command = desk.ferry_command("sync", &source, &through, &["--connections", "1"]);
    command.env_remove("MAILFERRY_TARGET_PASSWORD");
    desk.finish(command).expect(0);
    assert!(proxy.cuts() > 0);
    assert!(authority.issued() - before >= 2, "{}", authority.issued());
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn programs_with_a_right_of_their_own_log_in_for_users() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    let (key, public) = service_key().unwrap();
    let custom = Custom { signer: Some(public), ..Custom::of(&source.user) };
    let authority = Authority::start(custom).unwrap();
    let desk = Desk::new();
    let google = serde_json::json!({
        "type": "service_account",
        "client_email": "ferry@project.example",
        "private_key": key,
        "private_key_id": "1",
        "token_uri": authority.url("token"),
    });
    let secret = serde_json::json!({
        "token_url": authority.url("token"),
        "client_id": CLIENT,
        "client_secret": CLIENT_SECRET,
    });
    let certificate = mailferry_testkit::certificate::self_signed().unwrap();
    let signed = serde_json::json!({
        "token_url": authority.url("token"),
        "client_id": CLIENT,
        "certificate": String::from_utf8_lossy(&certificate.certificate_pem),
        "private_key": key,
    });
    for (name, content) in [("google", google), ("secret", secret), ("signed", signed)] {
        let file = desk.file(name, &content.to_string());
        let options = ["--source-token-grant", file.to_str().unwrap()];
        transfer(&desk, &source, &target, &options).expect(0);
    }
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    // As imapsync takes it: the file is the password.
    let file = desk.path().join("google");
    let by_file = Place { password: file.to_str().unwrap().to_owned(), ..source.clone() };
    desk.imapsync(&by_file, &target, &["--authmech1", "XOAUTH2", "--justlogin"]).expect(0);
    let none = Place { password: "no-file".to_owned(), ..source };
    let run = desk.imapsync(&none, &target, &["--authmech1", "XOAUTH2"]).expect(16);
    assert!(run.all().contains("service account"), "{}", run.report());
}

#[test]
fn a_login_without_what_it_needs_is_refused_before_anybody_is_asked() {
    let desk = Desk::new();
    let run = desk.mailferry(&["login", "google", "joe@example.org"]).expect(64);
    assert!(run.stderr.contains("--client-id"), "{}", run.stderr);
    desk.mailferry(&["login", "nobody", "joe", "--client-id", "x"]).expect(64);
    desk.mailferry(&["login", "other", "joe", "--client-id", "x"]).expect(64);
    let clear = [
        "login",
        "other",
        "joe",
        "--client-id",
        "x",
        "--token-url",
        "http://a.example/t",
        "--device-url",
        "http://a.example/d",
    ];
    let run = desk.mailferry(&clear).expect(16);
    assert!(run.stderr.contains("no https:// address"), "{}", run.stderr);
}
