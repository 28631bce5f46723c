//! Hooks on the server: told of a deployment's beginning and end, whatever becomes of them.

use crate::support::app::{write_quick, write_ready_made_broken};
use crate::support::world::{Settings, World};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes an executable shell script into the server's folder of hooks.
fn hook(folder: &Path, name: &str, script: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The events that a hook kept in this file, one a line.
fn kept(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

const UNTOLD: &str = "SELECT count(*) FROM hooks WHERE outcome IS NULL";

/// Every hook appends what it is told to `events` beside the folder.
fn keep_every_event(world: &World, folder: &Path) -> PathBuf {
    let events = world.folder().join("events");
    world.texts.keep("what hooks were told", &events);
    for name in ["started", "succeeded", "failed", "rolled-back", "cancelled", "superseded"] {
        hook(folder, &format!("deployment-{name}"), &format!("cat >> {0}; echo >> {0}", events.display()));
    }
    events
}

fn words(events: &[Value]) -> Vec<String> {
    let word = |event: &Value| format!("{} {}", event["event"].as_str().unwrap(), event["deployment"]);
    events.iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_told_of_each_beginning_and_each_end_once() {
    let mut world = World::new().await;
    let events = keep_every_event(&world, &world.data().join("hooks"));
    write_quick(&world.repository, "one");
    let commit = world.push("First: \"quoted\"");
    assert_eq!(world.ends(&commit).await.state, "success");
    write_ready_made_broken(&world.repository, "no bank");
    let broken = world.push("Broken");
    assert_eq!(world.ends(&broken).await.state, "failure");
    world.until_store_says(UNTOLD, "0").await;
    let told = kept(&events);
    let expected =
        ["deployment-started 1", "deployment-succeeded 1", "deployment-started 2", "deployment-rolled-back 2"];
    assert_eq!(words(&told), expected);

    let (first, back) = (&told[1], &told[3]);
    assert_eq!(first["project"], world.project.as_str());
    assert_eq!(first["environment"], "production");
    assert_eq!(first["commit"], commit.as_str());
    assert_eq!(first["subject"], "First: \"quoted\"");
    assert_eq!((&first["state"], &first["trigger"]), (&Value::from("succeeded"), &Value::from("push")));
    assert_eq!((&first["release"], &first["previous"]), (&Value::from(1), &Value::Null));
    assert!(first["description"].as_str().unwrap().starts_with("Live after "), "{first}");
    assert!(first["ended_at"].as_str().unwrap().ends_with('Z') && first["started_at"].is_string(), "{first}");
    let page = first["page"].as_str().unwrap();
    assert!(crate::support::world::get(page).await.is_some_and(|text| text.contains("quoted")), "{page}");
    assert_eq!((&back["release"], &back["previous"]), (&Value::from(2), &Value::from(1)));
    assert!(back["description"].as_str().unwrap().contains("no bank; release 1 is live again"), "{back}");

    // A restart tells nothing twice.
    world.terminate().await;
    world.serve().await;
    write_quick(&world.repository, "two");
    world.ends(&world.push("Second")).await;
    world.until_store_says(UNTOLD, "0").await;
    assert_eq!(words(&kept(&events))[4..], ["deployment-started 3", "deployment-succeeded 3"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_says_is_in_the_deployments_log_and_secrets_are_masked() {
    let world = World::with(Settings {
        top: "hooks = \"my-hooks\"".into(),
        environment: Some("branch = \"main\"\nbake = \"0s\"\nsecrets = { BANK = \"very-secret-bank\" }".into()),
        ..Settings::default()
    })
    .await;
    let script = "echo one; echo two >&2; echo the bank is very-secret-bank; echo \"$LAUNCHWAY_SUBJECT\"; env | sort";
    hook(&world.folder().join("my-hooks"), "deployment-succeeded", script);
    write_quick(&world.repository, "one");
    world.ends(&world.push("Tell very-secret-bank")).await;
    // Whoever follows the log sees what hooks say of the end.
    let (code, logs, _) = world.launchway(&["logs", "1", "--follow"]).await;
    assert!(code == 0 && logs.contains("| the bank is ***"), "{logs}");
    world.until_store_says(UNTOLD, "0").await;
    let log = world.deployment_logs();
    for line in ["| one", "| two", "| the bank is ***", "| Tell ***", "| LAUNCHWAY_EVENT=deployment-succeeded"] {
        assert!(log.contains(&format!(" monitor - hook deployment-succeeded {line}")), "{line}\n{log}");
    }
    assert!(log.contains("hook deployment-succeeded: done ("), "{log}");
    assert!(!log.contains("very-secret-bank"), "{log}");
    // Nothing of the server's own environment reaches it.
    assert!(!log.contains("CARGO") && !log.contains("| USER="), "{log}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_hangs_or_may_not_run_changes_nothing_and_is_said() {
    let world = World::with(Settings { limits: "hook = \"1s\"".into(), ..Settings::default() }).await;
    let folder = world.data().join("hooks");
    hook(&folder, "deployment-started", "sleep 600 & echo $!; wait");
    let path = hook(&folder, "deployment-succeeded", "echo never");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world.until_store_says(UNTOLD, "0").await;
    world.until_store_says("SELECT outcome FROM hooks ORDER BY number", "killed\nrefused").await;
    let log = world.deployment_logs();
    assert!(log.contains("hook deployment-started: it took longer than 1 s and was killed; `limits.hook`"), "{log}");
    assert!(log.contains("hook deployment-succeeded is not run: everybody may change it (`chmod o-w "), "{log}");
    assert!(!log.contains("never"), "{log}");
    let sleeper = log.lines().find_map(|line| line.split_once("hook deployment-started | ")).unwrap().1.to_string();
    world
        .until("the sleeping child to be gone", || async {
            let status = std::fs::read_to_string(format!("/proc/{sleeper}/stat"));
            (!status.is_ok_and(|text| !text.contains(") Z "))).then_some(())
        })
        .await;

    hook(&folder, "deployment-started", "exit 3");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    write_quick(&world.repository, "two");
    assert_eq!(world.ends(&world.push("Second")).await.state, "success");
    world.until_store_says(UNTOLD, "0").await;
    let log = world.deployment_logs();
    assert!(log.contains("hook deployment-started: it exited with code 3 ("), "{log}");
    assert!(log.contains("hook deployment-succeeded is not run: it is not executable (`chmod +x "), "{log}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_a_crash_interrupted_runs_again_and_one_that_was_told_does_not() {
    let mut world = World::not_serving(Settings::default()).await;
    let folder = world.data().join("hooks");
    std::fs::create_dir_all(world.data()).unwrap();
    let events = keep_every_event(&world, &folder);
    // Killed as soon as the end is said, before any hook knows of it.
    world.serve_with(&[("FAILPOINTS", "end.said=return")]).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    died(&mut world).await;
    world.serve().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    world.until_store_says(UNTOLD, "0").await;
    assert_eq!(words(&kept(&events)), ["deployment-started 1", "deployment-succeeded 1"]);

    // Killed between the hook's end and the note of it: at least once means twice here.
    world.terminate().await;
    world.serve_with(&[("FAILPOINTS", "hook.ended=1*off->return")]).await;
    write_quick(&world.repository, "two");
    let commit = world.push("Second");
    died(&mut world).await;
    world.serve().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    world.until_store_says(UNTOLD, "0").await;
    let succeeded = "deployment-succeeded 2".to_string();
    assert_eq!(words(&kept(&events))[2..], ["deployment-started 2".to_string(), succeeded.clone(), succeeded]);
    world.end().await;
}

async fn died(world: &mut World) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !world.has_died() {
        assert!(std::time::Instant::now() < deadline, "the failpoint was not met\n{}", world.serve_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_leaves_a_hanging_hook_to_the_next_start() {
    let mut world = World::new().await;
    let folder = world.data().join("hooks");
    let marks = world.folder().join("marks");
    hook(&folder, "deployment-succeeded", &format!("echo begun >> {}; sleep 600", marks.display()));
    write_quick(&world.repository, "one");
    world.ends(&world.push("First")).await;
    world.until("the hook to run", || async { marks.exists().then_some(()) }).await;
    world.terminate().await;
    let log = world.deployment_logs();
    assert!(log.contains("Launchway ends and did not wait for it; the next start runs it again"), "{log}");
    hook(&folder, "deployment-succeeded", &format!("echo again >> {}", marks.display()));
    world.serve().await;
    world.until_store_says(UNTOLD, "0").await;
    assert_eq!(std::fs::read_to_string(&marks).unwrap(), "begun\nagain\n");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_sound_shell_and_the_one_for_failures_sends_its_message() {
    let world = World::new().await;
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&samples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sample") {
            let status = std::process::Command::new("sh").arg("-n").arg(&path).status().unwrap();
            assert!(status.success(), "{}", path.display());
            names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["deployment-failed", "deployment-rolled-back", "deployment-started", "deployment-succeeded"]);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut request, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&request).contains("nothing is live yet") {
            let read = socket.read(&mut piece).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&piece[..read]);
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    let text = std::fs::read_to_string(samples.join("deployment-failed.sample")).unwrap();
    let text = text.replace("https://ntfy.sh/CHANGE-ME", &format!("http://{address}/deployments"));
    let path = hook(&world.data().join("hooks"), "deployment-failed", "");
    std::fs::write(&path, text).unwrap();
    world.repository.write("compose.yaml", "services: { web: { image: 'x', ports: [wrong] } }");
    assert_eq!(world.ends(&world.push("Broken")).await.state, "failure");
    let request = tokio::time::timeout(Duration::from_secs(30), received).await.expect("a request").unwrap();
    assert!(request.starts_with("POST /deployments HTTP/1.1"), "{request}");
    let title = format!("Title: {}/production: deployment 1 failed", world.project);
    assert!(request.contains(&title) && request.contains("Click: http://"), "{request}");
    world.until_store_says("SELECT outcome FROM hooks ORDER BY number", "none\ndone").await;
    world.end().await;
}
