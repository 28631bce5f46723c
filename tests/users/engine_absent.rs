//! The engine is not there, does not answer, or is asked no longer.

use crate::support::engine::{Files, Place, readiness};
use launchway::engine::{DockerEngine, Engine, EngineError};
use launchway::plan::{Action, ReadyGoal};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_socket_that_is_not_there_is_said_with_the_way_on() {
    let engine = DockerEngine::connect(Some("unix:///nowhere/docker.sock")).unwrap();
    insta::assert_snapshot!(engine.info().await.unwrap_err().with_place(), @"the Docker Engine at unix:///nowhere/docker.sock does not answer while trying to ask for its version: No such file or directory. Is it running? `docker info` tells.");
}

#[tokio::test]
async fn an_engine_may_come_later_than_we_do() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let engine = DockerEngine::connect(path.to_str()).unwrap();
    assert!(matches!(engine.info().await, Err(EngineError::Unavailable { .. })));
    std::os::unix::fs::symlink(place.engine.endpoint().trim_start_matches("unix://"), &path).unwrap();
    assert_eq!(engine.info().await.unwrap(), place.engine.info().await.unwrap());
}

#[tokio::test]
async fn a_socket_without_an_engine_behind_it_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let engine = DockerEngine::connect(path.to_str()).unwrap();
    let error = engine.info().await.unwrap_err();
    assert!(matches!(&error, EngineError::Unavailable { why, .. } if why.contains("Connection refused")), "{error}");
}

#[tokio::test]
async fn an_engine_that_accepts_and_never_answers_does_not_hang_us() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let engine = DockerEngine::connect(path.to_str()).unwrap().with_patience(Duration::from_millis(300));
    let error = engine.info().await.unwrap_err();
    assert!(matches!(error, EngineError::Unavailable { .. }), "{error}");
}

/// What a step that has begun comes to when it is cancelled.
async fn cancelled_during(place: &Place, action: Action) -> Result<(), EngineError> {
    let cancel = CancellationToken::new();
    let files = Files::none();
    let act = place.engine.act(&action, &files, &cancel);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        cancel.cancel();
    };
    tokio::join!(act, stop).0.map(drop)
}

#[tokio::test]
async fn a_cancel_ends_waiting_at_once_and_lets_a_stop_come_to_rest() {
    let place = Place::new().await;
    // Process 1 without a handler of its own ignores SIGTERM.
    let target = place.start(place.container("web", "sleep 600")).await;
    let wait = Action::WaitReady {
        target: target.clone(),
        readiness: launchway::plan::Readiness { stay_up: Duration::from_secs(15), ..readiness(ReadyGoal::Ready, &[]) },
    };
    let result = cancelled_during(&place, wait).await;
    assert!(matches!(result, Err(EngineError::Cancelled)), "{result:?}");
    // What the engine was asked goes on whoever waits for it: whoever looks next must not see it running still.
    let stop = Action::StopContainer { target, grace: Some(Duration::from_secs(2)) };
    cancelled_during(&place, stop).await.unwrap();
    let state = place.docker.inspect_container(&place.named("web"), None).await.unwrap().state.unwrap();
    assert_eq!(state.running, Some(false));
}

#[tokio::test]
async fn a_step_that_is_cancelled_before_it_begins_does_nothing() {
    let place = Place::new().await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let action = Action::CreateVolume(Box::new(place.volume("data")));
    let result = place.engine.act(&action, &Files::none(), &cancel).await;
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert!(place.docker.inspect_volume(&place.named("data")).await.is_err());
}
