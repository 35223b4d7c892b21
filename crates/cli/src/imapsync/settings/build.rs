//! From parsed options to settings.

use std::path::PathBuf;

use mailferry_engine::name::MailboxName;
use mailferry_expression::Variables;

use super::expression::{matching, patterns, rewrites, variables, without_buggy_flags};
use super::identity::keys;
use super::presets::Presets;
use super::side::{Findings, SIDE1, SIDE2, SideOptions};
use super::transforms::Transforms;
use super::{
    AbortWay, Addresses, Deletions, Expunge, FolderChoice, FolderNames, ImapsyncOptions, LogFile,
    LogWish, MessageOptions, Mode, PaceOptions, PidFile, Process, Reports, Signal, Signals,
    Subscribe,
};
use crate::imapsync::getopt::{Parsed, octets, shown};
use crate::imapsync::options::{self as o, Declaration};
use crate::imapsync::support::{Refusal, Refusals, review};

/// What `--errorsmax` is without being given, or with 0.
const ERRORS_MAX: u32 = 50;

pub(super) fn options_of(parsed: &Parsed) -> Result<ImapsyncOptions, Refusals> {
    let mut findings = Findings { notices: review(parsed), refusals: Vec::new() };
    refuse_contradictions(parsed, &mut findings);
    let mut side1 = SIDE1.read(parsed, &mut findings);
    let mut side2 = SIDE2.read(parsed, &mut findings);
    let presets = Presets::read(parsed);
    presets.prepare_sides(&mut side1, &mut side2);
    let variables = variables(&side1, &side2);
    let mode = mode(parsed, [&side1, &side2], &mut findings);
    let mut options = ImapsyncOptions {
        mode,
        abort: if on(parsed, &o::ABORTBYFILE) { AbortWay::ByFile } else { AbortWay::BySignal },
        dry: on(parsed, &o::DRY),
        dry_reads: parsed.switch(&o::DRY1) == Some(false),
        side1,
        side2,
        addresses: addresses(parsed),
        send_id: unless_denied(parsed, &o::ID),
        folders: folder_choice(parsed, &mut findings),
        names: folder_names(parsed, &variables, &mut findings),
        subscribe: subscribe(parsed),
        messages: message_options(parsed, &variables, &mut findings),
        transforms: Transforms::read(parsed, &variables, &mut findings),
        deletions: deletions(parsed, &variables, &mut findings),
        reports: reports(parsed),
        process: process(parsed, &mut findings),
        notices: Vec::new(),
    };
    presets.prepare(parsed, &mut options, &mut findings);
    if options.deletions.marked_on_host1 && !options.messages.flag_rewrites.is_empty() {
        // What counts is what host1 has, not what is made of it.
        options.deletions.marked_on_host1 = false;
        findings.notices.push("--expunge1 has no effect where flags are rewritten".into());
    }
    if findings.refusals.is_empty() {
        Ok(ImapsyncOptions { notices: findings.notices, ..options })
    } else {
        Err(Refusals(findings.refusals))
    }
}

pub(super) fn on(parsed: &Parsed, option: &Declaration) -> bool {
    parsed.switch(option).unwrap_or(false)
}

pub(super) fn unless_denied(parsed: &Parsed, option: &Declaration) -> bool {
    parsed.switch(option).unwrap_or(true)
}

fn refuse_contradictions(parsed: &Parsed, findings: &mut Findings) {
    if on(parsed, &o::DELETE1) && on(parsed, &o::DELETE2) {
        findings.refusals.push(Refusal::new(
            "--delete1 --delete2",
            "together they could delete a message on both sides",
            "give one of them",
        ));
    }
    let is_denied = |option| parsed.switch(option) == Some(false);
    if on(parsed, &o::DELETE1) && is_denied(&o::EXPUNGE1) && is_denied(&o::EXPUNGEAFTEREACH) {
        findings.refusals.push(Refusal::new(
            "--noexpunge1 --noexpungeaftereach",
            "with --delete1 messages would stay on host1, marked, which this version cannot do",
            "give neither: only what is proven to be on host2 is expunged",
        ));
    }
    if on(parsed, &o::USECACHE) && on(parsed, &o::SKIPCROSSDUPLICATES) {
        findings.refusals.push(Refusal::new(
            "--usecache --skipcrossduplicates",
            "imapsync refuses them together, since its cache knows nothing of other folders",
            "leave out `--usecache`: messages are recognised without it",
        ));
    }
}

/// The mode that does least wins.
fn mode(parsed: &Parsed, sides: [&SideOptions; 2], findings: &mut Findings) -> Mode {
    let asked = [
        (&o::JUSTBANNER, Mode::JustBanner),
        (&o::TESTS, Mode::JustBanner),
        (&o::TESTSDEBUG, Mode::JustBanner),
        (&o::ABORT, Mode::Abort),
        (&o::ABORTBYFILE, Mode::Abort),
        (&o::JUSTCONNECT, Mode::JustConnect),
        (&o::JUSTLOGIN, Mode::JustLogin),
        (&o::JUSTFOLDERLISTS, Mode::JustFolderLists),
        (&o::JUSTFOLDERSIZES, Mode::JustFolderSizes),
        (&o::JUSTAUTOMAP, Mode::JustAutomap),
        (&o::JUSTFOLDERS, Mode::JustFolders),
    ];
    let asked = asked.iter().find(|(option, _)| on(parsed, option));
    let mode = match asked {
        _ if parsed.has(&o::TESTSUNIT) => Mode::JustBanner,
        Some((_, mode)) => *mode,
        None => Mode::Sync,
    };
    if matches!(mode, Mode::JustBanner | Mode::JustConnect | Mode::Abort) {
        return mode;
    }
    // A host and nobody to log in: imapsync looks whether it is there. With an empty or a missing
    // word among others it does so too, which hides that a script has lost one.
    let names = [&o::USER1, &o::USER2, &o::PASSWORD1, &o::PASSWORD2, &o::PASSFILE1, &o::PASSFILE2];
    let is_anybody_named = names.into_iter().any(|option| parsed.has(option));
    if !is_anybody_named && sides.iter().any(|side| !side.host.is_empty()) {
        return Mode::JustConnect;
    }
    let missing: Vec<_> = [SIDE1, SIDE2]
        .iter()
        .zip(sides)
        .flat_map(|(names, side)| {
            let [host, user] = names.names_of_account();
            [(host, side.host.is_empty()), (user, side.user.is_empty())]
        })
        .filter_map(|(name, missing)| missing.then_some(format!("--{name}")))
        .collect();
    if missing.is_empty() {
        return mode;
    }
    findings.refusals.push(Refusal::new(
        missing.join(" "),
        "missing or empty, so there is nothing to log in with",
        "give `--host1`, `--user1`, `--host2` and `--user2`",
    ));
    mode
}

fn addresses(parsed: &Parsed) -> Addresses {
    match (on(parsed, &o::INET4), on(parsed, &o::INET6)) {
        (true, false) => Addresses::V4,
        (false, true) => Addresses::V6,
        _ => Addresses::Any,
    }
}

fn mailboxes(parsed: &Parsed, option: &Declaration) -> Vec<MailboxName> {
    parsed.list(option).iter().map(|word| MailboxName::new(octets(word).into_owned())).collect()
}

fn folder_choice(parsed: &Parsed, findings: &mut Findings) -> FolderChoice {
    FolderChoice {
        named: mailboxes(parsed, &o::FOLDER),
        with_all_below: mailboxes(parsed, &o::FOLDERREC),
        subscribed: on(parsed, &o::SUBSCRIBED),
        include: patterns(parsed, &o::INCLUDE, findings),
        exclude: patterns(parsed, &o::EXCLUDE, findings),
        first: mailboxes(parsed, &o::FOLDERFIRST),
        last: mailboxes(parsed, &o::FOLDERLAST),
        skip_empty: on(parsed, &o::SKIPEMPTYFOLDERS),
        check_selectable: unless_denied(parsed, &o::CHECKSELECTABLE),
        check_existence: unless_denied(parsed, &o::CHECKFOLDERSEXIST),
    }
}

fn folder_names(parsed: &Parsed, variables: &Variables, findings: &mut Findings) -> FolderNames {
    let subfolder1 = subfolder(parsed, &o::SUBFOLDER1, findings);
    let subfolder2 = subfolder(parsed, &o::SUBFOLDER2, findings);
    let asked = on(parsed, &o::AUTOMAP) || on(parsed, &o::JUSTAUTOMAP);
    let automap = asked && subfolder1.is_none() && subfolder2.is_none();
    if asked && !automap {
        findings
            .notices
            .push("--automap has no effect: it is off with --subfolder1 and --subfolder2".into());
    }
    let mut explicit = Vec::new();
    for word in parsed.list(&o::F1F2) {
        let word_octets = octets(word);
        match word_octets.iter().position(|octet| *octet == b'=') {
            Some(place) if place + 1 < word_octets.len() => {
                let (from, to) = word_octets.split_at(place);
                explicit.push((MailboxName::new(from), MailboxName::new(&to[1..])));
            }
            _ => findings.refusals.push(Refusal::new(
                format!("--f1f2 {}", shown(word)),
                "a folder of host2 is missing behind `=`",
                "write `--f1f2 NAME1=NAME2`",
            )),
        }
    }
    let fix_slash = unless_denied(parsed, &o::FIXSLASH2);
    let rewrites = rewrites(parsed, &o::REGEXTRANS2, variables, findings);
    let mix = unless_denied(parsed, &o::MIXFOLDERS);
    FolderNames { automap, explicit, subfolder1, subfolder2, fix_slash, rewrites, mix }
}

/// A subfolder is cut down to letters, digits, blanks and `-_./`, as imapsync does; if that
/// changes it, the user is told. Nothing left is as if it had not been given.
fn subfolder(parsed: &Parsed, option: &Declaration, findings: &mut Findings) -> Option<String> {
    let typed = shown(parsed.text(option)?);
    let kept: String =
        typed.chars().filter(|c| c.is_ascii_alphanumeric() || "-_./ ".contains(*c)).collect();
    let kept = kept.trim().to_owned();
    if kept != typed {
        findings.notices.push(format!("--{} `{typed}` is taken as `{kept}`", option.name));
    }
    (!kept.is_empty()).then_some(kept)
}

fn subscribe(parsed: &Parsed) -> Subscribe {
    if on(parsed, &o::SUBSCRIBEALL) {
        Subscribe::Everything
    } else if unless_denied(parsed, &o::SUBSCRIBE) {
        Subscribe::AsOnHost1
    } else {
        Subscribe::Nothing
    }
}

fn message_options(
    parsed: &Parsed,
    variables: &Variables,
    findings: &mut Findings,
) -> MessageOptions {
    let filter = on(parsed, &o::FILTERBUGGYFLAGS)
        .then(|| without_buggy_flags(&o::FILTERBUGGYFLAGS, findings))
        .flatten();
    let own = rewrites(parsed, &o::REGEXFLAG, variables, findings);
    MessageOptions {
        octets_max: size(parsed, &o::MAXSIZE, findings),
        octets_min: size(parsed, &o::MINSIZE, findings),
        append_limit: size(parsed, &o::APPENDLIMIT, findings),
        age_days_max: age(parsed, &o::MAXAGE, findings),
        age_days_min: age(parsed, &o::MINAGE, findings),
        searches: [search(parsed, &o::SEARCH1, findings), search(parsed, &o::SEARCH2, findings)],
        by_arrival: [&o::ABLETOSEARCH1, &o::ABLETOSEARCH2].map(|option| {
            let able = parsed.switch(option).or_else(|| parsed.switch(&o::ABLETOSEARCH));
            able == Some(false)
        }),
        keys: keys(parsed, findings),
        sizes_count: parsed.switch(&o::SKIPSIZE) == Some(false),
        skip_cross_duplicates: on(parsed, &o::SKIPCROSSDUPLICATES),
        // Each UID is a message of its own there.
        sync_duplicates: on(parsed, &o::SYNCDUPLICATES) || on(parsed, &o::USEUID),
        add_header: on(parsed, &o::ADDHEADER),
        resync_flags: unless_denied(parsed, &o::RESYNCFLAGS),
        flag_rewrites: filter.into_iter().chain(own).collect(),
        filter_flags: unless_denied(parsed, &o::FILTERFLAGS),
        read_flags_back: on(parsed, &o::SYNCFLAGSAFTERCOPY),
        sync_labels: on(parsed, &o::SYNCLABELS),
        resync_labels: on(parsed, &o::RESYNCLABELS),
        sync_internal_dates: unless_denied(parsed, &o::SYNCINTERNALDATES),
    }
}

pub(super) fn size(parsed: &Parsed, option: &Declaration, findings: &mut Findings) -> Option<u64> {
    let number = parsed.int(option)?;
    if number < 0 {
        refuse_negative(&format!("--{} {number}", option.name), findings);
    }
    u64::try_from(number).ok()
}

/// imapsync pauses after each copy, `--maxsleep` seconds at most, so that 0 lifts the limits and its
/// usual 2 lets fast copies exceed them. Here they are held evenly.
fn pace(parsed: &Parsed) -> PaceOptions {
    if parsed.float(&o::MAXSLEEP).is_some_and(|seconds| seconds <= 0.0) {
        return PaceOptions::default();
    }
    let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    PaceOptions {
        octets_per_second: parsed.int(&o::MAXBYTESPERSECOND).and_then(positive),
        octets_free: parsed.int(&o::MAXBYTESAFTER).and_then(positive).unwrap_or(0),
        messages_per_second: parsed.float(&o::MAXMESSAGESPERSECOND).filter(|rate| *rate > 0.0),
    }
}

fn age(parsed: &Parsed, option: &Declaration, findings: &mut Findings) -> Option<f64> {
    let days = parsed.float(option)?;
    if days < 0.0 {
        refuse_negative(&format!("--{} {days}", option.name), findings);
    }
    Some(days)
}

/// The SEARCH of one side, else that of both. It goes into a command as it is, so that it must not
/// end one.
fn search(parsed: &Parsed, option: &Declaration, findings: &mut Findings) -> Option<String> {
    let (option, keys) = match parsed.text(option) {
        Some(keys) => (option, keys),
        None => (&o::SEARCH, parsed.text(&o::SEARCH)?),
    };
    let octets = octets(keys);
    let keys = octets.trim_ascii();
    let fits = |octet: &u8| (b' '..=b'~').contains(octet) && !b"{}".contains(octet);
    let is_good = !keys.is_empty() && keys.iter().all(fits);
    let keys = mailferry_imap::session::printable(keys);
    if !is_good {
        findings.refusals.push(Refusal::new(
            format!("--{} {keys}", option.name),
            "these are no search keys: printable ASCII on one line, without literals",
            "write them as RFC 9051 §6.4.4 has them, such as `SINCE 1-Jan-2020 LARGER 1000`",
        ));
    }
    Some(keys)
}

pub(super) fn refuse_negative(asked: &str, findings: &mut Findings) {
    findings.refusals.push(Refusal::new(
        asked,
        "it would leave out every message",
        "give 0 or more, or leave the option out",
    ));
}

fn deletions(parsed: &Parsed, variables: &Variables, findings: &mut Findings) -> Deletions {
    let messages = on(parsed, &o::DELETE2);
    let keeps_all = on(parsed, &o::SYNCDUPLICATES) || on(parsed, &o::USEUID);
    let duplicates = parsed.switch(&o::DELETE2DUPLICATES).unwrap_or(messages && !keeps_all);
    let expunge = if on(parsed, &o::EXPUNGE2) {
        Expunge::WholeFolder
    } else if parsed.switch(&o::UIDEXPUNGE2).unwrap_or(messages || duplicates) {
        Expunge::OnlyThose
    } else {
        Expunge::Never
    };
    let folders_only = matching(parsed, &o::DELETE2FOLDERSONLY, variables, findings);
    let folders_but_not = matching(parsed, &o::DELETE2FOLDERSBUTNOT, variables, findings);
    // Either of them asks for it, unless it is denied in so many words.
    let is_narrowed = folders_only.is_some() || folders_but_not.is_some();
    let folders = parsed.switch(&o::DELETE2FOLDERS).unwrap_or(is_narrowed);
    Deletions {
        on_host1: on(parsed, &o::DELETE1),
        marked_on_host1: on(parsed, &o::EXPUNGE1),
        empty_on_host1: on(parsed, &o::DELETE1EMPTYFOLDERS),
        messages,
        duplicates,
        folders,
        folders_only,
        folders_but_not,
        expunge,
    }
}

fn reports(parsed: &Parsed) -> Reports {
    let just_folders = on(parsed, &o::JUSTFOLDERS);
    let sizes = parsed.switch(&o::FOLDERSIZES);
    let sizes_before = sizes.unwrap_or(!just_folders);
    let debug = on(parsed, &o::DEBUG);
    let both = on(parsed, &o::DEBUGIMAP);
    let (trace1, trace2) = (both || on(parsed, &o::DEBUGIMAP1), both || on(parsed, &o::DEBUGIMAP2));
    // In a container nobody looks for a log file that was not asked for.
    let in_container = on(parsed, &o::DOCKERCONTEXT);
    let log = parsed.switch(&o::LOG).unwrap_or(!in_container).then(|| {
        let directory = parsed.text(&o::LOGDIR).map(PathBuf::from);
        let name = parsed.text(&o::LOGFILE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let given = directory.is_some() || name.is_some();
        LogFile {
            directory: directory.unwrap_or_else(|| "LOG_imapsync".into()),
            name,
            wish: if given { LogWish::Given } else { LogWish::Usual },
        }
    });
    Reports {
        sizes_before,
        sizes_after: parsed
            .switch(&o::FOLDERSIZESATEND)
            .unwrap_or(sizes_before || (just_folders && sizes.is_none())),
        errors_listed: unless_denied(parsed, &o::ERRORSDUMP),
        debug: debug || trace1 || trace2,
        folder_trace: debug || on(parsed, &o::DEBUGFOLDERS),
        flag_trace: debug || on(parsed, &o::DEBUGFLAGS),
        content_trace: on(parsed, &o::DEBUGCONTENT),
        trace1,
        trace2,
        show_passwords: on(parsed, &o::SHOWPASSWORDS),
        log,
    }
}

fn process(parsed: &Parsed, findings: &mut Findings) -> Process {
    let pidfile = match parsed.text(&o::PIDFILE) {
        None if on(parsed, &o::DOCKERCONTEXT) => PidFile::Nowhere,
        None => PidFile::Shared,
        Some(name) if name.is_empty() => PidFile::Nowhere,
        Some(name) => PidFile::At(name.into()),
    };
    let errors_max = parsed.int(&o::ERRORSMAX).unwrap_or(0).max(0);
    Process {
        temporary: parsed.text(&o::TMPDIR).filter(|name| !name.is_empty()).map(PathBuf::from),
        pidfile,
        pidfile_locks: on(parsed, &o::PIDFILELOCKING),
        pace: pace(parsed),
        octets_max: size(parsed, &o::EXITWHENOVER, findings),
        signals: Signals {
            ignored: signals(parsed, &o::SIGIGNORE, findings),
            ending: signals(parsed, &o::SIGEXIT, findings),
        },
        tail: on(parsed, &o::TAIL),
        reconnects_max: [&o::RECONNECTRETRY1, &o::RECONNECTRETRY2]
            .into_iter()
            .filter_map(|option| parsed.int(option))
            .map(|count| u32::try_from(count.max(0)).unwrap_or(u32::MAX))
            .max(),
        errors_max: match u32::try_from(errors_max) {
            Ok(0) => ERRORS_MAX,
            Ok(count) => count,
            Err(_) => u32::MAX,
        },
    }
}

fn signals(parsed: &Parsed, option: &Declaration, findings: &mut Findings) -> Vec<Signal> {
    let mut signals = Vec::new();
    for word in parsed.list(option) {
        match Signal::parse(&word.to_string_lossy()) {
            Some(signal) => signals.push(signal),
            None => findings.notices.push(format!(
                "--{} {} has no effect: this program hears of INT, TERM, QUIT and HUP",
                option.name,
                shown(word)
            )),
        }
    }
    signals
}
