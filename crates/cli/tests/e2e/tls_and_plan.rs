//! Certificates, saved plans and interruption, on two real servers.

use crate::world::{Desk, Expect, Finished, Way, World, assert_copied, mails};
use mailferry_testkit::certificate;
use mailferry_testkit::detour::{Detour, Rule, Speech};
use std::process::{Child, Command, Stdio};

#[test]
fn a_certificate_on_loopback_is_accepted_with_a_notice() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("tls", 2));
    let run = Desk::new().ferry_over(("imaps", "imap"), "sync", &source, &target, &[]).expect(0);
    let notices = run.stderr.matches("notice: the certificate of the").count();
    assert_eq!(notices, 2, "{}", run.stderr);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_pinned_certificate_is_the_only_one_accepted() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("pin", 2));
    let desk = Desk::new();
    let wrong = format!("sha256:{}", "00".repeat(32));
    let run = desk
        .ferry_over(("imaps", "imaps"), "sync", &source, &target, &["--source-pin", &wrong])
        .expect(12);
    assert!(run.stderr.contains("--source-pin"), "{}", run.stderr);
    // The error tells the fingerprint that was met; with it, the run goes through.
    let at = run.stderr.find("the certificate sha256:").expect("what was met");
    let met = &run.stderr[at + "the certificate ".len()..][.."sha256:".len() + 64];
    let pins = ["--source-pin", met, "--target-pin", met];
    let run = desk.ferry_over(("imaps", "imaps"), "sync", &source, &target, &pins).expect(0);
    assert!(!run.stderr.contains("notice: the certificate"), "{}", run.stderr);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_ca_file_vouches_for_a_certificate_and_another_does_not() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    source.put("INBOX", &mails("ca", 1));
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.pem");
    std::fs::write(&good, &certificate::self_signed().unwrap().certificate_pem).unwrap();
    let run = desk
        .ferry_over(
            ("imaps", "imap"),
            "sync",
            &source,
            &target,
            &["--ca-file", good.to_str().unwrap()],
        )
        .expect(0);
    assert!(!run.stderr.contains("notice: the certificate"), "{}", run.stderr);
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, b"").unwrap();
    desk.ferry_over(
        ("imaps", "imap"),
        "sync",
        &source,
        &target,
        &["--ca-file", empty.to_str().unwrap()],
    )
    .expect(12);
}

/// The line of the hint that begins so, without its margin.
fn hinted<'a>(run: &'a Finished, begins: &str) -> &'a str {
    let line = run.all().lines().find(|line| line.trim_start().starts_with(begins));
    line.unwrap_or_else(|| panic!("no `{begins}` in\n{}", run.report())).trim()
}

#[test]
fn a_refused_certificate_is_told_with_what_accepts_it_and_that_can_be_pasted() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let desk = Desk::new();
    let wrong = format!("sha256:{}", "00".repeat(32));
    let over = ("imaps", "imaps");
    let run = desk.ferry_over(over, "plan", &source, &target, &["--target-pin", &wrong]).expect(12);
    let words = "error: the certificate of the target is not the one that is pinned";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let option: Vec<&str> = hinted(&run, "--target-pin ").split(' ').collect();
    desk.ferry_over(over, "plan", &source, &target, &option).expect(0);
    // As a line of a file that the environment names.
    let line = hinted(&run, "127.0.0.1:").to_owned();
    let trust = desk.file("trust", &format!("# by hand\n{line}\n"));
    let mut command = desk.ferry_command("plan", &source, &target, &[]);
    command.env("MAILFERRY_TRUST", &trust);
    desk.finish(command).expect(0);
    let port = line.split(' ').next().unwrap();
    desk.file("trust", &format!("{port} {wrong}\n"));
    let mut command = desk.command_of_ferry();
    command
        .args(["plan", &source.url("imaps"), &target.url("imaps")])
        .env("MAILFERRY_SOURCE_PASSWORD", &source.password)
        .env("MAILFERRY_TARGET_PASSWORD", &target.password)
        .env("MAILFERRY_TRUST", &trust);
    desk.finish(command).expect(12);
}

#[test]
fn imapsync_names_the_option_that_accepts_a_refused_certificate() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let desk = Desk::new();
    let tls = ["--tls1", "--tls2", "--justlogin"];
    let strict = [&tls[..], &["--sslargs1", "SSL_verify_mode=1"]].concat();
    let run = desk.imapsync(&source, &target, &strict).expect(12);
    let words = "the certificate of the source was not accepted";
    assert!(run.text().contains(words), "{}", run.report());
    let hinted = hinted(&run, "--sslargs1 'SSL_fingerprint");
    let option: Vec<&str> = hinted.split(' ').map(|word| word.trim_matches('\'')).collect();
    desk.imapsync(&source, &target, &[&tls[..], &option].concat()).expect(0);
    let file = desk.file(
        "ca.pem",
        &String::from_utf8_lossy(&certificate::self_signed().unwrap().certificate_pem),
    );
    let file = format!("SSL_ca_file={}", file.display());
    let own = [&strict[..], &["--sslargs1", &file]].concat();
    desk.imapsync(&source, &target, &own).expect(0);
}

#[test]
fn no_tls_older_than_asked_is_spoken() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let desk = Desk::new();
    let over = ("imaps", "imaps");
    desk.ferry_over(over, "plan", &source, &target, &["--tls-min", "1.3"]).expect(0);
    for (server, options) in [
        (["-tls1_2"].as_slice(), ["--tls-min", "1.3"].as_slice()),
        (&["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], &[]),
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], &[]),
    ] {
        let old = OldServer::start(server);
        let mut command = desk.command_of_ferry();
        command
            .args(["plan", &format!("imaps://joe@127.0.0.1:{}", old.port), &target.url("imaps")])
            .args(options)
            .env("MAILFERRY_SOURCE_PASSWORD", "x")
            .env("MAILFERRY_TARGET_PASSWORD", &target.password);
        let run = desk.finish(command).expect(12);
        let words = "error: the source speaks only a TLS that is too old";
        assert!(run.stderr.contains(words), "{server:?}: {}", run.stderr);
        assert!(run.stderr.contains("stunnel"), "{}", run.stderr);
    }
}

/// A process that ends with its value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stunnel() -> Option<&'static str> {
    let is_there = |program: &&str| {
        Command::new(program).arg("-version").stderr(Stdio::null()).status().is_ok()
    };
    let found = ["stunnel", "stunnel4"].into_iter().find(is_there);
    if found.is_none() {
        eprintln!("left out: stunnel is not installed");
    }
    found
}

/// The recipe of docs/login.md, with a stunnel on the server's side, too, that makes it old.
#[test]
fn the_recipe_for_servers_of_old_tls_reaches_them() {
    let Some(stunnel) = stunnel() else { return };
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("old", 1));
    let desk = Desk::new();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let pair = certificate::self_signed().unwrap();
    let both = text(&pair.certificate_pem) + &text(&pair.key_pem);
    let pem = desk.file("old.pem", &both);
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (old, near) = (port(), port());
    let start = |name: &str, text: &str| {
        let file = desk.file(name, text);
        let mut command = Command::new(stunnel);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ended(command.spawn().unwrap())
    };
    let _server = start(
        "server.conf",
        &format!(
            "foreground = yes\npid =\n[old]\naccept = 127.0.0.1:{old}\nconnect = {}\ncert = {}\n\
             sslVersionMin = TLSv1\nsslVersionMax = TLSv1\nciphers = DEFAULT:@SECLEVEL=0\n",
            source.server.imap(),
            pem.display()
        ),
    );
    let page = include_str!("../../../../docs/login.md");
    let recipe = page.split("```text\n").find(|block| block.starts_with("foreground")).unwrap();
    let recipe = recipe.split("```").next().unwrap();
    let recipe = recipe
        .replace("127.0.0.1:10143", &format!("127.0.0.1:{near}"))
        .replace("imap.old.example:993", &format!("127.0.0.1:{old}"));
    let _near = start("near.conf", &recipe);
    let through = source.through(([127, 0, 0, 1], near).into());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let greets = |port: u16| {
        use std::io::Read;
        let stream = std::net::TcpStream::connect(("127.0.0.1", port));
        stream.is_ok_and(|mut stream| stream.read_exact(&mut [0; 4]).is_ok())
    };
    while !greets(near) {
        assert!(std::time::Instant::now() < end, "no greeting through both");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    desk.ferry("sync", &through, &target, &[]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    // Without it the server is not reached.
    let mut command = desk.command_of_ferry();
    command
        .args(["plan", &format!("imaps://joe@127.0.0.1:{old}"), &target.url("imaps")])
        .env("MAILFERRY_SOURCE_PASSWORD", "x")
        .env("MAILFERRY_TARGET_PASSWORD", &target.password);
    desk.finish(command).expect(12);
}

/// `openssl s_server`, which speaks one version of TLS and no IMAP.
struct OldServer {
    port: u16,
    _process: Ended,
    _files: tempfile::TempDir,
}

impl OldServer {
    fn start(options: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let pair = certificate::self_signed().unwrap();
        let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
        std::fs::write(&cert, &pair.certificate_pem).unwrap();
        std::fs::write(&key, &pair.key_pem).unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
            .arg(&cert)
            .arg("-key")
            .arg(&key)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { port, _process: Ended(process), _files: files };
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("openssl s_server does not listen");
    }
}

#[test]
fn proxies_lead_to_both_sides_and_a_refusal_is_told_at_once() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("proxy", 2));
    let desk = Desk::new();
    for (speech, scheme) in [(Speech::Socks5, "socks5"), (Speech::Http, "http")] {
        let open = Detour::start(speech, Rule::Open).unwrap();
        let url = format!("{scheme}://{}", open.address());
        // Through a proxy nothing is this machine's own: the certificate is to be trusted.
        let run = desk.ferry("plan", &source, &target, &["--proxy", &url]).expect(12);
        assert!(run.stderr.contains("certificate"), "{}", run.stderr);
        let file = desk.file(
            "ca.pem",
            &String::from_utf8_lossy(&certificate::self_signed().unwrap().certificate_pem),
        );
        let trusted = ["--ca-file", file.to_str().unwrap()];
        let options = [&trusted[..], &["--proxy", &url]].concat();
        desk.ferry("sync", &source, &target, &options).expect(0);
        assert!(open.led() >= 2, "{} led", open.led());
        assert_copied(&source.read(), &target.read(), &Expect::exact());

        let known = Detour::start(speech, Rule::Known("joe", "s3cret")).unwrap();
        let url = |who: &str| format!("{scheme}://{who}{}", known.address());
        let good = url("joe:s3cret@");
        let options = [&trusted[..], &["--proxy", &good]].concat();
        desk.ferry("plan", &source, &target, &options).expect(0);
        for who in ["", "joe:wr0ng@"] {
            let bad = url(who);
            let options = [&trusted[..], &["--proxy", &bad]].concat();
            let run = desk.ferry("plan", &source, &target, &options).expect(101);
            let words = "error: the proxy refuses to lead to the source";
            assert!(run.stderr.contains(words), "{}", run.stderr);
            assert!(!run.all().contains("wr0ng"), "{}", run.report());
        }
        let closed = Detour::start(speech, Rule::Closed).unwrap();
        let mut command = desk.imapsync_command(&source, &target, &["--tls1", "--tls2"]);
        command.env("MAILFERRY_PROXY", format!("{scheme}://{}", closed.address()));
        let run = desk.finish(command).expect(101);
        assert!(run.all().contains("the proxy"), "{}", run.report());
    }
}

#[test]
fn a_certificate_may_be_in_another_name() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let desk = Desk::new();
    let file = desk.file(
        "ca.pem",
        &String::from_utf8_lossy(&certificate::self_signed().unwrap().certificate_pem),
    );
    let trusted = ["--ca-file", file.to_str().unwrap()];
    let named = |name: &'static str| [&trusted[..], &["--source-tls-name", name]].concat();
    let over = ("imaps", "imaps");
    desk.ferry_over(over, "plan", &source, &target, &named("localhost")).expect(0);
    desk.ferry_over(over, "plan", &source, &target, &named("imap.example.org")).expect(12);
}

#[test]
fn a_saved_plan_is_held_to_and_a_changed_account_refuses_it() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("plan", 3));
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    let before = target.read();
    desk.ferry("plan", &source, &target, &["--save", plan]).expect(0);
    assert_eq!(target.read().uids(), before.uids(), "a plan changes nothing");
    source.put("INBOX", &mails("late", 1));
    desk.ferry("sync", &source, &target, &["--expect", plan]).expect(121);
    assert_eq!(target.read().message_count(), 0);
    desk.ferry("plan", &source, &target, &["--save", plan]).expect(0);
    desk.ferry("sync", &source, &target, &["--expect", plan]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_mailbox_named_in_vain_is_told_and_the_rest_is_done() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("here", 2));
    let run = Desk::new()
        .ferry("sync", &source, &target, &["--folder", "INBOX", "--folder", "Nowhere"])
        .expect(117);
    assert!(run.stderr.contains("no mailbox `Nowhere`"), "{}", run.stderr);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}
