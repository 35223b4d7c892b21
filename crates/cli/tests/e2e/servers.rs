//! The four jobs, odd messages and broken connections with every server of the farm, as target and
//! as source. What was found stands in `docs/servers.md`.

use crate::matrix;
use crate::matrix::mail::{furnish, odd_corpus, remove};
use crate::matrix::page::{self, Row, Side};
use crate::matrix::verdict::{Surplus, Verdict, essence, is_no_mailbox, judge, judge_but};
use crate::world::farm::{Kind, Server};
use crate::world::*;
use mailferry_testkit::proxy::{Cut, Manner, Proxy, Weather};
use std::collections::BTreeMap;

/// A server with an empty account; `None`: it was not fetched, and the test is left out.
fn start(kind: Kind) -> Option<Server> {
    Server::start_if_there(kind).unwrap()
}

/// The Dovecot on the other side: the one whose names are unlike the server's.
fn peer(world: &World, kind: Kind) -> &Dovecot {
    match kind {
        Kind::CyrusDot | Kind::Courier => &world.slash,
        _ => &world.dot,
    }
}

/// Once again with what the first run remembered, and without: nothing is copied or changed.
#[track_caller]
fn assert_settled(desk: &Desk, source: &Place<'_>, target: &Place<'_>, status: i32) {
    let uids = || {
        let mut uids = target.read().uids();
        uids.retain(|name, _| !is_no_mailbox(name));
        uids
    };
    let before = uids();
    desk.ferry("sync", source, target, &[]).expect(status);
    assert_eq!(before, uids(), "a second run copied something");
    Desk::new().ferry("sync", source, target, &[]).expect(status);
    assert_eq!(before, uids(), "a run without state copied something");
}

/// Transfer, presync and backup from `source` to `target`, then restore back.
fn four_jobs(source: &Place<'_>, target: &Place<'_>) -> Row {
    let desk = Desk::new();
    let mut row = Row::default();
    furnish(source);
    let original = source.read();
    desk.ferry("sync", source, target, &[]).expect(0);
    let transfer = judge(&original, &target.read(), Surplus::None);
    row.jobs.insert("transfer", transfer);
    assert_settled(&desk, source, target, 0);

    remove(source, "INBOX", &[5, 7]);
    remove(source, "Lists", &[0, 1, 2]);
    source.put("INBOX", &[mail("new", 200)]);
    desk.ferry("sync", source, target, &["--delete"]).expect(0);
    row.jobs.insert("presync", judge(&source.read(), &target.read(), Surplus::None));

    source.probe().delete("Gone").unwrap();
    let uid = matrix::mail::nth_uid(&source.read(), "INBOX", 0);
    source.probe().store("INBOX", &[uid], "FLAGS", "\\Flagged").unwrap();
    remove(source, "INBOX", &[3]);
    desk.ferry("sync", source, target, &["--mirror"]).expect(0);
    row.jobs.insert("backup", judge(&source.read(), &target.read(), Surplus::None));

    let saved = target.read();
    remove(source, "INBOX", &[1, 2]);
    source.probe().delete("Lists").unwrap();
    desk.ferry("restore", target, source, &["--yes"]).expect(0);
    row.jobs.insert("restore", judge(&saved, &source.read(), Surplus::None));
    row
}

/// Puts every odd message that the server takes into a mailbox of its own; answers by essence what
/// each is called.
fn put_odd(place: &Place<'_>) -> BTreeMap<Vec<u8>, String> {
    let mut probe = place.probe();
    probe.create_if_missing("Odd").unwrap();
    let mut names = BTreeMap::new();
    for odd in odd_corpus() {
        if probe.append("Odd", &odd.draft).is_ok() {
            names.insert(essence(&odd.draft.octets), odd.name);
        } else {
            probe = place.probe();
        }
    }
    names
}

fn odd_messages(source: &Place<'_>, target: &Place<'_>) -> Verdict {
    let names = put_odd(source);
    let original = source.read();
    let desk = Desk::new();
    let run = desk.ferry("sync", source, target, &[]);
    let verdict = judge_but(&original, &target.read(), Surplus::None, &names);
    let status = if verdict.refused.is_empty() { 0 } else { 114 };
    run.expect(status);
    assert_settled(&desk, source, target, status);
    verdict
}

/// A run whose connections to `stormy` break, then one in calm weather.
fn storm(source: &Place<'_>, target: &Place<'_>, stormy: Side, cut: Cut) -> u64 {
    let weather = Weather { cut: Some(cut), ..Weather::default() };
    let upstream = if stormy == Side::Target { target.server } else { source.server };
    let proxy = Proxy::start(upstream.imap(), weather).unwrap();
    let (from, to) = match stormy {
        Side::Target => (source.clone(), target.through(proxy.address())),
        Side::Source => (source.through(proxy.address()), target.clone()),
    };
    let original = source.read();
    let desk = Desk::new();
    let first = desk.ferry("sync", &from, &to, &[]);
    if first.status == Some(0) {
        judge(&original, &target.read(), Surplus::None);
    }
    let cuts = proxy.cuts();
    drop(proxy);
    desk.ferry("sync", source, target, &[]).expect(0);
    judge(&original, &target.read(), Surplus::None);
    Desk::new().ferry("sync", source, target, &[]).expect(0);
    judge(&original, &target.read(), Surplus::None);
    cuts
}

const STORMS: [Cut; 3] = [
    Cut { client_octets: 600, connections: 1, manner: Manner::Reset },
    Cut { client_octets: 3_000, connections: 2, manner: Manner::LostAnswers },
    Cut { client_octets: 8_000, connections: 1, manner: Manner::LostAnswers },
];

fn try_jobs(kind: Kind) {
    let Some(world) = World::open() else { return };
    let mut rows = BTreeMap::new();
    let dovecot = peer(&world, kind);
    let mut extensions = String::new();
    for side in [Side::Target, Side::Source] {
        let mut row = Row::default();
        for odd in [false, true] {
            let Some(server) = start(kind) else { return };
            extensions = page::used(kind, &server.probe().unwrap().capabilities().unwrap());
            let (here, there) = (Place::on(&server), Place::new(dovecot, "matrix"));
            let (source, target) =
                if side == Side::Source { (&here, &there) } else { (&there, &here) };
            if odd {
                row.jobs.insert("odd messages", odd_messages(source, target));
            } else {
                row.jobs.append(&mut four_jobs(source, target).jobs);
            }
        }
        rows.insert(side, row);
    }
    page::settle(kind, &rows, &extensions);
}

fn try_storms(kind: Kind) {
    let Some(world) = World::open() else { return };
    let dovecot = peer(&world, kind);
    let mut cuts = 0;
    for cut in STORMS {
        let Some(server) = start(kind) else { return };
        let (here, there) = (Place::on(&server), Place::new(dovecot, "storm"));
        furnish(&there);
        cuts += storm(&there, &here, Side::Target, cut);
        let back = Place::new(dovecot, "back");
        let cut = Cut { client_octets: cut.client_octets / 6, ..cut };
        cuts += storm(&here, &back, Side::Source, cut);
    }
    assert!(cuts > 2, "{kind:?}: only {cuts} cuts");
}

macro_rules! servers {
    ($($jobs:ident, $storms:ident: $kind:ident;)*) => {$(
        #[test]
        fn $jobs() {
            try_jobs(Kind::$kind);
        }

        #[test]
        fn $storms() {
            try_storms(Kind::$kind);
        }
    )*};
}

servers! {
    cyrus_carries_everything, cyrus_survives_cuts: Cyrus;
    cyrus_with_dots_carries_everything, cyrus_with_dots_survives_cuts: CyrusDot;
    courier_carries_everything, courier_survives_cuts: Courier;
    pymap_carries_everything, pymap_survives_cuts: Pymap;
    hoodiecrow_carries_everything, hoodiecrow_survives_cuts: Hoodiecrow;
    imap4d_carries_everything, imap4d_survives_cuts: Imap4d;
    uw_imapd_carries_everything, uw_imapd_survives_cuts: Uw;
    dovecot_2_4_carries_everything, dovecot_2_4_survives_cuts: Dovecot24;
    cyrus_3_10_carries_everything, cyrus_3_10_survives_cuts: Cyrus310;
}
