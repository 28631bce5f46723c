//! What a forge answered, and what follows from it where the forges agree.

use super::limits::retry_after;
use super::words::one_line;
use super::{Failed, PostError};
use crate::model::Quoted;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use serde_json::Value;
use std::time::SystemTime;

#[derive(Debug)]
pub(in crate::forge) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, bounded, with the token masked.
    pub text: String,
}

/// Sentences on what to do, which differ by forge.
pub(in crate::forge) struct Advice {
    /// `GitHub`.
    pub forge: &'static str,
    /// After 401 and 403: what the token needs.
    pub token: &'static str,
}

impl Answer {
    /// The body as JSON; `None` where it is none, or of another shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.text).ok()
    }

    /// What the forge says of its answer, in one line: `message`, `error` and `errors` of JSON, else the text's start.
    pub fn says(&self) -> String {
        let text = match serde_json::from_str::<Value>(&self.text) {
            Ok(value) => {
                let parts: Vec<String> = ["message", "error", "error_description", "errors"]
                    .iter()
                    .filter_map(|key| value.get(key))
                    .filter(|part| !part.is_null())
                    .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_string))
                    .collect();
                if parts.is_empty() { String::new() } else { parts.join("; ") }
            }
            Err(_) => self.text.trim().to_string(),
        };
        one_line(&text, 300)
    }

    /// `404 Not Found, "Not Found"`.
    pub fn shown(&self) -> String {
        let says = self.says();
        if says.is_empty() { self.status.to_string() } else { format!("{}, {:?}", self.status, Quoted(says)) }
    }

    /// What follows, `error` being what the forge's client makes of it. A gateway that gave up waiting is no answer of the
    /// forge, which goes on with the request behind it.
    pub fn failed(&self, error: PostError) -> Failed {
        Failed { error, may_arrive: matches!(self.status.as_u16(), 502 | 504) }
    }

    /// What follows where nothing is special about the forge.
    ///
    /// 401, 403, 404, 410 and redirects are `Denied` and not `Refused`: while a token is rotated, a repository renamed
    /// or an instance restored from a backup, forges answer exactly so, and a status that was given up then would leave
    /// the commit pending for ever.
    pub fn failure(&self, advice: &Advice) -> PostError {
        let Advice { forge, token } = advice;
        let shown = self.shown();
        match self.status.as_u16() {
            408 | 409 | 421 | 423 | 425 | 429 | 500..=599 => PostError::Retry {
                after: retry_after(&self.headers, SystemTime::now()),
                why: format!("{forge} answered {shown}; the status is sent again"),
            },
            401 => PostError::Denied {
                why: format!("{forge} does not accept the token ({shown}): it expired or was revoked. {token}"),
            },
            403 => PostError::Denied { why: format!("{forge} forbids it ({shown}). {token}") },
            404 | 410 => PostError::Denied {
                why: format!(
                    "{forge} does not find the repository ({shown}): it was renamed or deleted, or the token may not see \
                     it. Check `repository`. {token}"
                ),
            },
            200..=299 => PostError::Denied {
                why: format!("what answered ({shown}) is not {forge}'s API: check `api` in launchway.toml"),
            },
            300..=399 => {
                let to = self.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                PostError::Denied {
                    why: format!(
                        "{forge} answered {} to {}: the token is not sent to another address. Set `api` in \
                         launchway.toml to where the API is",
                        self.status,
                        Quoted(one_line(to, 200))
                    ),
                }
            }
            _ => PostError::Refused { why: format!("{forge} refuses the status: {shown}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), text: text.into() }
    }

    #[test]
    fn says_what_the_forge_says() {
        assert_eq!(
            answer(422, r#"{"message":"Validation Failed","errors":[{"field":"x"}]}"#).says(),
            r#"Validation Failed; [{"field":"x"}]"#
        );
        assert_eq!(answer(400, r#"{"message":{"name":["taken"]}}"#).says(), r#"{"name":["taken"]}"#);
        assert_eq!(answer(502, "<html>\nBad\x1b[31m Gateway").says(), "<html> Bad Gateway");
        assert_eq!(answer(500, "").shown(), "500 Internal Server Error");
    }

    #[test]
    fn only_what_can_never_work_is_refused() {
        let advice = Advice { forge: "GitHub", token: "Set a new one." };
        for status in [301, 302, 401, 403, 404, 410, 200] {
            assert!(matches!(answer(status, "").failure(&advice), PostError::Denied { .. }), "{status}");
        }
        for status in [408, 409, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(answer(status, "").failure(&advice), PostError::Retry { .. }), "{status}");
        }
        for status in [400, 405, 413, 422] {
            assert!(matches!(answer(status, "").failure(&advice), PostError::Refused { .. }), "{status}");
        }
    }
}
