//! Certificates, saved plans and interruption, on two real servers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use mailferry_testkit::certificate;
use world::{Desk, Expect, Way, World, assert_copied, mails};

#[test]
fn a_certificate_on_loopback_is_accepted_with_a_notice() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("tls", 2));
    let run = Desk::new().ferry_over(("imaps", "imap"), "sync", &source, &target, &[]).expect(0);
    let notices = run.stderr.matches("notice: the certificate of the").count();
    assert_eq!(notices, 2, "{}", run.stderr);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_pinned_certificate_is_the_only_one_accepted() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("pin", 2));
    let desk = Desk::new();
    let wrong = format!("sha256:{}", "00".repeat(32));
    let run = desk
        .ferry_over(("imaps", "imaps"), "sync", &source, &target, &["--source-pin", &wrong])
        .expect(12);
    assert!(run.stderr.contains("--source-pin"), "{}", run.stderr);
    // The error tells the fingerprint that was met; with it, the run goes through.
    let at = run.stderr.find("the certificate sha256:").expect("what was met");
    let met = &run.stderr[at + "the certificate ".len()..][.."sha256:".len() + 64];
    let pins = ["--source-pin", met, "--target-pin", met];
    let run = desk.ferry_over(("imaps", "imaps"), "sync", &source, &target, &pins).expect(0);
    assert!(!run.stderr.contains("notice: the certificate"), "{}", run.stderr);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_ca_file_vouches_for_a_certificate_and_another_does_not() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    source.put("INBOX", &mails("ca", 1));
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.pem");
    std::fs::write(&good, &certificate::self_signed().unwrap().certificate_pem).unwrap();
    let run = desk
        .ferry_over(
            ("imaps", "imap"),
            "sync",
            &source,
            &target,
            &["--ca-file", good.to_str().unwrap()],
        )
        .expect(0);
    assert!(!run.stderr.contains("notice: the certificate"), "{}", run.stderr);
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, b"").unwrap();
    desk.ferry_over(
        ("imaps", "imap"),
        "sync",
        &source,
        &target,
        &["--ca-file", empty.to_str().unwrap()],
    )
    .expect(12);
}

#[test]
fn a_saved_plan_is_held_to_and_a_changed_account_refuses_it() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("plan", 3));
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    let before = target.read();
    desk.ferry("plan", &source, &target, &["--save", plan]).expect(0);
    assert_eq!(target.read().uids(), before.uids(), "a plan changes nothing");
    source.put("INBOX", &mails("late", 1));
    desk.ferry("sync", &source, &target, &["--expect", plan]).expect(121);
    assert_eq!(target.read().message_count(), 0);
    desk.ferry("plan", &source, &target, &["--save", plan]).expect(0);
    desk.ferry("sync", &source, &target, &["--expect", plan]).expect(0);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}

#[test]
fn a_mailbox_named_in_vain_is_told_and_the_rest_is_done() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("here", 2));
    let run = Desk::new()
        .ferry("sync", &source, &target, &["--folder", "INBOX", "--folder", "Nowhere"])
        .expect(117);
    assert!(run.stderr.contains("no mailbox `Nowhere`"), "{}", run.stderr);
    assert_copied(&source.read(), &target.read(), &Expect::exact());
}
