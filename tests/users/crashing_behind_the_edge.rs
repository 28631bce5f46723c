//! `kill -9` of the server after each step of each method, under load: one whole release is served afterwards, and no
//! request was lost on the way.

use super::crashing::{counted, every_step, interrupted, is_settled};
use crate::support::app::{ready_made_web, serve};
use crate::support::git_repository::GitRepository;
use crate::support::load::Load;
use crate::support::world::{Settings, World, free_port};
use launchway::model::CommitId;

pub(super) const WHOLE: &[&str] = &["container app-web-1 running", "network app_default", "network app_launchway"];
pub(super) const WHOLE_OF_TWO: &[&str] =
    &["container app-web-1 running", "container app-web-2 running", "network app_default", "network app_launchway"];

/// `web` with further lines of the service.
pub(super) fn write(repository: &GitRepository, command: &str, lines: &str) {
    repository.write("compose.yaml", format!("services:{}{lines}\n", ready_made_web(command)));
}

pub(super) async fn live(lines: &str) -> World {
    let tables = format!("[edge]\nlisten = [\"127.0.0.1:{}\"]\n", free_port());
    let mut world = World::not_serving(Settings { tables, ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    write(&world.repository, &serve("first"), lines);
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world
}

/// What the edge serves is one release, and nothing waits.
pub(super) async fn is_served(world: &World, version: Option<&str>) {
    let routes = std::fs::read_to_string(world.data().join("edge/routes.json")).unwrap();
    assert_eq!(routes.matches("\"weight\"").count(), 1, "{routes}");
    assert!(!routes.contains("\"held\":true") && !routes.contains("\"held\": true"), "{routes}");
    if let Some(version) = version {
        assert_eq!(world.get("/").await.as_deref(), Some(version));
    }
}

async fn updates_survive(lines: &str, whole: &[&str]) {
    let mut world = live(lines).await;
    let load = Load::start(world.app_port);
    let update = |world: &World, number: u32| {
        write(&world.repository, &serve(&format!("version-{number}")), lines);
        world.push("Update")
    };
    every_step("step.ended", &mut world, update, whole, "success").await;
    is_served(&world, None).await;
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    world.end().await;
}

async fn failing_updates_survive(lines: &str, whole: &[&str]) {
    let mut world = live(lines).await;
    let load = Load::start(world.app_port);
    let update = |world: &World, number: u32| {
        write(&world.repository, &format!("echo no bank {number} >&2; exit 7"), lines);
        world.push("Broken")
    };
    // A release that never becomes ready has few steps forwards; those backwards come too.
    let mut met = 0;
    while let Some(shown) = interrupted(&mut world, "step.ended", met, |world| update(world, met)).await {
        let place = format!("step.ended {met}");
        assert_eq!(shown.state, "failure", "{place}: {shown:?}\n{}", world.deployment_logs());
        is_settled(&world, &place, whole).await;
        is_served(&world, Some("first")).await;
        met += 1;
    }
    counted("step.ended", met);
    assert!(met >= 3, "only {met} steps were met");
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    assert_eq!(told.bodies, ["first"].map(String::from).into());
    world.end().await;
}

pub(super) const BLUE_GREEN: &str = "    x-launchway: { method: blue-green }";
pub(super) const ROLLING: &str = "    deploy: { replicas: 2, update_config: { parallelism: 1, order: start-first } }";
pub(super) const RECREATE: &str = "    x-launchway: { method: recreate }";
pub(super) const CANARY: &str = "    x-launchway: { route: { host: shop.example.com, port: 8080 }, canary: { steps: [30%], hold: 1s, warm-up: 0s, on-little-traffic: promote } }";

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_survives_a_crash_after_any_of_its_steps() {
    updates_survive(BLUE_GREEN, WHOLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_survives_a_crash_after_any_of_its_steps() {
    updates_survive(ROLLING, WHOLE_OF_TWO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recreate_survives_a_crash_after_any_of_its_steps() {
    updates_survive(RECREATE, WHOLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_survives_a_crash_after_any_of_its_steps() {
    updates_survive(CANARY, WHOLE).await;
}

/// A canary that has just passed a share is not held there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_survives_a_crash_just_after_its_verdict() {
    let mut world = live(CANARY).await;
    let shown = interrupted(&mut world, "canary.passed", 0, |world| {
        write(&world.repository, &serve("second"), CANARY);
        world.push("Second")
    });
    assert_eq!(shown.await.expect("the point was met").state, "success");
    is_settled(&world, "canary.passed", WHOLE).await;
    is_served(&world, Some("second")).await;
    counted("named points", 1);
    let holds = world.deployment_logs().matches("web: watch at 30 % for 1 s (1 of 1)").count();
    assert_eq!(holds, 1, "{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_blue_green_survives_a_crash_after_any_of_its_steps() {
    failing_updates_survive(BLUE_GREEN, WHOLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_rolling_survives_a_crash_after_any_of_its_steps() {
    failing_updates_survive(ROLLING, WHOLE_OF_TWO).await;
}

/// Whoever kills the edge in the middle finds the same routes served by the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_on_when_the_edge_is_killed_and_started_again() {
    let mut world = live(BLUE_GREEN).await;
    write(&world.repository, &serve("second"), BLUE_GREEN);
    let second: CommitId = world.push("Second");
    world.kill_edge();
    world.until_log("waiting for the edge to answer").await;
    world.start_edge().await;
    let shown = world.ends(&second).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    is_served(&world, Some("second")).await;
    world.end().await;
}
