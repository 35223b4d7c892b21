//! Names as they come out of the rules.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::listing::Namespace;

fn hierarchy(prefix: &str, delimiter: u8) -> Hierarchy {
    Hierarchy { prefix: prefix.as_bytes().into(), delimiter: Some(delimiter) }
}

fn rules<'a>(source: Hierarchy, target: Hierarchy) -> MappingRules<'a> {
    MappingRules { source, target, fix_slash: FixSlash::Off, ..MappingRules::default() }
}

#[track_caller]
fn assert_names(rules: &MappingRules<'_>, expected: &[(&str, &str)]) {
    for (source, target) in expected {
        assert_eq!(rules.map_name(source.as_bytes()).unwrap().to_string(), *target, "{source:?}");
    }
}

/// U01, U02 and U04 of the unit catalogue.
#[test]
fn delimiters_of_one_server_become_those_of_the_other() {
    let mut to_dot = rules(hierarchy("", b'/'), hierarchy("", b'.'));
    assert_names(
        &to_dot,
        &[
            ("", "INBOX"),
            ("spam/spam", "spam.spam"),
            ("spam.spam", "spam/spam"),
            ("spam/spam.spam", "spam.spam/spam"),
            ("s pam/spam.sp  am", "s pam.spam/sp  am"),
        ],
    );
    to_dot.fix_slash = FixSlash::On;
    assert_names(&to_dot, &[("spam.spam", "spam_spam"), ("a/b.c", "a.b_c")]);
    let to_slash = rules(hierarchy("", b'.'), hierarchy("", b'/'));
    assert_names(
        &to_slash,
        &[
            ("spam/spam", "spam.spam"),
            ("spam.spam", "spam/spam"),
            ("spam/spam.spam", "spam.spam/spam"),
        ],
    );
}

struct Rewrite(fn(&[u8]) -> Vec<u8>);
impl NameRewrite for Rewrite {
    fn rewrite(&self, name: &[u8]) -> Result<Vec<u8>, RuleFailed> {
        Ok((self.0)(name))
    }
}

/// U06 and U08: the rewriting sees the name as it is on the target.
#[test]
fn a_rewriting_has_the_last_word() {
    let slash_to_x = Rewrite(|name| {
        name.iter().map(|&octet| if octet == b'/' { b'X' } else { octet }).collect()
    });
    let mut to_dot = rules(hierarchy("", b'/'), hierarchy("", b'.'));
    to_dot.rewrite = Some(&slash_to_x);
    assert_names(
        &to_dot,
        &[
            ("spam/spam", "spam.spam"),
            ("spam.spam", "spamXspam"),
            ("spam/spam.spam", "spam.spamXspam"),
        ],
    );
    let upper = Rewrite(<[u8]>::to_ascii_uppercase);
    let mut shouting = rules(hierarchy("INBOX.", b'.'), hierarchy("", b'/'));
    shouting.rewrite = Some(&upper);
    assert_names(&shouting, &[("INBOX.TEST.test.Test.tesT", "TEST/TEST/TEST/TEST")]);
}

#[test]
fn a_rewriting_does_not_change_the_case_of_inbox() {
    let lower = Rewrite(<[u8]>::to_ascii_lowercase);
    let mut below = rules(hierarchy("", b'/'), hierarchy("INBOX.", b'.'));
    below.rewrite = Some(&lower);
    assert_names(&below, &[("Sent", "INBOX.sent"), ("A/B", "INBOX.a.b"), ("INBOX", "INBOX")]);
    let mut elsewhere = rules(hierarchy("", b'/'), hierarchy("Mail.", b'.'));
    elsewhere.rewrite = Some(&lower);
    assert_names(&elsewhere, &[("Sent", "mail.sent")]);
}

/// U09, U10 and the part of U17 that a whole mapping shows.
#[test]
fn a_prefix_is_taken_off_once_and_another_put_in_front() {
    let blank = rules(hierarchy(" ", b'.'), hierarchy("", b'/'));
    assert_names(
        &blank,
        &[("spam/spam.spam", "spam.spam/spam"), (" spam/spam.spam", "spam.spam/spam")],
    );
    let both = rules(hierarchy("Pf1.", b'.'), hierarchy("Pf2/", b'/'));
    assert_names(
        &both,
        &[
            ("F1.F2.F3", "Pf2/F1/F2/F3"),
            ("Pf1.F1.F2.F3", "Pf2/F1/F2/F3"),
            ("F1.INBOX", "Pf2/F1/INBOX"),
            ("Pf1.F1.INBOX", "Pf2/F1/INBOX"),
            ("Pf1.", "INBOX"),
            ("inbox", "INBOX"),
        ],
    );
    let letters = rules(hierarchy("PPP", b's'), hierarchy("QQQ", b't'));
    let change = |name: &str| letters.change_hierarchy(name.as_bytes());
    for (source, target) in [
        ("", "QQQ"),
        ("lalala", "QQQlalala"),
        ("sss", "QQQttt"),
        ("PPPPlalala", "QQQPlalala"),
        ("PPPsAAAsBBB", "QQQtAAAtBBB"),
        ("lal/ala", "QQQlal/ala"),
    ] {
        assert_eq!(change(source), target.as_bytes());
    }
}

/// U12 and U13.
#[test]
fn everything_comes_below_a_subtree_of_the_target() {
    let mut below = rules(hierarchy("", b'/'), hierarchy("", b'.'));
    below.target_subtree = Some(b"S1.S2"[..].into());
    assert_names(&below, &[("F1/F2/F3", "S1.S2.F1.F2.F3"), ("INBOX", "S1.S2.INBOX")]);
    let mut prefixed = rules(hierarchy("Pf1/", b'/'), hierarchy("Pf2.", b'.'));
    prefixed.target_subtree = Some(b"Pf2.S1.S2"[..].into());
    assert_names(
        &prefixed,
        &[
            ("F1/F2/F3", "Pf2.S1.S2.F1.F2.F3"),
            ("Pf1/F1/F2/F3", "Pf2.S1.S2.F1.F2.F3"),
            ("INBOX", "Pf2.S1.S2.INBOX"),
            ("Pf1/INBOX", "Pf2.S1.S2.INBOX"),
        ],
    );
}

/// U14 and U16.
#[test]
fn a_subtree_of_the_source_comes_to_the_top() {
    for subtree in [&b"S1.S2"[..], b"S1.S2."] {
        let mut top = rules(hierarchy("Pf1.", b'.'), hierarchy("Pf2/", b'/'));
        top.source_subtree = Some(subtree.into());
        assert_names(
            &top,
            &[
                ("S1.S2.F1.F2.F3", "Pf2/F1/F2/F3"),
                ("Pf1.S1.S2.F1.F2.F3", "Pf2/F1/F2/F3"),
                ("S1.S2", "INBOX"),
                ("Pf1.S1.S2", "INBOX"),
                ("S1.S22.F", "Pf2/S1/S22/F"),
            ],
        );
    }
    let mut top = rules(hierarchy("", b'/'), hierarchy("", b'/'));
    top.source_subtree = Some(b"S1/S2"[..].into());
    assert_names(&top, &[("S1/S2/F1/F2/F3", "F1/F2/F3"), ("S1/S2", "INBOX"), ("S1/S2/", "INBOX")]);
}

/// U21.
#[test]
fn the_name_of_a_subtree_is_cleaned() {
    let clean = |name: &str| clean_subtree(name.as_bytes());
    assert_eq!(clean(" ab cd ").as_deref(), Some(&b"ab cd"[..]));
    assert_eq!(clean("a&~b#\\c[]=d;").as_deref(), Some(&b"abcd"[..]));
    assert_eq!(clean("   "), None);
}

/// U26.
#[test]
fn an_explicit_mapping_is_split_at_the_first_equals_sign() {
    assert_eq!(split_explicit(b"A=B=C"), (&b"A"[..], &b"B=C"[..]));
    assert_eq!(split_explicit(b"toto="), (&b"toto"[..], &b""[..]));
}

fn info(name: &str, special_use: Option<SpecialUse>) -> MailboxInfo {
    MailboxInfo {
        name: name.into(),
        delimiter: Some(b'/'),
        namespace: Namespace::Personal,
        special_use,
        selectable: true,
        subscribed: false,
        messages: None,
        mark: Default::default(),
    }
}

fn account(mailboxes: &[(&str, Option<SpecialUse>)]) -> AccountListing {
    AccountListing {
        mailboxes: mailboxes.iter().map(|(name, use_)| info(name, *use_)).collect(),
        delimiter: Some(b'/'),
        ..AccountListing::default()
    }
}

fn map(
    source: &[(&str, Option<SpecialUse>)],
    target: &[(&str, Option<SpecialUse>)],
    rules: &MappingRules<'_>,
) -> Vec<Mapping> {
    let (source, target) = (account(source), account(target));
    map_mailboxes(&source.mailboxes, &source, &target, rules).unwrap()
}

fn targets(mappings: &[Mapping]) -> Vec<String> {
    mappings.iter().map(|mapping| mapping.target.to_string()).collect()
}

/// U05: nothing else is done to an explicit name.
#[test]
fn an_explicit_mapping_ends_the_matter() {
    let mut rules = rules(hierarchy("", b'/'), hierarchy("P.", b'.'));
    rules.explicit = vec![("auto".into(), "moto".into()), ("auto/auto".into(), "moto x 2".into())];
    let mappings = map(&[("auto", None), ("auto/auto", None), ("x", None)], &[], &rules);
    assert_eq!(targets(&mappings), ["moto", "moto x 2", "P.x"]);
    assert_eq!(mappings[0].how, How::Explicit);
}

#[test]
fn special_use_decides_by_attribute_then_by_name() {
    use SpecialUse::{Drafts, Junk, Sent, Trash};
    let mut by_use = rules(hierarchy("", b'/'), hierarchy("", b'/'));
    by_use.special_use = SpecialUseMapping::On;
    let source = [
        ("Envoy&AOk-", None),
        ("Entw&APw-rfe", Some(Drafts)),
        ("Junk", Some(Junk)),
        ("Papierkorb", Some(Trash)),
        ("Sent Items", Some(Sent)),
    ];
    let target = [("Drafts", None), ("Sent", None), ("Outbox", Some(Sent))];
    let mappings = map(&source, &target, &by_use);
    assert_eq!(targets(&mappings), ["Outbox", "Drafts", "Junk", "Papierkorb", "Outbox"]);
    assert_eq!(mappings[0].how, How::SpecialUse(Sent));
    assert_eq!(mappings[2].how, How::ByName);
    assert_eq!(mappings[3].create_as, Some(Trash));
    assert_eq!(mappings[1].create_as, None);
    assert!(mappings.iter().all(|mapping| mapping.doubts.is_empty()));
    by_use.special_use = SpecialUseMapping::Off;
    assert_eq!(targets(&map(&source, &target, &by_use))[0], "Envoy&AOk-");
}

#[test]
fn a_subtree_turns_special_use_off() {
    let mut below = rules(hierarchy("", b'/'), hierarchy("", b'/'));
    below.special_use = SpecialUseMapping::On;
    below.target_subtree = Some(b"Old"[..].into());
    let mappings = map(&[("Sent Items", None)], &[("Sent", None)], &below);
    assert_eq!(targets(&mappings), ["Old/Sent Items"]);
}

#[test]
fn names_that_meet_by_accident_are_pointed_out() {
    let mut to_dot = rules(hierarchy("", b'/'), hierarchy("", b'.'));
    to_dot.fix_slash = FixSlash::On;
    let mappings =
        map(&[("a.b", None), ("a_b", None), ("A_b", None), ("x//y", None)], &[], &to_dot);
    assert_eq!(targets(&mappings), ["a_b", "a_b", "A_b", "x..y"]);
    assert_eq!(mappings[0].doubts, []);
    assert_eq!(mappings[1].doubts, [Doubt::JoinedByName { with: "a.b".into() }]);
    assert_eq!(mappings[2].doubts, [Doubt::CaseTwin { of: "a_b".into() }]);
    assert_eq!(mappings[3].doubts, [Doubt::EmptyLevel]);
    let groups = group_by_target(&mappings);
    assert_eq!(groups[0], ("a_b".into(), vec![0, 1]));
    assert_eq!(groups.len(), 3);
}
