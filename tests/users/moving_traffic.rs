//! Deployments behind the edge: the site does not notice them.

use crate::support::app::{WEB, write_quick, write_web};
use crate::support::edge_world;
use crate::support::git_repository::GitRepository;
use crate::support::images::BASE;
use crate::support::load::Load;
use crate::support::world::{SECRET, Settings, World};
use launchway::model::CommitId;

/// `web` with further lines of the service, and of its `x-launchway`.
pub(super) fn write(repository: &GitRepository, version: &str, lines: &str) {
    write_web(repository, version);
    repository.write("compose.yaml", format!("services:{WEB}{lines}\n"));
}

/// A server and its edge.
pub(super) async fn world() -> World {
    let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    world
}

pub(super) async fn deployed(world: &World, message: &str) -> CommitId {
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

/// A port goes from one component to another and back: at no moment it leads nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_moves_to_another_component_answers_every_request() {
    let world = world().await;
    write(&world.repository, "one", "");
    deployed(&world, "First").await;
    let load = Load::start(world.app_port);
    let published = "    ports: [\"127.0.0.1:${PORT}:8080\"]\n";
    let behind = WEB.replace(published, "").replace("  web:\n", "  app:\n");
    // Something in front, which is ready only after what it depends on.
    let after = "    depends_on: { app: { condition: service_healthy } }\n";
    for (version, moved) in [("two", true), ("three", false)] {
        write_web(&world.repository, version);
        let services = match moved {
            true => format!("{behind}{WEB}{after}").replace("  web:\n", "  front:\n"),
            false => WEB.to_string(),
        };
        world.repository.write("compose.yaml", format!("services:{services}"));
        deployed(&world, version).await;
        assert_eq!(world.get("/").await.as_deref(), Some(version));
    }
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    let logs = world.deployment_logs();
    assert!(logs.contains("taking ways in over from web"), "{logs}");
    world.end().await;
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

const CANARY: &str = "    x-launchway: { route: { host: shop.example.com }, canary: { steps: [20%, 50%], hold: 2s, warm-up: 0s, EXTRA } }";

pub(super) fn canary(extra: &str) -> String {
    CANARY.replace(", EXTRA", &format!(", {extra}"))
}

/// A server whose edge also listens for hosts.
async fn world_with_hosts(environment: Option<&str>) -> World {
    let port = crate::support::world::free_port();
    let tables = format!("[edge]\nlisten = [\"127.0.0.1:{port}\"]\n");
    let mut world =
        World::not_serving(Settings { tables, environment: environment.map(String::from), ..Settings::default() })
            .await;
    world.start_edge().await;
    world.serve().await;
    world
}

pub(super) async fn until_described(world: &World, commit: &CommitId, begins: &str) {
    world
        .until(&format!("{begins:?} to be shown"), || async {
            world.shown(commit).into_iter().find(|shown| shown.description.starts_with(begins))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_shares_one_after_the_other_and_then_all() {
    let world = world_with_hosts(None).await;
    let lines = canary("on-little-traffic: promote");
    write(&world.repository, "one", &lines);
    deployed(&world, "First").await;
    let load = Load::start(world.app_port);
    write(&world.repository, "two", &lines);
    deployed(&world, "Second").await;
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    assert_eq!(told.bodies, ["one", "two"].map(String::from).into());
    let logs = world.deployment_logs();
    for share in ["lead 80 % to release", "watch at 20 % for 2 s (1 of 2)", "watch at 50 % for 2 s (2 of 2)"] {
        assert!(logs.contains(share), "{share}: {logs}");
    }
    assert_eq!(world.get("/").await.as_deref(), Some("two"));
    world.end().await;
}

/// Version one is live under load, and version two is held at its first share, behind a gate.
async fn held_at_a_gate() -> (World, Load, CommitId) {
    let world = world_with_hosts(None).await;
    let lines = canary("gate: true");
    write(&world.repository, "one", &lines);
    deployed(&world, "First").await;
    let (code, _, error) = world.launchway(&["promote"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("no deployment runs"), "{error}");
    let load = Load::start(world.app_port);
    write(&world.repository, "two", &lines);
    let second = world.push("Second");
    until_described(&world, &second, "Canary: web at 20 % of the traffic, waiting for launchway promote").await;
    (world, load, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_at_a_gate_waits_for_somebody() {
    let (world, load, second) = held_at_a_gate().await;
    let (code, told, error) = world.launchway(&["promote"]).await;
    assert_eq!(code, 0, "{error}");
    assert!(told.ends_with("web goes on to its next share\n"), "{told}");
    until_described(&world, &second, "Canary: web at 50 % of the traffic").await;
    let (code, _, error) = world.launchway(&["promote", "production", "--all"]).await;
    assert_eq!(code, 0, "{error}");
    assert_eq!(world.ends(&second).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("two"));
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_held_lends_its_slot_to_others() {
    let port = crate::support::world::free_port();
    let mut world = World::not_serving(Settings::default()).await;
    let tables = format!(
        "[edge]\nlisten = [\"127.0.0.1:{port}\"]\n[projects.PROJECT-other]\nforge = \"plain\"\nrepository = \"{}\"\n\
         name = \"octo/shop\"\nsecret = \"{SECRET}\"\n[projects.PROJECT-other.environments.other]\n\
         branch = \"other\"\nbake = \"0s\"\n",
        world.repository.bare().display()
    );
    world.configure(&Settings { tables, limits: "deployments = 1".into(), ..Settings::default() });
    world.start_edge().await;
    world.serve().await;
    let lines = canary("gate: true");
    write(&world.repository, "one", &lines);
    let first = world.push("First");
    world.until_deployment(&first, &["succeeded"]).await;
    write(&world.repository, "two", &lines);
    let second = world.push("Second");
    let waits = "Canary: web at 20 % of the traffic, waiting for launchway promote";
    until_described(&world, &second, waits).await;
    for version in ["three", "four"] {
        write_quick(&world.repository, version);
        let other = world.repository.commit(version);
        world.repository.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]);
        world.until_deployment(&other, &["succeeded"]).await;
    }
    let (code, _, error) = world.launchway(&["promote", "production", "--all", "--project", &world.project]).await;
    assert_eq!(code, 0, "{error}");
    world.until_deployment(&second, &["succeeded"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_aborted_goes_back_at_once() {
    let (world, load, _) = held_at_a_gate().await;
    let (code, told, error) = world.launchway(&["abort", "production"]).await;
    assert_eq!(code, 0, "{told}{error}");
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    for _ in 0..20 {
        assert_eq!(world.get("/").await.as_deref(), Some("one"));
    }
    world.end().await;
}

/// The restarted server goes on at the share at which the canary was held.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_the_server() {
    let (mut world, load, second) = held_at_a_gate().await;
    assert_eq!(world.launchway(&["promote"]).await.0, 0);
    until_described(&world, &second, "Canary: web at 50 % of the traffic").await;
    world.kill();
    world.serve().await;
    until_described(&world, &second, "Canary: web at 50 % of the traffic, waiting for launchway promote").await;
    assert_eq!(world.launchway(&["promote"]).await.0, 0);
    assert_eq!(world.ends(&second).await.state, "success", "{}", world.deployment_logs());
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    world.end().await;
}

/// `web` whose version two answers its health check well, and everything else with an error.
pub(super) fn write_answering(repository: &GitRepository, version: &str, lines: &str) {
    let answer = r#"#!/bin/sh
read -r method path rest
case "$VERSION $path" in 'two /') code='500 Broken' ;; *) code='200 OK' ;; esac
case "$path" in /slow) sleep 8 ;; esac
while read -r line && [ ${#line} -gt 1 ]; do :; done
case "$path" in /socket)
printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
exec sleep 60 ;;
esac
printf 'HTTP/1.1 %s\r\nContent-Length: 3\r\nConnection: close\r\n\r\n%s' "$code" "$VERSION"
"#;
    let serve = r#"CMD ["nc", "-ll", "-p", "8080", "-e", "/answer"]"#;
    repository
        .write("web/answer", answer)
        .write("web/Dockerfile", format!("FROM {BASE}\nCOPY answer /\nRUN chmod 755 /answer\n{serve}\n"));
    let web = WEB.replace("http://127.0.0.1:8080/", "http://127.0.0.1:8080/health");
    let version = format!("    environment: {{ VERSION: \"{version}\" }}\n");
    repository.write("compose.yaml", format!("services:{web}{version}{lines}\n"));
}

/// The version that fails is put back, and says so with its figures.
async fn errors_are_put_back(world: World, lines: &str, verdict: &str) {
    write_answering(&world.repository, "one", lines);
    deployed(&world, "First").await;
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    let load = Load::start(world.app_port);
    // The old release has to have a past before it can be compared with it.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    write_answering(&world.repository, "two", lines);
    let second = world.push("Broken");
    let shown = world.ends(&second).await;
    load.end().await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    assert!(shown.description.starts_with("web: errors 100.0 % ("), "{shown:?}");
    assert!(shown.description.contains(" of release 1"), "{shown:?}");
    assert!(shown.description.ends_with(&format!("{verdict}; release 1 is live again")), "{shown:?}");
    for _ in 0..20 {
        assert_eq!(world.get("/").await.as_deref(), Some("one"));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_answers_with_errors_is_put_back_with_the_figures() {
    let world = world_with_hosts(None).await;
    let lines = canary("on-little-traffic: wait").replace("hold: 2s", "hold: 20s");
    errors_are_put_back(world, &lines, ": worse").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_fails_while_it_is_watched_is_put_back_by_what_the_old_one_did_before() {
    let world = world_with_hosts(Some("branch = \"main\"\nbake = \"30s\"")).await;
    errors_are_put_back(world, "", ": clearly worse").await;
}

/// Version one is replaced while it still has an answer to finish that takes 8 s: the world, and that answer.
async fn replaced_before_its_answer(lines: &str) -> (World, reqwest::Result<reqwest::Response>) {
    let world = world().await;
    write_answering(&world.repository, "one", lines);
    deployed(&world, "First").await;
    let slow = tokio::spawn(edge_world::client().get(format!("http://127.0.0.1:{}/slow", world.app_port)).send());
    write_answering(&world.repository, "new", lines);
    deployed(&world, "Second").await;
    assert_eq!(world.get("/").await.as_deref(), Some("new"));
    let answer = slow.await.unwrap();
    (world, answer)
}

/// What takes longer than its drain allows is cut, and the log says what was.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_drained_no_longer_than_its_limit() {
    let (world, answer) = replaced_before_its_answer("    x-launchway: { drain: 1s }").await;
    let logs = world.deployment_logs();
    assert!(logs.contains("after 1 s it still has 1 request; what is left is cut"), "{logs}");
    let cut = answer.map(|answer| answer.status().as_u16());
    assert!(!matches!(cut, Ok(200)), "{cut:?}");
    world.end().await;
}

/// A WebSocket of the answering app, which is open.
pub(super) async fn web_socket(world: &World) -> tokio::net::TcpStream {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", world.app_port)).await.unwrap();
    let asks = "GET /socket HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    socket.write_all(asks.as_bytes()).await.unwrap();
    let mut said = vec![0; 12];
    socket.read_exact(&mut said).await.unwrap();
    assert_eq!(said, b"HTTP/1.1 101");
    socket
}

/// A WebSocket has no end of its own: at the limit its client is told to connect again.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_is_closed_in_good_order_at_the_limit() {
    use tokio::io::AsyncReadExt;
    let world = world().await;
    let lines = "    x-launchway: { drain: 1s }";
    write_answering(&world.repository, "one", lines);
    deployed(&world, "First").await;
    let mut socket = web_socket(&world).await;
    write_answering(&world.repository, "new", lines);
    deployed(&world, "Second").await;
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
    // A close frame with code 1001 is the last that comes.
    assert!(rest.ends_with(&[0x88, 2, 0x03, 0xE9]), "{rest:?}");
    let logs = world.deployment_logs();
    assert!(logs.contains("after 1 s"), "{logs}");
    world.end().await;
}

/// What a slow request needs within the limit, it gets.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_outlives_its_replicas_successor() {
    let (world, answer) = replaced_before_its_answer("").await;
    let answer = answer.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "one"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_ends_a_hold_and_begins_from_what_is_live() {
    let (world, load, second) = held_at_a_gate().await;
    write(&world.repository, "three", "");
    let third = world.push("Third");
    let shown = world.ends(&second).await;
    assert_eq!(shown.description, format!("Superseded by {}; release 1 is live", third.short()), "{shown:?}");
    assert_eq!(world.ends(&third).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("three"));
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{:?}", told.failed);
    world.end().await;
}
