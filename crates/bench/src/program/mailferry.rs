//! The program whose measurements these are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{End, Route, Security};
use crate::meter::Invocation;

/// Whether a run uses what an earlier one has kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kept,
    Ignored,
}

/// mailferry with the options of one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Mailferry {
    path: PathBuf,
    /// What `mailferry sync --help` says: which options there are.
    help: String,
    state: State,
    connections: Option<u32>,
}

impl Mailferry {
    /// Asks the program which options it knows.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn inspect(path: PathBuf) -> Result<Self> {
        let output = Command::new(&path)
            .args(["sync", "--help"])
            .output()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Self { path, help, state: State::Kept, connections: None })
    }

    /// The same without local state, if the program has an option for that.
    pub(crate) fn without_state(&self) -> Option<Self> {
        self.stateless_option().map(|_| Self { state: State::Ignored, ..self.clone() })
    }

    /// The same with so many connections, if the program has an option for that.
    pub(crate) fn with_connections(&self, connections: u32) -> Option<Self> {
        let connections = Some(connections);
        self.knows("--connections").then(|| Self { connections, ..self.clone() })
    }

    /// Whether it ignores what an earlier run has kept.
    pub(crate) fn is_stateless(&self) -> bool {
        self.state == State::Ignored
    }

    fn knows(&self, option: &str) -> bool {
        self.help.split(|it: char| !it.is_ascii_alphanumeric() && it != '-').any(|it| it == option)
    }

    fn stateless_option(&self) -> Option<&'static str> {
        ["--nostate", "--no-state"].into_iter().find(|option| self.knows(option))
    }

    fn options(&self) -> Vec<String> {
        let mut options = vec!["--quiet".to_owned()];
        if self.state == State::Ignored {
            options.extend(self.stateless_option().map(str::to_owned));
        }
        if let Some(connections) = self.connections {
            options.push(format!("--connections={connections}"));
        }
        options
    }

    pub(super) fn name(&self) -> String {
        let shown = self.options().into_iter().filter(|option| option != "--quiet");
        std::iter::once("mailferry".to_owned()).chain(shown).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn command(&self) -> String {
        let options = self.options().join(" ");
        format!(
            "mailferry sync imap+plain://USER@127.0.0.1:PORT imap+plain://USER@127.0.0.1:PORT {options}"
        )
    }

    pub(super) fn invocation(&self, route: &Route, home: &Path) -> Invocation {
        let mut arguments: Vec<OsString> =
            vec!["sync".into(), url(&route.source).into(), url(&route.target).into()];
        arguments.extend(self.options().into_iter().map(OsString::from));
        for end in [&route.source, &route.target] {
            if let Security::Tls(file) = &end.security {
                arguments.extend(["--ca-file".into(), file.into()]);
            }
        }
        let mut environment = vec![
            ("MAILFERRY_SOURCE_PASSWORD", OsString::from(&route.source.password)),
            ("MAILFERRY_TARGET_PASSWORD", OsString::from(&route.target.password)),
        ];
        for name in ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            environment.push((name, home.join(name.to_ascii_lowercase()).into()));
        }
        let program = self.path.clone();
        Invocation { program, arguments, environment, good_statuses: &[0] }
    }
}

fn url(end: &End) -> String {
    let scheme = match end.security {
        Security::ClearText => "imap+plain",
        Security::Tls(_) => "imaps",
    };
    format!("{scheme}://{}@{}", end.user, end.address)
}

#[cfg(test)]
mod tests {
    use super::super::peer::tests::route;
    use super::*;

    fn mailferry(help: &str) -> Mailferry {
        let (path, help) = (PathBuf::from("mailferry"), help.to_owned());
        Mailferry { path, help, state: State::Kept, connections: None }
    }

    #[test]
    fn an_option_that_the_program_does_not_have_is_not_asked_for() {
        let old = mailferry("  --connections-max <N>\n  --no-statement\n");
        assert!(old.without_state().is_none() && old.with_connections(2).is_none());
        let new = mailferry("  --nostate\n      --connections <N>\n");
        let stateless = new.without_state().and_then(|program| program.with_connections(2));
        let name = stateless.map(|program| program.name());
        assert_eq!(name.as_deref(), Some("mailferry --nostate --connections=2"));
    }

    #[test]
    fn accounts_are_urls_and_passwords_are_in_the_environment_only() {
        let mut route = route();
        route.source.security = Security::Tls("c.pem".into());
        let run = mailferry("").invocation(&route, Path::new("h"));
        let words: Vec<_> = run.arguments.iter().map(|word| word.to_string_lossy()).collect();
        let expected = "sync imaps://ann@127.0.0.1:1143 imap+plain://bob@127.0.0.1:2143 --quiet \
                        --ca-file c.pem";
        assert_eq!(words.join(" "), expected);
        assert!(run.environment.contains(&("XDG_STATE_HOME", "h/xdg_state_home".into())));
        assert!(run.environment.contains(&("MAILFERRY_TARGET_PASSWORD", "pass-bob".into())));
    }
}
