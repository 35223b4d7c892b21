//! How fast a connection is, as it measures it itself.

use std::time::Duration;

use mailferry_imap::command::Command;
use mailferry_imap::connection::Connection;
use mailferry_imap::pace::Pace;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const PAUSE: Duration = Duration::from_millis(60);

fn pair(octets: usize) -> (Connection, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(octets);
    (Connection::new(Box::new(ours), Duration::from_secs(10)), theirs)
}

async fn read_command(server: &mut DuplexStream) {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(server.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn waiting_for_the_rest_of_a_body_counts_and_a_round_trip_does_not() {
    let (mut connection, mut server) = pair(1 << 16);
    tokio::spawn(async move {
        server.write_all(b"* OK hi\r\n").await.unwrap();
        read_command(&mut server).await;
        tokio::time::sleep(8 * PAUSE).await;
        server.write_all(b"* 1 FETCH (UID 1 BODY[] {20000}\r\n").await.unwrap();
        server.write_all(&[b'x'; 10_000]).await.unwrap();
        tokio::time::sleep(PAUSE).await;
        server.write_all(&[b'x'; 10_000]).await.unwrap();
        server.write_all(b")\r\n").await.unwrap();
        tokio::time::sleep(8 * PAUSE).await;
        server.write_all(b"m1 OK\r\n").await.unwrap();
        read_command(&mut server).await;
    });
    connection.next().await.unwrap();
    let done = connection.run(&Command::new("UID FETCH 1 BODY.PEEK[]"), |_| {}).await.unwrap();
    assert!(done.is_ok());
    let pace = connection.take_pace();
    assert!(pace.octets >= 10_000 && pace.octets < 21_000, "{pace:?}");
    assert!(pace.waited >= PAUSE - Duration::from_millis(5), "{pace:?}");
    assert!(pace.waited < 5 * PAUSE, "{pace:?}");
    assert_eq!(connection.take_pace(), Pace::default());
}

#[tokio::test]
async fn waiting_for_room_to_send_counts() {
    let (mut connection, mut server) = pair(4096);
    tokio::spawn(async move {
        server.write_all(b"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi\r\n").await.unwrap();
        tokio::time::sleep(PAUSE).await;
        server.read_exact(&mut vec![0; 100_000]).await.unwrap();
        read_command(&mut server).await;
        tokio::time::sleep(8 * PAUSE).await;
        server.write_all(b"m1 OK\r\n").await.unwrap();
    });
    connection.next().await.unwrap();
    let command = Command::new("APPEND x").sp().literal(vec![b'y'; 100_000]);
    assert!(connection.run(&command, |_| {}).await.unwrap().is_ok());
    let pace = connection.take_pace();
    assert!(pace.octets > 95_000, "{pace:?}");
    assert!(pace.octets < 96_000 + 100, "what was taken at once does not count: {pace:?}");
    assert!(pace.waited >= PAUSE - Duration::from_millis(5), "{pace:?}");
    assert!(pace.waited < 5 * PAUSE, "{pace:?}");
}

#[tokio::test]
async fn time_in_which_nobody_listens_does_not_count() {
    let (mut connection, mut server) = pair(1 << 16);
    tokio::spawn(async move {
        server.write_all(b"* OK hi\r\n").await.unwrap();
        read_command(&mut server).await;
        server.write_all(b"* 1 FETCH (UID 1 BODY[] {20000}\r\n").await.unwrap();
        server.write_all(&[b'x'; 10_000]).await.unwrap();
        tokio::task::yield_now().await;
        tokio::time::sleep(PAUSE / 4).await;
        server.write_all(&[b'x'; 10_000]).await.unwrap();
        server.write_all(b")\r\nm1 OK\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    connection.next().await.unwrap();
    connection.session.send(&Command::new("UID FETCH 1 BODY.PEEK[]")).unwrap();
    connection.next().await.unwrap();
    connection.next().await.unwrap();
    // A wait that is given up, and then something else to do.
    let given_up = tokio::time::timeout(Duration::from_millis(1), connection.next()).await;
    drop(given_up);
    tokio::time::sleep(10 * PAUSE).await;
    while !matches!(connection.next().await.unwrap(), mailferry_imap::session::Event::Completed(_))
    {
    }
    let pace = connection.take_pace();
    assert!(pace.waited < 5 * PAUSE, "{pace:?}");
}
