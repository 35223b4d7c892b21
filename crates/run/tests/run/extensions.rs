//! Servers that lack one thing or all.

use mailferry_engine::policy::Rules;
use mailferry_testkit::sim::{AppendCheck, Codes, Extension, Profile, UidPlace, Zones};

use crate::world::{World, furnish, job};

async fn settles(source: Profile, target: Profile) {
    let world = World::new();
    furnish(&world.source);
    world.run_until_settled(source, target, &job(Rules::sync())).await;
    world.assert_same();
}

#[tokio::test]
async fn everything_arrives_between_two_modern_servers() {
    settles(Profile::modern(), Profile::modern()).await;
}

#[tokio::test]
async fn everything_arrives_whatever_one_extension_both_servers_lack() {
    for extension in Extension::EVERY {
        settles(Profile::modern().without(extension), Profile::modern().without(extension)).await;
    }
}

#[tokio::test]
async fn everything_arrives_between_two_bare_servers() {
    settles(Profile::bare(), Profile::bare()).await;
    settles(Profile::bare(), Profile::modern()).await;
    settles(Profile::modern(), Profile::bare()).await;
}

#[tokio::test]
async fn everything_arrives_where_only_short_literals_go_without_asking() {
    let minus = Profile::modern().without(Extension::LiteralPlus).with(Extension::LiteralMinus);
    settles(minus.clone(), minus).await;
}

#[tokio::test]
async fn everything_arrives_with_the_uid_last_and_without_codes() {
    let odd = Profile {
        uid_place: UidPlace::Last,
        codes: Codes::Omitted,
        zones: Zones::Utc,
        append_check: AppendCheck::AfterLiteral,
        ..Profile::modern()
    };
    settles(odd.clone(), odd.clone()).await;
    let bare = Profile { uid_place: UidPlace::Last, codes: Codes::Omitted, ..Profile::bare() };
    settles(bare.clone(), bare).await;
}

#[tokio::test]
async fn names_are_translated_there_and_back() {
    let world = World::new();
    furnish(&world.source);
    let profile = Profile::dotted();
    world.run_until_settled(Profile::modern(), profile.clone(), &job(Rules::sync())).await;
    assert!(world.target.snapshot().contains_key("INBOX.Archive.2024"));
    let back = World { source: world.target.clone(), target: World::new().target };
    back.run_until_settled(profile, Profile::modern(), &job(Rules::sync())).await;
    let there_and_back = World { source: world.source, target: back.target };
    there_and_back.assert_same();
}
