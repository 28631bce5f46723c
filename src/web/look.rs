//! How pages look: the style, its place in the content security policy, and texts for times and states.

use crate::model::DeploymentState;
use crate::report::texts;
use base64::Engine as _;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use std::time::Duration;

/// Stands inside every page, so that a page is one request.
pub const STYLE: &str = include_str!("../../templates/pages/style.css");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    )
});

/// Nothing is loaded and nothing runs but our own style, which is known by its hash; forms go to this server only.
pub fn content_security_policy() -> String {
    POLICY.clone()
}

/// A state as a colour: good, bad, busy or idle.
pub fn mood(state: DeploymentState) -> &'static str {
    use DeploymentState::*;
    match state {
        Succeeded => "good",
        Failed | RolledBack => "bad",
        Preparing | Building | Deploying | Monitoring | PuttingBack => "busy",
        Waiting | Cancelled | Superseded => "idle",
    }
}

/// A moment, for people and for machines.
pub struct Moment {
    /// `24 Nov 2026, 08:00:12 UTC`
    pub text: String,
    /// `08:00:12 UTC`
    pub clock: String,
    /// RFC 3339.
    pub exact: String,
}

impl Moment {
    pub fn new(milliseconds: i64) -> Self {
        let time = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
        Self {
            text: time.strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
            clock: time.strftime("%H:%M:%S UTC").to_string(),
            exact: time.to_string(),
        }
    }
}

/// `12 s`, from one moment to another.
pub fn took(from_ms: i64, to_ms: i64) -> String {
    texts::duration(Duration::from_millis((to_ms - from_ms).max(0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc() {
        let moment = Moment::new(1_795_507_212_345);
        assert_eq!(moment.text, "24 Nov 2026, 08:00:12 UTC");
        assert_eq!(moment.exact, "2026-11-24T08:00:12.345Z");
    }

    #[test]
    fn the_policy_lets_nothing_in_but_the_style() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    }
}
