//! The program behind `cargo xtask bench`.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    mailferry_bench::main()
}

#[cfg(not(unix))]
#[allow(clippy::print_stderr)] // says why it does nothing
fn main() -> ExitCode {
    eprintln!("the measurements need Dovecot, and so a Unix");
    ExitCode::FAILURE
}
