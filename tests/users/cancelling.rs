//! `launchway cancel` in every stage: it stops within seconds, and the environment is what it was.

use crate::support::app::{write_ready_made, write_ready_made_broken, write_shop};
use crate::support::world::{Settings, World};
use launchway::model::CommitId;
use std::time::{Duration, Instant};

/// What people call "within seconds", on a machine that is busy with other tests.
const SECONDS: Duration = Duration::from_secs(30);

/// A world in which release 1 is live, with settings of the environment of one's own.
async fn live(environment: &str) -> World {
    let environment = format!("branch = \"main\"\n{environment}");
    let world = World::with(Settings { environment: Some(environment), ..Settings::default() }).await;
    write_ready_made(&world.repository, "first");
    let first = world.push("First");
    // Nobody wants to wait for the bake of the first one.
    in_state(&world, 1, &["monitoring", "succeeded"]).await;
    world.repository.write("README.md", "hurry");
    world.ends(&world.push("Nothing changed")).await;
    assert_eq!(world.ends(&first).await.state, "success");
    world
}

async fn in_state(world: &World, id: u32, states: &[&str]) {
    world
        .until(&format!("deployment {id} to be {states:?}"), || async {
            let state = world.query(&format!("SELECT state FROM deployments WHERE id = {id}"));
            states.contains(&state.trim()).then_some(())
        })
        .await;
}

/// Waits for a line in a deployment's log.
async fn logged(world: &World, id: u32, text: &str) {
    let log = || std::fs::read_to_string(world.data().join(format!("logs/{id}.log"))).unwrap_or_default();
    world.until(&format!("{text:?} in the log of {id}"), || async { log().contains(text).then_some(()) }).await;
}

/// Cancels, and waits for the end: the exit code and what the commit shows.
async fn cancel(world: &World, id: u32, commit: &CommitId) -> (i32, String, String) {
    let began = Instant::now();
    let (code, out, err) = world.launchway(&["cancel", &id.to_string()]).await;
    assert!(began.elapsed() < SECONDS, "it took {:?}: {out}{err}\n{}", began.elapsed(), world.deployment_logs());
    let shown = world.ends(commit).await;
    (code, shown.state, shown.description.replacen(&by(&shown.description), "WHO", 1))
}

/// Who cancelled, as the status says it.
fn by(description: &str) -> String {
    let after = description.strip_prefix("Cancelled by ").unwrap_or_default();
    after.split(" during ").next().unwrap_or_default().split(" while ").next().unwrap_or_default().to_string()
}

/// Cancels deployment 3, an update of `live`, once `reached` has come, and looks whether all is as before.
async fn cancelled_update(world: World, update: impl FnOnce(&World), reached: &str, stage: &str) {
    let before = (world.running().await, world.on_the_engine().await);
    update(&world);
    let commit = world.push("Second");
    logged(&world, 3, reached).await;
    let (code, state, description) = cancel(&world, 3, &commit).await;
    assert_eq!((code, state.as_str()), (0, "cancelled"), "{description}");
    assert_eq!(description, format!("Cancelled by WHO during {stage}; release 2 is live"));
    assert_eq!(world.get("/").await.as_deref(), Some("first"));
    assert_eq!(before, (world.running().await, world.on_the_engine().await), "{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_image_is_pulled_from_a_registry_that_does_not_answer() {
    let registry = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = registry.local_addr().unwrap();
    let update = |world: &World| {
        let compose = format!("services:\n  web:\n    image: {silent}/web:1\n");
        world.repository.write("compose.yaml", compose);
    };
    cancelled_update(live("bake = \"0s\"").await, update, "pulling 127.0.0.1", "preparation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_image_is_built() {
    let update = |world: &World| {
        write_shop(&world.repository, "two");
        let dockerfile = "FROM launchway-test/base:1\nRUN echo begun && sleep 300\n";
        world.repository.write("web/Dockerfile", dockerfile);
    };
    cancelled_update(live("bake = \"0s\"").await, update, "| begun", "the build").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_component_is_waited_for() {
    let update = |world: &World| {
        let compose = "services:\n  web:\n    image: launchway-test/base:1\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n    healthcheck: { test: ['CMD', 'false'], interval: 1s, start_period: 600s }\n";
        world.repository.write("compose.yaml", compose);
    };
    cancelled_update(live("bake = \"0s\"").await, update, "waiting for its health check to succeed", "the deploy")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_watched() {
    let update = |world: &World| write_ready_made(&world.repository, "second");
    cancelled_update(live("bake = \"300s\"").await, update, "watching for 300 s", "monitoring").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_waits_for_another() {
    let world = World::new().await;
    let compose = "services:\n  web:\n    image: launchway-test/base:1\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n    healthcheck: { test: ['CMD', 'false'], interval: 1s, start_period: 600s }\n";
    world.repository.write("compose.yaml", compose);
    let running = world.push("First");
    logged(&world, 1, "waiting for its health check to succeed").await;
    world.repository.write("README.md", "second");
    let waiting = world.push("Second");
    in_state(&world, 2, &["waiting"]).await;
    let (code, state, description) = cancel(&world, 2, &waiting).await;
    assert_eq!((code, state.as_str()), (0, "cancelled"));
    assert_eq!(description, "Cancelled by WHO while it waited; nothing is live yet");
    in_state(&world, 1, &["deploying"]).await;

    let (code, state, description) = cancel(&world, 1, &running).await;
    assert_eq!((code, state.as_str()), (0, "cancelled"));
    assert_eq!(description, "Cancelled by WHO during the deploy; nothing is live yet");
    assert_eq!(world.on_the_engine().await, Vec::<String>::new(), "what was made is gone");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_put_back_that_is_carried_to_its_end() {
    let world = World::new().await;
    // Ready some seconds after its start, and so again when it is put back.
    let slow = "services:\n  web:\n    image: launchway-test/base:1\n    init: true\n    stop_grace_period: 1s\n    command: [sh, -c, 'sleep 4; touch /tmp/ready; sleep 600']\n    healthcheck: { test: ['CMD', 'test', '-e', '/tmp/ready'], interval: 1s, start_period: 60s }\n";
    world.repository.write("compose.yaml", slow.replace("sleep 4;", "rm -f /tmp/ready; sleep 4;"));
    world.ends(&world.push("First")).await;
    let before = world.running().await;
    write_ready_made_broken(&world.repository, "no bank");
    let broken = world.push("Broken");
    in_state(&world, 2, &["putting_back"]).await;
    let (code, out, err) = world.launchway(&["cancel", "2"]).await;
    assert_eq!(code, 1, "{out}{err}");
    let description = world.ends(&broken).await.description;
    assert!(description.ends_with("no bank; release 1 is live again"), "{description}");
    assert_eq!(before, world.running().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_and_after_the_end() {
    let world = World::new().await;
    let compose = "services:\n  web:\n    image: launchway-test/base:1\n    init: true\n    command: [sleep, '600']\n    healthcheck: { test: ['CMD', 'false'], interval: 1s, start_period: 600s }\n";
    world.repository.write("compose.yaml", compose);
    let commit = world.push("First");
    logged(&world, 1, "waiting for its health check to succeed").await;
    let twice = [["cancel", "1"], ["cancel", "1"]];
    let (first, second) = tokio::join!(world.launchway(&twice[0]), world.launchway(&twice[1]));
    // The second finds it being cancelled, or cancelled already.
    assert_eq!(first.0.min(second.0), 0, "{first:?} {second:?}");
    assert_eq!(world.ends(&commit).await.state, "cancelled");
    let (code, _, err) = world.launchway(&["cancel", "1"]).await;
    assert_eq!((code, err.as_str()), (1, "launchway: deployment 1 (production#1) has ended already: cancelled\n"));
    let (code, _, err) = world.launchway(&["cancel", "99"]).await;
    assert_eq!((code, err.as_str()), (1, "launchway: there is no deployment 99\n"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_a_crash_interrupts_is_carried_out_after_the_restart() {
    let mut world = World::not_serving(Settings::default()).await;
    world.serve_with(&[("FAILPOINTS", "back.begins=return")]).await;
    let compose = "services:\n  web:\n    image: launchway-test/base:1\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n    healthcheck: { test: ['CMD', 'false'], interval: 1s, start_period: 600s }\n";
    world.repository.write("compose.yaml", compose);
    let commit = world.push("First");
    logged(&world, 1, "waiting for its health check to succeed").await;
    let _ = world.launchway(&["cancel", "1", "--no-wait"]).await;
    while !world.has_died() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.serve().await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "cancelled", "{shown:?}");
    assert_eq!(world.on_the_engine().await, Vec::<String>::new());
    world.end().await;
}
