//! The part of `docs/servers.md` about imitated providers, written by the tests and compared with
//! what they found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{env, fs};

use mailferry_testkit::sim::provider::Provider;

use super::{Side, Verdict};

/// What is done with a provider, in the order of the columns.
pub const JOBS: [&str; 4] = ["transfer", "presync", "backup", "restore"];

/// Where the part begins; it goes to the end of the page.
pub const HEADING: &str = "# Imitated providers";

const HEAD: &str = "
Providers that cannot be started on loopback are **imitated** by the simulated server, from what is
publicly known of them; where each behaviour is told of stands beside it in
`crates/testkit/src/sim/provider.rs`. What an imitation finds is no proof that the provider itself
behaves so. The tables are written by

```console
$ BLESS=1 cargo test -p mailferry-cli --test e2e providers::
```

with the built program between the imitation and a plain simulated server. The accounts of both
servers are compared themselves, without any IMAP: every message is there once, with its body, its
date and its system flags. ✓ and *but …* mean the same as above; *elsewhere* that what All Mail still
has is not brought back under the labels that were taken from it, since a restore leaves alone what was
moved. Domino rewrites headers and tells no UIDs: the run that copies to it looks at the copies, says that
nobody will recognise them, and ends with 111. – stands for a further run, which says so, too: nothing is
copied twice nor removed.

**Known, and not handled:** Yahoo shows the newest 10,000 messages of a mailbox. What is older is not copied
from there; a presync or an exact backup of such a mailbox would remove from the target what Yahoo does not
show any more; and as a target it would get the older messages again. Leave such mailboxes out
(`--exclude`), or split them there before.
";

type Rows = BTreeMap<(Provider, Side), BTreeMap<&'static str, Verdict>>;

/// Compares one row with the page, or writes it where `BLESS=1`.
pub fn settle(provider: Provider, side: Side, row: &BTreeMap<&'static str, Verdict>) {
    static FOUND: Mutex<Rows> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    found.insert((provider, side), row.clone());
    let line = line(provider, side, row);
    let page = fs::read_to_string(path()).unwrap_or_default();
    if env::var_os("BLESS").is_none_or(|value| value != "1") {
        assert!(page.contains(&line), "docs/servers.md does not have this row:\n{line}");
        return;
    }
    let above = page.split(HEADING).next().unwrap_or_default().trim_end().to_owned();
    let mut text = format!("{above}\n\n{HEADING}\n{HEAD}\n");
    text += &format!("| provider | as | {} |\n|---|---|{}\n", JOBS.join(" | "), "---|".repeat(4));
    for ((provider, side), row) in &*found {
        text += &self::line(*provider, *side, row);
        text.push('\n');
    }
    fs::write(path(), text).unwrap();
}

fn line(provider: Provider, side: Side, row: &BTreeMap<&'static str, Verdict>) -> String {
    let side = if side == Side::Target { "target" } else { "source" };
    let cells = JOBS.map(|job| row.get(job).map_or("–".to_owned(), Verdict::cell));
    format!("| {} | {side} | {} |", provider.title(), cells.join(" | "))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/servers.md")
}
