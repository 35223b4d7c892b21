//! Ending another run, by the pidfile that it wrote (`--abort`).

use std::time::{Duration, Instant};

use super::pidfile;
use crate::imapsync::settings::{AbortWay, Process};

/// How long the run may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// The wait between two looks.
const LOOK_WAIT: Duration = Duration::from_millis(50);
/// The largest process number of Linux (proc_sys_kernel(5), pid_max).
const PID_MAX: i32 = 4_194_304;

/// Ends the run that the pidfile names; answers lines that tell of it.
pub(super) fn abort(process: &Process, way: AbortWay) -> Vec<String> {
    let Some(path) = pidfile::path(process) else {
        return vec!["No pidfile, so that there is no run to end.".to_owned()];
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return vec![format!("Can not read pidfile {}: {error}", path.display())],
    };
    let first = text.lines().next().unwrap_or_default().trim();
    let Some(pid) = first.parse().ok().filter(|pid| (1..=PID_MAX).contains(pid)) else {
        return vec![format!("In pidfile {}, [{first}] is not a pid number", path.display())];
    };
    let file = u32::try_from(pid).ok().and_then(|pid| pidfile::abort_file(process, pid));
    match (way, file) {
        (AbortWay::ByFile, Some(file)) => vec![match std::fs::write(&file, "") {
            Ok(()) => format!("Process PID {pid} is asked to end by {}", file.display()),
            Err(error) => format!("Can not write {}: {error}", file.display()),
        }],
        _ => end(pid),
    }
}

/// Of a process that is no such run nothing is ended: its number may have been given anew.
fn end(pid: i32) -> Vec<String> {
    if !is_running(pid) {
        return vec![format!("Process PID {pid} is not running.")];
    }
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    if name.is_ok_and(|name| !name.contains("imapsync") && !name.contains("perl")) {
        return vec![format!("Process PID {pid} is no imapsync, and is left alone.")];
    }
    let mut lines = vec![format!("Sending signal QUIT to PID {pid}")];
    signal(pid, Signal::Quit);
    if !has_ended_within(pid, PATIENCE) {
        lines.push(format!("Sending signal KILL to PID {pid}"));
        signal(pid, Signal::Kill);
        has_ended_within(pid, PATIENCE);
    }
    let ended = if is_running(pid) { "still running" } else { "ended" };
    lines.push(format!("Process PID {pid} {ended}."));
    lines
}

fn has_ended_within(pid: i32, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while is_running(pid) {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK_WAIT);
    }
    true
}

enum Signal {
    Quit,
    Kill,
}

#[cfg(unix)]
fn signal(pid: i32, which: Signal) {
    use nix::sys::signal::{self, kill};
    let which = match which {
        Signal::Quit => signal::Signal::SIGQUIT,
        Signal::Kill => signal::Signal::SIGKILL,
    };
    // It may have ended meanwhile, or be another user's: whether it runs is looked at next.
    let _ = kill(nix::unistd::Pid::from_raw(pid), which);
}

#[cfg(unix)]
pub(super) fn is_running(pid: i32) -> bool {
    // A process that has ended and was not waited for is a zombie: `Z` behind its name.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let is_zombie = stat.is_ok_and(|stat| {
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    });
    let there = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    !is_zombie && there != Err(nix::errno::Errno::ESRCH)
}

#[cfg(not(unix))]
fn signal(_: i32, _: Signal) {}

#[cfg(not(unix))]
pub(super) fn is_running(_: i32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::imapsync::settings::{PaceOptions, PidFile, Signals};

    fn told(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        std::fs::write(&path, text).unwrap();
        abort(&process(&path), AbortWay::BySignal).join("\n")
    }

    fn process(path: &Path) -> Process {
        Process {
            temporary: None,
            pidfile: PidFile::At(path.to_owned()),
            pidfile_locks: false,
            errors_max: 1,
            reconnects_max: None,
            pace: PaceOptions::default(),
            octets_max: None,
            signals: Signals::default(),
            tail: false,
        }
    }

    /// U81 of the unit catalogue, and a process that is no imapsync.
    #[test]
    #[cfg(target_os = "linux")]
    fn only_a_run_is_ended() {
        for text in ["", "0\n", "4194305\n", "-1\n", "x\n", "12345678\n"] {
            assert!(told(text).contains("is not a pid number"), "{text}");
        }
        assert!(told("1\n").contains("is left alone") || told("1\n").contains("ended"));
        let missing = abort(&process(Path::new("/no/such/pidfile")), AbortWay::BySignal);
        assert!(missing[0].starts_with("Can not read pidfile"), "{missing:?}");
    }
}
