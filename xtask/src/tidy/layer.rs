//! The walls between the rooms: which crate may depend on which.
//!
//! A new arrow is a change of the architecture: it is drawn here first, with its reason in
//! `docs/design/`.

use super::{File, Finding};

const PREFIX: &str = "mailferry-";

struct Room {
    name: &'static str,
    /// Rooms it may depend on.
    rooms: &'static [&'static str],
    /// Other crates it may depend on; `None`: any that the workspace has.
    others: Option<&'static [&'static str]>,
}

const ROOMS: [Room; 13] = [
    Room {
        name: "imap",
        rooms: &[],
        others: Some(&[
            "data-encoding",
            "flate2",
            "hmac",
            "md-5",
            "md4",
            "memchr",
            "ring",
            "rustls",
            "rustls-pki-types",
            "rustls-platform-verifier",
            "stringprep",
            "thiserror",
            "tokio",
            "tokio-rustls",
            "zeroize",
        ]),
    },
    Room {
        name: "engine",
        rooms: &[],
        // Pure: nothing that could do I/O, read a clock or draw a random number.
        others: Some(&["blake3", "memchr", "serde", "thiserror"]),
    },
    // Alone calls C; whoever reads it for that has nothing else to read.
    Room { name: "expression", rooms: &[], others: Some(&["pcre2-sys", "thiserror"]) },
    // Knows nothing of mail: whoever logs in asks it for a token.
    Room { name: "oauth", rooms: &[], others: None },
    // Knows where mail is, and nothing of what is done with it.
    Room { name: "discovery", rooms: &[], others: None },
    Room { name: "store", rooms: &["engine", "imap"], others: None },
    Room { name: "run", rooms: &["engine", "store"], others: None },
    Room { name: "fleet", rooms: &["run"], others: None },
    Room { name: "web", rooms: &["fleet", "run"], others: None },
    Room {
        name: "cli",
        // The testkit's simulated servers also carry `mailferry demo`.
        rooms: &[
            "engine",
            "imap",
            "expression",
            "oauth",
            "discovery",
            "store",
            "run",
            "fleet",
            "web",
            "testkit",
        ],
        others: None,
    },
    Room { name: "testkit", rooms: &["imap", "store"], others: None },
    // Measures: the rooms of which it knows the inside, and the programs from outside.
    Room { name: "bench", rooms: &["engine", "imap", "testkit"], others: None },
    Room { name: "xtask", rooms: &[], others: Some(&["anyhow"]) },
];

/// Names each dependency in a `Cargo.toml` of the workspace that goes through a wall.
pub(super) fn inspect(file: &File<'_>) -> Vec<Finding> {
    if file.path != "xtask/Cargo.toml"
        && !(file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
    {
        return Vec::new();
    }
    let manifest = Manifest::read(file.text);
    let name = manifest.package.strip_prefix(PREFIX).unwrap_or(manifest.package);
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        let what = format!("`{name}` is a room the table of layers does not know");
        return vec![file.finding(1, what)];
    };
    let through_wall = |dependency: &&Dependency<'_>| !room.may_use(dependency);
    manifest
        .dependencies
        .iter()
        .filter(through_wall)
        .map(|dependency| {
            let what = format!("`{name}` must not depend on `{}`", dependency.package);
            file.finding(dependency.line, what)
        })
        .collect()
}

impl Room {
    fn may_use(&self, dependency: &Dependency<'_>) -> bool {
        match (dependency.package.strip_prefix(PREFIX), dependency.kind) {
            // Any room may be tested with the testkit.
            (Some("testkit"), Kind::Dev) => self.name != "xtask",
            // Tests above the store open real connections.
            (Some("imap"), Kind::Dev) => {
                self.name == "store" || ["imap", "store"].iter().any(|it| self.rooms.contains(it))
            }
            (Some(room), _) => self.rooms.contains(&room),
            (None, Kind::Dev) => true,
            (None, Kind::Normal) => {
                self.others.is_none_or(|others| others.contains(&dependency.package))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of the crate itself or its build script.
    Normal,
    /// Of its tests only.
    Dev,
}

#[derive(Debug, PartialEq, Eq)]
struct Dependency<'a> {
    package: &'a str,
    kind: Kind,
    line: usize,
}

/// As much of a `Cargo.toml` as the walls need.
#[derive(Default)]
struct Manifest<'a> {
    package: &'a str,
    dependencies: Vec<Dependency<'a>>,
}

/// What the lines below a table's header are.
#[derive(Clone, Copy)]
enum Table {
    Package,
    /// One dependency a line.
    Dependencies(Kind),
    /// `[dependencies.name]`: the index of that one.
    Dependency(usize),
    Other,
}

impl<'a> Manifest<'a> {
    fn read(text: &'a str) -> Self {
        let mut manifest = Self::default();
        let mut table = Table::Other;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                table = manifest.enter(header.trim_end_matches(']'), index + 1);
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            if line.starts_with('#') {
                continue;
            }
            match (table, key.trim()) {
                (Table::Package, "name") => manifest.package = unquote(value),
                (Table::Dependency(at), "package") => {
                    manifest.dependencies[at].package = unquote(value);
                }
                (Table::Dependencies(kind), key) => {
                    let package = renamed(value).unwrap_or_else(|| first_part(key));
                    manifest.dependencies.push(Dependency { package, kind, line: index + 1 });
                }
                _ => {}
            }
        }
        manifest
    }

    fn enter(&mut self, header: &'a str, line: usize) -> Table {
        let header = header.trim();
        if header == "package" {
            return Table::Package;
        }
        // `target.'cfg(unix)'.dependencies` is as good as `dependencies`.
        let header = if header.starts_with("target.") {
            header.find("dependencies").map_or(header, |at| &header[start_of_word(header, at)..])
        } else {
            header
        };
        let (name, package) = header.split_once('.').unwrap_or((header, ""));
        let kind = match name {
            "dependencies" | "build-dependencies" => Kind::Normal,
            "dev-dependencies" => Kind::Dev,
            _ => return Table::Other,
        };
        if package.is_empty() {
            return Table::Dependencies(kind);
        }
        self.dependencies.push(Dependency { package: unquote(package), kind, line });
        Table::Dependency(self.dependencies.len() - 1)
    }
}

fn start_of_word(text: &str, at: usize) -> usize {
    text[..at].rfind('.').map_or(0, |dot| dot + 1)
}

/// `package = "…"` of an inline table.
fn renamed(value: &str) -> Option<&str> {
    let rest = value.trim().strip_prefix('{')?;
    let package = rest.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == "package").then_some(value)
    })?;
    Some(unquote(package))
}

/// `serde` of `serde.workspace`.
fn first_part(key: &str) -> &str {
    unquote(key.split('.').next().unwrap_or(key))
}

fn unquote(value: &str) -> &str {
    let value = value.split('#').next().unwrap_or(value);
    value.trim_matches(|character: char| character.is_whitespace() || "\"'{}".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(package: &str, dependencies: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{package}\"\n{dependencies}");
        let path = format!("crates/{}/Cargo.toml", package.trim_start_matches(PREFIX));
        inspect(&File { path: &path, text: &text }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_engine_depends_on_no_room_and_nothing_impure() {
        assert_eq!(
            findings(
                "mailferry-engine",
                "[dependencies]\nserde.workspace = true\nmailferry-imap.workspace = true\n\
                 # tokio = \"1\"\ntokio = { version = \"1\" }\n[dev-dependencies]\nproptest = \"1\"\n"
            ),
            [
                "crates/engine/Cargo.toml:5: `engine` must not depend on `mailferry-imap`",
                "crates/engine/Cargo.toml:7: `engine` must not depend on `tokio`",
            ]
        );
    }

    #[test]
    fn every_way_to_write_a_dependency_is_seen() {
        let ways = [
            "[dependencies.mailferry-run]\npath = \"../run\"\n",
            "[dependencies.other]\npackage = \"mailferry-run\"\n",
            "[dependencies]\nother = { path = \"../run\", package = \"mailferry-run\" }\n",
            "[dependencies]\n\"mailferry-run\" = \"1\" # why\n",
            "[build-dependencies]\nmailferry-run.workspace = true\n",
            "[dev-dependencies]\nmailferry-run.workspace = true\n",
            "[target.'cfg(unix)'.dependencies]\nmailferry-run.workspace = true\n",
            "[target.\"cfg(unix)\".dev-dependencies.mailferry-run]\nworkspace = true\n",
        ];
        for way in ways {
            let found = findings("mailferry-store", way);
            assert_eq!(found.len(), 1, "{way}");
            assert!(found[0].ends_with("`store` must not depend on `mailferry-run`"), "{way}");
        }
    }

    #[test]
    fn permitted_arrows_are_not_named() {
        let room = |name: &str| format!("[dependencies]\nmailferry-{name}.workspace = true\n");
        assert!(findings("mailferry-store", &room("imap")).is_empty());
        assert!(findings("mailferry-run", &room("store")).is_empty());
        assert!(findings("mailferry-cli", &room("testkit")).is_empty());
        assert!(findings("mailferry-run", "[features]\nmailferry-web = []\n").is_empty());
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        let testkit = "mailferry-testkit.workspace = true\n";
        assert!(findings("mailferry-run", &format!("[dev-dependencies]\n{testkit}")).is_empty());
        assert_eq!(findings("mailferry-run", &format!("[dependencies]\n{testkit}")).len(), 1);
    }

    #[test]
    fn tests_above_the_store_may_open_connections_and_the_room_may_not() {
        let imap = "mailferry-imap.workspace = true\n";
        assert!(findings("mailferry-run", &format!("[dev-dependencies]\n{imap}")).is_empty());
        assert_eq!(findings("mailferry-run", &format!("[dependencies]\n{imap}")).len(), 1);
        assert_eq!(findings("mailferry-engine", &format!("[dev-dependencies]\n{imap}")).len(), 1);
    }

    #[test]
    fn nothing_depends_on_what_measures() {
        assert!(ROOMS.iter().all(|room| !room.rooms.contains(&"bench")));
        let inside =
            "[dev-dependencies]\nmailferry-imap.workspace = true\nmailferry-run.workspace = true\n";
        let told = ["crates/bench/Cargo.toml:5: `bench` must not depend on `mailferry-run`"];
        assert_eq!(findings("mailferry-bench", inside), told);
    }

    #[test]
    fn a_room_that_was_never_drawn_is_named() {
        assert_eq!(
            findings("mailferry-attic", ""),
            ["crates/attic/Cargo.toml:1: `attic` is a room the table of layers does not know"]
        );
    }

    #[test]
    fn other_manifests_are_nobodys_room() {
        assert!(inspect(&File { path: "Cargo.toml", text: "[workspace]\n" }).is_empty());
    }

    #[test]
    fn the_permitted_arrows_lead_round_no_circle() {
        fn depth(name: &str, left: usize) -> usize {
            assert!(left > 0, "a circle through `{name}`");
            let room = ROOMS.iter().find(|room| room.name == name);
            let below = room.map_or(&[][..], |room| room.rooms).iter();
            1 + below.map(|room| depth(room, left - 1)).max().unwrap_or(0)
        }
        for room in &ROOMS {
            assert!(depth(room.name, ROOMS.len()) <= ROOMS.len());
        }
    }
}
