//! What Gitea answers to a status, by its own description and as a real Gitea 1.14.1 was seen to answer.

use super::server::{Kept, Request, TOKEN, World};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

pub fn answer(world: &World, request: &Request) -> (u16, Value) {
    let message = |status: u16, text: &str| (status, json!({ "message": text, "url": "https://gitea/api/swagger" }));
    let Some(authorization) = request.header("authorization") else {
        return message(401, "token is required");
    };
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let ["repos", owner, name, rest @ ..] = &path[..] else { return message(404, "Not Found") };
    // A private repository is not shown to a wrong token.
    let visible = authorization == format!("token {TOKEN}");
    if !visible || !format!("{owner}/{name}").eq_ignore_ascii_case(&world.repository) {
        return message(404, "Not Found");
    }
    let known = |sha: &str| world.commits.lock().unwrap().contains(sha);
    match (request.method.as_str(), rest) {
        ("GET", []) => (200, json!({ "full_name": world.repository })),
        ("GET", ["git", "commits", sha]) if known(sha) => (200, json!({ "sha": sha })),
        ("GET", ["git", "commits", sha]) => message(404, &format!("object does not exist [id: {sha}, rel_path: ]")),
        ("GET", ["statuses", sha]) => (200, list(world, request, sha)),
        ("POST", ["statuses", sha]) => create(world, request, sha, known(sha)),
        _ => message(404, "Not Found"),
    }
}

fn create(world: &World, request: &Request, sha: &str, known: bool) -> (u16, Value) {
    if world.without_scope.load(Ordering::SeqCst) {
        return (
            403,
            json!({ "message": "token does not have at least one of required scope(s): [write:repository]" }),
        );
    }
    let refused = world.description.refuses(&request.body);
    if !refused.is_empty() {
        return (400, json!({ "message": refused.join("; ") }));
    }
    if !known {
        return (500, json!({ "message": format!("GetCommit[{sha}]: object does not exist") }));
    }
    let text = |key: &str| request.text(key).unwrap_or_default().to_string();
    // Any state is taken, so the fake is stricter: what people see must be one of Gitea's.
    assert!(
        ["pending", "success", "error", "failure", "warning"].contains(&text("state").as_str()),
        "{:?}",
        request.body
    );
    world.kept.lock().unwrap().push(Kept {
        sha: sha.into(),
        context: text("context"),
        state: text("state"),
        description: text("description"),
        target_url: request.text("target_url").map(Into::into),
    });
    let created = json!({
        "id": world.ids.fetch_add(1, Ordering::SeqCst),
        "status": text("state"),
        "target_url": text("target_url"),
        "description": text("description"),
        "context": text("context"),
        "url": format!("https://gitea/api/v1/repos/{}/statuses/{sha}", world.repository),
        "created_at": "2026-08-05T12:00:00Z",
        "updated_at": "2026-08-05T12:00:00Z",
    });
    (201, created)
}

/// A page, in the order that was asked for; null where there is nothing.
fn list(world: &World, request: &Request, sha: &str) -> Value {
    let asked = |key: &str| request.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let kept = world.kept.lock().unwrap();
    let row = |(index, kept): (usize, &Kept)| {
        json!({
            "id": index, "status": kept.state, "context": kept.context, "description": kept.description,
            "target_url": kept.target_url.clone().unwrap_or_default(),
        })
    };
    let mut rows: Vec<Value> = kept.iter().enumerate().filter(|(_, kept)| kept.sha == sha).map(row).collect();
    if asked("sort") == Some("highestindex") {
        rows.reverse();
    }
    rows.truncate(asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(30));
    if rows.is_empty() { Value::Null } else { Value::Array(rows) }
}
