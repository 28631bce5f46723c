//! `restart`, and `deploy.restart_policy`, which wins.

use crate::compose::view::View;
use crate::model::{Quoted, RestartPolicy};

pub fn read(view: &View<'_>) -> Option<RestartPolicy> {
    let own = view.get("restart").and_then(|v| policy(&v));
    match view.get("deploy").and_then(|deploy| deploy.get("restart_policy")) {
        Some(of_deploy) => deploy_policy(&of_deploy).or(own),
        None => own,
    }
}

fn policy(view: &View<'_>) -> Option<RestartPolicy> {
    let text = view.text()?;
    let (word, retries) = match text.split_once(':') {
        Some((word, retries)) => (word, Some(retries)),
        None => (text.as_str(), None),
    };
    let policy = match (word, retries.map(str::parse)) {
        ("no", None) => Some(RestartPolicy::No),
        ("always", None) => Some(RestartPolicy::Always),
        ("unless-stopped", None) => Some(RestartPolicy::UnlessStopped),
        ("on-failure", None) => Some(RestartPolicy::OnFailure { max_retries: None }),
        ("on-failure", Some(Ok(max))) => Some(RestartPolicy::OnFailure { max_retries: Some(max) }),
        _ => None,
    };
    if policy.is_none() {
        view.error(format!(
            "{text:?} is not one of \"no\", always, unless-stopped, on-failure, on-failure:N",
            text = Quoted(&text)
        ));
    }
    policy
}

fn deploy_policy(view: &View<'_>) -> Option<RestartPolicy> {
    if !view.only(&["condition", "delay", "max_attempts", "window"]) {
        return None;
    }
    for key in ["delay", "window"] {
        if let Some(value) = view.get(key) {
            value.any_duration();
            value.note(format!("`{key}` counts in a Swarm only and is ignored; the engine waits longer each time"));
        }
    }
    let max_retries = view.get("max_attempts").and_then(|v| v.number("a whole number"));
    let condition = match view.get("condition") {
        Some(condition) => condition.word(&["none", "on-failure", "any"])?,
        None => "any".to_string(),
    };
    Some(match condition.as_str() {
        "none" => RestartPolicy::No,
        "on-failure" => RestartPolicy::OnFailure { max_retries },
        _ => RestartPolicy::Always,
    })
}
