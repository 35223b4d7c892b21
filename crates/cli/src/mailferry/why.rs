//! `mailferry why`: what became of a message, over all runs of which there are receipts.

use std::collections::{BTreeMap, HashMap, HashSet};

use mailferry_engine::message::Uid;
use mailferry_run::receipt::{
    Fate, Folder, Headline, Message, Others, Part, ReadReceipt, ReceiptError, RunId,
};

use super::options::WhyArgs;
use super::render::json_line;
use super::runs::words::{sentence, subject, title};
use super::runs::{self, is_called, moment};
use super::task::UsageError;
use crate::fault_text::shown;
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;

/// Messages that are told of at most.
const MESSAGES_MAX: usize = 100;

pub(super) fn run(args: &WhyArgs) -> Result<ExitStatus, UsageError> {
    let folder = runs::folder()?;
    Ok(tell(&folder, args).unwrap_or_else(|error| runs::tell(&error)))
}

/// A message of a source, for good (RFC 9051 §2.3.1.1): account, mailbox, UIDVALIDITY, UID.
type Identity = (String, Vec<u8>, u32, Uid);

fn identity(receipt: &ReadReceipt, part: &Part, uid: Uid) -> Identity {
    let mailbox = part.source.as_bytes().to_vec();
    (receipt.about.source.clone(), mailbox, part.source_uid_validity, uid)
}

/// What is asked for.
struct Asked<'a> {
    /// As it is, without angle brackets.
    word: &'a str,
    folded: String,
    /// The mailbox, where one is given, and the UID.
    uid: Option<(Option<&'a str>, Uid)>,
}

impl<'a> Asked<'a> {
    fn new(word: &'a str) -> Self {
        let number = |text: &str| text.parse().ok().and_then(Uid::new);
        let place = word.rsplit_once('/').and_then(|(mailbox, uid)| {
            Some((Some(mailbox).filter(|mailbox| !mailbox.is_empty())?, number(uid)?))
        });
        let uid = match place {
            Some((mailbox, uid)) => Some((Some(mailbox), uid)),
            None => number(word).map(|uid| (None, uid)),
        };
        let word = word.trim();
        let word = word.strip_prefix('<').unwrap_or(word);
        let word = word.strip_suffix('>').unwrap_or(word);
        Self { word, folded: word.to_lowercase(), uid }
    }

    fn means(&self, part: &Part, message: &Message<'_>) -> bool {
        let of_uid = self.uid.is_some_and(|(mailbox, uid)| {
            let is_there = mailbox.is_none_or(|mailbox| is_called(part, mailbox));
            is_there && (message.uid == uid || message.target == Some(uid))
        });
        of_uid || self.is_called_so(&message.headline)
    }

    fn is_called_so(&self, headline: &Headline) -> bool {
        let id = headline.message_id.trim_matches(['<', '>']);
        (!id.is_empty() && id.eq_ignore_ascii_case(self.word))
            || (!self.folded.is_empty() && subject(headline).to_lowercase().contains(&self.folded))
    }
}

/// What one run did with a message.
struct Step {
    run: RunId,
    began: i64,
    fate: Fate,
    sentence: String,
    json: String,
}

fn tell(folder: &Folder, args: &WhyArgs) -> Result<ExitStatus, ReceiptError> {
    let asked = Asked::new(&args.word);
    let only = args.run.as_ref().map(|run| folder.find(run)).transpose()?;
    let mut status = ExitStatus::Ok;
    let mut receipts = Vec::new();
    for run in folder.runs()? {
        match folder.read(&run) {
            // What is told of a message is not kept longer than it takes to look for it.
            Ok(_) => receipts.push(run),
            Err(error) if only.as_ref() == Some(&run) => return Err(error),
            Err(error) => status = runs::tell(&error),
        }
    }
    let found = find(folder, &receipts, &asked)?;
    let runs = receipts.into_iter().filter(|run| only.as_ref().is_none_or(|only| only == run));
    let mut told: BTreeMap<Identity, (Vec<Step>, String)> = BTreeMap::new();
    for run in runs {
        follow(folder, &run, &found, &mut told)?;
    }
    if told.is_empty() {
        screen::error(&format!(
            "no receipt tells of a message called `{}`\n\nhint: messages that were on the target \
             before, or never sent, are known by their UID only: `mailferry why INBOX/17`",
            mailferry_imap::session::printable(args.word.as_bytes())
        ));
        return Ok(ExitStatus::CatchAll);
    }
    for (identity, (steps, title)) in told.iter().take(MESSAGES_MAX) {
        if args.json {
            steps.iter().for_each(|step| screen::line(&step.json));
        } else {
            show(identity, steps, title);
        }
    }
    if told.len() > MESSAGES_MAX {
        screen::news(&format!(
            "notice: {} more are called so; write more of its name",
            told.len() - MESSAGES_MAX
        ));
    }
    Ok(status)
}

/// The messages that are meant, and what they are called.
fn find(
    folder: &Folder,
    runs: &[RunId],
    asked: &Asked<'_>,
) -> Result<HashMap<Identity, Headline>, ReceiptError> {
    let mut found: HashMap<Identity, Headline> = HashMap::new();
    let mut others = Others::new(folder);
    for run in runs {
        let receipt = folder.read(run)?;
        // What is unchanged is found where it stands.
        let parts = receipt.parts.iter().enumerate().filter(|(_, part)| part.as_in.is_none());
        for (at, part) in parts {
            receipt.messages(at, &mut others, &mut |message| {
                if asked.means(part, message) {
                    let headline = found.entry(identity(&receipt, part, message.uid)).or_default();
                    if *headline == Headline::default() {
                        headline.clone_from(&message.headline);
                    }
                }
            })?;
        }
    }
    Ok(found)
}

/// What a run did with them.
fn follow(
    folder: &Folder,
    run: &RunId,
    found: &HashMap<Identity, Headline>,
    told: &mut BTreeMap<Identity, (Vec<Step>, String)>,
) -> Result<(), ReceiptError> {
    let receipt = folder.read(run)?;
    let mut others = Others::new(folder);
    let mailboxes: HashSet<(&str, &[u8], u32)> =
        found.keys().map(|key| (key.0.as_str(), key.1.as_slice(), key.2)).collect();
    for (at, part) in receipt.parts.iter().enumerate() {
        let place =
            (receipt.about.source.as_str(), part.source.as_bytes(), part.source_uid_validity);
        if !mailboxes.contains(&place) {
            continue;
        }
        let followed = receipt.messages(at, &mut others, &mut |message| {
            let identity = identity(&receipt, part, message.uid);
            let Some(headline) = found.get(&identity) else { return };
            let message = Message { headline: headline.clone(), ..message.clone() };
            let json = runs::message_json(run.as_str(), part, &message);
            let step = Step {
                run: run.clone(),
                began: receipt.about.began,
                fate: message.fate,
                sentence: sentence(part, &message),
                json: json_line("message", json),
            };
            let (steps, called) = told.entry(identity).or_default();
            steps.push(step);
            *called = title(headline);
        });
        match followed {
            Err(error @ ReceiptError::NoSuchRun { .. }) => drop(runs::tell(&error)),
            followed => followed?,
        }
    }
    Ok(())
}

fn show(identity: &Identity, steps: &[Step], title: &str) {
    let (account, mailbox, _, uid) = identity;
    let mailbox = shown(&mailferry_engine::name::MailboxName::new(mailbox.clone()));
    let account = mailferry_imap::session::printable(account.as_bytes());
    let line = format!("{mailbox}/{uid} of {account}: {title}");
    screen::line(line.trim_end_matches([':', ' ']));
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        let began = moment(step.began);
        screen::line(&format!("  {began}  {} (run {})", step.sentence, step.run));
        // Run after run finds it there: the last of them says enough.
        let (mut more, mut last) = (0, step);
        while let Some(next) = steps.next_if(|next| {
            next.fate == Fate::Present
                && matches!(step.fate, Fate::Present | Fate::Copied)
                && !next.sentence.contains(';')
        }) {
            (more, last) = (more + 1, next);
        }
        if more > 0 {
            let (began, run) = (moment(last.began), &last.run);
            let times =
                if more == 1 { "once more".to_owned() } else { format!("{more} times more") };
            screen::line(&format!("  {began}  still there (seen {times}, last in run {run})"));
        }
    }
}
