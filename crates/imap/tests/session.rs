//! The protocol state of a connection: what may be sent when, and what an answer means.

#![allow(clippy::unwrap_used)]

use mailferry_imap::command::Command;
use mailferry_imap::response::{Status, Untagged};
use mailferry_imap::session::{Event, LiteralKind, Session, SessionError, Tag};
use proptest::prelude::*;

/// All octets that may be sent now.
fn sent(session: &mut Session) -> Vec<u8> {
    let mut octets = Vec::new();
    while !session.unsent().is_empty() {
        let some = session.unsent().to_vec();
        session.sent(some.len());
        octets.extend(some);
    }
    octets
}

fn sent_text(session: &mut Session) -> String {
    sent(session).escape_ascii().to_string()
}

/// Takes in what the server says; the events as text.
fn hear(session: &mut Session, octets: &[u8]) -> Result<Vec<String>, SessionError> {
    let mut events = Vec::new();
    for octet in octets {
        session.space()[0] = *octet;
        session.filled(1);
        while session.advance()? {
            events.push(match session.event().unwrap() {
                Event::Completed(completion) => {
                    format!("{} {}", completion.tag, completion.words())
                }
                Event::Challenge(text) => format!("+ {}", text.escape_ascii()),
                Event::Untagged(data) => format!("{data:?}"),
                other => format!("{other:?}"),
            });
        }
    }
    Ok(events)
}

fn with_capabilities(words: &str) -> Session {
    let mut session = Session::default();
    hear(&mut session, format!("* OK [CAPABILITY {words}] ready\r\n").as_bytes()).unwrap();
    session
}

fn append(octets: &[u8]) -> Command {
    Command::new("APPEND x").sp().literal(octets)
}

#[test]
fn a_synchronising_literal_waits_for_its_invitation() {
    let mut session = with_capabilities("IMAP4rev1");
    session.send(&append(b"hello").sp().literal(*b"you")).unwrap();
    assert_eq!(sent_text(&mut session), "m1 APPEND x {5}\\r\\n");
    assert_eq!(hear(&mut session, b"* 3 EXISTS\r\n").unwrap(), ["Exists(3)"]);
    assert_eq!(sent_text(&mut session), "");
    assert!(hear(&mut session, b"+ go\r\n").unwrap().is_empty(), "an invitation is no challenge");
    assert_eq!(sent_text(&mut session), "hello {3}\\r\\n");
    hear(&mut session, b"+\r\n").unwrap();
    assert_eq!(sent_text(&mut session), "you\\r\\n");
    assert_eq!((session.unsent_bytes(), session.in_flight()), (0, 1));
    assert_eq!(hear(&mut session, b"m1 OK done\r\n").unwrap(), ["m1 OK done"]);
    assert_eq!(session.in_flight(), 0);
}

#[test]
fn a_refusal_before_the_invitation_drops_the_rest_of_that_command_only() {
    let mut session = with_capabilities("IMAP4rev1");
    session.send(&append(b"one").sp().literal(*b"more")).unwrap();
    session.send(&append(b"two")).unwrap();
    session.send(&Command::new("NOOP")).unwrap();
    session.send(&append(b"three")).unwrap();
    assert_eq!(sent_text(&mut session), "m1 APPEND x {3}\\r\\n");
    assert_eq!(
        hear(&mut session, b"m1 NO [OVERQUOTA] full\r\n").unwrap(),
        ["m1 NO [OVERQUOTA] full"]
    );
    assert_eq!(sent_text(&mut session), "m2 APPEND x {3}\\r\\n");
    hear(&mut session, b"+ \r\n").unwrap();
    assert_eq!(sent_text(&mut session), "two\\r\\nm3 NOOP\\r\\nm4 APPEND x {5}\\r\\n");
    assert_eq!(hear(&mut session, b"m2 OK\r\nm3 OK\r\nm4 BAD no\r\n").unwrap().len(), 3);
    assert_eq!(sent_text(&mut session), "");
    assert_eq!((session.unsent_bytes(), session.in_flight()), (0, 0));
}

#[test]
fn a_refusal_between_two_literals_drops_the_second() {
    let mut session = with_capabilities("IMAP4rev1 LITERAL-");
    session.send(&append(b"short").sp().literal(vec![b'x'; 5_000]).sp().literal(*b"end")).unwrap();
    assert_eq!(sent_text(&mut session), "m1 APPEND x {5+}\\r\\nshort {5000}\\r\\n");
    session.send(&Command::new("NOOP")).unwrap();
    hear(&mut session, b"m1 NO\r\n").unwrap();
    assert_eq!(sent_text(&mut session), "m2 NOOP\\r\\n");
}

#[test]
fn a_refusal_in_the_middle_of_an_invited_literal_does_not_stop_its_octets() {
    let mut session = with_capabilities("IMAP4rev1");
    session.send(&append(b"0123456789").sp().literal(*b"never")).unwrap();
    session.send(&Command::new("NOOP")).unwrap();
    sent(&mut session);
    hear(&mut session, b"+\r\n").unwrap();
    assert_eq!(&session.unsent()[..4], b"0123");
    session.sent(4);
    hear(&mut session, b"m1 NO [TOOBIG] stop\r\n").unwrap();
    assert_eq!(
        sent_text(&mut session),
        "456789 {5}\\r\\nm2 NOOP\\r\\n",
        "the server counts what it invited"
    );
    assert_eq!(session.unsent_bytes(), 0);
}

#[test]
fn a_streamed_command_that_was_refused_swallows_what_follows_of_it() {
    let mut session = with_capabilities("IMAP4rev1");
    session.begin();
    session.write(b"APPEND x ");
    session.announce_literal(6);
    assert_eq!(sent_text(&mut session), "m1 APPEND x {6}\\r\\n");
    session.write(b"abc");
    hear(&mut session, b"m1 NO no\r\n").unwrap();
    session.write(b"def");
    session.finish();
    assert_eq!(session.unsent_bytes(), 0);
    session.send(&Command::new("NOOP")).unwrap();
    assert_eq!(sent_text(&mut session), "m2 NOOP\\r\\n");
}

#[test]
fn writing_nothing_between_large_pieces_blocks_nothing() {
    let mut session = with_capabilities("IMAP4rev1 LITERAL+");
    session.begin();
    session.announce_literal(200_000);
    for _ in 0..2 {
        session.write(&[]);
        session.write(&[b'x'; 100_000]);
        session.write(&[]);
    }
    session.finish();
    assert_eq!(sent(&mut session).len(), "m1 {200000+}\r\n".len() + 200_000 + 2);
    assert_eq!(session.unsent_bytes(), 0);
}

#[test]
fn literals_go_as_the_server_takes_them() {
    use LiteralKind::{NonSynchronising as Free, Synchronising as Asks};
    for (capabilities, small, limit, above) in [
        ("IMAP4rev1", Asks, Asks, Asks),
        ("IMAP4rev1 LITERAL+", Free, Free, Free),
        ("IMAP4rev1 LITERAL-", Free, Free, Asks),
        ("IMAP4rev2", Free, Free, Asks),
    ] {
        let mut session = with_capabilities(capabilities);
        let kinds = [0, 4_096, 4_097].map(|octets| session.literal_kind(octets));
        assert_eq!(kinds, [small, limit, above], "{capabilities}");
        session.quirks.synchronising_literals_only = true;
        assert_eq!(session.literal_kind(1), Asks);
    }
}

#[test]
fn an_answer_to_nothing_ends_the_connection() {
    for answer in [
        &b"m7 OK\r\n"[..],
        b"m1 OK\r\nm1 OK\r\n",
        b"A1 NO\r\n",
        b"m01x OK\r\n",
        b"m99999999999 OK\r\n",
    ] {
        let mut session = Session::default();
        session.send(&Command::new("NOOP")).unwrap();
        let error = hear(&mut session, answer).unwrap_err();
        assert!(matches!(error, SessionError::UnknownTag(_)), "{error}");
    }
}

#[test]
fn answers_may_come_in_any_order() {
    let mut session = Session::default();
    let tags: Vec<Tag> = (0..3).map(|_| session.send(&Command::new("NOOP")).unwrap()).collect();
    hear(&mut session, b"m3 OK\r\nm1 NO\r\n").unwrap();
    assert_eq!((session.in_flight(), tags[1].to_string()), (1, "m2".to_owned()));
    hear(&mut session, b"m2 BAD\r\n").unwrap();
    assert_eq!(session.in_flight(), 0);
}

#[test]
fn capabilities_are_learnt_wherever_they_are_told() {
    let mut session = with_capabilities("IMAP4rev1 IDLE");
    assert!(session.capabilities().has("IDLE"));
    session.send(&Command::new("CAPABILITY")).unwrap();
    hear(&mut session, b"* CAPABILITY IMAP4rev1 UNSELECT\r\nm1 OK done\r\n").unwrap();
    assert!(session.capabilities().has("UNSELECT") && !session.capabilities().has("IDLE"));
    session.send(&Command::new("LOGIN a b")).unwrap();
    hear(&mut session, b"m2 OK [CAPABILITY IMAP4rev1 UIDPLUS] in\r\n").unwrap();
    assert!(session.capabilities().has("UIDPLUS") && !session.capabilities().has("UNSELECT"));
    session.forget_capabilities();
    assert!(session.capabilities().is_empty());
}

#[test]
fn a_goodbye_is_kept_for_the_error_that_follows_it() {
    let mut session = Session::default();
    assert_eq!(session.goodbye(), None);
    hear(&mut session, b"* BYE [UNAVAILABLE] shutting down\r\n").unwrap();
    assert_eq!(session.goodbye(), Some(&b"shutting down"[..]));
}

#[test]
fn a_plus_that_no_literal_waits_for_is_a_challenge() {
    let mut session = with_capabilities("IMAP4rev1");
    session.send(&Command::new("AUTHENTICATE PLAIN")).unwrap();
    sent(&mut session);
    assert_eq!(hear(&mut session, b"+ Z28=\r\n").unwrap(), ["+ Z28="]);
    session.answer_challenge(b"AGEAYg==");
    assert_eq!(sent_text(&mut session), "AGEAYg==\\r\\n");
}

#[test]
fn the_words_of_a_server_cannot_steer_a_terminal() {
    let mut session = Session::default();
    session.send(&Command::new("NOOP")).unwrap();
    let told = hear(&mut session, "m1 NO \x1b[2J\u{202e}evil\x07\r\n".as_bytes()).unwrap();
    assert_eq!(told, ["m1 NO \\u{1b}[2J\\u{202e}evil\\u{7}"]);
}

#[test]
fn a_command_that_cannot_be_written_leaves_nothing_behind() {
    let mut session = Session::default();
    assert!(session.send(&Command::new("LOGIN").sp().astring(b"a\0b")).is_err());
    assert_eq!((session.unsent_bytes(), session.in_flight()), (0, 0));
    session.send(&Command::new("NOOP")).unwrap();
    assert_eq!(sent_text(&mut session), "m1 NOOP\\r\\n");
}

#[test]
fn a_completion_tells_status_code_and_text() {
    let mut session = Session::default();
    session.send(&Command::new("NOOP")).unwrap();
    for octet in b"m1 NO [TRYCREATE] no such mailbox\r\n" {
        session.space()[0] = *octet;
        session.filled(1);
    }
    assert!(session.advance().unwrap());
    let Some(Event::Completed(completion)) = session.event() else { unreachable!() };
    assert_eq!((completion.status, completion.text()), (Status::No, &b"no such mailbox"[..]));
    assert!(matches!(completion.code(), Some(mailferry_imap::response::Code::TryCreate)));
    assert!(!session.advance().unwrap() && session.event().is_none());
}

#[test]
fn an_untagged_answer_between_the_octets_of_others_is_seen_once() {
    let mut session = Session::default();
    session.send(&Command::new("UID FETCH 1 BODY.PEEK[]")).unwrap();
    let mut seen = 0;
    for octet in b"* 1 FETCH (UID 1 BODY[] {4}\r\n* 2 )\r\n* 2 EXISTS\r\nm1 OK\r\n" {
        session.space()[0] = *octet;
        session.filled(1);
        while session.advance().unwrap() {
            seen +=
                usize::from(matches!(session.event(), Some(Event::Untagged(Untagged::Exists(2)))));
        }
    }
    assert_eq!((seen, session.in_flight()), (1, 0));
}

/// What a strict server makes of the octets: commands with their literals, inviting or
/// refusing literal after literal as `refusals` says.
#[derive(Default)]
struct Server {
    received: Vec<u8>,
    command: Vec<u8>,
    awaited: usize,
    literals: usize,
    refusals: Vec<usize>,
    commands: Vec<Vec<u8>>,
    refused: usize,
}

impl Server {
    /// Takes octets in; what it answers.
    fn take(&mut self, octets: &[u8]) -> Vec<u8> {
        self.received.extend_from_slice(octets);
        let mut answer = Vec::new();
        loop {
            if self.awaited > 0 {
                let now = self.awaited.min(self.received.len());
                self.command.extend(self.received.drain(..now));
                self.awaited -= now;
                if self.awaited > 0 {
                    return answer;
                }
            }
            let Some(end) = self.received.windows(2).position(|two| two == b"\r\n") else {
                return answer;
            };
            let line: Vec<u8> = self.received.drain(..end + 2).collect();
            self.command.extend_from_slice(&line);
            let mark = line
                .strip_suffix(b"}\r\n")
                .and_then(|line| line.rsplit(|&b| b == b'{').next().map(<[u8]>::to_vec));
            match mark {
                None => {
                    let tag = self.tag();
                    answer.extend_from_slice(format!("{tag} OK done\r\n").as_bytes());
                    self.commands.push(std::mem::take(&mut self.command));
                }
                Some(digits) => {
                    let text = String::from_utf8(digits).unwrap();
                    let size = text.trim_end_matches('+').parse().unwrap();
                    self.literals += 1;
                    if !text.ends_with('+') && self.refusals.contains(&self.literals) {
                        answer
                            .extend_from_slice(format!("{} NO refused\r\n", self.tag()).as_bytes());
                        self.command.clear();
                        self.refused += 1;
                        continue;
                    }
                    if !text.ends_with('+') {
                        answer.extend_from_slice(b"+ go\r\n");
                    }
                    self.awaited = size;
                }
            }
        }
    }

    fn tag(&self) -> String {
        let tag: Vec<u8> = self.command.iter().copied().take_while(|&b| b != b' ').collect();
        assert!(tag.starts_with(b"m"), "a command begins with {}", self.command.escape_ascii());
        String::from_utf8(tag).unwrap()
    }
}

proptest! {
    /// Whatever literals are refused, and however octets are cut: each command arrives whole
    /// or was refused, in order, and every one is answered.
    #[test]
    fn a_strict_server_gets_every_command_whole_or_refuses_it(
        literals in prop::collection::vec(prop::collection::vec(prop_oneof![0usize..20, 4_090..4_100usize, 60_000..70_000usize], 0..4), 1..8),
        refusals in prop::collection::vec(1usize..20, 0..6),
        cut in 1usize..50_000,
        capabilities in prop_oneof![Just("IMAP4rev1"), Just("IMAP4rev1 LITERAL-"), Just("IMAP4rev1 LITERAL+")],
    ) {
        let mut session = with_capabilities(capabilities);
        let mut server = Server { refusals, ..Server::default() };
        for (number, sizes) in literals.iter().enumerate() {
            let mut command = Command::new(&format!("X{number}"));
            for &size in sizes {
                command = command.sp().literal(vec![b'a' + (number % 26) as u8; size]);
            }
            session.send(&command).unwrap();
        }
        let mut completed = 0;
        while session.in_flight() > 0 {
            let some = session.unsent();
            let some = some[..some.len().min(cut)].to_vec();
            prop_assert!(!some.is_empty(), "nothing more is sent, and {} wait", session.in_flight());
            session.sent(some.len());
            let answer = server.take(&some);
            completed += hear(&mut session, &answer).unwrap().len();
        }
        prop_assert_eq!(completed, literals.len());
        prop_assert_eq!(session.unsent_bytes(), 0);
        prop_assert_eq!(server.commands.len() + server.refused, literals.len());
        for command in &server.commands {
            let text = String::from_utf8_lossy(command).replace("+}", "}");
            let number: usize = text.split(' ').nth(1).unwrap().trim_end()[1..].parse().unwrap();
            let mut expected = format!("m{} X{number}", number + 1);
            for &size in &literals[number] {
                let letter = char::from(b'a' + (number % 26) as u8);
                expected.push_str(&format!(" {{{size}}}\r\n{}", letter.to_string().repeat(size)));
            }
            expected.push_str("\r\n");
            prop_assert!(text == expected);
        }
    }
}
