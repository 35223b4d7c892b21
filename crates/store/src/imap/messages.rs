//! Listing the messages of a mailbox: UID, flags, date, size and identity headers, in one
//! FETCH, reconciled with what the server says is there.

use std::collections::{BTreeSet, HashMap};

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::identity::{Headers, KeyRule, header_key};
use mailferry_engine::listing::{MessageListing, Oddity, Row};
use mailferry_engine::message::{FlagSet, FlagSetId, FlagTable, InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_imap::command::{Command, is_flag};
use mailferry_imap::response::{Code, Fetch, Untagged};
use mailferry_imap::session::{Completion, Event, Tag, printable};
use mailferry_imap::uid_set::UidSet;

use super::{Access, ImapAccount};
use crate::contract::{Among, DatesAsked, Selection};

/// Identity headers of one message longer than this count as absent: a digest decides.
pub(super) const HEADER_BYTES_MAX: usize = 1 << 20;

/// A set of more hits than this is no set of messages.
const SEARCH_HITS_MAX: u64 = 50_000_000;

/// A command line with a UID set stays below this: Stalwart takes 4,096 octets an argument.
pub(super) const UID_SET_BYTES_MAX: usize = 3900;

impl ImapAccount {
    pub(super) async fn list_messages(
        &mut self,
        mailbox: &MailboxName,
        selection: &Selection,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        let selected = self.select(mailbox, Access::Read).await?;
        let mut listing = MessageListing {
            uid_validity: selected.uid_validity,
            uid_next: selected.uid_next,
            highest_modseq: selected.highest_modseq,
            mailbox_id: selected.mailbox_id.clone(),
            ..MessageListing::default()
        };
        // `FETCH 1:*` in an empty mailbox is BAD on Dovecot, NO on Cyrus.
        if selected.exists == 0 {
            return Ok(listing);
        }
        let chosen = match &selection.0 {
            Some(program) => Some(self.search(program).await?),
            None => None,
        };
        let completion = self.fetch_rows("1:*", keys, &mut listing).await?;
        listing.sort();
        let count = self.selected.as_ref().map_or(selected.exists, |now| now.exists);
        if !completion.is_ok() || listing.len() as u64 != count {
            self.fetch_missing_rows(keys, &mut listing, &completion).await?;
        }
        if (listing.len() as u64) < count {
            self.count_again(mailbox, &listing).await?;
        }
        if let Some(chosen) = chosen {
            for (mark, uid) in listing.selected.iter_mut().zip(&listing.uid) {
                *mark = chosen.contains(&uid.value());
            }
        }
        Ok(listing)
    }

    /// Lists some messages, and holds what FETCH told of them against what SEARCH finds.
    pub(super) async fn list_among(
        &mut self,
        mailbox: &MailboxName,
        which: Among<'_>,
        keys: &KeyRule,
    ) -> Result<MessageListing, Fault> {
        let selected = self.select(mailbox, Access::Read).await?;
        let mut listing = MessageListing {
            uid_validity: selected.uid_validity,
            uid_next: selected.uid_next,
            ..MessageListing::default()
        };
        if selected.exists == 0 {
            return Ok(listing);
        }
        let sets: Vec<String> = match which {
            Among::From(first, _) => vec![format!("{first}:*")],
            Among::These(uids) => {
                let uids: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
                let sets = UidSet::from_sorted(&uids).split(UID_SET_BYTES_MAX);
                sets.iter().map(UidSet::to_string).collect()
            }
        };
        let mut there = self.find_among(&sets).await?;
        // `n:*` names the last message, too, be it below n (RFC 9051 §9).
        there.retain(|&uid| Uid::new(uid).is_some_and(|uid| which.holds(uid)));
        // What a first answer left out is asked for once more.
        for _ in 0..2 {
            for set in UidSet::from_sorted(&absent(&there, &listing)).split(UID_SET_BYTES_MAX) {
                self.fetch_rows(&set.to_string(), keys, &mut listing).await?;
            }
            listing.retain(|uid| which.holds(uid));
            listing.sort();
        }
        if !absent(&there, &listing).is_empty() {
            // It may have gone meanwhile.
            let now = self.find_among(&sets).await?;
            there.retain(|uid| now.contains(uid));
        }
        if let Some(uid) = absent(&there, &listing).into_iter().find_map(Uid::new) {
            let words = "the server finds a message and does not list it";
            return Err(self.fault(FaultKind::ListingIncomplete, words).of_message(uid));
        }
        Ok(listing)
    }

    /// The UIDs of some sets that are there, and perhaps others, in a mailbox that is not empty.
    async fn find_among(&mut self, sets: &[String]) -> Result<BTreeSet<u32>, Fault> {
        let mut there = BTreeSet::new();
        for set in sets {
            let mut found = self.search(format!("UID {set}").as_bytes()).await?;
            // `n:*` names the last message in any case (RFC 9051 §9): mailutils' imap4d, which
            // finds nothing by it, finds all by ALL.
            if found.is_empty() && set.ends_with('*') {
                found = self.search(b"ALL").await?;
            }
            there.extend(found);
        }
        Ok(there)
    }

    /// Fewer messages were listed than were there at first. They were expunged meanwhile, or
    /// FETCH and SEARCH were both cut short (RFC 9738): opening the mailbox anew tells.
    async fn count_again(
        &mut self,
        mailbox: &MailboxName,
        listing: &MessageListing,
    ) -> Result<(), Fault> {
        let now = self.select(mailbox, Access::Read).await?;
        let is_old = |uid: &Uid| listing.uid_next == 0 || uid.value() < listing.uid_next;
        let listed = listing.uid.partition_point(is_old) as u64;
        let arrived = u64::from(now.uid_next.saturating_sub(listing.uid_next));
        let words = if now.uid_validity != listing.uid_validity {
            "the mailbox was renumbered while it was listed".to_owned()
        } else if listed < now.exists.saturating_sub(arrived) {
            format!("{listed} messages were listed, and there are {}", now.exists)
        } else {
            return Ok(());
        };
        Err(self.fault(FaultKind::ListingIncomplete, words))
    }

    /// The UIDs that a SEARCH program finds.
    pub(super) async fn search(&mut self, program: &[u8]) -> Result<BTreeSet<u32>, Fault> {
        let command = self.search_command(program);
        let mut answer = SearchAnswer::default();
        let completion = self.run(&command, |data| answer.take_note(data)).await?;
        match answer.found(&completion) {
            Ok(found) => Ok(found.into_iter().collect()),
            Err(words) => {
                let words = format!("UID SEARCH {}: {words}", String::from_utf8_lossy(program));
                Err(self.fault(FaultKind::ListingIncomplete, words))
            }
        }
    }

    /// RETURN (ALL) answers in ranges (RFC 4731 §3.1); never with MIN or MAX beside it, which
    /// one server answers with a wrong set.
    pub(super) fn search_command(&self, program: &[u8]) -> Command {
        let verb = if self.connection.capabilities().has("ESEARCH") {
            "UID SEARCH RETURN (ALL)"
        } else {
            "UID SEARCH"
        };
        Command::new(verb).sp().raw(&String::from_utf8_lossy(program))
    }

    /// Asks for the flags of messages that were listed without any: no flags would be an
    /// answer, and a mirror would remove those of the target. What is not told then either
    /// makes the listing incomplete.
    async fn fetch_untold_flags(
        &mut self,
        untold: Vec<Uid>,
        listing: &mut MessageListing,
    ) -> Result<(), Fault> {
        if untold.is_empty() {
            return Ok(());
        }
        let mut values: Vec<u32> = untold.iter().map(|uid| uid.value()).collect();
        values.sort_unstable();
        let mut news = FlagNews { told: HashMap::new(), untold };
        for set in UidSet::from_sorted(&values).split(UID_SET_BYTES_MAX) {
            let command = Command::new("UID FETCH").sp().uid_set(&set).sp().raw("(UID FLAGS)");
            self.run(&command, |data| {
                if let Untagged::Fetch(fetch) = data {
                    news.take_note(fetch, None, listing);
                }
            })
            .await?;
        }
        news.apply(listing);
        match news.untold.first() {
            None => Ok(()),
            Some(uid) => {
                let words = "the server does not tell the flags of a message";
                Err(self.fault(FaultKind::ListingIncomplete, words).of_message(*uid))
            }
        }
    }

    pub(super) async fn fetch_rows(
        &mut self,
        set: &str,
        keys: &KeyRule,
        listing: &mut MessageListing,
    ) -> Result<Completion, Fault> {
        let tag = self.send_fetch(set, keys)?;
        self.take_rows(tag, keys, listing, |_| {}).await
    }

    /// Asks for rows, which [`ImapAccount::take_rows`] takes in.
    pub(super) fn send_fetch(&mut self, set: &str, keys: &KeyRule) -> Result<Tag, Fault> {
        let command = Command::new("UID FETCH")
            .sp()
            .raw(set)
            .sp()
            .raw(&row_items(keys, DatesAsked::WithTheRest));
        self.connection.session.send(&command).map_err(|error| self.broken(&error.into()))
    }

    /// Takes in rows until that command is answered, and hands over what is none.
    pub(super) async fn take_rows(
        &mut self,
        tag: Tag,
        keys: &KeyRule,
        listing: &mut MessageListing,
        mut other: impl FnMut(&Untagged<'_>),
    ) -> Result<Completion, Fault> {
        let mut long_header = None;
        let mut flags = FlagNews::default();
        loop {
            let event = self.connection.next().await;
            match event.map_err(|error| super::broken(self.side, &error))? {
                Event::Completed(completion) if completion.tag == tag => {
                    if let Some(fault) = super::throttled_by(self.side, &completion) {
                        return Err(fault);
                    }
                    flags.apply(listing);
                    self.fetch_untold_flags(flags.untold, listing).await?;
                    return Ok(completion);
                }
                Event::LiteralBegin { .. } => long_header = Some(Vec::new()),
                Event::Chunk(octets) => {
                    if let Some(header) =
                        long_header.as_mut().filter(|header| header.len() < HEADER_BYTES_MAX)
                    {
                        header.extend_from_slice(octets);
                    }
                }
                Event::Untagged(Untagged::Fetch(fetch)) => {
                    let row = row(&fetch, long_header.take(), keys, listing);
                    flags.take_note(&fetch, row.as_ref(), listing);
                    if let Some(row) = row {
                        listing.push(row);
                    }
                }
                Event::Untagged(Untagged::Exists(count)) => note_exists(&mut self.selected, count),
                Event::Untagged(Untagged::Expunge(_)) => note_expunge(&mut self.selected),
                Event::Untagged(data) => other(&data),
                _ => {}
            }
        }
    }

    /// Fewer messages came than the server says there are: asks for the rest by UID, once,
    /// and notes as odd what still does not come.
    async fn fetch_missing_rows(
        &mut self,
        keys: &KeyRule,
        listing: &mut MessageListing,
        first: &Completion,
    ) -> Result<(), Fault> {
        let there = self.search(b"ALL").await?;
        let missing = absent(&there, listing);
        if missing.is_empty() {
            return Ok(());
        }
        if listing.is_empty() && !first.is_ok() {
            return Err(
                self.fault(FaultKind::ListingIncomplete, format!("UID FETCH: {}", first.words()))
            );
        }
        for set in UidSet::from_sorted(&missing).split(UID_SET_BYTES_MAX) {
            self.fetch_rows(&set.to_string(), keys, listing).await?;
        }
        listing.sort();
        let still_there = self.search(b"ALL").await?;
        for uid in absent(&still_there, listing) {
            // What came since belongs to the next listing.
            if missing.binary_search(&uid).is_err() {
                continue;
            }
            let Some(uid) = Uid::new(uid) else { continue };
            let flags = listing.flag_table.intern(FlagSet::default());
            let date = InternalDate::UNKNOWN;
            listing.push(Row { uid, key: Key::NONE, size: 0, date, flags, selected: true });
            listing.sort();
            if let Some(at) = listing.position(uid) {
                listing
                    .oddities
                    .push((u32::try_from(at).unwrap_or(u32::MAX), Oddity::NotDelivered));
            }
        }
        Ok(())
    }
}

/// What a SEARCH found, as it is told.
#[derive(Default)]
pub(super) struct SearchAnswer {
    found: Vec<u32>,
    unreadable: Option<String>,
}

impl SearchAnswer {
    pub(super) fn take_note(&mut self, data: &Untagged<'_>) {
        match data {
            Untagged::Search { numbers, .. } => self.found.extend(numbers.iter().copied()),
            Untagged::ESearch { all, .. } if all.len() <= SEARCH_HITS_MAX => {
                self.found.extend(all.iter());
            }
            Untagged::ESearch { .. } => {
                self.unreadable = Some("more hits than a mailbox can hold".to_owned());
            }
            // A hit that cannot be read must not vanish silently.
            Untagged::Other(line) if is_search(line) => self.unreadable = Some(printable(line)),
            _ => {}
        }
    }

    /// The UIDs found, ascending; the reason where that is not the whole answer.
    pub(super) fn found(mut self, completion: &Completion) -> Result<Vec<u32>, String> {
        // OK with MESSAGELIMIT: only so many messages were looked at (RFC 9738 §3.1).
        let cut_short = matches!(completion.code(), Some(Code::MessageLimit(_)));
        if !completion.is_ok() || cut_short {
            return Err(completion.words());
        }
        if let Some(line) = self.unreadable {
            return Err(format!("the answer cannot be read: {line}"));
        }
        self.found.sort_unstable();
        self.found.dedup();
        Ok(self.found)
    }
}

/// The items that list a message.
pub(super) fn row_items(keys: &KeyRule, dates: DatesAsked) -> String {
    let date = match dates {
        DatesAsked::WithTheRest => "INTERNALDATE ",
        DatesAsked::Later => "",
    };
    format!("(UID FLAGS {date}RFC822.SIZE {})", header_item(keys))
}

/// The INTERNALDATE that was told.
pub(super) fn date(fetch: &Fetch<'_>) -> InternalDate {
    fetch
        .internal_date
        .map_or(InternalDate::UNKNOWN, |date| InternalDate::new(date.seconds, date.zone_minutes))
}

/// The part of the header that keys are made of.
fn header_item(keys: &KeyRule) -> String {
    match &keys.headers {
        Headers::All => "BODY.PEEK[HEADER]".to_owned(),
        Headers::Named(names) => {
            let names: Vec<String> = names
                .iter()
                .map(|name| String::from_utf8_lossy(name).to_ascii_uppercase())
                .collect();
            format!("BODY.PEEK[HEADER.FIELDS ({})]", names.join(" "))
        }
    }
}

fn is_search(line: &[u8]) -> bool {
    let words = line.strip_prefix(b"* ").unwrap_or(line).to_ascii_uppercase();
    words.starts_with(b"SEARCH") || words.starts_with(b"ESEARCH")
}

fn absent(there: &BTreeSet<u32>, listing: &MessageListing) -> Vec<u32> {
    let listed = |&uid: &u32| Uid::new(uid).is_some_and(|uid| listing.position(uid).is_some());
    there.iter().copied().filter(|uid| !listed(uid)).collect()
}

fn note_exists(selected: &mut Option<super::Selected>, count: u64) {
    // A message that arrives now is listed next time: only a shrinking count matters, and
    // that is told by EXPUNGE.
    if let Some(selected) = selected {
        selected.exists = selected.exists.min(count);
    }
}

fn note_expunge(selected: &mut Option<super::Selected>) {
    if let Some(selected) = selected {
        selected.exists = selected.exists.saturating_sub(1);
    }
}

/// Flags that came in a FETCH response of their own: a server may split its answer
/// (RFC 9051 §7.5.2), and tells news of flags whenever they come.
#[derive(Default)]
pub(super) struct FlagNews {
    told: HashMap<Uid, FlagSetId>,
    /// Listed without flags.
    pub(super) untold: Vec<Uid>,
}

impl FlagNews {
    pub(super) fn take_note(
        &mut self,
        fetch: &Fetch<'_>,
        row: Option<&Row>,
        listing: &mut MessageListing,
    ) {
        match (row, fetch.uid.and_then(Uid::new), &fetch.flags) {
            (None, Some(uid), Some(_)) => {
                self.told.insert(uid, flags(fetch, &mut listing.flag_table));
            }
            (Some(row), _, None) => self.untold.push(row.uid),
            _ => {}
        }
    }

    pub(super) fn apply(&mut self, listing: &mut MessageListing) {
        if self.told.is_empty() {
            return;
        }
        for (uid, flags) in listing.uid.iter().zip(&mut listing.flags) {
            if let Some(told) = self.told.get(uid) {
                *flags = *told;
            }
        }
        self.untold.retain(|uid| !self.told.contains_key(uid));
    }
}

/// What no command can name can neither be set nor removed anywhere: some servers show such
/// keywords, and an APPEND that named one would be BAD.
pub(super) fn flags(fetch: &Fetch<'_>, table: &mut FlagTable) -> FlagSetId {
    let named = fetch.flags.iter().flatten().copied().filter(|flag| is_flag(flag));
    table.intern_words(named)
}

pub(super) fn row(
    fetch: &Fetch<'_>,
    long_header: Option<Vec<u8>>,
    keys: &KeyRule,
    listing: &mut MessageListing,
) -> Option<Row> {
    let uid = Uid::new(fetch.uid?)?;
    // Flags alone are news of a message listed before or later, not a listing of it.
    if fetch.size.is_none()
        && fetch.internal_date.is_none()
        && fetch.header_fields.is_none()
        && long_header.is_none()
    {
        return None;
    }
    let key = match (&fetch.header_fields, &long_header) {
        (Some(octets), _) => header_key(octets, keys),
        (None, Some(octets)) if octets.len() < HEADER_BYTES_MAX => header_key(octets, keys),
        _ => Key::NONE,
    };
    let flags = flags(fetch, &mut listing.flag_table);
    let date = date(fetch);
    Some(Row {
        uid,
        key,
        size: fetch.size.map_or(0, |size| u32::try_from(size).unwrap_or(u32::MAX)),
        date,
        flags,
        selected: true,
    })
}
