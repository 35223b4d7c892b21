//! Following the log of another run (`--tail`).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use super::abort::is_running;
use super::journal::Log;
use super::pidfile;
use crate::imapsync::settings::Process;

/// The wait between two looks whether there is more.
const LOOK_WAIT: Duration = Duration::from_millis(200);

/// Where another run holds the pidfile and locks it, shows what it writes down until it ends; whether
/// that was so.
pub(super) async fn follow(process: &Process, log: &Log) -> bool {
    let Some(path) = pidfile::path(process).filter(|_| process.tail && process.pidfile_locks)
    else {
        return false;
    };
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    let pid = lines.next().and_then(|line| line.parse().ok()).filter(|&pid| pid > 0);
    let Some(pid) = pid.filter(|&pid: &i32| is_running(pid)) else { return false };
    let name = lines.next().unwrap_or_default();
    let Ok(file) = File::open(name) else {
        log.line(&format!(
            "Process PID {pid} is at work, and writes no log that could be followed"
        ));
        return false;
    };
    log.line(&format!("Process PID {pid} is at work: here is its log, {name}"));
    let (mut log_of_other, mut line) = (BufReader::new(file), Vec::new());
    loop {
        // What it wrote last was written before it ended.
        let runs = is_running(pid);
        while log_of_other.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if line.ends_with(b"\n") {
                log.line(&mailferry_imap::session::printable(line.trim_ascii_end()));
                line.clear();
            }
        }
        if !runs {
            return true;
        }
        tokio::time::sleep(LOOK_WAIT).await;
    }
}
