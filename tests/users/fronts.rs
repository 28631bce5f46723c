//! Callers inside an environment: who has looked a name up once and for all notices no deployment of what it leads to.

use super::moving_traffic::deployed;
use crate::support::base_image::resolving;
use crate::support::git_repository::GitRepository;
use crate::support::images::BASE;
use crate::support::world::{World, signal};
use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig, NetworkDisconnectRequest};
use bollard::query_parameters::{CreateContainerOptions, KillContainerOptions, RemoveContainerOptionsBuilder};
use std::collections::BTreeSet;

/// `api` says its version; `caller` looks its name up once, as nginx does, and asks it again and again by what it found.
pub(super) fn write(repository: &GitRepository, version: &str, lines: &str) {
    let serve = match version {
        BROKEN => "exec sleep 600".to_string(),
        version if version.starts_with(SLOW) => {
            format!("sleep 1; mkdir -p /www; echo {version} > /www/index.html; exec httpd -f -p 8080 -h /www")
        }
        version => format!("mkdir -p /www; echo {version} > /www/index.html; exec httpd -f -p 8080 -h /www"),
    };
    repository.write(
        "compose.yaml",
        format!(
            r#"
services:
  api:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "{serve}"]
    expose: ["8080"]
    healthcheck: {{ test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval: 1s, timeout: 2s, retries: 5 }}
{lines}
{CALLER}
"#
        ),
    );
}

/// Versions that begin so answer only after a second.
pub(super) const SLOW: &str = "slow";

/// A version that never answers.
const BROKEN: &str = "broken";

const CALLER: &str = r#"
  caller:
    image: launchway-test/resolving:1
    init: true
    stop_grace_period: 1s
    depends_on: { api: { condition: service_healthy } }
    command:
      - sh
      - -c
      - |
        until [ -n "$$ip" ]; do ip=$$(/usr/bin/getent ahostsv4 api | head -1 | cut -d' ' -f1); sleep 0.05; done
        while :; do
          wget -q -O /body http://$$ip:8080/ && cat /body >> /answered || echo failed >> /failed
          sleep 0.03
        done
    healthcheck: { test: ["CMD", "test", "-s", "/answered"], interval: 1s, timeout: 2s, retries: 10 }
"#;

/// What the caller has got: every body, and how often it got none.
pub(super) async fn told(world: &World) -> (BTreeSet<String>, usize, usize) {
    let answered = world.exec("caller", &["cat", "/answered"]).await;
    let failed = world.exec("caller", &["sh", "-c", "cat /failed 2>/dev/null || true"]).await;
    (answered.lines().map(str::to_string).collect(), answered.lines().count(), failed.lines().count())
}

fn has_label(container: &ContainerSummary, key: &str, value: &str) -> bool {
    container.labels.as_ref().and_then(|labels| labels.get(key)).is_some_and(|found| found == value)
}

async fn front(world: &World) -> ContainerSummary {
    let mut all = world.containers().await.into_iter();
    all.find(|container| has_label(container, "launchway.role", "front")).expect("a front")
}

async fn world() -> World {
    let world = World::new().await;
    resolving(&world.engine.docker).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_looked_the_name_up_once_notices_no_deployment() {
    let world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let caller = world.running().await["caller"].clone();
    let first = front(&world).await;
    for (version, lines) in [
        ("two", ""),
        ("three", "    deploy: { replicas: 2, update_config: { parallelism: 1 } }"),
        ("four", "    x-launchway: { method: recreate }"),
        ("five", "    x-launchway: { method: canary, canary: { steps: [50%], hold: 2s, on-little-traffic: promote } }"),
    ] {
        write(&world.repository, version, lines);
        deployed(&world, version).await;
    }
    write(&world.repository, BROKEN, "");
    let broken = world.push("Broken");
    assert_eq!(world.ends(&broken).await.state, "failure");
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!(failed, 0, "{failed} of {answered} failed\n{}", world.deployment_logs());
    assert_eq!(bodies, ["one", "two", "three", "four", "five"].map(String::from).into());
    assert!(answered > 100, "{answered} were answered");
    assert_eq!(world.running().await["caller"], caller, "nobody touched it");
    assert_eq!(front(&world).await.id, first.id, "it never moves");
    let logs = world.deployment_logs();
    for method in ["; blue-green: ", "; rolling: ", "; recreate: ", "; canary: "] {
        assert!(logs.contains(method), "{method} in {logs}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_by_a_containers_name_and_by_an_alias_notice_no_deployment_either() {
    const ALIAS: &str = "    networks: { default: { aliases: [backend] } }";
    let world = world().await;
    let write_calling = |version: &str, called: &str| {
        write(&world.repository, version, ALIAS);
        let path = world.repository.work().join("compose.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.replace("ahostsv4 api", &format!("ahostsv4 {called}"));
        // Only that name tells that it calls: it depends on nobody.
        let text = text.replace("    depends_on: { api: { condition: service_healthy } }\n", "");
        world.repository.write("compose.yaml", text);
    };
    for called in [format!("{}-production-api-1", world.project).as_str(), "backend"] {
        write_calling(&format!("first-by-{called}"), called);
        deployed(&world, &format!("First by {called}")).await;
        let (_, _, before) = told(&world).await;
        for version in ["two", "three"] {
            write_calling(&format!("{version}-by-{called}"), called);
            deployed(&world, version).await;
        }
        let (bodies, answered, failed) = told(&world).await;
        assert_eq!(failed, before, "{failed} of {answered} failed\n{}", world.deployment_logs());
        assert!(bodies.contains(&format!("three-by-{called}")), "{bodies:?}");
        let of = async |name: &str| world.exec("caller", &["/usr/bin/getent", "ahostsv4", name]).await;
        let first = |text: String| text.split_whitespace().next().unwrap_or_default().to_string();
        assert_eq!(first(of(called).await), address(&world).await, "{called} is the front's");
    }
    world.end().await;
}

/// One container with data of its own: it cannot run twice, and its callers wait while it stops and starts.
#[tokio::test(flavor = "multi_thread")]
async fn callers_of_what_cannot_run_twice_wait_for_it() {
    let world = world().await;
    let keeps = "    volumes: [\"data:/data\"]\n    x-launchway: { front: true }\n";
    let write = |version: &str| {
        write(&world.repository, version, keeps);
        let text = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
        world.repository.write("compose.yaml", format!("{text}volumes: {{ data: {{}} }}\n"));
    };
    write("one");
    deployed(&world, "First").await;
    for version in ["two", "three"] {
        write(version);
        deployed(&world, version).await;
    }
    // What does not come up is put back, and answers those that waited.
    write(BROKEN);
    let broken = world.push("Broken");
    assert_eq!(world.ends(&broken).await.state, "failure");
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!(failed, 0, "{failed} of {answered} failed\n{}", world.deployment_logs());
    assert_eq!(bodies, ["one", "two", "three"].map(String::from).into());
    let logs = world.deployment_logs();
    assert!(
        logs.contains(
            "; recreate: it writes to volume data, and two writers would corrupt it; requests wait meanwhile"
        ),
        "{logs}"
    );
    world.end().await;
}

/// The processes of a front's container, as the host numbers them: the first one, and the one that serves, once it does.
async fn processes(world: &World) -> (u32, u32) {
    world.until("a front to serve", || serving(world)).await
}

async fn serving(world: &World) -> Option<(u32, u32)> {
    let id = front(world).await.id.unwrap();
    let first = world.engine.docker.inspect_container(&id, None).await.unwrap().state?.pid? as u32;
    let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).ok()?;
    // In the order in which they were started: the newest, where an older one has still something to finish.
    let serving = children.split_whitespace().filter_map(|pid| pid.parse().ok()).next_back()?;
    Some((first, serving))
}

/// Nobody is refused: whoever connects while nobody serves waits in the kernel.
#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_is_killed_serves_again_before_anybody_is_refused() {
    let world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let (first, serving) = processes(&world).await;
    // It answers at once, so the calls that a kill cuts are few: those that are in flight at that moment.
    for _ in 0..3 {
        let (_, serving) = processes(&world).await;
        signal(serving, "KILL");
        world
            .until("another process to serve", || async { (processes(&world).await.1 != serving).then_some(()) })
            .await;
    }
    let (still, now) = processes(&world).await;
    assert_eq!(still, first, "the container has not ended");
    assert_ne!(now, serving);
    let before = told(&world).await.1;
    world.until("calls to be answered again", || async { (told(&world).await.1 > before + 20).then_some(()) }).await;
    let (_, answered, failed) = told(&world).await;
    assert!(failed <= 3, "{failed} of {answered} failed: no more than one in flight at each kill");
    write(&world.repository, "two", "");
    deployed(&world, "Second").await;
    assert!(told(&world).await.0.contains("two"), "it takes routes");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_somebody_removed_comes_back_and_its_callers_look_again() {
    let world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let before = world.running().await;
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    world.engine.docker.remove_container(&front(&world).await.id.unwrap(), Some(options)).await.unwrap();
    world.until_log("put right").await;
    let before_calls = told(&world).await.1;
    world.until("calls to be answered", || async { (told(&world).await.1 > before_calls + 20).then_some(()) }).await;
    let after = world.running().await;
    assert_eq!(after["api"], before["api"], "what the front leads to was not touched");
    assert_eq!(after["caller"], before["caller"], "it was started again, not made anew");
    world.end().await;
}

/// Taken off its network, a front has no name there: the next deployment makes another, and its callers look again.
#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_was_taken_off_its_network_is_made_anew() {
    let world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let before = front(&world).await.id.unwrap();
    let network = format!("{}-production_default", world.project);
    let off = NetworkDisconnectRequest { container: before.clone(), force: Some(true) };
    world.engine.docker.disconnect_network(&network, off).await.unwrap();
    write(&world.repository, "two", "");
    deployed(&world, "Second").await;
    assert_ne!(front(&world).await.id.unwrap(), before);
    world.until("calls to be answered", || async { told(&world).await.0.contains("two").then_some(()) }).await;
    world.end().await;
}

async fn address(world: &World) -> String {
    let networks = front(world).await.network_settings.unwrap().networks.unwrap_or_default();
    networks.into_values().filter_map(|network| network.ip_address).collect()
}

/// While nobody looks, its container ends and somebody else gets its address: those who know the old one look again.
#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_comes_back_at_another_address_is_looked_up_again() {
    let mut world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let (before, at, running) = (front(&world).await.id.unwrap(), address(&world).await, world.running().await);
    world.kill();
    let docker = world.engine.docker.clone();
    let first = docker.inspect_container(&running["caller"], None).await.unwrap().state.unwrap().started_at;
    docker.kill_container(&before, None::<KillContainerOptions>).await.unwrap();
    let body = ContainerCreateBody {
        image: Some(BASE.into()),
        cmd: Some(["sleep", "600"].map(String::from).to_vec()),
        host_config: Some(HostConfig {
            network_mode: Some(format!("{}-production_default", world.project)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let other = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    docker.start_container(&other, None).await.unwrap();
    world.serve().await;
    world
        .until("the front to run elsewhere", || async {
            let (front, now) = (front(&world).await, address(&world).await);
            assert_eq!(front.id.as_ref(), Some(&before), "it is the same container");
            (!now.is_empty() && now != at).then_some(())
        })
        .await;
    // It is started again once, and no more.
    let state = async || docker.inspect_container(&running["caller"], None).await.unwrap().state.unwrap();
    world
        .until("its caller to look again", || async {
            let state = state().await;
            (state.started_at != first && state.running == Some(true)).then_some(())
        })
        .await;
    let once = state().await.started_at;
    let (_, answered, _) = told(&world).await;
    world.until("calls to be answered", || async { (told(&world).await.1 > answered + 20).then_some(()) }).await;
    write(&world.repository, "two", "");
    deployed(&world, "Second").await;
    assert_eq!(state().await.started_at, once);
    docker.remove_container(&other, Some(RemoveContainerOptionsBuilder::new().force(true).build())).await.unwrap();
    world.end().await;
}

async fn heard(world: &World) -> usize {
    world.exec("talker", &["sh", "-c", "wc -l < /heard"]).await.parse().unwrap_or(0)
}

/// A connection that lives on, as a database's does, is the old program's to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_lives_on_outlives_its_fronts_program() {
    let mut world = world().await;
    // Gives every line back; it speaks no HTTP.
    let echo = CALLER.replace("  caller:", "  talker:").replace(
        "depends_on: { api: { condition: service_healthy } }",
        "depends_on: { echo: { condition: service_started } }",
    );
    let (head, _) = echo.split_once("    command:").unwrap();
    world.repository.write(
        "compose.yaml",
        format!(
            r#"services:
  echo:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["nc", "-ll", "-p", "7000", "-e", "cat"]
    expose: ["7000"]
{head}    command:
      - sh
      - -c
      - |
        until [ -n "$$ip" ]; do ip=$$(/usr/bin/getent ahostsv4 echo | head -1 | cut -d' ' -f1); sleep 0.05; done
        (while :; do date; sleep 0.2; done) | nc $$ip 7000 > /heard
        echo cut >> /cut
        sleep 600
"#
        ),
    );
    deployed(&world, "First").await;
    world.until("lines to come back", || async { (heard(&world).await > 3).then_some(()) }).await;
    let (_, serving) = processes(&world).await;
    renewed(&mut world, serving).await;
    let before = heard(&world).await;
    world.until("more lines to come back", || async { (heard(&world).await > before + 10).then_some(()) }).await;
    assert_eq!(world.exec("talker", &["sh", "-c", "cat /cut 2>/dev/null || true"]).await, "");
    world.end().await;
}

/// What has its name itself keeps it until it is replaced; then, this once, its callers look it up again.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_gets_its_front_when_it_is_replaced_and_gives_it_back() {
    let world = world().await;
    write(&world.repository, "one", "    x-launchway: { front: false }");
    deployed(&world, "First").await;
    let fronts =
        || async { world.containers().await.into_iter().filter(|c| has_label(c, "launchway.role", "front")).count() };
    assert_eq!(fronts().await, 0);
    let first = world.running().await;
    write(&world.repository, "one", "");
    deployed(&world, "With a front, and nothing else").await;
    assert_eq!((fronts().await, world.running().await), (0, first.clone()), "nothing was touched");
    write(&world.repository, "two", "");
    deployed(&world, "Replaced").await;
    assert_eq!(fronts().await, 1);
    let second = world.running().await;
    assert_eq!(second["caller"], first["caller"], "it was started again, not made anew");
    let (bodies, _, failed) = told(&world).await;
    assert!(bodies.contains("two"), "{bodies:?}");
    write(&world.repository, "three", "");
    deployed(&world, "Behind the front").await;
    let (bodies, _, later) = told(&world).await;
    assert!(bodies.contains("three") && later == failed, "{bodies:?}, {} more failed", later - failed);
    write(&world.repository, "three", "    x-launchway: { front: false }");
    deployed(&world, "Without").await;
    assert_eq!(fronts().await, 0);
    let before = told(&world).await.1;
    world.until("calls to be answered", || async { (told(&world).await.1 > before + 10).then_some(()) }).await;
    world.end().await;
}

/// Another Launchway is started, and its fronts no longer are `serving`.
async fn renewed(world: &mut World, serving: u32) {
    world.terminate().await;
    let newer = world.folder().join("newer-launchway");
    std::fs::copy(env!("CARGO_BIN_EXE_launchway"), &newer).unwrap();
    world.serve_as(&newer).await;
    world.until("the new program to serve", || async { (processes(world).await.1 != serving).then_some(()) }).await;
}

/// Another Launchway is started: its fronts go on as that program, and no call notices.
#[tokio::test(flavor = "multi_thread")]
async fn fronts_get_the_program_of_a_newer_server_without_a_cut_call() {
    let mut world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let (first, serving) = processes(&world).await;
    let before = world.running().await;
    renewed(&mut world, serving).await;
    write(&world.repository, "two", "");
    deployed(&world, "Second").await;
    assert_eq!(processes(&world).await.0, first, "the container has not ended");
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!((failed, bodies), (0, ["one", "two"].map(String::from).into()), "of {answered}");
    assert_eq!(world.running().await["caller"], before["caller"]);
    world.end().await;
}

/// What can be known beforehand is said beforehand, with the line.
#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_cannot_be_is_an_error_before_anything_starts() {
    let world = world().await;
    for (lines, why) in [
        ("    ports: [\"53/udp\"]\n", "a front passes on TCP, and its port 53 is udp"),
        ("    network_mode: none\n", "with its `network_mode` it has no name of its own on any network"),
    ] {
        write(&world.repository, "one", &format!("{lines}    x-launchway: {{ front: true }}"));
        let shown = world.ends(&world.push("A front")).await;
        assert_eq!(shown.state, "failure");
        let all = format!("compose.yaml:3: services.api.x-launchway.front: no front can own the name of api: {why}");
        assert!(world.deployment_logs().contains(&all), "{}", world.deployment_logs());
        assert!(world.containers().await.is_empty());
    }
    world.end().await;
}
