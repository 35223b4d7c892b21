//! Changing an account: mailboxes, subscriptions, flags, deletions.

use std::collections::{BTreeMap, BTreeSet};

use mailferry_engine::fault::{Fault, FaultKind};
use mailferry_engine::message::{FlagSet, Uid};
use mailferry_engine::name::{MailboxName, SpecialUse};
use mailferry_imap::command::{Command, is_flag};
use mailferry_imap::response::{Code, Untagged};
use mailferry_imap::session::Completion;
use mailferry_imap::uid_set::UidSet;

use super::mailboxes::Present;
use super::messages::UID_SET_BYTES_MAX;
use super::{Access, ImapAccount};
use crate::contract::{AsListed, Emptiness, FlagUpdate, Removable};

/// CREATE commands in flight at first: fewer than the errors after which a server hangs up.
const CREATE_COMMANDS_MIN: usize = 4;
/// The same once the server answered as many without an error.
const CREATE_COMMANDS_MAX: usize = 64;

/// How often it is looked again for a mailbox that was created and is not listed: where several
/// connections create the same mailboxes, Dovecot's LIST lags behind.
const LOOKS_MAX: usize = 5;
/// The wait before each of them.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

impl ImapAccount {
    /// Some servers trim names or write them anew: what was created must be there by the name
    /// that will be used.
    pub(super) async fn create_mailboxes(
        &mut self,
        mailboxes: &[(MailboxName, Option<SpecialUse>)],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let uses = self.connection.capabilities().has("CREATE-SPECIAL-USE");
        let create = |(mailbox, special_use): &(MailboxName, Option<SpecialUse>)| {
            let plain = Command::new("CREATE").sp().mailbox(mailbox.as_bytes());
            match special_use.filter(|_| uses) {
                Some(special_use) => {
                    plain.sp().raw(&format!("(USE ({}))", special_use.attribute()))
                }
                None => plain,
            }
        };
        let mut results = Vec::with_capacity(mailboxes.len());
        let quirks = &self.connection.session.quirks;
        let (orderly, patience) = (quirks.keeps_order, quirks.errors_max as usize);
        let window_min = patience.clamp(CREATE_COMMANDS_MIN, CREATE_COMMANDS_MAX);
        let (mut left, mut window) = (mailboxes, window_min);
        let (mut there, mut refused_any) = (Present::default(), false);
        while !left.is_empty() {
            let (some, rest) = left.split_at(window.min(left.len()));
            left = rest;
            let mut commands: Vec<Command> = some.iter().map(create).collect();
            if orderly && rest.is_empty() {
                commands.push(Present::command());
            }
            let completions = self.run_all(&commands, |data| there.take_note(data)).await?;
            if let Some(completion) = completions.get(some.len()) {
                there.complete(completion);
            }
            let refused = completions.iter().any(|completion| !completion.is_ok());
            window = if refused { window_min } else { CREATE_COMMANDS_MAX };
            refused_any |= refused;
            for (completion, (mailbox, special_use)) in completions.iter().zip(some) {
                results.push(match completion.is_ok() {
                    true => Ok(()),
                    false => {
                        // Refused with its use where another mailbox has that already
                        // (RFC 6154 §3).
                        let plainly = uses && special_use.is_some();
                        self.create_refused(mailbox, completion, plainly).await?
                    }
                });
            }
        }
        // What was refused may have been made since.
        if refused_any || !there.is_complete() {
            there = self.present().await?;
        }
        let is_there = |there: &Present| {
            let made = mailboxes.iter().zip(&results).filter(|(_, result)| result.is_ok());
            made.into_iter().all(|((name, _), _)| there.has(name))
        };
        for _ in 0..LOOKS_MAX {
            if is_there(&there) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            there = self.present().await?;
        }
        for (result, (name, _)) in results.iter_mut().zip(mailboxes) {
            if result.is_ok() && !there.has(name) {
                let words = "CREATE was answered OK, but no mailbox of that name is listed";
                *result = Err(self.fault(FaultKind::Create, words).in_mailbox(name));
            }
        }
        Ok(results)
    }

    /// A mailbox whose creation was refused may be there nevertheless.
    async fn create_refused(
        &mut self,
        mailbox: &MailboxName,
        refusal: &Completion,
        plainly: bool,
    ) -> Result<Result<(), Fault>, Fault> {
        let mut words = refusal.words();
        if plainly {
            let plain = Command::new("CREATE").sp().mailbox(mailbox.as_bytes());
            let completion = self.run(&plain, |_| {}).await?;
            if completion.is_ok() {
                return Ok(Ok(()));
            }
            words = completion.words();
        }
        // Half of the servers have no code for it: it is there if STATUS says so.
        let status = Command::new("STATUS").sp().mailbox(mailbox.as_bytes()).sp().raw("(MESSAGES)");
        let mut messages = None;
        let told = self
            .run(&status, |data| {
                if let Untagged::Status { items, .. } = data {
                    messages = items.messages;
                }
            })
            .await?;
        let words = match messages {
            Some(0) if told.is_ok() => return Ok(Ok(())),
            // It was not listed when the plan was made, so that what is in it was not compared.
            Some(messages) if told.is_ok() => format!(
                "it is there already, with {messages} messages, and was not listed by that name"
            ),
            _ => words,
        };
        Ok(Err(self.fault(FaultKind::Create, words).in_mailbox(mailbox)))
    }

    pub(super) async fn subscribe_mailboxes(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let (completions, subscribed) = self.tell_each("SUBSCRIBE", mailboxes).await?;
        // UW imapd refuses it where a mailbox of that name was subscribed before it was deleted and
        // made again.
        let is_there = |mailbox: &MailboxName| {
            subscribed.as_ref().is_some_and(|names| names.contains(mailbox))
        };
        let judge = |(completion, mailbox): (Completion, &MailboxName)| {
            if completion.is_ok() || is_there(mailbox) {
                return Ok(());
            }
            Err(self.fault(FaultKind::Subscribe, completion.words()).in_mailbox(mailbox))
        };
        Ok(completions.into_iter().zip(mailboxes).map(judge).collect())
    }

    pub(super) async fn unsubscribe_mailboxes(
        &mut self,
        mailboxes: &[MailboxName],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let (completions, subscribed) = self.tell_each("UNSUBSCRIBE", mailboxes).await?;
        // What is not subscribed some servers refuse (RFC 9051 §6.3.8).
        let is_gone = |mailbox: &MailboxName| {
            subscribed.as_ref().is_some_and(|names| !names.contains(mailbox))
        };
        let judge = |(completion, mailbox): (Completion, &MailboxName)| {
            if completion.is_ok() || is_gone(mailbox) {
                return Ok(());
            }
            Err(self.fault(FaultKind::Unsubscribe, completion.words()).in_mailbox(mailbox))
        };
        Ok(completions.into_iter().zip(mailboxes).map(judge).collect())
    }

    /// The same command for each mailbox; and what is subscribed after them, if any was refused and
    /// the server tells.
    async fn tell_each(
        &mut self,
        command: &'static str,
        mailboxes: &[MailboxName],
    ) -> Result<(Vec<Completion>, Option<BTreeSet<MailboxName>>), Fault> {
        let commands: Vec<Command> = mailboxes
            .iter()
            .map(|mailbox| Command::new(command).sp().mailbox(mailbox.as_bytes()))
            .collect();
        let completions = self.run_all(&commands, |_| {}).await?;
        if completions.iter().all(Completion::is_ok) {
            return Ok((completions, None));
        }
        let mut subscribed = BTreeSet::new();
        let told = self
            .run(&Command::new("LSUB \"\" \"*\""), |data| {
                if let Untagged::List(list) = data
                    && list.is_lsub
                {
                    subscribed.insert(MailboxName::new(&*list.name));
                }
            })
            .await?;
        Ok((completions, told.is_ok().then_some(subscribed)))
    }

    pub(super) async fn remove_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), Fault> {
        self.unselect().await?;
        let delete = Command::new("DELETE").sp().mailbox(mailbox.as_bytes());
        let completion = self.run(&delete, |_| {}).await?;
        if completion.is_ok() || matches!(completion.code(), Some(Code::NonExistent)) {
            // Not before: a mailbox that stays keeps its subscription. It may have gone with it.
            let unsubscribe = Command::new("UNSUBSCRIBE").sp().mailbox(mailbox.as_bytes());
            self.run(&unsubscribe, |_| {}).await?;
            return Ok(());
        }
        Err(self.fault(FaultKind::DeleteMailbox, completion.words()).in_mailbox(mailbox))
    }

    pub(super) async fn store_flags(
        &mut self,
        listed: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.open_as_listed(listed, Access::Write).await?;
        let mut groups: BTreeMap<(&'static str, Vec<u8>), Vec<u32>> = BTreeMap::new();
        for update in updates {
            for (item, flags) in [("+FLAGS.SILENT", &update.add), ("-FLAGS.SILENT", &update.remove)]
            {
                if !flags.is_empty() {
                    groups.entry((item, flag_list(flags))).or_default().push(update.uid.value());
                }
            }
        }
        let mut stores = Vec::new();
        for ((item, flags), mut uids) in groups {
            uids.sort_unstable();
            for set in UidSet::from_sorted(&uids).split(UID_SET_BYTES_MAX) {
                let command = Command::new("UID STORE").sp().uid_set(&set).sp().raw(item).sp();
                stores.push((command.raw(&String::from_utf8_lossy(&flags)), set));
            }
        }
        self.run_stores(listed.mailbox, stores, FaultKind::Flags).await
    }

    pub(super) async fn run_stores(
        &mut self,
        mailbox: &MailboxName,
        stores: Vec<(Command, UidSet)>,
        kind: FaultKind,
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let (commands, sets): (Vec<Command>, Vec<UidSet>) = stores.into_iter().unzip();
        let completions = self.run_all(&commands, |_| {}).await?;
        let mut refused = Vec::new();
        for (completion, set) in
            completions.into_iter().zip(sets).filter(|(completion, _)| !completion.is_ok())
        {
            for uid in set.iter().filter_map(Uid::new) {
                let fault =
                    self.fault(kind, completion.words()).in_mailbox(mailbox).of_message(uid);
                refused.push((uid, fault));
            }
        }
        Ok(refused)
    }

    pub(super) async fn expunge_messages(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.open_as_listed(listed, Access::Write).await?;
        let mailbox = listed.mailbox;
        let mut values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        values.sort_unstable();
        let sets = UidSet::from_sorted(&values).split(UID_SET_BYTES_MAX);
        let mark = |set: &UidSet| {
            let command = Command::new("UID STORE").sp().uid_set(set);
            (command.sp().raw("+FLAGS.SILENT (\\Deleted)"), set.clone())
        };
        let mut refused = self
            .run_stores(mailbox, sets.iter().map(mark).collect(), FaultKind::DeleteMessage)
            .await?;
        let capabilities = self.connection.capabilities();
        if capabilities.has("UIDPLUS") || capabilities.is_rev2() {
            let expunge =
                |set: &UidSet| (Command::new("UID EXPUNGE").sp().uid_set(set), set.clone());
            refused.extend(
                self.run_stores(
                    mailbox,
                    sets.iter().map(expunge).collect(),
                    FaultKind::DeleteMessage,
                )
                .await?,
            );
        } else {
            refused.extend(self.expunge_without_uidplus(mailbox, &values).await?);
        }
        refused.extend(self.not_expunged(mailbox, &sets).await?);
        refused.sort_by_key(|(uid, _)| *uid);
        refused.dedup_by_key(|(uid, _)| *uid);
        Ok(refused)
    }

    /// What EXPUNGE was said to have removed and SEARCH still finds: without the right to
    /// expunge (RFC 4314 §4) some servers answer OK and do nothing.
    async fn not_expunged(
        &mut self,
        mailbox: &MailboxName,
        sets: &[UidSet],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let mut left = Vec::new();
        for set in sets {
            let found = self.search(format!("UID {set}").as_bytes()).await?;
            left.extend(found.into_iter().filter(|&uid| set.contains(uid)).filter_map(Uid::new));
        }
        let words = "the server said that it was removed, and it is still there";
        let fault =
            |uid| self.fault(FaultKind::DeleteMessage, words).in_mailbox(mailbox).of_message(uid);
        Ok(left.into_iter().map(|uid| (uid, fault(uid))).collect())
    }

    /// Plain EXPUNGE removes whatever is `\Deleted` (RFC 3501 §6.4.3), so it is sent only
    /// where nothing else is.
    async fn expunge_without_uidplus(
        &mut self,
        mailbox: &MailboxName,
        values: &[u32],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        let marked = self.search(b"DELETED").await?;
        let others = marked.iter().filter(|uid| values.binary_search(uid).is_err()).count();
        let words = if others == 0 {
            let completion = self.run(&Command::new("EXPUNGE"), |_| {}).await?;
            if completion.is_ok() {
                return Ok(Vec::new());
            }
            completion.words()
        } else {
            format!(
                "marked \\Deleted and not expunged: the server has no UIDPLUS, and {others} other messages are \
                 marked \\Deleted there too"
            )
        };
        let fault = |uid| {
            self.fault(FaultKind::DeleteMessage, words.clone()).in_mailbox(mailbox).of_message(uid)
        };
        Ok(values.iter().filter_map(|&uid| Uid::new(uid)).map(|uid| (uid, fault(uid))).collect())
    }
}

impl Removable for ImapAccount {
    async fn change_flags(
        &mut self,
        mailbox: AsListed<'_>,
        updates: &[FlagUpdate],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.store_flags(mailbox, updates).await
    }

    async fn remove_messages(
        &mut self,
        mailbox: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Fault)>, Fault> {
        self.expunge_messages(mailbox, uids).await
    }

    async fn delete_empty_mailbox(&mut self, mailbox: &MailboxName) -> Result<Emptiness, Fault> {
        self.remove_empty_mailbox(mailbox).await
    }
}

fn flag_list(flags: &FlagSet) -> Vec<u8> {
    let words: Vec<&[u8]> =
        flags.iter().map(|flag| flag.as_bytes()).filter(|flag| is_flag(flag)).collect();
    [b"(", words.join(&b' ').as_slice(), b")"].concat()
}
