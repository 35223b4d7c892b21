//! Other programs that copy mail.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{End, Route, Security, find_program};
use crate::meter::Invocation;

/// Another program, and where its file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// isync's mbsync, from IMAP to IMAP.
    Mbsync(PathBuf),
    /// Dovecot's doveadm backup: from IMAP to the target's storage, past its port. What the
    /// target's own connection costs the others, it does not pay.
    Doveadm(PathBuf),
    /// imapsync, from IMAP to IMAP.
    Imapsync(PathBuf),
}

impl Peer {
    /// Those of this machine, and what is to be said of those that are not there. imapsync is
    /// measured only where somebody names its file.
    pub(crate) fn find(imapsync: Option<&Path>) -> (Vec<Self>, Vec<String>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (name, peer) in [("mbsync", Self::Mbsync as fn(_) -> _), ("doveadm", Self::Doveadm)] {
            match find_program(name) {
                Some(path) => found.push(peer(path)),
                None => missing.push(format!("{name} is not installed and was left out")),
            }
        }
        match imapsync {
            Some(path) if path.is_file() => found.push(Self::Imapsync(path.to_owned())),
            Some(path) => missing.push(format!("imapsync: {} is no file", path.display())),
            None => missing.push("imapsync was left out (`--imapsync PATH`)".to_owned()),
        }
        (found, missing)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Mbsync(_) => "mbsync",
            Self::Doveadm(_) => "doveadm backup",
            Self::Imapsync(_) => "imapsync",
        }
    }

    /// Whether it can be told to speak TLS to either side.
    pub(crate) fn speaks_tls_to_both(&self) -> bool {
        matches!(self, Self::Mbsync(_))
    }

    pub(super) fn command(&self) -> &'static str {
        match self {
            Self::Mbsync(_) => {
                "mbsync -c FILE -q all   # SSLType None, PipelineDepth 50, Patterns *, Create Near, \
                 Sync Pull, CopyArrivalDate yes"
            }
            Self::Doveadm(_) => {
                "doveadm -c TARGET.conf -o imapc_host=127.0.0.1 -o imapc_port=PORT \
                 -o imapc_user=USER -o imapc_password=… \
                 -o \"imapc_features=rfc822.size fetch-headers fetch-bodystructure\" \
                 -o mail_prefetch_count=50 backup -R -u USER imapc:   # writes to the target's storage, not to its port"
            }
            Self::Imapsync(_) => {
                "imapsync --host1 127.0.0.1 --port1 PORT --user1 USER --password1 … --nossl1 --notls1 \
                 --host2 127.0.0.1 --port2 PORT --user2 USER --password2 … --nossl2 --notls2 --nolog \
                 --noreleasecheck"
            }
        }
    }

    pub(super) fn invocation(&self, route: &Route, home: &Path) -> Result<Invocation> {
        let (program, arguments) = match self {
            Self::Mbsync(path) => (path, mbsync(route, home)?),
            Self::Doveadm(path) => (path, doveadm(route)?),
            Self::Imapsync(path) => (path, imapsync(route, home)?),
        };
        // Its sync state and its caches are where the run is, not where the user is.
        let environment = vec![("HOME", OsString::from(home))];
        Ok(Invocation { program: program.clone(), arguments, environment, good_statuses: &[0] })
    }
}

fn mbsync(route: &Route, home: &Path) -> Result<Vec<OsString>> {
    let (config, state) = (home.join("mbsyncrc"), home.join("state"));
    fs::create_dir_all(&state)?;
    fs::write(&config, mbsync_config(route, &state))?;
    Ok(vec!["-c".into(), config.into(), "-q".into(), "all".into()])
}

/// A section ends with an empty line, and only with one.
fn mbsync_config(route: &Route, state: &Path) -> String {
    let account = |name: &str, end: &End| {
        let security = match &end.security {
            Security::ClearText => "SSLType None\n".to_owned(),
            Security::Tls(file) => {
                format!("SSLType IMAPS\nCertificateFile {}\n", file.display())
            }
        };
        format!(
            "IMAPAccount {name}\nHost {}\nPort {}\nUser {}\nPass {}\nAuthMechs LOGIN\n{security}\
             PipelineDepth 50\n\nIMAPStore {name}\nAccount {name}\n\n",
            end.address.ip(),
            end.address.port(),
            end.user,
            end.password,
        )
    };
    format!(
        "{}{}Channel all\nFar :source:\nNear :target:\nPatterns *\nCreate Near\nSync Pull\n\
         CopyArrivalDate yes\nSyncState {}/\n",
        account("source", &route.source),
        account("target", &route.target),
        state.display(),
    )
}

fn doveadm(route: &Route) -> Result<Vec<OsString>> {
    let Route { source, target, target_config } = route;
    if source.security != Security::ClearText || target.security != Security::ClearText {
        bail!("doveadm is not measured with TLS");
    }
    let mut arguments: Vec<OsString> = vec!["-c".into(), target_config.into()];
    for setting in [
        format!("imapc_host={}", source.address.ip()),
        format!("imapc_port={}", source.address.port()),
        format!("imapc_user={}", source.user),
        format!("imapc_password={}", source.password),
        "imapc_features=rfc822.size fetch-headers fetch-bodystructure".to_owned(),
        // As Dovecot's guide to migrations has it: without it each message costs a round trip.
        "mail_prefetch_count=50".to_owned(),
    ] {
        arguments.extend(["-o".into(), setting.into()]);
    }
    arguments.extend(["backup", "-R", "-u", &target.user, "imapc:"].map(OsString::from));
    Ok(arguments)
}

fn imapsync(route: &Route, home: &Path) -> Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> =
        ["--nolog", "--noreleasecheck", "--tmpdir"].map(OsString::from).to_vec();
    arguments.push(home.into());
    for (side, end) in [(1, &route.source), (2, &route.target)] {
        if end.security != Security::ClearText {
            bail!("imapsync is not measured with TLS");
        }
        for (option, value) in [
            ("host", end.address.ip().to_string()),
            ("port", end.address.port().to_string()),
            ("user", end.user.clone()),
            ("password", end.password.clone()),
        ] {
            arguments.extend([format!("--{option}{side}").into(), value.into()]);
        }
        arguments.extend([format!("--nossl{side}").into(), format!("--notls{side}").into()]);
    }
    Ok(arguments)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    pub(in crate::program) fn route() -> Route {
        let end = |user: &str, port| End {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            user: user.to_owned(),
            password: format!("pass-{user}"),
            security: Security::ClearText,
        };
        let (source, target) = (end("ann", 1143), end("bob", 2143));
        Route { source, target, target_config: "t.conf".into() }
    }

    #[test]
    fn sections_of_mbsync_stand_apart() {
        let mut route = route();
        route.target.security = Security::Tls("c.pem".into());
        let config = mbsync_config(&route, Path::new("s"));
        let sections: Vec<&str> = config.split("\n\n").collect();
        let firsts: Vec<&str> = sections.iter().filter_map(|text| text.lines().next()).collect();
        let expected = [
            "IMAPAccount source",
            "IMAPStore source",
            "IMAPAccount target",
            "IMAPStore target",
            "Channel all",
        ];
        assert_eq!(firsts, expected);
        assert!(sections[0].contains("Port 1143\nUser ann\nPass pass-ann\n"));
        assert!(sections[0].contains("\nSSLType None\n"));
        assert!(sections[2].contains("\nSSLType IMAPS\nCertificateFile c.pem\n"));
        assert!(sections[4].ends_with("\nSyncState s/\n"));
    }

    #[test]
    fn doveadm_pulls_into_the_targets_storage_and_not_with_tls() {
        let mut route = route();
        let words = doveadm(&route).unwrap_or_default();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        assert!(
            words.join(" ").starts_with("-c t.conf -o imapc_host=127.0.0.1 -o imapc_port=1143")
        );
        assert_eq!(words[words.len() - 5..].join(" "), "backup -R -u bob imapc:");
        route.source.security = Security::Tls("c.pem".into());
        assert!(doveadm(&route).is_err());
    }

    #[test]
    fn imapsync_is_told_both_sides() {
        let words = imapsync(&route(), Path::new("h")).unwrap_or_default();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let line = words.join(" ");
        assert!(line.contains("--host1 127.0.0.1 --port1 1143 --user1 ann --password1 pass-ann"));
        assert!(line.ends_with("--nossl2 --notls2"));
    }
}
