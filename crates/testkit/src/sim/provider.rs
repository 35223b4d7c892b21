//! Imitations of providers that cannot be had for tests: what is publicly known of them, as
//! profiles of the simulated server. They are imitations. Each behaviour names where it is told of;
//! `owner/repository#n` is an issue at GitHub. What is not named is the simulator's own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::habit::{
    DayLimit, Deleted, Duplicates, Enabled, Habits, Labels, Refused, Sizes, Throttle, Wording,
};
use super::profile::{Extension, Keywords, Limits, Profile, Zones};

/// A provider that is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Gmail and Google Workspace.
    Gmail,
    /// Exchange Online: Office 365, Outlook.com.
    Exchange,
    /// Yahoo Mail.
    Yahoo,
    /// iCloud Mail.
    ICloud,
    /// Proton Mail by way of its Bridge.
    ProtonBridge,
    /// Zimbra, and Carbonio.
    Zimbra,
    /// HCL (Lotus, IBM) Domino.
    Domino,
}

impl Provider {
    /// All of them.
    pub const EVERY: [Self; 7] = [
        Self::Gmail,
        Self::Exchange,
        Self::Yahoo,
        Self::ICloud,
        Self::ProtonBridge,
        Self::Zimbra,
        Self::Domino,
    ];

    /// Its name, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Gmail => "Gmail",
            Self::Exchange => "Exchange Online",
            Self::Yahoo => "Yahoo",
            Self::ICloud => "iCloud",
            Self::ProtonBridge => "Proton Bridge",
            Self::Zimbra => "Zimbra",
            Self::Domino => "Domino",
        }
    }

    /// How it behaves when nobody asks too much of it.
    #[must_use]
    pub fn profile(self) -> Profile {
        match self {
            Self::Gmail => gmail(),
            Self::Exchange => exchange(),
            Self::Yahoo => yahoo(),
            Self::ICloud => icloud(),
            Self::ProtonBridge => proton_bridge(),
            Self::Zimbra => zimbra(),
            Self::Domino => domino(),
        }
    }

    /// Gives an account the mailboxes that everybody has there.
    pub fn furnish(self, account: &Account) {
        match self {
            Self::Gmail => {
                account.label_as_gmail();
            }
            Self::Exchange => {
                // jstedfast/MailKit#1282
                for (name, attribute) in [
                    ("Deleted", "\\Trash"),
                    ("Drafts", "\\Drafts"),
                    ("Junk", "\\Junk"),
                    ("Sent", "\\Sent"),
                ] {
                    account.mark(name, attribute);
                }
            }
            Self::ProtonBridge => {
                // ProtonMail/gluon#471: mailboxes of one's own are below Folders or Labels.
                account.mark("All Mail", "\\All").mark("Sent", "\\Sent").mark("Trash", "\\Trash");
                account.add_mailbox("Folders").add_mailbox("Labels");
            }
            Self::Yahoo | Self::ICloud | Self::Zimbra | Self::Domino => {
                account.mark("Sent", "\\Sent").mark("Trash", "\\Trash");
            }
        }
    }
}

/// A day, as providers count it.
const DAY: Duration = Duration::from_secs(86_400);

fn with(profile: Profile, extensions: &[Extension]) -> Profile {
    let extensions: BTreeSet<Extension> = extensions.iter().copied().collect();
    Profile { extensions, ..profile }
}

/// Gmail. Capabilities after login as logs have them: `UNSELECT IDLE NAMESPACE
/// QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH
/// UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584`
/// (emailjs/emailjs-imap-client#119). What a label is: [`Labels::Gmail`].
fn gmail() -> Profile {
    let base = with(
        Profile::modern(),
        &[
            Extension::LiteralMinus,
            Extension::SaslIr,
            Extension::AuthPlain,
            Extension::Id,
            Extension::Enable,
            Extension::Children,
            Extension::Namespace,
            Extension::UidPlus,
            Extension::SpecialUse,
            Extension::ListExtended,
            Extension::ListStatus,
            Extension::ESearch,
            Extension::Unselect,
            Extension::AppendLimit,
            Extension::Move,
            Extension::Condstore,
            Extension::Compress,
            Extension::Gmail,
        ],
    );
    // The documentation of its extensions shows the greeting.
    Profile {
        greeting: "Gimap ready for requests from 127.0.0.1 k2if6111336rvb.0".to_owned(),
        zones: Zones::Utc,
        limits: Limits { append_octets_max: Some(35_651_584), ..Limits::default() },
        habits: Habits {
            labels: Labels::Gmail,
            // google/import-mailbox-to-gmail#56: of equal messages the second is not imported, its
            // labels are merged; it needs a Message-Id for that. By the Message-Id alone is the
            // worst that this can mean, and is what is imitated.
            duplicates: Duplicates::MergedByMessageId,
            capabilities: vec!["IDLE", "QUOTA", "XLIST"],
            refuse_name: Some(Arc::new(gmail_name)),
            ..Habits::default()
        },
        ..base
    }
}

/// `[Gmail]` is the system's. Blanks around a level are refused: imapsync's preset for Gmail takes
/// them away for that.
fn gmail_name(name: &str) -> Option<String> {
    if name.starts_with("[Gmail]") || name.starts_with("[Google Mail]") {
        return Some("[CANNOT] Invalid folder name: it belongs to the system".to_owned());
    }
    let padded = name.split('/').any(|level| level.trim() != level);
    padded.then(|| "[CANNOT] Folder name has blanks at its ends".to_owned())
}

/// Gmail on a day on which an account may move so much: by default 2,500 MB down and 500 MB up by
/// IMAP (support.google.com/a/answer/1071518). Then `[OVERQUOTA] Account exceeded command or
/// bandwidth limits.`, as NO (ljmerza/ha-email-sensor#16) or as BYE.
#[must_use]
pub fn gmail_within(download_octets_max: u64, upload_octets_max: u64, answer: Refused) -> Profile {
    let mut profile = gmail();
    profile.habits.day =
        Some(DayLimit { download_octets_max, upload_octets_max, day: DAY, answer });
    profile
}

/// Exchange Online. Greeting and capabilities: jstedfast/MailKit#849, #1282. No keywords but
/// `$MDNSent` (MailCore/mailcore2#780); one that is given is `BAD Command Argument Error. 11`
/// (mscdex/node-imap#602), and so is a message that is too big (imapsync/imapsync#5; 35 MB unless
/// the tenant says otherwise, MicrosoftDocs). A line of more than 10,239 octets is `BAD Command
/// Error. 10` (thunderbird/thunderbird-android#1809; imapsync's preset wraps lines there).
fn exchange() -> Profile {
    let base = with(
        Profile::modern(),
        &[
            Extension::LiteralPlus,
            Extension::SaslIr,
            Extension::AuthPlain,
            Extension::Id,
            Extension::Children,
            Extension::Namespace,
            Extension::UidPlus,
            Extension::Unselect,
            Extension::Move,
        ],
    );
    Profile {
        greeting: "The Microsoft Exchange IMAP4 service is ready. [TQBPAEMASwA=]".to_owned(),
        capabilities_in_greeting: false,
        capabilities_after_login: false,
        zones: Zones::Utc,
        keywords: Keywords::OnlyElseRefused(&["$MDNSent"]),
        limits: Limits {
            append_octets_max: Some(36_700_160),
            // nextcloud/mail#6038: a command of 40,407 characters was too long.
            line_octets_max: 32 * 1024,
            ..Limits::default()
        },
        habits: Habits {
            wording: Wording::Exchange,
            message_line_octets_max: Some(10_240),
            capabilities: vec!["IDLE", "CLIENTACCESSRULES", "BACKENDAUTHENTICATE"],
            ..Habits::default()
        },
        ..base
    }
}

/// Exchange Online, asked for too much: after so many commands of that name it wants to be left alone
/// for so long. `NO Request is throttled. Suggested Backoff Time: 299609 milliseconds`
/// (imapsync/imapsync#198), or BAD with it and `BYE Connection closed. 14`
/// (simonrob/email-oauth2-proxy#191).
#[must_use]
pub fn exchange_throttling(command: &'static str, commands_max: u32, backoff: Duration) -> Profile {
    let mut profile = exchange();
    let answer = Refused::BadAndBye;
    profile.habits.throttle = Some(Throttle { command, commands_max, backoff, answer });
    profile
}

/// Yahoo. Capabilities, keywords and UIDVALIDITY 1 of every mailbox: jstedfast/MailKit#358. It shows
/// the newest 10,000 messages of a mailbox (rustmailer/bichon#271) and refuses `\Deleted` in APPEND:
/// `NO [CANNOT] APPEND Contains Deleted flag` (imapsync/imapsync#420).
fn yahoo() -> Profile {
    let base = with(
        Profile::modern(),
        &[
            Extension::LiteralPlus,
            Extension::AuthPlain,
            Extension::Id,
            Extension::Children,
            Extension::Namespace,
            Extension::UidPlus,
            Extension::Move,
        ],
    );
    Profile {
        greeting: "IMAP4rev1 imapgate-1.8.1_01.20166".to_owned(),
        capabilities_after_login: false,
        keywords: Keywords::Only(&["$Forwarded", "$Junk", "$NotJunk"]),
        uid_validities: super::hazard::UidValidities::Constant,
        limits: Limits { append_octets_max: Some(41_697_280), ..Limits::default() },
        habits: Habits {
            view_messages_max: Some(10_000),
            deleted: Deleted::Refused,
            // What it tells of its view, in the words of RFC 9738 (djc/imap-proto#198).
            capabilities: vec!["MESSAGELIMIT=10000", "XAPPLEPUSHSERVICE", "XYMHIGHESTMODSEQ"],
            ..Habits::default()
        },
        ..base
    }
}

/// iCloud. Its proxy puts XAPPLEPUSHSERVICE into capabilities, and ENABLE is answered without
/// ENABLED, although CONDSTORE and QRESYNC are offered (Foundry376/Mailspring-Sync#91).
fn icloud() -> Profile {
    let base = Profile::modern().without(Extension::CreateSpecialUse);
    let base = base.with(Extension::Condstore).with(Extension::Qresync);
    Profile {
        greeting: "iSCREAM ready".to_owned(),
        habits: Habits {
            enabled: Enabled::Untold,
            capabilities: vec!["XAPPLEPUSHSERVICE"],
            ..Habits::default()
        },
        ..base
    }
}

/// Proton Mail by way of its Bridge. New mailboxes only below `Folders/` and `Labels/`
/// (ProtonMail/gluon#471); messages are put together anew when they are read, so that they come
/// with other line breaks in their headers than they went in with (ProtonMail/proton-bridge#27),
/// and RFC822.SIZE is not what comes (imapsync/imapsync#163).
fn proton_bridge() -> Profile {
    let base = with(
        Profile::modern(),
        &[
            Extension::SaslIr,
            Extension::AuthPlain,
            Extension::Id,
            Extension::UidPlus,
            Extension::Unselect,
            Extension::Move,
            Extension::SpecialUse,
        ],
    );
    let refuse_name = |name: &str| {
        let is_below = name.starts_with("Folders/") || name.starts_with("Labels/");
        (!is_below).then(|| format!("invalid mailbox name [{name:?}]: operation not allowed"))
    };
    Profile {
        greeting: "IMAP4rev1 Proton Mail Bridge gluon session ID 1".to_owned(),
        alter: Some(Arc::new(|octets: &[u8]| {
            with_own_header(octets, b"X-Pm-Content-Encryption: on-delivery")
        })),
        habits: Habits {
            sizes: Sizes::Less(7),
            refuse_name: Some(Arc::new(refuse_name)),
            ..Habits::default()
        },
        ..base
    }
}

/// Zimbra. A keyword with a colon, which its tags give rise to, makes it refuse the message:
/// `NO APPEND failed` (imapsync/imapsync#498).
fn zimbra() -> Profile {
    Profile {
        greeting: "mail.example.org Zimbra IMAP4rev1 server ready".to_owned(),
        habits: Habits { keyword_octet_refused: Some(b':'), ..Habits::default() },
        ..Profile::modern().with(Extension::Binary).without(Extension::CreateSpecialUse)
    }
}

/// Domino. Greeting: jstedfast/MailKit#943. The delimiter is `\`, which imapsync's preset forces,
/// and headers are rewritten, so that of a Message-Id no more than what stands before the `@` can be
/// counted on (its `messageidnodomain`).
fn domino() -> Profile {
    let base = with(Profile::modern(), &[Extension::AuthPlain, Extension::Namespace]);
    Profile {
        greeting: "Domino IMAP4 Server Release 10.0.1FP3 ready Wed, 30 Oct 2019 09:28:06 +0100"
            .to_owned(),
        capabilities_in_greeting: false,
        capabilities_after_login: false,
        delimiter: b'\\',
        keywords: Keywords::Dropped,
        zones: Zones::Utc,
        alter: Some(Arc::new(rewritten_by_domino)),
        ..base
    }
}

/// The domain of the Message-Id replaced, and a line of its own in front.
fn rewritten_by_domino(octets: &[u8]) -> Vec<u8> {
    let mut rewritten = Vec::with_capacity(octets.len() + 80);
    let end = super::headers::body_start(octets);
    for line in octets[..end].split_inclusive(|&octet| octet == b'\n') {
        let is_id = line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case(b"message-id:"));
        match (is_id, memchr::memchr(b'@', line)) {
            (true, Some(at)) => {
                rewritten.extend_from_slice(&line[..at]);
                rewritten.extend_from_slice(b"@LocalDomain>\r\n");
            }
            _ => rewritten.extend_from_slice(line),
        }
    }
    rewritten.extend_from_slice(&octets[end..]);
    with_own_header(&rewritten, b"X-MIMETrack: Itemize by IMAP Server")
}

fn with_own_header(octets: &[u8], line: &[u8]) -> Vec<u8> {
    [line, b"\r\n", octets].concat()
}
