//! What makes, renames and removes mailboxes (RFC 3501 §6.3.3-7).

use super::command::Access;
use super::habit::Labels;
use super::name;
use super::parse::{Parsed, Refusal};
use super::profile::{Extension, Profile};
use super::session::{Answer, Session, done};

const SPECIAL_USES: [&str; 7] =
    ["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"];

impl Session {
    pub(super) fn close(&mut self) -> Answer {
        let account = self.account()?;
        let view = self.view()?;
        if view.access() == Access::ReadWrite {
            let uids = view.uids().to_vec();
            let mut store = account.lock();
            let name = view.name_in(&store);
            for uid in uids {
                let stored = view.mailbox(&mut store)?.messages.get(&uid);
                if stored.is_some_and(|stored| stored.message.flags.contains("\\Deleted")) {
                    store.withdraw(&name, uid);
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
        let mailbox = store.add(name);
        mailbox.special_use = uses;
        match profile.has(Extension::ObjectId) {
            true => Ok(format!("[MAILBOXID ({})] Create completed", mailbox.object_id())),
            false => done("Create"),
        }
    }

    pub(super) fn delete(&mut self, name: &[u8]) -> Answer {
        let account = self.account()?;
        let profile = self.profile();
        let name = name::accept(name, profile)?;
        if name == "INBOX" {
            return Err(Refusal::no("[CANNOT] INBOX cannot be deleted"));
        }
        check_personal(&name, profile)?;
        if profile.habits.labels == Labels::Gmail && name.starts_with("[Gmail]/") {
            return Err(Refusal::no("[CANNOT] Invalid folder name: it belongs to the system"));
        }
        let below = format!("{name}{}", char::from(profile.delimiter));
        let mut store = account.lock();
        let has_children = store
            .mailboxes
            .range(below.clone()..)
            .next()
            .is_some_and(|(n, _)| n.starts_with(&below));
        let Some(gone) = store.remove(&name) else {
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
            store.rename("INBOX", &to);
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
            store.rename(&name, &renamed(&name));
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

/// Refuses changes in others' mailboxes.
fn check_personal(name: &str, profile: &Profile) -> Parsed<()> {
    let foreign = [&profile.other, &profile.shared];
    if foreign.into_iter().flatten().any(|root| name.starts_with(root.as_str())) {
        return Err(Refusal::no("[NOPERM] Permission denied"));
    }
    Ok(())
}

pub(super) fn nonexistent() -> Refusal {
    Refusal::no("[NONEXISTENT] Mailbox doesn't exist")
}
