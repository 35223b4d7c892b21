//! A small server with mod-sequences (RFC 7162) that a test may change between any two commands,
//! as another client would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A message: its mod-sequence, its flags, its Message-Id and how large it says it is.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) mod_sequence: u64,
    pub(crate) flags: String,
    pub(crate) id: String,
    pub(crate) size: u32,
}

/// A mailbox as the server has it.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: u32,
    pub(crate) highest: u64,
    pub(crate) letters: BTreeMap<u32, Letter>,
    /// Whether STATUS answers for it.
    pub(crate) tells_status: bool,
    /// Whether UIDNEXT is told.
    pub(crate) tells_uid_next: bool,
}

impl Folder {
    pub(crate) fn new(uid_validity: u32) -> Self {
        Self {
            uid_validity,
            uid_next: 1,
            highest: 1,
            letters: BTreeMap::new(),
            tells_status: true,
            tells_uid_next: true,
        }
    }

    pub(crate) fn receive(&mut self, id: &str) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.highest += 1;
        let size = 100 + uid;
        let (flags, id) = (String::new(), id.to_owned());
        self.letters.insert(uid, Letter { mod_sequence: self.highest, flags, id, size });
        uid
    }

    pub(crate) fn flag(&mut self, uid: u32, flags: &str) {
        self.highest += 1;
        let letter = self.letters.get_mut(&uid).unwrap();
        (letter.mod_sequence, letter.flags) = (self.highest, flags.to_owned());
    }

    pub(crate) fn expunge(&mut self, uid: u32) {
        self.highest += 1;
        self.letters.remove(&uid).unwrap();
    }
}

pub(crate) type Folders = BTreeMap<String, Folder>;

/// What happens on the server just before it carries a command out.
pub(crate) type Before = Box<dyn FnMut(&str, &mut Folders) + Send>;

#[derive(Default)]
struct Shared {
    folders: Folders,
    before: Option<Before>,
    log: Vec<String>,
}

/// A running server. Dropping it ends its connections.
pub(crate) struct Model {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Model {
    /// `greeting` tells what server it is.
    pub(crate) async fn start(greeting: &'static str, folders: Folders) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared { folders, ..Shared::default() }));
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                sessions.spawn(serve(client, greeting, serving.clone()));
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Folders)) {
        change(&mut self.shared.lock().unwrap().folders);
    }

    pub(crate) fn before(&self, before: impl FnMut(&str, &mut Folders) + Send + 'static) {
        self.shared.lock().unwrap().before = Some(Box::new(before));
    }

    /// The commands so far, without their tags; they are forgotten.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().log)
    }
}

async fn serve(client: TcpStream, greeting: &str, shared: Arc<Mutex<Shared>>) {
    let (from, mut to) = client.into_split();
    let mut lines = BufReader::new(from).lines();
    let _ = to.write_all(format!("* OK {greeting}\r\n").as_bytes()).await;
    let mut open: Option<String> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let (tag, command) = line.split_once(' ').unwrap();
        let answer = {
            let mut shared = shared.lock().unwrap();
            shared.log.push(command.to_owned());
            let Shared { folders, before, .. } = &mut *shared;
            if let Some(before) = before {
                before(command, folders);
            }
            answer(command, folders, &mut open)
        };
        let (data, word) = answer;
        if to.write_all(format!("{data}{tag} {word} done\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(command: &str, folders: &Folders, open: &mut Option<String>) -> (String, &'static str) {
    let mut data = String::new();
    let words: Vec<&str> = command.split(' ').collect();
    let selected = open.as_ref().and_then(|name| folders.get(name));
    match (words[0], words.get(1).copied()) {
        ("CAPABILITY", _) => {
            data.push_str(
                "* CAPABILITY IMAP4rev1 CONDSTORE LIST-EXTENDED LIST-STATUS UNSELECT LITERAL+\r\n",
            );
        }
        ("LIST", _) => list(folders, &mut data),
        ("EXAMINE", Some(name)) => {
            let name = name.trim_matches('"');
            let Some(folder) = folders.get(name) else { return (data, "NO") };
            *open = Some(name.to_owned());
            let count = folder.letters.len();
            let _ = write!(
                data,
                "* {count} EXISTS\r\n* OK [UIDVALIDITY {}] .\r\n* OK [HIGHESTMODSEQ {}] .\r\n",
                folder.uid_validity, folder.highest
            );
            if folder.tells_uid_next {
                let _ = write!(data, "* OK [UIDNEXT {}] .\r\n", folder.uid_next);
            }
        }
        ("UID", Some("FETCH")) => {
            let Some(folder) = selected else { return (data, "BAD") };
            fetch(folder, &words[2..], &mut data);
        }
        ("UID", Some("SEARCH")) => {
            let Some(folder) = selected else { return (data, "BAD") };
            let unseen = words.contains(&"UNSEEN");
            let hits =
                folder.letters.iter().filter(|(_, letter)| !unseen || letter.flags.is_empty());
            let hits: Vec<String> = hits.map(|(uid, _)| uid.to_string()).collect();
            let _ = write!(data, "* SEARCH {}\r\n", hits.join(" "));
        }
        ("LOGIN" | "UNSELECT" | "LOGOUT" | "NOOP", _) => {}
        _ => return (data, "BAD"),
    }
    (data, "OK")
}

fn list(folders: &Folders, data: &mut String) {
    for (name, folder) in folders {
        let _ = write!(data, "* LIST () \"/\" \"{name}\"\r\n");
        if folder.tells_status {
            let next = match folder.tells_uid_next {
                true => format!(" UIDNEXT {}", folder.uid_next),
                false => String::new(),
            };
            let _ = write!(
                data,
                "* STATUS \"{name}\" (MESSAGES {} UIDVALIDITY {} HIGHESTMODSEQ {}{next})\r\n",
                folder.letters.len(),
                folder.uid_validity,
                folder.highest
            );
        }
    }
}

fn fetch(folder: &Folder, words: &[&str], data: &mut String) {
    let first: u32 = words[0].split([':', ',']).next().unwrap().parse().unwrap();
    let items = words[1..].join(" ");
    let since: u64 = match items.split_once("CHANGEDSINCE ") {
        Some((_, rest)) => rest.trim_end_matches(')').parse().unwrap(),
        None => 0,
    };
    for (at, (uid, letter)) in folder.letters.iter().enumerate() {
        if *uid < first || letter.mod_sequence <= since {
            continue;
        }
        let Letter { mod_sequence, flags, id, size } = letter;
        let _ = write!(data, "* {} FETCH (UID {uid} FLAGS ({flags})", at + 1);
        if since > 0 {
            let _ = write!(data, " MODSEQ ({mod_sequence})");
        }
        if items.contains("RFC822.SIZE") {
            let _ = write!(data, " RFC822.SIZE {size}");
        }
        if items.contains("INTERNALDATE") {
            let _ = write!(data, " INTERNALDATE \"13-Sep-2020 12:26:{:02} +0000\"", uid % 60);
        }
        if items.contains("BODY.PEEK") {
            let header = format!("Message-Id: <{id}>\r\n\r\n");
            let _ = write!(
                data,
                " BODY[HEADER.FIELDS (MESSAGE-ID RECEIVED)] {{{}}}\r\n{header}",
                header.len()
            );
        }
        data.push_str(")\r\n");
    }
}
