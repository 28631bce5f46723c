//! Ready means reachable: a release whose own health check passes, but at which nobody listens where callers are led to, never
//! goes live.

use super::moving_traffic::{deployed, world};
use super::{fronts, fronts::told};
use crate::support::base_image::resolving;
use crate::support::images::BASE;
use crate::support::load::Load;
use crate::support::world::{World, free_port, get};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const SERVES: &str = "exec httpd -f -p 8080 -h /www";
/// What somebody forgets who has tried it on his own machine only, and what is said of each.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "exec httpd -f -p 127.0.0.1:8080 -h /www",
        "it listens on 127.0.0.1:8080 only, which nobody outside of its container reaches; have it listen on 0.0.0.0",
    ),
    (
        "exec httpd -f -p 3000 -h /www",
        "it listens on port 3000 instead; have it listen on this port, or name the port that it has",
    ),
    ("exec sleep 600", "nothing in it listens on any TCP port"),
];

/// Its health check says nothing of its port.
fn write(world: &World, version: &str, serves: &str, lines: &str) {
    let port = world.app_port;
    world.repository.write(
        "compose.yaml",
        format!(
            r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "mkdir -p /www; echo -n {version} > /www/index.html; touch /up; {serves}"]
    healthcheck: {{ test: ["CMD", "test", "-e", "/up"], interval: 1s, timeout: 2s, retries: 5 }}
    ports: ["127.0.0.1:{port}:8080"]
{lines}
"#
        ),
    );
}

const SHORT: &str = "    x-launchway: { ready-timeout: 4s }";

#[tokio::test(flavor = "multi_thread")]
async fn what_listens_elsewhere_never_goes_live_behind_the_edge() {
    let world = world().await;
    write(&world, "one", SERVES, SHORT);
    deployed(&world, "First").await;
    let load = Load::start(world.app_port);
    for (number, (serves, instead)) in ELSEWHERE.iter().enumerate() {
        write(&world, &format!("elsewhere-{number}"), serves, SHORT);
        let shown = world.ends(&world.push(serves)).await;
        let logs = world.deployment_logs();
        assert_eq!(shown.state, "failure", "{serves}: {shown:?}\n{logs}");
        let said = format!(
            "web-1 takes no connection from the edge at port 8080 within 4 s: {instead}. If nothing is to listen there, say so in the service at compose.yaml:3: `x-launchway: {{ not-listening: [8080] }}`"
        );
        assert!(logs.contains(&said), "{said}\n{logs}");
        assert!(shown.description.contains("takes no connection from the edge at port 8080"), "{shown:?}");
    }
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    assert_eq!(told.bodies, ["one"].map(String::from).into());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_healthy_before_it_listens_is_waited_for() {
    let world = world().await;
    for (version, lines) in [("one", ""), ("two", ""), ("three", "    x-launchway: { method: recreate }")] {
        write(&world, version, &format!("sleep 3; {SERVES}"), lines);
        let load = (version == "two").then(|| Load::start(world.app_port));
        deployed(&world, version).await;
        assert_eq!(world.get("/").await.as_deref(), Some(version));
        if let Some(load) = load {
            let told = load.end().await;
            assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
        }
    }
    let logs = world.deployment_logs();
    assert!(logs.contains("waiting for web-1 to take connections at port 8080"), "{logs}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nobody_is_to_listen_on_is_said_so_and_stalls_no_other() {
    let world = world().await;
    let debug = free_port();
    let lines =
        |more: &str| format!("      - \"127.0.0.1:{debug}:9229\"\n    x-launchway: {{ ready-timeout: 4s{more} }}");
    let with_ports = |more: &str| {
        write(&world, "one", SERVES, &lines(more));
        let file = world.repository.work().join("compose.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let port = world.app_port;
        let (flow, block) =
            (format!("ports: [\"127.0.0.1:{port}:8080\"]"), format!("ports:\n      - \"127.0.0.1:{port}:8080\""));
        std::fs::write(&file, text.replace(&flow, &block)).unwrap();
    };
    with_ports("");
    let shown = world.ends(&world.push("A port for a debugger")).await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    let said = "at port 9229 within 4 s: it listens on port 8080 instead;";
    assert!(world.deployment_logs().contains(said), "{}", world.deployment_logs());

    with_ports(", not-listening: [9229]");
    deployed(&world, "Nobody listens there").await;
    let mut waits = TcpStream::connect(("127.0.0.1", debug)).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        assert_eq!(get(&format!("http://127.0.0.1:{}/", world.app_port)).await.as_deref(), Some("one"));
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    let nothing = tokio::time::timeout(Duration::from_millis(100), waits.read(&mut [0])).await;
    assert!(nothing.is_err(), "it waits still: {nothing:?}");
    drop(waits);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_a_port_at_which_nobody_listens_is_told_and_holds_nothing_up() {
    let world = world().await;
    let keeps = "    volumes: [\"data:/data\"]\n    x-launchway: { ready-timeout: 60s, shared-volumes: [data] }\nvolumes: { data: {} }";
    let dies = format!("test -e /data/dead && exec sleep 600; {SERVES}");
    write(&world, "one", &dies, keeps);
    deployed(&world, "First").await;
    write(&world, "two", SERVES, keeps);
    deployed(&world, "Second").await;
    world.exec("web", &["touch", "/data/dead"]).await;
    let began = Instant::now();
    let (code, out, error) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{out}{error}\n{}", world.deployment_logs());
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    let said = "warning: web-1 takes no connection from the edge at port 8080: nothing in it listens on any TCP port.";
    assert!(world.deployment_logs().contains(said), "{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_were_answered_at_is_answered_by_the_next_release_too() {
    let world = World::new().await;
    resolving(&world.engine.docker).await;
    let write = |version: &str, serves: Option<&str>| {
        fronts::write(&world.repository, version, SHORT);
        let file = world.repository.work().join("compose.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let checked = r#"["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]"#;
        assert!(text.contains(checked) && text.contains(SERVES) && text.contains("[\"8080\"]"));
        let text = text.replace(checked, r#"["CMD", "test", "-e", "/www/index.html"]"#);
        let text = text.replace("[\"8080\"]", "[\"8080\", \"9000\"]").replace(SERVES, serves.unwrap_or(SERVES));
        std::fs::write(&file, text).unwrap();
    };
    write("one", None);
    deployed(&world, "First").await;
    let logs = world.deployment_logs();
    let never =
        "warning: api-1 takes no connection from the front of api at port 9000: it listens on port 8080 instead;";
    assert!(logs.contains(never) && logs.contains("in the service at compose.yaml:3"), "{logs}");
    for (number, (serves, instead)) in ELSEWHERE.iter().enumerate() {
        write(&format!("elsewhere-{number}"), Some(serves));
        let shown = world.ends(&world.push(serves)).await;
        let logs = world.deployment_logs();
        assert_eq!(shown.state, "failure", "{serves}: {shown:?}\n{logs}");
        let said = format!("api-1 takes no connection from the front of api at port 8080 within 4 s: {instead}.");
        assert!(logs.contains(&said), "{said}\n{logs}");
    }
    write("two", None);
    deployed(&world, "Second").await;
    let (bodies, answered, failed) = told(&world).await;
    assert_eq!(failed, 0, "{failed} of {answered} failed\n{}", world.deployment_logs());
    assert_eq!(bodies, ["one", "two"].map(String::from).into());
    world.end().await;
}
