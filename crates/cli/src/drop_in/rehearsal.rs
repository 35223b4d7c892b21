//! What a run would do, told and not done (`--dry`).

use mailferry_engine::fault::Fault;
use mailferry_engine::plan::{Action, Decision, MailboxPlan};
use mailferry_run::accounts::Accounts;
use mailferry_run::job::Job;
use mailferry_run::rehearsal::rehearse;
use mailferry_run::stop::Stop;
use mailferry_run::survey::{MailboxListings, Survey};

use super::lines::{Lines, bracketed, raw};
use super::run::Session;

/// What is put behind everything that is not done.
pub(super) const DRY: &str = "\t(not really since --dry mode)";

impl Session {
    /// Tells what would be done, and with `--nodry1` reads the messages and goes over them. Answers
    /// what would fail.
    pub(super) async fn rehearse<A: Accounts>(
        &self,
        survey: &mut Survey<A>,
        job: &Job,
        (lines, stop): (&Lines<'_>, &Stop),
    ) -> Vec<Fault> {
        self.tell_dry(survey);
        let planned = survey.plan.mailboxes.iter().flat_map(|mailbox| mailbox.faults.clone());
        let mut faults: Vec<Fault> = planned.collect();
        if !self.options.dry_reads {
            return faults;
        }
        match rehearse(survey, job, lines, stop).await {
            Ok(rehearsal) => {
                self.log.line(&format!(
                    "Host1: {} messages were read, of which {} would be sent with {} bytes{DRY}",
                    rehearsal.messages + rehearsal.left_out,
                    rehearsal.messages,
                    rehearsal.octets
                ));
                faults.extend(rehearsal.faults);
            }
            Err(fault) => faults.push(fault),
        }
        faults
    }

    fn tell_dry<A: Accounts>(&self, survey: &Survey<A>) {
        for (mailbox, listings) in survey.plan.mailboxes.iter().zip(&survey.listings) {
            if mailbox.create.is_some() {
                let name = bracketed(&mailbox.target);
                self.log.line(&format!("Creating folder {name} on host2{DRY}"));
            }
            for part in &mailbox.parts {
                for (uid, decision) in part.uids.iter().zip(&part.decisions) {
                    if matches!(decision, Decision::Act(Action::Copy)) {
                        let (from, to) = (raw(&part.source), raw(&mailbox.target));
                        self.log.line(&format!("msg {from}/{uid} copying to {to}{DRY}"));
                    }
                }
            }
            dry_on_host1((mailbox, listings), |line| self.log.line(line));
            for deletion in &mailbox.delete {
                let (name, uid) = (raw(&mailbox.target), deletion.uid);
                self.log.line(&format!("Host2: msg {name}/{uid} marked \\Deleted on host2{DRY}"));
            }
        }
        for gone in &survey.plan.delete_mailboxes {
            self.log.line(&format!("Host2: Deleting folder {}{DRY}", bracketed(&gone.name)));
        }
    }
}

/// What would be deleted on host1: each message once its copy is proven.
fn dry_on_host1((mailbox, listings): (&MailboxPlan, &MailboxListings), tell: impl Fn(&str)) {
    if mailbox.counts.delete_source == 0 {
        return;
    }
    for (part, listing) in mailbox.parts.iter().zip(&listings.sources) {
        for ((uid, decision), flags) in part.uids.iter().zip(&part.decisions).zip(&listing.flags) {
            let is_there = matches!(decision, Decision::Act(_) | Decision::Present { .. });
            if is_there && mailbox.source_deletion.takes(listing.flag_table.set(*flags)) {
                let place = raw(&part.source);
                tell(&format!("Host1: {place}/{uid} marking deleted and expunged {DRY}"));
            }
        }
    }
}
