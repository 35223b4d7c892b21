//! Courier-IMAP 5.0, run where its packages were unpacked. It asks a daemon who may log in; that
//! one is here.

use super::{PASSWORD, Place, Ready, libraries};
use crate::harness::{Error, io};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// As its configuration file has it, without what needs STARTTLS.
const CAPABILITY: &str = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT \
                          THREAD=REFERENCES SORT QUOTA IDLE";

pub(super) fn prepare(place: &Place<'_>) -> Result<Ready, Error> {
    let Place { dir, root, owner, .. } = *place;
    let home = dir.join("home");
    for name in ["cur", "new", "tmp"] {
        fs::create_dir_all(home.join("Maildir").join(name))
            .map_err(io("cannot make the server's directories"))?;
    }
    owner.take_over(&home)?;
    let socket = dir.join("auth");
    let listener = UnixListener::bind(&socket).map_err(io("cannot open a socket"))?;
    let account = format!(
        "UID={uid}\nGID={gid}\nHOME={home}\nADDRESS={user}\n.\n",
        user = place.user,
        uid = owner.uid,
        gid = owner.gid,
        home = home.display()
    );
    let stop = Arc::new(AtomicBool::new(false));
    let daemon = Daemon { socket: socket.clone(), stop: stop.clone() };
    let login = [place.user.to_owned(), PASSWORD.to_owned()];
    std::thread::spawn(move || serve(&listener, &stop, &login, &account));

    let mut command = Command::new(root.join("usr/sbin/couriertcpd"));
    command.args(["-address=127.0.0.1", "-maxprocs=100", "-maxperip=100"]);
    command.args(["-nodnslookup", "-noidentlookup", &place.port.to_string()]);
    command.arg(root.join("usr/lib/courier/courier/imaplogin"));
    command.arg(root.join("usr/bin/imapd")).arg("Maildir");
    command.env("LD_LIBRARY_PATH", libraries(root));
    command.env("LD_PRELOAD", root.join("socket.so")).env("COURIER_SOCKET", socket);
    command.env("IMAP_CAPABILITY", CAPABILITY).env("IMAP_KEYWORDS", "1");
    // As delivered it empties the trash of what is a week old, at each login.
    command.env("IMAP_EMPTYTRASH", "").env("IMAP_CHECK_ALL_FOLDERS", "0");
    // Its locks ask for a daemon that is not there, and wait a second for it each time.
    command.env("IMAP_OBSOLETE_CLIENT", "0").env("IMAP_USELOCKS", "0");
    command.env("IMAP_ENHANCEDIDLE", "0").env("IMAP_IDLE_TIMEOUT", "5");
    command.env("IMAP_MOVE_EXPUNGE_TO_TRASH", "0").env("PATH", "/usr/bin:/bin");
    Ok(Ready { command, company: Some(Box::new(daemon)) })
}

/// Ends the authentication when the server is dropped.
struct Daemon {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes it up; where that is not possible it is gone.
        let _ = UnixStream::connect(&self.socket);
    }
}

fn serve(listener: &UnixListener, stop: &AtomicBool, login: &[String; 2], account: &str) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            // A client that goes away is no concern of the others.
            let _ = answer(stream, login, account);
        }
    }
}

/// Lines of what is known of the client, `AUTH n`, then n octets: service, kind, user and password
/// on a line each.
fn answer(mut stream: UnixStream, login: &[String; 2], account: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut octets = None;
    while octets.is_none() {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        octets = line.strip_prefix("AUTH ").and_then(|count| count.trim().parse().ok());
    }
    let mut asked = vec![0; octets.unwrap_or(0)];
    reader.read_exact(&mut asked)?;
    let asked = String::from_utf8_lossy(&asked);
    let lines: Vec<&str> = asked.lines().collect();
    let is_right = matches!(lines[..], ["imap", "login", user, password, ..]
        if [user, password] == [login[0].as_str(), login[1].as_str()]);
    stream.write_all(if is_right { account.as_bytes() } else { b"FAIL\n" })
}
