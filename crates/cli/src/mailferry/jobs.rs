//! `mailferry job`: jobs that stand in a file, so that timers can run them.

mod course;
mod definition;
mod drill;
mod edit;
mod file;
mod metrics;
mod problem;
mod record;
mod schema;
mod status;
mod story;
mod watch;

use std::path::Path;

use serde_json::json;

use self::definition::{Definition, words};
pub(super) use self::edit::Settings;
use self::file::{Entry, JobFile};
pub(super) use self::file::{Value, is_name};
use self::problem::Problem;
use self::record::Ran;
use self::schema::Kind;
use self::watch::{Moment, News, Watch};
use super::options::Output;
use super::options::jobs::{DrillArgs, JobArgs, JobCommand, JobRunArgs};
use super::render::json_line;
use super::task::UsageError;
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;

/// Carries `job` out.
///
/// # Errors
/// The file cannot be read or written, or the command line asks for what cannot be.
pub(super) async fn run(args: &JobArgs) -> Result<ExitStatus, UsageError> {
    let file = JobFile::open(file::path(args.file.as_deref())?)?;
    match &args.command {
        JobCommand::Check(check) => check_jobs(&file, &check.names),
        JobCommand::Add(add) => {
            let settings = edit::settings_of(add)?;
            add_job(&file, &add.name, &settings)
        }
        JobCommand::List(list) => Ok(list_jobs(&file, list.json)),
        JobCommand::Show(show) => show_job(&file, &show.name, show.json),
        JobCommand::Run(run) => run_jobs(&file, run).await,
        JobCommand::Status(status) => Ok(status::tell(&named(&file, &status.names)?, status)),
        JobCommand::Remove(remove) => remove_job(&file, &remove.name),
    }
}

/// Writes a job from elsewhere into the usual file.
///
/// # Errors
/// As [`run`].
pub(super) fn add(name: &str, settings: &Settings) -> Result<ExitStatus, UsageError> {
    let said = std::env::var_os(super::options::jobs::FILE_VARIABLE);
    let file = JobFile::open(file::path(said.as_deref().map(Path::new))?)?;
    add_job(&file, name, settings)
}

/// Makes sure that a job is there and can be run.
///
/// # Errors
/// As [`run`].
pub(super) fn require(file: Option<&Path>, name: &str) -> Result<(), UsageError> {
    let file = JobFile::open(file::path(file)?)?;
    let job = find(&file, name)?;
    Definition::read(job).map(drop).map_err(|problems| {
        let what = problems.first().map(|problem| problem.text(&file.path, &file.text));
        UsageError::new(what.unwrap_or_default(), "`mailferry job check` tells of all of it")
    })
}

/// The jobs of these names; all where none is named.
fn named<'a>(file: &'a JobFile, names: &[String]) -> Result<Vec<&'a Entry>, UsageError> {
    if names.is_empty() {
        return Ok(file.jobs.iter().collect());
    }
    names.iter().map(|name| find(file, name)).collect()
}

fn find<'a>(file: &'a JobFile, name: &str) -> Result<&'a Entry, UsageError> {
    file.job(name).ok_or_else(|| {
        if let Some(problem) = file.problems.first() {
            return UsageError::new(problem.text(&file.path, &file.text), "mend the file first");
        }
        let hint = if file.jobs.is_empty() {
            "`mailferry job add NAME sync SOURCE TARGET …` writes one".to_owned()
        } else {
            let names: Vec<&str> = file.jobs.iter().map(|job| &*job.name).collect();
            format!("there are {}", names.join(", "))
        };
        UsageError::new(format!("there is no job `{name}` in {}", file.path.display()), hint)
    })
}

fn tell_problems(file: &JobFile, problems: &[Problem]) {
    problems.iter().for_each(|problem| screen::error(&problem.text(&file.path, &file.text)));
}

fn check_jobs(file: &JobFile, names: &[String]) -> Result<ExitStatus, UsageError> {
    let mut bad = file.problems.len();
    tell_problems(file, &file.problems);
    let jobs = if bad > 0 && file.jobs.is_empty() { Vec::new() } else { named(file, names)? };
    for job in &jobs {
        match Definition::read(job) {
            Ok(definition) => {
                let (name, kind) = (&definition.name, definition.kind.name());
                screen::line(&format!("job {name}: good ({kind})"));
            }
            Err(problems) => {
                bad += problems.len();
                tell_problems(file, &problems);
            }
        }
    }
    if bad == 0 && jobs.is_empty() {
        screen::news(&format!("there are no jobs in {}", file.path.display()));
    }
    Ok(if bad == 0 { ExitStatus::Ok } else { ExitStatus::Usage })
}

fn add_job(file: &JobFile, name: &str, settings: &Settings) -> Result<ExitStatus, UsageError> {
    if let Some(problem) = file.problems.first() {
        tell_problems(file, std::slice::from_ref(problem));
        return Ok(ExitStatus::Usage);
    }
    if file.job(name).is_some() {
        return Err(UsageError::new(
            format!("there is a job `{name}` already in {}", file.path.display()),
            format!("`mailferry job remove {name}` takes it out, or change it there"),
        ));
    }
    let table = edit::table(name, settings);
    let changed = edit::with_job(file, &table);
    let judged = match changed.job(name) {
        Some(job) => Definition::read(job).map(drop),
        None => Err(changed.problems.clone()),
    };
    if let Err(problems) = judged {
        // The lines do not exist yet: what is wrong is told without them.
        for problem in problems {
            screen::error(&format!("{}\n\nhint: {}", problem.what, problem.hint));
        }
        return Ok(ExitStatus::Usage);
    }
    edit::write(&changed)?;
    screen::line(table.trim_end());
    screen::news(&format!("written to {}", file.path.display()));
    Ok(ExitStatus::Ok)
}

fn remove_job(file: &JobFile, name: &str) -> Result<ExitStatus, UsageError> {
    let job = find(file, name)?;
    let Some(left) = edit::without_job(file, job) else {
        return Err(UsageError::new(
            format!("job `{name}` is not written as a table of its own in {}", file.path.display()),
            "take it out by hand",
        ));
    };
    edit::write(&left)?;
    screen::news(&format!("job {name} is no more in {}", file.path.display()));
    Ok(ExitStatus::Ok)
}

fn list_jobs(file: &JobFile, json: bool) -> ExitStatus {
    tell_problems(file, &file.problems);
    for job in &file.jobs {
        let text = |key: &str| job.text(key).map(harmless_account);
        let is_good = Definition::read(job).is_ok();
        if json {
            screen::line(&json_line(
                "job",
                json!({
                    "job": job.name, "kind": text("kind"), "source": text("source"),
                    "target": text("target"), "usable": is_good, "words": null,
                }),
            ));
        } else {
            let word = |key: &str| text(key).unwrap_or_else(|| "?".to_owned());
            let bad = if is_good { "" } else { "  (see `mailferry job check`)" };
            let (source, target) = (word("source"), word("target"));
            screen::line(&format!("{}  {}  {source} -> {target}{bad}", job.name, word("kind")));
        }
    }
    if file.problems.is_empty() { ExitStatus::Ok } else { ExitStatus::Usage }
}

/// An account as it may be shown, whatever stands there.
fn harmless_account(text: &str) -> String {
    match crate::account::AccountUrl::parse(text) {
        Err(crate::account::AccountUrlError::Password) => "(a URL with a password)".to_owned(),
        _ => text.to_owned(),
    }
}

fn show_job(file: &JobFile, name: &str, json: bool) -> Result<ExitStatus, UsageError> {
    let job = find(file, name)?;
    let definition = match Definition::read(job) {
        Ok(definition) => definition,
        Err(problems) => {
            tell_problems(file, &problems);
            return Ok(ExitStatus::Usage);
        }
    };
    let words = command_line(job, definition.kind);
    if json {
        screen::line(&json_line(
            "job",
            json!({
                "job": name, "kind": definition.kind.name(), "source": job.text("source"),
                "target": job.text("target"), "usable": true, "words": words,
            }),
        ));
        return Ok(ExitStatus::Ok);
    }
    screen::line(&words.iter().map(|word| for_shell(word)).collect::<Vec<_>>().join(" "));
    for (key, _) in schema::OWN {
        if !["kind", "source", "target"].contains(&key)
            && let Some(text) = job.text(key)
        {
            screen::line(&format!("{key}: {text}"));
        }
    }
    Ok(ExitStatus::Ok)
}

fn command_line(job: &Entry, kind: Kind) -> Vec<String> {
    words(job, kind).iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// A word as a shell takes it.
fn for_shell(word: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&octet);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

async fn run_jobs(file: &JobFile, args: &JobRunArgs) -> Result<ExitStatus, UsageError> {
    // Nothing is begun if one of them is not there.
    let jobs = named(file, &args.names)?;
    let mut status = ExitStatus::Ok;
    for job in jobs {
        let ended = match Definition::read(job) {
            Ok(definition) => run_job(&definition.shown_as(args.output), args.output).await,
            Err(problems) => {
                tell_problems(file, &problems);
                tell_unusable(file, job, &problems).await;
                ExitStatus::Usage
            }
        };
        if status == ExitStatus::Ok {
            status = ended;
        }
    }
    Ok(status)
}

/// Carries `drill` out.
///
/// # Errors
/// As [`run`], and where it is not said where to restore to.
pub(super) async fn drill(args: &DrillArgs) -> Result<ExitStatus, UsageError> {
    let file = JobFile::open(file::path(args.file.as_deref())?)?;
    let job = find(&file, &args.name)?;
    match Definition::read(job) {
        Ok(definition) => Box::pin(course::run_drill(job, &definition, args)).await,
        Err(problems) => {
            tell_problems(&file, &problems);
            Ok(ExitStatus::Usage)
        }
    }
}

/// A job that cannot be run is a failed one, to whoever watches it.
async fn tell_unusable(file: &JobFile, job: &Entry, problems: &[Problem]) {
    let status = ExitStatus::Usage.number();
    let words = problems.iter().map(|problem| problem.text(&file.path, &file.text)).collect();
    let started = record::now();
    let ran = Ran { started, ended: Some(started), status, words, ..Ran::default() };
    let news = News {
        job: job.name.clone(),
        moment: Moment::Failure,
        status: Some(status),
        text: story::text(&job.name, &ran),
        event: "job-run",
        fields: story::fields_of(&job.name, job.text("kind"), &ran),
    };
    for words in Watch::read(job, &mut |_| {}).tell(news).await {
        screen::news(&format!("notice: {words}"));
    }
}

async fn run_job(definition: &Definition, output: Output) -> ExitStatus {
    // On the heap: a run within a run of jobs is a large value.
    Box::pin(course::run(definition, output)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_as_a_shell_takes_them() {
        assert_eq!(for_shell("--a=b"), "--a=b");
        assert_eq!(for_shell("pass show x"), "'pass show x'");
        assert_eq!(for_shell("it's"), "'it'\\''s'");
        assert_eq!(for_shell(""), "''");
    }
}
