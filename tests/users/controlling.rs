//! What the commands say and do, beside a server that they reach over its Unix socket.

use crate::support::engine_stub::EngineStub;
use crate::support::git_repository::GitRepository;
use crate::support::quiet_server::{QuietServer, SECRET, launchway};
use launchway::model::{DeploymentState, Mask, Transition};
use launchway::store::{DeliveryOutcome, Deployment, LastLines};
use serde_json::Value;
use std::process::Output;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", err(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn shop() -> (GitRepository, QuietServer) {
    let repository = GitRepository::new();
    repository.publish("compose.yaml", "services: { web: { image: 'web:1' } }\n");
    let engine = EngineStub { images: vec!["web:1".into()], ..EngineStub::default() };
    let server = QuietServer::with(repository.bare().to_str().unwrap(), "", engine).await;
    (repository, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_every_command_says_so_and_exits_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("launchway.toml");
    // Secrets that only the server can read do not matter to a command.
    std::fs::write(&settings, "data = \"data\"\n[projects.shop]\nsecret = { file = \"missing\" }\n").unwrap();
    for arguments in [&["status"][..], &["deploy"], &["logs"], &["cancel"], &["deliveries"], &["rollback"], &["plan"]] {
        let output = launchway(&settings, arguments).await;
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", err(&output));
        let said = err(&output);
        assert!(said.starts_with("launchway: no Launchway answers at "), "{said}");
        assert!(said.contains("launchway.sock (No such file") && said.contains("`launchway serve`"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("none.toml");
    let output = launchway(&settings, &["status"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(said.contains("none.toml") && said.contains("--config"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_runs_and_what_waits() {
    let server = QuietServer::new().await;
    let first = server.push('a', "Fix the price").await;
    server.advance(first.id, Transition::Prepare, "Preparing", 1).await;
    server.advance(first.id, Transition::Build, "Building api (1 of 2)", 2).await;
    server.push('b', "Fix it again").await;

    let status = json(&server.launchway(&["status", "--json"]).await);
    let production = &status["environments"][0];
    assert_eq!(production["environment"], "production");
    assert_eq!(production["live"], Value::Null);
    assert_eq!(production["running"]["state"], "building");
    assert_eq!(production["running"]["description"], "Building api (1 of 2)");
    assert_eq!(production["running"]["page"], format!("https://deploy.example.com/deployments/{}", "a".repeat(32)));
    assert_eq!(production["waiting"][0]["id"], 2);
    assert_eq!(status["engine"]["version"], "28.5.0");
    assert_eq!(status["outbox"]["unsent"], 0);

    let text = out(&server.launchway(&["status"]).await);
    assert!(
        text.contains("deployment 1 (production#1): Building api (1 of 2); deployment 2 (production#2) waits"),
        "{text}"
    );

    server.engine.is_away.store(true, Ordering::Relaxed);
    let text = out(&server.launchway(&["status"]).await);
    assert!(text.contains("The engine does not answer: the Docker Engine at unix:///nowhere.sock"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_takes_the_first_digits_of_a_commit_that_is_on_the_branch() {
    let (repository, server) = shop().await;
    let old = repository.head();
    repository.publish("README", "newer");
    repository.git(&["tag", "v1"]);
    repository.push("v1");
    let added = json(&server.launchway(&["deploy", "--no-wait", "--json", "--commit", &old.as_str()[..7]]).await);
    assert_eq!(added["commit"], old.as_str());
    assert_eq!(added["trigger"], "manual");
    assert!(added["asked_by"].as_str().unwrap().ends_with(" at the command line"), "{added}");

    // Without a commit it is the newest; what waited is overtaken.
    let added = json(&server.launchway(&["deploy", "--no-wait", "--json"]).await);
    assert_eq!(added["commit"], repository.head().as_str());
    let first = server.store().deployment("1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(first.state, DeploymentState::Superseded);

    for (commit, why) in [
        ("main", "\"main\" is a branch, and --commit takes a commit; its commit is "),
        ("v1", "\"v1\" is a tag, and --commit takes a commit. Without --commit the newest"),
        ("abc", "names no commit: give its full id, or at least its first 7 digits"),
        ("main --upload-pack=x", "names no commit"),
        (&"0".repeat(12), "that was fetched begins with 000000000000"),
        (&"0".repeat(40), "commit 000000000000 is on no branch or tag that deploys to production"),
    ] {
        let output = server.launchway(&["deploy", "--commit", commit]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(why), "{commit}: {}", err(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_is_said_to_be_empty() {
    let repository = GitRepository::new();
    let server = QuietServer::with(repository.bare().to_str().unwrap(), "", EngineStub::default()).await;
    for command in ["plan", "deploy"] {
        let told = err(&server.launchway(&[command]).await);
        assert!(told.ends_with(" is empty: push a commit first\n"), "{command}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_the_machine_may_be_asked_beside_the_settings() {
    let server = QuietServer::new().await;
    let settings = server.settings();
    let settings = settings.to_str().unwrap();
    let output = server.launchway(&["check", "--server", "--config", settings]).await;
    assert!(output.status.success(), "{}", err(&output));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_launchway"));
    let output = command.env("LAUNCHWAY_CONFIG", settings).args(["check", "--server"]).output().await.unwrap();
    assert!(output.status.success(), "{}", err(&output));
    let output = server.launchway(&["check", "--server", "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_another_branch_is_not_deployed() {
    let (repository, server) = shop().await;
    let elsewhere = repository.write("x", "x").commit("elsewhere");
    repository.push("HEAD:refs/heads/other");
    let output = server.launchway(&["deploy", "--commit", elsewhere.as_str()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("is on no branch or tag that deploys to production"), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_waits_for_the_end_and_exits_by_it() {
    let (_repository, server) = shop().await;
    for (transition, code, says) in [
        (Transition::Succeed, 0, "Succeeded: all is well"),
        (Transition::Fail, 1, "Failed: all is well"),
        (Transition::Cancel, 4, "all is well"),
        (Transition::Supersede, 4, "all is well"),
    ] {
        let command = server.launchway(&["deploy"]);
        let ending = async {
            let added = first_open(&server).await;
            server.advance(added.id, Transition::Prepare, "Preparing it", 1).await;
            server.advance(added.id, transition, "all is well", 3).await;
        };
        let (output, ()) = tokio::join!(command, ending);
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        let said = out(&output);
        assert!(said.contains(says) && said.contains("https://deploy.example.com/deployments/"), "{said}");
        assert!(said.contains("prepare  2 s"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_prints_the_whole_end_and_what_the_failing_component_said_last() {
    let (_repository, server) = shop().await;
    let why = format!("web-1 exited with code 1: {}; nothing is live yet", "a long story ".repeat(30).trim_end());
    let command = server.launchway(&["deploy"]);
    let ending = async {
        let added = first_open(&server).await;
        server.advance(added.id, Transition::Prepare, "Preparing it", 1).await;
        let lines = vec!["no database".to_string(), format!("the key is {SECRET}")];
        let last_lines = LastLines { component: Some("web".parse().unwrap()), lines };
        server.store().note_last_lines(added.id, last_lines).await.unwrap();
        server.advance(added.id, Transition::Fail, &why, 3).await;
    };
    let (output, ()) = tokio::join!(command, ending);
    let said = out(&output);
    let end = format!("Failed: {why}\nWhat web said last:\n  | no database\n  | the key is ***\n");
    assert!(said.contains(&end), "{said}");
}

async fn first_open(server: &QuietServer) -> Deployment {
    loop {
        let open = server.store().open_deployments().await.unwrap();
        if let Some(deployment) = open.into_iter().next() {
            return deployment;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_are_followed_right_after_a_push_are_those_of_its_deployment() {
    let server = QuietServer::new().await;
    let before = server.push('a', "Before").await;
    server.deployer.logs.open(before.id, Mask::default()).unwrap().line(None, "of before");
    server.advance(before.id, Transition::Cancel, "no", 1).await;
    let number = server.delivery("guid-1", DeliveryOutcome::Received, "").await;
    let following = server.launchway(&["logs", "--follow"]);
    let judging = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let pushed = server.push('b', "The push").await;
        server.deployer.logs.open(pushed.id, Mask::default()).unwrap().line(None, "of the push");
        server.advance(pushed.id, Transition::Cancel, "no", 2).await;
        server.store().judge_delivery(number, DeliveryOutcome::Deploys, "").await.unwrap();
    };
    let (output, ()) = tokio::join!(following, judging);
    assert!(out(&output).contains("of the push") && !out(&output).contains("of before"), "{}", out(&output));
    assert_eq!(err(&output), "Waiting until delivery 1 to shop has been looked at\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_to_the_end() {
    let server = QuietServer::new().await;
    let deployment = server.push('a', "Fix the price").await;
    let log = server.deployer.logs.open(deployment.id, Mask::default()).unwrap();
    log.line(None, "the first line");
    let text = out(&server.launchway(&["logs"]).await);
    assert!(text.ends_with("prepare - the first line\n"), "{text}");

    log.line(None, "the line after it");
    let text = out(&server.launchway(&["logs", "--tail", "1"]).await);
    assert!(text.lines().count() == 1 && text.ends_with("prepare - the line after it\n"), "{text}");
    let following = server.launchway(&["logs", "1", "-f"]);
    let writing = async {
        log.line(None, &format!("the second line, which holds {SECRET}"));
        server.advance(deployment.id, Transition::Fail, "no", 1).await;
    };
    let (output, ()) = tokio::join!(following, writing);
    let text = out(&output);
    assert_eq!(text.lines().count(), 3, "{text}");
    // Masked on its way out too, though this log was opened without knowing the secret.
    assert!(text.contains("the second line, which holds ***"), "{text}");
    assert!(err(&server.launchway(&["logs", "7"]).await).contains("there is no deployment 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_needs_no_number_while_only_one_waits() {
    let server = QuietServer::new().await;
    let nothing = server.launchway(&["cancel"]).await;
    assert_eq!((nothing.status.code(), err(&nothing).as_str()), (Some(1), "launchway: no deployment runs or waits\n"));

    let deployment = server.push('a', "Fix the price").await;
    let output = server.launchway(&["cancel"]).await;
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).starts_with("Cancelled by "), "{}", out(&output));
    let cancelled = server.store().deployment(deployment.id).await.unwrap().unwrap();
    assert_eq!(cancelled.state, DeploymentState::Cancelled);

    let again = server.launchway(&["cancel", "1"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(err(&again), "launchway: deployment 1 (production#1) has ended already: cancelled\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_without_anything_live_is_refused_with_the_reason() {
    let server = QuietServer::new().await;
    let output = server.launchway(&["rollback", "production"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), "launchway: nothing is live in shop/production\n");
    let output = server.launchway(&["rollback", "staging"]).await;
    assert_eq!(err(&output), "launchway: project shop has no environment \"staging\"; it has production\n");
    let usage = server.launchway(&["rollback", "--to", "first"]).await;
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_and_those_that_deploy_nothing_are_not_run_again() {
    let server = QuietServer::new().await;
    server.delivery("guid-1", DeliveryOutcome::Ignored, "no environment wants topic").await;
    let text = out(&server.launchway(&["deliveries"]).await);
    assert!(text.contains("ignored") && text.contains("no environment wants topic"), "{text}");
    let list = json(&server.launchway(&["deliveries", "--json", "--project", "shop"]).await);
    assert_eq!(list[0]["id"], "guid-1");
    assert_eq!(list[0]["received_at"], "2026-11-24T08:00:00Z");
    let output = server.launchway(&["deliveries", "--redeliver", "guid-1"]).await;
    assert_eq!(err(&output), "launchway: delivery 1 is a push: it deploys nothing\n");
    let output = server.launchway(&["deliveries", "--redeliver", "../../v1/status"]).await;
    assert!(err(&output).contains("there is no delivery ../../v1/status"), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_tells_what_would_happen_and_does_nothing() {
    let (repository, server) = shop().await;
    repository.publish("compose.yaml", "services:\n  web: { image: 'web:1' }\n  db: { image: 'db:2' }\n");
    let plan = json(&server.launchway(&["plan", "--json"]).await);
    assert_eq!(plan["commit"], repository.head().as_str());
    assert_eq!(plan["ref"], "refs/heads/main");
    assert_eq!(plan["against"], Value::Null);
    assert_eq!(plan["order"], serde_json::json!([["db", "web"]]));
    assert_eq!(plan["components"][0]["change"], "new");
    assert_eq!(plan["to_pull"], serde_json::json!(["db:2"]));
    let steps: Vec<&str> = plan["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    assert!(steps.iter().any(|step| step.contains("web-1, start container")), "{steps:?}");
    assert!(server.store().deployments(None, None, 10).await.unwrap().is_empty());
    assert_eq!(server.store().newest_release().await.unwrap(), None);

    let text = out(&server.launchway(&["plan"]).await);
    assert!(text.contains("Would be pulled first, and may then turn out to have changed: db:2"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_for_its_owner_only_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let server = QuietServer::new().await;
    server.push('a', "Fix the price").await;
    let file = server.folder.path().join("copy.db");
    let output = server.launchway(&["backup", file.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::metadata(&file).unwrap().len() > 10_000);
    let again = server.launchway(&["backup", file.to_str().unwrap()]).await;
    assert_eq!(again.status.code(), Some(1));
    let told =
        format!("launchway: {} is there already, and a backup overwrites nothing: name another file\n", file.display());
    assert_eq!(err(&again), told);
    let folder = server.folder.path();
    let told = format!("launchway: {} is a folder: name a file in it to back up to\n", folder.display());
    assert_eq!(err(&server.launchway(&["backup", folder.to_str().unwrap()]).await), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_backed_up_without_a_server() {
    let server = QuietServer::new().await;
    server.push('a', "Fix the price").await;
    server.store().close().await;
    std::fs::remove_file(server.folder.path().join("data/launchway.sock")).unwrap();
    let file = server.folder.path().join("copy/launchway.db");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let output = server.launchway(&["backup", file.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", err(&output));
    let copy = launchway::store::Store::open(file.parent().unwrap()).await.unwrap();
    assert_eq!(copy.open_deployments().await.unwrap().len(), 1);
    copy.close().await;
}
