//! Commit statuses on GitHub: `POST /repos/{owner}/{repo}/statuses/{sha}` and
//! `GET /repos/{owner}/{repo}/commits/{ref}/statuses` (npm `@octokit/openapi`, api.github.com).

use super::answer::{Advice, Answer};
use super::http::Http;
use super::limits::{retry_after, used_up};
use super::pace::Pace;
use super::status_client::StatusClient;
use super::words::{one_line, without_astral};
use super::{Failed, PostError};
use crate::model::{CommitStatus, Quoted, StatusState};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
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

pub(in crate::forge) struct GitHubClient {
    http: Http,
    owner: String,
    name: String,
    pace: Arc<Pace>,
}

/// A status as GitHub lists it.
#[derive(Debug, Deserialize)]
struct Row {
    state: String,
    context: String,
    target_url: Option<String>,
}

impl GitHubClient {
    /// For the repository `owner/name`; `pace` is shared by all that use the same token.
    pub fn new(http: Http, owner: &str, name: &str, pace: Arc<Pace>) -> Self {
        Self { http, owner: owner.into(), name: name.into(), pace }
    }

    fn headers(&self) -> Result<HeaderMap, PostError> {
        let signed_in = self.http.sign_in(AUTHORIZATION, "Bearer ")?;
        Ok([
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
            signed_in,
        ]
        .into_iter()
        .collect())
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
    async fn send(&self, status: &CommitStatus) -> Result<(), Failed> {
        let headers = self.headers()?;
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
        if answer.status.as_u16() == 201 { Ok(()) } else { Err(answer.failed(self.failure(&answer, status))) }
    }

    async fn shows(&self, status: &CommitStatus) -> Result<bool, PostError> {
        let mut url = self.http.url(["repos", &self.owner, &self.name, "commits", status.commit.as_str(), "statuses"]);
        url.query_pairs_mut().append_pair("per_page", "100");
        let answer = self.http.call(Method::GET, url, &self.headers()?, None).await.map_err(|failed| failed.error)?;
        if answer.status.as_u16() != 200 {
            return Err(self.failure(&answer, status));
        }
        let rows: Vec<Row> = answer.json().ok_or_else(|| answer.failure(&ADVICE))?;
        // The newest first; contexts without case.
        let context = without_astral(&status.context);
        let newest = rows.iter().find(|row| row.context.eq_ignore_ascii_case(&context));
        Ok(match newest {
            Some(row) => row.state == word(status.state) && row.target_url == status.target_url,
            // So many of other contexts came since that nothing of this one is among the newest.
            None => rows.len() >= 100,
        })
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
