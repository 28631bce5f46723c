//! How Launchway proves to a repository's host, and to a registry of images, who it is.

use super::Secret;

/// From `launchway.toml`, never from a payload. What is absent is not offered: no agent, no helper, no key by surprise.
#[derive(Debug, Clone, Default)]
pub struct GitCredentials {
    /// For https beside the token (`oauth2` where absent), for ssh the account (`git` where absent).
    pub username: Option<String>,
    /// For https.
    pub token: Option<Secret>,
    /// File of the private key, for ssh. It must have no passphrase.
    pub ssh_key: Option<std::path::PathBuf>,
    /// Host keys that are believed, in OpenSSH's format; where absent, `~/.ssh/known_hosts`.
    pub known_hosts: Option<std::path::PathBuf>,
}

/// A registry's account. An empty user name: the password is an identity token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryCredentials {
    pub username: String,
    pub password: Secret,
}

/// A registry by its host (and port), whichever way it is written; Docker Hub, which has several, is `docker.io`.
pub fn registry_name(text: &str) -> &str {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    match host.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io",
        host => host,
    }
}
