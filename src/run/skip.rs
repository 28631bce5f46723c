//! Commits that ask not to be deployed.

/// `[skip ci]`, `[ci skip]` or `[skip launchway]`, where a commit's message holds one of them in any case.
pub fn mark_in(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    ["[skip ci]", "[ci skip]", "[skip launchway]"].into_iter().find(|mark| message.contains(mark))
}

pub fn is_marked(message: &str) -> bool {
    mark_in(message).is_some()
}
