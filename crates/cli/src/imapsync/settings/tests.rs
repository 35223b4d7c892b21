#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use mailferry_engine::identity::{Headers, MessageIdDomain};
use mailferry_imap::sasl::Mechanism as Sasl;
use mailferry_imap::tls::{Fingerprint, Version};

use super::*;
use crate::imapsync::{ExitStatus, parse};

const ACCOUNTS: [&str; 8] = ["--host1", "h1", "--user1", "u1", "--host2", "h2", "--user2", "u2"];

fn request(words: &[&str]) -> Result<Request, Refusals> {
    let parsed = parse(words.iter().map(|word| (*word).into())).unwrap_or_else(|e| panic!("{e}"));
    Request::read(&parsed)
}

fn with_accounts(words: &[&str]) -> Result<ImapsyncOptions, Refusals> {
    match request(&[&ACCOUNTS, words].concat())? {
        Request::Run(options) => Ok(*options),
        other => panic!("{other:?}"),
    }
}

fn options(words: &[&str]) -> ImapsyncOptions {
    with_accounts(words).unwrap()
}

fn refused(words: &[&str]) -> Vec<String> {
    with_accounts(words).unwrap_err().0.into_iter().map(|refusal| refusal.asked).collect()
}

#[test]
fn no_word_and_help_ask_for_help_whatever_else_is_given() {
    assert_eq!(request(&[]), Ok(Request::Help));
    assert_eq!(request(&["--gmail1", "--help", "--releasecheck"]), Ok(Request::Help));
    assert_eq!(request(&["--version"]), Ok(Request::Version));
}

#[test]
fn defaults_are_those_of_imapsync() {
    let options = options(&[]);
    assert_eq!((options.mode, options.dry), (Mode::Sync, false));
    assert_eq!(options.subscribe, Subscribe::AsOnHost1);
    assert!(options.messages.resync_flags && options.messages.sync_internal_dates);
    assert!(options.send_id && options.names.fix_slash && !options.names.automap);
    assert_eq!(options.deletions.expunge, Expunge::Never);
    assert!(options.reports.sizes_before && options.reports.sizes_after);
    assert_eq!(options.reports.log.unwrap().directory, PathBuf::from("LOG_imapsync"));
    assert_eq!((options.process.errors_max, options.process.pidfile), (50, PidFile::Shared));
    let side = options.side1;
    assert_eq!((side.host.as_str(), side.user.as_slice()), ("h1", &b"u1"[..]));
    assert_eq!((side.ssl, side.tls, side.probe_993), (None, None, true));
    assert_eq!(side.timeout, Timeout::After(Duration::from_secs(120)));
    assert_eq!((side.mechanism, side.token), (Mechanism::Usual, None));
    assert_eq!(options.notices, Vec::<String>::new());
}

#[test]
fn a_missing_account_stops_the_run_before_it_starts() {
    let errors = request(&["--host1", "h1", "--user2", "u2"]).unwrap_err();
    assert_eq!(errors.status(), ExitStatus::Usage);
    assert_eq!(errors.0.first().unwrap().asked, "--user1 --host2");
    let Ok(Request::Run(banner)) = request(&["--password1", "secret", "--justbanner"]) else {
        panic!("the banner needs no account");
    };
    assert_eq!(banner.mode, Mode::JustBanner);
}

#[test]
fn port_ssl_and_tls_each_end_the_probe_of_their_side_only() {
    for words in [["--port1", "993"], ["--nossl1", ""], ["--notls1", ""]] {
        let options = options(&words);
        assert!(!options.side1.probe_993, "{words:?}");
        assert!(options.side2.probe_993, "{words:?}");
    }
    assert!(!options(&["--nosslcheck"]).side2.probe_993);
    assert_eq!(refused(&["--port2", "70000"]), ["--port2 70000"]);
}

#[test]
fn ssl_and_tls_together_are_a_tls_failure() {
    let errors = with_accounts(&["--ssl2", "--tls2"]).unwrap_err();
    assert_eq!(errors.status(), ExitStatus::TlsFailure);
    assert_eq!(options(&["--ssl2", "--notls2"]).side2.ssl, Some(true));
}

#[test]
fn hosts_lose_blanks_and_slashes_unless_nosanitize() {
    let words = ["--host1", " imap.exa/m ple.org ", "--user1", "  a b ", "--password1", " x "];
    let side = options(&words).side1;
    assert_eq!(side.host, "imap.example.org");
    assert_eq!(side.user, b"a b");
    assert_eq!(side.password, Some(Password::new("x")));
    let side = options(&[&words[..], &["--nosanitize"]].concat()).side1;
    assert_eq!(
        (side.host.as_str(), side.user.as_slice()),
        (" imap.exa/m ple.org ", &b"  a b "[..])
    );
}

#[test]
fn passwords_come_from_the_file_then_the_environment_then_the_option() {
    let side = options(&["--passfile1", "p", "--password1", "a"]).side1;
    assert_eq!(side.password_source(Some(Password::new("e"))), PasswordSource::File("p".into()));
    let side = options(&["--password1", "a"]).side1;
    let environment = Some(Password::new("e"));
    assert_eq!(side.password_source(environment), PasswordSource::Known(Password::new("e")));
    assert_eq!(side.password_source(None), PasswordSource::Known(Password::new("a")));
    assert_eq!(options(&[]).side1.password_source(None), PasswordSource::Prompt);
    assert_eq!(Password::of_first_line(b" a b \r\nsecond\n"), Password::new(" a b "));
}

#[test]
fn passwords_keep_every_character_but_quotes_around_them() {
    for (typed, meant) in [
        ("a\"b\\c%d$e=f", "a\"b\\c%d$e=f"),
        ("\"secret1\"", "secret1"),
        ("\"", "\""),
        ("\"\"", ""),
        ("=s", "=s"),
        ("--debug", "--debug"),
    ] {
        let side = options(&["--password2", typed]).side2;
        assert_eq!(side.password, Some(Password::new(meant)), "{typed}");
    }
    let options = options(&["--password1", "s3cret", "--password2", "s3cret"]);
    assert!(!format!("{options:?}").contains("s3cret"));
}

#[cfg(unix)]
#[test]
fn octets_that_are_no_text_arrive_unharmed() {
    use std::os::unix::ffi::OsStringExt as _;
    let word = std::ffi::OsString::from_vec(b"a\xff\x80=b".to_vec());
    let mut glued = std::ffi::OsString::from("--password2=");
    glued.push(&word);
    let words = ACCOUNTS.iter().map(|word| (*word).into());
    let words = words.chain(["--password1".into(), word, glued]);
    let Ok(Request::Run(options)) = Request::read(&parse(words).unwrap_or_else(|e| panic!("{e}")))
    else {
        panic!("refused");
    };
    assert_eq!(options.side1.password, Some(Password::new(&b"a\xff\x80=b"[..])));
    assert_eq!(options.side2.password, Some(Password::new(&b"a\xff\x80=b"[..])));
}

#[test]
fn an_admin_logs_in_by_plain() {
    let side = options(&["--authuser2", "titi"]).side2;
    let plain = Mechanism::Named(Sasl::Plain);
    assert_eq!((side.mechanism, side.authuser), (plain, Some(b"titi".to_vec())));
    assert_eq!(options(&["--authmech1", "plain"]).side1.mechanism, plain);
    assert_eq!(refused(&["--authmech1", "LOGIN", "--authuser1", "a"]).len(), 1);
    assert_eq!(refused(&["--authmech1", "CRAM-MD5", "--authuser1", "a"]).len(), 1);
}

#[test]
fn an_admin_becomes_the_user_by_proxyauth() {
    let side = options(&["--authuser1", "root", "--proxyauth1"]).side1;
    assert_eq!((side.mechanism, side.proxyauth), (Mechanism::Usual, true));
    let words = ["--authuser1", "root", "--proxyauth1", "--authmech1", "LOGIN"];
    assert_eq!(options(&words).side1.mechanism, Mechanism::Usual);
    assert_eq!(refused(&["--proxyauth2"]), ["--proxyauth2"]);
}

#[test]
fn a_named_mechanism_wins_over_authmd5_and_a_token_over_both() {
    let named = |words: &[&str]| {
        let options = options(words);
        [options.side1.mechanism, options.side2.mechanism]
    };
    let cram = Mechanism::Named(Sasl::CramMd5);
    assert_eq!(named(&["--authmd5"]), [cram, cram]);
    assert_eq!(named(&["--authmd51"]), [cram, Mechanism::Usual]);
    assert_eq!(named(&["--authmd5", "--noauthmd52"]), [cram, cram], "either asks for it");
    assert_eq!(named(&["--authmd5", "--authmech1", "LOGIN"]), [Mechanism::Usual, cram]);
    let scram = Mechanism::Named(Sasl::ScramSha256);
    assert_eq!(named(&["--authmech1", "scram-sha-256"])[0], scram);
    let xoauth2 = Mechanism::Named(Sasl::XOAuth2);
    let words = ["--authmech1", "PLAIN", "--oauthaccesstoken1", "t", "--authmd5"];
    assert_eq!(named(&words)[0], xoauth2);
    let words = ["--oauthaccesstoken1", "t", "--oauthdirect1", "d"];
    let side = options(&words).side1;
    assert_eq!(side.token, Some(Token::Response(Password::new(&b"d"[..]))));
    assert_eq!(side.mechanism, xoauth2);
    let words = ["--oauthaccesstoken1", "t", "--authmech1", "OAUTHBEARER"];
    assert_eq!(named(&words)[0], Mechanism::Named(Sasl::OAuthBearer));
}

#[test]
fn ntlm_names_people_with_their_domain() {
    let user = |words: &[&str]| {
        let words = [&["--user1", "joe"], words].concat();
        String::from_utf8(options(&words).side1.user).unwrap()
    };
    assert_eq!(user(&["--authmech1", "NTLM", "--domain1", "CORP"]), "CORP\\joe");
    assert_eq!(user(&["--authmech1", "NTLM"]), "joe");
    assert_eq!(user(&["--domain1", "CORP"]), "joe", "no other mechanism has domains");
    let named = ["--authmech1", "ntlm", "--domain1", "CORP", "--user1", "OTHER\\ann"];
    assert_eq!(options(&named).side1.user, b"OTHER\\ann");
}

#[test]
fn a_mechanism_that_is_not_there_is_refused() {
    let words = ["--authmech2", "digest-md5", "--notrylogin"];
    assert_eq!(refused(&words), ["--authmech2 DIGEST-MD5"]);
    let options = options(&words[..2]);
    assert_eq!((options.side2.mechanism, options.notices.len()), (Mechanism::Usual, 1));
}

#[test]
fn a_password_that_was_refused_is_tried_again_only_if_that_is_asked_for() {
    let try_login = |words: &[&str]| options(words).side1.try_login;
    assert_eq!(try_login(&["--authmech1", "PLAIN"]), None);
    assert_eq!(try_login(&["--authmech1", "PLAIN", "--trylogin"]), Some(true));
    assert_eq!(try_login(&["--authmech1", "PLAIN", "--notrylogin"]), Some(false));
    assert_eq!(try_login(&["--authuser1", "root", "--trylogin"]), Some(false));
}

#[test]
fn ages_may_count_from_the_arrival_on_one_side() {
    let by_arrival = |words: &[&str]| options(words).messages.by_arrival;
    assert_eq!(by_arrival(&[]), [false, false]);
    assert_eq!(by_arrival(&["--noabletosearch"]), [true, true]);
    assert_eq!(by_arrival(&["--noabletosearch", "--abletosearch2"]), [true, false]);
    assert_eq!(by_arrival(&["--noabletosearch1"]), [true, false]);
}

/// U50 and the way imapsync compiles the pattern.
#[test]
fn headers_are_passed_over_by_a_pattern_without_blanks_and_case() {
    let key = |words: &[&str], header: &[u8]| {
        mailferry_engine::identity::header_key(header, &options(words).messages.keys)
    };
    let words = ["--useheader", "ALL", "--skipheader", "^x-  |received"];
    let plain = key(&words, b"Subject: a\r\n\r\n");
    assert_eq!(key(&words, b"X-Foo: b\r\nSubject: a\r\nReceived: c\r\n\r\n"), plain);
    assert_ne!(key(&words, b"Subject: a\r\nDate: c\r\n\r\n"), plain);
    assert_eq!(refused(&["--skipheader", "a("]).len(), 1);
}

#[test]
fn each_uid_is_a_message_of_its_own_with_useuid() {
    let options = options(&["--useuid", "--delete2"]);
    assert!(options.messages.sync_duplicates && !options.deletions.duplicates);
}

#[test]
fn in_a_container_files_are_written_only_if_asked_for() {
    let quiet = options(&["--dockercontext"]);
    assert_eq!((quiet.reports.log, quiet.process.pidfile), (None, PidFile::Nowhere));
    let asked = options(&["--dockercontext", "--log", "--pidfile", "p"]);
    assert!(asked.reports.log.is_some());
    assert_eq!(asked.process.pidfile, PidFile::At("p".into()));
}

#[test]
fn certificates_may_be_left_unchecked_side_by_side() {
    let options = options(&[
        "--sslargs1",
        "SSL_verify_mode=0",
        "--sslargs2",
        "SSL_version=TLSv1_2",
        "--sslargs2",
        "SSL_verify_mode=1",
    ]);
    assert_eq!(options.side1.certificate, CertificateCheck::Off);
    assert_eq!(options.side2.certificate, CertificateCheck::Strict);
    assert_eq!(options.notices.len(), 1);
    assert_eq!(refused(&["--sslargs1", "SSL_fingerprint=x"]), ["--sslargs1 SSL_fingerprint=x"]);
    assert_eq!(refused(&["--sslargs2", "SSL_reuse_ctx=x"]), ["--sslargs2 SSL_reuse_ctx=x"]);
    assert_eq!(
        refused(&["--sslargs1", "SSL_ca_file=/nowhere"]),
        ["--sslargs1 SSL_ca_file=/nowhere"]
    );
}

#[test]
fn what_else_tls_is_told_is_held_to() {
    let pin = format!("SSL_fingerprint=sha256${}", "ab".repeat(32));
    let words = ["--sslargs1", &pin, "--sslargs1", "SSL_version=TLSv1_3"];
    let words = [&words[..], &["--sslargs2", "SSL_hostname=imap.example"]].concat();
    let options = options(&words);
    let settings = &options.side1.tls_settings;
    assert_eq!(settings.fingerprints, [Fingerprint([0xab; 32])]);
    assert_eq!(settings.oldest, Version::Tls13);
    assert_eq!(options.side2.tls_settings.name.as_deref(), Some("imap.example"));
    assert_eq!(options.notices, Vec::<String>::new());
}

#[test]
fn timeouts_have_fractions_and_the_side_wins() {
    let options = options(&["--timeout", "4.99", "--timeout2", "0"]);
    assert_eq!(options.side1.timeout, Timeout::After(Duration::from_millis(4990)));
    assert_eq!(options.side2.timeout, Timeout::Never);
    assert_eq!(refused(&["--timeout1", "-1"]), ["--timeout1 -1"]);
}

#[test]
fn delete2_brings_uid_expunge_and_duplicates_with_it() {
    let deletions = options(&["--delete2"]).deletions;
    assert_eq!((deletions.duplicates, deletions.expunge), (true, Expunge::OnlyThose));
    let kept = options(&["--delete2", "--syncduplicates"]).deletions;
    assert!(!kept.duplicates);
    let both = options(&["--delete2", "--syncduplicates", "--delete2duplicates"]).deletions;
    assert!(both.duplicates);
    assert_eq!(options(&["--delete2", "--expunge2"]).deletions.expunge, Expunge::WholeFolder);
    assert_eq!(options(&["--delete2", "--nouidexpunge2"]).deletions.expunge, Expunge::Never);
    let folders = options(&["--delete2folders"]).deletions;
    assert_eq!((folders.messages, folders.folders), (false, true));
}

#[test]
fn deleting_on_both_sides_is_refused_as_such() {
    assert!(refused(&["--delete", "--delete2"]).contains(&"--delete1 --delete2".to_owned()));
}

#[test]
fn a_subfolder_is_cut_to_safe_characters_and_turns_automap_off() {
    let options = options(&["--subfolder2", " a&~b#\\c[]=d; ", "--automap"]);
    assert_eq!(options.names.subfolder2.as_deref(), Some("abcd"));
    assert!(!options.names.automap);
    assert_eq!(options.notices.len(), 2, "{:?}", options.notices);
    assert_eq!(self::options(&["--subfolder1", "  "]).names.subfolder1, None);
}

#[test]
fn f1f2_splits_at_the_first_equals_sign() {
    let names = options(&["--f1f2", "A=B=C"]).names;
    assert_eq!(names.explicit, [("A".into(), "B=C".into())]);
    assert_eq!(refused(&["--f1f2", "toto"]), ["--f1f2 toto"]);
    assert_eq!(refused(&["--f1f2", "toto="]), ["--f1f2 toto="]);
}

#[test]
fn headers_are_named_one_by_one_or_all_at_once() {
    let headers = |words: &[&str]| options(words).messages.keys.headers;
    assert_eq!(headers(&[]), KeyRule::default().headers);
    let named = ["--useheader", "Subject", "--useheader", " X-Gmail-Received "];
    assert_eq!(headers(&named), Headers::named([&b"Subject"[..], b"X-Gmail-Received"]));
    assert_eq!(headers(&["--useheader", "ALL"]), Headers::All);
    for name in ["", "a b", "a)", "a:", "a\"b", "é", "a\r\nb"] {
        assert_eq!(refused(&["--useheader", name]).len(), 1, "{name}");
    }
    let half = options(&["--messageidnodomain"]).messages.keys;
    assert_eq!(half.message_id_domain, MessageIdDomain::Dropped);
}

#[test]
fn a_search_cannot_end_its_command() {
    let searches = |words: &[&str]| options(words).messages.searches;
    let own = ["--search", "ALL", "--search2", " SUBJECT \"a b\" "];
    assert_eq!(searches(&own), [Some("ALL".into()), Some("SUBJECT \"a b\"".into())]);
    assert_eq!(searches(&["--maxage", "1"]), [None, None]);
    for keys in ["", " ", "ALL\r\nx LOGOUT", "SUBJECT {3}", "SUBJECT é"] {
        assert_eq!(refused(&["--search1", keys]).len(), 1, "{keys:?}");
    }
}

#[test]
fn a_host_and_nobody_to_log_in_is_only_connected_to() {
    let mode = |words: &[&str]| match request(words) {
        Ok(Request::Run(options)) => Some(options.mode),
        _ => None,
    };
    assert_eq!(mode(&["--host1", "h"]), Some(Mode::JustConnect));
    assert_eq!(mode(&["--host1", "h", "--host2", "g"]), Some(Mode::JustConnect));
    // A script that lost a word should notice.
    assert_eq!(mode(&["--host1", "h", "--user1", ""]), None);
    assert_eq!(mode(&["--host1", "h", "--host2", "g", "--user1", "u"]), None);
    assert_eq!(mode(&["--nolog"]), None);
}

#[test]
fn presets_leave_alone_what_the_user_said() {
    let usual = ["--user1", "u", "--user2", "v"];
    let with = |words: &[&str]| {
        let Ok(Request::Run(options)) = request(&[&usual[..], words].concat()) else {
            panic!("{words:?}")
        };
        *options
    };
    let gmail = with(&["--gmail1", "--host2", "h"]);
    assert_eq!((gmail.side1.host.as_str(), gmail.side1.ssl), ("imap.gmail.com", Some(true)));
    assert!(gmail.names.automap && gmail.messages.skip_cross_duplicates);
    assert_eq!(gmail.process.pace.octets_per_second, Some(40_000));
    assert_eq!(gmail.process.pace.octets_free, 3_000_000_000);
    assert_eq!(format!("{:?}", gmail.names.rewrites), r"[--regextrans2 s,\[Gmail\].,,]");
    let own =
        ["--gmail1", "--host2", "h", "--noautomap", "--noskipcrossduplicates", "--maxsleep", "0"];
    let own = with(&own);
    assert!(!own.names.automap && !own.messages.skip_cross_duplicates);
    assert_eq!(own.process.pace.octets_per_second, None);

    let gmail = with(&["--host1", "h", "--gmail2"]);
    assert!(gmail.messages.add_header && !gmail.messages.skip_cross_duplicates);
    assert_eq!(gmail.names.rewrites.len(), 4);
    assert_eq!(format!("{:?}", gmail.folders.exclude), r"[--exclude \[Gmail\]$]");
    assert_eq!(gmail.process.pace.octets_per_second, Some(20_000));
    let both = with(&["--gmail1", "--gmail2"]);
    assert!(both.names.rewrites.is_empty() && !both.messages.add_header);
    assert!(both.notices.is_empty() && both.messages.sync_labels && both.messages.resync_labels);
    let own = with(&["--gmail1", "--gmail2", "--nosynclabels", "--noresynclabels"]);
    assert!(!own.messages.sync_labels && !own.messages.resync_labels);
    let own = with(&["--host1", "h", "--host2", "g", "--resynclabels"]);
    assert!(!own.messages.sync_labels && own.messages.resync_labels);

    let office = with(&["--host1", "h", "--office2", "--maxsize", "9"]);
    assert_eq!(office.side2.host, "outlook.office365.com");
    assert_eq!(office.messages.octets_max, Some(9));
    assert_eq!(office.transforms.rewrites.len(), 1);
    assert!(office.transforms.disarm_receipts);
    assert_eq!(office.names.explicit[0].1, "Files_renamed_by_imapsync".into());
    let kept = with(&["--host1", "h", "--office2", "--noregexmess", "--nof1f2"]);
    assert!(kept.transforms.rewrites.is_empty() && kept.names.explicit.is_empty());

    let exchange = with(&["--host1", "h", "--host2", "g", "--exchange2"]);
    assert_eq!(exchange.messages.octets_max, Some(10_000_000));
    assert_eq!(exchange.process.pace.messages_per_second, Some(4.0));
    assert_eq!(exchange.messages.flag_rewrites.len(), 1);

    let domino = with(&["--host1", "h", "--host2", "g", "--domino1", "--domino2", "--sep1", "/"]);
    assert_eq!((domino.side1.separator, domino.side2.separator), (Some(b'\\'), Some(b'\\')));
    assert_eq!(domino.side1.prefix, Some(Vec::new()));
    assert_eq!(domino.messages.keys.message_id_domain, MessageIdDomain::Dropped);
    assert_eq!(domino.names.rewrites.len(), 1);
}

#[test]
fn justfolders_shows_sizes_at_the_end_only() {
    let reports = options(&["--justfolders"]).reports;
    assert_eq!((reports.sizes_before, reports.sizes_after), (false, true));
    let reports = options(&["--nofoldersizes"]).reports;
    assert_eq!((reports.sizes_before, reports.sizes_after), (false, false));
    let reports = options(&["--nofoldersizesatend"]).reports;
    assert_eq!((reports.sizes_before, reports.sizes_after), (true, false));
}

#[test]
fn office1_sets_what_the_user_left_open() {
    let words = ["--office1", "--user1", "u", "--host2", "h", "--user2", "v"];
    let Ok(Request::Run(options)) = request(&words) else { panic!("refused") };
    assert_eq!(options.side1.host, "outlook.office365.com");
    assert_eq!((options.side1.ssl, options.side1.probe_993), (Some(true), false));
    assert_eq!(format!("{:?}", options.folders.exclude), "[--exclude ^Files$]");
    let kept = self::options(&["--office1", "--noexclude"]);
    assert_eq!(kept.side1.host, "h1");
    assert!(kept.folders.exclude.is_empty());
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    assert_eq!(refused(&["--maxsize", "-1"]), ["--maxsize -1"]);
    assert_eq!(refused(&["--maxage", "-1"]), ["--maxage -1"]);
    assert_eq!(options(&["--errorsmax", "0"]).process.errors_max, 50);
    assert_eq!(options(&["--maxsize", "45_000_000"]).messages.octets_max, Some(45_000_000));
}

#[test]
fn an_empty_pidfile_is_no_pidfile() {
    assert_eq!(options(&["--pidfile", ""]).process.pidfile, PidFile::Nowhere);
    assert_eq!(options(&["--pidfile", "p"]).process.pidfile, PidFile::At("p".into()));
}

#[test]
fn expressions_are_read_before_anything_is_connected() {
    let options = options(&[
        "--regextrans2",
        "s,^$sync->{user1}/,,",
        "--regextrans2",
        "tr/a/b/",
        "--regexflag",
        r"s/\\Flagged//g",
        "--filterbuggyflags",
        "--include",
        "^(?!INBOX)",
    ]);
    let rewrites = &options.names.rewrites;
    assert_eq!(rewrites.len(), 2);
    assert_eq!(*rewrites[0].rule.apply(b"u1/x").unwrap(), *b"x");
    let flags = &options.messages.flag_rewrites;
    assert_eq!(flags.len(), 2);
    let apply = |text: &'static [u8]| flags[0].rule.apply(text).unwrap().into_owned();
    assert_eq!(apply(br"\Seen \Indexed \$forwarded x"), br"\Seen   x");
    assert_eq!(options.folders.include.len(), 1);
}

#[test]
fn a_broken_expression_is_refused_with_its_place_and_a_remedy() {
    let refusals = with_accounts(&["--regextrans2", "s,$,@x.example,", "--exclude", "a(b"]);
    let refusals = refusals.unwrap_err();
    assert_eq!(refusals.status(), ExitStatus::Usage);
    let shown = refusals.to_string();
    assert!(shown.contains("error: `--exclude a(b` is refused: octet 4: the pattern is broken"));
    assert!(shown.contains("`--regextrans2 s,$,@x.example,` is refused: octet 5: `@x` is"));
    assert!(shown.contains(r"hint: write `\@` for an at sign"), "{shown}");
}

/// imapsync would delete every extra folder: the word is no Perl, and it goes on without.
#[test]
fn a_word_does_not_narrow_the_folders_to_be_deleted() {
    for option in ["--delete2foldersonly", "--delete2foldersbutnot"] {
        for value in ["FooArchiv", "SUB.", "", "s/a/b/", "/["] {
            assert_eq!(refused(&[option, value]), [format!("{option} {value}")]);
        }
    }
}

#[test]
fn narrowing_the_deletion_of_folders_asks_for_it_unless_denied() {
    let deletions = options(&["--delete2foldersonly", "/^Junk$/"]).deletions;
    assert!(deletions.folders && deletions.folders_only.is_some());
    let deletions = options(&["--delete2foldersbutnot", "m{a|b}i"]).deletions;
    assert!(deletions.folders && deletions.folders_but_not.is_some());
    assert!(!options(&["--delete2foldersbutnot", "/a/", "--nodelete2folders"]).deletions.folders);
}

#[test]
fn what_is_marked_on_host1_counts_only_as_it_is_there() {
    assert!(options(&["--expunge1"]).deletions.marked_on_host1);
    let rewritten = options(&["--expunge1", "--regexflag", r"s/$/ \\Deleted/"]);
    assert!(!rewritten.deletions.marked_on_host1);
    assert_eq!(rewritten.notices.len(), 1);
}
