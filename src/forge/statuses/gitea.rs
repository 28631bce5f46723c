//! Commit statuses on Gitea and Forgejo: `POST /repos/{owner}/{repo}/statuses/{sha}` (the instance's own
//! `/swagger.v1.json`).

use super::PostError;
use super::answer::Advice;
use super::client::StatusClient;
use super::http::Http;
use super::words::one_line;
use crate::model::{CommitStatus, ForgeKind, StatusState};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::json;

/// Gitea has no limit of its own; a longer one would only push the page's columns apart.
const LONGEST_DESCRIPTION: usize = 255;

pub(super) struct GiteaClient {
    http: Http,
    forge: ForgeKind,
    owner: String,
    name: String,
}

impl GiteaClient {
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
    async fn post(&self, status: &CommitStatus) -> Result<(), PostError> {
        let mut body = json!({
            "state": word(status.state),
            "context": status.context,
            "description": one_line(&status.description, LONGEST_DESCRIPTION),
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let url = self.http.url(["repos", &self.owner, &self.name, "statuses", status.commit.as_str()]);
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
            }),
            _ => Err(answer.failure(&self.advice())),
        }
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
