//! Where a repository may be fetched from. Everything that git knows beyond this (remote helpers such as `ext::`,
//! `git://`, options that look like hosts) is refused before libgit2 sees it.

use crate::model::{Quoted, Secret};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A checked repository URL, held without the credentials that it may have carried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteUrl {
    kind: RemoteKind,
    /// What libgit2 is given and people are shown.
    plain: String,
    host: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemoteKind {
    Https,
    Http,
    Ssh,
    /// A repository on this machine.
    Path,
}

/// Why a URL is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the repository URL {:?} is refused: {why}. Accepted are https://host/path, ssh://user@host/path, user@host:path \
     and the absolute path of a repository on this machine",
    Quoted(.url)
)]
pub struct RefusedUrl {
    pub url: String,
    pub why: String,
}

impl RemoteUrl {
    /// Checks `text`. `allow_plain_http`: whether `http://` is accepted for hosts other than this machine (a token
    /// would travel in clear text).
    pub fn parse(text: &str, allow_plain_http: bool) -> Result<Self, RefusedUrl> {
        let refuse = |why: &str| RefusedUrl { url: without_credentials(text), why: why.to_string() };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.chars().any(|c| c.is_control()) {
            return Err(refuse("it holds control characters"));
        }
        if text.starts_with('-') {
            return Err(refuse("it looks like an option"));
        }
        if let Some(rest) = text.strip_prefix("file://") {
            let path =
                percent_encoding::percent_decode_str(rest).decode_utf8().map_err(|_| refuse("it is not UTF-8"))?;
            return Self::path(&path).ok_or_else(|| refuse("file:// must be followed by an absolute path"));
        }
        if text.contains("://") {
            return Self::with_scheme(text, allow_plain_http).map_err(|why| refuse(&why));
        }
        if let Some(path) = Self::path(text) {
            return Ok(path);
        }
        Self::scp_like(text).map_err(|why| refuse(&why))
    }

    fn path(text: &str) -> Option<Self> {
        let is_absolute = Path::new(text).is_absolute() && !text.contains('\0');
        is_absolute.then(|| Self {
            kind: RemoteKind::Path,
            plain: text.to_string(),
            host: None,
            username: None,
            password: None,
        })
    }

    fn with_scheme(text: &str, allow_plain_http: bool) -> Result<Self, String> {
        let mut url = url::Url::parse(text).map_err(|error| error.to_string())?;
        let kind = match url.scheme() {
            "https" => RemoteKind::Https,
            "http" => RemoteKind::Http,
            "ssh" => RemoteKind::Ssh,
            other => return Err(format!("{other}:// is not used")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?.to_string();
        if host.starts_with('-') || url.username().starts_with('-') {
            return Err("its host looks like an option".to_string());
        }
        if kind == RemoteKind::Http && !allow_plain_http && !is_this_machine(&host) {
            return Err(
                "http:// sends the token in clear text; use https://, or allow it in launchway.toml".to_string()
            );
        }
        if url.path().trim_matches('/').is_empty() {
            return Err("it names no repository".to_string());
        }
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let username = (!url.username().is_empty()).then(|| decode(url.username()));
        let password = url.password().map(|password| Secret::new(decode(password)));
        // `set_*` only fail for URLs that cannot have a host, which were refused above.
        let _ = url.set_password(None);
        if kind != RemoteKind::Ssh {
            let _ = url.set_username("");
        }
        Ok(Self { kind, plain: url.to_string(), host: Some(host.to_ascii_lowercase()), username, password })
    }

    /// `user@host:path`, as ssh and scp write it.
    fn scp_like(text: &str) -> Result<Self, String> {
        let (address, path) = text.split_once(':').ok_or("it is neither a URL nor an absolute path")?;
        if path.starts_with(':') {
            return Err("remote helpers are not used".to_string());
        }
        let (username, host) = match address.rsplit_once('@') {
            Some((username, host)) => (Some(username), host),
            None => (None, address),
        };
        let is_name = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        if !is_name(host) || !username.is_none_or(is_name) {
            return Err("it is neither a URL nor an absolute path".to_string());
        }
        if path.is_empty() || path.starts_with('-') {
            return Err("its path looks like an option".to_string());
        }
        Ok(Self {
            kind: RemoteKind::Ssh,
            plain: text.to_string(),
            host: Some(host.to_ascii_lowercase()),
            username: username.map(str::to_string),
            password: None,
        })
    }

    /// How it is reached.
    pub fn kind(&self) -> RemoteKind {
        self.kind
    }
    /// The URL without credentials; an ssh account stays.
    pub fn as_str(&self) -> &str {
        &self.plain
    }
    /// In lower case; none for a path.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
    /// The account that the URL named.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }
    /// The password or token that the URL carried.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }
    /// The folder, where the repository is on this machine.
    pub fn local_path(&self) -> Option<PathBuf> {
        (self.kind == RemoteKind::Path).then(|| PathBuf::from(&self.plain))
    }

    /// A submodule's URL as seen from this one: `../lib.git` is relative to the repository, everything else stands
    /// for itself (git-submodule(1)).
    pub fn resolve(&self, text: &str) -> String {
        if !text.starts_with("./") && !text.starts_with("../") {
            return text.to_string();
        }
        let mut base = self.plain.trim_end_matches('/').to_string();
        let mut rest = text;
        loop {
            if let Some(next) = rest.strip_prefix("../") {
                let cut = base.rfind(['/', ':']).unwrap_or(0);
                let separator = if base[cut..].starts_with(':') { ":" } else { "" };
                base.truncate(cut);
                base.push_str(separator);
                rest = next;
            } else if let Some(next) = rest.strip_prefix("./") {
                rest = next;
            } else {
                break;
            }
        }
        if base.ends_with(':') { format!("{base}{rest}") } else { format!("{base}/{rest}") }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.plain)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.plain, f)
    }
}

pub(crate) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL that was not understood, fit to be shown: what stands between `//` and `@` may be a token.
fn without_credentials(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}***{}", &text[..scheme + 3], &text[at..]),
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_https_ssh_and_paths_and_nothing_else() {
        for (text, kind, host) in [
            ("https://git.example.com/shop.git", RemoteKind::Https, Some("git.example.com")),
            ("http://127.0.0.1:3000/shop.git", RemoteKind::Http, Some("127.0.0.1")),
            ("http://[::1]:3000/shop.git", RemoteKind::Http, Some("[::1]")),
            ("ssh://git@Git.Example.com:2222/shop.git", RemoteKind::Ssh, Some("git.example.com")),
            ("git@git.example.com:team/shop.git", RemoteKind::Ssh, Some("git.example.com")),
            ("/srv/git/shop.git", RemoteKind::Path, None),
            ("file:///srv/git/my%20shop.git", RemoteKind::Path, None),
        ] {
            let url = RemoteUrl::parse(text, false).unwrap();
            assert_eq!((url.kind(), url.host()), (kind, host), "{text}");
        }
        for text in [
            "",
            "ext::sh -c id",
            "--upload-pack=id",
            "-oProxyCommand=id:x",
            "ssh://-oProxyCommand=id/x",
            "git@-oProxyCommand=id:x",
            "git@host:--upload-pack=id",
            "git://host/shop.git",
            "ftp://host/shop.git",
            "shop.git",
            "../shop.git",
            "https:///shop.git",
            "https://host",
            "https://host/a\nb",
            "file://host/shop.git",
            "transport::/srv/git",
        ] {
            assert!(RemoteUrl::parse(text, true).is_err(), "{text:?}");
        }
    }

    #[test]
    fn http_to_another_machine_needs_the_settings_word() {
        assert!(RemoteUrl::parse("http://git.example.com/shop.git", false).is_err());
        assert!(RemoteUrl::parse("http://git.example.com/shop.git", true).is_ok());
    }

    #[test]
    fn credentials_of_a_url_are_kept_apart_and_never_shown() {
        let url = RemoteUrl::parse("https://me:hunter2@host/shop.git", false).unwrap();
        assert_eq!(url.to_string(), "https://host/shop.git");
        assert_eq!(url.username(), Some("me"));
        assert_eq!(url.password().map(Secret::expose), Some("hunter2"));
        let refused = RemoteUrl::parse("ftp://me:hunter2@host/shop.git", false).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }

    #[test]
    fn relative_submodule_urls_start_at_the_repository() {
        let at = |base: &str, text: &str| RemoteUrl::parse(base, false).unwrap().resolve(text);
        assert_eq!(at("https://host/team/shop.git", "../lib.git"), "https://host/team/lib.git");
        assert_eq!(at("https://host/team/shop.git", "../../other/lib.git"), "https://host/other/lib.git");
        assert_eq!(at("git@host:team/shop.git", "../lib.git"), "git@host:team/lib.git");
        assert_eq!(at("git@host:shop.git", "../lib.git"), "git@host:lib.git");
        assert_eq!(at("/srv/git/shop.git", "../lib.git"), "/srv/git/lib.git");
        assert_eq!(at("/srv/git/shop.git", "https://host/lib.git"), "https://host/lib.git");
    }
}
