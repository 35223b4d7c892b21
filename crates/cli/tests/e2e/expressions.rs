//! Perl's expressions on imapsync's command line, between two real servers.

use crate::world::*;

/// Some mailboxes with one message each.
fn fill(place: &Place<'_>, names: &[&str]) {
    for name in names {
        place.put(name, &mails(&name.to_ascii_lowercase().replace(['/', ' ', '&'], "-"), 1));
    }
}

/// The mailboxes that hold messages, in order.
fn holding(account: &Account) -> Vec<&str> {
    let mailboxes = account.mailboxes.iter();
    mailboxes.filter(|(_, messages)| !messages.is_empty()).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn names_are_rewritten_after_prefix_and_separator_and_recognised_again() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    fill(&source, &["INBOX", "Work/2020", "[Gmail]/Sent Mail", "Caf&AOk-", "a b"]);
    let desk = Desk::new();
    let options = [
        // The prefix of the target is in place already.
        "--regextrans2",
        r"s,^INBOX\.Work\.(.*),INBOX.Archive.\U$1_work\E,",
        "--regextrans2",
        r"s,\[Gmail\].,,",
        "--regextrans2",
        "tr/ /_/",
        "--regextrans2",
        r"s/Caf/\UCaf/",
    ];
    desk.imapsync(&source, &target, &options).expect(0);
    let copy = target.read();
    let expected = ["Archive/2020_WORK", "CAF&AOk-", "INBOX", "Sent_Mail", "a_b"];
    assert_eq!(holding(&copy), expected);
    let again = desk.imapsync(&source, &target, &options).expect(0);
    assert_eq!(again.transferred(), 0);
    assert_untouched(&copy, &target.read());
}

#[test]
fn a_mapping_said_outright_is_not_rewritten() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    fill(&source, &["One", "Two"]);
    let options = ["--f1f2", "INBOX.One=Own", "--regextrans2", "s/.*/All/"];
    Desk::new().imapsync(&source, &target, &options).expect(0);
    assert_eq!(holding(&target.read()), ["All", "Own"]);
}

#[test]
fn folders_are_chosen_by_look_around() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    fill(&source, &["INBOX", "Junk", "Junk/Old", "Work", "Work/Junk", "Caf&AOk-"]);
    let options = ["--include", "^(?!INBOX|Caf)", "--exclude", "(?i)(?<!/)JUNK$"];
    Desk::new().imapsync(&source, &target, &options).expect(0);
    assert_eq!(holding(&target.read()), ["Junk/Old", "Work", "Work/Junk"]);
}

#[test]
fn flags_are_rewritten_for_new_messages_and_for_those_already_there() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let drafts = [
        mail("marked", 1).flagged("\\Flagged \\Seen $Forwarded"),
        mail("plain", 2),
        mail("junk", 3).flagged("NonJunk"),
    ];
    source.put("INBOX", &drafts);
    let desk = Desk::new();
    let options =
        ["--regexflag", r"s/\\Flagged//g", "--regexflag", r"s/NonJunk/\$NotJunk/", "--regexflag"];
    let flags = || target.read().messages("INBOX").iter().map(|m| m.flags.join(" ")).collect();
    let first: Vec<&str> = [&options[..], &["s/^$/\\\\Seen/"]].concat();
    desk.imapsync(&source, &target, &first).expect(0);
    let found: Vec<String> = flags();
    assert_eq!(found, ["$Forwarded \\Seen", "\\Seen", "$NotJunk"]);

    let copy = target.read();
    desk.imapsync(&source, &target, &first).expect(0);
    assert_untouched(&copy, &target.read());

    let second: Vec<&str> = [&options[..], &["s/^$/\\\\Answered/"]].concat();
    desk.imapsync(&source, &target, &second).expect(0);
    let found: Vec<String> = flags();
    assert_eq!(found, ["$Forwarded \\Seen", "\\Answered", "$NotJunk"]);
    assert_eq!(source.read().messages("INBOX")[0].flags, ["$Forwarded", "\\Flagged", "\\Seen"]);
}

#[test]
fn only_matching_folders_are_deleted() {
    let Some(world) = World::open() else { return };
    let extra = ["NEW_1", "NEW_2", "Old/NEW_3", "Other"];
    for (option, value, expected) in [
        ("--delete2foldersonly", "/NEW_[12]$/", &["INBOX", "Old/NEW_3", "Other"][..]),
        ("--delete2foldersbutnot", r"m{\.(?=new)}i", &["INBOX", "NEW_1", "NEW_2", "Old/NEW_3"]),
    ] {
        let (source, target) = world.pair(Way::SlashToDot);
        fill(&source, &["INBOX"]);
        fill(&target, &extra);
        Desk::new().imapsync(&source, &target, &[option, value]).expect(0);
        assert_eq!(holding(&target.read()), expected, "{option}");
    }
}

#[test]
fn what_is_no_expression_is_64_before_any_login() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    fill(&source, &["INBOX"]);
    fill(&target, &["Extra"]);
    for (option, value, remedy) in [
        ("--delete2foldersonly", "Extra", "write `/…/` or `m{…}`"),
        ("--regextrans2", "s,$,@example.org,", r"write `\@` for an at sign"),
        ("--regextrans2", "INBOX", "write `s/…/…/` or `tr/…/…/`"),
        ("--regexflag", "s/$MDNSent//g", r"write `\$` for a dollar sign"),
        ("--exclude", "a(b", "write `\\`"),
    ] {
        let run = Desk::new().imapsync(&source, &target, &[option, value]).expect(64);
        assert!(run.text().contains(&format!("`{option} {value}` is refused")), "{}", run.report());
        assert!(run.text().contains(remedy), "{}", run.report());
        assert!(!run.text().contains("Host1: IMAP server"), "{}", run.report());
    }
    assert_eq!(holding(&target.read()), ["Extra"]);
}

/// Nothing may rest on a name that was guessed.
#[test]
fn an_expression_without_an_end_stops_the_run_before_it_changes_anything() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let endless = "a".repeat(40) + "b";
    fill(&source, &["INBOX", &endless]);
    for (option, value) in
        [("--regextrans2", "s/(a|a?)+$/x/"), ("--exclude", "^(a|a?)+$"), ("--include", "^(a|a?)+$")]
    {
        let run = Desk::new().imapsync(&source, &target, &[option, value]).expect(111);
        assert!(run.text().contains(value), "{}", run.report());
        assert!(run.text().contains("more ways to match than it may"), "{}", run.report());
        assert!(run.text().contains("more ways to match than it may"), "{}", run.report());
        assert_eq!(target.read().message_count(), 0);
    }
}
