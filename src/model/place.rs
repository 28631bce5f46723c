//! Where in a file something stands, and what is wrong there.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A place in a file of the repository or of the server's settings; `line` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Works, but probably not as meant.
    Warning,
    /// Cannot be deployed.
    Error,
}

/// Something a person should know about a file: what, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub severity: Severity,
    pub place: Option<Place>,
    /// The key's path, such as `services.api.depends_on.db.condition`.
    pub key: Option<String>,
    /// One or more sentences: what is wrong and what would be accepted.
    pub message: String,
    /// The line of `[projects.<name>.allow]` in launchway.toml that would allow it, such as `privileged = true`, where it
    /// is an error only because nothing allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
}

impl Problem {
    /// Something that ends a deployment.
    pub fn error(place: Option<Place>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place, key: Some(key.into()), message: message.into(), allow: None }
    }
    /// Something that works, and may not be what was meant.
    pub fn warning(place: Option<Place>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, key, message) }
    }
    /// What launchway.toml would have to allow by the line `allow`; `why` is what leads to that: it ends in `;` or `, or`.
    pub fn refusal(place: Option<Place>, key: impl Into<String>, why: &str, allow: impl Into<String>) -> Self {
        let allow = allow.into();
        let message = format!("{why} `allow.{allow}` of the project in launchway.toml allows it");
        Self { allow: Some(allow), ..Self::error(place, key, message) }
    }
    /// Whether it ends a deployment.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(key) = self.key.as_deref().filter(|key| !key.is_empty()) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}
