//! A full disk: what cannot be kept is not accepted, and a deployment that needs room ends with a clear word.

use crate::support::app::{WEB, write_gated, write_quick, write_web};
use crate::support::delivery::Delivery;
use crate::support::filler::Filler;
use crate::support::world::{Settings, World};
use launchway::model::{CommitId, ForgeKind};
use serde_json::Value;
use std::process::Command;

/// A small disk of its own; only root may make one.
struct SmallDisk(tempfile::TempDir, Filler);

impl SmallDisk {
    /// `None`, said aloud, where this user may not mount.
    fn of(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => {
                let filler = Filler::of(folder.path());
                Some(Self(folder, filler))
            }
            _ => {
                println!("SKIPPED: a small disk cannot be mounted here; run this story as root");
                None
            }
        }
    }

    /// A world whose data lies on it.
    async fn world(&self, settings: Settings) -> World {
        let mut world = World::not_serving(settings).await;
        std::os::unix::fs::symlink(self.0.path(), world.data()).unwrap();
        world.serve().await;
        world
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Fills the disk, and what room there is in what the store has already: deliveries are accepted as long as that lasts.
/// Returns those that were, and the answer to the one that was not.
async fn until_full(world: &World, disk: &SmallDisk, commit: &CommitId) -> (Vec<String>, Value) {
    disk.1.fill(0);
    let mut accepted = Vec::new();
    loop {
        let delivery = Delivery::push_to(world, "refs/heads/other", commit);
        let (status, told) = delivery.send().await;
        if status >= 500 {
            return (accepted, told);
        }
        assert!(status < 300, "{status} {told}");
        accepted.push(delivery.id);
        assert!(accepted.len() < 20_000, "the disk is never full");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_whose_end_cannot_be_noted_ends_once_there_is_room() {
    let Some(disk) = SmallDisk::of(40) else { return };
    let world = disk.world(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_gated(&world.repository, "one");
    let commit = world.push("First");
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    world.until_log("waiting for its health check to succeed").await;
    until_full(&world, &disk, &commit).await;
    world.open_gates().await;
    world.until_said("A deployment could not be carried to its end").await;
    assert_eq!(world.query("SELECT count(*) FROM deployments WHERE ended_at IS NULL").trim(), "1");

    disk.1.empty();
    world.open_gates().await;
    let shown = world.ends(&commit).await;
    let is_put_back = shown.state == "error" && shown.description.contains("no space left");
    assert!(shown.state == "success" || is_put_back, "{shown:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_room_ends_at_once_with_the_figures_and_nothing_is_touched() {
    let Some(disk) = SmallDisk::of(200) else { return };
    let world = disk.world(Settings::default()).await;
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    write_web(&world.repository, "zero");
    assert_eq!(world.ends(&world.push("Before")).await.state, "success");
    write_web(&world.repository, "one");
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "success");
    let before = world.running().await;

    disk.1.fill(1_500_000);
    write_web(&world.repository, "two");
    let shown = world.ends(&world.push("No room")).await;
    assert_eq!(shown.state, "error", "{shown:?}");
    assert!(shown.description.contains("no space left: "), "{}", shown.description);
    assert!(
        world.deployment_logs().contains("are free on the disk of the data directory"),
        "{}",
        world.deployment_logs()
    );
    assert!(
        world.deployment_logs().contains("`launchway gc` shows what is kept and why"),
        "{}",
        world.deployment_logs()
    );
    assert_eq!(world.running().await, before);
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    let (code, told, error) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "going back needs no room: {told}{error}");
    assert_eq!(world.get("/").await.as_deref(), Some("zero"));

    disk.1.empty();
    write_web(&world.repository, "three");
    assert_eq!(world.ends(&world.push("Room again")).await.state, "success");
    assert_eq!(world.get("/").await.as_deref(), Some("three"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_cannot_be_stored_is_never_answered_with_success() {
    let Some(disk) = SmallDisk::of(40) else { return };
    let world = disk.world(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    assert_eq!(world.ends(&commit).await.state, "success");

    let (accepted, refused) = until_full(&world, &disk, &commit).await;
    assert!(refused["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{refused}");
    disk.1.empty();
    for id in &accepted {
        let found = world.query(&format!("SELECT count(*) FROM deliveries WHERE delivery_id = '{id}'"));
        assert_eq!(found.trim(), "1", "{id} was answered with success");
    }
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    assert_eq!(Delivery::push(&world, &second).send().await.0, 202);
    assert_eq!(world.ends(&second).await.state, "success");
    world.end().await;
}
