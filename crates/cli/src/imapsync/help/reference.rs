//! The page `docs/imapsync.md`.

use super::{is_told, usage};
use crate::imapsync::options::{self, Declaration, Default, GROUPS, Kind, Side, Support};

/// The whole page; a test holds the file against it.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.replace("{counts}", &counts());
    for group in GROUPS {
        page.push_str(&format!(
            "\n### {}\n\n| option | side | in this version | what it does |\n|---|---|---|---|\n",
            group.title
        ));
        for option in group.options {
            page.push_str(&row(option));
        }
    }
    page
}

const INTRODUCTION: &str = include_str!("introduction.md");

fn counts() -> String {
    let count = |holds: fn(&Declaration) -> bool| {
        options::every().filter(|option| is_told(option) && holds(option)).count()
    };
    format!(
        "Of {} options {} work, and {} are read and have no effect (the run says so).",
        count(|_| true),
        count(|option| option.support == Support::Works),
        count(|option| matches!(option.support, Support::AcceptedWithNotice(_))),
    )
}

fn row(option: &Declaration) -> String {
    let side = match option.side {
        Side::One => "1",
        Side::Two => "2",
        Side::Both => "both",
        Side::Run => "",
    };
    let aliases: String =
        option.aliases.iter().map(|alias| format!("<br>also `--{alias}`")).collect();
    let support = match option.support {
        Support::Works => "works".to_owned(),
        Support::AcceptedWithNotice(reason) => format!("has no effect: {reason}"),
        Support::WebFormOnly => "unknown on a command line".to_owned(),
    };
    // What is on anyway is only remarkable when it is denied.
    let support = match (option.kind, option.support) {
        (Kind::Switch(Default::On), Support::AcceptedWithNotice(_)) => {
            format!("`--no{}` {support}", option.name)
        }
        _ => support,
    };
    let cells =
        [format!("`{}`{aliases}", usage(option)), side.to_owned(), support, option.help.to_owned()];
    // A bar would end the cell.
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}
