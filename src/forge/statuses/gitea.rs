//! Commit statuses on Gitea and Forgejo: `POST` and `GET /repos/{owner}/{repo}/statuses/{sha}` (the instance's own
//! `/swagger.v1.json`).

use super::answer::Advice;
use super::http::Http;
use super::status_client::StatusClient;
use super::words::one_line;
use super::{Failed, PostError};
use crate::model::{CommitStatus, ForgeKind, StatusState};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;

/// Gitea has no limit of its own; a longer one would only push the page's columns apart.
const LONGEST_DESCRIPTION: usize = 255;

pub(in crate::forge) struct GiteaClient {
    http: Http,
    forge: ForgeKind,
    owner: String,
    name: String,
}

/// A status as Gitea lists it.
#[derive(Debug, Deserialize)]
struct Row {
    id: i64,
    /// Its state.
    status: String,
    context: String,
    target_url: Option<String>,
}

impl GiteaClient {
    /// For the repository `owner/name`. `forge`: Gitea or Forgejo, for people.
    pub fn new(http: Http, forge: ForgeKind, owner: &str, name: &str) -> Self {
        Self { http, forge, owner: owner.into(), name: name.into() }
    }

    fn advice(&self) -> Advice {
        let forge = if self.forge == ForgeKind::Forgejo { "Forgejo" } else { "Gitea" };
        Advice { forge, token: "The token needs `write:repository`, and its user the right to write to the repository" }
    }

    fn headers(&self) -> Result<HeaderMap, PostError> {
        let (name, value) = self.http.sign_in(AUTHORIZATION, "token ")?;
        Ok([(ACCEPT, HeaderValue::from_static("application/json")), (name, value)].into_iter().collect())
    }

    fn statuses(&self, status: &CommitStatus) -> Url {
        self.http.url(["repos", &self.owner, &self.name, "statuses", status.commit.as_str()])
    }

    /// Whether the forge shows the repository but not the commit. Asked after a failure only: for an unknown commit
    /// Gitea answers 500 (seen on 1.14) or 404, which could both mean something that passes.
    async fn lacks_commit(&self, status: &CommitStatus) -> bool {
        let Ok(headers) = self.headers() else { return false };
        let repository = self.http.url(["repos", &self.owner, &self.name]);
        let commit = self.http.url(["repos", &self.owner, &self.name, "git", "commits", status.commit.as_str()]);
        let code = async |url| {
            let answer = self.http.call(Method::GET, url, &headers, None).await.ok()?;
            Some(answer.status.as_u16())
        };
        code(repository).await == Some(200) && code(commit).await == Some(404)
    }
}

#[async_trait::async_trait]
impl StatusClient for GiteaClient {
    async fn send(&self, status: &CommitStatus) -> Result<(), Failed> {
        let mut body = json!({
            "state": word(status.state),
            "context": status.context,
            "description": one_line(&status.description, LONGEST_DESCRIPTION),
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let url = self.statuses(status);
        let answer = self.http.call(Method::POST, url, &self.headers()?, Some(&body)).await?;
        match answer.status.as_u16() {
            201 => Ok(()),
            404 | 500 if self.lacks_commit(status).await => Err(PostError::Refused {
                why: format!(
                    "{} does not know commit {} in {}/{}: it was replaced by a force push, or never pushed there",
                    self.advice().forge,
                    status.commit.short(),
                    self.owner,
                    self.name
                ),
            }
            .into()),
            _ => Err(answer.failed(answer.failure(&self.advice()))),
        }
    }

    async fn shows(&self, status: &CommitStatus) -> Result<bool, PostError> {
        let mut url = self.statuses(status);
        url.query_pairs_mut().append_pair("sort", "highestindex").append_pair("page", "1").append_pair("limit", "50");
        let answer = self.http.call(Method::GET, url, &self.headers()?, None).await.map_err(|failed| failed.error)?;
        if answer.status.as_u16() != 200 {
            return Err(answer.failure(&self.advice()));
        }
        // Without any it is null.
        let rows: Option<Vec<Row>> = answer.json().ok_or_else(|| answer.failure(&self.advice()))?;
        let rows = rows.unwrap_or_default();
        let newest = rows.iter().filter(|row| row.context == status.context).max_by_key(|row| row.id);
        let url = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
        Ok(match newest {
            Some(row) => row.status == word(status.state) && url(&row.target_url) == url(&status.target_url),
            // So many of other contexts came since that nothing of this one is among the newest.
            None => rows.len() >= 50,
        })
    }

    fn describe(&self) -> String {
        format!("statuses of {}'s {}/{} at {}", self.advice().forge, self.owner, self.name, self.http.host())
    }
}

fn word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error => "error",
        StatusState::Cancelled => "warning",
    }
}
