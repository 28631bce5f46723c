//! Release commands: run once for a deployment, before what runs is touched, whatever happens meanwhile.

use super::crashing::{WHOLE, every_step, interrupted, is_settled};
use crate::support::app::STORE;
use crate::support::images::BASE;
use crate::support::world::{Settings, Shown, World};
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use futures_util::TryStreamExt;
use std::time::Duration;

/// Notes each run on the volume, under the version that it runs for.
const NOTE: &str = "echo migrating to $$VERSION; echo $$VERSION >> /data/runs";
/// The same, once the story lets it go on: `go` opens the gate.
const GATED: &str = "echo $$VERSION >> /data/runs; echo waiting; while ! [ -e /data/go-$$VERSION ]; do sleep 0.1; done";

/// `compose.yaml`: `web` after `store`, which both keep the same volume, and `other`, on which nothing depends.
fn write(world: &World, version: &str, command: &str) {
    write_with(world, version, command, "sleep 600", "");
}

fn write_with(world: &World, version: &str, command: &str, serve: &str, settings: &str) {
    let web = format!(
        r#"
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "{serve}"]
    environment: {{ VERSION: "{version}", BANK: "${{BANK:-}}" }}
    labels: {{ proxy.enable: "true" }}
    volumes: ["data:/data"]
    restart: always
    depends_on: {{ store: {{ condition: service_healthy }} }}
    healthcheck: {{ test: ["CMD", "true"], interval: 1s }}
    x-launchway: {{ release-command: ["sh", "-c", "{command}"]{settings} }}
"#
    );
    world.repository.write("compose.yaml", format!("services:{web}{STORE}volumes: {{ data: {{}} }}\n"));
}

async fn live(version: &str) -> World {
    let world = World::new().await;
    write(&world, version, NOTE);
    assert_eq!(world.ends(&world.push(version)).await.state, "success");
    world
}

/// What a command says in the container of `store`.
async fn in_store(world: &World, command: &str) -> String {
    let store = world.running().await.remove("store").expect("store runs");
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(vec!["sh", "-c", command]),
        ..Default::default()
    };
    let docker = &world.engine.docker;
    let id = docker.create_exec(&store, options).await.unwrap().id;
    let StartExecResults::Attached { output, .. } = docker.start_exec(&id, None).await.unwrap() else { panic!() };
    let lines: Vec<_> = output.try_collect().await.unwrap();
    lines.iter().map(ToString::to_string).collect::<String>().trim().to_string()
}

/// The versions for which the command ran, in order.
async fn runs(world: &World) -> Vec<String> {
    in_store(world, "cat /data/runs").await.lines().map(str::to_string).collect()
}

async fn go(world: &World, version: &str) {
    in_store(world, &format!("touch /data/go-{version}")).await;
}

/// The container in which a release command runs.
async fn command(world: &World) -> Option<ContainerInspectResponse> {
    for container in world.containers().await {
        let role = container.labels.as_ref().and_then(|labels| labels.get("launchway.role").cloned());
        if role.as_deref() == Some("release-command") {
            return world.engine.docker.inspect_container(&container.id?, None).await.ok();
        }
    }
    None
}

fn is_running(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().and_then(|state| state.running) == Some(true)
}

async fn until_it_runs(world: &World) -> ContainerInspectResponse {
    world.until("the release command to run", || async { command(world).await.filter(is_running) }).await
}

/// The id of the container that serves.
async fn serving(world: &World) -> String {
    let name = format!("{}-production-web-1", world.project);
    world.engine.docker.inspect_container(&name, None).await.unwrap().id.unwrap()
}

fn undone(shown: &Shown) -> bool {
    shown.description.ends_with("; the release command ran and is not undone")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_before_what_runs_is_touched_and_only_when_its_component_changed() {
    let environment = "branch = \"main\"\nbake = \"0s\"\nsecrets = { BANK = \"very-secret-bank\" }";
    let world = World::with(Settings { environment: Some(environment.into()), ..Settings::default() }).await;
    write(&world, "one", &format!("{NOTE}; echo the bank is $$BANK >&2"));
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(runs(&world).await, ["one"]);
    let log = world.deployment_logs();
    assert!(log.contains(" deploy  - web's release command | migrating to one\n"), "{log}");
    assert!(log.contains(" deploy  - web's release command | the bank is ***\n"), "{log}");
    assert!(log.contains("web: new; recreate: ") && log.contains("; its release command runs first\n"), "{log}");
    assert!(!log.contains("very-secret-bank"), "{log}");
    assert_eq!(world.on_the_engine().await, WHOLE, "its container is gone");

    world.repository.write("README.md", "unrelated");
    assert_eq!(world.ends(&world.push("Unrelated")).await.state, "success");
    assert_eq!(runs(&world).await, ["one"]);

    let before = serving(&world).await;
    write(&world, "two", GATED);
    let commit = world.push("Second");
    let container = until_it_runs(&world).await;
    assert_eq!(serving(&world).await, before, "what serves is not touched");
    let config = container.config.unwrap();
    let labels = config.labels.unwrap();
    assert_eq!(labels["com.docker.compose.oneoff"], "True");
    assert_eq!(labels["launchway.deployment"], "3");
    assert!(!labels.contains_key("proxy.enable"), "{labels:?}");
    let host = container.host_config.unwrap();
    assert_eq!(host.restart_policy.unwrap().name.unwrap().to_string(), "no");
    assert!(host.port_bindings.unwrap_or_default().is_empty());
    let networks = container.network_settings.unwrap().networks.unwrap();
    let network = &networks[&format!("{}-production_default", world.project)];
    assert!(!network.aliases.iter().flatten().any(|alias| alias == "web"), "{network:?}");
    go(&world, "two").await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_ne!(serving(&world).await, before);
    assert_eq!(runs(&world).await, ["one", "two"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_fails_the_deployment_before_anything_is_replaced() {
    let world = live("one").await;
    let before = serving(&world).await;
    write(&world, "two", &format!("{NOTE}; echo no table; exit 4"));
    let shown = world.ends(&world.push("Second")).await;
    assert_eq!(shown.state, "failure");
    assert!(shown.description.starts_with("web's release command exited with code 4"), "{shown:?}");
    assert!(shown.description.contains(": no table; release 1 is live again"), "{shown:?}");
    assert!(undone(&shown), "{shown:?}");
    assert_eq!(serving(&world).await, before, "web was never touched");
    assert_eq!(world.on_the_engine().await, WHOLE);
    assert_eq!(runs(&world).await, ["one", "two"]);
    // Tried again, it is another deployment, and so is its run.
    write(&world, "three", NOTE);
    assert_eq!(world.ends(&world.push("Third")).await.state, "success");
    assert_eq!(runs(&world).await, ["one", "two", "three"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_too_long_or_cannot_begin_is_put_back_and_taken_away() {
    let world = live("one").await;
    let before = serving(&world).await;
    write_with(&world, "two", GATED, "sleep 600", ", release-command-timeout: 2s");
    let shown = world.ends(&world.push("Second")).await;
    assert_eq!(shown.state, "failure");
    assert!(shown.description.starts_with("web's release command did not end within 2 s: waiting"), "{shown:?}");
    assert!(undone(&shown), "{shown:?}");
    assert_eq!((serving(&world).await, world.on_the_engine().await), (before.clone(), lines(WHOLE)));

    let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    // Below an init it would begin, and end with 127.
    let text = text
        .replacen("    init: true\n", "", 1)
        .replace("VERSION: \"two\"", "VERSION: \"three\"")
        .replace("[\"sh\", \"-c\", \"echo $$V", "[\"/none\", \"echo $$V");
    world.repository.write("compose.yaml", text);
    let shown = world.ends(&world.push("Third")).await;
    assert_eq!(shown.state, "failure");
    assert!(shown.description.contains("web's release command cannot run: "), "{shown:?}");
    // What never began did nothing that could be undone.
    assert!(shown.description.ends_with("; release 1 is live again"), "{shown:?}");
    assert_eq!((serving(&world).await, world.on_the_engine().await), (before, lines(WHOLE)));
    world.end().await;
}

fn lines(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_did_is_not_undone_by_going_back_and_the_statuses_say_so() {
    let world = live("one").await;
    write_with(&world, "two", NOTE, "echo no bank >&2; exit 7", "");
    let shown = world.ends(&world.push("Second")).await;
    assert_eq!(shown.state, "failure");
    assert!(shown.description.contains("release 1 is live again") && undone(&shown), "{shown:?}");

    write(&world, "three", NOTE);
    let third = world.push("Third");
    assert_eq!(world.ends(&third).await.state, "success");
    let (code, _, told) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{told}");
    let shown = world
        .until("the commit that was left to say so", || async {
            world.shown(&third).into_iter().find(|shown| shown.state == "failure")
        })
        .await;
    assert!(shown.description.contains("; release 1 is live") && undone(&shown), "{shown:?}");
    assert_eq!(runs(&world).await, ["one", "two", "three"], "backwards it does not run");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_in_its_middle_it_is_stopped_and_taken_away() {
    let world = live("one").await;
    write(&world, "two", GATED);
    let commit = world.push("Second");
    until_it_runs(&world).await;
    let (code, _, told) = world.launchway(&["cancel", "2"]).await;
    assert_eq!(code, 0, "{told}");
    let shown = world.ends(&commit).await;
    assert!(shown.description.contains("during the deploy; release 1 is live") && undone(&shown), "{shown:?}");
    assert_eq!(world.on_the_engine().await, WHOLE);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_its_middle_finds_it_again_and_waits_for_it() {
    let mut world = live("one").await;
    write(&world, "two", GATED);
    let commit = world.push("Second");
    let before = until_it_runs(&world).await.id;
    world.kill();
    world.serve().await;
    world
        .until("it to be waited for again", || async {
            world.deployment_logs().contains("wait until it has ended well, it runs already").then_some(())
        })
        .await;
    assert_eq!(until_it_runs(&world).await.id, before, "the very container");
    go(&world, "two").await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(runs(&world).await, ["one", "two"]);

    // It ends while no server runs, well or not.
    for (version, end, state) in [("three", "exit 0", "success"), ("four", "exit 5", "failure")] {
        write(&world, version, &format!("{GATED}; {end}"));
        let commit = world.push(version);
        until_it_runs(&world).await;
        world.kill();
        go(&world, version).await;
        world.until("it to end", || async { command(&world).await.filter(|found| !is_running(found)) }).await;
        world.serve().await;
        let shown = world.ends(&commit).await;
        assert_eq!(shown.state, state, "{shown:?}");
        assert_eq!(state == "failure", undone(&shown), "{shown:?}");
        is_settled(&world, version, WHOLE).await;
    }
    assert_eq!(runs(&world).await, ["one", "two", "three", "four"]);
    world.end().await;
}

async fn every_step_of_an_update(point: &str, end: &str, state: &str) {
    let mut world = live("first").await;
    let update = |world: &World, number: u32| {
        write(world, &format!("version-{number}"), &format!("{NOTE}; {end}"));
        world.push("Update")
    };
    every_step(point, &mut world, update, WHOLE, state).await;
    let ran = runs(&world).await;
    // Killed before it was started, or put back before it was: one of a failing update may not have run at all.
    let mut once = ran.clone();
    once.dedup();
    assert_eq!(ran, once, "none ran twice");
    let met: usize = world.query("SELECT count(*) FROM deployments").trim().parse().unwrap();
    assert_eq!(ran.len(), met, "each ran");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_once_wherever_a_crash_comes_before_a_step() {
    every_step_of_an_update("step.begins", "true", "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_once_wherever_a_crash_comes_after_a_step() {
    every_step_of_an_update("step.ended", "true", "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_put_back_wherever_a_crash_comes() {
    every_step_of_an_update("step.ended", "exit 3", "failure").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_run_again_when_its_container_was_pruned_before_a_restart() {
    let mut world = live("one").await;
    // Ended well and noted; then the server dies before the release is live.
    let shown = interrupted(&mut world, "live.before", 0, |world| {
        write(world, "two", NOTE);
        world.push("Second")
    });
    assert_eq!(shown.await.unwrap().state, "success");
    assert_eq!(runs(&world).await, ["one", "two"]);

    world.terminate().await;
    world.serve_with(&[("FAILPOINTS", "live.before=return")]).await;
    write(&world, "three", NOTE);
    let commit = world.push("Third");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !world.has_died() {
        assert!(std::time::Instant::now() < deadline, "{}", world.serve_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = command(&world).await.unwrap().id.unwrap();
    world.engine.docker.remove_container(&ended, None).await.unwrap();
    world.serve().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(runs(&world).await, ["one", "two", "three"]);
    is_settled(&world, "pruned", WHOLE).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_and_plan_say_that_it_runs() {
    let world = World::not_serving(Settings::default()).await;
    write(&world, "one", NOTE);
    world.repository.commit("First");
    let path = world.repository.work().display().to_string();
    let (code, told, _) = world.launchway(&["check", "--json", &path]).await;
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &report["problems"]), (0, &serde_json::json!([])), "{told}");
    let web = report["components"].as_array().unwrap().iter().find(|row| row["name"] == "web").unwrap();
    assert_eq!(web["release_command"][0], "sh", "{web}");
    let (_, told, _) = world.launchway(&["check", &path]).await;
    assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains("its release command runs"), "{told}");

    let plan = |live: Option<&'static str>| {
        let path = path.clone();
        let world = &world;
        async move {
            let mut arguments = vec!["plan", "--json", "--repository", path.as_str()];
            arguments.extend(live.iter().flat_map(|live| ["--live", live]));
            let (code, told, why) = world.launchway(&arguments).await;
            assert_eq!(code, 0, "{why}");
            let report: serde_json::Value = serde_json::from_str(&told).unwrap();
            let components = report["components"].as_array().unwrap().clone();
            components.iter().find(|row| row["name"] == "web").unwrap()["release_command"].clone()
        }
    };
    assert_eq!(plan(None).await, true);
    world.repository.write("README.md", "unrelated");
    world.repository.commit("Unrelated");
    assert_eq!(plan(Some("HEAD~1")).await, false);
}
