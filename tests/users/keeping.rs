//! While nothing is deployed: what died comes back, what keeps dying is told, what somebody stopped stays stopped.

use crate::support::app::{write_gated, write_quick, write_ready_made, write_ready_made_broken};
use crate::support::engine_proxy::EngineProxy;
use crate::support::images::BASE;
use crate::support::world::{Settings, World};
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use serde_json::Value;

const WHOLE: &[&str] =
    &["container app-store-1 running", "container app-web-1 running", "network app_default", "volume app_data"];

async fn live_shop() -> World {
    let world = World::new().await;
    write_ready_made(&world.repository, "first");
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    world
}

/// One component that runs a shell line, with further lines of its service.
fn write_line(world: &World, line: &str, more: &str) {
    let text = format!(
        "services:\n  web:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sh, -c, \"{line}\"]\n    volumes: ['data:/data']\n    x-launchway: {{ stay-up: 1s }}\n{more}volumes: {{ data: {{}} }}\n"
    );
    world.repository.write("compose.yaml", text);
}

async fn live_line(line: &str, more: &str) -> World {
    let world = World::new().await;
    write_line(&world, line, more);
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world
}

async fn kill(world: &World, component: &str) {
    let id = world.running().await[component].clone();
    let options = KillContainerOptionsBuilder::new().signal("KILL").build();
    world.engine.docker.kill_container(&id, Some(options)).await.unwrap();
}

async fn stop(world: &World, component: &str) {
    let id = world.running().await[component].clone();
    let options = StopContainerOptionsBuilder::new().t(1).build();
    world.engine.docker.stop_container(&id, Some(options)).await.unwrap();
}

async fn remove(world: &World, component: &str) {
    let id = world.running().await[component].clone();
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_container(&id, Some(options)).await.unwrap();
}

/// `launchway status --json`, the only environment.
async fn status(world: &World, more: &[&str]) -> Value {
    let (code, out, err) = world.launchway(&[&["status", "--json"], more].concat()).await;
    assert_eq!(code, 0, "{err}");
    serde_json::from_str::<Value>(&out).unwrap()["environments"][0].clone()
}

async fn until_degraded(world: &World, trouble: &str) -> Value {
    world
        .until(&format!("degraded: {trouble}"), || async {
            let status = status(world, &[]).await;
            let all = status["degraded"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["trouble"] == trouble)
        })
        .await
}

async fn until_well(world: &World) {
    world
        .until("all to be well", || async {
            (status(world, &[]).await["degraded"] == serde_json::json!([])).then_some(())
        })
        .await;
}

async fn until_whole(world: &World) {
    world.until("all to run again", || async { (world.on_the_engine().await == WHOLE).then_some(()) }).await;
    world
        .until("the app to answer", || async { (world.get("/").await.as_deref() == Some("first")).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_killed_comes_back() {
    let world = live_shop().await;
    let before = world.running().await;
    kill(&world, "web").await;
    until_whole(&world).await;
    assert_eq!(world.running().await, before, "the very containers of before");
    kill(&world, "store").await;
    until_whole(&world).await;
    assert_eq!(world.query("SELECT count(*) FROM deployments").trim(), "1", "no deployment was made for it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_removed_comes_back_with_its_data() {
    let world = live_shop().await;
    remove(&world, "store").await;
    remove(&world, "web").await;
    until_whole(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_killed_in_spite_of_its_restart_policy_comes_back() {
    let world = live_line("exec sleep 600", "    restart: always\n").await;
    let before = world.running().await;
    kill(&world, "web").await;
    world.until("it to run again", || async { (world.running().await == before).then_some(()) }).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_stopped_stays_stopped_until_start() {
    for more in ["", "    restart: unless-stopped\n"] {
        let mut world = live_line("exec sleep 600", more).await;
        let before = world.running().await;
        stop(&world, "web").await;
        let degraded = until_degraded(&world, "stopped").await;
        assert_eq!(
            degraded["why"],
            "web was stopped by hand; `launchway start production` or the next deployment starts it"
        );
        // Also over a restart of Launchway, whoever remembers what.
        world.terminate().await;
        world.serve().await;
        until_degraded(&world, "stopped").await;
        assert!(world.running().await.is_empty());

        let (code, out, err) = world.launchway(&["start"]).await;
        assert_eq!(
            (code, out.as_str()),
            (0, format!("Started in {}/production: web\n", world.project).as_str()),
            "{err}"
        );
        assert_eq!(world.running().await, before);
        until_well(&world).await;
        let (_, out, _) = world.launchway(&["start", "production"]).await;
        assert_eq!(out, format!("Nothing of {}/production had to be started\n", world.project));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_stopped_is_started_by_the_next_deployment() {
    let world = World::new().await;
    write_quick(&world.repository, "1");
    world.ends(&world.push("First")).await;
    stop(&world, "web").await;
    until_degraded(&world, "stopped").await;
    world.repository.write("README.md", "unrelated");
    assert_eq!(world.ends(&world.push("Unrelated")).await.state, "success");
    assert_eq!(world.running().await.len(), 1);
    until_well(&world).await;
    world.end().await;
}
