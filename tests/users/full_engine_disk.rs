//! The engine's disk is full: nothing that runs is touched, and the commit's status says what it is.
//!
//! Needs an engine whose disk may be filled: `make restart-test` starts one of its own (tests/own-engine) and runs these.

use super::restarting::own_engine;
use crate::support::app::{WEB, ready_made_web, serve, write_web};
use crate::support::filler::Filler;
use crate::support::images::BASE;
use crate::support::registry::Registry;
use crate::support::world::{Settings, World};
use std::path::PathBuf;

/// More than Launchway itself asks to be free before a build, less than any of these needs.
const LITTLE: u64 = 20_000_000;

/// `None`, said aloud, where its disk is the machine's own.
fn small_disk() -> Option<Filler> {
    own_engine("start");
    let folder = PathBuf::from(std::env::var("LAUNCHWAY_OWN_ENGINE").unwrap());
    let found = rustix::fs::statvfs(&folder).unwrap();
    if found.f_blocks * found.f_frsize > 1_000_000_000 {
        println!("SKIPPED: a small disk could not be mounted for the engine");
        return None;
    }
    Some(Filler::of(&folder))
}

/// A push of what was written, which the full disk stops, and whatever runs stays as it is.
async fn is_stopped(world: &World, disk: &Filler, when: Full, message: &str) -> String {
    let before = world.running().await;
    let commit = match when {
        Full::AtThePush => {
            disk.fill(LITTLE);
            world.push(message)
        }
        Full::WhenItDeploys => {
            let commit = world.push(message);
            world.until_deployment(&commit, &["deploying"]).await;
            disk.fill(0);
            commit
        }
    };
    let shown = world.ends(&commit).await;
    disk.empty();
    assert_eq!(shown.state, "error", "{message}: {shown:?}\n{}", world.deployment_logs());
    let why = &shown.description;
    assert!(why.contains("no space left"), "{message}: {why}\n{}", world.deployment_logs());
    assert!(world.deployment_logs().contains("`launchway gc` shows what is kept and why"), "{message}");
    assert_eq!(world.running().await, before, "{message}");
    assert_eq!(world.get("/").await.as_deref(), Some("one"), "{message}");
    shown.description
}

enum Full {
    AtThePush,
    /// All was pulled and built, and nothing is created yet.
    WhenItDeploys,
}

async fn goes_live(world: &World, message: &str) {
    let shown = world.ends(&world.push(message)).await;
    assert_eq!(shown.state, "success", "{message}: {shown:?}\n{}", world.deployment_logs());
}

fn write(world: &World, version: &str, more: &str) {
    world.repository.write("compose.yaml", format!("services:{}{more}", ready_made_web(&serve(version))));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn a_pull_that_finds_no_room_leaves_all_as_it_is() {
    let Some(disk) = small_disk() else { return };
    let registry = Registry::with_large("ci", "secret", 60).await;
    let tables = format!("[registries.\"{}\"]\nusername = \"ci\"\npassword = \"secret\"\n", registry.host);
    let world = World::with(Settings { tables, ..Settings::default() }).await;
    write(&world, "one", "");
    goes_live(&world, "First").await;
    let image = format!("{}/app:1", registry.host);
    let large = format!(
        "  large:\n    image: {image}\n    init: true\n    command: [sleep, \"600\"]\n    stop_grace_period: 1s\n"
    );
    write(&world, "one", &large);
    is_stopped(&world, &disk, Full::AtThePush, "Large").await;
    write(&world, "one", &format!("{large}    labels: {{ again: \"1\" }}\n"));
    goes_live(&world, "Again").await;
    assert_eq!(world.running().await.len(), 2);
    let engine = crate::support::images::Engine::here().await;
    world.end().await;
    engine.remove(&image).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn a_container_that_cannot_be_created_leaves_all_as_it_is() {
    let Some(disk) = small_disk() else { return };
    let mut world = World::new().await;
    write(&world, "one", "");
    goes_live(&world, "First").await;
    world.terminate().await;
    // The first step takes its time.
    world.serve_with(&[("FAILPOINTS", "step.begins=1*sleep(5000)")]).await;
    write(&world, "two", "");
    let why = is_stopped(&world, &disk, Full::WhenItDeploys, "Second").await;
    assert!(why.contains("web-1"), "it says what could not be created: {why}");
    write(&world, "three", "");
    goes_live(&world, "Third").await;
    assert_eq!(world.get("/").await.as_deref(), Some("three"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn a_build_that_fills_the_disk_is_the_hosts_fault() {
    let Some(disk) = small_disk() else { return };
    let world = World::new().await;
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    write_web(&world.repository, "one");
    goes_live(&world, "First").await;
    let dockerfile = std::fs::read_to_string(world.repository.work().join("web/Dockerfile")).unwrap();
    let hungry = dockerfile
        .replace(&format!("FROM {BASE}\n"), &format!("FROM {BASE}\nRUN dd if=/dev/zero of=/large bs=1M count=60\n"));
    assert_ne!(hungry, dockerfile);
    world.repository.write("web/Dockerfile", hungry);
    is_stopped(&world, &disk, Full::AtThePush, "Hungry").await;
    write_web(&world.repository, "two");
    goes_live(&world, "Second").await;
    assert_eq!(world.get("/").await.as_deref(), Some("two"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn a_build_waits_for_the_room_that_builds_before_it_took() {
    let Some(disk) = small_disk() else { return };
    let world = World::new().await;
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    write_web(&world.repository, "one");
    let dockerfile = std::fs::read_to_string(world.repository.work().join("web/Dockerfile")).unwrap();
    let large = "COPY version /before\nRUN dd if=/dev/zero of=/large bs=1M count=60\n";
    world.repository.write("web/Dockerfile", dockerfile.replace("COPY start", &format!("{large}COPY start")));
    goes_live(&world, "First").await;
    let added = "SELECT json_extract(detail, '$.disk_bytes') FROM work WHERE kind = 'build'";
    let added: u64 = world.query(added).trim().parse().unwrap();
    assert!((60 << 20..120 << 20).contains(&added), "{added}");

    world.repository.write("web/version", "two");
    disk.fill(added / 2);
    let before = world.running().await;
    let commit = world.push("Second");
    let waits = "Waiting for disk: building web added ";
    let says = world.until("the commit to wait for disk", || async {
        world.shown(&commit).into_iter().find(|shown| shown.description.starts_with(waits))
    });
    let says = says.await;
    assert!(says.description.ends_with(" are free"), "{says:?}");
    assert_eq!(world.running().await, before);
    disk.empty();
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("two"));
    world.end().await;
}
