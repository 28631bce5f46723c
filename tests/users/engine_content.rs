//! Volumes with files of the commit: complete whenever somebody may mount them, on a real engine.

use crate::support::engine::{Files, Place};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, ListContainersOptionsBuilder};
use launchway::engine::{DockerEngine, Engine, EngineError};
use launchway::model::{RepoPath, Secret, label};
use launchway::plan::{Action, CONTENT_FILE, ContentVolume, EngineMount, VolumeContent};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

fn folder() -> VolumeContent {
    VolumeContent::Folder { path: RepoPath::new("site").unwrap(), mount_points: Vec::new() }
}

async fn fill(engine: &DockerEngine, volume: &ContentVolume, files: &Files) -> Result<(), EngineError> {
    let action = Action::FillVolume(Box::new(volume.clone()));
    engine.act(&action, files, &CancellationToken::new()).await.map(drop)
}

/// Whether the next plan would find the volume.
async fn is_observed(place: &Place, volume: &ContentVolume) -> bool {
    place.engine.observe(&place.scope()).await.unwrap().volumes.contains_key(&volume.name)
}

async fn is_guarded(place: &Place, volume: &ContentVolume) -> bool {
    place.docker.inspect_container(&format!("{}.fill", volume.name), None).await.is_ok()
}

/// What a container sees that mounts the volume.
async fn seen(place: &Place, what: &str, volume: &ContentVolume) -> Vec<String> {
    let mut spec = place.container(what, "cd /site && find . -type f | sort && cat $(find . -type f | sort)");
    spec.mounts = vec![EngineMount::Volume {
        name: volume.name.clone(),
        target: "/site".into(),
        read_only: true,
        no_copy: true,
        subpath: None,
    }];
    place.output(spec).await
}

#[tokio::test]
async fn folders_and_single_files_are_mounted_below_a_root_that_is_read_only() {
    let place = Place::new().await;
    let site = place.content("site", folder());
    fill(&place.engine, &site, &Files::with(&[("index.html", "hello\n"), ("css/a.css", "b{}\n")])).await.unwrap();
    let file = VolumeContent::File { path: RepoPath::new("nginx.conf").unwrap() };
    let conf = place.content("conf", file);
    fill(&place.engine, &conf, &Files::with(&[(CONTENT_FILE, "listen 80;\n")])).await.unwrap();
    let text = VolumeContent::Text { text: Secret::new("s3cret"), uid: 0, gid: 0, mode: 0o400 };
    let secret = place.content("secret", text);
    fill(&place.engine, &secret, &Files::with(&[(CONTENT_FILE, "s3cret\n")])).await.unwrap();

    let line = "cat /site/index.html /site/css/a.css /etc/app/nginx.conf /run/secrets/key; \
                ls /site; touch /site/x 2>&1; echo y 2>&1 >> /etc/app/nginx.conf; true";
    let mut spec = place.container("web", line);
    spec.settings.read_only = true;
    spec.mounts = vec![
        EngineMount::Volume {
            name: site.name.clone(),
            target: "/site".into(),
            read_only: true,
            no_copy: true,
            subpath: None,
        },
        EngineMount::ContentFile { volume: conf.name.clone(), target: "/etc/app/nginx.conf".into() },
        EngineMount::ContentFile { volume: secret.name.clone(), target: "/run/secrets/key".into() },
    ];
    let lines = place.output(spec).await;
    assert_eq!(&lines[..6], ["hello", "b{}", "listen 80;", "s3cret", "css", "index.html"]);
    let refused = lines[6..].iter().filter(|line| line.contains("Read-only file system")).count();
    assert_eq!(refused, 2, "{lines:?}");
    for volume in [&site, &conf, &secret] {
        assert!(!is_guarded(&place, volume).await && is_observed(&place, volume).await);
    }
}

#[tokio::test]
async fn a_volume_that_is_complete_is_not_filled_again() {
    let place = Place::new().await;
    let volume = place.content("site", folder());
    fill(&place.engine, &volume, &Files::with(&[("a", "first\n")])).await.unwrap();
    fill(&place.engine, &volume, &Files::with(&[("a", "second\n")])).await.unwrap();
    assert_eq!(seen(&place, "reader", &volume).await, ["./a", "first"]);
}

#[tokio::test]
async fn a_process_that_died_while_it_filled_leaves_a_volume_that_counts_as_absent_and_is_filled_anew() {
    let place = Place::new().await;
    let volume = place.content("site", folder());
    let stalling = Files::with(&[("a", "old"), ("b", "never comes")]).stalling_after(1024);
    // Dropped in the middle of the upload, as `kill -9` drops it: nothing is cleaned up.
    let dying = fill(&place.engine, &volume, &stalling);
    assert!(tokio::time::timeout(Duration::from_secs(2), dying).await.is_err());
    assert!(place.docker.inspect_volume(&volume.name).await.is_ok(), "the half-filled volume is there");
    assert!(is_guarded(&place, &volume).await && !is_observed(&place, &volume).await);

    fill(&place.engine, &volume, &Files::with(&[("a", "new\n"), ("b", "came\n")])).await.unwrap();
    assert!(!is_guarded(&place, &volume).await && is_observed(&place, &volume).await);
    assert_eq!(seen(&place, "reader", &volume).await, ["./a", "./b", "new", "came"]);
}

#[tokio::test]
async fn a_guard_without_a_volume_and_a_volume_with_a_guard_are_both_begun_anew() {
    let place = Place::new().await;
    for (what, with_volume) in [("guard", false), ("both", true)] {
        let volume = place.content(what, folder());
        let options = CreateContainerOptionsBuilder::new().name(&format!("{}.fill", volume.name)).build();
        let body = ContainerCreateBody {
            image: Some(place.image.clone()),
            cmd: Some(vec!["none".into()]),
            labels: Some(HashMap::from([("launchway.fills".to_string(), volume.name.clone())])),
            ..Default::default()
        };
        place.docker.create_container(Some(options), body).await.unwrap();
        if with_volume {
            let mut half = place.volume(what);
            half.labels.insert(label::CONTENT.into(), what.into());
            place.act(Action::CreateVolume(Box::new(half))).await.unwrap();
            assert!(!is_observed(&place, &volume).await);
        }
        fill(&place.engine, &volume, &Files::with(&[("a", "whole\n")])).await.unwrap();
        assert_eq!(seen(&place, &format!("reader-{what}"), &volume).await, ["./a", "whole"]);
        assert!(!is_guarded(&place, &volume).await && is_observed(&place, &volume).await);
    }
}

#[tokio::test]
async fn two_processes_may_fill_the_same_volume_at_once() {
    let place = Place::new().await;
    let volume = place.content("site", folder());
    let other = DockerEngine::connect(None).unwrap();
    let files = Files::with(&[("a", "same\n")]);
    let (one, two) = tokio::join!(fill(&place.engine, &volume, &files), fill(&other, &volume, &files));
    one.unwrap();
    two.unwrap();
    assert!(!is_guarded(&place, &volume).await && is_observed(&place, &volume).await);
    assert_eq!(seen(&place, "reader", &volume).await, ["./a", "same"]);
}

#[tokio::test]
async fn a_cancelled_upload_ends_within_a_second_and_leaves_no_volume_that_counts() {
    let place = Place::new().await;
    let volume = place.content("site", folder());
    let stalling = Files::with(&[("a", "old"), ("b", "never comes")]).stalling_after(1024);
    let cancel = CancellationToken::new();
    let action = Action::FillVolume(Box::new(volume.clone()));
    let act = place.engine.act(&action, &stalling, &cancel);
    let stop = async {
        // Listed, not inspected: the engine answers questions about a container only after its upload.
        let named = HashMap::from([("name".to_string(), vec![format!("{}.upload", volume.name)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&named).build();
        while place.docker.list_containers(Some(options.clone())).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
        Instant::now()
    };
    let ((result, ended), cancelled) = tokio::join!(async { (act.await, Instant::now()) }, stop);
    assert!(matches!(result, Err(EngineError::Cancelled)), "{result:?}");
    assert!(ended.duration_since(cancelled) < Duration::from_secs(1));
    // On a busy machine the second may be over before the volume is gone; then it is known as incomplete.
    let there = place.docker.inspect_volume(&volume.name).await.is_ok();
    assert!(!there || is_guarded(&place, &volume).await);
    assert!(!is_observed(&place, &volume).await);
}

#[tokio::test]
async fn what_a_dead_process_left_can_be_cleared_away() {
    let place = Place::new().await;
    let volume = place.content("site", folder());
    let stalling = Files::with(&[("a", "old")]).stalling_after(1024);
    let dying = fill(&place.engine, &volume, &stalling);
    assert!(tokio::time::timeout(Duration::from_secs(2), dying).await.is_err());
    let cleared = place.engine.clear_unfinished().await.unwrap();
    assert!(cleared.contains(&volume.name), "{cleared:?}");
    assert!(!is_guarded(&place, &volume).await && place.docker.inspect_volume(&volume.name).await.is_err());
}

#[tokio::test]
async fn somebody_elses_volume_is_not_written_into() {
    let place = Place::new().await;
    place.act(Action::CreateVolume(Box::new(place.volume("site")))).await.unwrap();
    let volume = place.content("site", folder());
    let error = fill(&place.engine, &volume, &Files::with(&[("a", "b")])).await.unwrap_err();
    assert!(matches!(error, EngineError::NameTaken { kind: "volume", .. }), "{error}");
}

#[tokio::test]
async fn an_archive_that_breaks_is_an_error_and_leaves_nothing() {
    let place = Place::new().await;
    let file = VolumeContent::File { path: RepoPath::new("nginx.conf").unwrap() };
    let volume = place.content("conf", file);
    let error = fill(&place.engine, &volume, &Files::with(&[("another-name", "x")])).await.unwrap_err();
    let text = error.to_string().replace(&place.name, "PLACE");
    insta::assert_snapshot!(text, @r#"could not fill volume PLACE-conf with the file nginx.conf of the commit: the archive did not hold the file "content""#);
    assert!(!is_guarded(&place, &volume).await && place.docker.inspect_volume(&volume.name).await.is_err());
}
