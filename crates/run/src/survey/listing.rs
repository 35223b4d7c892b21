//! Listing the mailboxes of both sides at the same time, with what an earlier run knew.

use std::collections::BTreeMap;

use mailferry_engine::fault::{Fault, Scope, Side};
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MailboxInfo, MessageListing};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{DatesAsked, ListRequest, Listed, Origin, Selection, Source};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::lent::finished;
use super::{Group, Surveyor, stopped};
use crate::accounts::Accounts;
use crate::arrivals::Arrivals;
use crate::events::{Event, EventSink, Silent};
use crate::state::State;
use crate::stop::Stop;

/// How often it is looked whether the run is to be stopped.
const STOP_LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

/// What a listing may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Also on what an earlier run knew and the server cannot have changed since.
    State,
    /// Only on what is told now.
    Nothing,
}

/// The mailboxes of one group as they were listed.
pub(super) struct GroupListing {
    /// Of each member; empty where there is a fault.
    pub(super) sources: Vec<MessageListing>,
    /// Why a member could not be listed.
    pub(super) incomplete: Vec<Option<Fault>>,
    /// Of the target mailbox; empty where it is still to be created.
    pub(super) target: Result<MessageListing, Fault>,
    /// What all that rests on.
    pub(super) trust: Trust,
}

/// What became of each request, in their order; `None`: not told of.
type Answers = Vec<Option<Result<Listed, Fault>>>;

/// What was listed, on either side, before a server asked to be left alone: it is not asked for
/// that again, else it would ask for the same each time.
#[derive(Default)]
pub(super) struct Carried([BTreeMap<MailboxName, Listed>; 2]);

impl Carried {
    /// How many mailboxes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(BTreeMap::len).sum()
    }

    /// Of each mailbox of an inquiry what there is.
    fn take(&mut self, inquiry: &Inquiry<'_>) -> Answers {
        let there = &mut self.0[usize::from(inquiry.side == Side::Target)];
        inquiry.mailboxes.iter().map(|(name, _)| there.remove(*name).map(Ok)).collect()
    }

    fn put(&mut self, inquiry: &Inquiry<'_>, answers: Answers) {
        let there = &mut self.0[usize::from(inquiry.side == Side::Target)];
        for ((name, _), answer) in inquiry.mailboxes.iter().zip(answers) {
            if let Some(Ok(listed)) = answer {
                there.insert((*name).clone(), listed);
            }
        }
    }
}

/// One side and what is to be listed there.
struct Inquiry<'a> {
    side: Side,
    selection: &'a Selection,
    dates: DatesAsked,
    mailboxes: Vec<(&'a MailboxName, &'a MailboxInfo)>,
}

/// What listing needs to know of the run.
struct Context<'a> {
    keys: &'a KeyRule,
    state: Option<&'a State>,
    events: &'a dyn EventSink,
}

impl<A: Accounts> Surveyor<'_, A> {
    /// Lists the mailboxes of these groups, both sides at the same time. A mailbox that cannot be
    /// listed leaves an empty listing and its fault.
    pub(super) async fn list(
        &mut self,
        groups: &[Group<'_>],
        trust: Trust,
    ) -> Result<Vec<GroupListing>, Fault> {
        let members = groups.iter().flat_map(|group| &group.members);
        let of_source = Inquiry {
            side: Side::Source,
            selection: &self.job.source_selection,
            // What is copied takes its date along.
            dates: DatesAsked::WithTheRest,
            mailboxes: members.map(|(mapping, info)| (&mapping.source, *info)).collect(),
        };
        let of_target = Inquiry {
            side: Side::Target,
            selection: &self.job.target_selection,
            dates: self.target_dates(),
            mailboxes: groups
                .iter()
                .filter_map(|group| group.target_info.as_ref())
                .map(|info| (&info.name, info))
                .collect(),
        };
        let state = self.job.state.as_deref().filter(|_| trust == Trust::State);
        // Without state only what was listed before is listed again, and was told of then.
        let events = if trust == Trust::State { self.events } else { &Silent };
        let context = Context { keys: &self.job.keys, state, events };
        // Each side on a task of its own: reading what one server says does not wait for the other,
        // and may take another processor.
        let (hear, heard) = unbounded_channel();
        let carried = (self.carried.take(&of_source), self.carried.take(&of_target));
        let mut source = context.ask((&of_source, carried.0), self.source.take()?, hear.clone());
        let mut target = context.ask((&of_target, carried.1), self.target.take()?, hear);
        let listing = async {
            context.tell_listed(heard, [&of_source, &of_target]).await;
            Ok::<_, Fault>((finished(&mut source).await?, finished(&mut target).await?))
        };
        let (source, target) = unless_stopped(self.stop, listing).await??;
        self.source.give_back(source.connection);
        self.target.give_back(target.connection);
        let (sources, targets) = (source.answers, target.answers);
        if let Some(fault) = source.end.err().or(target.end.err()) {
            if fault.is_throttling() && trust == Trust::State {
                self.carried.put(&of_source, sources);
                self.carried.put(&of_target, targets);
            }
            return Err(fault);
        }
        if let Some(state) = self.job.state.as_deref() {
            keep(state, &context, &of_source, &sources);
            keep(state, &context, &of_target, &targets);
        }
        let mut listed = regroup(groups, sources, targets)?;
        for (group, listed) in groups.iter().zip(&mut listed) {
            self.narrow(group, listed).await?;
        }
        if let Some(then) = &mut self.then {
            then.narrow(groups, &mut listed);
        }
        Ok(listed)
    }

    /// Copies that rules altered are looked for by their dates, and messages chosen by them.
    fn target_dates(&self) -> DatesAsked {
        let [_, there] = self.job.arrivals;
        if self.job.transform.is_some() || there != Arrivals::default() {
            return DatesAsked::WithTheRest;
        }
        self.job.target_dates
    }

    /// Leaves only those messages of the source selected that are meant.
    async fn narrow(&mut self, group: &Group<'_>, listed: &mut GroupListing) -> Result<(), Fault> {
        let sources = listed.sources.iter_mut().zip(&mut listed.incomplete);
        for ((mapping, info), (listing, incomplete)) in group.members.iter().zip(sources) {
            let source = (self.source.get()?, &self.source_account);
            match self.job.all_mail.narrow(source, (info, listing)).await {
                Ok(()) => self.job.source_sample.narrow(&mapping.source, listing),
                Err(fault) if fault.scope <= Scope::Mailbox => {
                    *listing = MessageListing::default();
                    incomplete.get_or_insert(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Lists every mailbox of the target that can be opened.
    pub(super) async fn list_whole_target(
        &mut self,
    ) -> Result<Vec<Result<MessageListing, Fault>>, Fault> {
        // What was taken away is nowhere else.
        let is_kept = |name| self.kept.as_ref().is_some_and(|kept| kept.holds(name));
        let mailboxes = self.target_account.mailboxes.iter();
        let openable = mailboxes.filter(|info| info.selectable && !is_kept(&info.name));
        let inquiry = Inquiry {
            side: Side::Target,
            selection: &Selection::default(),
            dates: DatesAsked::WithTheRest,
            mailboxes: openable.map(|info| (&info.name, info)).collect(),
        };
        let state = self.job.state.as_deref();
        let context = Context { keys: &self.job.keys, state, events: &Silent };
        let none = inquiry.mailboxes.iter().map(|_| None).collect();
        let (hear, _) = unbounded_channel();
        let mut target = context.ask((&inquiry, none), self.target.take()?, hear);
        let target = unless_stopped(self.stop, finished(&mut target)).await??;
        self.target.give_back(target.connection);
        target.end?;
        let answers = target.answers;
        if let Some(state) = state {
            keep(state, &context, &inquiry, &answers);
        }
        answers.into_iter().map(|answer| Ok(told(answer)?.map(|listed| listed.listing))).collect()
    }
}

/// A mailbox was listed: on which side, which request it was, its messages and their octets.
struct Heard {
    side: Side,
    at: usize,
    messages: u64,
    octets: u64,
}

/// A connection that has asked, and what it was told.
struct Done<S> {
    connection: S,
    answers: Answers,
    end: Result<(), Fault>,
}

impl Context<'_> {
    /// Has what is not answered yet listed on a task of its own, which ends where the set is dropped.
    /// `hear` holds no more than one line for each mailbox.
    fn ask<S: Source + 'static>(
        &self,
        (inquiry, mut answers): (&Inquiry<'_>, Answers),
        mut connection: S,
        hear: UnboundedSender<Heard>,
    ) -> JoinSet<Done<S>> {
        let (side, keys) = (inquiry.side, self.keys.clone());
        let open = |at: &usize| answers[*at].is_none();
        let asked: Vec<usize> = (0..inquiry.mailboxes.len()).filter(open).collect();
        let request = |&at: &usize| {
            let (name, info) = inquiry.mailboxes[at];
            ListRequest {
                mailbox: name.clone(),
                selection: inquiry.selection.clone(),
                now: info.mark.clone(),
                known: self.state.and_then(|state| state.listing(side, name, self.keys)),
                dates: inquiry.dates,
            }
        };
        let requests: Vec<ListRequest> = asked.iter().map(request).collect();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut tell = |at: usize, listed: Result<Listed, Fault>| {
                let at = asked[at];
                if let Ok(Listed { listing, .. }) = &listed {
                    let octets = listing.size.iter().map(|&size| u64::from(size)).sum();
                    // Nobody hears it where nobody asked to.
                    let _ = hear.send(Heard { side, at, messages: listing.len() as u64, octets });
                }
                answers[at] = Some(listed);
            };
            let told = connection.list(requests, &keys, &mut tell).await;
            let end = told.and_then(|()| left_alone(&answers));
            Done { connection, answers, end }
        });
        task
    }

    /// Tells of each mailbox as it is listed, until all are.
    async fn tell_listed(&self, mut heard: UnboundedReceiver<Heard>, inquiries: [&Inquiry<'_>; 2]) {
        while let Some(Heard { side, at, messages, octets }) = heard.recv().await {
            let inquiry = inquiries.into_iter().find(|inquiry| inquiry.side == side);
            if let Some((mailbox, _)) = inquiry.and_then(|inquiry| inquiry.mailboxes.get(at)) {
                self.events.on(&Event::Listed { side, mailbox, messages, octets });
            }
        }
    }
}

/// A server that wants to be left alone is to have been asked nothing more.
fn left_alone(answers: &Answers) -> Result<(), Fault> {
    let fault = |answer: &Option<Result<Listed, Fault>>| match answer {
        Some(Err(fault)) if fault.is_throttling() => Some(fault.clone()),
        _ => None,
    };
    answers.iter().find_map(fault).map_or(Ok(()), Err)
}

async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Result<T, Fault> {
    let asked = async {
        while !stop.is_asked() {
            tokio::time::sleep(STOP_LOOK_EVERY).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = asked => Err(stopped()),
    }
}

fn keep(state: &State, context: &Context<'_>, inquiry: &Inquiry<'_>, answers: &Answers) {
    let moved =
        inquiry.mailboxes.iter().zip(answers).filter_map(|((name, _), answer)| match answer {
            Some(Ok(Listed { listing, origin })) if *origin != Origin::Unchanged => {
                Some((*name, listing))
            }
            _ => None,
        });
    state.keep(inquiry.side, context.keys, moved);
}

fn told(answer: Option<Result<Listed, Fault>>) -> Result<Result<Listed, Fault>, Fault> {
    match answer {
        Some(Err(fault)) if fault.scope > Scope::Mailbox => Err(fault),
        Some(told) => Ok(told),
        None => Err(stopped()),
    }
}

fn regroup(
    groups: &[Group<'_>],
    sources: Answers,
    targets: Answers,
) -> Result<Vec<GroupListing>, Fault> {
    let (mut sources, mut targets) = (sources.into_iter(), targets.into_iter());
    let mut listed = Vec::with_capacity(groups.len());
    for group in groups {
        let mut one = GroupListing {
            sources: Vec::new(),
            incomplete: Vec::new(),
            target: Ok(MessageListing::default()),
            trust: Trust::Nothing,
        };
        for _ in &group.members {
            let (listing, fault) = match told(sources.next().flatten())? {
                Ok(listed) => (one.take(listed), None),
                Err(fault) => (MessageListing::default(), Some(fault)),
            };
            one.sources.push(listing);
            one.incomplete.push(fault);
        }
        if group.target_info.is_some() {
            one.target = told(targets.next().flatten())?.map(|listed| one.take(listed));
        }
        listed.push(one);
    }
    Ok(listed)
}

impl GroupListing {
    fn take(&mut self, listed: Listed) -> MessageListing {
        if listed.origin != Origin::Told {
            self.trust = Trust::State;
        }
        listed.listing
    }
}
