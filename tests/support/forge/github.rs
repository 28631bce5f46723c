//! What GitHub answers to a status, by its published description and, where that is silent, as it was seen to answer.

use super::server::{Kept, Request, TOKEN, World};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const MOST_STATUSES: usize = 1000;

pub fn answer(world: &World, request: &Request) -> (u16, Value) {
    let message = |status: u16, text: &str| (status, json!({ "message": text, "status": status.to_string() }));
    if request.header("user-agent").is_none_or(str::is_empty) {
        return message(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    match request.header("authorization") {
        None => return message(401, "Requires authentication"),
        Some(text) if text != format!("Bearer {TOKEN}") => return message(401, "Bad credentials"),
        Some(_) => {}
    }
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let (owner, name, sha) = match (request.method.as_str(), &path[..]) {
        ("POST", ["repos", owner, name, "statuses", sha]) => (owner, name, sha),
        ("GET", ["repos", owner, name, "commits", sha, "statuses"]) => (owner, name, sha),
        _ => return message(404, "Not Found"),
    };
    if !format!("{owner}/{name}").eq_ignore_ascii_case(&world.repository) {
        return message(404, "Not Found");
    }
    if world.without_scope.load(Ordering::SeqCst) {
        return message(403, "Resource not accessible by personal access token");
    }
    if request.header("accept") != Some("application/vnd.github+json")
        || request.header("x-github-api-version").is_none()
    {
        return message(415, "this fake wants the media type and version that GitHub asks for");
    }
    if request.method == "GET" {
        return (200, list(world, sha));
    }
    let refused = world.description.refuses(&request.body);
    if !refused.is_empty() {
        return message(422, &format!("Invalid request.\n\n{}", refused.join("\n")));
    }
    let invalid = |field: &str, text: &str| {
        let error = json!({ "resource": "Status", "code": "custom", "field": field, "message": text });
        (422, json!({ "message": "Validation Failed", "errors": [error], "status": "422" }))
    };
    let description = request.text("description").unwrap_or_default();
    if description.chars().count() > 140 {
        return invalid("description", "description is too long (maximum is 140 characters)");
    }
    if description.chars().any(|c| c as u32 > 0xffff) {
        return invalid("description", "description doesn't accept 4-byte Unicode");
    }
    let target_url = request.text("target_url");
    if target_url.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return invalid("target_url", "target_url must use http(s) scheme");
    }
    if !world.commits.lock().unwrap().contains(*sha) {
        return message(422, &format!("No commit found for SHA: {sha}"));
    }
    let context = request.text("context").unwrap_or("default");
    let mut kept = world.kept.lock().unwrap();
    let before = kept.iter().filter(|k| k.sha == *sha && k.context.eq_ignore_ascii_case(context)).count();
    if before >= MOST_STATUSES {
        let text = "Validation failed: This SHA and context has reached the maximum number of statuses.";
        return (422, json!({ "message": "Validation Failed", "errors": text, "status": "422" }));
    }
    let state = request.text("state").unwrap_or_default();
    kept.push(Kept {
        sha: sha.to_string(),
        context: context.into(),
        state: state.into(),
        description: description.into(),
        target_url: target_url.map(Into::into),
    });
    let id = world.ids.fetch_add(1, Ordering::SeqCst);
    let created = json!({
        "url": format!("https://api.github.com/repos/{owner}/{name}/statuses/{sha}"),
        "avatar_url": null,
        "id": id,
        "node_id": format!("MDY6{id}"),
        "state": state,
        "description": description,
        "target_url": target_url,
        "context": context,
        "created_at": "2026-08-05T12:00:00Z",
        "updated_at": "2026-08-05T12:00:00Z",
        "creator": null,
    });
    (201, created)
}

/// The newest first, a page of a hundred.
fn list(world: &World, sha: &str) -> Value {
    let kept = world.kept.lock().unwrap();
    let row = |kept: &Kept| {
        json!({
            "state": kept.state, "context": kept.context, "description": kept.description, "target_url": kept.target_url,
        })
    };
    kept.iter().rev().filter(|kept| kept.sha == sha).take(100).map(row).collect()
}
