//! JSON as an answer, safe to be shown by whatever prints it.

use crate::model::plain_json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer as JSON. It says what the value says, but holds no character that a terminal obeys or that hides: they are
/// written as `\u202e`, so `curl` on a terminal shows them.
#[derive(Debug, Clone)]
pub struct Said<T>(pub T);

impl<T: Serialize> Said<T> {
    /// The JSON itself.
    pub fn text(&self) -> serde_json::Result<String> {
        Ok(plain_json(&serde_json::to_string(&self.0)?).into_owned())
    }
}

impl<T: Serialize> IntoResponse for Said<T> {
    fn into_response(self) -> Response {
        match self.text() {
            Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response(),
            Err(error) => {
                tracing::error!(error = %error, "An answer could not be written as JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
