//! The file of jobs, read without a judgement on what its keys mean.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::super::task::UsageError;
use super::problem::Problem;

/// The file and what stands in it.
#[derive(Clone, Debug)]
pub(super) struct JobFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// The jobs, in their order.
    pub(super) jobs: Vec<Entry>,
    /// What is wrong outside of any job.
    pub(super) problems: Vec<Problem>,
}

/// One job as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// Where that stands.
    pub(super) at: usize,
    /// What is said of it, in its order.
    pub(super) settings: Vec<Setting>,
    /// What cannot be read of it.
    pub(super) problems: Vec<Problem>,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The key.
    pub(super) key: String,
    /// Where it stands.
    pub(super) at: usize,
    /// The value.
    pub(super) value: Value,
    /// Where that stands.
    pub(super) value_at: usize,
    /// Where it ends.
    pub(super) value_end: usize,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mailferry) enum Value {
    /// `true` or `false`.
    Switch(bool),
    /// A text or a number.
    Text(String),
    /// Several of them.
    List(Vec<String>),
}

impl Entry {
    /// The setting of this key.
    pub(super) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// Its text, if it is one.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.setting(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Where the file is: as said, else `$XDG_CONFIG_HOME/mailferry/jobs.toml`, else
/// `~/.config/mailferry/jobs.toml`.
///
/// # Errors
/// There is no home folder.
pub(super) fn path(said: Option<&Path>) -> Result<PathBuf, UsageError> {
    if let Some(said) = said {
        return std::path::absolute(said).map_err(|error| {
            UsageError::new(format!("{}: {error}", said.display()), "see --file")
        });
    }
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative one is to be ignored (XDG Base Directory Specification).
    let folder = set("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
    let home = || set("HOME").map(|home| home.join(".config"));
    let windows = || set("APPDATA").filter(|_| cfg!(windows));
    let folder = folder.or_else(windows).or_else(home).ok_or_else(|| {
        UsageError::new("there is no home folder with a file of jobs", "name it with --file")
    })?;
    Ok(folder.join("mailferry").join("jobs.toml"))
}

impl JobFile {
    /// Reads it; one that is not there holds no jobs.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(super) fn open(path: PathBuf) -> Result<Self, UsageError> {
        let text = match std::fs::read(&path) {
            Ok(octets) => String::from_utf8(octets).map_err(|error| {
                UsageError::new(
                    format!("{} is not in UTF-8: {}", path.display(), error.utf8_error()),
                    "save it in that encoding",
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(UsageError::new(
                    format!("the file of jobs {} cannot be read: {error}", path.display()),
                    "docs/jobs.md tells what stands in it; --file names another",
                ));
            }
        };
        Ok(Self::read(path, text))
    }

    /// Reads its text. Total: what cannot be read is among the problems.
    pub(super) fn read(path: PathBuf, text: String) -> Self {
        let (jobs, problems) = match DeTable::parse(&text) {
            Ok(table) => read_jobs(table.get_ref()),
            Err(error) => {
                // Its own way of showing the line would show what stands there.
                let at = error.span().map_or(0, |span| span.start);
                let what = format!("this is no TOML: {}", error.message().replace('\n', " "));
                let hint = "a job begins with `[job.NAME]`, a setting is written `key = \"value\"`";
                (Vec::new(), vec![Problem::new(at, what, hint)])
            }
        };
        Self { path, text, jobs, problems }
    }

    /// The job of this name.
    pub(super) fn job(&self, name: &str) -> Option<&Entry> {
        self.jobs.iter().find(|job| job.name == name)
    }
}

/// Whether a job may be called so: the name becomes a part of names of files and of units.
pub(in crate::mailferry) fn is_name(name: &str) -> bool {
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    (1..=64).contains(&name.len())
        && name.bytes().all(is_good)
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

fn read_jobs(table: &DeTable<'_>) -> (Vec<Entry>, Vec<Problem>) {
    let (mut jobs, mut problems) = (Vec::new(), Vec::new());
    for (key, value) in table.iter() {
        let (at, key) = (key.span().start, key.get_ref());
        let DeValue::Table(named) = value.get_ref() else {
            problems.push(stranger(at, key));
            continue;
        };
        if &**key != "job" {
            problems.push(stranger(at, key));
            continue;
        }
        for (name, settings) in named.iter() {
            let at = name.span().start;
            match settings.get_ref() {
                DeValue::Table(settings) => jobs.push(read_job(name.get_ref(), at, settings)),
                _ => {
                    let what = format!("`job.{}` is no table", name.get_ref());
                    problems.push(Problem::new(at, what, "write `[job.NAME]` on a line alone"));
                }
            }
        }
    }
    // The map of a table is in the order of its keys.
    jobs.sort_by_key(|job| job.at);
    (jobs, problems)
}

fn stranger(at: usize, key: &str) -> Problem {
    let what = format!("unknown key `{key}` outside of any job");
    Problem::new(at, what, "settings stand below `[job.NAME]`, the beginning of a job")
}

fn read_job(name: &str, at: usize, table: &DeTable<'_>) -> Entry {
    let mut job = Entry { name: name.to_owned(), at, settings: Vec::new(), problems: Vec::new() };
    if !is_name(name) {
        let what = format!("`{name}` cannot be the name of a job");
        let hint = "letters, digits, `-`, `_` and `.`, 64 at most, a letter or digit first";
        job.problems.push(Problem::new(at, what, hint));
    }
    for (key, value) in table.iter() {
        let (at, span) = (key.span().start, value.span());
        let key = key.get_ref().to_string();
        match read_value(value.get_ref()) {
            Some(value) => {
                let (value_at, value_end) = (span.start, span.end);
                job.settings.push(Setting { key, at, value, value_at, value_end });
            }
            None => {
                let what =
                    format!("job `{name}`: `{key}` is neither text, number, switch nor list");
                let hint = "docs/jobs.md tells what the keys of a job are";
                job.problems.push(Problem::new(at, what, hint));
            }
        }
    }
    job.settings.sort_by_key(|setting| setting.at);
    job
}

fn read_value(value: &DeValue<'_>) -> Option<Value> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        DeValue::Boolean(switch) => Some(Value::Switch(*switch)),
        DeValue::Array(values) => {
            values.iter().map(|value| one(value.get_ref())).collect::<Option<_>>().map(Value::List)
        }
        other => one(other).map(Value::Text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> JobFile {
        JobFile::read("jobs.toml".into(), text.to_owned())
    }

    #[test]
    fn jobs_are_read_in_their_order_with_the_places_of_everything() {
        let text = "# two\n[job.b]\nsource = \"x\"\nmaxage = 2.5\n\n[job.a]\nunordered = true\n\
                    folder = [\"A\", \"B\"]\n";
        let file = read(text);
        assert_eq!(file.problems, []);
        let names: Vec<&str> = file.jobs.iter().map(|job| &*job.name).collect();
        assert_eq!(names, ["b", "a"]);
        let source = file.jobs[0].setting("source").unwrap();
        assert_eq!(&text[source.at..source.at + 6], "source");
        assert_eq!(&text[source.value_at..source.value_end], "\"x\"");
        assert_eq!(file.jobs[0].text("maxage"), Some("2.5"));
        let list = Value::List(vec!["A".to_owned(), "B".to_owned()]);
        assert_eq!(file.jobs[1].setting("folder").unwrap().value, list);
    }

    #[test]
    fn what_is_no_toml_is_told_without_what_stands_there() {
        let file = read("[job.a]\nsource_password = geheim\n");
        let text = file.problems[0].text(&file.path, &file.text);
        assert!(text.starts_with("jobs.toml:2:"), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for good in ["alice", "a-b_c.d", "2026"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "../x", "a/b", "-x", "a b", "é", "a@b"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!(read("[job.\"a/b\"]\n").jobs[0].problems.len(), 1);
        assert_eq!(read("[work.a]\n").problems.len(), 1);
        assert_eq!(read("job = 1\n").problems.len(), 1);
        assert_eq!(read("job.a = 1\n").problems.len(), 1);
    }
}
