//! What the engine answered instead of doing what was asked, and which [`EngineError`] that is.

use crate::engine::EngineError;
use crate::model::{Quoted, innermost};
use bollard::errors::Error;
use std::time::Duration;

/// A call that gave no result. `?` makes an [`EngineError`] of it where nobody looks closer.
#[derive(Debug)]
pub(super) struct Denied {
    endpoint: String,
    pub attempted: String,
    pub reason: Reason,
    /// What to do about it, in our words.
    hint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The engine could not be asked, or did not answer.
    Away(String),
    /// It answered with an HTTP status that is no success.
    Status(u16, String),
    Other(String),
}

/// Texts of 5xx answers that mean that the engine (or the containerd below it) is coming or going.
const COMING_OR_GOING: [&str; 5] = [
    "transport is closing",
    "connection error: desc",
    "containerd.sock",
    "daemon is shutting down",
    "error while dialing",
];

impl Denied {
    /// An answer of the engine at `endpoint` that is none, to what was attempted.
    pub fn new(endpoint: &str, attempted: impl Into<String>, error: Error) -> Self {
        Self { endpoint: endpoint.to_string(), attempted: attempted.into(), reason: Reason::of(error), hint: "" }
    }

    /// No answer came within `limit`.
    pub fn silent(endpoint: &str, attempted: impl Into<String>, limit: Duration) -> Self {
        let why = format!("no answer within {} s", limit.as_secs_f32());
        Self { endpoint: endpoint.to_string(), attempted: attempted.into(), reason: Reason::Away(why), hint: "" }
    }

    /// Whether the engine has no such thing (404).
    pub fn is_not_found(&self) -> bool {
        matches!(self.reason, Reason::Status(404, _))
    }
    /// Whether something else is in the way (409).
    pub fn is_conflict(&self) -> bool {
        matches!(self.reason, Reason::Status(409, _))
    }
    /// The engine's own words, to find out what it means.
    pub fn message(&self) -> &str {
        match &self.reason {
            Reason::Away(text) | Reason::Status(_, text) | Reason::Other(text) => text,
        }
    }
    /// Whether the engine's message has these words, whatever their case.
    pub fn says(&self, words: &str) -> bool {
        matches!(&self.reason, Reason::Status(_, text) if text.to_ascii_lowercase().contains(words))
    }
    /// The same with a hint behind the engine's words.
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }
    /// Why, for a sentence: the engine's own words as such, and the hint.
    pub fn why(&self) -> String {
        let hint = if self.hint.is_empty() { String::new() } else { format!(". {}", self.hint) };
        match &self.reason {
            Reason::Away(why) => why.clone(),
            Reason::Status(_, text) | Reason::Other(text) => format!("{}{hint}", Quoted(text)),
        }
    }
}

impl Reason {
    fn of(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                let message = message.trim().to_string();
                let lower = message.to_ascii_lowercase();
                let away = status_code == 503
                    || (status_code >= 500 && COMING_OR_GOING.iter().any(|words| lower.contains(words)));
                if away { Reason::Away(Quoted(message).to_string()) } else { Reason::Status(status_code, message) }
            }
            Error::RequestTimeoutError => Reason::Away("no answer in time".into()),
            Error::SocketNotFoundError(path) => Reason::Away(format!("there is no socket {path}")),
            Error::HyperLegacyError { .. } | Error::HyperResponseError { .. } | Error::IOError { .. } => {
                Reason::Away(last_cause(&error))
            }
            Error::JsonDataError { message, .. } => Reason::Other(format!("its answer is not understood: {message}")),
            Error::DockerStreamError { error } => Reason::Other(error),
            other => Reason::Other(last_cause(&other)),
        }
    }
}

/// The last cause is the one that says something: `client error (Connect)` hides `Connection refused`.
fn last_cause(error: &Error) -> String {
    let text = innermost(error);
    let text = text.split(" (os error").next().unwrap_or_default();
    if text == "Permission denied" {
        return format!("{text}; may the user whom Launchway runs as use it (group `docker`)?");
    }
    text.to_string()
}

impl From<Denied> for EngineError {
    fn from(denied: Denied) -> Self {
        let why = denied.why();
        let Denied { endpoint, attempted, reason, .. } = denied;
        match reason {
            Reason::Away(_) => EngineError::Unavailable { endpoint, attempted, why },
            Reason::Status(404, _) => EngineError::NotFound { what: format!("what is needed to {attempted} ({why})") },
            Reason::Status(..) | Reason::Other(_) => EngineError::Refused { attempted, why },
        }
    }
}

/// A name that goes into a request's path: an id, a container's or volume's name, an image's reference. Names come
/// from the Compose file, so one that would make another path of it is refused.
pub(super) fn in_path(name: &str) -> Result<&str, EngineError> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '@' | '/' | '+');
    let parts_are_names = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if name.chars().all(harmless) && parts_are_names {
        Ok(name)
    } else {
        Err(EngineError::Refused {
            attempted: format!("ask the engine for {:?}", Quoted(name)),
            why: "that is no name of a container, volume or image".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16, message: &str) -> Denied {
        let error = Error::DockerResponseServerError { status_code, message: message.into() };
        Denied::new("unix:///s", "start container api-1", error)
    }

    #[test]
    fn an_engine_that_comes_or_goes_is_unavailable() {
        for denied in [
            answered(503, "service unavailable"),
            answered(500, "connection error: desc = \"transport: Error while dialing\": unavailable"),
            Denied::new("unix:///s", "x", Error::RequestTimeoutError),
            Denied::silent("unix:///s", "x", Duration::from_secs(3)),
        ] {
            assert!(matches!(EngineError::from(denied), EngineError::Unavailable { .. }));
        }
        assert!(matches!(answered(500, "no space left on device").into(), EngineError::Refused { .. }));
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for good in ["shop-api-1", "nginx:1.27", "localhost:5000/a/b@sha256:0a", "d0e1f2"] {
            assert!(in_path(good).is_ok(), "{good}");
        }
        for bad in ["", "../containers/x", "a/../b", "a?b", "a#b", "a b", "a%2e", "/etc", "a//b"] {
            assert!(in_path(bad).is_err(), "{bad:?}");
        }
    }
}
