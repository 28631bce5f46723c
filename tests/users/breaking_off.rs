//! Something inside panics: that ends the piece of work it was in, and nothing else.

use crate::support::app::write_quick;
use crate::support::world::{Settings, World};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

/// One release is live; then the server goes on with these failpoints.
async fn breaking_at(points: &str) -> World {
    let mut world = World::new().await;
    goes_on(&world, "one").await;
    world.terminate().await;
    world.serve_with(&[("FAILPOINTS", points)]).await;
    world
}

/// The next push goes live as if nothing had been.
async fn goes_on(world: &World, version: &str) {
    write_quick(&world.repository, version);
    let commit = world.push(version);
    assert_eq!(world.ends(&commit).await.state, "success", "{}\n{}", world.deployment_logs(), world.serve_log());
    assert_eq!(world.exec("web", &["sh", "-c", "echo $VERSION"]).await, version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_in_which_something_panics_fails_and_the_next_one_goes_live() {
    for (point, is_put_back) in [
        ("prepare.planned=1*panic->off", false),
        ("step.begins=1*off->1*panic->off", true),
        ("deploy.converged=1*panic->off", true),
    ] {
        let world = breaking_at(point).await;
        write_quick(&world.repository, "two");
        let commit = world.push("Two");
        let shown = world.ends(&commit).await;
        assert_eq!(shown.state, "error", "{point}: {shown:?}");
        assert!(shown.description.contains("Launchway itself failed at it"), "{point}: {shown:?}");
        let state = if is_put_back { "rolled_back" } else { "failed" };
        assert_eq!(world.query("SELECT state FROM deployments WHERE id = 2").trim(), state, "{point}");
        assert_eq!(world.exec("web", &["sh", "-c", "echo $VERSION"]).await, "one", "{point}");
        goes_on(&world, "three").await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_going_back_panics_too_the_environment_is_looked_after_and_not_lost() {
    let world = breaking_at("deploy.converged=1*panic->off;back.converged=1*panic->off").await;
    write_quick(&world.repository, "two");
    let broken = world.push("Two");
    let shown = world.ends(&broken).await;
    assert_eq!(shown.state, "error", "{shown:?}");
    // What could not be put back is put back by a look.
    world.until_store_says("SELECT touched FROM deployments WHERE id = 2", "0").await;
    assert_eq!(world.exec("web", &["sh", "-c", "echo $VERSION"]).await, "one");
    goes_on(&world, "three").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_a_status_and_a_hook_in_which_something_panics_are_no_other_s_trouble() {
    let points = "delivery.fetched=1*panic->off;status.leaves=1*panic->off;hook.begins=1*panic->off";
    let mut world = World::not_serving(Settings::default()).await;
    let hook = world.data().join("hooks/deployment-succeeded");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.serve_with(&[("FAILPOINTS", points)]).await;
    goes_on(&world, "one").await;
    assert_eq!(world.query("SELECT outcome, attempts > 0 FROM deliveries").trim(), "deploys|1");
    world.until_store_says("SELECT count(*) FROM hooks WHERE outcome IS NULL", "0").await;
    world.until_said("A commit status did not arrive; it is sent again").await;
    goes_on(&world, "two").await;
    let outcome = "SELECT outcome FROM hooks WHERE event = 'deployment-succeeded' ORDER BY deployment";
    world.until_store_says(outcome, "failed\ndone").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_whose_name_is_not_utf_8_is_told_in_the_log_once_and_pushes_go_on() {
    let world = World::new().await;
    goes_on(&world, "one").await;
    let branch = world.repository.bare().join(OsStr::from_bytes(b"refs/heads/caf\xe9"));
    std::fs::write(branch, format!("{}\n", world.repository.head())).unwrap();
    goes_on(&world, "two").await;
    goes_on(&world, "three").await;
    let log = world.serve_log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("its name is not UTF-8")).collect();
    assert!(told.len() == 1 && told[0].contains(r"refs/heads/caf\\xe9"), "{told:?}");
    world.end().await;
}
