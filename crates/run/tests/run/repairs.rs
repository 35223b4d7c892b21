//! Messages that the target refuses as they are: brought in after a repair, or kept aside.

use std::sync::Arc;

use mailferry_engine::policy::Rules;
use mailferry_run::job::Job;
use mailferry_run::quarantine::{QuarantineLimits, QuarantinePlace};
use mailferry_run::report::Report;
use mailferry_testkit::sim::{AppendRequest, Date, Extension, Keywords, Message, Profile};

use crate::world::{World, assert_complete, assert_idle, date, fill, job};

/// A target that refuses some messages with these words.
fn refusing(
    words: &'static str,
    refuses: impl Fn(&AppendRequest<'_>) -> bool + Send + Sync + 'static,
) -> Profile {
    let refuse = move |request: &AppendRequest<'_>| refuses(request).then(|| words.to_owned());
    Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() }
}

fn has(octets: &[u8], needle: &[u8]) -> bool {
    octets.windows(needle.len()).any(|window| window == needle)
}

fn has_bare_lf(octets: &[u8]) -> bool {
    (0..octets.len()).any(|at| octets[at] == b'\n' && (at == 0 || octets[at - 1] != b'\r'))
}

/// Copies an ordinary mailbox with this message in the middle, twice; the second run finds nothing
/// to do. Gives what the first one did, and the octets that arrived.
async fn brought_in(message: &[u8], target: Profile) -> (Report, Vec<u8>) {
    let (report, arrived) = brought_in_of(date(20), message, target).await;
    (report, arrived.octets.to_vec())
}

async fn brought_in_of(of: Date, message: &[u8], target: Profile) -> (Report, Message) {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 400);
    world.source.append("INBOX", message, &[], of);
    fill(&world.source, "INBOX", 31..41, 400);
    let report = world.run(Profile::modern(), target.clone(), &job(Rules::sync())).await;
    assert_complete(&report);
    assert_eq!(world.target.messages("INBOX").len(), 21);
    assert_idle(&world.run(Profile::modern(), target, &job(Rules::sync())).await);
    let messages = world.target.messages("INBOX");
    let mut others = world.source.messages("INBOX");
    others.retain(|other| other.octets[..] != *message);
    let arrived =
        messages.iter().find(|message| others.iter().all(|other| other.octets != message.octets));
    (report, arrived.cloned().unwrap())
}

fn steps(report: &Report) -> Vec<String> {
    let [only] = &report.repaired[..] else { panic!("{:?}", report.repaired) };
    assert_eq!(only.uid.value(), 11);
    only.steps.clone()
}

#[tokio::test]
async fn what_a_refusal_names_is_repaired_and_nothing_else() {
    let nul = b"Message-Id: <nul@x>\r\nSubject: n\r\n\r\na\0b\r\n";
    let target = || refusing("Message contains NUL characters", |it| it.octets.contains(&0));
    let (report, arrived) = brought_in(nul, target()).await;
    assert_eq!(steps(&report), ["remove-nuls"]);
    assert_eq!(arrived, b"Message-Id: <nul@x>\r\nSubject: n\r\n\r\nab\r\n");

    let target =
        refusing("Message contains NUL characters", |it| it.octets.contains(&0) && !it.binary);
    let (report, arrived) = brought_in(nul, target.with(Extension::Binary)).await;
    assert_eq!(steps(&report), ["literal8"]);
    assert_eq!(arrived, nul);

    let lf = b"Message-Id: <lf@x>\nSubject: l\n\nline\nline\n";
    let target = refusing("Message contains bare newlines", |it| has_bare_lf(it.octets));
    let (report, arrived) = brought_in(lf, target).await;
    assert_eq!(steps(&report), ["mend-line-ends"]);
    assert_eq!(arrived, b"Message-Id: <lf@x>\r\nSubject: l\r\n\r\nline\r\nline\r\n");
}

/// One that a message without headers cannot have is left to the target's clock.
#[tokio::test]
async fn an_impossible_date_becomes_that_of_the_header_or_the_targets_own() {
    let of_1899 = Date { seconds: -2_230_000_000, zone_minutes: 0 };
    let target = || {
        refusing("internaldate: out of range", |it| it.date.is_some_and(|date| date.seconds < 0))
    };
    let received =
        b"Received: from a by b; Mon, 14 Sep 2020 12:00:00 +0000\r\nMessage-Id: <d@x>\r\n\r\nd\r\n";
    let (report, arrived) = brought_in_of(of_1899, received, target()).await;
    assert_eq!(steps(&report), ["set-date"]);
    assert_eq!((arrived.date.seconds, &arrived.octets[..]), (1_600_084_800, &received[..]));

    let dateless = b"Message-Id: <n@x>\r\n\r\nno date\r\n";
    let (report, arrived) = brought_in_of(of_1899, dateless, target()).await;
    assert_eq!(steps(&report), ["omit-date"]);
    assert_eq!(arrived.octets[..], dateless[..]);
    assert!(arrived.date.seconds > 1_600_000_000);
}

fn has_long_line(octets: &[u8]) -> bool {
    octets.split(|&octet| octet == b'\n').any(|line| line.len() > 999)
}

#[tokio::test]
async fn a_line_that_is_too_long_is_broken_as_the_message_permits() {
    let head = "Message-Id: <long@x>\r\nMIME-Version: 1.0\r\n";
    let encoded = "YWJj".repeat(500);
    let text = "words and words ".repeat(100);
    let messages = [
        ("fold-header", format!("{head}To: {}\r\n\r\nx\r\n", "somebody@example.org, ".repeat(60))),
        ("wrap-base64", format!("{head}Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n")),
        ("quote-printable", format!("{head}Content-Type: text/plain\r\n\r\n{text}\r\n")),
    ];
    for (step, message) in messages {
        assert!(has_long_line(message.as_bytes()));
        let target = refusing("line too long", |it| has_long_line(it.octets));
        let (report, arrived) = brought_in(message.as_bytes(), target).await;
        assert_eq!(steps(&report), [step]);
        assert!(!has_long_line(&arrived));
        // What was broken means what it meant.
        let arrived = String::from_utf8(arrived).unwrap();
        let joined = match step {
            "fold-header" => arrived.replace("\r\n ", " "),
            "wrap-base64" => arrived.replace("\r\n", ""),
            _ => arrived.replace("=\r\n", ""),
        };
        let whole = match step {
            "fold-header" => message.lines().nth(2),
            "wrap-base64" => Some(&*encoded),
            _ => Some(text.trim_end()),
        };
        assert!(joined.contains(whole.unwrap()), "{step}: {arrived}");
    }
}

#[tokio::test]
async fn a_large_message_is_fetched_again_and_repaired() {
    let mut large = b"Message-Id: <large@x>\nSubject: l\n\n".to_vec();
    large.extend(b"a line of a large message\n".repeat(80_000));
    let target = refusing("Message contains bare newlines", |it| has_bare_lf(it.octets));
    let (report, arrived) = brought_in(&large, target).await;
    assert_eq!(steps(&report), ["mend-line-ends"]);
    assert_eq!(arrived.len(), large.len() + 80_003);
}

#[tokio::test]
async fn a_refusal_that_names_nothing_leads_through_what_there_is_to_mend() {
    let receipt = b"Message-Id: <r@x>\r\nDisposition-Notification-To: a@b\r\n\r\nx\n\r\n";
    let target = refusing("Command Argument Error. 11", |it| {
        has(it.octets, b"\nDisposition-Notification-To")
    });
    let (report, arrived) = brought_in(receipt, target).await;
    assert_eq!(steps(&report), ["mend-line-ends", "disarm-receipts"]);
    assert!(has(&arrived, b"\nX-Disposition-Notification-To: a@b\r\n"));
}

#[tokio::test]
async fn a_keyword_that_is_refused_is_left_out_and_the_message_is_there() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 400);
    world.source.append("INBOX", b"Message-Id: <k@x>\r\n\r\nx\r\n", &["Odd", "\\Seen"], date(20));
    let target = Profile { keywords: Keywords::Refused, ..Profile::modern() };
    let report = world.run(Profile::modern(), target, &job(Rules::sync())).await;
    assert_complete(&report);
    assert!(report.repaired.iter().all(|repaired| repaired.steps == ["drop-flags"]));
    assert_eq!(world.target.messages("INBOX").len(), 11);
}

#[tokio::test]
async fn what_no_repair_brings_in_is_kept_aside_and_the_rest_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let place = QuarantinePlace::new(folder.path().join("q"), QuarantineLimits::default());
    let place = Arc::new(place);
    let world = World::new();
    fill(&world.source, "INBOX", 1..11, 400);
    let bad = b"Message-Id: <bad@x>\r\n\r\npoison\n\r\n";
    world.source.append("INBOX", bad, &["\\Seen"], date(20));
    fill(&world.source, "INBOX", 31..41, 400);
    let job = Job { quarantine: Some(place.clone()), ..job(Rules::sync()) };
    let target = || refusing("No poison", |it| has(it.octets, b"poison"));
    for _ in 0..2 {
        let report = world.run(Profile::modern(), target(), &job).await;
        assert!(!report.is_complete());
        assert_eq!((report.total().failed, report.kept_aside.len()), (1, 1));
        assert_eq!(world.target.messages("INBOX").len(), 20);
        let kept = place.open().unwrap().list().unwrap();
        let [Ok(kept)] = &kept[..] else { panic!("{kept:?}") };
        assert_eq!(std::fs::read(kept.path()).unwrap(), bad);
        let metadata = kept.metadata();
        assert_eq!((metadata.uid, &metadata.flags[..]), (11, &["\\\\Seen".to_owned()][..]));
        assert!(metadata.attempts.len() >= 2, "{:?}", metadata.attempts);
        assert!(metadata.attempts[0].words.contains("No poison"));
    }
    assert_complete(&world.run(Profile::modern(), Profile::modern(), &job).await);
}
