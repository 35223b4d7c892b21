//! Every way to log in, each on a real server.

use crate::world::{
    Desk, Dovecot, Expect, Finished, Layout, Place, Setup, assert_copied, farm, mails, server,
};
use mailferry_testkit::certificate;
use mailferry_testkit::dovecot::{Logins, Tokens};
use mailferry_testkit::proxy::{Cut, Manner, Proxy, Weather};
use mailferry_testkit::token::access_token;

const ALL: [&str; 3] = ["scram-sha-256", "scram-sha-1", "cram-md5"];

fn with(logins: Logins) -> Option<Dovecot> {
    server(&Setup { logins, ..Setup::new(Layout::Slash) })
}

/// A source with two messages and an empty target, on one server.
fn accounts(server: &Dovecot) -> (Place<'_>, Place<'_>) {
    let (source, target) = (Place::new(server, "from"), Place::new(server, "to"));
    source.put("INBOX", &mails("login", 2));
    (source, target)
}

/// How often the source was logged in to, and by what.
fn attempts(run: &Finished, by: &str) -> usize {
    let of_source = |line: &&str| line.starts_with("source >") || line.starts_with("Host1 >");
    run.text().lines().filter(of_source).filter(|line| line.contains(by)).count()
}

#[test]
fn the_strongest_mechanism_is_chosen_and_each_can_be_named() {
    let Some(server) = with(Logins::with(&ALL)) else { return };
    let (source, target) = accounts(&server);
    let desk = Desk::new();
    let run = desk.ferry("sync", &source, &target, &["--trace"]).expect(0);
    assert!(attempts(&run, "AUTHENTICATE SCRAM-SHA-256") > 0, "{}", run.report());
    assert!(!run.text().contains(&source.password), "{}", run.report());
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    for mechanism in ["scram-sha-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"] {
        let options = ["--trace", "--source-auth", mechanism];
        let run = desk.ferry("plan", &source, &target, &options).expect(0);
        let name = mechanism.to_ascii_uppercase();
        let words = if name == "LOGIN" { name.clone() } else { format!("AUTHENTICATE {name}") };
        assert!(attempts(&run, &words) > 0, "{}", run.report());
        assert!(!run.text().contains(&source.password), "{}", run.report());
    }
    for (option, words) in [
        (["--authmech1", "CRAM-MD5"].as_slice(), "AUTHENTICATE CRAM-MD5"),
        (&["--authmd5"], "AUTHENTICATE CRAM-MD5"),
        (&["--authmech1", "scram-sha-1"], "AUTHENTICATE SCRAM-SHA-1"),
        // An unaltered line logs in as it always did, in one round trip.
        (&[], "AUTHENTICATE PLAIN"),
    ] {
        let options = [&["--debugimap1", "--justlogin"], option].concat();
        let run = desk.imapsync(&source, &target, &options).expect(0);
        assert!(attempts(&run, words) > 0, "{}", run.report());
    }
}

#[test]
fn a_wrong_password_is_told_at_once_and_not_tried_in_another_way() {
    let Some(server) = with(Logins::with(&ALL)) else { return };
    let (source, target) = accounts(&server);
    let wrong = Place { password: "geheim".to_owned(), ..source };
    for mechanism in ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"] {
        let options = ["--trace", "--source-auth", mechanism];
        let run = Desk::new().ferry("sync", &wrong, &target, &options).expect(161);
        assert_eq!(attempts(&run, mechanism), 1, "{}", run.report());
        assert!(run.stderr.contains("error: the source refused the login"), "{}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
        assert!(!run.text().contains("geheim"), "{}", run.report());
    }
    let options = ["--debugimap1", "--authmech1", "SCRAM-SHA-1"];
    let run = Desk::new().imapsync(&wrong, &target, &options).expect(161);
    assert_eq!(attempts(&run, "AUTHENTICATE") + attempts(&run, "LOGIN"), 1, "{}", run.report());
}

/// Dovecot has no NTLM of its own any more; Cyrus SASL has.
#[test]
fn ntlm_logs_in_where_a_server_takes_it() {
    let offering = farm::Server::start_offering_if_there(farm::Kind::Cyrus, "NTLM PLAIN LOGIN");
    let Some(server) = offering.unwrap() else { return };
    let place = Place::on(&server);
    place.put("INBOX", &mails("ntlm", 2));
    let desk = Desk::new();
    let ntlm = |place: &Place<'_>, words: &[&str]| {
        let mut command = desk.command_of_ferry();
        command.args(["doctor", &place.url("imap+plain"), "--source-auth", "NTLM", "--trace"]);
        command.args(words).env("MAILFERRY_SOURCE_PASSWORD", &place.password);
        desk.finish(command)
    };
    let run = ntlm(&place, &["--json"]).expect(0).keeps_secret(&place.password);
    assert_eq!(attempts(&run, "AUTHENTICATE NTLM"), 1, "{}", run.report());
    let found = &run.json_lines()[0]["found"];
    assert_eq!((&found["server"]["mechanism"], &found["messages"]), (&"NTLM".into(), &2.into()));
    ntlm(&Place { password: "wrong".to_owned(), ..place.clone() }, &[]).expect(161);
    let options = ["--authmech1", "NTLM", "--domain1", "FARM", "--justlogin"];
    desk.imapsync(&place, &place, &options).expect(0);
}

#[test]
fn an_administrator_logs_in_for_others() {
    let logins = Logins { master: Some(("admin", "master-secret")), ..Logins::with(&ALL) };
    let Some(server) = with(logins) else { return };
    let (source, target) = accounts(&server);
    let by_admin = Place { password: "master-secret".to_owned(), ..source.clone() };
    let desk = Desk::new();
    for (auth, by) in [("PLAIN", "authzid"), ("PLAIN", "master"), ("LOGIN", "master")] {
        let options =
            ["--source-auth", auth, "--source-login-as", "admin", "--source-login-as-by", by];
        desk.ferry("sync", &by_admin, &target, &options).expect(0);
    }
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    desk.imapsync(&by_admin, &target, &["--authuser1", "admin", "--justlogin"]).expect(0);
    let user = format!("{}*admin", by_admin.user);
    let by_name = Place { user, ..by_admin.clone() };
    desk.imapsync(&by_name, &target, &["--justlogin"]).expect(0);
    let nobody = ["--source-login-as", "nobody"];
    desk.ferry("plan", &by_admin, &target, &nobody).expect(161);
}

fn taking_tokens() -> Option<Dovecot> {
    let mechanisms = Logins::with(&["xoauth2", "oauthbearer"]);
    with(Logins { tokens: Tokens::Taken, ..mechanisms })
}

#[test]
fn access_tokens_log_in_from_a_file_and_from_a_command() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    let desk = Desk::new();
    let file = desk.file("token", &format!("{}\nsecond line\n", access_token(&source.user, 600)));
    let file = file.to_str().unwrap();
    let options = ["--source-token-file", file, "--trace"];
    let run = desk.ferry("sync", &source, &target, &options).expect(0);
    assert!(attempts(&run, "AUTHENTICATE OAUTHBEARER") > 0, "{}", run.report());
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    let command = format!("cat {file}");
    let options = ["--source-token-command", &command, "--source-auth", "XOAUTH2", "--trace"];
    let run = desk.ferry("plan", &source, &target, &options).expect(0);
    assert!(attempts(&run, "AUTHENTICATE XOAUTH2") > 0, "{}", run.report());
    assert!(!run.text().contains(&access_token(&source.user, 600)[..60]), "{}", run.report());
}

#[test]
fn imapsync_takes_tokens_as_words_and_from_files_and_asks_for_no_password() {
    use data_encoding::BASE64;

    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    let desk = Desk::new();
    let token = access_token(&source.user, 600);
    let file = desk.file("token", &format!("{token}\r\n"));
    let direct = format!("user={}\x01auth=Bearer {token}\x01\x01", source.user);
    let direct = BASE64.encode(direct.as_bytes());
    for options in [
        ["--oauthaccesstoken1", token.as_str()],
        ["--oauthaccesstoken1", file.to_str().unwrap()],
        ["--oauthdirect1", &direct],
    ] {
        let mut command = desk.imapsync_command(&source, &target, &options);
        command.args(["--debugimap1", "--justlogin"]);
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut bare = std::process::Command::new(command.get_program());
        let at = words.iter().position(|word| word == "--password1").unwrap();
        bare.args(&words[..at]).args(&words[at + 2..]).current_dir(desk.path());
        let run = desk.finish(bare).expect(0);
        assert!(attempts(&run, "AUTHENTICATE XOAUTH2") > 0, "{}", run.report());
        assert!(!run.text().contains(&token), "{}", run.report());
    }
}

#[test]
fn a_refused_token_is_told_apart_from_a_refused_password() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    let desk = Desk::new();
    for (name, token) in [
        ("expired", access_token(&source.user, -60)),
        ("another", access_token("somebody-else", 600)),
        ("garbage", "garbage".to_owned()),
    ] {
        let file = desk.file(name, &token);
        for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
            let options = [
                "--source-token-file",
                file.to_str().unwrap(),
                "--source-auth",
                mechanism,
                "--trace",
            ];
            let run = desk.ferry("plan", &source, &target, &options).expect(161);
            let words = "error: the source refused the access token";
            assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
            assert!(run.stderr.contains("hint: the token has expired"), "{}", run.stderr);
            assert_eq!(attempts(&run, "AUTHENTICATE"), 1, "{}", run.report());
        }
        let word = ["--oauthaccesstoken1", &token, "--notrylogin"];
        desk.imapsync(&source, &target, &word).expect(161);
    }
}

#[test]
fn a_token_that_cannot_be_had_or_is_not_taken_is_told() {
    let Some(server) = with(Logins::default()) else { return };
    let (source, target) = accounts(&server);
    let desk = Desk::new();
    let options = ["--source-token-command", "exit 7"];
    let run = desk.ferry("plan", &source, &target, &options).expect(161);
    assert!(run.stderr.contains("error: no access token for the source"), "{}", run.stderr);
    assert!(run.stderr.contains("exit status: 7"), "{}", run.stderr);
    let options = ["--source-token-command", "echo token"];
    let run = desk.ferry("plan", &source, &target, &options).expect(161);
    let words = "error: the source offers no way to log in that can be used here\n  \
                 it takes no access tokens: what is offered is LOGIN, PLAIN";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let run = desk.ferry("plan", &source, &target, &["--source-auth", "OAUTHBEARER"]).expect(64);
    assert!(run.stderr.contains("--source-token-command"), "{}", run.stderr);
}

#[test]
fn a_run_that_connects_again_fetches_a_token_again() {
    let Some(server) = taking_tokens() else { return };
    let (source, target) = accounts(&server);
    source.put("INBOX", &mails("more", 300));
    let upstream = target.server.imap();
    let cut = Cut { client_octets: 20_000, connections: 1, manner: Manner::Reset };
    let proxy = Proxy::start(upstream, Weather { cut: Some(cut), ..Weather::default() }).unwrap();
    let desk = Desk::new();
    let token = desk.file("token", &access_token(&target.user, 600));
    let asked = desk.path().join("asked");
    // A token of its own for each login: the one before is of no use any more.
    let command = format!("echo asked >> {}; cat {}", asked.display(), token.display());
    let through = target.through(proxy.address());
    let options = ["--target-token-command", &command, "--connections", "1", "--trace"];
    desk.ferry("sync", &source, &through, &options).expect(0);
    assert!(proxy.cuts() > 0);
    let asked = std::fs::read_to_string(&asked).unwrap().lines().count();
    assert!(asked >= 2, "asked {asked} times");
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_client_certificate_logs_in_by_external() {
    let owner = "from-0";
    let certificate = certificate::of_client(owner).unwrap();
    let authority = Some(certificate.certificate_pem.clone());
    let logins = Logins { client_authority_pem: authority, ..Logins::with(&["external"]) };
    let Some(server) = with(logins) else { return };
    let (source, target) = (Place::new(&server, "from"), Place::new(&server, "to"));
    assert_eq!(source.user, owner);
    source.put("INBOX", &mails("external", 2));
    let desk = Desk::new();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let chain = desk.file("client.pem", &text(&certificate.certificate_pem));
    let key = desk.file("client.key", &text(&certificate.key_pem));
    let options = [
        "--source-client-cert",
        chain.to_str().unwrap(),
        "--source-client-key",
        key.to_str().unwrap(),
        "--source-auth",
        "external",
        "--trace",
    ];
    let run = desk.ferry_over(("imaps", "imaps"), "sync", &source, &target, &options).expect(0);
    assert!(attempts(&run, "AUTHENTICATE EXTERNAL") > 0, "{}", run.report());
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    let other = certificate::of_client("somebody-else").unwrap();
    desk.file("client.pem", &text(&other.certificate_pem));
    desk.file("client.key", &text(&other.key_pem));
    desk.ferry_over(("imaps", "imaps"), "plan", &source, &target, &options).expect_failure();
    let alone = ["--source-auth", "EXTERNAL"];
    desk.ferry("plan", &source, &target, &alone).expect(64);
}
