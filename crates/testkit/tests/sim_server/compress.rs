//! COMPRESS=DEFLATE (RFC 4978): asked for alone, once, and only where it is offered.

use mailferry_testkit::sim::{Extension, Profile};
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec;

use crate::client::{Client, server, with_inbox};

fn offered() -> Profile {
    Profile::modern().with(Extension::Compress)
}

#[tokio::test]
async fn what_follows_the_answer_is_deflated_both_ways() {
    let state = server(offered(), &with_inbox(1));
    let mut client = Client::login(&state).await;
    assert!(client.run("CAPABILITY").await.contains(" COMPRESS=DEFLATE"));
    assert!(client.run("COMPRESS LZW").await.contains("BAD Unknown compression"));
    assert_eq!(client.run("COMPRESS DEFLATE").await, "t4 OK DEFLATE active\r\n");
    let commands = b"t5 COMPRESS DEFLATE\r\nt6 LOGOUT\r\n";
    client.send(&compress_to_vec(commands, 6)).await;
    let octets: Vec<u8> = client.rest().await.chars().map(|c| c as u8).collect();
    // The server's stream has no end of its own: the inflater misses one, and has more room.
    let text = match decompress_to_vec(&octets) {
        Ok(text) => text,
        Err(failed) => failed.output,
    };
    assert_eq!(
        String::from_utf8(text).unwrap().trim_end_matches('\0'),
        "t5 NO [COMPRESSIONACTIVE] DEFLATE is active already\r\n* BYE Logging out\r\n\
         t6 OK Logout completed\r\n"
    );
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_the_answer_is_hung_up_on() {
    let state = server(offered(), &with_inbox(1));
    let mut client = Client::login(&state).await;
    client.send(b"t2 COMPRESS DEFLATE\r\nt3 NOOP\r\n").await;
    let rest = client.rest().await;
    assert_eq!(rest, "t2 BAD Input after COMPRESS\r\n* BYE Input after COMPRESS\r\n");
}

#[tokio::test]
async fn compression_is_absent_unless_it_is_asked_for() {
    let state = server(Profile::modern(), &with_inbox(1));
    let mut client = Client::login(&state).await;
    assert!(!client.run("CAPABILITY").await.contains("COMPRESS"));
    assert!(client.run("COMPRESS DEFLATE").await.contains("BAD Unknown command COMPRESS"));
}
