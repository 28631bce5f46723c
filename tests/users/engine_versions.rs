//! Engines of other versions, played by a server that only notes what it is asked.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use launchway::engine::{DockerEngine, Engine};
use serde_json::json;
use std::sync::{Arc, Mutex};

struct Noting {
    /// Its socket lives as long as this.
    _folder: tempfile::TempDir,
    socket: String,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn answer(State((api, asked)): State<(&'static str, Arc<Mutex<Vec<String>>>)>, request: Request) -> Response {
    asked.lock().unwrap().push(request.uri().to_string());
    match request.uri().path() {
        "/version" => Json(json!({ "ApiVersion": api })).into_response(),
        _ => Json(json!({})).into_response(),
    }
}

fn engine_of(api: &'static str) -> Noting {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let router = Router::new().fallback(answer).with_state((api, asked.clone()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Noting { socket: path.display().to_string(), _folder: folder, asked }
}

#[tokio::test]
async fn requests_carry_the_highest_version_that_both_sides_speak() {
    for (theirs, spoken) in [("1.41", "1.41"), ("1.44", "1.44"), ("1.51", "1.51"), ("1.99", "1.53")] {
        let other = engine_of(theirs);
        let engine = DockerEngine::connect(Some(&other.socket)).unwrap();
        assert_eq!(engine.info().await.unwrap().api, spoken);
        engine.image("localhost:5000/a/b:1").await.unwrap();
        let asked = other.asked.lock().unwrap().clone();
        let images = format!("/v{spoken}/images/localhost:5000/a/b:1/json");
        assert_eq!(asked, ["/version".to_string(), format!("/v{spoken}/info"), images]);
    }
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_refused_by_name_of_what_would_do() {
    let other = engine_of("1.40");
    let engine = DockerEngine::connect(Some(&other.socket)).unwrap();
    let text = engine.info().await.unwrap_err().to_string().replace(&other.socket, "SOCKET");
    insta::assert_snapshot!(text, @"could not use the engine: its API version is 1.40; Docker Engine 20.10 (API 1.41) is the oldest that works");
}

#[tokio::test]
async fn what_the_build_cache_may_keep_is_said_in_the_words_of_each_version() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (api, word) in [("1.41", "keep-storage"), ("1.47", "keep-storage"), ("1.48", "reserved-space")] {
        let other = engine_of(api);
        let engine = DockerEngine::connect(Some(&other.socket)).unwrap();
        engine.prune_build_cache(20_000_000_000).await.unwrap();
        let asked = other.asked.lock().unwrap().clone();
        let prune = format!("/v{api}/build/prune?all=true&{word}=20000000000");
        assert_eq!(asked.last().map(|uri| uri.trim_start_matches("http://engine")), Some(prune.as_str()));
    }
}
