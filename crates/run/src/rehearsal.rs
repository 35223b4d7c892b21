//! A dry run that reads the messages: what the rules about content would make of each, with nothing
//! sent (`--dry --nodry1`).

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_engine::plan::{Action, Decision};
use mailferry_store::contract::{Source, Wanted};

use crate::accounts::Accounts;
use crate::events::{Event, EventSink};
use crate::job::Job;
use crate::stop::Stop;
use crate::survey::{Survey, listed};
use crate::transform::gather::{Came, Gatherer};
use crate::transform::work::{Gathered, Outcome, make};
use crate::transform::{Purpose, Said, Subject, Transform};

/// What became of the messages that would be copied.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// Messages that would be sent.
    pub messages: u64,
    /// Their octets as they would be sent.
    pub octets: u64,
    /// Messages that rules would leave out.
    pub left_out: u64,
    /// Why others would fail.
    pub faults: Vec<Fault>,
}

/// Goes over every message that the plan would copy.
///
/// # Errors
/// The connection to the source broke, or the run was stopped.
pub async fn rehearse<A: Accounts>(
    survey: &mut Survey<A>,
    job: &Job,
    events: &dyn EventSink,
    stop: &Stop,
) -> Result<Rehearsal, Fault> {
    let nothing = std::sync::Arc::new(Transform::default());
    let transform = job.transform.as_ref().unwrap_or(&nothing);
    let mut rehearsal = Rehearsal::default();
    for (mailbox, listings) in survey.plan.mailboxes.iter().zip(&survey.listings) {
        for (part, listing) in mailbox.parts.iter().zip(&listings.sources) {
            let copied = part.decisions.iter().enumerate();
            let wanted: Vec<Wanted> = copied
                .filter(|(_, decision)| matches!(decision, Decision::Act(Action::Copy)))
                .map(|(at, _)| Wanted { uid: listing.uid[at], size: listing.size[at] })
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let (source, _) = &mut survey.connections;
            source.open_bodies(listed(&part.source, listing), wanted);
            let mut gatherer = Gatherer::default();
            loop {
                match gatherer.take(source.next_body().await?) {
                    Ok(Came::Message(gathered)) => {
                        let subject = Subject {
                            mailbox: part.source.clone(),
                            uid: gathered.uid,
                            header: job.add_header,
                        };
                        rehearsal.go_over(transform, (gathered, subject), events).await;
                    }
                    Ok(Came::Lost(uid, fault) | Came::Missing(uid, fault)) => {
                        rehearsal.note(fault.in_mailbox(&part.source).of_message(uid), events);
                    }
                    Ok(Came::More) => {}
                    Ok(Came::End) => break,
                    Err(fault) if fault.scope <= Scope::Mailbox => {
                        rehearsal.note(fault, events);
                        break;
                    }
                    Err(fault) => return Err(fault),
                }
                if stop.is_asked() {
                    let words = "stopped while messages were read";
                    return Err(Fault::new(Side::Source, FaultKind::Interrupted, words));
                }
            }
        }
    }
    Ok(rehearsal)
}

impl Rehearsal {
    async fn go_over(
        &mut self,
        transform: &std::sync::Arc<Transform>,
        (gathered, subject): (Gathered, Subject),
        events: &dyn EventSink,
    ) {
        let (mailbox, uid) = (subject.mailbox.clone(), subject.uid);
        let mailbox = &mailbox;
        match make(transform, gathered, subject, Purpose::Sending).await {
            Outcome::Message(prepared) => {
                self.messages += 1;
                self.octets += prepared.spool.octets();
                for Said { command, words } in &prepared.said {
                    events.on(&Event::CommandSaid { mailbox, uid, command, words });
                }
            }
            Outcome::LeftOut(rule) => {
                self.left_out += 1;
                events.on(&Event::LeftOut { mailbox, uid, rule: &rule });
            }
            Outcome::Failed(fault) => {
                self.note(fault.in_mailbox(mailbox).of_message(uid), events);
            }
        }
    }

    fn note(&mut self, fault: Fault, events: &dyn EventSink) {
        events.on(&Event::Failed(&fault));
        self.faults.push(fault);
    }
}
