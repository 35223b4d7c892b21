//! The stream itself.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use mailferry_imap::command::Command;
use mailferry_imap::compress::Compression;
use mailferry_imap::connection::{Connection, ConnectionError};
use mailferry_imap::session::Event;
use proptest::prelude::*;

use crate::wire::{ASKED, Trickle, deflated, inflated};

const OK: &[u8] = b"m1 OK go\r\n";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Reads the greeting and begins compression.
async fn compressed(mut connection: Connection) -> Connection {
    connection.next().await.unwrap();
    assert_eq!(*connection.compress().await.unwrap(), Compression::Active);
    connection
}

/// Waits until a server that says nothing more has got what it can get.
async fn all_is_sent(connection: &mut Connection) {
    let end = connection.next().await;
    assert!(matches!(end, Err(ConnectionError::Closed)), "{end:?}");
}

/// Every event up to the end, bodies joined.
async fn everything(connection: &mut Connection) -> (Vec<String>, ConnectionError) {
    let (mut events, mut body) = (Vec::new(), Vec::new());
    loop {
        match connection.next().await {
            Ok(Event::Chunk(octets)) => body.extend_from_slice(octets),
            Ok(Event::LiteralEnd) => {
                events.push(format!("body {}", body.escape_ascii()));
                body.clear();
            }
            Ok(event) => events.push(format!("{event:?}")),
            Err(error) => return (events, error),
        }
    }
}

/// Mail of some kind in a FETCH response, and what follows it.
fn answers(body: &[u8]) -> Vec<u8> {
    let head = format!("* 1 FETCH (UID 7 BODY[] {{{}}}\r\n", body.len());
    [head.as_bytes(), body, b")\r\n* 2 EXISTS\r\nm2 OK done\r\n"].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In what pieces the octets come and go, and how many stand right behind the answer to
    /// COMPRESS: the events are those of the plain stream, and the server reads each command.
    #[test]
    fn where_a_compressed_stream_is_cut_changes_nothing(
        line in "[ -~]{0,60}",
        repeats in 0usize..4000,
        noise in prop::collection::vec(any::<u8>(), 0..3000),
        cut in prop_oneof![1usize..40, 1000usize..100_000],
    ) {
        let body = [line.repeat(repeats).into_bytes(), noise].concat();
        let literal = body.repeat(4);
        let (trickle, sent) = Trickle::new(OK, &deflated(&answers(&body)), cut);
        let (events, error) = block_on(async {
            let mut connection = compressed(trickle.connection()).await;
            connection.session.begin();
            connection.session.write(b"UID STORE 1 ");
            connection.session.write(&literal);
            connection.session.finish();
            everything(&mut connection).await
        });
        prop_assert!(matches!(error, ConnectionError::Closed), "{}", error);
        prop_assert_eq!(&events[1], &format!("body {}", body.escape_ascii()));
        prop_assert!(events[0].starts_with("LiteralBegin") && events.len() == 5, "{:?}", events.len());
        prop_assert!(events[4].contains("Completed"), "{}", events[4]);
        let sent = sent.lock().unwrap().clone();
        let command = [b"m2 UID STORE 1 ", &literal[..], b"\r\n"].concat();
        prop_assert!(inflated(&sent[ASKED.len()..]) == command);
    }

    /// Whatever octets follow the answer to COMPRESS: an error with a name, or some events.
    #[test]
    fn no_octets_make_the_inflater_hang_or_panic(
        noise in prop::collection::vec(any::<u8>(), 0..600),
        flips in prop::collection::vec((0usize..400, 1u8..), 0..4),
        cut in 1usize..200,
    ) {
        let mut stream = deflated(&answers(&noise.repeat(2)));
        if flips.is_empty() {
            stream.clone_from(&noise);
        }
        for (at, bits) in flips {
            let at = at % stream.len();
            stream[at] ^= bits;
        }
        let (trickle, _) = Trickle::new(OK, &stream, cut);
        let (_, error) = block_on(async {
            let mut connection = compressed(trickle.connection()).await;
            connection.session.send(&Command::new("NOOP")).unwrap();
            everything(&mut connection).await
        });
        let ended = matches!(
            error,
            ConnectionError::Closed | ConnectionError::Corrupt(_) | ConnectionError::Protocol(_)
        );
        prop_assert!(ended, "{error}");
    }
}

#[test]
fn a_corrupt_stream_is_named() {
    // A block of the third kind, which there is none of (RFC 1951 §3.2.3).
    let (trickle, _) = Trickle::new(OK, &[0xff; 64], 1000);
    let (events, error) = block_on(async {
        let mut connection = compressed(trickle.connection()).await;
        connection.session.send(&Command::new("NOOP")).unwrap();
        everything(&mut connection).await
    });
    assert!(events.is_empty());
    assert!(matches!(error, ConnectionError::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("cannot be inflated"), "{error}");
}

#[test]
fn no_command_waits_in_the_compressor() {
    let (trickle, sent) = Trickle::new(OK, &deflated(b"* 1 EXISTS\r\n"), 7);
    block_on(async {
        let mut connection = compressed(trickle.connection()).await;
        connection.session.send(&Command::new("NOOP")).unwrap();
        assert!(matches!(connection.next().await.unwrap(), Event::Untagged(_)));
        all_is_sent(&mut connection).await;
    });
    assert_eq!(inflated(&sent.lock().unwrap()[ASKED.len()..]), b"m2 NOOP\r\n");
}

#[test]
fn a_refusal_leaves_the_connection_as_it_was() {
    for (answer, words) in [
        (&b"m1 NO [COMPRESSIONACTIVE] twice\r\n"[..], "NO [COMPRESSIONACTIVE] twice"),
        (b"m1 BAD what\r\n", "BAD what"),
    ] {
        let (trickle, sent) = Trickle::new(answer, b"* 3 EXISTS\r\nm2 OK\r\n", 5);
        block_on(async {
            let mut connection = trickle.connection();
            connection.next().await.unwrap();
            let told = connection.compress().await.unwrap().clone();
            assert_eq!(told, Compression::Refused(words.to_owned()));
            assert!(connection.run(&Command::new("NOOP"), |_| {}).await.unwrap().is_ok());
            assert_eq!(*connection.compress().await.unwrap(), told, "it is asked once");
        });
        assert_eq!(*sent.lock().unwrap(), [ASKED, b"m2 NOOP\r\n"].concat());
    }
}

#[test]
fn what_a_server_does_not_offer_is_not_asked_for() {
    let (mut trickle, sent) = Trickle::new(OK, b"", 1000);
    trickle.said = b"* OK [CAPABILITY IMAP4rev1] ready\r\n".to_vec();
    trickle.before_asked = trickle.said.len();
    block_on(async {
        let mut connection = trickle.connection();
        connection.next().await.unwrap();
        assert!(matches!(connection.compress().await.unwrap(), Compression::Refused(_)));
    });
    assert!(sent.lock().unwrap().is_empty());
}

#[test]
fn what_is_queued_behind_the_question_goes_compressed() {
    let (trickle, sent) = Trickle::new(OK, &deflated(b"m2 OK\r\nm3 OK\r\n"), 3);
    block_on(async {
        let mut connection = trickle.connection();
        connection.next().await.unwrap();
        connection.compress_when_quiet().unwrap();
        let tags =
            ["NOOP", "CHECK"].map(|verb| connection.session.send(&Command::new(verb)).unwrap());
        for tag in tags {
            assert!(connection.wait(tag, |_| {}).await.unwrap().is_ok());
        }
        assert_eq!(*connection.compression(), Compression::Active);
        all_is_sent(&mut connection).await;
    });
    let sent = sent.lock().unwrap().clone();
    assert!(sent.starts_with(ASKED));
    assert_eq!(inflated(&sent[ASKED.len()..]), b"m2 NOOP\r\nm3 CHECK\r\n");
}

/// Polls for the next event once and gives the wait up; whether there was one, or the end.
async fn glimpse(connection: &mut Connection) -> Option<Result<String, ConnectionError>> {
    let mut next = pin!(connection.next());
    poll_fn(|context| {
        Poll::Ready(match next.as_mut().poll(context) {
            Poll::Ready(event) => Some(event.map(|event| format!("{event:?}"))),
            Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_wait_that_is_given_up_loses_nothing_of_the_change() {
    for cut in [1, 3, 10, 1000] {
        let (trickle, sent) = Trickle::new(OK, &deflated(b"* 4 EXISTS\r\nm2 OK\r\n"), cut);
        let events = block_on(async {
            let mut connection = trickle.connection();
            connection.next().await.unwrap();
            connection.compress_when_quiet().unwrap();
            connection.session.send(&Command::new("NOOP")).unwrap();
            let mut events = Vec::new();
            loop {
                match glimpse(&mut connection).await {
                    Some(Ok(event)) => events.push(event),
                    Some(Err(_)) => return events,
                    None => {}
                }
            }
        });
        assert_eq!(events.len(), 3, "{events:?}");
        assert!(events[1].contains("Exists(4)"), "{events:?}");
        assert_eq!(inflated(&sent.lock().unwrap()[ASKED.len()..]), b"m2 NOOP\r\n");
    }
}
