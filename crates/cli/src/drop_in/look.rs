//! Runs that only look: at the servers, at the logins, at the folders.

use mailferry_engine::fault::{Fault, Side};
use mailferry_engine::listing::AccountListing;
use mailferry_imap::session::printable;
use mailferry_run::accounts::Accounts;
use mailferry_store::contract::Source;
use mailferry_store::imap::ImapAccount;

use super::lines::bracketed;
use super::run::{Ending, Session};
use super::task;
use crate::imapsync::ExitStatus;
use crate::servers::{AnyAccount, Servers, Tell};

impl Session {
    /// Connects to the hosts that were given, logs in nowhere.
    pub(super) async fn just_connect(&self, tell: &Tell) -> Ending {
        let endpoints = match task::endpoints(&self.options, tell).await {
            Ok(endpoints) => endpoints,
            Err(unusable) => return self.unusable(unusable.status, &unusable.words),
        };
        let mut faults = Vec::new();
        for ((number, side), endpoint) in
            [(1, Side::Source), (2, Side::Target)].into_iter().zip(endpoints)
        {
            if endpoint.host.is_empty() {
                continue;
            }
            match ImapAccount::greet(side, &endpoint).await {
                Ok(welcome) => {
                    self.log.line(&format!("Host{number} banner: {}", printable(&welcome.banner)));
                    let capabilities = welcome.capabilities.join(" ");
                    self.log.line(&format!(
                        "Host{number} capability before authentication: {capabilities}"
                    ));
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            return Ending::good();
        }
        let ending = self.faults(&faults);
        let is_tls = ending.status == ExitStatus::TlsFailure;
        let status = if is_tls { ending.status } else { ExitStatus::ConnectionFailure };
        Ending { status, ..ending }
    }

    /// Logs in on both sides.
    pub(super) async fn just_login(&self, servers: &Servers) -> Ending {
        match self.log_in(servers).await {
            Ok((mut source, mut target)) => {
                tokio::join!(source.close(), target.close());
                Ending::good()
            }
            Err(faults) => self.faults(&faults),
        }
    }

    /// Shows the folders of both sides.
    pub(super) async fn just_folder_lists(&self, servers: &Servers) -> Ending {
        let (mut source, mut target) = match self.log_in(servers).await {
            Ok(accounts) => accounts,
            Err(faults) => return self.faults(&faults),
        };
        let (listed1, listed2) = tokio::join!(source.mailboxes(), target.mailboxes());
        let mut faults = Vec::new();
        for (number, listed) in [(1, listed1), (2, listed2)] {
            match listed {
                Ok(account) => self.tell_folders(number, &account),
                Err(fault) => faults.push(fault),
            }
        }
        tokio::join!(source.close(), target.close());
        if faults.is_empty() { Ending::good() } else { self.faults(&faults) }
    }

    fn tell_folders(&self, number: u8, account: &AccountListing) {
        let folders: Vec<_> = account.mailboxes.iter().filter(|it| it.selectable).collect();
        self.log.line(&format!("Host{number}: found {} folders.", folders.len()));
        self.log.line(&format!("Host{number} folders list:"));
        folders.into_iter().for_each(|folder| self.log.line(&bracketed(&folder.name)));
    }

    async fn log_in(&self, servers: &Servers) -> Result<(AnyAccount, AnyAccount), Vec<Fault>> {
        let (source, target) = tokio::join!(servers.open_source(), servers.open_target());
        for (number, opened) in [(1, &source), (2, &target)] {
            if let Ok(account) = opened {
                self.tell_login(number, account);
            }
        }
        match (source, target) {
            (Ok(source), Ok(target)) => Ok((source, target)),
            (source, target) => Err(source.err().into_iter().chain(target.err()).collect()),
        }
    }
}
