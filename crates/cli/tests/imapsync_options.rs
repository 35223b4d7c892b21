//! The front's command line against imapsync's catalogue and documented uses.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use mailferry_cli::imapsync::getopt::{Parsed, UsageError};
use mailferry_cli::imapsync::help::{self, Shell};
use mailferry_cli::imapsync::options::{self, Declaration, Kind, Priority, Side, Support};
use mailferry_cli::imapsync::settings::{Mechanism, Password, Request, Token};
use mailferry_cli::imapsync::{ImapsyncOptions, Mode, parse};
use proptest::prelude::*;

const CATALOGUE: &str = include_str!("../../../tests/data/imapsync/options.tsv");

fn try_parse(words: &[&str]) -> Result<Parsed, Vec<UsageError>> {
    parse(words.iter().map(|word| OsString::from(*word))).map_err(|errors| errors.0)
}

fn parsed(words: &[&str]) -> Parsed {
    try_parse(words).unwrap_or_else(|errors| panic!("{words:?}: {errors:?}"))
}

fn errors(words: &[&str]) -> Vec<UsageError> {
    match try_parse(words) {
        Ok(_) => panic!("{words:?} was understood"),
        Err(errors) => errors,
    }
}

fn run(words: &[&str]) -> ImapsyncOptions {
    match Request::read(&parsed(words)) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn declared(name: &str) -> &'static Declaration {
    options::every().find(|option| option.name == name).unwrap_or_else(|| panic!("{name}"))
}

// ---- the catalogue ----

struct Row<'a> {
    name: &'a str,
    aliases: BTreeSet<&'a str>,
    negatable: bool,
    kind: &'a str,
    spec: &'a str,
    default: &'a str,
    side: &'a str,
    priority: &'a str,
}

fn catalogue() -> Vec<Row<'static>> {
    let rows: Vec<_> = CATALOGUE
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.split('\t').collect();
            let (aliases, negation): (Vec<_>, Vec<_>) =
                cells[1].split("; ").partition(|part| part.starts_with("--"));
            Row {
                name: cells[0],
                aliases: aliases.iter().map(|alias| alias.trim_start_matches('-')).collect(),
                negatable: negation.iter().any(|part| part.starts_with("negation")),
                kind: cells[2],
                spec: cells[3],
                default: cells[4],
                side: cells[5],
                priority: cells[11],
            }
        })
        .collect();
    assert_eq!(rows.len(), 220);
    rows
}

#[test]
fn every_row_of_the_catalogue_is_declared_once_and_nothing_else() {
    let declared: Vec<_> = options::every().map(|option| option.name).collect();
    let unique: BTreeSet<_> = declared.iter().copied().collect();
    let catalogued: BTreeSet<_> = catalogue().iter().map(|row| row.name).collect();
    assert_eq!(unique, catalogued);
    assert_eq!(declared.len(), unique.len());
}

#[test]
fn declarations_have_the_aliases_and_negations_of_the_catalogue() {
    for row in catalogue() {
        let option = declared(row.name);
        let aliases: BTreeSet<_> = option.aliases.iter().copied().collect();
        assert_eq!(aliases, row.aliases, "{}", row.name);
        let negatable = matches!(option.kind, Kind::Switch(_));
        assert_eq!(negatable, row.negatable, "{}", row.name);
    }
}

#[test]
fn declarations_have_the_types_of_the_catalogue() {
    for row in catalogue() {
        let kind = declared(row.name).kind;
        let fits = match row.kind.split(' ').next().unwrap() {
            "flag" => matches!(kind, Kind::Flag | Kind::Switch(_)),
            "int" => matches!(kind, Kind::Int(_)),
            "float" => matches!(kind, Kind::Float(_)),
            "list" if row.spec.ends_with("=s%") => matches!(kind, Kind::Pairs(_)),
            "list" => matches!(kind, Kind::List(_)),
            "string" => matches!(kind, Kind::Text(_)),
            _ => false,
        };
        assert!(fits, "{}: {kind:?} is no {}", row.name, row.kind);
    }
}

#[test]
fn declarations_have_the_sides_and_priorities_of_the_catalogue() {
    for row in catalogue() {
        let option = declared(row.name);
        let side = match row.side {
            "1" => Side::One,
            "2" => Side::Two,
            "both" => Side::Both,
            _ => Side::Run,
        };
        // What the catalogue gives no side may still be told with one.
        if row.side != "-" {
            assert_eq!(option.side, side, "{}", row.name);
        }
        let priority = match row.priority {
            "A" => Priority::A,
            "B" => Priority::B,
            _ => Priority::C,
        };
        assert_eq!(option.priority, priority, "{}", row.name);
    }
}

#[test]
fn switches_default_to_what_the_catalogue_says() {
    for row in catalogue() {
        let Kind::Switch(default) = declared(row.name).kind else { continue };
        // `on (off in CGI)` is on; `on with usecache` depends.
        match row.default.split(" (").next().unwrap() {
            "on" => assert_eq!(default, options::Default::On, "{}", row.name),
            "off" | "off in this release" => {
                assert_eq!(default, options::Default::Off, "{}", row.name)
            }
            _ => {}
        }
    }
}

#[test]
fn only_the_web_forms_own_options_are_unknown() {
    for row in catalogue() {
        let option = declared(row.name);
        let word = format!("--{}", row.name);
        let words: Vec<&str> = match option.kind {
            Kind::Flag | Kind::Switch(_) => vec![&word],
            Kind::Int(_) | Kind::Float(_) => vec![&word, "1"],
            Kind::Text(_) | Kind::List(_) | Kind::Pairs(_) => vec![&word, "a=b"],
        };
        let known = try_parse(&words).is_ok_and(|parsed| parsed.has(option));
        assert_eq!(known, row.spec != "CGI table", "{}", row.name);
        assert_eq!(known, option.support != Support::WebFormOnly, "{}", row.name);
    }
}

// ---- the parser ----

#[test]
fn names_start_with_dashes_or_plus_in_any_case() {
    for word in ["--debug", "-debug", "+debug", "--DEBUG", "-DeBuG"] {
        assert_eq!(parsed(&[word]).switch(&options::DEBUG), Some(true), "{word}");
    }
    for word in ["---debug", "--+debug", "--=x", "--é"] {
        assert!(matches!(errors(&[word])[..], [UsageError::Unknown(_)]), "{word}");
    }
    assert_eq!(errors(&["+"]), [UsageError::NamelessOption]);
}

#[test]
fn unique_beginnings_are_enough() {
    assert_eq!(parsed(&["--syncacl"]).switch(&options::SYNCACLS), Some(true));
    assert_eq!(parsed(&["--noexcl"]).switch(&options::NOEXCLUDE), Some(true));
    assert_eq!(parsed(&["--ver"]).switch(&options::VERSION), Some(true));
    assert_eq!(parsed(&["--ssl1_", "x"]).text(&options::SSL1_SSL_VERSION), Some("x".as_ref()));
    // Two names of one option are no ambiguity.
    assert_eq!(parsed(&["--nomodules"]).switch(&options::MODULESVERSION), Some(false));
    assert_eq!(parsed(&["--subscribea"]).switch(&options::SUBSCRIBEALL), Some(true));
}

#[test]
fn an_exact_name_wins_over_longer_ones() {
    assert_eq!(parsed(&["--debugimap"]).switch(&options::DEBUGIMAP), Some(true));
    assert_eq!(parsed(&["--debugimap"]).switch(&options::DEBUGIMAP1), None);
    assert_eq!(parsed(&["--delete"]).switch(&options::DELETE1), Some(true));
    assert_eq!(parsed(&["--expunge"]).switch(&options::EXPUNGE1), Some(true));
    assert_eq!(parsed(&["--id"]).switch(&options::ID), Some(true));
    assert_eq!(parsed(&["--ssl1"]).switch(&options::SSL1), Some(true));
}

#[test]
fn ambiguous_beginnings_name_the_candidates() {
    assert_eq!(
        errors(&["--inet"]),
        [UsageError::Ambiguous {
            option: "inet".into(),
            candidates: vec!["inet4".into(), "inet6".into()],
        }]
    );
    let all = errors(&["--fold", "x"]);
    let [UsageError::Ambiguous { candidates, .. }, UsageError::StrayWord { place: 2 }] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert!(candidates.contains(&"folderrec".to_owned()) && candidates.len() > 3);
    assert!(matches!(errors(&["--i"])[..], [UsageError::Ambiguous { .. }]));
}

#[test]
fn only_negatable_options_have_negations() {
    assert_eq!(parsed(&["--nolog"]).switch(&options::LOG), Some(false));
    assert_eq!(parsed(&["--NO-LOG"]).switch(&options::LOG), Some(false));
    assert_eq!(parsed(&["--no-delete"]).switch(&options::DELETE1), Some(false));
    assert_eq!(parsed(&["--dry", "--nodry"]).switch(&options::DRY), Some(false));
    for word in ["--no_log", "--noabort", "--no-noexclude", "--nohost1", "--no-version"] {
        assert!(matches!(errors(&[word, ""])[..], [UsageError::Unknown(_)]), "{word}");
    }
    // These are flags of their own.
    assert_eq!(parsed(&["--nof1f2"]).switch(&options::NOF1F2), Some(true));
    assert_eq!(parsed(&["--noexclude"]).switch(&options::NOEXCLUDE), Some(true));
}

#[test]
fn values_follow_an_equals_sign_or_are_the_next_word() {
    for words in [&["--host1=a=b"][..], &["--host1", "a=b"], &["-HOST1=a=b"]] {
        assert_eq!(parsed(words).text(&options::HOST1), Some("a=b".as_ref()));
    }
    let equals = parsed(&["--password1", "==secret"]);
    assert_eq!(equals.text(&options::PASSWORD1), Some("==secret".as_ref()));
    assert_eq!(parsed(&["--prefix2", ""]).text(&options::PREFIX2), Some("".as_ref()));
    assert_eq!(errors(&["--prefix2="]), [UsageError::MissingValue("prefix2".into())]);
    assert_eq!(errors(&["--host1"]), [UsageError::MissingValue("host1".into())]);
    assert_eq!(errors(&["--debug=1"]), [UsageError::NeedlessValue("debug".into())]);
    assert_eq!(errors(&["--nodebug="]), [UsageError::NeedlessValue("nodebug".into())]);
}

#[test]
fn values_are_taken_even_if_they_look_like_options() {
    let both = parsed(&["--host1", "--debug", "--exclude", "--", "--folder", "-x"]);
    assert_eq!(both.text(&options::HOST1), Some("--debug".as_ref()));
    assert_eq!(both.list(&options::EXCLUDE), ["--"]);
    assert_eq!(both.list(&options::FOLDER), ["-x"]);
    assert_eq!(both.switch(&options::DEBUG), None);
}

#[test]
fn numbers_are_numbers() {
    assert_eq!(parsed(&["--maxsize", "45_000_000"]).int(&options::MAXSIZE), Some(45_000_000));
    assert_eq!(parsed(&["--port1=+993"]).int(&options::PORT1), Some(993));
    assert_eq!(parsed(&["--timeout", ".5"]).float(&options::TIMEOUT), Some(0.5));
    for value in ["1e6", "12abc", "", "--debug"] {
        let all = errors(&["--port1", value]);
        assert!(matches!(all[..], [UsageError::NotAnInt { .. }]), "{value}: {all:?}");
    }
    assert!(matches!(errors(&["--timeout", "5."])[..], [UsageError::NotAFloat { .. }]));
}

#[test]
fn lists_add_up_and_the_last_scalar_wins() {
    let all = parsed(&["--folder", "b", "--host1", "x", "--folder=a", "--host1", "y"]);
    assert_eq!(all.list(&options::FOLDER), ["b", "a"]);
    assert_eq!(all.text(&options::HOST1), Some("y".as_ref()));
    let pairs = parsed(&["--sslargs1", "A=B=C", "--sslargs1=D="]);
    let expected: [(OsString, OsString); 2] = [("A".into(), "B=C".into()), ("D".into(), "".into())];
    assert_eq!(pairs.pairs(&options::SSLARGS1), expected);
    assert_eq!(errors(&["--sslargs1", "A"]), [UsageError::MissingPair("sslargs1".into())]);
}

#[test]
fn words_that_belong_to_no_option_are_errors_unless_empty() {
    assert_eq!(errors(&["--testslive", "stray"]), [UsageError::StrayWord { place: 2 }]);
    assert_eq!(errors(&["-"]), [UsageError::StrayWord { place: 1 }]);
    assert_eq!(errors(&["--", "--debug"]), [UsageError::StrayWord { place: 2 }]);
    let tolerated = parsed(&["", "--debug", "", "--", ""]);
    assert_eq!(tolerated.switch(&options::DEBUG), Some(true));
}

#[test]
fn a_blank_in_delete2_never_becomes_a_deletion_on_host1() {
    let all = errors(&["--delete", "2", "--blabla"]);
    assert_eq!(all, [UsageError::DeleteThenTwo, UsageError::Unknown("blabla".into())]);
    assert_eq!(errors(&["-delete", "2folders"]), [UsageError::DeleteThenTwo]);
}

#[test]
fn messages_about_a_wrong_command_line_hold_no_secret() {
    for words in [
        &["--password", "s3cret"][..],
        &["--password1", "two", "s3cret"],
        &["--pasword1=s3cret"],
        &["--password1s3cret"],
        &["--password1", "s3cret", "--nonsense"],
    ] {
        let Err(errors) = parse(words.iter().map(OsString::from)) else { panic!("{words:?}") };
        let text = format!("{errors} {errors:?}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_wrong_command_line_is_told_with_a_hint() {
    let Err(errors) = parse(["--inet", "--nonsense", "--port1=a"].map(OsString::from)) else {
        panic!("understood")
    };
    assert_eq!(
        errors.to_string(),
        "error: option `inet` is ambiguous (inet4, inet6)\n\
         error: unknown option `nonsense`\n\
         error: option `port1` needs a whole number, not `a`\n\
         \nhint: write the option's name in full\
         \nhint: `--help` lists the options"
    );
}

proptest! {
    #[test]
    fn no_command_line_makes_the_parser_panic(
        words in proptest::collection::vec(
            prop_oneof![
                "[-+]{0,3}[a-zA-Z0-9_=-]{0,12}",
                "--(no-?)?(debug|ssl1|folder|port1|timeout|sslargs1|password1|delete)(=.{0,4})?",
                any::<String>(),
            ],
            0..8,
        )
    ) {
        if let Ok(parsed) = parse(words.into_iter().map(OsString::from)) {
            let _ = Request::read(&parsed);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_password_of_any_octets_arrives_as_typed(
        octets in proptest::collection::vec(1..=255u8, 1..20)
    ) {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        let word = OsString::from_vec(octets.clone());
        let mut glued = OsString::from("--password2=");
        glued.push(&word);
        let parsed = parse(["--password1".into(), word, glued]);
        let Ok(parsed) = parsed else { return Err(TestCaseError::fail("refused")) };
        for option in [options::PASSWORD1, options::PASSWORD2] {
            prop_assert_eq!(parsed.text(&option).unwrap().as_bytes(), &octets[..]);
        }
    }

    #[test]
    fn any_beginning_is_the_option_itself_or_told_to_be_short_of_it(
        place in 0..220usize, cut in 1..24usize
    ) {
        let option = options::every().nth(place).unwrap();
        prop_assume!(option.support != Support::WebFormOnly);
        let name: String = option.name.chars().take(cut).collect();
        let mut words = vec![OsString::from(format!("--{name}"))];
        match option.kind {
            Kind::Flag | Kind::Switch(_) => {}
            Kind::Int(_) | Kind::Float(_) => words.push("1".into()),
            Kind::Text(_) | Kind::List(_) | Kind::Pairs(_) => words.push("1=1".into()),
        }
        let whole = cut >= option.name.len();
        match parse(words).map_err(|errors| errors.0) {
            Ok(parsed) => prop_assert!(parsed.has(option) || !whole),
            // Short of its end a name may be another option's: `--ssl1` of `--ssl1_ssl_version`.
            Err(errors) => prop_assert!(!whole, "{:?}", errors),
        }
    }
}

// ---- documented command lines ----

/// The words of a documented command, as the shell or `cmd.exe` would hand them over: blanks
/// separate, quotes join, a `\` or `^` at the end of a line continues it.
fn words_of(command: &str) -> Vec<String> {
    let mut words = vec![];
    let (mut word, mut quoted, mut started) = (String::new(), None, false);
    let joined = command.replace("\\\n", " ").replace("^\n", " ");
    for character in joined.chars().chain([' ']) {
        match character {
            '"' | '\'' if quoted == Some(character) => quoted = None,
            '"' | '\'' if quoted.is_none() => (quoted, started) = (Some(character), true),
            blank if blank.is_whitespace() && quoted.is_none() => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            other => {
                word.push(other);
                started = true;
            }
        }
    }
    words
}

fn run_command(command: &str) -> ImapsyncOptions {
    let words = words_of(command);
    let words: Vec<_> = words.iter().map(String::as_str).skip(1).collect();
    run(&words)
}

/// A command in its Unix and its Windows form.
fn both_shells(options: &str) -> [ImapsyncOptions; 2] {
    ["\\", "^"].map(|continued| {
        run_command(&format!(
            "imapsync {continued}\n  --host1 imap.truc.org --user1 foo --password1 \"secret 1\" \
             {continued}\n  --host2 imap.trac.org --user2 bar --password2 secret2 {continued}\n  \
             {options}"
        ))
    })
}

#[test]
fn a_simple_transfer_adds_and_deletes_nothing() {
    for run in both_shells("--addheader") {
        assert_eq!(run.side1.host, "imap.truc.org");
        assert_eq!(run.side2.host, "imap.trac.org");
        assert_eq!(run.side1.password.unwrap().expose(), b"secret 1");
        assert!(run.messages.add_header);
        assert!(!run.deletions.messages && !run.deletions.folders && !run.deletions.duplicates);
        assert_eq!(run.mode, Mode::Sync);
        assert_eq!(run.notices, Vec::<String>::new());
    }
}

#[test]
fn an_exact_backup_deletes_messages_and_folders() {
    for run in both_shells("--delete2 --delete2folders") {
        assert!(run.deletions.messages && run.deletions.folders);
    }
}

#[test]
fn a_presync_deletes_messages_only() {
    for run in both_shells("--delete2") {
        assert!(run.deletions.messages && !run.deletions.folders);
    }
}

#[test]
fn a_restore_goes_the_other_way_without_deletions() {
    for run in both_shells("--automap --syncinternaldates") {
        assert!(run.names.automap && run.messages.sync_internal_dates && !run.deletions.messages);
    }
}

#[test]
fn windows_values_with_blanks_and_patterns_arrive_whole() {
    let run = run_command(
        "imapsync.exe ^\n --host1 h --user1 u --host2 h --user2 u ^\n --folder \"Sent Items\" ^\n \
         --exclude \"^Junk E-mail$\" --f1f2=\"Old Stuff=New Stuff\"",
    );
    assert_eq!(run.folders.named, ["Sent Items".into()]);
    assert_eq!(run.folders.exclude[0].text, b"^Junk E-mail$");
    assert_eq!(run.names.explicit, [("Old Stuff".into(), "New Stuff".into())]);
}

/// What mailcow's runner gives, with its options at likely values.
const MAILCOW: &str = "imapsync --tmpdir /tmp --nofoldersizes --addheader \
    --timeout1 600 --timeout2 600 --exclude '(?i)spam|(?i)junk' --subfolder2 External \
    --maxage 30 --maxbytespersecond 100000 --delete2duplicates --subscribeall \
    --automap --tls1 --host1 imap.example.org --user1 jo@example.org --passfile1 /tmp/a \
    --port1 143 --host2 localhost --user2 'jo@example.net*master' --passfile2 /tmp/b --dry \
    --no-modulesversion --noreleasecheck";

#[test]
fn mailcows_command_line_is_understood() {
    let run = run_command(MAILCOW);
    assert_eq!(run.side2.user, b"jo@example.net*master");
    assert!(run.side2.probe_993, "host2 has no port and relies on the probe");
    assert_eq!((run.side1.tls, run.side1.port), (Some(true), Some(143)));
    assert_eq!(run.side1.passfile.as_deref(), Some(Path::new("/tmp/a")));
    assert!(run.dry && run.deletions.duplicates && !run.deletions.messages);
    assert_eq!(run.folders.exclude.len(), 1);
    assert_eq!(run.folders.exclude[0].text, b"(?i)spam|(?i)junk");
    assert_eq!(run.names.subfolder2.as_deref(), Some("External"));
    assert_eq!(run.messages.age_days_max, Some(30.0));
    assert!(!run.reports.sizes_before);
    // --automap yields to --subfolder2.
    assert_eq!(run.notices.len(), 1, "{:?}", run.notices);
}

#[test]
fn mailcows_options_that_could_harm_are_refused_by_name() {
    let words = words_of(&format!("{MAILCOW} --authmech1 DIGEST-MD5 --notrylogin"));
    let words: Vec<_> = words.iter().map(String::as_str).skip(1).collect();
    let refusals = Request::read(&parsed(&words)).unwrap_err();
    assert_eq!(refusals.status().number(), 64);
    let asked = |refusal: &mailferry_cli::imapsync::support::Refusal| {
        refusal.asked == "--authmech1 DIGEST-MD5"
    };
    assert!(refusals.0.iter().any(asked), "{refusals}");
}

#[test]
fn mailcows_tokens_are_taken() {
    let words = words_of(&format!("{MAILCOW} --authmech1 XOAUTH2 --oauthaccesstoken1 /tmp/t"));
    let words: Vec<_> = words.iter().map(String::as_str).skip(1).collect();
    let side = run(&words).side1;
    assert_eq!(side.mechanism, Mechanism::Named(mailferry_imap::sasl::Mechanism::XOAuth2));
    assert_eq!(side.token, Some(Token::Access(Password::new(&b"/tmp/t"[..]))));
}

#[test]
fn a_line_of_sync_loop_is_understood_with_the_empty_word_of_gnu_parallel() {
    let line = "imap.a.org;user1;secret 1;imap.b.org;user2;=s\"2;--automap --nolog;";
    let fields: Vec<_> = line.split(';').collect();
    let mut words = vec!["--host1", fields[0], "--user1", fields[1], "--password1", fields[2]];
    words.extend(["--host2", fields[3], "--user2", fields[4], "--password2", fields[5]]);
    words.extend(fields[6].split(' '));
    words.extend([fields[7], "--justfolders"]);
    let run = run(&words);
    assert_eq!(run.side1.password.unwrap().expose(), b"secret 1");
    assert_eq!(run.side2.password.unwrap().expose(), b"=s\"2");
    assert!(run.names.automap && run.reports.log.is_none());
    assert_eq!(run.mode, Mode::JustFolders);
}

#[test]
fn an_option_that_is_refused_is_told_with_what_to_do() {
    let account = ["--host1", "a", "--user1", "a", "--host2", "b", "--user2", "b"];
    let words = [&account[..], &["--usecache", "--skipcrossduplicates"]].concat();
    let refusals = Request::read(&parsed(&words)).unwrap_err();
    assert_eq!(
        refusals.to_string(),
        "error: `--usecache --skipcrossduplicates` is refused: imapsync refuses them together, \
         since its cache knows nothing of other folders\n\nhint: leave out `--usecache`: messages \
         are recognised without it"
    );
}

// ---- documentation ----

/// Holds a file of the repository against what is generated, or writes it with BLESS=1.
#[track_caller]
fn is_up_to_date(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written.replace("\r\n", "\n") == text, "{name} is stale: run with BLESS=1");
}

#[test]
fn the_reference_page_is_up_to_date() {
    is_up_to_date("docs/imapsync.md", &help::reference());
}

#[test]
fn the_manual_page_is_up_to_date() {
    is_up_to_date("docs/man/imapsync.1", &help::manual());
}

#[test]
fn the_completions_are_up_to_date() {
    for (shell, name) in Shell::EVERY {
        is_up_to_date(&format!("docs/completions/{name}"), &help::completions(shell));
    }
}
