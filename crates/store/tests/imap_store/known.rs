//! Listing with what an earlier run knew: the same messages with the same keys and flags as
//! without it, whatever happens on the server meanwhile.

use std::time::Duration;

use mailferry_engine::fault::Fault;
use mailferry_engine::identity::KeyRule;
use mailferry_engine::listing::{MessageListing, Row, SIZE_UNKNOWN};
use mailferry_engine::message::{FlagSet, InternalDate, Key, Uid};
use mailferry_engine::name::MailboxName;
use mailferry_store::contract::{DatesAsked, ListRequest, Listed, Origin, Selection, Source};
use mailferry_store::imap::ImapAccount;

use crate::model::{Folder, Folders, Model};
use crate::world::open;

/// A server that is known to keep the order of commands, and one that is not.
const GREETINGS: [&str; 2] = ["Dovecot ready.", "A server ready."];

/// What an earlier run knew of each mailbox.
type Known = Vec<(&'static str, MessageListing)>;

fn folders(count: usize) -> Folders {
    let names = ["A", "B", "C", "D", "E"];
    let folder = |(at, name): (usize, &&str)| {
        let mut folder = Folder::new(100 + u32::try_from(at).unwrap());
        for number in 0..4 + at {
            folder.receive(&format!("{number}@{name}"));
        }
        ((*name).to_owned(), folder)
    };
    names.iter().take(count).enumerate().map(folder).collect()
}

/// Lists every mailbox, as a survey does: first the account, then the messages.
async fn survey(store: &mut ImapAccount, known: &Known, selection: Option<&[u8]>) -> Vec<Listed> {
    let account = store.mailboxes().await.unwrap();
    let requests: Vec<ListRequest> = account
        .mailboxes
        .iter()
        .map(|info| ListRequest {
            mailbox: info.name.clone(),
            selection: Selection(selection.map(<[u8]>::to_vec)),
            now: info.mark.clone(),
            known: known
                .iter()
                .find(|(name, _)| MailboxName::from(*name) == info.name)
                .map(|(_, listing)| listing.clone()),
            dates: DatesAsked::WithTheRest,
        })
        .collect();
    let mut told: Vec<Option<Result<Listed, Fault>>> = requests.iter().map(|_| None).collect();
    let mut tell = |at: usize, listed| {
        assert!(told[at].replace(listed).is_none(), "mailbox {at} was told of twice");
    };
    let keys = KeyRule::default();
    let listing = store.list(requests, &keys, &mut tell);
    tokio::time::timeout(Duration::from_secs(5), listing).await.unwrap().unwrap();
    told.into_iter().map(|listed| listed.unwrap().unwrap()).collect()
}

async fn listed(model: &Model, known: &Known, selection: Option<&[u8]>) -> Vec<Listed> {
    survey(&mut open(model.address).await, known, selection).await
}

fn known_of(listed: &[Listed]) -> Known {
    let names = ["A", "B", "C", "D", "E"];
    names.into_iter().zip(listed.iter().map(|one| one.listing.clone())).collect()
}

/// What the plan is made of.
fn rows(listing: &MessageListing) -> Vec<String> {
    let row = |at: usize| {
        format!(
            "{} {:?} {} {:?} {:?} {}",
            listing.uid[at],
            listing.key[at],
            listing.size[at],
            listing.date[at],
            listing.flag_table.set(listing.flags[at]),
            listing.selected[at]
        )
    };
    (0..listing.len()).map(row).collect()
}

#[track_caller]
fn assert_same(one: &[Listed], other: &[Listed]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert_eq!(rows(&one.listing), rows(&other.listing));
    }
}

#[tokio::test]
async fn a_selection_is_searched_for_in_its_own_mailbox() {
    for greeting in GREETINGS {
        let model = Model::start(greeting, folders(5)).await;
        let known = known_of(&listed(&model, &Known::new(), None).await);
        model.change(|folders| {
            for (at, folder) in folders.values_mut().enumerate() {
                folder.receive("late");
                folder.expunge(1);
                folder.flag(2 + u32::try_from(at % 2).unwrap(), "\\Seen");
            }
        });
        let fresh = listed(&model, &Known::new(), Some(b"UNSEEN")).await;
        assert_same(&listed(&model, &known, Some(b"UNSEEN")).await, &fresh);
    }
}

/// Without a word of STATUS it is not known what to ask before EXAMINE is answered; by then
/// another mailbox must not be open.
#[tokio::test]
async fn a_mailbox_that_status_does_not_tell_of_is_listed_in_its_turn() {
    for greeting in GREETINGS {
        let model = Model::start(greeting, folders(5)).await;
        let fresh = listed(&model, &Known::new(), None).await;
        for silent in [&["A"][..], &["A", "B", "C", "D", "E"], &["B", "D"]] {
            model.change(|folders| {
                for (name, folder) in folders {
                    folder.tells_status = !silent.contains(&name.as_str());
                }
            });
            assert_same(&listed(&model, &Known::new(), None).await, &fresh);
            assert_same(&listed(&model, &known_of(&fresh), None).await, &fresh);
        }
    }
}

/// A flag that changes after STATUS is no flag that was asked for; it must be news next time.
#[tokio::test]
async fn a_flag_set_between_status_and_examine_is_not_taken_for_known() {
    for greeting in GREETINGS {
        for selection in [None, Some(&b"ALL"[..])] {
            let model = Model::start(greeting, folders(1)).await;
            let known = known_of(&listed(&model, &Known::new(), None).await);
            model.before(|command, folders| {
                if command.starts_with("EXAMINE") {
                    folders.get_mut("A").unwrap().flag(3, "\\Flagged");
                }
            });
            let meanwhile = listed(&model, &known, selection).await;
            model.before(|_, _| {});
            let later = listed(&model, &known_of(&meanwhile), None).await;
            assert_same(&later, &listed(&model, &Known::new(), None).await);
        }
    }
}

/// Dovecot begins its mod-sequences anew where its index files were removed, and keeps
/// UIDVALIDITY and UIDNEXT, which are in another file.
#[tokio::test]
async fn mod_sequences_that_went_back_say_nothing() {
    for greeting in GREETINGS {
        let model = Model::start(greeting, folders(2)).await;
        model.change(|folders| (0..50).for_each(|_| folders.get_mut("A").unwrap().flag(1, "x")));
        let known = known_of(&listed(&model, &Known::new(), None).await);
        model.change(|folders| {
            let folder = folders.get_mut("A").unwrap();
            folder.highest = 1;
            folder.letters.values_mut().for_each(|letter| letter.mod_sequence = 1);
            folder.flag(2, "\\Seen");
        });
        let fresh = listed(&model, &Known::new(), None).await;
        assert_same(&listed(&model, &known, None).await, &fresh);
        assert_same(&listed(&model, &known, Some(b"ALL")).await, &fresh);
    }
}

/// Flags and sizes alone are no listing of a message that was not known.
#[tokio::test]
async fn new_messages_have_their_keys_where_uidnext_is_not_told() {
    for greeting in GREETINGS {
        let mut folders = folders(2);
        folders.values_mut().for_each(|folder| folder.tells_uid_next = false);
        let model = Model::start(greeting, folders).await;
        let first = listed(&model, &Known::new(), None).await;
        for forget_modseq in [false, true] {
            let mut known = known_of(&first);
            if forget_modseq {
                known.iter_mut().for_each(|(_, listing)| listing.highest_modseq = 0);
            }
            model.change(|folders| {
                let folder = folders.get_mut("A").unwrap();
                folder.receive("late");
                let first = *folder.letters.keys().next().unwrap();
                folder.expunge(first);
                folder.receive("later");
            });
            let fresh = listed(&model, &Known::new(), None).await;
            assert_same(&listed(&model, &known, None).await, &fresh);
        }
    }
}

/// Whatever happens, and whenever: what is listed was there at some moment, and the next run
/// finds what this one missed.
#[tokio::test]
async fn what_happens_while_a_mailbox_is_listed_is_found_in_the_next_run() {
    type Happening = fn(&mut Folder);
    let happenings: [Happening; 5] = [
        |folder| {
            folder.receive("meanwhile");
        },
        |folder| folder.flag(3, "\\Seen"),
        |folder| folder.expunge(2),
        |folder| {
            folder.receive("meanwhile");
            folder.expunge(2);
        },
        |folder| {
            let uid = folder.receive("gone again");
            folder.expunge(uid);
        },
    ];
    for greeting in GREETINGS {
        for (moment, happening) in (0..8).flat_map(|at| happenings.map(|happening| (at, happening)))
        {
            let model = Model::start(greeting, folders(2)).await;
            let known = known_of(&listed(&model, &Known::new(), None).await);
            model.change(|folders| {
                let folder = folders.get_mut("A").unwrap();
                folder.receive("new");
                folder.flag(1, "work");
                folder.expunge(4);
            });
            let mut commands = 0;
            model.before(move |command, folders| {
                commands += usize::from(command.starts_with("EXAMINE") || commands > 0);
                if commands == moment + 1 {
                    happening(folders.get_mut("A").unwrap());
                }
            });
            let meanwhile = listed(&model, &known, None).await;
            model.before(|_, _| {});
            let later = listed(&model, &known_of(&meanwhile), None).await;
            assert_same(&later, &listed(&model, &Known::new(), None).await);
        }
    }
}

/// A copy of ours is known by its key; the rest is what the target made of it.
#[tokio::test]
async fn an_unchanged_mailbox_is_not_opened() {
    for greeting in GREETINGS {
        let model = Model::start(greeting, folders(5)).await;
        let known = known_of(&listed(&model, &Known::new(), None).await);
        model.take_log();
        let again = listed(&model, &known, None).await;
        assert!(again.iter().all(|listed| listed.origin == Origin::Unchanged));
        let opened = model.take_log().into_iter().filter(|command| command.starts_with("EXAMINE"));
        assert_eq!(opened.count(), 0);
        // Another UIDVALIDITY: nothing is known of its UIDs.
        model.change(|folders| folders.get_mut("B").unwrap().uid_validity = 999);
        let renumbered = listed(&model, &known, None).await;
        assert_eq!(renumbered[1].origin, Origin::Told);
    }
}

/// A copy as an earlier run knows it that made it: by the key of what was copied, and by the
/// date that it was given.
fn with_copy(listing: &MessageListing, second: i64) -> (MessageListing, Key) {
    let mut known = listing.clone();
    let (uid, key) = (Uid::new(known.uid_next).unwrap(), Key([7; 16]));
    let flags = known.flag_table.intern(FlagSet::default());
    let date = InternalDate::new(1_599_999_960 + second, 0);
    known.push(Row { uid, key, size: SIZE_UNKNOWN, date, flags, selected: true });
    known.uid_next += 1;
    (known, key)
}

#[tokio::test]
async fn of_a_copy_only_its_key_is_known_already() {
    for (greeting, mod_sequences) in GREETINGS.into_iter().flat_map(|one| [(one, 1), (one, 0)]) {
        let model = Model::start(greeting, folders(1)).await;
        let mut first = listed(&model, &Known::new(), None).await.pop().unwrap().listing;
        first.highest_modseq *= mod_sequences;
        model.change(|folders| {
            let folder = folders.get_mut("A").unwrap();
            let uid = folder.receive("rewritten by the target");
            folder.flag(uid, "\\Seen");
        });
        model.take_log();
        let (known, key) = with_copy(&first, 5);
        let again = listed(&model, &vec![("A", known)], None).await;
        let fresh = listed(&model, &Known::new(), None).await;
        let log = model.take_log();
        let headers = log.iter().filter(|command| command.contains("BODY.PEEK")).count();
        assert_eq!(headers, 1, "the fresh listing alone asks for headers: {log:?}");
        let (mut again, fresh) = (again[0].listing.clone(), &fresh[0].listing);
        assert_eq!(std::mem::replace(&mut again.key[4], fresh.key[4]), key);
        assert_eq!(rows(&again), rows(fresh));
    }
}

/// APPENDUID that names another message than the one that was appended.
#[tokio::test]
async fn a_copy_that_has_another_date_than_it_was_given_is_none() {
    for (greeting, mod_sequences) in GREETINGS.into_iter().flat_map(|one| [(one, 1), (one, 0)]) {
        let model = Model::start(greeting, folders(1)).await;
        let mut first = listed(&model, &Known::new(), None).await.pop().unwrap().listing;
        first.highest_modseq *= mod_sequences;
        model.change(|folders| {
            folders.get_mut("A").unwrap().receive("somebody else's");
        });
        let (known, _) = with_copy(&first, 40);
        let again = listed(&model, &vec![("A", known)], None).await;
        assert_same(&again, &listed(&model, &Known::new(), None).await);
    }
}
