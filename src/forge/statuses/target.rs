//! Where statuses of a project go, and where the API is there.

use super::words;
use crate::model::{ForgeKind, GitCredentials, Secret};
use anyhow::{Context, Result, bail};
use url::Url;

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

/// Where a kind of forge has its API.
#[derive(Debug, Clone, Copy)]
pub(in crate::forge) struct ApiPath {
    /// The forge that everybody knows, by the host of its repositories, and its API's address.
    pub hosted: Option<(&'static str, &'static str)>,
    /// The path of the API on every other host.
    pub below: &'static str,
}

impl ApiPath {
    /// The same path on every host.
    pub const fn below(below: &'static str) -> Self {
        Self { hosted: None, below }
    }
}

impl StatusTarget {
    /// The API's address: the one that was set, else the usual one of the host that the repository is cloned from.
    pub(super) fn api_address(&self, usual: ApiPath) -> Result<Url> {
        if let Some(api) = &self.api {
            if !matches!(api.scheme(), "http" | "https") || api.host_str().is_none() {
                bail!("the API's address {api} is not http or https: write it like https://forge.example.com/api/...");
            }
            return Ok(api.clone());
        }
        let (origin, host) = web_origin(&self.clone_url).with_context(|| {
            format!("cannot tell the API's address from the repository's ({}): set `api`", shown(&self.clone_url))
        })?;
        match usual.hosted {
            Some((known, api)) if known == host => Ok(Url::parse(api)?),
            _ => Ok(Url::parse(&format!("{origin}{}{}", below(self), usual.below))?),
        }
    }

    /// Refuses a name with a part that would lead elsewhere in a URL, such as `..`.
    pub(super) fn check_name(&self) -> Result<()> {
        if self.repository.split('/').any(words::is_no_path_segment) {
            bail!("{:?} is not a repository's full name: write owner/name in `repository`", self.repository);
        }
        Ok(())
    }

    /// The two parts of the repository's name, where it has two.
    pub(in crate::forge) fn owner_and_name(&self) -> Result<[&str; 2]> {
        match self.repository.split('/').collect::<Vec<_>>()[..] {
            [owner, name] => Ok([owner, name]),
            _ => bail!("{:?} is not a repository's full name: write owner/name in `repository`", self.repository),
        }
    }
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

    fn address_of(target: &StatusTarget) -> Result<Url> {
        target.api_address(match target.forge {
            ForgeKind::GitHub => ApiPath { hosted: Some(("github.com", "https://api.github.com")), below: "/api/v3" },
            ForgeKind::GitLab => ApiPath::below("/api/v4"),
            _ => ApiPath::below("/api/v1"),
        })
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
            assert_eq!(address_of(&target(forge, clone_url)).unwrap().as_str(), api, "{clone_url}");
        }
    }

    #[test]
    fn a_forge_below_a_path_has_its_api_there() {
        let api = |forge, name: &str, clone_url| {
            let target = StatusTarget { repository: name.into(), ..target(forge, clone_url) };
            address_of(&target).unwrap().to_string()
        };
        let below = "https://host.test/git/acme/shop.git";
        assert_eq!(api(ForgeKind::Gitea, "acme/shop", below), "https://host.test/git/api/v1");
        assert_eq!(api(ForgeKind::GitLab, "acme/shop", below), "https://host.test/git/api/v4");
        assert_eq!(api(ForgeKind::GitLab, "git/acme/shop", below), "https://host.test/api/v4");
        assert_eq!(api(ForgeKind::Gitea, "renamed/shop", "https://host.test/acme/shop"), "https://host.test/api/v1");
    }

    #[test]
    fn an_api_that_cannot_be_told_is_asked_for_by_the_setting_s_name() {
        let error = address_of(&target(ForgeKind::Gitea, "/srv/git/shop.git")).unwrap_err();
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
