//! Keeping runs on this machine out of each other's target mailboxes.

use std::sync::Arc;
use std::time::Duration;

use mailferry_run::claim::Claims;

use crate::local_state;
use crate::servers::{Servers, Tell};

/// Says how many seconds a mailbox is waited for that another run works on.
pub const WAIT_VARIABLE: &str = "MAILFERRY_LOCK_WAIT";

/// The claims to the mailboxes of the target account, below the folder of the local state, also
/// where no state is kept. Where there is no place for them the run does without, and `tell` hears
/// of it.
#[must_use]
pub fn open(servers: &Servers, tell: &Tell) -> Option<Arc<Claims>> {
    let missing = || std::io::Error::other("there is no home folder");
    let opened = local_state::folder_of_environment().ok_or_else(missing).and_then(|folder| {
        let (_, target) = servers.names();
        Claims::open(&folder.join("claims"), &target)
    });
    match opened {
        Ok(claims) => Some(Arc::new(claims)),
        Err(error) => {
            tell(&format!(
                "notice: nothing keeps this run and another one from copying to one mailbox at the \
                 same time, since no lock can be kept: {error}"
            ));
            None
        }
    }
}

/// Tells of claims that could not be had on the way.
pub fn tell_complaint(claims: Option<&Arc<Claims>>, tell: &Tell) {
    if let Some(words) = claims.and_then(|claims| claims.complaint()) {
        tell(&format!(
            "notice: a mailbox was copied to without a lock that keeps other runs out: {words}"
        ));
    }
}

/// How long the environment says that is to be waited; `None` if it says nothing.
///
/// # Errors
/// It is no number; the words say so.
pub fn wait_of_environment() -> Result<Option<Duration>, String> {
    match std::env::var(WAIT_VARIABLE) {
        Ok(text) if !text.is_empty() => match text.parse().map(Duration::from_secs) {
            Ok(wait) => Ok(Some(wait)),
            Err(_) => Err(format!("{WAIT_VARIABLE} is to be a number of seconds, not `{text}`")),
        },
        _ => Ok(None),
    }
}

/// What is said while another run is waited for.
#[must_use]
pub fn waiting_words(process: Option<u32>, wait: Duration) -> String {
    let who = process.map(|process| format!(" (process {process})")).unwrap_or_default();
    format!("another run{who} works there; waiting for it, {} s at most", wait.as_secs())
}
