//! Commit statuses on GitHub: `POST /repos/{owner}/{repo}/statuses/{sha}` (npm `@octokit/openapi`, api.github.com).

use super::PostError;
use super::answer::{Advice, Answer};
use super::client::StatusClient;
use super::http::Http;
use super::limits::{retry_after, used_up};
use super::pace::Pace;
use super::words::{one_line, without_astral};
use crate::model::{CommitStatus, Quoted, StatusState};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// 141 are answered with 422 `description is too long (maximum is 140 characters)`.
const LONGEST_DESCRIPTION: usize = 140;

/// After a secondary limit without `Retry-After`: "at least one minute" (docs.github.com, "Rate limits").
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

const ADVICE: Advice = Advice {
    forge: "GitHub",
    token: "A fine-grained token needs \"Commit statuses: write\" for the repository, a classic one `repo:status`",
};

pub(super) struct GitHubClient {
    http: Http,
    owner: String,
    name: String,
    pace: Arc<Pace>,
}

impl GitHubClient {
    pub fn new(http: Http, owner: &str, name: &str, pace: Arc<Pace>) -> Self {
        Self { http, owner: owner.into(), name: name.into(), pace }
    }

    fn failure(&self, answer: &Answer, status: &CommitStatus) -> PostError {
        let now = SystemTime::now();
        let says = answer.says();
        let lower = says.to_ascii_lowercase();
        match answer.status.as_u16() {
            403 | 429 => {
                let asked = retry_after(&answer.headers, now).or_else(|| used_up(&answer.headers, now));
                let limited = asked.is_some() || lower.contains("rate limit") || lower.contains("abuse detection");
                if limited || answer.status.as_u16() == 429 {
                    let after = asked.unwrap_or(SECONDARY_LIMIT);
                    let why = format!("GitHub's rate limit is reached ({}); the status is sent again", answer.shown());
                    return PostError::Retry { after: Some(after), why };
                }
                answer.failure(&ADVICE)
            }
            422 if lower.contains("no commit found") => PostError::Refused {
                why: format!(
                    "GitHub does not know commit {} in {}/{} ({:?}): it was replaced by a force push, or never pushed \
                     there",
                    status.commit.short(),
                    self.owner,
                    self.name,
                    Quoted(&says)
                ),
            },
            422 if lower.contains("maximum number of statuses") => PostError::Refused {
                why: format!(
                    "GitHub takes no more statuses {:?} for commit {}: 1,000 were sent. The next commit gets statuses again",
                    status.context,
                    status.commit.short()
                ),
            },
            _ => answer.failure(&ADVICE),
        }
    }
}

#[async_trait::async_trait]
impl StatusClient for GitHubClient {
    async fn post(&self, status: &CommitStatus) -> Result<(), PostError> {
        let mut headers: HeaderMap = [
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ]
        .into_iter()
        .collect();
        let (name, value) = self.http.sign_in(AUTHORIZATION, "Bearer ")?;
        headers.insert(name, value);

        // A pending can wait, and is overwritten while it does; the last quarter of the pace is kept for finals.
        let spare = if status.state.is_final() { 0.0 } else { 0.25 };
        self.pace.take(Instant::now(), spare).map_err(|wait| PostError::Retry {
            after: Some(wait),
            why: "statuses are sent no faster than GitHub's limits for creating content; this one waits".into(),
        })?;

        let mut body = json!({
            "state": word(status.state),
            "context": without_astral(&status.context),
            "description": one_line(&without_astral(&status.description), LONGEST_DESCRIPTION),
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let url = self.http.url(["repos", &self.owner, &self.name, "statuses", status.commit.as_str()]);
        let answer = self.http.call(Method::POST, url, &headers, Some(&body)).await?;
        if answer.status.as_u16() == 201 { Ok(()) } else { Err(self.failure(&answer, status)) }
    }

    fn describe(&self) -> String {
        format!("statuses of GitHub's {}/{} at {}", self.owner, self.name, self.http.host())
    }
}

fn word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error | StatusState::Cancelled => "error",
    }
}
