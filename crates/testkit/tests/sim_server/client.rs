//! A client that sends what it is told and shows what came.

use std::time::Duration;

use mailferry_testkit::sim::{Account, Date, Profile, State, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    stream: DuplexStream,
    count: u32,
}

impl Client {
    /// Connects and swallows the greeting.
    pub(crate) async fn connect(state: &State) -> Self {
        let (mut client, greeting) = Self::greeted(state).await;
        assert!(greeting.starts_with("* OK "), "{greeting}");
        client.count = 0;
        client
    }

    /// Connects and shows the greeting.
    pub(crate) async fn greeted(state: &State) -> (Self, String) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(serve(theirs, state.clone()));
        let mut client = Self { stream: ours, count: 0 };
        let greeting = client.until(|text| text.ends_with("\r\n")).await;
        (client, greeting)
    }

    /// Connects and logs in.
    pub(crate) async fn login(state: &State) -> Self {
        let mut client = Self::connect(state).await;
        let answer = client.run("LOGIN joe secret").await;
        assert!(answer.contains(" OK "), "{answer}");
        client
    }

    /// Logs in and selects.
    pub(crate) async fn select(state: &State, mailbox: &str) -> Self {
        let mut client = Self::login(state).await;
        let answer = client.run(&format!("SELECT {mailbox}")).await;
        assert!(answer.contains("OK [READ-WRITE]"), "{answer}");
        client
    }

    /// Sends a command under the next tag (`t1`, `t2` ..) and shows everything up to its
    /// tagged line.
    pub(crate) async fn run(&mut self, command: &str) -> String {
        self.run_octets(command.as_bytes()).await
    }

    pub(crate) async fn run_octets(&mut self, command: &[u8]) -> String {
        let tag = self.next_tag();
        self.send(format!("{tag} ").as_bytes()).await;
        self.send(command).await;
        self.send(b"\r\n").await;
        self.tagged(&tag).await
    }

    /// Sends a command whose `{n}` literals stand between lines, waiting for each `+`.
    pub(crate) async fn run_parts(&mut self, parts: &[&[u8]]) -> String {
        let tag = self.next_tag();
        self.send(format!("{tag} ").as_bytes()).await;
        for (place, part) in parts.iter().enumerate() {
            self.send(part).await;
            self.send(b"\r\n").await;
            if place + 1 < parts.len() {
                let answer = self
                    .until(|text| is_line(text, "+ ") || is_line(text, &format!("{tag} ")))
                    .await;
                if !answer.starts_with("+ ") {
                    return answer;
                }
            }
        }
        self.tagged(&tag).await
    }

    /// Appends with a synchronising literal.
    pub(crate) async fn append(&mut self, head: &str, message: &[u8]) -> String {
        let head = format!("APPEND {head} {{{}}}", message.len());
        self.run_parts(&[head.as_bytes(), message]).await
    }

    pub(crate) fn next_tag(&mut self) -> String {
        self.count += 1;
        format!("t{}", self.count)
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        // The server may have hung up: the test looks at what it said before.
        let _ = timeout(PATIENCE, self.stream.write_all(octets)).await.expect("no reading");
    }

    pub(crate) async fn tagged(&mut self, tag: &str) -> String {
        self.until(|text| is_line(text, &format!("{tag} "))).await
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut octets = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut octets)).await;
        read.expect("no end").expect("broken");
        text_of(&octets)
    }

    /// Whether the server says nothing for a while, the connection being open.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        let mut octet = [0];
        timeout(Duration::from_millis(100), self.stream.read(&mut octet)).await.is_err()
    }

    /// What came, until it satisfies or the connection ends.
    async fn until(&mut self, enough: impl Fn(&str) -> bool) -> String {
        let mut octets = Vec::new();
        loop {
            let text = text_of(&octets);
            if enough(&text) {
                return text;
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut octets)).await;
            if read.unwrap_or_else(|_| panic!("no answer after: {text}")).expect("broken") == 0 {
                return text;
            }
        }
    }
}

/// A character for each octet.
pub(crate) fn text_of(octets: &[u8]) -> String {
    octets.iter().map(|&octet| char::from(octet)).collect()
}

/// Whether the last line is whole and begins so.
fn is_line(text: &str, start: &str) -> bool {
    let Some(body) = text.strip_suffix("\r\n") else { return false };
    body.rsplit("\r\n").next().is_some_and(|line| line.starts_with(start))
}

pub(crate) fn account() -> Account {
    Account::new("joe", "secret")
}

pub(crate) fn server(profile: Profile, account: &Account) -> State {
    State::new(profile, [account.clone()])
}

/// 2024-02-05T09:00:00Z, written an hour east.
pub(crate) fn date() -> Date {
    Date { seconds: 1_707_123_600, zone_minutes: 60 }
}

/// An account whose INBOX has `count` small messages.
pub(crate) fn with_inbox(count: usize) -> Account {
    let account = account();
    for number in 1..=count {
        let text = format!("Subject: {number}\r\n\r\nbody {number}\r\n");
        account.append("INBOX", text.as_bytes(), &[], date());
    }
    account
}
