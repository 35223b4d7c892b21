//! The document with all results. Each scenario has a section between two marks, so that
//! measuring one again replaces nothing else.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::scenario::Scenario;

const PREAMBLE: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which measures again what it is asked for and leaves the other
sections as they are; each says when, where and with what it was measured. Servers, mail and
distances are started for the purpose.

Programs take turns, round by round. A time is the median of all rounds, with the least and the
most in parentheses; “of the fastest peer” is the time in units of that of the fastest other
program. Processor time (user and system) and the largest resident set are those of the program,
not of the servers. A first copy counts only if an independent client then found every message on
the target. Distances are round trips: each octet travels half of it in either direction, in
order, and a connection's handshake travels as well; throughput is not limited. At 0 ms the
servers are on the same machine.
";

/// The results of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Puts a section into the file, in its place.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn put_section(path: &Path, section: &Section) -> Result<()> {
    let old = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let order = Scenario::names();
    let text = with_section(&old, section, &order);
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn with_section(document: &str, section: &Section, order: &[String]) -> String {
    let mut sections = sections(document);
    sections.retain(|other| other.name != section.name);
    sections.push(section.clone());
    // One that this program no longer knows stays, at the end.
    let place = |section: &Section| order.iter().position(|name| *name == section.name);
    sections.sort_by_key(|section| place(section).unwrap_or(usize::MAX));
    render(&sections)
}

fn render(sections: &[Section]) -> String {
    let mut text = PREAMBLE.to_owned();
    for Section { name, text: body } in sections {
        text += &format!("\n{}\n{}\n{}\n", begin(name), body.trim_end(), end(name));
    }
    text
}

fn sections(document: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut rest = document;
    while let Some((name, after)) =
        rest.split_once("<!-- bench:").and_then(|(_, after)| after.split_once(" -->\n"))
    {
        let Some((body, after)) = after.split_once(&end(name)) else { break };
        sections.push(Section { name: name.to_owned(), text: body.to_owned() });
        rest = after;
    }
    sections
}

fn begin(name: &str) -> String {
    format!("<!-- bench:{name} -->")
}

fn end(name: &str) -> String {
    format!("<!-- end of {name} -->")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, text: &str) -> Section {
        Section { name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_section_replaces_itself_and_stands_in_its_place() {
        let order = ["first", "nothing", "tls"].map(str::to_owned);
        let mut document = String::new();
        for (name, text) in
            [("tls", "## T\n"), ("first", "## F\n\nold\n"), ("first", "## F\n\nnew\n")]
        {
            document = with_section(&document, &section(name, text), &order);
        }
        assert!(document.starts_with(PREAMBLE));
        let rest = document[PREAMBLE.len()..].to_owned();
        let expected = "\n<!-- bench:first -->\n## F\n\nnew\n<!-- end of first -->\n\
                        \n<!-- bench:tls -->\n## T\n<!-- end of tls -->\n";
        assert_eq!(rest, expected);
        assert_eq!(with_section(&document, &section("tls", "## T\n"), &order), document);
    }

    #[test]
    fn the_document_of_the_repository_is_as_it_was_written() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.md");
        let text = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            render(&sections(&text)),
            text,
            "written by hand, or its preamble is an old one"
        );
    }

    #[test]
    fn a_section_that_is_no_longer_known_stays() {
        let document = with_section("", &section("gone", "x\n"), &[]);
        let order = ["first".to_owned()];
        let names: Vec<String> = sections(&with_section(&document, &section("first", "y"), &order))
            .into_iter()
            .map(|section| section.name)
            .collect();
        assert_eq!(names, ["first", "gone"]);
    }
}
