//! Changing the file of jobs: a job is written behind what is there, or cut out; nothing else of the
//! text changes.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};

use super::super::options::Cli;
use super::super::options::jobs::JobAddArgs;
use super::super::task::UsageError;
use super::file::{Entry, JobFile, Value};
use super::record::replace;
use super::schema::{self, Kind, OptionKey, Shape};
use crate::local::LocalForm;

/// Settings of a job that is to be written.
pub(in crate::mailferry) type Settings = Vec<(String, Value)>;

/// The settings that a command line comes to.
///
/// # Errors
/// It is none, or of a verb that no job has.
pub(super) fn settings_of(args: &JobAddArgs) -> Result<Settings, UsageError> {
    let mut settings = of_words(args)?;
    for said in &args.settings {
        let Some((key, value)) = said.split_once('=') else {
            return Err(UsageError::new(format!("`{said}` sets nothing"), "write --set KEY=VALUE"));
        };
        let value = match value {
            "true" => Value::Switch(true),
            "false" => Value::Switch(false),
            text => Value::Text(text.to_owned()),
        };
        settings.push((key.replace('-', "_"), value));
    }
    Ok(settings)
}

fn of_words(args: &JobAddArgs) -> Result<Settings, UsageError> {
    let words = std::iter::once("mailferry".into()).chain(args.words.iter().cloned());
    let matches = Cli::command().try_get_matches_from(words).map_err(|error| {
        let said = error.to_string();
        let what = said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        UsageError::new(what, "write `mailferry job add NAME sync SOURCE TARGET …`")
    })?;
    let (verb, said) = match matches.subcommand() {
        Some((verb @ ("sync" | "restore"), said)) => (verb, said),
        _ => {
            return Err(UsageError::new(
                "a job does what `sync` or `restore` does, and nothing else",
                "write `mailferry job add NAME sync SOURCE TARGET …`",
            ));
        }
    };
    let is_on = |id: &str| said.try_get_one::<bool>(id).ok().flatten().copied() == Some(true);
    let kind = match (verb, is_on("mirror"), is_on("delete")) {
        ("restore", ..) => Kind::Restore,
        (_, true, _) => Kind::Backup,
        (_, _, true) => Kind::Presync,
        _ => Kind::Transfer,
    };
    let mut settings = vec![("kind".to_owned(), Value::Text(kind.name().to_owned()))];
    for side in ["source", "target"] {
        let url = said.get_one::<String>(side).cloned().unwrap_or_default();
        let whole = match LocalForm::of(&url) {
            Some((form, path)) => format!("{}{}", form.scheme(), absolute(path)?),
            None => url,
        };
        settings.push((side.to_owned(), Value::Text(whole)));
    }
    for option in schema::option_keys(verb) {
        if said.value_source(&option.id) == Some(ValueSource::CommandLine) {
            settings.push((option.key.clone(), value_of(said, &option)?));
        }
    }
    Ok(settings)
}

fn value_of(said: &ArgMatches, option: &OptionKey) -> Result<Value, UsageError> {
    if option.shape == Shape::Switch {
        return Ok(Value::Switch(true));
    }
    let mut texts = Vec::new();
    for raw in said.get_raw(&option.id).into_iter().flatten() {
        let text = raw.to_string_lossy().into_owned();
        texts.push(if schema::is_path(&option.key) { absolute(&text)? } else { text });
    }
    Ok(match option.shape {
        Shape::List => Value::List(texts),
        _ => Value::Text(texts.pop().unwrap_or_default()),
    })
}

/// A path that means the same in every folder.
fn absolute(path: &str) -> Result<String, UsageError> {
    let absolute = std::path::absolute(path).map_err(|error| {
        UsageError::new(format!("`{path}` is no path: {error}"), "write the whole path")
    })?;
    Ok(absolute.to_string_lossy().into_owned())
}

/// A job as it is written into the file.
pub(super) fn table(name: &str, settings: &[(String, Value)]) -> String {
    // A bare key holds no dot.
    let key = if name.contains('.') { quoted(name) } else { name.to_owned() };
    let mut text = format!("[job.{key}]\n");
    for (key, value) in settings {
        let value = match value {
            Value::Switch(switch) => switch.to_string(),
            Value::Text(text) => quoted(text),
            Value::List(texts) => {
                format!(
                    "[{}]",
                    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
                )
            }
        };
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// The text with a job more, which has to be a good one.
pub(super) fn with_job(file: &JobFile, table: &str) -> JobFile {
    let mut text = file.text.clone();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(table);
    JobFile::read(file.path.clone(), text)
}

/// The text without a job; `None` where it is not written as a table of its own, or where cutting it
/// out would change another one.
pub(super) fn without_job(file: &JobFile, job: &Entry) -> Option<JobFile> {
    let text = &file.text;
    let begin = text[..job.at].rfind('\n').map_or(0, |end| end + 1);
    if !text[begin..].trim_start().starts_with('[') {
        return None;
    }
    let last = job.settings.iter().map(|setting| setting.value_end).max().unwrap_or(job.at);
    let end = text[last..].find('\n').map_or(text.len(), |end| last + end + 1);
    // One empty line goes with it.
    let end = if text[end..].starts_with('\n') { end + 1 } else { end };
    let cut = format!("{}{}", &text[..begin], &text[end..]);
    let left = JobFile::read(file.path.clone(), cut);
    let is_gone = left.job(&job.name).is_none();
    let is_else_the_same = others(&left, job) == others(file, job);
    (is_gone && left.problems.is_empty() && is_else_the_same).then_some(left)
}

/// What the other jobs of a file say.
fn others<'a>(file: &'a JobFile, job: &Entry) -> Vec<(&'a str, &'a str, &'a Value)> {
    let others = file.jobs.iter().filter(|other| other.name != job.name);
    others.flat_map(|job| job.settings.iter().map(|it| (&*job.name, &*it.key, &it.value))).collect()
}

/// Writes the file in place of what was there; only its owner can read a new one.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(file: &JobFile) -> Result<(), UsageError> {
    let fail = |error: std::io::Error| {
        UsageError::new(
            format!("the file of jobs {} cannot be written: {error}", file.path.display()),
            "nothing was changed; --file names another",
        )
    };
    if let Some(folder) = file.path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    // A link to a file elsewhere stays one.
    let path = std::fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
    let permissions = std::fs::metadata(&path).map(|found| found.permissions()).ok();
    replace(&path, file.text.as_bytes()).map_err(fail)?;
    if let Some(permissions) = permissions {
        keep_permissions(&path, permissions).map_err(fail)?;
    }
    Ok(())
}

fn keep_permissions(path: &Path, permissions: std::fs::Permissions) -> std::io::Result<()> {
    std::fs::set_permissions(path, permissions)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> JobFile {
        JobFile::read("jobs.toml".into(), text.to_owned())
    }

    fn args(words: &[&str], settings: &[&str]) -> JobAddArgs {
        JobAddArgs {
            name: "a".to_owned(),
            settings: settings.iter().map(|&it| it.to_owned()).collect(),
            words: words.iter().map(Into::into).collect(),
        }
    }

    #[test]
    fn a_command_line_becomes_a_job_and_the_job_that_command_line() {
        let words = [
            "sync",
            "imaps://u@h",
            "maildir:/srv/a",
            "--mirror",
            "--exclude",
            "^\"x\\",
            "--exclude=y",
            "--source-password-file",
            "/etc/secret",
            "--unordered",
            "--max-delete=3%",
        ];
        let settings = settings_of(&args(&words, &["max-run-time=2h"])).unwrap();
        let file = with_job(&read("# mine\n"), &table("a", &settings));
        assert_eq!(
            file.text,
            "# mine\n\n[job.a]\nkind = \"backup\"\nsource = \"imaps://u@h\"\ntarget = \
             \"maildir:/srv/a\"\nsource_password_file = \"/etc/secret\"\nexclude = [\"^\\\"x\\\\\", \
             \"y\"]\nmax_delete = \"3%\"\nunordered = true\nmax_run_time = \"2h\"\n"
        );
        let again = super::super::definition::words(&file.jobs[0], Kind::Backup);
        for word in ["--mirror", "--exclude=^\"x\\", "--unordered", "--max-delete=3%"] {
            assert!(again.iter().any(|it| it == word), "{again:?}");
        }
    }

    #[test]
    fn other_verbs_are_no_jobs() {
        for words in [&["check", "a", "b"][..], &["sync", "a"], &["nonsense"]] {
            settings_of(&args(words, &[])).unwrap_err();
        }
        settings_of(&args(&["sync", "a", "b"], &["nothing"])).unwrap_err();
    }

    #[test]
    fn a_job_is_cut_out_and_everything_else_stays() {
        let text =
            "# head\n[job.a]\nkind = \"x\"\n\n# of b\n[job.b]\nfolder = [\n  \"1\",\n]\n# tail\n";
        let file = read(text);
        let left = without_job(&file, file.job("a").unwrap()).unwrap();
        assert_eq!(left.text, "# head\n# of b\n[job.b]\nfolder = [\n  \"1\",\n]\n# tail\n");
        let left = without_job(&file, file.job("b").unwrap()).unwrap();
        assert_eq!(left.text, "# head\n[job.a]\nkind = \"x\"\n\n# of b\n# tail\n");
        let inline = read("job.a = { kind = \"x\" }\n");
        assert!(without_job(&inline, inline.job("a").unwrap()).is_none());
        let whole = read("[job]\na.kind = \"x\"\nb.kind = \"y\"\n");
        assert!(without_job(&whole, whole.job("a").unwrap()).is_none());
    }

    #[test]
    fn a_name_with_a_dot_is_quoted() {
        let file = read(&table("a.b", &[]));
        assert_eq!(file.jobs[0].name, "a.b");
    }
}
