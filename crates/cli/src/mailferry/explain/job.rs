//! An old command line as the settings of a job. What a job cannot say and mail would suffer
//! without is refused; what makes no such difference is told.

use mailferry_engine::identity::KeyRule;
use mailferry_imap::mutf7;

use super::super::jobs::{Settings, Value};
use crate::account::percent_encoded;
use crate::imapsync::Mode;
use crate::imapsync::settings::{
    Addresses, CertificateCheck, Deletions, FolderChoice, FolderNames, ImapsyncOptions, Mechanism,
    MessageOptions, SideOptions, Subscribe, Timeout, Transforms,
};
use crate::servers::NameRegex;

/// What a command line comes to.
#[derive(Debug, Default)]
pub(super) struct Translation {
    /// The settings of the job.
    pub(super) settings: Settings,
    /// What a job cannot say: with any of these there is no job.
    pub(super) refused: Vec<String>,
    /// What should be known.
    pub(super) notices: Vec<String>,
}

/// Translates.
pub(super) fn translate(options: &ImapsyncOptions) -> Translation {
    let mut made = Translation::default();
    if options.mode != Mode::Sync {
        made.refuse("a run that does not copy");
    }
    if options.dry {
        made.notice("--dry is left out: `mailferry plan` shows what the job would do");
    }
    made.set("kind", kind(&options.deletions));
    for (name, side) in [("source", &options.side1), ("target", &options.side2)] {
        made.side(name, side);
    }
    made.reach(options);
    made.folders(&options.folders);
    made.names(&options.names);
    made.messages(&options.messages);
    made.deletions(&options.deletions);
    if changes_content(&options.transforms) {
        made.refuse(
            "a rule about the content of messages (--skipmess, --regexmess, --pipemess, …)",
        );
    }
    match options.subscribe {
        Subscribe::Nothing => made.on("no_subscribe"),
        Subscribe::AsOnHost1 => {}
        Subscribe::Everything => made.on("subscribe_all"),
    }
    made.pace(options);
    made.notices.extend(options.notices.iter().cloned());
    made
}

fn kind(deletions: &Deletions) -> &'static str {
    match (deletions.messages, deletions.folders) {
        (true, true) => "backup",
        (true, false) => "presync",
        _ => "transfer",
    }
}

fn changes_content(transforms: &Transforms) -> bool {
    let nothing = Transforms {
        check_pipes: transforms.check_pipes,
        variables: transforms.variables.clone(),
        ..Transforms::default()
    };
    *transforms != nothing
}

impl Translation {
    fn set(&mut self, key: &str, value: impl Into<String>) {
        self.settings.push((key.to_owned(), Value::Text(value.into())));
    }

    fn list(&mut self, key: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.settings.push((key.to_owned(), Value::List(values)));
        }
    }

    fn on(&mut self, key: &str) {
        self.settings.push((key.to_owned(), Value::Switch(true)));
    }

    fn refuse(&mut self, what: impl Into<String>) {
        self.refused.push(what.into());
    }

    fn notice(&mut self, what: impl Into<String>) {
        self.notices.push(what.into());
    }

    fn side(&mut self, name: &str, side: &SideOptions) {
        let (scheme, usual) = match (side.ssl, side.tls) {
            (Some(true), _) => ("imaps", 993),
            (Some(false), Some(false)) => ("imap+plain", 143),
            _ if side.probe_993 => ("imaps", 993),
            _ => ("imap", 143),
        };
        if side.probe_993 {
            self.notice(format!("{name}: imapsync looks for protection, the job insists on imaps"));
        } else if scheme == "imap" {
            self.notice(format!("{name}: the job insists on STARTTLS"));
        }
        let user = percent_encoded(&side.user);
        let host =
            if side.host.contains(':') { format!("[{}]", side.host) } else { side.host.clone() };
        let port = side.port.filter(|&port| port != usual).map(|port| format!(":{port}"));
        self.set(name, format!("{scheme}://{user}@{host}{}", port.unwrap_or_default()));
        self.login(name, side);
        if side.prefix.is_some() || side.separator.is_some() {
            self.refuse(format!(
                "a prefix or separator of the {name} in place of the server's own"
            ));
        }
        match side.certificate {
            CertificateCheck::Usual | CertificateCheck::Strict => {}
            CertificateCheck::Off => self.notice(format!(
                "{name}: any certificate was accepted; the job verifies it, or takes one by \
                 `{name}_pin = [\"sha256:…\"]`"
            )),
        }
        if side.tls_settings != Default::default() {
            self.notice(format!("{name}: what --sslargs says of TLS is left out"));
        }
    }

    fn login(&mut self, name: &str, side: &SideOptions) {
        if let Some(file) = &side.passfile {
            let whole = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            self.set(&format!("{name}_password_file"), whole.to_string_lossy());
        } else if side.token.is_some() {
            self.notice(format!(
                "{name}: the access token is not written; add `{name}_token_file`, \
                 `{name}_token_command` or `{name}_token_grant`, or use `mailferry login`"
            ));
        } else {
            self.notice(format!(
                "{name}: no password is written; add `{name}_password_file`, \
                 `{name}_password_command` or `{name}_password_env`"
            ));
        }
        if let Mechanism::Named(mechanism) = side.mechanism {
            self.set(&format!("{name}_auth"), mechanism.name());
        }
        if let Some(admin) = &side.authuser {
            self.set(&format!("{name}_login_as"), String::from_utf8_lossy(admin));
            if side.proxyauth {
                self.set(&format!("{name}_login_as_by"), "proxyauth");
            }
        }
    }

    /// What is said of both connections.
    fn reach(&mut self, options: &ImapsyncOptions) {
        let waits = [options.side1.timeout, options.side2.timeout];
        let longest = waits.into_iter().filter_map(|wait| match wait {
            Timeout::After(time) => Some(time.as_secs()),
            Timeout::Never => None,
        });
        if waits.contains(&Timeout::Never) {
            self.notice("a silent server is given up after two minutes");
        } else if let Some(longest) = longest.max().filter(|&seconds| seconds != 120) {
            self.set("timeout", longest.to_string());
        }
        match options.addresses {
            Addresses::Any => {}
            Addresses::V4 => self.on("ipv4"),
            Addresses::V6 => self.on("ipv6"),
        }
        match [options.side1.compress, options.side2.compress] {
            [Some(true), _] | [_, Some(true)] => self.set("compress", "always"),
            _ => {}
        }
    }

    fn folders(&mut self, folders: &FolderChoice) {
        let shown = |names: &[mailferry_engine::name::MailboxName]| {
            names.iter().map(|name| mutf7::display(name.as_bytes())).collect::<Vec<_>>()
        };
        self.list("folder", shown(&folders.named));
        self.list("folder_recursive", shown(&folders.with_all_below));
        if folders.subscribed {
            self.on("subscribed");
        }
        for (key, patterns) in [("include", &folders.include), ("exclude", &folders.exclude)] {
            let mut texts = Vec::new();
            for pattern in patterns {
                let text = String::from_utf8_lossy(&pattern.text).into_owned();
                match NameRegex::new(&text) {
                    Ok(_) => texts.push(text),
                    Err(_) => {
                        self.refuse(format!("an expression that needs Perl: {}", pattern.asked))
                    }
                }
            }
            self.list(key, texts);
        }
        if folders.skip_empty {
            self.notice("mailboxes without messages are created, too");
        }
    }

    fn names(&mut self, names: &FolderNames) {
        if !names.automap {
            self.on("no_special_use");
        }
        let pair = |(from, to): &(_, _)| -> String {
            let shown =
                |name: &mailferry_engine::name::MailboxName| mutf7::display(name.as_bytes());
            format!("{}={}", shown(from), shown(to))
        };
        self.list("map", names.explicit.iter().map(pair).collect());
        for (key, name) in [("from", &names.subfolder1), ("into", &names.subfolder2)] {
            if let Some(name) = name {
                self.set(key, name.clone());
            }
        }
        for rule in &names.rewrites {
            self.refuse(format!("an expression that rewrites names: {}", rule.asked));
        }
    }

    fn messages(&mut self, messages: &MessageOptions) {
        if let Some(octets) = messages.octets_max {
            self.set("maxsize", octets.to_string());
        }
        let [search1, search2] = &messages.searches;
        match (search1, messages.age_days_max) {
            (Some(search), _) => self.set("search", search.clone()),
            (None, Some(days)) => {
                self.notice(
                    "--maxage goes by the date of arrival in a job, not by the Date header",
                );
                self.set("maxage", days.to_string());
            }
            (None, None) => {}
        }
        for (is_asked, what) in [
            (messages.octets_min.is_some(), "a smallest size (--minsize)"),
            (messages.append_limit.is_some(), "a limit of the target's own (--appendlimit)"),
            (messages.age_days_min.is_some(), "a smallest age (--minage)"),
            (search2.is_some(), "a search on the target (--search2)"),
            (!messages.flag_rewrites.is_empty(), "an expression that rewrites flags (--regexflag)"),
            (!messages.sync_internal_dates, "dates by the target's clock (--nosyncinternaldates)"),
        ] {
            if is_asked {
                self.refuse(what);
            }
        }
        if messages.keys != KeyRule::default() {
            self.notice("messages are known by Message-Id and Received, whatever --useheader says");
        }
        if !messages.sync_duplicates {
            self.notice("of equal messages in a mailbox all are copied, n-th to n-th");
        }
        if messages.skip_cross_duplicates {
            self.notice("a message that is in several mailboxes is copied to each");
        }
        if messages.sync_labels || messages.resync_labels {
            self.notice("labels of Gmail are copied as the mailboxes that show them, and not set");
        }
        if messages.add_header {
            self.on("add_header");
        }
        self.set("flags", if messages.resync_flags { "mirror" } else { "new-only" });
    }

    fn deletions(&mut self, deletions: &Deletions) {
        if deletions.on_host1 {
            self.on("delete_source");
        }
        if deletions.folders && !deletions.messages {
            self.refuse("mailboxes that are deleted where messages are not");
        }
        if deletions.on_host1 && deletions.messages {
            self.refuse("messages that are deleted on both sides");
        }
        if deletions.folders_only.is_some() || deletions.folders_but_not.is_some() {
            self.refuse("a choice of the mailboxes that are deleted");
        }
        if deletions.marked_on_host1 {
            self.refuse("a removal from the source of what is marked as deleted there only");
        }
        if deletions.empty_on_host1 {
            self.notice("mailboxes of the source stay, also those that hold nothing");
        }
        if deletions.duplicates {
            self.notice("equal messages of the target stay");
        }
    }

    fn pace(&mut self, options: &ImapsyncOptions) {
        let pace = options.process.pace;
        if let Some(octets) = pace.octets_per_second {
            self.set("max_bytes_per_second", octets.to_string());
        }
        if let Some(messages) = pace.messages_per_second {
            self.set("max_messages_per_second", messages.to_string());
        }
        if options.process.octets_max.is_some() {
            self.notice("--exitwhenover is left out: `max_run_time` ends a job");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::imapsync::parse;
    use crate::imapsync::settings::Request;

    fn translated(words: &str) -> Translation {
        let words = format!("--host1 a.example --user1 u@x --host2 b.example --user2 v {words}");
        let parsed = parse(words.split(' ').map(Into::into)).unwrap_or_else(|e| panic!("{e}"));
        match Request::read(&parsed) {
            Ok(Request::Run(options)) => translate(&options),
            other => panic!("{other:?}"),
        }
    }

    fn has(made: &Translation, key: &str, value: &Value) -> bool {
        made.settings.iter().any(|(name, it)| name == key && it == value)
    }

    #[test]
    fn a_backup_becomes_a_backup() {
        let made = translated(
            "--ssl1 --ssl2 --passfile1 /s1 --passfile2 /s2 --delete2 --delete2folders --automap \
             --exclude ^Trash --maxsize 9000 --addheader --maxbytespersecond 5000",
        );
        assert!(made.refused.is_empty(), "{:?}", made.refused);
        let text = |text: &str| Value::Text(text.to_owned());
        for (key, value) in [
            ("kind", text("backup")),
            ("source", text("imaps://u%40x@a.example")),
            ("target", text("imaps://v@b.example")),
            ("source_password_file", text("/s1")),
            ("exclude", Value::List(vec!["^Trash".to_owned()])),
            ("maxsize", text("9000")),
            ("add_header", Value::Switch(true)),
            ("flags", text("mirror")),
            ("max_bytes_per_second", text("5000")),
        ] {
            assert!(has(&made, key, &value), "{key}: {:?}", made.settings);
        }
        assert!(!made.settings.iter().any(|(key, _)| key == "no_special_use"));
    }

    #[test]
    fn what_a_job_cannot_say_is_refused_and_passwords_are_never_written() {
        for words in ["--regexmess s/a/b/", "--regextrans2 s/a/b/", "--minage 3", "--exclude (?!x)"]
        {
            assert_eq!(translated(words).refused.len(), 1, "{words}");
        }
        let made = translated("--password1 geheim --password2 geheim");
        assert!(!format!("{made:?}").contains("geheim"));
        assert!(made.notices.iter().any(|words| words.contains("source_password_file")));
    }
}
