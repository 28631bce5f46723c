//! An id for each request, in the log and in the answer's `x-request-id`.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use std::fmt;

/// 16 hex digits. Always our own: one from outside could repeat another request's.
#[derive(Debug, Clone)]
pub(super) struct RequestId(String);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) async fn assign(mut request: Request, next: Next) -> Response {
    let mut random = [0; 8];
    // Without randomness the id says nothing, which is no reason to refuse a delivery.
    let _ = getrandom::fill(&mut random);
    let id = RequestId(hex::encode(random));
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
