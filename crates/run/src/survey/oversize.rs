//! Messages that are left out for their size, told by what people know them by.

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::message::{InternalDate, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::plan::{Decision, MailboxPlan, SkipReason};
use mailferry_store::contract::Source;

use super::{MailboxListings, listed};
use crate::receipt::Headline;

/// Messages of which the subject is asked for; of the others only their number is told.
const NAMED_MAX: usize = 100;

/// A message that is not copied for its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// The mailbox on the source.
    pub mailbox: MailboxName,
    /// The message there.
    pub uid: Uid,
    /// Its size, in octets.
    pub octets: u32,
    /// Its INTERNALDATE.
    pub date: InternalDate,
    /// What it is called; empty where that was not asked for or not told. Foreign text.
    pub headline: Headline,
    /// The largest size that is copied, in octets.
    pub limit: u32,
    /// Whose limit that is.
    pub whose: Whose,
}

/// Who says how large a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The user, by a rule: it was wished.
    User,
    /// The target (APPENDLIMIT, RFC 7889): it is a failure.
    Target,
}

impl Oversized {
    fn new(
        (plan, listings): (&MailboxPlan, &MailboxListings),
        (part, at): (usize, usize),
        own_limit: Option<u32>,
    ) -> Option<Self> {
        let (limit, whose) = match plan.parts[part].decisions.get(at)? {
            Decision::Skip(SkipReason::TooBig { limit }) => (*limit, Whose::User),
            // imapsync's --appendlimit: what the user says that the target takes.
            Decision::Skip(SkipReason::OverAppendLimit { limit }) if Some(*limit) == own_limit => {
                (*limit, Whose::User)
            }
            Decision::Skip(SkipReason::OverAppendLimit { limit }) => (*limit, Whose::Target),
            _ => return None,
        };
        let listing = &listings.sources[part];
        Some(Self {
            mailbox: plan.parts[part].source.clone(),
            uid: listing.uid[at],
            octets: listing.size[at],
            date: listing.date[at],
            headline: Headline::default(),
            limit,
            whose,
        })
    }

    /// The failure that it is, where the limit is the target's.
    #[must_use]
    pub(crate) fn fault(&self) -> Option<Fault> {
        if self.whose == Whose::User {
            return None;
        }
        let Self { octets, limit, .. } = self;
        let words = match self.headline.subject.as_str() {
            "" => format!("{octets} octets, and the target takes {limit} at most"),
            subject => {
                format!("`{subject}`: {octets} octets, and the target takes {limit} at most")
            }
        };
        let fault = Fault::new(Side::Target, FaultKind::AppendSize, words);
        let fault = Fault { scope: Scope::Message, ..fault };
        Some(fault.in_mailbox(&self.mailbox).of_message(self.uid))
    }
}

/// The messages of one mailbox that are left out for their size, those that can be named with what
/// they are called.
///
/// # Errors
/// A connection broke. A mailbox that cannot be looked into any more leaves its messages without
/// their names.
pub(super) async fn find<S: Source>(
    source: &mut S,
    (plan, listings): (&MailboxPlan, &MailboxListings),
    (named, own_limit): (&mut usize, Option<u32>),
) -> Result<Vec<Oversized>, Fault> {
    let mut all = Vec::new();
    let skip = &plan.counts.skip;
    if skip.too_big + skip.over_append_limit == 0 {
        return Ok(all);
    }
    for (part, of_part) in plan.parts.iter().enumerate() {
        let messages = (0..of_part.decisions.len())
            .filter_map(|at| Oversized::new((plan, listings), (part, at), own_limit));
        let mut messages: Vec<Oversized> = messages.collect();
        let asked = messages.len().min(NAMED_MAX.saturating_sub(*named));
        *named += asked;
        let uids: Vec<Uid> = messages[..asked].iter().map(|message| message.uid).collect();
        if !uids.is_empty() {
            let from = listed(&of_part.source, &listings.sources[part]);
            match source.headlines(from, &uids).await {
                Ok(headlines) => {
                    for message in &mut messages {
                        if let Some(header) = headlines.get(&message.uid) {
                            message.headline = Headline::of(header);
                        }
                    }
                }
                Err(fault) if fault.scope <= Scope::Mailbox => {}
                Err(fault) => return Err(fault),
            }
        }
        all.append(&mut messages);
    }
    Ok(all)
}
