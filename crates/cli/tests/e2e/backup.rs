//! Exact backups: the target becomes the source's equal, and nothing more goes than has to.

use std::path::Path;

use crate::world::*;

/// Makes the target an exact copy.
fn back_up(front: Front, desk: &Desk, source: &Place<'_>, target: &Place<'_>) -> Finished {
    match front {
        Front::Imapsync => {
            desk.imapsync(source, target, &["--delete2", "--delete2folders", "--addheader"])
        }
        Front::Mailferry => desk.ferry("sync", source, target, &["--mirror"]),
    }
}

const FRONTS: [Front; 2] = [Front::Imapsync, Front::Mailferry];

#[test]
fn what_the_source_does_not_have_goes_and_what_it_has_comes() {
    let Some(world) = World::open() else { return };
    for (front, way) in [
        (Front::Imapsync, Way::SlashToDot),
        (Front::Imapsync, Way::DotToSlash),
        (Front::Mailferry, Way::SlashToDot),
        (Front::Mailferry, Way::DotToSlash),
    ] {
        let (source, target) = world.pair(way);
        furnish(&source);
        target.put("INBOX", &mails("stranger", 2));
        target.put("Sent", &mails("stranger", 1));
        target.put("Old/Deep", &mails("stranger", 2));
        target.put("Old empty", &[]);
        back_up(front, &Desk::new(), &source, &target).expect(0);
        let expect = Expect { order: Duty::May, ..Expect::exact() };
        assert_copied(&source.read(), &target.read(), &expect);
    }
}

#[test]
fn a_backup_follows_the_source_through_its_days() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        let desk = Desk::new();
        back_up(front, &desk, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());

        let before = source.read();
        let mut probe = source.probe();
        probe.remove("INBOX", &[uid_of(&before, "INBOX", "inbox 95")]).unwrap();
        probe.relocate("INBOX", &[uid_of(&before, "INBOX", "inbox 94")], "Caf&AOk-").unwrap();
        probe.store("INBOX", &[uid_of(&before, "INBOX", "inbox 99")], "FLAGS", "work").unwrap();
        probe.delete("Drafts").unwrap();
        source.put("New/Box", &mails("new", 2));
        back_up(front, &desk, &source, &target).expect(0);
        assert_copied(&source.read(), &target.read(), &Expect::exact());

        let copy = target.read();
        back_up(front, &desk, &source, &target).expect(0);
        assert_untouched(&copy, &target.read());
    }
}

#[test]
fn inbox_is_emptied_and_never_removed() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::DotToSlash);
        source.put("Kept", &mails("kept", 8));
        target.put("Kept", &mails("kept", 8));
        target.put("INBOX", &mails("stranger", 2));
        back_up(front, &Desk::new(), &source, &target).expect(0);
        let copy = target.read();
        assert!(copy.mailboxes.contains_key("INBOX"));
        assert_copied(&source.read(), &copy, &Expect::exact());
    }
}

#[test]
fn the_source_is_only_read() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        let original = source.read();
        target.put("INBOX", &mails("stranger", 3));
        back_up(front, &Desk::new(), &source, &target).expect(0);
        assert_eq!(target.read().message_count(), original.message_count());
        assert_untouched(&original, &source.read());
    }
}

#[test]
fn a_surplus_copy_of_a_message_goes_and_one_stays() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        source.put("INBOX", &mails("single", 6));
        target.put("INBOX", &mails("single", 6));
        target.put("INBOX", &[mail("single", 3)]);
        back_up(front, &Desk::new(), &source, &target).expect(0);
        assert_eq!(target.read().messages("INBOX").len(), 6, "{front:?}");
        assert_copied(&source.read(), &target.read(), &Expect::exact());
    }
}

#[test]
fn an_emptied_source_does_not_empty_its_backup_unasked() {
    let Some(world) = World::open() else { return };
    for front in FRONTS {
        let (source, target) = world.pair(Way::SlashToDot);
        furnish(&source);
        source.put("INBOX", &mails("more", 40));
        let desk = Desk::new();
        back_up(front, &desk, &source, &target).expect(0);
        let copy = target.read();

        let account = source.read();
        let mut probe = source.probe();
        for (name, messages) in &account.mailboxes {
            let uids: Vec<u32> = messages.iter().map(|message| message.uid).collect();
            if !uids.is_empty() {
                probe.remove(name, &uids).unwrap();
            }
        }
        back_up(front, &desk, &source, &target).expect(121);
        assert_untouched(&copy, &target.read());
    }
}

#[test]
fn mailferry_does_not_take_most_of_a_mailbox_away_unasked() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("inbox", 40));
    source.put("Sent", &mails("sent", 60));
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
    let copy = target.read();
    source.probe().remove("INBOX", &(1..=30).collect::<Vec<_>>()).unwrap();
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(121);
    assert_untouched(&copy, &target.read());
}

/// Who sits at a terminal is asked; anybody else is refused.
#[test]
fn on_a_terminal_one_may_agree_that_most_of_a_mailbox_goes() {
    let Some(world) = World::open() else { return };
    if !Path::new("/usr/bin/script").exists() {
        return;
    }
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("inbox", 40));
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
    let copy = target.read();
    source.probe().remove("INBOX", &(1..=30).collect::<Vec<_>>()).unwrap();
    for (answer, status, left) in [("n", 121, 40), ("", 121, 40), ("y", 0, 10)] {
        let inner = desk.ferry_command("sync", &source, &target, &["--mirror"]);
        let shell = format!("echo {answer} | script -qec \"$*\" /dev/null");
        let mut command = desk.shell(&shell);
        command.arg("sh").arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        let run = desk.finish(command).expect(status);
        assert!(run.text().contains("Remove so many nevertheless? [y/N]"), "{}", run.report());
        assert_eq!(target.read().messages("INBOX").len(), left, "{}", run.report());
        if status != 0 {
            assert_untouched(&copy, &target.read());
        }
    }
}

#[test]
fn a_backup_onto_a_server_without_extensions_is_exact_too() {
    let Some(world) = World::open() else { return };
    let Some(old) = server(&Setup::plain_old(Layout::DotInbox)) else { return };
    let (source, target) = (Place::new(&world.slash, "from"), Place::new(&old, "to"));
    source.put("INBOX", &mails("kept", 8));
    let desk = Desk::new();
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
    desk.ferry("sync", &source, &target, &["--mirror"]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}
