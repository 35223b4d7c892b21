//! Where what earlier runs learnt is kept on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use mailferry_run::ledger::{Clock, Ledger};
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

/// A folder that it may be kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The user's own.
    Own(PathBuf),
    /// Below one for temporary files, which may be everybody's.
    BelowTemporary(PathBuf),
}

/// The folders that it may be kept in, the best first; `temporary`: the folder for temporary files
/// where the user named one, for machines on which nobody has a home.
#[must_use]
pub fn places(wanted: Use, temporary: Option<&Path>) -> Vec<Place> {
    if wanted == Use::None || Use::of_environment() == Use::None {
        return Vec::new();
    }
    let own = folder_of_environment().map(Place::Own);
    let spare = temporary.map(|folder| Place::BelowTemporary(folder.join("mailferry-state")));
    own.into_iter().chain(spare).collect()
}

/// The folder that the environment names for it, whether it is used or not.
#[must_use]
pub fn folder_of_environment() -> Option<PathBuf> {
    folder(|name| std::env::var_os(name))
}

/// The user's own folder, where there is one.
#[must_use]
pub fn own_place(wanted: Use) -> Option<PathBuf> {
    places(wanted, None).into_iter().find_map(|place| match place {
        Place::Own(folder) => Some(folder),
        Place::BelowTemporary(_) => None,
    })
}

/// Where messages are kept that the target of these two accounts refuses, whatever is repaired:
/// below `$MAILFERRY_DATA_DIR`, else `$XDG_DATA_HOME/mailferry`, else `~/.local/share/mailferry`; on
/// Windows `%LOCALAPPDATA%\\mailferry\\data`. `None` where there is no such place.
#[must_use]
pub fn quarantine(servers: &Servers) -> Option<Arc<QuarantinePlace>> {
    let (source, target) = servers.names();
    let folder = data_place()?;
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

/// The folder of what is no cache: what is kept aside, and logins.
#[must_use]
pub fn data_place() -> Option<PathBuf> {
    data_folder(|name| std::env::var_os(name))
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

/// Opens the state of these two accounts in the first of these places where that is possible. Where
/// it is in none, the run goes on without, as correctly and more slowly, and `tell` hears of it.
#[must_use]
pub fn open(servers: &Servers, places: &[Place], tell: &Tell) -> Option<Arc<State>> {
    if Use::of_environment() == Use::None {
        return None;
    }
    let (source, target) = servers.names();
    let mut why = "there is no home folder".to_owned();
    for place in places {
        let (folder, is_safe) = match place {
            Place::Own(folder) => (folder, Ok(())),
            Place::BelowTemporary(folder) => (folder, is_private(folder)),
        };
        let opened = is_safe.and_then(|()| {
            State::open(folder, &source, &target).map_err(|error| error.to_string())
        });
        match opened {
            Ok(state) => {
                if matches!(place, Place::BelowTemporary(_)) {
                    tell(&format!("notice: local state is kept in {}: {why}", folder.display()));
                }
                return Some(Arc::new(state));
            }
            Err(error) => why = error,
        }
    }
    tell(&format!(
        "notice: local state cannot be kept, so that every run lists both sides anew: {why}"
    ));
    None
}

/// The ledger of what these two accounts move in a day. Where it cannot be kept, or is not to be, it
/// counts this run alone, and `tell` hears of the former.
#[must_use]
pub fn ledger(servers: &Servers, wanted: Use, tell: &Tell) -> Arc<Ledger> {
    let clock: Clock = Arc::new(|| Timestamp::now().as_second());
    let folder = own_place(wanted);
    let opened = folder.map(|folder| Ledger::open(&folder, servers.metered(), clock.clone()));
    let ledger = match opened {
        Some(Ok(ledger)) => ledger,
        Some(Err(words)) => {
            tell(&format!("notice: what is moved in a day cannot be counted over runs: {words}"));
            Ledger::of_this_run(servers.metered(), clock)
        }
        None => Ledger::of_this_run(servers.metered(), clock),
    };
    Arc::new(ledger)
}

/// What stands in such a folder is believed: it must be nobody else's. One that is not there will be
/// made so.
#[cfg(unix)]
fn is_private(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let found = match std::fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    let is_ours = found.uid() == nix::unistd::geteuid().as_raw();
    if found.is_dir() && is_ours && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(format!("{} is open to others", folder.display()))
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> Result<(), String> {
    Ok(())
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
    #![allow(clippy::unwrap_used)]
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

    #[test]
    #[cfg(unix)]
    fn a_folder_that_others_may_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("mailferry-state");
        assert_eq!(is_private(&folder), Ok(()));
        std::fs::create_dir(&folder).unwrap();
        for (mode, is_good) in [(0o700, true), (0o770, false), (0o777, false), (0o755, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&folder, permissions).unwrap();
            assert_eq!(is_private(&folder).is_ok(), is_good, "{mode:o}");
        }
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(is_private(&link).is_err());
    }
}
