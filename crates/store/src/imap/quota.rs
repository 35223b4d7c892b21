//! What an account may hold (GETQUOTAROOT, RFC 9208), and how far its server is.

use std::time::{Duration, Instant};

use mailferry_engine::fault::Fault;
use mailferry_imap::command::Command;
use mailferry_imap::response::Untagged;

use super::ImapAccount;
use crate::quota::Quota;

impl ImapAccount {
    /// The limits on INBOX (RFC 9208 §4.1.3), which are the account's almost everywhere. None where
    /// the server does not tell.
    pub(super) async fn ask_quota(&mut self) -> Result<Quota, Fault> {
        let mut quota = Quota::default();
        if !self.connection.capabilities().has("QUOTA") {
            return Ok(quota);
        }
        let command = Command::new("GETQUOTAROOT").sp().mailbox(b"INBOX");
        self.run(&command, |data| {
            if let Untagged::Quota { resources, .. } = data {
                for resource in resources {
                    quota.take_note(resource.name, resource.usage, resource.limit);
                }
            }
        })
        .await?;
        Ok(quota)
    }

    /// How long a command takes that does nothing (NOOP).
    ///
    /// # Errors
    /// The connection broke.
    pub async fn round_trip(&mut self) -> Result<Duration, Fault> {
        let began = Instant::now();
        self.run(&Command::new("NOOP"), |_| {}).await?;
        Ok(began.elapsed())
    }
}
