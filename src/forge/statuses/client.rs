//! What the sending loop sees: a client for a project's forge.

use super::gitea::GiteaClient;
use super::github::GitHubClient;
use super::gitlab::GitLabClient;
use super::http::Http;
use super::notes::NotesClient;
use super::pace::Pace;
use super::{Failed, PostError, words};
use crate::model::{CommitStatus, ForgeKind, GitCredentials, Secret};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Sends statuses of one repository. Dropping the future of [`StatusClient::send`] gives the call up.
#[async_trait::async_trait]
pub trait StatusClient: Send + Sync {
    /// Sends one status; `Ok` when the forge shows it. Sending the same again is harmless. One call at a time for a
    /// commit: the forges keep no order among calls that overlap.
    async fn send(&self, status: &CommitStatus) -> Result<(), Failed>;

    /// Whether the forge shows this status, and nothing newer, under its commit and context.
    async fn shows(&self, status: &CommitStatus) -> Result<bool, PostError>;

    /// The same as [`StatusClient::send`], for whom it is all the same whether a request may still be served.
    async fn post(&self, status: &CommitStatus) -> Result<(), PostError> {
        self.send(status).await.map_err(|failed| failed.error)
    }

    /// Where it sends to, for logs and people: `statuses of GitHub's octo/shop at api.github.com`.
    fn describe(&self) -> String;
}

/// Where statuses of a project go; all of it from `launchway.toml`, never from a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusTarget {
    pub forge: ForgeKind,
    /// The API's address, such as `https://gitlab.example.com/api/v4`; where absent it is told from `clone_url`.
    pub api: Option<Url>,
    /// `owner/name`, `group/sub/name`; on GitLab also the project's number. Unused by the plain forge.
    pub repository: String,
    /// `https://...`, `ssh://...`, `git@host:path`, or a path for the plain forge.
    pub clone_url: String,
    pub token: Option<Secret>,
    /// For the plain forge, whose statuses are pushed as notes.
    pub credentials: GitCredentials,
}

/// An API and the token that is used there.
type Account = (Url, Option<String>);

/// Makes clients. Those with the same API and token share their pace, since the forge counts by token.
pub struct StatusClients {
    http: reqwest::Client,
    paces: Mutex<HashMap<Account, Arc<Pace>>>,
    git_timeout: Duration,
}

impl StatusClients {
    /// Ten seconds to connect, thirty for a whole call. A rustls crypto provider must have been installed before.
    pub fn new() -> Result<Self> {
        Self::with_timeouts(Duration::from_secs(10), Duration::from_secs(30))
    }

    /// `connect` bounds one connection attempt, `whole` one call to an API; git work may take twice `whole`.
    pub fn with_timeouts(connect: Duration, whole: Duration) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("launchway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect)
            .timeout(whole)
            // Redirects are followed by hand, so that the token never reaches another host and a POST stays one.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot prepare the HTTP client for commit statuses")?;
        Ok(Self { http, paces: Mutex::default(), git_timeout: whole * 2 })
    }

    /// The client for a target; fails only where the settings cannot be right, naming the setting.
    pub fn client(&self, target: &StatusTarget) -> Result<Arc<dyn StatusClient>> {
        if target.forge == ForgeKind::Plain {
            let client = NotesClient::new(&target.clone_url, target.credentials.clone(), self.git_timeout)?;
            return Ok(Arc::new(client));
        }
        let api = api_of(target)?;
        let parts: Vec<&str> = target.repository.split('/').collect();
        if parts.iter().any(|part| words::is_no_path_segment(part)) {
            bail!("{:?} is not a repository's full name: write owner/name in `repository`", target.repository);
        }
        let account = (api.clone(), target.token.as_ref().map(|token| token.expose().to_string()));
        let http = Http::new(self.http.clone(), api, target.token.clone());
        Ok(match target.forge {
            ForgeKind::GitLab => Arc::new(GitLabClient::new(http, target.repository.clone())),
            ForgeKind::GitHub => {
                let [owner, name] = owner_and_name(&parts, &target.repository)?;
                Arc::new(GitHubClient::new(http, owner, name, self.pace(account)))
            }
            ForgeKind::Gitea | ForgeKind::Forgejo => {
                let [owner, name] = owner_and_name(&parts, &target.repository)?;
                Arc::new(GiteaClient::new(http, target.forge, owner, name))
            }
            ForgeKind::Plain => unreachable!("answered above"),
        })
    }

    fn pace(&self, account: Account) -> Arc<Pace> {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.entry(account).or_insert_with(|| Arc::new(Pace::github())).clone()
    }
}

/// A client that shares its pace with no other.
pub fn client(target: &StatusTarget) -> Result<Arc<dyn StatusClient>> {
    StatusClients::new()?.client(target)
}

fn owner_and_name<'a>(parts: &[&'a str], repository: &str) -> Result<[&'a str; 2]> {
    match parts {
        [owner, name] => Ok([owner, name]),
        _ => bail!("{repository:?} is not a repository's full name: write owner/name in `repository`"),
    }
}

/// The API's address: the one that was set, else the usual one of the host that the repository is cloned from.
fn api_of(target: &StatusTarget) -> Result<Url> {
    if let Some(api) = &target.api {
        if !matches!(api.scheme(), "http" | "https") || api.host_str().is_none() {
            bail!("the API's address {api} is not http or https: write it like https://forge.example.com/api/...");
        }
        return Ok(api.clone());
    }
    let (origin, host) = web_origin(&target.clone_url).with_context(|| {
        format!("cannot tell the API's address from the repository's ({}): set `api`", shown(&target.clone_url))
    })?;
    let path = match target.forge {
        ForgeKind::GitHub if host == "github.com" => return Ok(Url::parse("https://api.github.com")?),
        ForgeKind::GitHub => "/api/v3",
        ForgeKind::GitLab => "/api/v4",
        _ => "/api/v1",
    };
    Ok(Url::parse(&format!("{origin}{}{path}", below(target)))?)
}

/// The path below which the forge is, where the repository's URL says so: what stands before its name (`/git`).
fn below(target: &StatusTarget) -> String {
    let Ok(url) = Url::parse(&target.clone_url) else { return String::new() };
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let before = path.strip_suffix(&target.repository).and_then(|before| before.strip_suffix('/'));
    before.filter(|_| matches!(url.scheme(), "http" | "https")).unwrap_or_default().to_string()
}

/// `https://host[:port]` and the host of a clone URL. An ssh port says nothing of the web's: it is dropped.
fn web_origin(clone_url: &str) -> Option<(String, String)> {
    if let Ok(url) = Url::parse(clone_url) {
        let host = url.host_str().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        return match url.scheme() {
            "http" | "https" => Some((url.origin().ascii_serialization(), host)),
            "ssh" | "git+ssh" => Some((format!("https://{host}"), host)),
            _ => None,
        };
    }
    // The short form that git takes for ssh: `git@host:path`.
    let (host, path) = clone_url.split_once(':')?;
    let host = host.rsplit('@').next()?.to_ascii_lowercase();
    (!host.is_empty() && !host.contains('/') && !path.is_empty()).then(|| (format!("https://{host}"), host))
}

/// An address without user name and password.
pub(super) fn shown(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if url.has_host() => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(forge: ForgeKind, clone_url: &str) -> StatusTarget {
        StatusTarget {
            forge,
            api: None,
            repository: "octo/shop".into(),
            clone_url: clone_url.into(),
            token: None,
            credentials: GitCredentials::default(),
        }
    }

    #[test]
    fn the_api_is_told_from_where_the_repository_is_cloned() {
        for (forge, clone_url, api) in [
            (ForgeKind::GitHub, "https://github.com/octo/shop.git", "https://api.github.com/"),
            (ForgeKind::GitHub, "git@github.com:octo/shop.git", "https://api.github.com/"),
            (ForgeKind::GitHub, "https://ghe.example.com/octo/shop", "https://ghe.example.com/api/v3"),
            (ForgeKind::GitLab, "ssh://git@gitlab.com:22/octo/shop.git", "https://gitlab.com/api/v4"),
            (
                ForgeKind::GitLab,
                "https://user:pass@lab.example.com:8443/a/b.git",
                "https://lab.example.com:8443/api/v4",
            ),
            (ForgeKind::Gitea, "http://gitea.lan:3000/octo/shop.git", "http://gitea.lan:3000/api/v1"),
            (ForgeKind::Forgejo, "git@codeberg.org:octo/shop.git", "https://codeberg.org/api/v1"),
        ] {
            assert_eq!(api_of(&target(forge, clone_url)).unwrap().as_str(), api, "{clone_url}");
        }
    }

    #[test]
    fn a_forge_below_a_path_has_its_api_there() {
        let api = |forge, name: &str, clone_url| {
            let target = StatusTarget { repository: name.into(), ..target(forge, clone_url) };
            api_of(&target).unwrap().to_string()
        };
        let below = "https://host.test/git/acme/shop.git";
        assert_eq!(api(ForgeKind::Gitea, "acme/shop", below), "https://host.test/git/api/v1");
        assert_eq!(api(ForgeKind::GitLab, "acme/shop", below), "https://host.test/git/api/v4");
        assert_eq!(api(ForgeKind::GitLab, "git/acme/shop", below), "https://host.test/api/v4");
        assert_eq!(api(ForgeKind::Gitea, "renamed/shop", "https://host.test/acme/shop"), "https://host.test/api/v1");
    }

    #[test]
    fn an_api_that_cannot_be_told_is_asked_for_by_the_setting_s_name() {
        let error = api_of(&target(ForgeKind::Gitea, "/srv/git/shop.git")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot tell the API's address from the repository's (/srv/git/shop.git): set `api`"
        );
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(shown("https://me:hunter2@host/x.git"), "https://host/x.git");
    }
}
