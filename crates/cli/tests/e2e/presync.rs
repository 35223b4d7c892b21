//! Presync: the target follows the source in the mailboxes they share, and keeps its own.

use crate::world::*;

const FRONTS: [Front; 2] = [Front::Imapsync, Front::Mailferry];

fn presync(front: Front, desk: &Desk, source: &Place<'_>, target: &Place<'_>) -> Finished {
    match front {
        Front::Imapsync => desk.imapsync(source, target, &["--delete2"]),
        Front::Mailferry => desk.ferry("sync", source, target, &["--delete"]),
    }
}

#[test]
fn shared_mailboxes_follow_and_the_targets_own_stay() {
    let Some(world) = World::open() else { return };
    for (front, way) in [
        (Front::Imapsync, Way::SlashToDot),
        (Front::Imapsync, Way::DotToSlash),
        (Front::Mailferry, Way::SlashToDot),
        (Front::Mailferry, Way::DotToSlash),
    ] {
        let (source, target) = world.pair(way);
        furnish(&source);
        let desk = Desk::new();
        target.put("Own/Deep", &mails("own", 3));
        target.put("Own empty", &[]);
        target.probe().subscribe("Own/Deep").unwrap();
        presync(front, &desk, &source, &target).expect(0);
        let own = target.read().uids()["Own/Deep"].clone();

        let before = source.read();
        let mut probe = source.probe();
        probe.remove("INBOX", &[uid_of(&before, "INBOX", "inbox 95")]).unwrap();
        probe.relocate("INBOX", &[uid_of(&before, "INBOX", "inbox 94")], "Sent").unwrap();
        source.put("INBOX", &[mail("late", 1)]);
        presync(front, &desk, &source, &target).expect(0);

        let copy = target.read();
        assert_copied(&source.read(), &copy, &Expect::superset());
        for (name, messages) in &source.read().mailboxes {
            assert_eq!(copy.messages(name).len(), messages.len(), "{front:?} {name}");
        }
        assert_eq!(copy.uids()["Own/Deep"], own);
        assert!(copy.mailboxes.contains_key("Own empty"));
        assert!(copy.subscriptions.contains("Own/Deep"));
    }
}

#[test]
fn a_mailbox_that_left_the_source_stays_on_the_target() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        let desk = Desk::new();
        presync(front, &desk, &source, &target).expect(0);
        source.probe().delete("Caf&AOk-").unwrap();
        presync(front, &desk, &source, &target).expect(0);
        assert_eq!(target.read().messages("Caf&AOk-").len(), 4, "{front:?}");
    }
}

#[test]
fn without_a_delete_rule_nothing_ever_goes() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::DotToSlash);
        furnish(&source);
        target.put("INBOX", &mails("own", 2));
        let desk = Desk::new();
        desk.transfer(front, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::superset());
        let uid = uid_of(&source.read(), "INBOX", "inbox 95");
        source.probe().remove("INBOX", &[uid]).unwrap();
        let copy = target.read();
        desk.transfer(front, &source, &target).expect(0);
        assert_untouched(&copy, &target.read());
    }
}

#[test]
fn the_last_presync_leaves_nothing_for_the_switch() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        let desk = Desk::new();
        presync(front, &desk, &source, &target).expect(0);
        let copy = target.read();
        let last = presync(front, &desk, &source, &target).expect(0);
        assert_untouched(&copy, &target.read());
        if front == Front::Imapsync {
            assert_eq!((last.transferred(), last.statistic("Messages deleted on host2")), (0, 0));
        }
    }
}
