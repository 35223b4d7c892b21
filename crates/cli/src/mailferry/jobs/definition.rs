//! From what is written of a job to what it does: the same options that the command line makes, read
//! by the same reader.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::super::comparison::Share;
use super::super::options::{Cli, Command, Output, RestoreArgs, SyncArgs, parse_age};
use super::super::task::UsageError;
use super::super::{login, task};
use super::file::{Entry, Setting, Value};
use super::problem::Problem;
use super::schema::{self, Kind, OptionKey, Shape};
use super::watch::Watch;
use crate::account::AccountUrl;
use crate::local::{LocalForm, WRITTEN};

/// The share of the source's messages that may be gone in the next run, if nothing else is said.
const SHRINK_MAX_USUAL: f64 = 10.0;

/// A job that can be run.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// Its name.
    pub(super) name: String,
    /// What it does.
    pub(super) kind: Kind,
    /// With which options.
    pub(super) task: Task,
    /// After which it is asked to stop.
    pub(super) run_time_max: Option<Duration>,
    /// The share of the source's messages, in percent, that may be gone in the next run.
    pub(super) shrink_max: f64,
    /// Who is told.
    pub(super) watch: Watch,
    /// Which share of the backup a drill restores; all of it where nothing is said.
    pub(super) drill_sample: Option<Share>,
}

/// A verb and its options.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// `sync`.
    Sync(Box<SyncArgs>),
    /// `restore`.
    Restore(Box<RestoreArgs>),
}

impl Definition {
    /// What this entry comes to. Nothing is connected, and no secret is fetched.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(entry: &Entry) -> Result<Self, Vec<Problem>> {
        let reader = Reader { entry, problems: entry.problems.clone() };
        reader.read()
    }

    /// The same, shown so.
    pub(super) fn shown_as(mut self, output: Output) -> Self {
        match &mut self.task {
            Task::Sync(args) => args.output = output,
            Task::Restore(args) => args.output = output,
        }
        self
    }
}

/// The words of the command line that does the same.
pub(super) fn words(entry: &Entry, kind: Kind) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["mailferry".into(), kind.verb().into()];
    words.extend(kind.options().iter().map(OsString::from));
    for option in schema::option_keys(kind.verb()) {
        let Some(setting) = entry.setting(&option.key) else { continue };
        let name = format!("--{}", option.key.replace('_', "-"));
        match &setting.value {
            Value::Switch(true) => words.push(name.into()),
            Value::Switch(false) => {}
            Value::Text(text) => words.push(format!("{name}={}", whole(&option.key, text)).into()),
            Value::List(texts) => {
                words.extend(texts.iter().map(|text| format!("{name}={text}").into()));
            }
        }
    }
    words.push("--".into());
    for side in ["source", "target"] {
        words.extend(entry.text(side).map(|url| OsString::from(whole(side, url))));
    }
    words
}

/// A value with `~/` replaced by the home folder, where it names a file or an account of this machine.
pub(super) fn whole(key: &str, text: &str) -> String {
    let home = || std::env::var("HOME").ok().filter(|home| !home.is_empty());
    let (scheme, path) = match LocalForm::of(text) {
        Some((form, path)) => (form.scheme(), path),
        None if schema::is_path(key) => ("", text),
        None => return text.to_owned(),
    };
    match (path.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => format!("{scheme}{}/{rest}", home.trim_end_matches('/')),
        _ => text.to_owned(),
    }
}

/// Seconds, from a value such as `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = parse_age(text)?;
    match u64::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`{text}` is no time at all")),
    }
}

struct Reader<'a> {
    entry: &'a Entry,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Definition, Vec<Problem>> {
        let kind = self.kind();
        // A kind that nobody knows makes no key a wrong one.
        let options = schema::option_keys(kind.map_or("sync", Kind::verb));
        for setting in &self.entry.settings {
            self.inspect(setting, &options);
        }
        for side in ["source", "target"] {
            self.inspect_account(side);
        }
        let run_time_max = self.time("max_run_time");
        let shrink_max = self.percentage("shrink_max").unwrap_or(SHRINK_MAX_USUAL);
        let drill_sample = self.drill_sample();
        self.time("drill_max_age");
        let watch = Watch::read(self.entry, &mut |problem| self.problems.push(problem));
        let (Some(kind), true) = (kind, self.problems.is_empty()) else {
            return Err(self.problems);
        };
        let name = self.entry.name.clone();
        match self.task(kind) {
            Ok(task) => {
                Ok(Definition { name, kind, task, run_time_max, shrink_max, watch, drill_sample })
            }
            Err(problem) => Err(vec![problem]),
        }
    }

    fn say(&mut self, at: usize, what: &str, hint: impl Into<String>) {
        let what = format!("job `{}`: {what}", self.entry.name);
        self.problems.push(Problem::new(at, what, hint));
    }

    fn kind(&mut self) -> Option<Kind> {
        let names = Kind::EVERY.map(Kind::name).join(", ");
        let Some(setting) = self.entry.setting("kind") else {
            self.say(
                self.entry.at,
                "it is not said of what kind it is",
                format!("write `kind = \"backup\"`; the kinds are {names}"),
            );
            return None;
        };
        let kind = self.entry.text("kind").and_then(Kind::parse);
        if kind.is_none() {
            self.say(setting.value_at, "this is no kind of job", format!("the kinds are {names}"));
        }
        kind
    }

    fn inspect(&mut self, setting: &Setting, options: &[OptionKey]) {
        let key = &*setting.key;
        let own = schema::OWN.iter().find(|(name, _)| *name == key).map(|(_, shape)| *shape);
        let option = || options.iter().find(|option| option.key == key).map(|it| it.shape);
        let Some(shape) = own.or_else(option) else {
            return self.tell_unknown(setting, options);
        };
        let fits = matches!(
            (&setting.value, shape),
            (Value::Switch(_), Shape::Switch)
                | (Value::Text(_), Shape::Value)
                | (Value::List(_), Shape::List)
        );
        if !fits {
            let hint = match shape {
                Shape::Switch => format!("write `{key} = true`"),
                Shape::Value => format!("write `{key} = \"…\"`"),
                Shape::List => format!("write `{key} = [\"…\", \"…\"]`"),
            };
            self.say(setting.value_at, &format!("`{key}` has another kind of value"), hint);
            return;
        }
        if let Value::Text(text) = &setting.value {
            self.inspect_text(setting, text);
        }
    }

    fn tell_unknown(&mut self, setting: &Setting, options: &[OptionKey]) {
        let key = &*setting.key;
        if schema::is_secret(key) {
            let side = if key.starts_with("target") { "target" } else { "source" };
            let hint = format!(
                "the file says where a secret is to be found, never the secret: \
                 {side}_password_command, {side}_password_file or {side}_password_env; for tokens \
                 {side}_token_command, {side}_token_file or {side}_token_grant"
            );
            return self.say(setting.at, &format!("`{key}` would be a secret in this file"), hint);
        }
        if ["delete", "mirror", "yes"].contains(&key) {
            let hint =
                "the kind says it: presync deletes messages, backup mirrors, restore asks nobody";
            return self.say(setting.at, &format!("`{key}` is no key"), hint);
        }
        let own = schema::OWN.iter().map(|(name, _)| *name);
        let known = own.chain(options.iter().map(|option| &*option.key));
        let hint = match schema::nearest(key, known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "docs/jobs.md tells what the keys of a job are".to_owned(),
        };
        self.say(setting.at, &format!("unknown key `{key}`"), hint);
    }

    fn inspect_text(&mut self, setting: &Setting, text: &str) {
        let key = &*setting.key;
        let path = match LocalForm::of(text) {
            Some((_, path)) => Some(path),
            None => schema::is_path(key).then_some(text),
        };
        if path.is_some_and(|path| {
            !path.starts_with("~/") && !std::path::Path::new(path).is_absolute()
        }) {
            let hint = "a timer starts the job in another folder: write the whole path, or ~/…";
            self.say(setting.value_at, &format!("`{key}` names a relative path"), hint);
        }
        let authority = text.split_once("://").map_or("", |(_, rest)| rest);
        if key == "proxy" && authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        {
            let hint = "give it by MAILFERRY_PROXY in the environment of the job";
            self.say(setting.value_at, "the proxy's password would be a secret in this file", hint);
        }
    }

    fn inspect_account(&mut self, side: &str) {
        let Some(setting) = self.entry.setting(side) else {
            let hint = format!(
                "write `{side} = \"imaps://user@host\"`, \"maildir:/path\", \"eml:/path\" or \
                 \"mbox:/path\""
            );
            return self.say(self.entry.at, &format!("it has no `{side}`"), hint);
        };
        let Some(text) = self.entry.text(side) else { return };
        if LocalForm::of(text).is_some_and(|(_, path)| !path.is_empty()) {
            return;
        }
        if let Err(error) = AccountUrl::parse(text) {
            self.say(setting.value_at, &error.to_string(), WRITTEN);
        }
    }

    fn time(&mut self, key: &str) -> Option<Duration> {
        let setting = self.entry.setting(key)?;
        match duration(self.entry.text(key)?) {
            Ok(time) => Some(time),
            Err(words) => {
                self.say(setting.value_at, &words, format!("write `{key} = \"2h\"`"));
                None
            }
        }
    }

    fn drill_sample(&mut self) -> Option<Share> {
        let setting = self.entry.setting("drill_sample")?;
        let share = Share::parse(self.entry.text("drill_sample")?);
        if let Err(words) = &share {
            self.say(setting.value_at, words, "write `drill_sample = \"5%\"`");
        }
        share.ok()
    }

    fn percentage(&mut self, key: &str) -> Option<f64> {
        let setting = self.entry.setting(key)?;
        let digits = self.entry.text(key)?.trim().strip_suffix('%');
        let share = digits.and_then(|digits| digits.trim().parse::<f64>().ok());
        let share = share.filter(|share| (0.0..=100.0).contains(share));
        if share.is_none() {
            self.say(setting.value_at, "this is no share", format!("write `{key} = \"10%\"`"));
        }
        share
    }

    /// Has the command line's own reader judge it, and what comes after that as far as nothing is
    /// connected.
    fn task(&self, kind: Kind) -> Result<Task, Problem> {
        let parsed = Cli::try_parse_from(words(self.entry, kind));
        let task = match parsed.map_err(|error| self.refused(&error))?.command {
            Command::Sync(args) => Task::Sync(Box::new(args)),
            Command::Restore(args) => Task::Restore(Box::new(args)),
            _ => return Err(Problem::new(self.entry.at, "this is no job", "see docs/jobs.md")),
        };
        rehearse(&task).map_err(|error| self.unusable(&error))?;
        Ok(task)
    }

    fn refused(&self, error: &clap::Error) -> Problem {
        let option = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(option)) => option.clone(),
            Some(ContextValue::Strings(options)) => options.join(" "),
            _ => String::new(),
        };
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default();
        let why = match (error.kind(), std::error::Error::source(error)) {
            (ErrorKind::ValueValidation, Some(why)) => why.to_string(),
            _ => first.trim_start_matches("error: ").to_owned(),
        };
        self.at_option(
            &option,
            &why,
            "each key is the option of this name, with `_` for `-`: see `mailferry sync --help`",
        )
    }

    fn unusable(&self, error: &UsageError) -> Problem {
        self.at_option(&format!("{} {}", error.what, error.hint), &error.what, &error.hint)
    }

    /// A problem at the setting whose option these words name.
    fn at_option(&self, naming: &str, why: &str, hint: &str) -> Problem {
        let is_named = |setting: &&Setting| {
            let option = format!("--{}", setting.key.replace('_', "-"));
            naming
                .split(|letter: char| !(letter == '-' || letter.is_ascii_alphanumeric()))
                .any(|word| word == option)
        };
        let setting = self.entry.settings.iter().find(is_named);
        let what = match setting {
            Some(setting) => format!("job `{}`: `{}`: {why}", self.entry.name, setting.key),
            None => format!("job `{}`: {why}", self.entry.name),
        };
        Problem::new(setting.map_or(self.entry.at, |setting| setting.value_at), what, hint)
    }
}

/// Everything that a run does before it fetches secrets and connects.
fn rehearse(task: &Task) -> Result<(), UsageError> {
    match task {
        Task::Sync(args) => {
            // Nothing is left behind by a look.
            let args = SyncArgs { nostate: true, noreceipt: true, ..(**args).clone() };
            let servers = login::names_alone(&args.accounts, args.output)?;
            task::sync_job(&args, &servers).map(drop)
        }
        Task::Restore(args) => {
            let args = RestoreArgs { nostate: true, noreceipt: true, ..(**args).clone() };
            let servers = login::names_alone(&args.accounts, args.output)?;
            task::restore_job(&args, &servers).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::file::JobFile;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = JobFile::read("jobs.toml".into(), text.to_owned());
        assert_eq!(file.problems, []);
        let problems = Definition::read(&file.jobs[0]).err().unwrap_or_default();
        problems.iter().map(|problem| problem.text(&file.path, &file.text)).collect()
    }

    fn job(more: &str) -> String {
        format!(
            "[job.a]\nkind = \"backup\"\nsource = \"imaps://u@h\"\ntarget = \"maildir:/srv/a\"\n{more}\n"
        )
    }

    #[track_caller]
    fn one(more: &str, place: &str, words: &str) {
        let found = problems(&job(more));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("jobs.toml:{place}: ")), "{}", found[0]);
        assert!(found[0].contains(words), "{}", found[0]);
    }

    #[test]
    fn a_job_comes_to_the_options_of_its_command_line() {
        let text =
            job("max_delete = \"7%\"\nexclude = [\"^x\", \"y\"]\nunordered = true\nmaxage = 3");
        let file = JobFile::read("jobs.toml".into(), text);
        let definition = Definition::read(&file.jobs[0]).unwrap();
        let Task::Sync(args) = definition.task else { panic!("no sync") };
        assert!(args.mirror && args.unordered && !args.delete);
        assert_eq!(args.max_delete.as_deref(), Some("7%"));
        assert_eq!(args.choice.exclude, ["^x", "y"]);
        assert_eq!(args.choice.maxage, Some(3.0));
        assert_eq!(args.accounts.target, "maildir:/srv/a");
    }

    #[test]
    fn each_slip_is_told_with_its_place_and_what_helps() {
        one("max_delet = 3", "5:1", "did you mean `max_delete`?");
        one("unordered = 1", "5:13", "write `unordered = true`");
        one("maxsize = \"ten\"", "5:11", "is no size");
        one("include = [\"(\"]", "5:11", "no regular expression");
        one("max_delete = \"x\"", "5:14", "is no limit");
        one("maxage = 3\nsearch = \"ALL\"", "5:10", "cannot be used with");
        one("max_run_time = \"soon\"", "5:16", "is no time");
        one("mirror = true", "5:1", "the kind says it");
        one("shrink_max = \"x\"", "5:14", "is no share");
        one("ping = \"ftp://h\"", "5:8", "no http:// or https:// address");
        one("command_timeout = \"x\"", "5:19", "is no time");
        one("mail = \"-t\"", "5:8", "is no address");
        one("mail_on = \"always\"", "5:11", "without `mail`");
        one("mail = \"a@x\"\nmail_on = \"x\"", "6:11", "\"failure\" or \"always\"");
        one("metrics = \"x.prom\"", "5:11", "relative path");
        one("source_password_file = \"secret\"", "5:24", "relative path");
        one("proxy = \"socks5://u:geheim@h\"", "5:9", "MAILFERRY_PROXY");
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_never_shown() {
        one("source_password = \"geheim\"", "5:1", "source_password_command");
        for text in [job("password = \"geheim\""), job("proxy = \"http://u:geheim@h\"")] {
            assert!(!problems(&text).join("\n").contains("geheim"));
        }
        let url = "[job.a]\nkind = \"backup\"\nsource = \"imaps://u:geheim@h\"\ntarget = \"maildir:/a\"\n";
        let found = problems(url);
        assert!(
            found[0].starts_with("jobs.toml:3:10: ") && !found[0].contains("geheim"),
            "{found:?}"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        assert_eq!(problems("[job.a]\nfoo = 1\n").len(), 4);
    }
}
