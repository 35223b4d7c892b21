//! Whatever a client sends, the server goes on; whatever it stores, it gives back.

use mailferry_testkit::sim::{Extension, Profile, State, serve};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, account, server, text_of, with_inbox};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Sends everything, hangs up, and returns the answers. A panic of the server is the test's.
async fn say(state: &State, octets: Vec<u8>) -> Vec<u8> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(serve(theirs, state.clone()));
    let (mut reading, mut writing) = tokio::io::split(ours);
    let writer = tokio::spawn(async move {
        // The server may end the connection before it took everything.
        let _ = writing.write_all(&octets).await;
        let _ = writing.shutdown().await;
    });
    let mut answers = Vec::new();
    reading.read_to_end(&mut answers).await.unwrap();
    writer.await.unwrap();
    drop(reading);
    server.await.expect("the server panicked");
    answers
}

/// Pieces of commands, so that arbitrary strings get past the first word.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "a ",
        "UID ",
        "FETCH ",
        "SEARCH ",
        "STORE ",
        "APPEND ",
        "LIST ",
        "INBOX",
        "\"\"",
        "*",
        "1:*",
        "(",
        ")",
        " ",
        "\r\n",
        "\n",
        "{3}\r\n",
        "{3+}\r\n",
        "~{1}\r\n",
        "abc",
        "BODY[",
        "]",
        "<0.1>",
        "HEADER.FIELDS",
        "\\Seen",
        "+FLAGS",
        "RETURN",
        "OR ",
        "NOT ",
        "&AOk-",
        "&",
        "\"",
        "STATUS ",
        "SELECT ",
        "EXPUNGE",
        "CREATE ",
        "RENAME ",
        "COPY ",
        "MOVE ",
        "0",
        "4294967296",
        "NIL",
        "a FETCH 1:* (FLAGS BODY[])\r\n",
        "a SELECT INBOX\r\n",
        "a APPEND INBOX {3+}\r\nabc\r\n",
        "RECURSIVEMATCH",
        "SUBSCRIBED",
        "\" 1-Jan-2024 00:00:00 +0000\"",
        "SINCE 1-Jan-2024",
        ",",
        "a ENABLE QRESYNC\r\n",
        "a SELECT INBOX (QRESYNC (1600007920 1 1:9 (1:2 1:2)))\r\n",
        "(CHANGEDSINCE 1 VANISHED)",
        "(UNCHANGEDSINCE 1) ",
        "QRESYNC (",
        "MODSEQ ",
        "HIGHESTMODSEQ",
        "9223372036854775807",
    ]);
    prop_oneof![
        8 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn arbitrary_octets_never_panic_it(
        octets in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        block_on(say(&server(Profile::modern(), &account()), octets));
    }

    #[test]
    fn fragments_of_commands_never_panic_it(
        fragments in prop::collection::vec(fragment(), 0..200),
    ) {
        let mut octets = b"l LOGIN joe secret\r\ns SELECT INBOX\r\n".to_vec();
        octets.extend(fragments.concat());
        let mut profile = Profile::resyncing().with(Extension::AppendLimit);
        profile.limits.bad_commands_max = u32::MAX;
        let answers = block_on(say(&server(profile, &with_inbox(3)), octets));
        prop_assert!(memchr::memmem::find(&answers, b"s OK [READ-WRITE]").is_some());
    }

    #[test]
    fn what_is_appended_is_fetched_back(
        message in prop::collection::vec(any::<u8>(), 1..5000),
    ) {
        let heard = block_on(async {
            let state = server(Profile::modern(), &account());
            let mut client = Client::login(&state).await;
            client.append("INBOX", &message).await;
            client.run("SELECT INBOX").await;
            client.send(b"a UID FETCH 1 (RFC822.SIZE BODY.PEEK[])\r\nb LOGOUT\r\n").await;
            client.rest().await
        });
        let size = message.len();
        let shown = text_of(&message);
        let wanted = format!("* 1 FETCH (UID 1 RFC822.SIZE {size} BODY[] {{{size}}}\r\n{shown})\r\n");
        prop_assert!(heard.starts_with(&wanted), "{}", heard);
    }

    #[test]
    fn what_is_sent_in_pieces_is_understood_the_same(
        cuts in prop::collection::vec(1usize..12, 1..40),
    ) {
        let script = b"a LOGIN {3+}\r\njoe secret\r\nb APPEND INBOX (\\Seen) {7+}\r\nx\r\ny\r\nz\r\n\
                       c SELECT INBOX\r\nd UID FETCH 1:* BODY[]\r\ne LOGOUT\r\n";
        let whole = block_on(say(&server(Profile::modern(), &account()), script.to_vec()));
        let pieces = block_on(async {
            let state = server(Profile::modern(), &account());
            let (mut client, greeting) = Client::greeted(&state).await;
            let mut rest = &script[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                client.send(piece).await;
                tokio::task::yield_now().await;
                rest = after;
            }
            client.send(rest).await;
            greeting + &client.rest().await
        });
        prop_assert_eq!(String::from_utf8(whole).unwrap(), pieces);
    }
}
