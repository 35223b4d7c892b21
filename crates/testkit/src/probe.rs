//! An independent judge: a small blocking IMAP client that reads whole accounts, a reader of
//! Maildirs, and what compares them. It shares no code with the product, so that a mistake there cannot hide itself here.
//!
//! Mailbox names are canonical: separator `/`, the personal prefix taken off, mUTF-7 as on the
//! wire. So accounts on unlike servers compare by name.

mod account;
mod compare;
pub mod date;
mod maildir;
mod value;
mod wire;

pub use account::{Account, Keep, Mailbox, Message};
pub use compare::{Duty, Expect, Form, compare};
pub use maildir::read_maildir;

use std::io;
use std::net::SocketAddr;
use value::Value;
use wire::Wire;

/// Why the judge could not look.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed or was silent for too long.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The server closed.
    #[error("the server closed the connection")]
    Closed,
    /// A tagged NO or BAD.
    #[error("{command}: {answer}")]
    Refused {
        /// The command, without secrets.
        command: String,
        /// The server's own words.
        answer: String,
    },
    /// Something that is not IMAP as this client knows it.
    #[error("cannot read: {0}")]
    Unreadable(String),
}

/// A message to be appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// All of it, as it goes over the wire.
    pub octets: Vec<u8>,
    /// System flags with their backslash, and keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE, seconds since 1970 UTC; `None` lets the server take its clock.
    pub instant: Option<i64>,
}

impl Draft {
    /// These octets, no flags, no date.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self { octets: octets.into(), flags: Vec::new(), instant: None }
    }

    /// The same with these flags, written with blanks between.
    #[must_use]
    pub fn flagged(mut self, flags: &str) -> Self {
        self.flags = flags.split_whitespace().map(str::to_owned).collect();
        self
    }

    /// The same with this INTERNALDATE, in seconds since 1970 UTC.
    #[must_use]
    pub fn dated(mut self, instant: i64) -> Self {
        self.instant = Some(instant);
        self
    }
}

/// A logged-in connection.
pub struct Probe {
    wire: Wire,
    prefix: String,
    separator: Option<char>,
}

impl Probe {
    /// Connects in clear text and logs in.
    ///
    /// # Errors
    /// If the server is not there, or refuses the login.
    pub fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self, Error> {
        let mut wire = Wire::connect(address)?;
        let words = [wire::quote(user), wire::quote(password)];
        wire.command_hiding(&format!("LOGIN {} {}", words[0], words[1]), "LOGIN")?;
        let (prefix, separator) = namespace(&mut wire)?;
        Ok(Self { wire, prefix, separator })
    }

    /// The words of the CAPABILITY answer after login.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn capabilities(&mut self) -> Result<Vec<String>, Error> {
        let answers = self.wire.command("CAPABILITY")?;
        let words = answers.iter().filter_map(|answer| answer.data("CAPABILITY"));
        Ok(words.flat_map(|rest| value::words(&rest)).collect())
    }

    /// All mailboxes, in the server's order.
    ///
    /// # Errors
    /// If the server refuses or cannot be understood.
    pub fn list(&mut self) -> Result<Vec<Mailbox>, Error> {
        self.listed("LIST")
    }

    /// The names of the subscribed mailboxes, in the server's order.
    ///
    /// # Errors
    /// If the server refuses or cannot be understood.
    pub fn lsub(&mut self) -> Result<Vec<String>, Error> {
        // \Noselect in LSUB marks a parent in name only (RFC 3501 §6.3.9): not subscribed.
        let listed = self.listed("LSUB")?;
        Ok(listed.into_iter().filter(Mailbox::is_selectable).map(|mailbox| mailbox.name).collect())
    }

    fn listed(&mut self, command: &str) -> Result<Vec<Mailbox>, Error> {
        let answers = self.wire.command(&format!("{command} \"\" \"*\""))?;
        let mut mailboxes = Vec::new();
        for rest in answers.iter().filter_map(|answer| answer.data(command)) {
            let values = value::parse(&rest)?;
            let [Value::List(attributes), _, name] = values.as_slice() else {
                return Err(Error::Unreadable(format!("{command} {values:?}")));
            };
            let attributes = attributes.iter().map(Value::text).collect();
            mailboxes.push(Mailbox { name: self.canonical(&name.text()), attributes });
        }
        Ok(mailboxes)
    }

    /// Makes a mailbox.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn create(&mut self, mailbox: &str) -> Result<(), Error> {
        self.on_mailbox("CREATE", mailbox)
    }

    /// Makes a mailbox unless it is there.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn create_if_missing(&mut self, mailbox: &str) -> Result<(), Error> {
        let there = self.list()?.iter().any(|m| m.name == mailbox && m.is_selectable());
        if there { Ok(()) } else { self.create(mailbox) }
    }

    /// Removes a mailbox with all that is in it.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn delete(&mut self, mailbox: &str) -> Result<(), Error> {
        // Dovecot closes the connection that has the mailbox selected.
        self.on_mailbox("EXAMINE", "INBOX")?;
        self.on_mailbox("DELETE", mailbox)
    }

    /// Gives a mailbox another name.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        // Dovecot closes the connection that has the mailbox selected.
        self.on_mailbox("EXAMINE", "INBOX")?;
        let names = [from, to].map(|name| wire::quote(&self.native(name)));
        self.wire.command(&format!("RENAME {} {}", names[0], names[1])).map(drop)
    }

    /// Subscribes a mailbox.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn subscribe(&mut self, mailbox: &str) -> Result<(), Error> {
        self.on_mailbox("SUBSCRIBE", mailbox)
    }

    /// Unsubscribes a mailbox.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn unsubscribe(&mut self, mailbox: &str) -> Result<(), Error> {
        self.on_mailbox("UNSUBSCRIBE", mailbox)
    }

    fn on_mailbox(&mut self, verb: &str, mailbox: &str) -> Result<(), Error> {
        let name = wire::quote(&self.native(mailbox));
        self.wire.command(&format!("{verb} {name}")).map(drop)
    }

    /// Appends a message; its UID if the server says it (RFC 4315 §3).
    ///
    /// # Errors
    /// If the server refuses.
    pub fn append(&mut self, mailbox: &str, draft: &Draft) -> Result<Option<u32>, Error> {
        let name = wire::quote(&self.native(mailbox));
        let mut command = format!("APPEND {name} ({})", draft.flags.join(" "));
        if let Some(instant) = draft.instant {
            command += &format!(" \"{}\"", date::internal_date(instant));
        }
        let answer = self.wire.command_with_literal(&command, &draft.octets)?;
        Ok(answer
            .split("[APPENDUID ")
            .nth(1)
            .and_then(|rest| rest.split([' ', ']']).nth(1).and_then(|uid| uid.parse().ok())))
    }

    /// Changes flags: `change` is `FLAGS`, `+FLAGS` or `-FLAGS`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn store(
        &mut self,
        mailbox: &str,
        uids: &[u32],
        change: &str,
        flags: &str,
    ) -> Result<(), Error> {
        self.on_mailbox("SELECT", mailbox)?;
        let set = uid_set(uids);
        self.wire.command(&format!("UID STORE {set} {change}.SILENT ({flags})")).map(drop)
    }

    /// Removes these messages, and others that were already `\Deleted`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn remove(&mut self, mailbox: &str, uids: &[u32]) -> Result<(), Error> {
        self.store(mailbox, uids, "+FLAGS", "\\Deleted")?;
        self.wire.command("EXPUNGE").map(drop)
    }

    /// Moves messages within the account: COPY, then removed from where they were.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn relocate(&mut self, from: &str, uids: &[u32], to: &str) -> Result<(), Error> {
        self.on_mailbox("SELECT", from)?;
        let name = wire::quote(&self.native(to));
        self.wire.command(&format!("UID COPY {} {name}", uid_set(uids)))?;
        self.remove(from, uids)
    }

    /// Reads everything: every mailbox, every message with flags, date and octets, in UID
    /// order, and the subscriptions. Changes nothing (EXAMINE, PEEK).
    ///
    /// # Errors
    /// If the server refuses or cannot be understood.
    pub fn account(&mut self, keep: Keep) -> Result<Account, Error> {
        account::read(self, keep)
    }

    /// The name on this server's wire of a canonical name.
    #[must_use]
    pub fn native(&self, canonical: &str) -> String {
        if canonical.eq_ignore_ascii_case("INBOX") {
            return "INBOX".to_owned();
        }
        let name = match self.separator {
            Some(separator) => canonical.replace('/', &separator.to_string()),
            None => canonical.to_owned(),
        };
        format!("{}{name}", self.prefix)
    }

    fn canonical(&self, native: &str) -> String {
        if native.eq_ignore_ascii_case("INBOX") {
            return "INBOX".to_owned();
        }
        let name = native.strip_prefix(self.prefix.as_str()).unwrap_or(native);
        match self.separator {
            Some(separator) => name.replace(separator, "/"),
            None => name.to_owned(),
        }
    }
}

/// Prefix and separator of the personal namespace (RFC 2342 §5); a server without NAMESPACE
/// is taken to have no prefix, and its separator is asked for with LIST (RFC 3501 §6.3.8).
fn namespace(wire: &mut Wire) -> Result<(String, Option<char>), Error> {
    match wire.command("NAMESPACE") {
        Ok(answers) => {
            let rest = answers.iter().find_map(|answer| answer.data("NAMESPACE"));
            let values = value::parse(&rest.unwrap_or_default())?;
            if let Some(Value::List(personal)) = values.first()
                && let Some(Value::List(first)) = personal.first()
                && let [prefix, separator, ..] = first.as_slice()
            {
                return Ok((prefix.text(), separator.text().chars().next()));
            }
        }
        Err(Error::Refused { .. }) => {}
        Err(other) => return Err(other),
    }
    let answers = wire.command("LIST \"\" \"\"")?;
    let rest = answers.iter().find_map(|answer| answer.data("LIST")).unwrap_or_default();
    let values = value::parse(&rest)?;
    Ok((String::new(), values.get(1).and_then(|separator| separator.text().chars().next())))
}

fn uid_set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
