//! Measurements of whole programs: mailferry beside its peers, on servers and over distances
//! that are started for the purpose. `cargo xtask bench` runs them and writes
//! `docs/benchmarks.md`; the codec and the engine alone are measured by the criterion
//! benchmarks of this crate.
//!
//! Every figure is a median of rounds in which all programs took their turn, and stands only
//! if an independent judge found the copy complete.
#![cfg(unix)]

mod arguments;
mod contest;
mod distance;
mod document;
mod goal;
mod judge;
mod machine;
mod meter;
mod profile;
mod program;
mod raw;
mod sample;
mod scenario;
mod stage;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use arguments::{Arguments, Settings};

/// Does what the command line of this process asks for.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(run) = meter::Wrapped::from_words(&words) {
        return run.perform();
    }
    let parsed = Arguments::try_parse_from(&words).map_err(anyhow::Error::from);
    let done = parsed.and_then(|arguments| measure(arguments.settings(&words[1..])?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => {
                say(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

fn measure(settings: Settings) -> Result<()> {
    for line in settings.introduction() {
        say(&line);
    }
    for scenario in &settings.scenarios {
        say(&format!("==> {}", scenario.title()));
        let section = scenario.measure(&settings)?;
        say(&section.text);
        // After each scenario, so that what was measured is not lost if a later one fails.
        document::put_section(&settings.out, &section)?;
    }
    say(&format!("written: {}", settings.out.display()));
    Ok(())
}

/// Tells whoever waits.
#[allow(clippy::print_stderr)] // a measurement is watched at a terminal
fn say(text: &str) {
    eprintln!("{text}");
}
