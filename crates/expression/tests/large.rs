//! A large message goes through in time and memory that grow with its size.
#![allow(clippy::unwrap_used)]

use mailferry_expression::{Match, Rewrite, Variables};

const LARGE: usize = 50 * 1024 * 1024;

/// A message without the header that is looked for: everything is tried.
fn message() -> Vec<u8> {
    let header = b"From: a@b.example\r\nSubject: x\r\n\r\n";
    let line = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,;:-\r\n";
    header.iter().chain(line.iter().cycle()).copied().take(LARGE).collect()
}

fn rewritten(expression: &str, message: &[u8]) -> Vec<u8> {
    let rule = Rewrite::parse(expression.as_bytes(), &Variables::default()).unwrap();
    rule.apply(message).unwrap().into_owned()
}

#[test]
fn the_usual_expressions_go_through_a_message_of_50_mib() {
    let message = message();
    for expression in [
        r"s{\A(.*?(?! ^$))^X-Not-There:(.*?)$}{$1X-$2}igxms",
        r"s{\A((?:[^\n]+\r\n)+|)(^X-Not-There:[^\n]*\n)(\r?\n|.*\n\r?\n)}{$1X-$2$3}ims",
        r"tr [\x80-\xff] [X]",
    ] {
        assert!(rewritten(expression, &message) == message, "{expression}");
    }
    assert_eq!(rewritten(r"s,(.{10239}),$1\r\n,gs", &message).len(), LARGE + LARGE / 10239 * 2);
    assert_eq!(rewritten(r"s/.{40000}\K.*//s", &message).len(), 40_000);
    let upper = rewritten(r"s/([a-z]+)/\U$1/g", &message);
    assert!(upper == message.to_ascii_uppercase());
    let padding = Match::parse(br"m/(\x00)+\Z/", &Variables::default()).unwrap();
    assert_eq!(padding.is_match(&message), Ok(false));
    // The message, at most two results, what growing leaves, and the stack of a match.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kibibytes: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kibibytes * 1024 < 6 * LARGE, "{kibibytes} KiB");
    }
}
