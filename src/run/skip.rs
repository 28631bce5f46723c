//! Commits that ask not to be deployed.

/// Whether a commit's message holds `[skip ci]`, `[ci skip]` or `[skip launchway]`, in any case.
pub fn is_marked(message: &str) -> bool {
    let message = message.to_lowercase();
    ["[skip ci]", "[ci skip]", "[skip launchway]"].iter().any(|mark| message.contains(mark))
}
