//! The four jobs with every imitated provider, as target and as source. What was found stands in
//! `docs/servers.md`.

use std::collections::BTreeMap;

use crate::imitation;
use crate::imitation::{
    Side, Surplus, Verdict, fill, judge, judge_anywhere, own_mailbox, page, uids,
};
use crate::pair::Pair;
use crate::world::{Desk, Finished, Front};
use mailferry_testkit::sim::provider::Provider;
use mailferry_testkit::sim::{Account, Profile};

/// A provider, a plain server on the other side, and the program between them.
struct Trial {
    provider: Provider,
    side: Side,
    pair: Pair,
    desk: Desk,
}

impl Trial {
    fn new(provider: Provider, side: Side) -> Self {
        let (own, plain) = (provider.profile(), Profile::modern());
        let pair = match side {
            Side::Target => Pair::new(plain, own),
            Side::Source => Pair::new(own, plain),
        };
        let (imitated, other) = match side {
            Side::Target => (&pair.to, &pair.from),
            Side::Source => (&pair.from, &pair.to),
        };
        provider.furnish(imitated);
        other.mark("Sent", "\\Sent");
        Self { provider, side, pair, desk: Desk::new() }
    }

    /// Mail of several kinds, in mailboxes that both sides can have.
    fn furnish(&self) {
        let from = &self.pair.from;
        fill(from, "INBOX", 100, 24, &["\\Seen"]);
        fill(from, "INBOX", 200, 3, &["\\Seen", "\\Answered"]);
        fill(from, "INBOX", 210, 3, &["\\Flagged"]);
        if self.side == Side::Target || self.keeps_keywords() {
            fill(from, "INBOX", 220, 2, &["work", "\\Seen"]);
        }
        fill(from, own_mailbox(self.provider), 300, 25, &[]);
        let sent = if self.provider == Provider::Gmail && self.side == Side::Source {
            "[Gmail]/Sent Mail"
        } else {
            "Sent"
        };
        fill(from, sent, 400, 21, &["\\Seen"]);
    }

    fn keeps_keywords(&self) -> bool {
        !matches!(self.provider, Provider::Exchange | Provider::Yahoo | Provider::Domino)
    }

    fn run(&self, desk: &Desk, verb: &str, options: &[&str]) -> Finished {
        let call = (Front::Mailferry, verb, options);
        desk.finish(self.pair.within(desk, "exec \"$@\"", call))
    }

    /// From the target back to the source.
    fn run_back(&self, verb: &str, options: &[&str]) -> Finished {
        let mut words = self.pair.words(Front::Mailferry, verb, options);
        words.swap(2, 3);
        let mut command = self.desk.shell("exec \"$@\"");
        command.arg("sh").args(words);
        self.desk.finish(command)
    }

    fn delimiter(&self, of: Side) -> u8 {
        let server = if of == Side::Target { &self.pair.target } else { &self.pair.source };
        server.state().profile().delimiter
    }

    #[track_caller]
    fn judge(&self, surplus: Surplus) -> Verdict {
        judge(&self.pair.from, &self.pair.to, self.delimiter(Side::Target), surplus)
    }

    /// Whether what arrived there cannot be recognised: headers are rewritten, and no UIDs told.
    fn is_rewritten(&self) -> bool {
        self.provider == Provider::Domino && self.side == Side::Target
    }

    /// Nothing is recognised, so nothing is copied twice and nothing removed, and that is told.
    #[track_caller]
    fn assert_left_alone(&self) {
        let before = (uids(&self.pair.from), uids(&self.pair.to));
        for desk in [&self.desk, &Desk::new()] {
            for options in [&[][..], &["--delete"], &["--mirror"]] {
                let run = self.run(desk, "sync", options).expect(111);
                assert!(run.all().contains("holds only strangers"), "{}", run.report());
            }
        }
        self.run_back("restore", &["--yes"]).expect(111);
        assert_eq!(before, (uids(&self.pair.from), uids(&self.pair.to)));
    }

    /// Once again, with what the first run remembered and without: nothing is copied or changed.
    #[track_caller]
    fn assert_settled(&self) {
        let before = uids(&self.pair.to);
        self.run(&self.desk, "sync", &[]).expect(0);
        assert_eq!(before, uids(&self.pair.to), "a second run copied something");
        self.run(&Desk::new(), "sync", &[]).expect(0);
        assert_eq!(before, uids(&self.pair.to), "a run without state copied something");
    }

    fn four_jobs(&self) {
        let (from, to) = (&self.pair.from, &self.pair.to);
        let lists = own_mailbox(self.provider);
        let mut row: BTreeMap<&'static str, Verdict> = BTreeMap::new();
        self.furnish();
        self.run(&self.desk, "sync", &[]).expect(if self.is_rewritten() { 111 } else { 0 });
        row.insert("transfer", self.judge(Surplus::None));
        if self.is_rewritten() {
            self.assert_left_alone();
            return page::settle(self.provider, self.side, &row);
        }
        self.assert_settled();

        remove(from, "INBOX", &[3, 5]);
        remove(from, lists, &[0, 1, 2]);
        fill(from, "INBOX", 500, 1, &[]);
        self.run(&self.desk, "sync", &["--delete"]).expect(0);
        row.insert("presync", self.judge(Surplus::None));

        remove(from, "INBOX", &[1]);
        let uid = from.messages("INBOX")[0].uid;
        from.set_flags("INBOX", uid, &["\\Seen", "\\Flagged"]);
        self.run(&self.desk, "sync", &["--mirror"]).expect(0);
        row.insert("backup", self.judge(Surplus::None));

        remove(from, "INBOX", &[0, 2]);
        remove(from, lists, &[4, 5, 6]);
        // A run to a server that rewrites headers says that nobody will know these copies.
        let told = if self.provider == Provider::Domino { 111 } else { 0 };
        self.run_back("restore", &["--yes"]).expect(told);
        row.insert(
            "restore",
            match self.provider {
                // What All Mail has was moved, and stays where it is.
                Provider::Gmail => judge_anywhere(to, from),
                _ => judge(to, from, self.delimiter(Side::Source), Surplus::Allowed),
            },
        );
        page::settle(self.provider, self.side, &row);
    }
}

/// Takes the messages at these places away, as their owner would.
fn remove(account: &Account, mailbox: &str, places: &[usize]) {
    let messages = account.messages(mailbox);
    for &place in places {
        let message = &messages[place];
        for (name, there) in account.snapshot() {
            let copies = there.iter().filter(|it| it.octets == message.octets);
            for copy in copies.filter(|_| name == mailbox || imitation::is_view(&name)) {
                account.expunge(&name, copy.uid);
            }
        }
    }
}

/// More than Yahoo shows of a mailbox.
const YAHOO_MESSAGES: i64 = 10_003;

/// Both sides have the same mail, and the oldest of it is not shown on the side of Yahoo.
#[track_caller]
fn yahoo_hides_the_oldest(side: Side) -> Trial {
    let trial = Trial::new(Provider::Yahoo, side);
    for account in [&trial.pair.from, &trial.pair.to] {
        fill(account, "INBOX", 100, YAHOO_MESSAGES, &["\\Seen"]);
    }
    trial
}

impl Trial {
    /// Every manner of run leaves the target alone and says why.
    #[track_caller]
    fn assert_nothing_changes(&self, manners: &[&[&str]]) {
        let before = uids(&self.pair.to);
        for desk in [&self.desk, &self.desk, &Desk::new()] {
            for options in manners {
                let run = self.run(desk, "sync", options).expect(122);
                let told = "may hold more than it shows";
                assert!(run.all().contains(told), "{}", run.report());
                assert_eq!(before, uids(&self.pair.to), "{}", run.report());
            }
        }
    }
}

#[test]
fn what_yahoo_no_longer_shows_is_not_removed_from_a_backup() {
    let trial = yahoo_hides_the_oldest(Side::Source);
    fill(&trial.pair.to, "INBOX", 90, 1, &[]);
    trial.assert_nothing_changes(&[&["--delete"], &["--mirror"]]);
    // What is new is seen and copied all the same.
    fill(&trial.pair.from, "INBOX", 90_000, 1, &[]);
    trial.run(&trial.desk, "sync", &["--delete"]).expect(122);
    assert_eq!(trial.pair.to.messages("INBOX").len() as i64, YAHOO_MESSAGES + 2);
}

#[test]
fn what_yahoo_no_longer_shows_is_not_copied_there_again() {
    let trial = yahoo_hides_the_oldest(Side::Target);
    trial.assert_nothing_changes(&[&[], &["--mirror"]]);
}

macro_rules! providers {
    ($($target:ident, $source:ident: $provider:ident;)*) => {$(
        #[test]
        fn $target() {
            Trial::new(Provider::$provider, Side::Target).four_jobs();
        }

        #[test]
        fn $source() {
            Trial::new(Provider::$provider, Side::Source).four_jobs();
        }
    )*};
}

providers! {
    gmail_takes_everything, gmail_gives_everything: Gmail;
    exchange_takes_everything, exchange_gives_everything: Exchange;
    yahoo_takes_everything, yahoo_gives_everything: Yahoo;
    icloud_takes_everything, icloud_gives_everything: ICloud;
    proton_bridge_takes_everything, proton_bridge_gives_everything: ProtonBridge;
    zimbra_takes_everything, zimbra_gives_everything: Zimbra;
    domino_takes_everything, domino_gives_everything: Domino;
}
