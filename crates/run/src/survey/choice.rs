//! Which mailboxes take part, and whether the target can have what is asked for of labels.

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::listing::MailboxInfo;
use mailferry_engine::mapping::{Mapping, map_mailboxes};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_engine::policy::PermanentFlags;
use mailferry_engine::select::{LeftOut, LeftOutReason, select_mailboxes};
use mailferry_store::contract::{Source, Target};

use super::{Surveyor, no_result};
use crate::accounts::Accounts;
use crate::all_mail::{AllMail, leave_to_all_mail};
use crate::job::Job;

/// Which mailboxes take part.
pub(super) struct Chosen {
    pub(super) chosen: Vec<MailboxInfo>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) missing: Vec<MailboxName>,
    /// What all mailboxes of the source are called on the target,
    pub(super) all: Vec<Mapping>,
    /// and what those are that take part.
    pub(super) mappings: Vec<Mapping>,
}

/// What becomes of the labels of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LabelsHere {
    /// They are mailboxes, or there are none.
    Mailboxes,
    Keywords,
}

impl LabelsHere {
    pub(super) fn of<S: Source>(job: &Job, source: &S) -> Self {
        match job.all_mail {
            AllMail::WithKeywords if source.has_labels() => Self::Keywords,
            AllMail::Whole | AllMail::Rest(_) | AllMail::WithKeywords => Self::Mailboxes,
        }
    }
}

impl<A: Accounts> Surveyor<'_, A> {
    /// Which mailboxes take part, and what they are called on the target.
    pub(super) fn choose(&self) -> Result<Chosen, Fault> {
        let choice = self.job.mailboxes.resolved(&self.source_account);
        let selection = choice.selection();
        let selected = select_mailboxes(&self.source_account, &selection)
            .map_err(|failed| no_result(&failed, Side::Source))?;
        let naming = self.job.naming.rules(&self.source_account, &self.target_account);
        let map = |mailboxes: &[MailboxInfo]| {
            map_mailboxes(mailboxes, &self.source_account, &self.target_account, &naming)
                .map_err(|failed| no_result(&failed, Side::Target))
        };
        let all = map(&self.source_account.mailboxes)?;
        let (missing, mut left_out) = (selected.missing, selected.left_out);
        let mut chosen: Vec<MailboxInfo> = selected.chosen.into_iter().cloned().collect();
        if self.labels == LabelsHere::Keywords {
            left_out.extend(leave_to_all_mail(&self.source_account, &mut chosen)?);
        }
        let mut mappings = map(&chosen)?;
        if let (Some(there), Some(keeping)) = (&self.kept, &self.job.keeping) {
            let here = keeping.on(&self.source_account);
            let is_kept = |it: &Mapping| here.holds(&it.source) || there.holds(&it.target);
            let (kept, others): (Vec<_>, Vec<_>) = mappings.into_iter().partition(is_kept);
            chosen.retain(|info| !kept.iter().any(|it| it.source == info.name));
            left_out.extend(
                kept.into_iter()
                    .map(|it| LeftOut { mailbox: it.source, reason: LeftOutReason::Keeping }),
            );
            mappings = others;
        }
        Ok(Chosen { chosen, left_out, missing, all, mappings })
    }

    /// Where labels are to become keywords, asks the target whether it keeps any keyword: the mailbox
    /// that All Mail goes to, or, where that is still to be created, INBOX.
    ///
    /// # Errors
    /// It does not, so that labels would be lost.
    pub(super) async fn ask_for_keywords(&mut self, mappings: &[Mapping]) -> Result<(), Fault> {
        let is_all_mail = |mapping: &&Mapping| {
            let info = self.source_account.find(&mapping.source);
            info.is_some_and(|info| info.special_use == Some(SpecialUse::All))
        };
        let all_mail = mappings.iter().find(is_all_mail);
        let Some(mapping) = all_mail.filter(|_| self.labels == LabelsHere::Keywords) else {
            return Ok(());
        };
        let there = self.target_account.find(&mapping.target).filter(|info| info.selectable);
        let inbox = MailboxName::new(MailboxName::INBOX);
        let asked = there.map_or(inbox, |info| info.name.clone());
        match self.target.get()?.permanent_flags(&asked).await {
            Ok(PermanentFlags::Only(_)) => {
                let words = "the target keeps no keywords but its own in this mailbox \
                             (PERMANENTFLAGS without \\*)";
                let fault = Fault::new(Side::Target, FaultKind::Flags, words);
                Err(Fault { scope: Scope::Account, ..fault }.in_mailbox(&asked))
            }
            Ok(PermanentFlags::Any | PermanentFlags::Unknown) => Ok(()),
            // One that cannot be opened is told of when it is listed.
            Err(fault) if fault.scope <= Scope::Mailbox => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}
