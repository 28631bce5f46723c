//! One call to a forge's API: bounded in time and size, signed in, and never on another host than the one that was set.

use super::answer::Answer;
use super::{Failed, PostError};
use crate::model::{Mask, Quoted, Secret, innermost};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

/// Answers of these calls are a few kilobytes; what is longer is cut, never held.
const LONGEST_BODY: usize = 256 * 1024;
const MOST_REDIRECTS: usize = 3;

pub(in crate::forge) struct Http {
    client: reqwest::Client,
    api: Url,
    token: Option<Secret>,
}

impl Http {
    /// Calls below `api`, signed in with `token` where there is one.
    pub fn new(client: reqwest::Client, api: Url, token: Option<Secret>) -> Self {
        // A token from a file often ends in a line break.
        let token = token.map(|t| Secret::new(t.expose().trim())).filter(|t| !t.is_empty());
        Self { client, api, token }
    }

    /// Host and port, for people.
    pub fn host(&self) -> String {
        let host = self.api.host_str().unwrap_or_default();
        self.api.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
    }

    /// An address below the API's; each segment is one part of the path, whatever it holds.
    pub fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The header that signs in: `scheme` before the token (`"Bearer "`, `"token "`, or nothing).
    pub fn sign_in(&self, header: HeaderName, scheme: &str) -> Result<(HeaderName, HeaderValue), PostError> {
        let Some(token) = &self.token else {
            return Err(PostError::Denied {
                why: format!("no token is set for {}: set `token` of this project in launchway.toml", self.host()),
            });
        };
        let mut value =
            HeaderValue::from_str(&format!("{scheme}{}", token.expose())).map_err(|_| PostError::Denied {
                why: format!("the token for {} holds characters that no token has: set it again", self.host()),
            })?;
        value.set_sensitive(true);
        Ok((header, value))
    }

    /// One call. An answer, whatever its status, is `Ok`; no answer is worth another try, and once it was sent the request
    /// may still be served.
    pub async fn call(
        &self,
        method: Method,
        url: Url,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Result<Answer, Failed> {
        let mut url = url;
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.client.request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(|error| self.no_answer(&error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            if let Some(next) = same_origin(&url, status, &headers) {
                url = next;
                continue;
            }
            let text = self.body(response).await?;
            return Ok(Answer { status, headers, text: Mask::new(&self.token).apply(&text) });
        }
        let why = format!("{} answered with redirects that go in a circle: check `api`", self.host());
        Err(PostError::Denied { why }.into())
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<String, Failed> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(&error))? {
            bytes.extend_from_slice(&chunk[..chunk.len().min(LONGEST_BODY - bytes.len())]);
            if bytes.len() == LONGEST_BODY {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn no_answer(&self, error: &reqwest::Error) -> Failed {
        let what = if error.is_timeout() {
            "did not answer in time".to_string()
        } else if error.is_connect() {
            format!("could not be reached ({})", Quoted(innermost(error)))
        } else {
            format!("broke off the connection ({})", Quoted(innermost(error)))
        };
        let why = format!("{} {what}; the status is sent again", self.host());
        // Without a connection nothing left.
        Failed { error: PostError::Retry { after: None, why }, may_arrive: !error.is_connect() }
    }
}

/// Where a redirect leads, if it stays on the same scheme, host and port. GitHub answers so for a renamed repository,
/// and asks that the same method be used again.
fn same_origin(url: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let next = url.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    (next.origin() == url.origin()).then_some(next)
}
