//! Faults in words for people: what, where, the server's own words, and what helps.

use mailferry_engine::fault::{Fault, FaultKind, Retry, Scope, Side};
use mailferry_engine::name::MailboxName;
use mailferry_imap::mutf7;

/// A mailbox name as people read it; nothing in it can act on a terminal.
#[must_use]
pub fn shown(name: &MailboxName) -> String {
    mutf7::display(name.as_bytes())
}

const WITHOUT_RECEIPT: &str = "no mail is concerned; make room, or do without receipts: \
                               --noreceipt, or MAILFERRY_NORECEIPT=1 for either program";

/// The program whose options a hint names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// `mailferry`
    Mailferry,
    /// `imapsync`
    Imapsync,
}

/// `error: …` in the form of the house: what and where, the server's words, a hint.
#[must_use]
pub fn fault_text(fault: &Fault, front: Front) -> String {
    let mut text = format!("error: {}{}", what(fault), place(fault));
    text.push_str("\n  ");
    let is_ours = matches!(
        fault.kind,
        FaultKind::Connection
            | FaultKind::Limit
            | FaultKind::InUse
            | FaultKind::Unrecognised
            | FaultKind::HiddenMessages
            | FaultKind::Proxy
            | FaultKind::Tls
            | FaultKind::Certificate
            | FaultKind::OldTls
            | FaultKind::TokenMissing
            | FaultKind::Mechanism
            | FaultKind::Receipt
            | FaultKind::Transform
    ) || (fault.kind == FaultKind::DayQuota && fault.wait.is_some());
    text.push_str(if is_ours { "" } else { "server: " });
    text.push_str(&mailferry_imap::session::printable(fault.words.as_bytes()));
    let hint = match front {
        Front::Mailferry => hint(fault),
        Front::Imapsync => imapsync_hint(fault).or_else(|| hint(fault)),
    };
    let hint = certificate_hint(fault, front).or_else(|| hint.map(str::to_owned));
    let hint = moment_hint(fault).or(hint);
    if let Some(hint) = hint {
        text.push_str("\n\nhint: ");
        text.push_str(&hint);
    }
    text
}

/// When a server that wants to be left alone can be asked again.
fn moment_hint(fault: &Fault) -> Option<String> {
    let wait = fault.wait.filter(|_| fault.is_throttling())?;
    let (moment, span) = (crate::moment::after(wait), crate::moment::span(wait));
    let what = "run the same command again then: what has arrived is not copied twice";
    Some(format!("it may go on at {moment}, in {span}; {what}"))
}

/// What accepts the certificate that was met, to be pasted.
fn certificate_hint(fault: &Fault, front: Front) -> Option<String> {
    const DIGITS: usize = 64;
    if fault.kind != FaultKind::Certificate {
        return None;
    }
    let digits = fault.words.split("the certificate sha256:").nth(1)?.get(..DIGITS)?;
    // `TLS with HOST:PORT failed`.
    let place = fault.words.strip_prefix("TLS with ")?.split(" failed").next()?;
    let place = mailferry_imap::session::printable(place.as_bytes());
    let (side, number) = match fault.side {
        Side::Source => ("source", 1),
        Side::Target => ("target", 2),
    };
    let this = match front {
        Front::Mailferry => format!(
            "accept just this certificate with\n  --{side}-pin sha256:{digits}\nor trust who \
             signed it, by --ca-file FILE"
        ),
        Front::Imapsync => format!(
            "accept just this certificate with\n  --sslargs{number} \
             'SSL_fingerprint=sha256${digits}'\nor any with `--sslargs{number} \
             SSL_verify_mode=0`, or trust who signed it with `--sslargs{number} \
             SSL_ca_file=FILE`"
        ),
    };
    Some(format!(
        "if that is the right server, {this}. Where the command line cannot be changed, write\n  \
         {place} sha256:{digits}\ninto a file and name it in the environment: MAILFERRY_TRUST=FILE"
    ))
}

fn side(fault: &Fault) -> &'static str {
    match fault.side {
        Side::Source => "source",
        Side::Target => "target",
    }
}

/// What is said where a full target has room again.
#[must_use]
pub fn room_words(messages: u64, mailboxes: u64) -> String {
    format!(
        "the target was full; {messages} messages and {mailboxes} mailboxes were removed as planned, \
         and copying goes on"
    )
}

fn what(fault: &Fault) -> String {
    let side = side(fault);
    match fault.kind {
        FaultKind::Connection => format!("no connection to the {side}"),
        FaultKind::Proxy => format!("the proxy refuses to lead to the {side}"),
        FaultKind::Tls => format!("no TLS with the {side}"),
        FaultKind::Certificate if fault.words.contains("pinned") => {
            format!("the certificate of the {side} is not the one that is pinned")
        }
        FaultKind::Certificate => format!("the certificate of the {side} was not accepted"),
        FaultKind::OldTls => format!("the {side} speaks only a TLS that is too old"),
        FaultKind::Authentication => format!("the {side} refused the login"),
        FaultKind::TokenRefused => format!("the {side} refused the access token"),
        FaultKind::TokenMissing => format!("no access token for the {side}"),
        FaultKind::Mechanism => {
            format!("the {side} offers no way to log in that can be used here")
        }
        FaultKind::Protocol => format!("the {side} does not speak IMAP as it should"),
        FaultKind::Limit => "a limit was reached".to_owned(),
        FaultKind::ListingIncomplete => format!("the {side} could not be listed to its end"),
        FaultKind::HiddenMessages => format!("the {side} may hold more than it shows"),
        FaultKind::Select => format!("the {side} did not open a mailbox"),
        FaultKind::Create => format!("the {side} did not create a mailbox"),
        FaultKind::DeleteMailbox => format!("the {side} did not delete a mailbox"),
        FaultKind::Subscribe => format!("the {side} did not subscribe a mailbox"),
        FaultKind::Unsubscribe => format!("the {side} did not unsubscribe a mailbox"),
        FaultKind::Fetch => format!("the {side} did not deliver a message"),
        FaultKind::Expunged => format!("a message left the {side} meanwhile"),
        FaultKind::Transform => "a rule about content came to no result".to_owned(),
        FaultKind::Append => format!("the {side} refused a message"),
        FaultKind::AppendSize => format!("the {side} refused a message for its size"),
        FaultKind::AppendVirus => format!("the {side} took a message for a virus"),
        FaultKind::OverQuota => format!("the {side} is full"),
        FaultKind::Throttled => format!("the {side} asks to be left alone"),
        FaultKind::DayQuota => format!("the {side} has moved as much as it may in a day"),
        FaultKind::Flags if fault.scope > Scope::Mailbox => {
            "labels cannot become keywords".to_owned()
        }
        FaultKind::Flags => format!("the {side} did not change flags"),
        FaultKind::DeleteMessage => format!("the {side} did not remove a message"),
        FaultKind::Mapping => format!("a mailbox cannot have its name on the {side}"),
        FaultKind::Interrupted => "the run was stopped".to_owned(),
        FaultKind::Receipt => "no whole receipt of this run could be written".to_owned(),
        FaultKind::Unrecognised => format!("a mailbox of the {side} holds only strangers"),
        FaultKind::InUse => format!("another run works in a mailbox of the {side}"),
    }
}

fn place(fault: &Fault) -> String {
    match (&fault.mailbox, fault.uid) {
        (Some(mailbox), Some(uid)) => format!(": UID {uid} of `{}`", shown(mailbox)),
        (Some(mailbox), None) => format!(": `{}`", shown(mailbox)),
        (None, Some(uid)) => format!(": UID {uid}"),
        (None, None) => String::new(),
    }
}

/// Hints that name the options of the drop-in front, where they are others.
fn imapsync_hint(fault: &Fault) -> Option<&'static str> {
    match (fault.kind, fault.side) {
        (FaultKind::Connection, _) if fault.retry == Retry::Later => {
            Some("the server says not now: try again later")
        }
        (FaultKind::Connection, _) => {
            Some("check host and port: --sslN is port 993, --tlsN is 143 with STARTTLS")
        }
        (FaultKind::Create | FaultKind::Mapping, _) => Some(
            "give the folder another name with --f1f2 SOURCE=TARGET, or leave it out with --exclude",
        ),
        _ => None,
    }
}

fn hint_at_a_limit(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Throttled => {
            "run it again later, or with fewer connections (--connections, MAILFERRY_CONNECTIONS)"
        }
        FaultKind::DayQuota => {
            "providers lift it within a day: run the same command again then; what has arrived is not \
             copied twice"
        }
        _ => "make room on the target and run it again: what is there is not copied twice",
    }
}

fn hint(fault: &Fault) -> Option<&'static str> {
    match (fault.kind, fault.side) {
        (FaultKind::Tls, _) if fault.words.contains("STARTTLS") => Some(
            "clear text has to be asked for: imap+plain://… (imapsync: --nosslN --notlsN), or \
             MAILFERRY_ALLOW_CLEARTEXT=1",
        ),
        (FaultKind::OldTls, _) => Some(
            "put stunnel in front of it, which speaks both: docs/login.md#servers-that-speak-only-old-tls",
        ),
        (FaultKind::Proxy, _) => {
            Some("check --proxy (MAILFERRY_PROXY), its user and password, and the proxy's rules")
        }
        (FaultKind::Authentication, Side::Source) if fault.words.contains("(by ") => Some(
            "if that is the right server, it may know the password in another form only: \
             --source-auth PLAIN",
        ),
        (FaultKind::Authentication, Side::Target) if fault.words.contains("(by ") => Some(
            "if that is the right server, it may know the password in another form only: \
             --target-auth PLAIN",
        ),
        (FaultKind::Authentication, _) => Some(
            "check the user and the password; many providers want a password made for programs",
        ),
        (FaultKind::TokenRefused, _) => Some(
            "the token has expired, was revoked, or is not for this account and its IMAP: get \
             another one",
        ),
        (FaultKind::TokenMissing, _) => Some(
            "try the command, look into the file, or get another permission with `mailferry login`",
        ),
        (FaultKind::Mechanism, _) if fault.words.contains("no passwords") => Some(
            "give an access token: --source-token-command, --target-token-file, … (imapsync: \
             --oauthaccesstokenN)",
        ),
        (FaultKind::Mechanism, _) if fault.words.contains("LOGINDISABLED") => Some(
            "most servers permit logins inside TLS only: imaps:// or imap:// (imapsync: --sslN, \
             --tlsN)",
        ),
        (FaultKind::Mechanism, _) => {
            Some("name another way with --source-auth or --target-auth (imapsync: --authmechN)")
        }
        (FaultKind::Connection, _) if fault.retry == Retry::Later => {
            Some("the server says not now: try again later, or with fewer --connections")
        }
        (FaultKind::Connection, _) => Some(
            "check host, port and protection: imaps:// is port 993, imap:// is 143 with STARTTLS",
        ),
        (FaultKind::Protocol, _) if fault.words.contains("cannot be inflated") => Some(
            "try it without compression: --compress never (imapsync: --nocompress1 --nocompress2)",
        ),
        (FaultKind::AppendSize, _) => {
            Some("leave such messages out with --maxsize, or raise the limit on the target")
        }
        (FaultKind::Throttled | FaultKind::DayQuota | FaultKind::OverQuota, _) => {
            Some(hint_at_a_limit(fault.kind))
        }
        (FaultKind::Flags, _) if fault.scope > Scope::Mailbox => {
            Some("`--labels mailboxes` makes a mailbox of each label")
        }
        (FaultKind::Receipt, _) => Some(WITHOUT_RECEIPT),
        (kind, _) => hint_at_a_mailbox(kind),
    }
}

fn hint_at_a_mailbox(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::Create | FaultKind::Mapping => Some(
            "give the mailbox another name with --map SOURCE=TARGET, or leave it out with --exclude",
        ),
        FaultKind::HiddenMessages => Some(
            "split the mailbox there with a mail program, or leave it out with --exclude; until then \
             nothing is removed from its copy, and nothing is added to it on such a server",
        ),
        FaultKind::InUse => Some(
            "run it again when the other one has ended; MAILFERRY_LOCK_WAIT says how long to wait",
        ),
        FaultKind::Unrecognised => {
            Some("look at the target; if it is right, add --append-unrecognised")
        }
        _ => None,
    }
}
