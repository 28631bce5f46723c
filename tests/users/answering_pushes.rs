//! What whoever pushes is told at once: the truth about when it is deployed.

use crate::support::engine_stub::EngineStub;
use crate::support::quiet_server::{QuietServer, SECRET};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use launchway::receive::{Limits, routes};
use launchway::run::Deliveries;
use serde_json::{Value, json};
use std::sync::Arc;

const STAGING: &str = "[projects.shop.environments.staging]\nbranch = \"main\"\n";

/// Posts a push of `main` as the hook of a plain repository does, and returns what it is told.
async fn told(server: &QuietServer, commit: char, message: &str) -> String {
    let told = answered(server, "shop", commit, message).await;
    told["message"].as_str().unwrap_or_else(|| panic!("{told}")).to_string()
}

async fn answered(server: &QuietServer, project: &str, commit: char, message: &str) -> Value {
    let routes = routes(Arc::new(Deliveries::new(server.deployer.clone())), Limits::default()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, routes).into_future());
    let after = commit.to_string().repeat(40);
    let body = json!({
        "ref": "refs/heads/main", "before": "0".repeat(40), "after": after,
        "commits": [{ "id": after, "message": message }], "repository": { "full_name": "nowhere/shop" },
    })
    .to_string();
    let mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&body);
    let answer = reqwest::Client::new()
        .post(format!("http://{address}/hooks/{project}"))
        .header("content-type", "application/json")
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", format!("guid-{commit}"))
        .header("X-Hub-Signature-256", format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
        .body(body)
        .send()
        .await
        .unwrap();
    let told: Value = answer.json().await.unwrap();
    serving.abort();
    told
}

async fn server(environments: &str) -> QuietServer {
    QuietServer::with("/nowhere/shop.git", environments, EngineStub::default()).await
}

#[tokio::test]
async fn a_push_is_told_where_it_is_deployed_and_what_it_waits_for_elsewhere() {
    let waits = server(&format!("{STAGING}approval = true\n")).await;
    insta::assert_snapshot!(told(&waits, 'a', "Fix").await, @"main aaaaaaaaaaaa of shop will be deployed to production; staging: Waiting for somebody's yes: `launchway approve`");

    let config = waits.deployer.config();
    let (project, production) = config.environment(&"shop".parse().unwrap(), &"production".parse().unwrap()).unwrap();
    waits.deployer.ask_to_pause(project, production, Some("a fair".into()), "ada").await.unwrap();
    insta::assert_snapshot!(told(&waits, 'b', "Fix").await, @"main bbbbbbbbbbbb of shop is not deployed yet; production: Paused by ada: a fair; `launchway resume` lets it go on; staging: Waiting for somebody's yes: `launchway approve`");

    let today = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let last = today.saturating_add(3.days());
    let frozen = format!("freeze = [{{ from = \"{today}\", to = \"{last}\", reason = \"a fair\" }}]\n");
    let frozen = server(&format!("{STAGING}{frozen}")).await;
    let told = told(&frozen, 'c', "Fix").await;
    assert!(
        told.starts_with("main cccccccccccc of shop will be deployed to production; staging: Waiting until "),
        "{told}"
    );
    assert!(told.ends_with("frozen for a fair"), "{told}");
}

#[tokio::test]
async fn a_push_that_is_marked_to_be_skipped_is_told_so_though_the_forge_sends_no_head_commit() {
    let server = server("").await;
    insta::assert_snapshot!(told(&server, 'a', "Typo [skip ci]").await, @"main aaaaaaaaaaaa of shop is marked to be skipped: the newest commit before it that is not will be deployed to production, unless it is live");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_to_a_project_that_is_not_there_is_listed() {
    let server = server("").await;
    let told = answered(&server, "shpo", 'a', "Fix").await;
    assert!(told["detail"].as_str().unwrap().starts_with("no project of this name, or "), "{told}");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let list = server.launchway(&["deliveries"]).await;
        let list = String::from_utf8(list.stdout).unwrap();
        if list.contains("shpo") && list.contains("launchway.toml has no project of this name") {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{list}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
