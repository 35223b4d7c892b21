//! Where and with what a figure was measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use mailferry_testkit::probe::date;

use crate::program::find_program;

/// This machine, its programs and the day, in a few sentences.
pub(crate) fn describe(mailferry: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok())
        .map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} GiB", kib / f64::from(1 << 20)));
    let system = [first_line("uname", &["-s"]), first_line("uname", &["-r"])].join(" ");
    let temporary = std::env::temp_dir();
    let storage = first_line("stat", &["-f", "-c", "%T", &temporary.to_string_lossy()]);
    let revision = first_line("git", &["describe", "--always", "--dirty"]);
    let mut programs = vec![
        format!("{} at {revision}", version(mailferry)),
        format!("Dovecot {}", find_program("dovecot").map_or_else(String::new, |it| version(&it))),
    ];
    programs.extend(find_program("mbsync").map(|path| version(&path)));
    format!(
        "Measured on {}. {cores} cores of {model}, {memory} of memory, {system}, mail on {storage}. {}.",
        today(),
        programs.join(", ")
    )
}

fn version(program: &Path) -> String {
    first_line(&program.to_string_lossy(), &["--version"])
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

/// The value of the first `name: value` in a file.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// `17-Jul-1996`.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let date = date::internal_date(i64::try_from(now).unwrap_or(0));
    date.split(' ').find(|word| !word.is_empty()).unwrap_or_default().to_owned()
}
