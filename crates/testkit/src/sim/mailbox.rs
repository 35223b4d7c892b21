//! What makes, opens and removes mailboxes (RFC 3501 §6.3.1-7).

use super::command::Access;
use super::flags::Flags;
use super::name;
use super::parse::{Parsed, Refusal};
use super::profile::{Keywords, Profile};
use super::session::{Answer, Session, done};
use super::view::View;
use super::wire::Out;

const SPECIAL_USES: [&str; 7] =
    ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"];

impl Session {
    pub(super) fn open(&mut self, name: &[u8], access: Access, out: &mut Out) -> Answer {
        // Whatever becomes of it, the old mailbox is no longer selected (RFC 3501 §6.3.1).
        self.view = None;
        let account = self.account()?;
        let name = name::accept(name, self.profile())?;
        let mut store = account.lock();
        let Some(view) = View::open(&mut store, &name, access) else {
            return Err(nonexistent());
        };
        let mailbox = view.mailbox(&mut store)?;
        let mut flags: Vec<String> = Flags::SYSTEM.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend(mailbox.keywords().iter().map(str::to_owned));
        out.line(format!("* FLAGS ({})", flags.join(" ")));
        out.line(format!("* {} EXISTS", view.uids().len()));
        out.line(format!("* {} RECENT", view.recent()));
        let unseen =
            mailbox.messages.values().position(|stored| !stored.message.flags.contains("\\Seen"));
        if let Some(place) = unseen {
            out.line(format!("* OK [UNSEEN {}] First unseen", place + 1));
        }
        out.line(permanent_flags(flags, access, self.profile()));
        out.line(format!("* OK [UIDVALIDITY {}] UIDs valid", mailbox.uid_validity));
        out.line(format!("* OK [UIDNEXT {}] Predicted next UID", mailbox.uid_next));
        drop(store);
        self.view = Some(view);
        match access {
            Access::ReadWrite => Ok("[READ-WRITE] Select completed".to_owned()),
            Access::ReadOnly => Ok("[READ-ONLY] Examine completed".to_owned()),
        }
    }

    pub(super) fn close(&mut self) -> Answer {
        let account = self.account()?;
        let view = self.view()?;
        if view.access() == Access::ReadWrite {
            let uids = view.uids().to_vec();
            let mut store = account.lock();
            let mailbox = view.mailbox(&mut store)?;
            for uid in uids {
                let stored = mailbox.messages.get(&uid);
                if stored.is_some_and(|stored| stored.message.flags.contains("\\Deleted")) {
                    mailbox.expunge(uid);
                }
            }
        }
        self.view = None;
        done("Close")
    }

    pub(super) fn create(&mut self, name: &[u8], uses: Vec<String>) -> Answer {
        let account = self.account()?;
        let profile = self.profile();
        let name = name::accept(name, profile)?;
        // A delimiter at the end says that children will follow; the mailbox goes without it
        // (RFC 3501 §6.3.3).
        let name = name.strip_suffix(char::from(profile.delimiter)).unwrap_or(&name);
        name::may_create(name, profile)?;
        let known =
            |wanted: &String| SPECIAL_USES.iter().any(|use_| use_.eq_ignore_ascii_case(wanted));
        if let Some(odd) = uses.iter().find(|wanted| !known(wanted)) {
            return Err(Refusal::no(format!("[USEATTR] {odd} not supported")));
        }
        let mut store = account.lock();
        if store.mailboxes.contains_key(name) {
            return Err(Refusal::no("[ALREADYEXISTS] Mailbox already exists"));
        }
        store.add(name).special_use = uses;
        done("Create")
    }

    pub(super) fn delete(&mut self, name: &[u8]) -> Answer {
        let account = self.account()?;
        let profile = self.profile();
        let name = name::accept(name, profile)?;
        if name == "INBOX" {
            return Err(Refusal::no("[CANNOT] INBOX cannot be deleted"));
        }
        check_personal(&name, profile)?;
        let below = format!("{name}{}", char::from(profile.delimiter));
        let mut store = account.lock();
        let has_children = store
            .mailboxes
            .range(below.clone()..)
            .next()
            .is_some_and(|(n, _)| n.starts_with(&below));
        let Some(gone) = store.mailboxes.remove(&name) else {
            return Err(match has_children {
                // It is \Noselect (RFC 3501 §6.3.4).
                true => Refusal::no("[HASCHILDREN] Name has children"),
                false => nonexistent(),
            });
        };
        drop(store);
        if self.view.as_ref().is_some_and(|view| view.is_of(gone.serial)) {
            self.view = None;
        }
        done("Delete")
    }

    pub(super) fn rename(&mut self, from: &[u8], to: &[u8]) -> Answer {
        let account = self.account()?;
        let profile = self.profile();
        let from = name::accept(from, profile)?;
        let to = name::accept(to, profile)?;
        name::may_create(&to, profile)?;
        check_personal(&from, profile)?;
        let below = format!("{from}{}", char::from(profile.delimiter));
        let mut store = account.lock();
        if store.mailboxes.contains_key(&to) {
            return Err(Refusal::no("[ALREADYEXISTS] Mailbox already exists"));
        }
        if from == "INBOX" {
            // Its messages move; INBOX stays, empty, and so do its children (RFC 3501 §6.3.5).
            if let Some(inbox) = store.mailboxes.remove("INBOX") {
                store.mailboxes.insert(to, inbox);
            }
            store.add("INBOX");
            return done("Rename");
        }
        if to.starts_with(&below) {
            return Err(Refusal::no("[CANNOT] A mailbox cannot move below itself"));
        }
        let moving: Vec<String> = store
            .mailboxes
            .keys()
            .filter(|name| **name == from || name.starts_with(&below))
            .cloned()
            .collect();
        if moving.is_empty() {
            return Err(nonexistent());
        }
        let renamed = |name: &String| format!("{to}{}", &name[from.len()..]);
        if moving.iter().any(|name| store.mailboxes.contains_key(&renamed(name))) {
            return Err(Refusal::no("[ALREADYEXISTS] A child already exists"));
        }
        for name in moving {
            if let Some(mailbox) = store.mailboxes.remove(&name) {
                store.mailboxes.insert(renamed(&name), mailbox);
            }
        }
        done("Rename")
    }

    pub(super) fn subscribe(&mut self, name: &[u8]) -> Answer {
        let account = self.account()?;
        let name = name::accept(name, self.profile())?;
        let mut store = account.lock();
        if !store.mailboxes.contains_key(&name) {
            return Err(nonexistent());
        }
        store.subscriptions.insert(name);
        done("Subscribe")
    }

    pub(super) fn unsubscribe(&mut self, name: &[u8]) -> Answer {
        let account = self.account()?;
        let name = name::accept(name, self.profile())?;
        account.lock().subscriptions.remove(&name);
        done("Unsubscribe")
    }
}

fn permanent_flags(mut flags: Vec<String>, access: Access, profile: &Profile) -> String {
    match (access, profile.keywords) {
        // As Dovecot does: it says nothing about what a SELECT would allow.
        (Access::ReadOnly, _) => flags.clear(),
        (_, Keywords::Kept | Keywords::DroppedByAppend) => flags.push("\\*".to_owned()),
        (_, Keywords::Dropped | Keywords::Refused) => flags.retain(|flag| flag.starts_with('\\')),
    }
    format!("* OK [PERMANENTFLAGS ({})] Flags permitted", flags.join(" "))
}

/// Refuses changes in others' mailboxes.
fn check_personal(name: &str, profile: &Profile) -> Parsed<()> {
    let foreign = [&profile.other, &profile.shared];
    if foreign.into_iter().flatten().any(|root| name.starts_with(root.as_str())) {
        return Err(Refusal::no("[NOPERM] Permission denied"));
    }
    Ok(())
}

fn nonexistent() -> Refusal {
    Refusal::no("[NONEXISTENT] Mailbox doesn't exist")
}
