//! Two mailboxes that exist on paper only: messages with a made-up content, listed, paired,
//! planned, and a plan carried out on them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashSet;

use mailferry_engine::listing::{MailboxInfo, MessageListing, Namespace, Row};
use mailferry_engine::mapping::How;
use mailferry_engine::message::{Digest, Flag, FlagSet, InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_engine::pairing::{Digests, PairInput, Pairing, Pairs, pair};
use mailferry_engine::plan::{
    Action, Decision, MailboxInput, MailboxPlan, PartInput, plan_mailbox,
};
use mailferry_engine::policy::{PermanentFlags, Rules, flags_to_send, flags_update};

/// A message: numbers stand for key (0: none), content, and date (0: unknown); bits for flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub key: u8,
    pub content: u8,
    pub date: u8,
    pub flags: u8,
    pub selected: bool,
    pub readable: bool,
}

/// A message that is selected, readable and without flags.
pub fn message(key: u8, content: u8, date: u8) -> Message {
    Message { key, content, date, flags: 0, selected: true, readable: true }
}

impl Message {
    /// Two contents share a size.
    pub fn size(&self) -> u32 {
        100 + u32::from(self.content / 2) * 10
    }

    pub fn flag_set(&self) -> FlagSet {
        flag_set(self.flags)
    }
}

const FLAGS: [&[u8]; 4] = [b"\\Seen", b"\\Flagged", b"work", b"$Junk"];

pub fn flag_set(bits: u8) -> FlagSet {
    let there = |at: &usize| bits & (1 << at) != 0;
    (0..FLAGS.len()).filter(there).map(|at| Flag::new(FLAGS[at])).collect()
}

fn flag_bits(set: &FlagSet) -> u8 {
    let there = |at: &usize| set.contains(&Flag::new(FLAGS[*at]));
    (0..FLAGS.len()).filter(there).map(|at| 1 << at).sum()
}

#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    pub messages: Vec<(u32, Message)>,
    pub uid_next: u32,
}

impl Mailbox {
    pub fn of(messages: impl IntoIterator<Item = Message>) -> Self {
        let mut this = Self { messages: Vec::new(), uid_next: 1 };
        messages.into_iter().for_each(|message| this.append(message));
        this
    }

    pub fn append(&mut self, message: Message) {
        self.messages.push((self.uid_next, message));
        self.uid_next += 1;
    }

    pub fn find(&self, uid: Uid) -> &Message {
        &self.messages.iter().find(|(at, _)| *at == uid.value()).unwrap().1
    }

    pub fn listing(&self) -> MessageListing {
        let mut listing = MessageListing::default();
        for (uid, message) in &self.messages {
            let date = InternalDate::new(i64::from(message.date) * 1000, 60);
            let flags = listing.flag_table.intern(message.flag_set());
            listing.push(Row {
                uid: Uid::new(*uid).unwrap(),
                key: key(message.key),
                size: message.size(),
                date: if message.date == 0 { InternalDate::UNKNOWN } else { date },
                flags,
                selected: message.selected,
            });
        }
        listing
    }
}

pub fn key(number: u8) -> Key {
    if number == 0 { Key::NONE } else { Key([number; 16]) }
}

/// Source mailboxes that feed one target mailbox.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub sources: Vec<Mailbox>,
    pub target: Mailbox,
    pub permanent_flags: PermanentFlags,
    pub elsewhere: Option<HashSet<Key>>,
}

#[derive(Default)]
pub struct Paired {
    pub pairs: Pairs,
    /// Source mailbox and UID.
    pub asked_source: Vec<(u32, u32)>,
    pub asked_target: Vec<u32>,
    /// Messages of the target whose dates were asked for, where they were not told.
    pub dates_asked: Vec<u32>,
}

fn answer(digests: &mut Digests, mailbox: &Mailbox, uid: Uid) {
    let message = mailbox.find(uid);
    assert!(digests.find(uid).is_none(), "a digest is asked for once");
    if message.readable {
        digests.insert(uid, Digest([message.content; 16]));
    } else {
        digests.insert_unavailable(uid);
    }
}

pub fn info(name: &str) -> MailboxInfo {
    MailboxInfo {
        name: MailboxName::from(name),
        delimiter: Some(b'/'),
        namespace: Namespace::Personal,
        special_use: None,
        selectable: true,
        subscribed: false,
        messages: None,
        mark: Default::default(),
    }
}

impl World {
    pub fn new(sources: Vec<Vec<Message>>, target: Vec<Message>) -> Self {
        Self {
            sources: sources.into_iter().map(Mailbox::of).collect(),
            target: Mailbox::of(target),
            ..Self::default()
        }
    }

    /// Pairs, and holds that it comes to the same whether the target's dates were told at once or are
    /// told where they are asked for.
    pub fn pair(&self, rules: &Rules) -> Paired {
        let told = self.pair_with(rules, self.target.listing());
        let mut undated = self.target.listing();
        undated.date.fill(InternalDate::NOT_ASKED);
        let later = self.pair_with(rules, undated);
        assert_eq!(told.pairs, later.pairs, "told at once, and where asked for");
        assert_eq!(told.asked_source, later.asked_source);
        assert_eq!(told.asked_target, later.asked_target);
        assert!(told.dates_asked.is_empty(), "what was told is not asked for");
        Paired { dates_asked: later.dates_asked, ..told }
    }

    fn pair_with(&self, rules: &Rules, mut target: MessageListing) -> Paired {
        let listings: Vec<MessageListing> = self.sources.iter().map(Mailbox::listing).collect();
        let mut digests = vec![Digests::default(); listings.len()];
        let mut target_digests = Digests::default();
        let mut paired = Paired::default();
        for _ in 0..6 {
            let inputs: Vec<PairInput<'_>> = listings
                .iter()
                .zip(&digests)
                .map(|(listing, digests)| PairInput { listing, digests })
                .collect();
            let input = PairInput { listing: &target, digests: &target_digests };
            let needs = match pair(&inputs, input, &rules.pair_rule()) {
                Pairing::Done(pairs) => {
                    paired.asked_source.sort_unstable();
                    paired.asked_target.sort_unstable();
                    return Paired { pairs, ..paired };
                }
                Pairing::Needs(needs) => needs,
            };
            assert!(!needs.is_empty());
            for (part, uid) in needs.source {
                paired.asked_source.push((part, uid.value()));
                let part = part as usize;
                answer(&mut digests[part], &self.sources[part], uid);
            }
            for uid in needs.target {
                paired.asked_target.push(uid.value());
                answer(&mut target_digests, &self.target, uid);
            }
            for uid in needs.target_dates {
                paired.dates_asked.push(uid.value());
                let at = target.position(uid).unwrap();
                assert!(!target.date[at].is_asked(), "a date is asked for once");
                target.date[at] = self.target.listing().date[at];
            }
        }
        panic!("digests are asked for within groups, then across them, and not again");
    }

    pub fn plan(&self, rules: &Rules) -> MailboxPlan {
        let listings: Vec<MessageListing> = self.sources.iter().map(Mailbox::listing).collect();
        let infos: Vec<MailboxInfo> =
            (0..listings.len()).map(|at| info(&format!("S{at}"))).collect();
        let parts: Vec<PartInput<'_>> = infos
            .iter()
            .zip(&listings)
            .map(|(source, listing)| PartInput { source, listing, incomplete: None })
            .collect();
        let target_info = info("T");
        let pairs = self.pair(rules).pairs;
        let input = MailboxInput {
            target: &target_info.name,
            target_info: Some(&target_info),
            how: How::ByName,
            doubts: &[],
            create_as: None,
            target_listing: &self.target.listing(),
            parts: &parts,
            pairs: &pairs,
            permanent_flags: &self.permanent_flags,
            elsewhere: self.elsewhere.as_ref(),
            other_sources: &[],
        };
        plan_mailbox(&input, rules)
    }

    /// Does to the target what the plan says.
    pub fn carry_out(&mut self, plan: &MailboxPlan, rules: &Rules) {
        let gone: HashSet<u32> = plan.delete.iter().map(|gone| gone.uid.value()).collect();
        self.target.messages.retain(|(uid, _)| !gone.contains(uid));
        for (part, source) in plan.parts.iter().zip(&self.sources) {
            for (uid, decision) in part.uids.iter().zip(&part.decisions) {
                let message = source.find(*uid);
                let sent =
                    flags_to_send(&message.flag_set(), &self.permanent_flags, rules.keywords);
                match decision {
                    // What cannot be read cannot be copied either.
                    Decision::Act(Action::Copy) if !message.readable => {}
                    Decision::Act(Action::Copy) => {
                        let flags = flag_bits(&sent);
                        self.target.append(Message { flags, ..message.clone() });
                    }
                    Decision::Act(Action::UpdateFlags { target }) => {
                        let found = |(uid, _): &&mut (u32, Message)| *uid == target.value();
                        let old = &mut self.target.messages.iter_mut().find(found).unwrap().1;
                        let change =
                            flags_update(&sent, &old.flag_set(), rules.flags, rules.keywords);
                        let change = change.unwrap();
                        let add: FlagSet = change.add.into_iter().collect();
                        let remove: FlagSet = change.remove.into_iter().collect();
                        old.flags = (old.flags | flag_bits(&add)) & !flag_bits(&remove);
                    }
                    Decision::Present { .. } | Decision::Skip(_) | Decision::Problem(_) => {}
                }
            }
        }
    }

    /// How many messages something is to be done with that can be done.
    pub fn open(&self, plan: &MailboxPlan) -> usize {
        let updates = plan.counts.update_flags;
        self.open_copies(plan) + usize::try_from(updates).unwrap()
    }

    /// How many messages are to be copied that can be copied.
    pub fn open_copies(&self, plan: &MailboxPlan) -> usize {
        let parts = plan.parts.iter().zip(&self.sources);
        parts
            .flat_map(|(part, source)| part.decisions.iter().zip(&source.messages))
            .filter(|(decision, (_, message))| {
                **decision == Decision::Act(Action::Copy) && message.readable
            })
            .count()
    }
}
