//! Flags that a server tells apart from the rest, or not at all at first.

use std::sync::Arc;

use mailferry_engine::message::Flag;
use mailferry_testkit::sim::{Date, Profile, Server};

use crate::meddler::{Meddler, Rewrite};
use crate::world::{account, list, open};

/// What becomes of the flags that stand in a listing.
#[derive(Clone, Copy)]
enum Told {
    /// They come in a response of their own, before the rest.
    Before,
    /// The same, behind the rest.
    Behind,
    /// They are left out: only a FETCH of flags alone tells them.
    OnlyWhenAsked,
}

fn apart(told: Told) -> Rewrite {
    Arc::new(move |response: &[u8]| {
        let text = String::from_utf8_lossy(response).into_owned();
        let (Some(start), true) = (text.find("FLAGS ("), text.contains("INTERNALDATE")) else {
            return response.to_vec();
        };
        let end = start + text[start..].find(')').unwrap() + 1;
        let flags = &text[start..end];
        let rest = text.replacen(&format!("{flags} "), "", 1);
        let number = text.split(' ').nth(1).unwrap();
        let alone = format!("* {number} FETCH (UID {number} {flags})\r\n");
        match told {
            Told::Before => (alone + &rest).into_bytes(),
            Told::Behind => (rest + &alone).into_bytes(),
            Told::OnlyWhenAsked => rest.into_bytes(),
        }
    })
}

#[tokio::test]
async fn flags_told_apart_from_the_rest_are_not_lost() {
    for told in [Told::Before, Told::Behind, Told::OnlyWhenAsked] {
        let account = account();
        for number in 1..4 {
            let message = format!("Message-Id: <{number}@flags>\r\n\r\nx");
            let flags: &[&str] = if number == 2 { &["\\Seen", "work"] } else { &[] };
            account.append("INBOX", message.as_bytes(), flags, Date::utc(1_600_000_000));
        }
        let server = Server::bind(Profile::modern(), [account]).await.unwrap();
        let meddler = Meddler::start(server.addr(), apart(told)).await;
        let mut store = open(meddler.address).await;
        let listing = list(&mut store, "INBOX").await;
        assert_eq!(listing.len(), 3);
        let counts: Vec<usize> =
            listing.flags.iter().map(|&flags| listing.flag_table.set(flags).len()).collect();
        assert_eq!(counts, [0, 2, 0]);
        assert!(listing.flag_table.set(listing.flags[1]).contains(&Flag::new(b"\\Seen")));
    }
}
