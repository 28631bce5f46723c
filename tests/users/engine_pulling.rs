//! Pulling with the server's registry credentials, by a real engine from a registry that asks for them.

use crate::support::engine::Place;
use crate::support::registry::Registry;
use base64::Engine as _;
use bollard::query_parameters::RemoveImageOptions;
use launchway::engine::{DockerEngine, Engine, EngineError};
use launchway::model::{ProjectName, Quoted};
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Its base64 needs the two letters in which the alphabets differ, at each of the three places.
const PASSWORD: &str = "?~>???~~~>>>";

/// A `config.json` with the credentials for the registry.
fn config(folder: &tempfile::TempDir, registry: &Registry, password: &str) -> std::path::PathBuf {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("me:{password}"));
    let text = serde_json::json!({ "auths": { registry.host.clone(): { "auth": auth } } }).to_string();
    let path = folder.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    path
}

fn project() -> ProjectName {
    ProjectName::new("shop").unwrap()
}

async fn pull(engine: &DockerEngine, reference: &str) -> (Result<launchway::engine::Image, EngineError>, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let result = engine
        .pull(
            reference,
            &project(),
            &|line: &str| told.lock().unwrap().push(line.to_string()),
            &CancellationToken::new(),
        )
        .await;
    (result, told.into_inner().unwrap())
}

#[tokio::test]
async fn an_image_comes_from_a_private_registry_with_the_servers_credentials() {
    let place = Place::new().await;
    let registry = Registry::with_app("me", PASSWORD, &place.name).await;
    let folder = tempfile::tempdir().unwrap();
    let engine = DockerEngine::connect(None).unwrap().with_docker_config(config(&folder, &registry, PASSWORD));
    let reference = format!("{}/app:1", registry.host);
    let (pulled, told) = pull(&engine, &reference).await;
    let image = pulled.unwrap();
    let found = engine.image(&reference).await.unwrap().unwrap();
    place.docker.remove_image(&reference, None::<RemoveImageOptions>, None).await.unwrap();
    assert_eq!(image, found);
    assert_eq!(image.labels["said"], place.name);
    assert_eq!((image.exposed, image.volumes), (vec!["8080/tcp".to_string()], vec!["/data".to_string()]));
    assert!(image.repo_digests[0].starts_with(&format!("{}/app@sha256:", registry.host)), "{:?}", image.repo_digests);
    assert!(told.last().unwrap().starts_with(&format!("pulling {}", Quoted(&reference))), "{told:?}");
}

#[tokio::test]
async fn missing_and_wrong_credentials_and_an_unknown_tag_are_told_apart() {
    let _place = Place::new().await;
    let registry = Registry::with_app("me", PASSWORD, "x").await;
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let connect = || DockerEngine::connect(None).unwrap();
    let none = connect().with_docker_config(empty.path().join("config.json"));
    let wrong = connect().with_docker_config(config(&folder, &registry, "guess"));
    let reference = format!("{}/app:1", registry.host);
    let why = |result: Result<_, EngineError>| match result {
        Err(EngineError::ImageMissing { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let said = why(pull(&none, &reference).await.0);
    assert!(said.contains(&format!("`docker login {}`", registry.host)), "{said}");
    let said = why(pull(&wrong, &reference).await.0);
    assert!(said.contains("were used and do not suffice"), "{said}");
    let right = connect().with_docker_config(config(&folder, &registry, PASSWORD));
    let said = why(pull(&right, &format!("{}/app:2", registry.host)).await.0);
    assert!(said.contains("Is its name or tag misspelt?"), "{said}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    let _place = Place::new().await;
    let gone = Registry::with_app("me", PASSWORD, "x").await.host.clone();
    let (result, _) = pull(&DockerEngine::connect(None).unwrap(), &format!("{gone}/app:1")).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains(&format!("The engine cannot reach {gone}")), "{error}");
}
