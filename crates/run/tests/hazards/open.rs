//! What is known and not mended yet.

use std::sync::Arc;

use mailferry_engine::policy::Rules;
use mailferry_testkit::sim::Profile;

use crate::world::{World, assert_complete, assert_idle, date, fill, job};

/// A target may give a Message-Id to a message that has none. Fewer than twenty messages, or
/// some that are recognised, keep the guard for such targets from seeing it.
#[tokio::test]
#[ignore = "a message without identity headers is copied again in every run to a target that adds some"]
async fn a_message_that_gets_its_message_id_on_the_target_is_copied_once() {
    let world = World::new();
    fill(&world.source, "INBOX", 1..6, 400);
    world.source.append("INBOX", b"Subject: without identity\r\n\r\nx\r\n", &[], date(9));
    let alter = Arc::new(|octets: &[u8]| {
        if octets.starts_with(b"Message-Id") {
            octets.to_vec()
        } else {
            [b"Message-Id: <added@target>\r\n", octets].concat()
        }
    });
    let target = Profile { alter: Some(alter), ..Profile::modern() };
    assert_complete(&world.run(Profile::modern(), target.clone(), &job(Rules::sync())).await);
    assert_idle(&world.run(Profile::modern(), target, &job(Rules::sync())).await);
    assert_eq!(world.target.messages("INBOX").len(), 6);
}
