//! What the edge says itself when no replica does: short, plain, with the request's id to look for in logs.

use super::refusal::Refusal;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use std::borrow::Cow;

/// Why no replica answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    Refused(Refusal),
    NoRoute,
    /// Waited for a replica as long as one may.
    HeldTooLong,
    /// As many as may wait do already.
    TooManyHeld,
    /// As many as may be served at once are.
    TooMany,
    /// The connection to the replica broke before an answer came, and part of the request may have been sent.
    BrokeOff,
    /// What the replica sent is no answer of HTTP that can be passed on.
    NotHttp,
    /// No answer in time.
    TooLate,
}

/// A client comes back after so many seconds: by then a component that is replaced is usually there.
const COME_BACK_AFTER: HeaderValue = HeaderValue::from_static("5");

impl NoAnswer {
    fn status(self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::HeldTooLong | Self::TooManyHeld | Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Self::BrokeOff | Self::NotHttp => StatusCode::BAD_GATEWAY,
            Self::TooLate => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn says(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Refused(refusal) => return Cow::Owned(refusal.to_string()),
            Self::NoRoute => "Nothing is served at this address.",
            Self::HeldTooLong => "The application is not there at the moment.",
            Self::TooManyHeld => "The application is not there at the moment, and too many requests wait for it.",
            Self::TooMany => "Too many requests at once.",
            Self::NotHttp => "The application's answer is not HTTP that can be passed on.",
            Self::BrokeOff => "The application broke off before it answered.",
            Self::TooLate => "The application did not answer in time.",
        })
    }

    /// What the client is told.
    pub fn response(self, request_id: Option<&HeaderValue>) -> Response<String> {
        let mut text = format!("{}\n", self.says());
        if let Some(id) = request_id.and_then(|id| id.to_str().ok()) {
            text.push_str(&format!("Request: {id}\n"));
        }
        let mut response = Response::new(text);
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, COME_BACK_AFTER);
        }
        if let Some(id) = request_id {
            headers.insert(super::head::REQUEST_ID, id.clone());
        }
        response
    }
}
