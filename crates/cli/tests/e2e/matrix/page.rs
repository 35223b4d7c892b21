//! `docs/servers.md`: what the matrix found, written by it and compared with it.

use super::verdict::Verdict;
use crate::world::farm::Kind;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::{env, fs};

/// What is done with a server, in the order of the columns.
pub const JOBS: [&str; 5] = ["transfer", "presync", "backup", "restore", "odd messages"];

/// A row of the table: the server, and which side it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Target,
    Source,
}

/// What was found with one server on one side.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// By job.
    pub jobs: BTreeMap<&'static str, Verdict>,
}

/// The extensions that mailferry makes use of where a server has them.
const USED: [&str; 17] = [
    "LITERAL+",
    "LITERAL-",
    "SASL-IR",
    "UIDPLUS",
    "MULTIAPPEND",
    "NAMESPACE",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "ESEARCH",
    "UNSELECT",
    "ID",
    "CONDSTORE",
    "BINARY",
    "OBJECTID",
    "STATUS=SIZE",
];

/// Those of them that a server offers. MULTIAPPEND of UW imapd runs messages together.
pub fn used(kind: Kind, capabilities: &[String]) -> String {
    let offered = |name: &&&str| {
        let told = capabilities.iter().any(|word| word.eq_ignore_ascii_case(name));
        told && (kind, **name) != (Kind::Uw, "MULTIAPPEND")
    };
    USED.iter().filter(offered).copied().collect::<Vec<_>>().join(" ")
}

const HEAD: &str = "# Servers

Each change is tested with these real servers, started on loopback by the project itself
(`scripts/servers`, `crates/testkit/src/farm.rs`), each as the target and as the source of a run
with a Dovecot 2.3 on the other side. An independent client looks whether every message is there
once and what of it is another. This page is written by that test; a result that is another than
here fails it:

```console
$ BLESS=1 cargo test -p mailferry-cli --test e2e servers::
```

✓ means: the run said that it had succeeded, or told every message that was refused; no message is
missing, none is there twice; a second run, with and without what the first one remembered, copied
nothing. *but …* says what the two servers changed or did not keep between them:

- *octets*: line ends, NULs, 8-bit octets in headers, the header lines of mbox files.
- *keywords*: flags that are not of the standard.
- *dates*: INTERNALDATE; Dovecot moves those of the future to the present.
- *subscriptions*.
- *n refused*: messages that the server takes in no form. They are told of, kept aside as files
  ([repair](design/repair.md)), and listed below.

What is odd about each server, with its evidence, is in the quirk table,
`crates/imap/src/quirk.rs`. Dovecot 2.3 has tests of its own, with all jobs and in both
directions, and stands as the other side of each row. Broken connections and lost answers are
tried with each server as target and as source in the same test. UW imapd, which has to be compiled,
and the servers of the next Debian, which root runs with chroot, are fetched and tested on request
(`scripts/servers uw dovecot24 cyrus310`).
";

/// Compares what was found with the page, or writes it where `BLESS=1`. Rows of servers that
/// could not be started are left as they are.
pub fn settle(kind: Kind, rows: &BTreeMap<Side, Row>, extensions: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _guard = WRITING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/servers.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let mut sections = read(&old);
    sections.insert(kind, render(rows, extensions));
    let new = write(&sections) + &behind(&old);
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, new).unwrap();
        return;
    }
    assert_eq!(old, new, "docs/servers.md is not what was found; BLESS=1 writes it anew");
}

/// What stands behind the tables of this test: the imitated providers (`providers.rs`).
fn behind(page: &str) -> String {
    const IMITATED: &str = "\n# Imitated providers\n";
    page.find(IMITATED).map_or_else(String::new, |at| page[at..].to_owned())
}

fn heading(kind: Kind) -> String {
    format!("## {}\n", kind.title())
}

/// The sections of the page by server.
fn read(page: &str) -> BTreeMap<Kind, String> {
    let mut sections = BTreeMap::new();
    for kind in Kind::EVERY {
        let Some((_, rest)) = page.split_once(&heading(kind)) else { continue };
        let end = ["\n## ", "\n# "].iter().filter_map(|next| rest.find(next)).min();
        let end = end.map_or(rest.len(), |at| at + 1);
        sections.insert(kind, rest[..end].trim_matches('\n').to_owned());
    }
    sections
}

fn write(sections: &BTreeMap<Kind, String>) -> String {
    let mut page = HEAD.to_owned();
    for (kind, text) in sections {
        page += &format!("\n{}\n{text}\n", heading(*kind));
    }
    page
}

fn render(rows: &BTreeMap<Side, Row>, extensions: &str) -> String {
    let mut text = format!("| as | {} |\n|---|{}\n", JOBS.join(" | "), "---|".repeat(JOBS.len()));
    for (side, row) in rows {
        let name = if *side == Side::Target { "target" } else { "source" };
        let cells = JOBS.map(|job| row.jobs.get(job).map_or("–".to_owned(), Verdict::cell));
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    let refused = rows.get(&Side::Target).and_then(|row| row.jobs.get("odd messages"));
    if let Some(refused) = refused.map(|verdict| &verdict.refused).filter(|set| !set.is_empty()) {
        let names: Vec<&str> = refused.iter().map(String::as_str).collect();
        text += &format!("\nRefused: {}.\n", names.join(", "));
    }
    let extensions = if extensions.is_empty() { "none" } else { extensions };
    text + &format!("\nExtensions used: {extensions}.")
}
