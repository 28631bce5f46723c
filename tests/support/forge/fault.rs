//! What a test lets go wrong at the forge.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What happens to the next call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// None: this call goes through, a later one does not.
    Pass,
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Value,
    },
    /// No answer, for as long as the caller waits.
    Hang,
    /// The connection is closed without an answer, and nothing was kept.
    Close,
    /// The connection is closed without an answer, and the request is served once the story says so: a forge that hung.
    Late,
    /// The status is kept, but the connection is closed before the answer.
    KeepThenClose,
}

impl Fault {
    pub fn status(status: u16) -> Self {
        Fault::Answer { status, headers: Vec::new(), body: json!({ "message": "injected" }) }
    }

    pub fn retry_after(status: u16, seconds: u64) -> Self {
        let headers = vec![("retry-after", seconds.to_string())];
        Fault::Answer { status, headers, body: json!({ "message": "too fast" }) }
    }

    /// GitHub's primary limit, used up until `reset` (seconds since 1970).
    pub fn used_up_until(reset: i64) -> Self {
        let headers = vec![("x-ratelimit-remaining", "0".to_string()), ("x-ratelimit-reset", reset.to_string())];
        Fault::Answer { status: 403, headers, body: json!({ "message": "API rate limit exceeded for user ID 1." }) }
    }

    /// GitHub's secondary limit where it says no time.
    pub fn secondary_limit() -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Fault::Answer { status: 403, headers: Vec::new(), body: json!({ "message": message }) }
    }

    pub fn redirect(status: u16, to: String) -> Self {
        Fault::Answer { status, headers: vec![("location", to)], body: json!({ "message": "Moved Permanently" }) }
    }
}

/// The answer of [`Fault::Answer`].
pub fn answer(status: u16, headers: &[(&'static str, String)], body: Value) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    response
}
