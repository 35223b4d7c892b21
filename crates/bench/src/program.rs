//! The programs that are measured, and how each is told what to do.

mod mailferry;
mod peer;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::judge::Measure;
use crate::meter::Invocation;

pub(crate) use mailferry::Mailferry;
pub(crate) use peer::Peer;

/// One account, as a client reaches it.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) security: Security,
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    ClearText,
    /// From the first octet; the server's certificate is in this file.
    Tls(PathBuf),
}

/// From where to where.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) source: End,
    pub(crate) target: End,
    /// The target server's configuration: `doveadm` writes to its storage, not to its port.
    pub(crate) target_config: PathBuf,
}

/// Who is measured.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    Mailferry(Mailferry),
    Peer(Peer),
}

impl Program {
    /// What a table calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Mailferry(mailferry) => mailferry.name(),
            Self::Peer(peer) => peer.name().to_owned(),
        }
    }

    pub(crate) fn is_peer(&self) -> bool {
        matches!(self, Self::Peer(_))
    }

    /// The run from one end of a route to the other. What the program keeps from run to run,
    /// it keeps in `home`, where this may write a configuration.
    pub(crate) fn invocation(&self, route: &Route, home: &Path) -> Result<Invocation> {
        match self {
            Self::Mailferry(mailferry) => Ok(mailferry.invocation(route, home)),
            Self::Peer(peer) => peer.invocation(route, home),
        }
    }

    /// The command as it stands in the report, with words in place of accounts.
    pub(crate) fn command(&self) -> String {
        match self {
            Self::Mailferry(mailferry) => mailferry.command(),
            Self::Peer(peer) => peer.command().to_owned(),
        }
    }

    /// What a copy by it has to keep to count as complete.
    pub(crate) fn measure_of_copy(&self) -> Measure {
        match self {
            Self::Mailferry(_) => Measure::Everything,
            Self::Peer(_) => Measure::Contents,
        }
    }
}

/// The file of a program, looked for on the PATH and where daemons are.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(daemons).map(|dir| dir.join(name)).find(|it| it.is_file())
}
