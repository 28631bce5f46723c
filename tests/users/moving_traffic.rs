//! Deployments behind the edge: the site does not notice them.

use crate::support::app::write_web;
use crate::support::git_repository::GitRepository;
use crate::support::load::Load;
use crate::support::world::{Settings, World};
use launchway::model::CommitId;

/// `web` with further lines of the service, and of its `x-launchway`.
fn write(repository: &GitRepository, version: &str, lines: &str) {
    write_web(repository, version);
    repository.write(
        "compose.yaml",
        format!(
            r#"
services:
  web:
    build: ./web
    init: true
    stop_grace_period: 2s
    ports: ["127.0.0.1:${{PORT}}:8080"]
    healthcheck: {{ test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval: 1s, timeout: 2s, retries: 5 }}
{lines}
"#
        ),
    );
}

/// A server and its edge.
async fn world() -> World {
    let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    world
}

async fn deployed(world: &World, message: &str) -> CommitId {
    let commit = world.push(message);
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    commit
}

/// Deploys one version after the other under load, and expects that every request was answered.
async fn replaced_under_load(lines: &str, method: &str) {
    let world = world().await;
    write(&world.repository, "one", lines);
    deployed(&world, "First").await;
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    let load = Load::start(world.app_port);
    for version in ["two", "three"] {
        write(&world.repository, version, lines);
        deployed(&world, version).await;
        assert_eq!(world.get("/").await.as_deref(), Some(version));
    }
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    assert!(told.answered > 20, "{} were answered", told.answered);
    let logs = world.deployment_logs();
    assert!(logs.contains(&format!("; {method}: ")), "{logs}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_answers_every_request() {
    replaced_under_load("", "blue-green").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_answers_every_request() {
    replaced_under_load(
        "    deploy: { replicas: 3, update_config: { parallelism: 1, order: start-first } }",
        "rolling",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recreate_lets_requests_wait() {
    replaced_under_load("    x-launchway: { method: recreate }", "recreate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_release_is_never_led_to() {
    let world = world().await;
    write(&world.repository, "one", "    x-launchway: { ready-timeout: 6s }");
    deployed(&world, "First").await;
    let load = Load::start(world.app_port);
    write(&world.repository, "two", "    x-launchway: { ready-timeout: 6s }\n    command: [\"sleep\", \"600\"]");
    let commit = world.push("Broken");
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    assert_eq!(told.bodies, ["one"].map(String::from).into());
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    world.end().await;
}
