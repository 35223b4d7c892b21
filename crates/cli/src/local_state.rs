//! Where what earlier runs learnt is kept on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use mailferry_run::quarantine::{QuarantineLimits, QuarantinePlace};
use mailferry_run::receipt::{About, Folder, Receipt};
use mailferry_run::state::State;

use crate::servers::{Servers, Tell};

/// Whether a run may use what earlier runs learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Use {
    /// It does, where there is a place to keep it.
    #[default]
    Kept,
    /// It does without (`--nostate`).
    None,
}

impl Use {
    /// What the environment says: `MAILFERRY_NOSTATE=1` does without.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::unless("MAILFERRY_NOSTATE")
    }

    fn unless(variable: &str) -> Self {
        match std::env::var_os(variable) {
            Some(word) if !word.is_empty() && word != "0" && word != "false" => Self::None,
            _ => Self::Kept,
        }
    }
}

/// The folder that it is kept in, where there is one.
#[must_use]
pub fn place(wanted: Use) -> Option<PathBuf> {
    if wanted == Use::None || Use::of_environment() == Use::None {
        return None;
    }
    folder_of_environment()
}

/// The folder that the environment names for it, whether it is used or not.
#[must_use]
pub fn folder_of_environment() -> Option<PathBuf> {
    folder(|name| std::env::var_os(name))
}

/// Where messages are kept that the target of these two accounts refuses, whatever is repaired:
/// below `$MAILFERRY_DATA_DIR`, else `$XDG_DATA_HOME/mailferry`, else `~/.local/share/mailferry`; on
/// Windows `%LOCALAPPDATA%\\mailferry\\data`. `None` where there is no such place.
#[must_use]
pub fn quarantine(servers: &Servers) -> Option<Arc<QuarantinePlace>> {
    let (source, target) = servers.names();
    let folder = data_folder(|name| std::env::var_os(name))?;
    let folder = folder.join("quarantine").join(State::pair_name(&source, &target));
    Some(Arc::new(QuarantinePlace::new(folder, QuarantineLimits::default())))
}

/// The receipt of a run of `program` on these two accounts, in the folder of [`receipts`]. Where
/// there is no such place, `tell` hears of it, and the run goes on without.
#[must_use]
pub fn receipt(servers: &Servers, program: &str, wanted: Use, tell: &Tell) -> Option<Arc<Receipt>> {
    if wanted == Use::None || Use::unless("MAILFERRY_NORECEIPT") == Use::None {
        return None;
    }
    let Some(folder) = receipts() else {
        tell("notice: there is no home folder to keep a receipt of this run in");
        return None;
    };
    let (source, target) = servers.names();
    let program = format!("{program} {}", env!("CARGO_PKG_VERSION"));
    let began = Timestamp::now().as_second();
    let about = About { program, began, source, target };
    Some(Arc::new(Receipt::new(folder.path().to_owned(), about)))
}

/// Tells of a receipt for which there is no place on this machine.
pub fn tell_no_receipt(receipt: Option<&Arc<Receipt>>, tell: &Tell) {
    if let Some(words) = receipt.and_then(|receipt| receipt.no_place()) {
        tell(&format!("notice: there is no place to keep a receipt of this run in: {words}"));
    }
}

/// Where receipts are kept: `runs` beside the quarantine. `None` where there is no such place.
#[must_use]
pub fn receipts() -> Option<Folder> {
    Some(Folder::new(data_folder(|name| std::env::var_os(name))?.join("runs")))
}

fn data_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("MAILFERRY_DATA_DIR") {
        return Some(folder);
    }
    if cfg!(windows) {
        return set("LOCALAPPDATA").map(|folder| folder.join("mailferry").join("data"));
    }
    let xdg = set("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
    let home = || set("HOME").map(|home| home.join(".local").join("share"));
    Some(xdg.or_else(home)?.join("mailferry"))
}

/// Opens the state of these two accounts. Where that cannot be, the run goes on without, as
/// correctly and more slowly, and `tell` hears of it.
#[must_use]
pub fn open(servers: &Servers, wanted: Use, tell: &Tell) -> Option<Arc<State>> {
    if wanted == Use::None || Use::of_environment() == Use::None {
        return None;
    }
    let Some(folder) = place(wanted) else {
        tell(
            "notice: there is no home folder to keep local state in: every run lists both sides anew",
        );
        return None;
    };
    let (source, target) = servers.names();
    match State::open(&folder, &source, &target) {
        Ok(state) => Some(Arc::new(state)),
        Err(error) => {
            tell(&format!(
                "notice: local state cannot be kept, so that every run lists both sides anew: {error}"
            ));
            None
        }
    }
}

/// Tells of a state that failed on the way.
pub fn tell_complaint(state: Option<&Arc<State>>, tell: &Tell) {
    if let Some(words) = state.and_then(|state| state.complaint()) {
        tell(&format!(
            "notice: local state could not be kept, so that the next run lists more than it needs to: {words}"
        ));
    }
}

/// `$MAILFERRY_STATE_DIR`, else `$XDG_STATE_HOME/mailferry`, else `~/.local/state/mailferry`; on
/// Windows `%LOCALAPPDATA%\mailferry\state`.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("MAILFERRY_STATE_DIR") {
        return Some(folder);
    }
    if cfg!(windows) {
        return set("LOCALAPPDATA").map(|folder| folder.join("mailferry").join("state"));
    }
    let xdg = set("XDG_STATE_HOME").filter(|folder| folder.is_absolute());
    let home = || set("HOME").map(|home| home.join(".local").join("state"));
    Some(xdg.or_else(home)?.join("mailferry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<PathBuf> {
        folder(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    #[cfg(unix)]
    fn the_folder_follows_the_environment() {
        let home = ("HOME", "/root-of/ann");
        assert_eq!(of(&[home]), Some("/root-of/ann/.local/state/mailferry".into()));
        let xdg = ("XDG_STATE_HOME", "/var/state");
        assert_eq!(of(&[home, xdg]), Some("/var/state/mailferry".into()));
        // A relative one is to be ignored (XDG Base Directory Specification).
        assert_eq!(of(&[home, ("XDG_STATE_HOME", "x")]), of(&[home]));
        let own = ("MAILFERRY_STATE_DIR", "/srv/ferry");
        assert_eq!(of(&[home, xdg, own]), Some("/srv/ferry".into()));
        assert_eq!(of(&[]), None);
    }
}
