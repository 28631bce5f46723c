//! A push goes live.

use crate::support::app::write_shop;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_push_goes_live_and_says_so_on_its_commit() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    let commit = world.push("First");
    let shown = world.ends(&commit).await;
    assert_eq!((shown.state.as_str(), world.get("/").await.as_deref()), ("success", Some("one")), "{shown:?}");
    assert!(
        shown.description.starts_with("Live after ") && shown.description.contains("Release 1: store, web started"),
        "{}",
        shown.description
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_replaces_only_what_it_changes() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    world.ends(&world.push("First")).await;
    let before = world.running().await;
    write_shop(&world.repository, "two");
    let shown = world.ends(&world.push("Second")).await;
    let after = world.running().await;
    assert_eq!(world.get("/").await.as_deref(), Some("two"), "{shown:?}");
    assert_eq!(before["store"], after["store"]);
    assert_ne!(before["web"], after["web"]);
    assert!(shown.description.ends_with("; store unchanged"), "{}", shown.description);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_changes_nothing_touches_nothing() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    world.ends(&world.push("First")).await;
    let before = world.running().await;
    world.repository.write("README.md", "unrelated");
    let shown = world.ends(&world.push("Unrelated")).await;
    assert_eq!(shown.state, "success");
    assert_eq!(shown.description, "Live. Release 2: nothing had to change");
    assert_eq!(before, world.running().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_never_passes_puts_the_old_release_back() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    world.ends(&world.push("First")).await;
    let before = world.running().await;
    write_shop(&world.repository, "two");
    world.repository.write("web/start", "#!/bin/sh\necho cannot reach the bank >&2\nexec tail -f /dev/null\n");
    let shown = world.ends(&world.push("Broken")).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    assert!(shown.description.starts_with("web"), "{}", shown.description);
    assert!(shown.description.contains("cannot reach the bank"), "{}", shown.description);
    assert!(shown.description.ends_with("release 1 is live again"), "{}", shown.description);
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    assert_eq!(before, world.running().await, "the very containers of before run again");
    world.end().await;
}
