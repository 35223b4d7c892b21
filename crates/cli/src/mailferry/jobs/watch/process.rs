//! Running a command that is told something, for so long and no longer.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often it is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs it with this on its standard input. What it prints goes where this program's news goes.
///
/// # Errors
/// In words: it cannot be started, failed, or did not end in time.
pub(super) fn run(mut command: Command, input: Vec<u8>, wait: Duration) -> Result<(), String> {
    command.stdin(Stdio::piped()).stdout(Stdio::from(std::io::stderr()));
    // What it starts itself ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| format!("it could not be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It need not read it.
        std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
    }
    let end = Instant::now() + wait;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it failed ({status})")),
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                end_all(&mut child);
                return Err(format!("it has not ended within {} s", wait.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn end_all(child: &mut Child) {
    #[cfg(unix)]
    if let Ok(group) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, killpg};
        let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
