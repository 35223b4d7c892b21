//! The scenarios of imapsync's catalogue, as it is divided. Where this program comes to something else
//! on purpose, a remark says so.

mod command_line;
mod content;
mod deletions;
mod flags;
mod folders;
mod identity;
mod limits;
mod logins;
mod names;
mod outcomes;
mod passwords;
mod processes;
mod selection;

use crate::scene::Scene;

/// Tries one on accounts of its own.
pub type Scenario = fn(Scene<'_>);

/// All of them with their numbers.
pub fn every() -> impl Iterator<Item = (&'static str, Scenario)> {
    let parts = [
        command_line::SCENARIOS,
        passwords::SCENARIOS,
        logins::SCENARIOS,
        folders::SCENARIOS,
        names::SCENARIOS,
        identity::SCENARIOS,
        selection::SCENARIOS,
        flags::SCENARIOS,
        content::SCENARIOS,
        deletions::SCENARIOS,
        limits::SCENARIOS,
        processes::SCENARIOS,
    ];
    parts.into_iter().flatten().copied()
}
