//! How Launchway proves to a repository's host who it is.

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
