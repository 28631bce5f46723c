//! What the Compose file does not say of its ports: the replica that runs is asked, before it is replaced the next time.

use super::fronts::{self, told};
use super::moving_traffic::{deployed, world};
use crate::support::base_image::resolving;
use crate::support::images::BASE;
use crate::support::load::Load;
use crate::support::world::World;

const HTTP: &str = "exec httpd -f -p 8080 -h /www";
const ECHO: &str = "exec nc -ll -p 8080 -e cat";

/// Only one of it can run, and nothing says what it speaks.
fn write(world: &World, version: &str, serves: &str) {
    world.repository.write(
        "compose.yaml",
        format!(
            r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "mkdir -p /www; echo {version} > /www/index.html; touch /up; {serves}"]
    healthcheck: {{ test: ["CMD", "test", "-e", "/up"], interval: 1s, timeout: 2s, retries: 5 }}
    ports: ["127.0.0.1:${{PORT}}:8080"]
    volumes: ["data:/data"]
volumes: {{ data: {{}} }}
"#
        ),
    );
}

/// Whether the engine publishes the app's port.
async fn is_the_engines(world: &World) -> bool {
    let ports = world.containers().await.into_iter().flat_map(|container| container.ports.unwrap_or_default());
    ports.filter_map(|port| port.public_port).any(|port| port == world.app_port)
}

async fn unrelated(world: &World, text: &str) {
    let before = world.running().await;
    world.repository.write("NOTES.md", text);
    deployed(world, "Notes").await;
    assert_eq!(world.running().await, before, "nothing of it changed\n{}", world.deployment_logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_http_is_opened_by_the_edge_from_its_next_change_on() {
    let world = world().await;
    write(&world, "one", HTTP);
    deployed(&world, "First").await;
    assert!(is_the_engines(&world).await, "nobody could be asked yet");
    unrelated(&world, "The answer is no reason to replace anything.").await;
    assert!(is_the_engines(&world).await);

    write(&world, "two", HTTP);
    deployed(&world, "Second").await;
    assert!(!is_the_engines(&world).await);
    let said = "web it answers HTTP at its port 8080: from its next replacement on requests wait";
    let gap = "release 3 replaces it; the edge opens its port from now on: a short gap, this once";
    for text in [said, gap] {
        assert!(world.deployment_logs().contains(text), "{}", world.deployment_logs());
    }
    assert_eq!(world.get("/").await.as_deref().map(str::trim), Some("two"));

    let load = Load::start(world.app_port);
    write(&world, "three", HTTP);
    deployed(&world, "Third").await;
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    assert_eq!(told.bodies, ["two", "three"].map(String::from).into());
    unrelated(&world, "It is remembered.").await;
    assert_eq!(world.deployment_logs().matches(said).count(), 1, "it was asked once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_something_else_keeps_the_port_that_the_engine_publishes() {
    let world = world().await;
    for version in ["one", "two"] {
        write(&world, version, ECHO);
        deployed(&world, version).await;
        assert!(is_the_engines(&world).await);
    }
    assert!(!world.deployment_logs().contains("answers HTTP"));
    world.end().await;
}

/// What others call by its name, and keeps data: a health check that says nothing of HTTP.
fn write_called(world: &World, version: &str) {
    fronts::write(&world.repository, version, "    volumes: [\"data:/data\"]");
    let file = world.repository.work().join("compose.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (checked, unchecked) = (
        r#"["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]"#,
        r#"["CMD", "test", "-e", "/www/index.html"]"#,
    );
    assert!(text.contains(checked));
    let text = text.replace(checked, unchecked);
    std::fs::write(&file, format!("{text}volumes: {{ data: {{}} }}\n")).unwrap();
}

async fn starts(world: &World, component: &str) -> (String, String) {
    let id = world.running().await[component].clone();
    let inspected = world.engine.docker.inspect_container(&id, None).await.unwrap();
    (id, inspected.state.unwrap().started_at.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_call_has_a_front_from_its_next_change_on_and_keeps_it() {
    let world = World::new().await;
    resolving(&world.engine.docker).await;
    let is_fronted = async || world.on_the_engine().await.iter().any(|line| line.contains("api-front running"));
    write_called(&world, "one");
    deployed(&world, "First").await;
    assert!(!is_fronted().await, "nobody could be asked yet");
    let (caller, first_start) = starts(&world, "caller").await;
    write_called(&world, "two");
    deployed(&world, "Second").await;
    assert!(is_fronted().await, "{}", world.deployment_logs());
    let (same, second_start) = starts(&world, "caller").await;
    assert_eq!(same, caller);
    assert_ne!(second_start, first_start, "it looks the name up again, this once");

    let (_, _, before) = told(&world).await;
    write_called(&world, "three");
    deployed(&world, "Third").await;
    // Back to a release that knew nothing of it, and the same by a commit: nobody is replaced for that.
    let (code, out, error) = world.launchway(&["rollback", "--to", "1"]).await;
    assert_eq!(code, 0, "{out}{error}");
    let (api, _) = starts(&world, "api").await;
    write_called(&world, "one");
    deployed(&world, "Reverted").await;
    assert!(is_fronted().await, "{}", world.deployment_logs());
    assert_eq!(starts(&world, "api").await.0, api, "{}", world.deployment_logs());
    write_called(&world, "four");
    deployed(&world, "Fourth").await;
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!(failed, before, "of {answered}\n{}", world.deployment_logs());
    assert!(["two", "three", "four"].iter().all(|version| bodies.contains(*version)), "{bodies:?}");
    assert_eq!(starts(&world, "caller").await, (caller, second_start), "nobody touched it again");
    world.end().await;
}
