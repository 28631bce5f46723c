//! When a container counts as ready, on a real engine.

use crate::support::engine::{Place, readiness};
use launchway::engine::EngineError;
use launchway::model::{HealthCheck, HealthTest, NetworkMode, RestartPolicy};
use launchway::plan::{Action, EngineNetwork, EngineNetworkMode, Readiness, ReadyGoal, Target};
use std::time::{Duration, Instant};

fn check(line: &str, interval: Duration) -> HealthCheck {
    HealthCheck {
        test: HealthTest::Shell(line.into()),
        interval: Some(interval),
        timeout: Some(Duration::from_secs(5)),
        start_period: None,
        start_interval: None,
        retries: Some(1),
    }
}

fn not_ready(error: EngineError) -> (String, Vec<String>) {
    match error {
        EngineError::NotReady { container, why, last_lines, .. } => (format!("{container} {why}"), last_lines),
        other => panic!("not what was expected: {other}"),
    }
}

/// What is different in each run is cut out: the name, and times.
fn plain(place: &Place, text: &str) -> String {
    let text = launchway::model::plain(text).replace(&place.name, "PLACE");
    let mut words: Vec<String> = text.split(' ').map(str::to_string).collect();
    for at in 1..words.len() {
        let is_unit = matches!(words[at].trim_end_matches(['.', ',', ';', ':']), "s");
        if is_unit && words[at - 1].parse::<f64>().is_ok() {
            words[at - 1] = "N".into();
        }
    }
    words.join(" ")
}

async fn on_a_network(place: &Place) -> EngineNetworkMode {
    place.act(Action::CreateNetwork(Box::new(place.network("net")))).await.unwrap();
    EngineNetworkMode::Networks(vec![EngineNetwork {
        name: place.named("net"),
        aliases: Vec::new(),
        ipv4_address: None,
        ipv6_address: None,
        mac_address: None,
        driver_opts: Default::default(),
    }])
}

#[tokio::test]
async fn a_health_check_with_a_long_interval_is_tried_at_once() {
    let place = Place::new().await;
    let mut spec = place.container("web", "sleep 1; touch /tmp/up; sleep 600");
    spec.settings.healthcheck = Some(check("test -e /tmp/up", Duration::from_secs(30)));
    let target = place.start(spec).await;
    let began = Instant::now();
    let outcome = place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "the engine's own first look is after 30 s: {:?}",
        began.elapsed()
    );
    assert_eq!(outcome.note.unwrap(), "its health check succeeds, tried before the engine's first turn");
}

#[tokio::test]
async fn an_unhealthy_container_fails_with_what_its_check_said() {
    let place = Place::new().await;
    let mut spec = place.container("web", "echo serving; sleep 600");
    spec.settings.healthcheck = Some(check("echo no database; exit 1", Duration::from_secs(1)));
    let target = place.start(spec).await;
    let (why, lines) = not_ready(place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap_err());
    insta::assert_snapshot!(plain(&place, &why), @"PLACE-web is unhealthy; its health check said: no database");
    assert_eq!(lines, ["serving"]);
}

#[tokio::test]
async fn a_health_check_that_never_passes_ends_at_the_deadline() {
    let place = Place::new().await;
    let mut spec = place.container("web", "sleep 600");
    spec.settings.healthcheck = Some(check("echo not yet; exit 1", Duration::from_secs(30)));
    let target = place.start(spec).await;
    let short = Readiness { deadline: Duration::from_secs(2), ..readiness(ReadyGoal::Ready, &[]) };
    let (why, _) = not_ready(place.wait(&target, short).await.unwrap_err());
    insta::assert_snapshot!(plain(&place, &why), @"PLACE-web did not become healthy within N s; its health check said: not yet");
}

#[tokio::test]
async fn a_port_that_answers_is_ready() {
    let place = Place::new().await;
    let mut spec = place.container("web", "sleep 1; exec httpd -f -p 8080");
    spec.network = on_a_network(&place).await;
    let target = place.start(spec).await;
    let outcome = place.wait(&target, readiness(ReadyGoal::Ready, &[8080])).await.unwrap();
    assert!(outcome.note.as_deref().unwrap().ends_with(":8080 answers"), "{outcome:?}");
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_fails_though_the_container_stays_up() {
    let place = Place::new().await;
    let mut spec = place.container("web", "sleep 600");
    spec.network = on_a_network(&place).await;
    let target = place.start(spec).await;
    let short = Readiness { deadline: Duration::from_secs(3), ..readiness(ReadyGoal::Ready, &[8080]) };
    let (why, _) = not_ready(place.wait(&target, short).await.unwrap_err());
    assert!(
        why.contains("did not answer on port 8080 within 3 s; ")
            && why.ends_with(":8080: connection refused; nothing in it listens on any TCP port"),
        "{why}"
    );
}

#[tokio::test]
async fn a_shared_network_is_asked_at_its_owners_address() {
    let place = Place::new().await;
    let mut owner = place.container("owner", "sleep 600");
    owner.network = on_a_network(&place).await;
    let owner = place.start(owner).await;
    let mut spec = place.container("web", "exec httpd -f -p 8080");
    spec.settings.network_mode = NetworkMode::Component("owner".parse().unwrap());
    spec.network = EngineNetworkMode::Container(owner);
    let target = place.start(spec).await;
    let outcome = place.wait(&target, readiness(ReadyGoal::Ready, &[8080])).await.unwrap();
    assert!(outcome.note.as_deref().unwrap().ends_with(":8080 answers"), "{outcome:?}");
}

#[tokio::test]
async fn ports_without_an_address_leave_it_to_staying_up() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "sleep 600")).await;
    let outcome = place.wait(&target, readiness(ReadyGoal::Ready, &[8080])).await.unwrap();
    insta::assert_snapshot!(outcome.note.unwrap(), @"it stayed up for 1 s; its ports cannot be reached from here to ask them (it has no address)");
}

#[tokio::test]
async fn what_nothing_tells_of_must_stay_up() {
    let place = Place::new().await;
    let target = place.start(place.container("worker", "sleep 600")).await;
    let outcome = place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap();
    insta::assert_snapshot!(outcome.note.unwrap(), @"it stayed up for 1 s; it has no health check and no port to ask");
}

#[tokio::test]
async fn a_crash_is_seen_at_once_with_its_last_lines() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "seq 1 30; sleep 0.2; echo broken >&2; sleep 0.2; exit 3")).await;
    let (why, lines) = not_ready(place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap_err());
    insta::assert_snapshot!(plain(&place, &why), @"PLACE-web exited with code 3 N s after its start");
    assert_eq!(lines.len(), 20);
    assert!(lines.contains(&"broken".to_string()) && !lines.contains(&"1".to_string()), "{lines:?}");
}

#[tokio::test]
async fn a_crash_loop_is_seen_long_before_the_deadline() {
    let place = Place::new().await;
    let mut spec = place.container("web", "echo once more; sleep 0.3; exit 1");
    spec.settings.restart = Some(RestartPolicy::Always);
    let target = place.start(spec).await;
    let (why, _) = not_ready(place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap_err());
    assert!(why.contains("exited with code 1") && why.contains("a crash loop"), "{why}");
}

#[tokio::test]
async fn a_service_that_ends_well_is_no_service() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "sleep 0.3")).await;
    let (why, _) = not_ready(place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap_err());
    insta::assert_snapshot!(plain(&place, &why), @"PLACE-web exited with code 0 N s after its start. If it is meant to end, say so: `x-launchway: { job: true }`");
}

#[tokio::test]
async fn running_out_of_memory_is_named() {
    let place = Place::new().await;
    let mut spec = place.container("web", "sleep 0.3; exec tail /dev/zero");
    spec.settings.resources.memory_limit_bytes = Some(16 << 20);
    spec.settings.resources.memory_swap_bytes = Some(16 << 20);
    let target = place.start(spec).await;
    let (why, _) = not_ready(place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap_err());
    insta::assert_snapshot!(plain(&place, &why), @"PLACE-web exited with code 137 N s after its start: it was killed because it ran out of memory (its limit is 16 MiB)");
}

#[tokio::test]
async fn a_job_is_ready_when_it_ended_well_and_failed_when_not() {
    let place = Place::new().await;
    let good = place.start(place.container("good", "sleep 0.5")).await;
    let outcome = place.wait(&good, readiness(ReadyGoal::Completed, &[])).await.unwrap();
    insta::assert_snapshot!(plain(&place, &outcome.note.unwrap()), @"ended with exit code 0 after N s");
    let bad = place.start(place.container("bad", "echo no such table; sleep 0.3; exit 2")).await;
    let (why, lines) = not_ready(place.wait(&bad, readiness(ReadyGoal::Completed, &[])).await.unwrap_err());
    insta::assert_snapshot!(plain(&place, &why), @"PLACE-bad exited with code 2 N s after its start");
    assert_eq!(lines, ["no such table"]);
}

#[tokio::test]
async fn a_container_of_which_only_the_id_is_known_is_named_all_the_same() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "exit 1")).await;
    let id = target.existing().unwrap().to_string();
    let by_id = Target::Existing { id: id.clone(), name: id };
    let (why, _) = not_ready(place.wait(&by_id, readiness(ReadyGoal::Ready, &[])).await.unwrap_err());
    assert!(why.starts_with(&place.named("web")), "{why}");
}
