//! Commit statuses on GitLab: `POST /projects/:id/statuses/:sha` (doc/api/commits.md; what really happens:
//! app/services/ci/create_commit_status_service.rb).
//!
//! A status there is a job of a pipeline. An unfinished job of the same name, ref and user in the newest pipeline of the
//! commit is moved on; a finished one is left, and a new one stands in its place, so a commit can go from success back
//! to pending. What GitLab refuses is to move an unfinished job to where it is ("Cannot transition status via :enqueue
//! from :pending"), and it keeps that job's old words then. Hence:
//! - the first pending is `pending`, the second, with other words, `running`; later ones change nothing there;
//! - a final is sent to the pipeline in which the unfinished job is, not to the newest one: a CI pipeline that began
//!   meanwhile would get the final and leave the old one running for ever.

use super::answer::{Advice, Answer};
use super::http::Http;
use super::status_client::StatusClient;
use super::words::{one_line, short_reference};
use super::{Failed, PostError};
use crate::model::{CommitStatus, Quoted, StatusState};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

const LONGEST_DESCRIPTION: usize = 255;
const LONGEST_TARGET_URL: usize = 255;

const ADVICE: Advice = Advice {
    forge: "GitLab",
    token: "The token needs the scope `api` and the role Developer or more (Maintainer for a protected branch that only \
            Maintainers may push to)",
};

pub(in crate::forge) struct GitLabClient {
    http: Http,
    /// `group/sub/name`, or the project's number.
    project: String,
}

/// A status as GitLab lists it; the newest has the largest id.
#[derive(Debug, Deserialize)]
struct Row {
    id: i64,
    status: String,
    name: String,
    description: Option<String>,
    target_url: Option<String>,
    /// Absent before GitLab 15.
    pipeline_id: Option<i64>,
}

impl Row {
    fn is_unfinished(&self) -> bool {
        matches!(self.status.as_str(), "created" | "pending" | "running")
    }
}

/// What of a status GitLab is told.
struct Said<'a> {
    sha: &'a str,
    name: &'a str,
    reference: Option<&'a str>,
    description: String,
    target_url: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(status: &'a CommitStatus) -> Self {
        Said {
            sha: status.commit.as_str(),
            name: &status.context,
            reference: status.reference.as_deref().map(short_reference),
            description: one_line(&status.description, LONGEST_DESCRIPTION),
            // A longer one would be refused with the whole status, and the status matters more than its link.
            target_url: status.target_url.as_deref().filter(|url| url.chars().count() <= LONGEST_TARGET_URL),
        }
    }

    fn is_in(&self, row: &Row) -> bool {
        row.description.as_deref().unwrap_or_default() == self.description && self.leads_where(row)
    }

    /// Whether the row's link is this one's.
    fn leads_where(&self, row: &Row) -> bool {
        row.target_url.as_deref().filter(|url| !url.is_empty()) == self.target_url
    }
}

impl GitLabClient {
    /// For a project by its full path or its number.
    pub fn new(http: Http, project: String) -> Self {
        Self { http, project }
    }

    fn headers(&self) -> Result<HeaderMap, PostError> {
        let (name, value) = self.http.sign_in(HeaderName::from_static("private-token"), "")?;
        Ok([(ACCEPT, HeaderValue::from_static("application/json")), (name, value)].into_iter().collect())
    }

    async fn create(&self, said: &Said<'_>, state: &str, pipeline: Option<i64>) -> Result<Answer, Failed> {
        let mut body = json!({ "state": state, "name": said.name, "description": said.description });
        let optional = [
            ("ref", said.reference.map(Value::from)),
            ("target_url", said.target_url.map(Value::from)),
            ("pipeline_id", pipeline.map(Value::from)),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                body[key] = value;
            }
        }
        let url = self.http.url(["projects", &self.project, "statuses", said.sha]);
        self.http.call(Method::POST, url, &self.headers()?, Some(&body)).await
    }

    /// The commit's statuses of this name, one for each pipeline, newest first.
    async fn rows(&self, said: &Said<'_>) -> Result<Vec<Row>, Failed> {
        let mut url = self.http.url(["projects", &self.project, "repository", "commits", said.sha, "statuses"]);
        url.query_pairs_mut().append_pair("name", said.name).append_pair("per_page", "100");
        if let Some(reference) = said.reference {
            url.query_pairs_mut().append_pair("ref", reference);
        }
        let answer = self.http.call(Method::GET, url, &self.headers()?, None).await?;
        if answer.status.as_u16() != 200 {
            return Err(failure(&answer, said).into());
        }
        let mut rows: Vec<Row> = answer.json().ok_or_else(|| answer.failure(&ADVICE))?;
        rows.retain(|row| row.name == said.name);
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        Ok(rows)
    }

    async fn send_pending(&self, said: &Said<'_>) -> Result<(), Failed> {
        let answer = self.create(said, "pending", None).await?;
        if !is_transition(&answer) {
            return created(&answer, said);
        }
        match self.rows(said).await?.iter().find(|row| row.is_unfinished()) {
            Some(row) if row.status == "running" || said.is_in(row) => Ok(()),
            Some(_) => {
                let answer = self.create(said, "running", None).await?;
                // Somebody else was quicker: it runs, which is what was to be said.
                if is_transition(&answer) { Ok(()) } else { created(&answer, said) }
            }
            None => Err(changed_meanwhile(&answer).into()),
        }
    }

    async fn send_final(&self, said: &Said<'_>, state: &str) -> Result<(), Failed> {
        let rows = self.rows(said).await?;
        let unfinished: Vec<Option<i64>> =
            rows.iter().filter(|row| row.is_unfinished()).map(|row| row.pipeline_id).collect();
        if unfinished.is_empty() {
            // It was sent before, and only the answer was lost.
            if rows.first().is_some_and(|row| row.status == state && said.is_in(row)) {
                return Ok(());
            }
            return created(&self.create(said, state, None).await?, said);
        }
        for pipeline in unfinished {
            let mut answer = self.create(said, state, pipeline).await?;
            // The pipeline is archived, gone or full: a final in another one is better than none.
            if pipeline.is_some() && matches!(answer.status.as_u16(), 404 | 422) {
                answer = self.create(said, state, None).await?;
            }
            if is_transition(&answer) {
                return Err(changed_meanwhile(&answer).into());
            }
            created(&answer, said)?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl StatusClient for GitLabClient {
    async fn send(&self, status: &CommitStatus) -> Result<(), Failed> {
        let said = Said::of(status);
        match word(status.state) {
            None => self.send_pending(&said).await,
            Some(state) => self.send_final(&said, state).await,
        }
    }

    async fn shows(&self, status: &CommitStatus) -> Result<bool, PostError> {
        let said = Said::of(status);
        // They are read before it is sent, and what is unfinished in any pipeline is ended.
        let rows = self.rows(&said).await.map_err(|failed| failed.error)?;
        let Some(state) = word(status.state) else { return Ok(rows.iter().any(Row::is_unfinished)) };
        let stands = |row: &Row| row.status == state && said.leads_where(row);
        Ok(!rows.iter().any(Row::is_unfinished) && rows.first().is_some_and(stands))
    }

    fn describe(&self) -> String {
        format!("statuses of GitLab's {} at {}", self.project, self.http.host())
    }
}

/// GitLab's word for a final.
fn word(state: StatusState) -> Option<&'static str> {
    match state {
        StatusState::Pending => None,
        StatusState::Success => Some("success"),
        StatusState::Failure | StatusState::Error => Some("failed"),
        StatusState::Cancelled => Some("canceled"),
    }
}

fn created(answer: &Answer, said: &Said<'_>) -> Result<(), Failed> {
    if answer.status.as_u16() == 201 { Ok(()) } else { Err(answer.failed(failure(answer, said))) }
}

fn is_transition(answer: &Answer) -> bool {
    answer.status.as_u16() == 400 && answer.text.contains("Cannot transition status")
}

/// The next try reads back first, and finds what it then is.
fn changed_meanwhile(answer: &Answer) -> PostError {
    PostError::Retry {
        after: None,
        why: format!(
            "the status changed on GitLab while it was being sent ({}); it is sent again",
            Quoted(answer.says())
        ),
    }
}

fn failure(answer: &Answer, said: &Said<'_>) -> PostError {
    let says = answer.says();
    match answer.status.as_u16() {
        404 if says.contains("Commit Not Found") => PostError::Refused {
            why: format!(
                "GitLab does not know commit {} ({:?}): it was replaced by a force push, or never pushed there",
                &said.sha[..said.sha.len().min(12)],
                Quoted(&says)
            ),
        },
        400 if says.contains("has already been taken") => PostError::Refused {
            why: format!(
                "GitLab does not take the status {:?} ({:?}): a job of the commit's CI has that name. Rename the job, \
                 or the environment in launchway.toml",
                said.name,
                Quoted(&says)
            ),
        },
        _ => answer.failure(&ADVICE),
    }
}
