//! The commands and their grammar (RFC 3501 §9 and the extensions' own).

use super::append::AppendArguments;
use super::fetch::FetchArguments;
use super::list::{ListArguments, StatusItem};
use super::modseq::enable_names;
use super::open::OpenArguments;
use super::parse::{Cursor, Parsed, Refusal};
use super::profile::{Extension, Profile};
use super::search::SearchArguments;
use super::sequence::{By, SequenceSet};
use super::store::StoreArguments;

/// A command that keeps the grammar.
#[derive(Debug)]
pub(super) enum Command {
    Capability,
    Noop,
    Check,
    Logout,
    StartTls,
    Compress,
    Namespace,
    Close,
    Unselect,
    Id,
    Enable { names: Vec<String> },
    Login { user: Vec<u8>, password: Vec<u8> },
    Authenticate { mechanism: String, initial: Option<Vec<u8>> },
    Open(OpenArguments),
    Create { name: Vec<u8>, uses: Vec<String> },
    Delete { name: Vec<u8> },
    Rename { from: Vec<u8>, to: Vec<u8> },
    Subscribe { name: Vec<u8> },
    Unsubscribe { name: Vec<u8> },
    List(ListArguments),
    Lsub { reference: Vec<u8>, pattern: Vec<u8> },
    Status { name: Vec<u8>, items: Vec<StatusItem> },
    Append(AppendArguments),
    Expunge { uids: Option<SequenceSet> },
    Search(SearchArguments),
    Fetch(FetchArguments),
    Store(StoreArguments),
    Transfer { by: By, set: SequenceSet, name: Vec<u8>, kind: Transfer },
}

/// SELECT or EXAMINE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// COPY or MOVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Copy,
    Move,
}

/// In which states of a session a command is allowed (RFC 3501 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    NoLogin,
    Login,
    Mailbox,
}

impl Command {
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Capability | Self::Noop | Self::Logout | Self::Id => Needs::Nothing,
            Self::StartTls | Self::Login { .. } | Self::Authenticate { .. } => Needs::NoLogin,
            Self::Check
            | Self::Close
            | Self::Unselect
            | Self::Expunge { .. }
            | Self::Search(_)
            | Self::Fetch(_)
            | Self::Store(_)
            | Self::Transfer { .. } => Needs::Mailbox,
            _ => Needs::Login,
        }
    }
}

/// Reads the arguments of the command of that name.
pub(super) fn parse(name: &str, mut cursor: Cursor<'_>, profile: &Profile) -> Parsed<Command> {
    let cursor = &mut cursor;
    let command = match name {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "CHECK" => Command::Check,
        "LOGOUT" => Command::Logout,
        "CLOSE" => Command::Close,
        "STARTTLS" if profile.has(Extension::StartTls) => Command::StartTls,
        "NAMESPACE" if profile.has(Extension::Namespace) => Command::Namespace,
        "UNSELECT" if profile.has(Extension::Unselect) => Command::Unselect,
        "EXPUNGE" => Command::Expunge { uids: None },
        _ => {
            cursor.space().map_err(|refusal| match is_known(name) {
                true => refusal,
                false => unknown(name),
            })?;
            with_arguments(name, cursor, profile)?
        }
    };
    cursor.end()?;
    Ok(command)
}

fn with_arguments(name: &str, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Command> {
    match name {
        "SELECT" | "EXAMINE" => {
            let access = if name == "SELECT" { Access::ReadWrite } else { Access::ReadOnly };
            OpenArguments::parse(access, cursor, profile).map(Command::Open)
        }
        "LOGIN" => {
            let user = cursor.astring()?;
            cursor.space()?;
            Ok(Command::Login { user, password: cursor.astring()? })
        }
        "AUTHENTICATE" => authenticate(cursor, profile),
        "ID" if profile.has(Extension::Id) => id(cursor),
        "ENABLE" if profile.has(Extension::Enable) => {
            Ok(Command::Enable { names: enable_names(cursor)? })
        }
        "COMPRESS" if profile.has(Extension::Compress) => match cursor.keyword()?.as_str() {
            "DEFLATE" => Ok(Command::Compress),
            _ => Err(Refusal::bad("Unknown compression")),
        },
        "CREATE" => create(cursor, profile),
        "DELETE" => Ok(Command::Delete { name: cursor.astring()? }),
        "SUBSCRIBE" => Ok(Command::Subscribe { name: cursor.astring()? }),
        "UNSUBSCRIBE" => Ok(Command::Unsubscribe { name: cursor.astring()? }),
        "RENAME" => {
            let from = cursor.astring()?;
            cursor.space()?;
            Ok(Command::Rename { from, to: cursor.astring()? })
        }
        "LIST" => ListArguments::parse(cursor, profile).map(Command::List),
        "LSUB" => {
            let reference = cursor.astring()?;
            cursor.space()?;
            Ok(Command::Lsub { reference, pattern: cursor.pattern()? })
        }
        "STATUS" => {
            let name = cursor.astring()?;
            cursor.space()?;
            let items = cursor.list(1, |cursor| StatusItem::parse(cursor, profile))?;
            Ok(Command::Status { name, items })
        }
        "APPEND" => AppendArguments::parse(cursor, profile).map(Command::Append),
        _ => on_messages(name, cursor, profile),
    }
}

fn on_messages(name: &str, cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Command> {
    let (by, verb) = match name.strip_prefix("UID ") {
        Some(verb) => (By::Uid, verb),
        None => (By::Sequence, name),
    };
    match verb {
        "FETCH" => FetchArguments::parse(by, cursor, profile).map(Command::Fetch),
        "STORE" => StoreArguments::parse(by, cursor, profile).map(Command::Store),
        "SEARCH" => SearchArguments::parse(by, cursor, profile).map(Command::Search),
        "COPY" => transfer(by, cursor, Transfer::Copy),
        "MOVE" if profile.has(Extension::Move) => transfer(by, cursor, Transfer::Move),
        "EXPUNGE" if by == By::Uid && profile.has(Extension::UidPlus) => {
            Ok(Command::Expunge { uids: Some(cursor.sequence_set()?) })
        }
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::bad(format!("Unknown command {name}"))
}

/// Whether missing arguments, rather than the name, are what is wrong.
fn is_known(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "SELECT",
        "EXAMINE",
        "LOGIN",
        "AUTHENTICATE",
        "CREATE",
        "DELETE",
        "RENAME",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "LIST",
        "LSUB",
        "STATUS",
        "APPEND",
        "FETCH",
        "STORE",
        "SEARCH",
        "COPY",
    ];
    NAMES.contains(&name.trim_start_matches("UID "))
}

fn authenticate(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Command> {
    let mechanism = cursor.keyword()?;
    let initial = if profile.has(Extension::SaslIr) && cursor.skip(b' ') {
        let base64 = |octet: u8| octet.is_ascii_alphanumeric() || b"+/=".contains(&octet);
        Some(cursor.word(base64, "base64")?.as_bytes().to_vec())
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

fn id(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    fn nil(cursor: &mut Cursor<'_>) -> Parsed<()> {
        match cursor.keyword()?.as_str() {
            "NIL" => Ok(()),
            _ => Err(Refusal::bad("Expected a string or NIL")),
        }
    }
    if cursor.peek() != Some(b'(') {
        nil(cursor)?;
        return Ok(Command::Id);
    }
    let field = |cursor: &mut Cursor<'_>| {
        cursor.string()?;
        cursor.space()?;
        match cursor.peek() {
            None | Some(b'"') => cursor.string().map(|_| ()),
            Some(_) => nil(cursor),
        }
    };
    cursor.list(0, field)?;
    Ok(Command::Id)
}

fn create(cursor: &mut Cursor<'_>, profile: &Profile) -> Parsed<Command> {
    let name = cursor.astring()?;
    let mut uses = Vec::new();
    if profile.has(Extension::CreateSpecialUse) && cursor.skip(b' ') {
        cursor.expect(b'(')?;
        if cursor.keyword()? != "USE" {
            return Err(Refusal::bad("Unknown parameter of CREATE"));
        }
        cursor.space()?;
        uses = cursor.list(0, |cursor| {
            cursor.expect(b'\\')?;
            Ok(format!("\\{}", cursor.atom()?))
        })?;
        cursor.expect(b')')?;
    }
    Ok(Command::Create { name, uses })
}

fn transfer(by: By, cursor: &mut Cursor<'_>, kind: Transfer) -> Parsed<Command> {
    let set = cursor.sequence_set()?;
    cursor.space()?;
    Ok(Command::Transfer { by, set, name: cursor.astring()?, kind })
}
