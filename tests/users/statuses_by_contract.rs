//! Our GitHub client against GitHub's published description, answered by prism: `tests/contract/run` starts it.

use crate::support::statuses::{commit, patient, status};
use launchway::forge::statuses::StatusTarget;
use launchway::model::{ForgeKind, GitCredentials, Secret, StatusState};
use serde_json::json;

fn api() -> String {
    std::env::var("LAUNCHWAY_CONTRACT_API").expect("run tests/contract/run, which starts prism and sets this")
}

#[tokio::test]
#[ignore = "needs prism from the npm registry: make contract"]
async fn what_our_client_sends_is_accepted() {
    let target = StatusTarget {
        forge: ForgeKind::GitHub,
        api: Some(api().parse().unwrap()),
        repository: "octo/shop".into(),
        clone_url: "https://github.com/octo/shop.git".into(),
        token: Some(Secret::new("any")),
        credentials: GitCredentials::default(),
    };
    let client = patient(&target);
    for state in
        [StatusState::Pending, StatusState::Success, StatusState::Failure, StatusState::Error, StatusState::Cancelled]
    {
        let mut status = status(&commit('a'), state, &"ü".repeat(200));
        client.post(&status).await.unwrap();
        status.target_url = None;
        client.post(&status).await.unwrap();
    }
}

/// Without this the test above would pass against a server that accepts everything.
#[tokio::test]
#[ignore = "needs prism from the npm registry: make contract"]
async fn what_is_wrong_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("{}/repos/octo/shop/statuses/{}", api(), commit('a'));
    let http = reqwest::Client::new();
    for (token, body, expected) in [
        (true, json!({ "state": "success", "context": "c" }), 201),
        (true, json!({ "state": "succeeded" }), 422),
        (true, json!({ "state": "cancelled" }), 422),
        (true, json!({ "context": "launchway/production" }), 422),
        (true, json!({ "state": "success", "description": "x".repeat(141) }), 422),
        (true, json!({ "state": "success", "target_url": 7 }), 422),
        (false, json!({ "state": "success" }), 401),
    ] {
        let mut request = http.post(&url).header("accept", "application/vnd.github+json").json(&body);
        if token {
            request = request.bearer_auth("any");
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected, "{body}");
    }
}
