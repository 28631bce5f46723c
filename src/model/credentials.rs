//! How Launchway proves to a repository's host, and to a registry of images, who it is.

use super::{ProjectName, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From `launchway.toml`, never from a payload. What is absent is not offered: no agent, no helper, no key by surprise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// Accounts of registries out of `launchway.toml`, by host (`docker.io` for Docker Hub).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryAccounts {
    /// `[registries]`: every project's.
    pub of_all: BTreeMap<String, RegistryCredentials>,
    /// `[projects.X.registries]`: nobody else's.
    pub of_project: BTreeMap<ProjectName, BTreeMap<String, RegistryCredentials>>,
}

impl RegistryAccounts {
    /// The project's own goes before everybody's.
    pub fn of(&self, project: &ProjectName, registry: &str) -> Option<&RegistryCredentials> {
        let registry = registry_name(registry);
        let own = self.of_project.get(project).and_then(|own| own.get(registry));
        own.or_else(|| self.of_all.get(registry))
    }

    /// Whether another project has an account there, and this one has none of its own: what the engine has from there may
    /// be nothing for this project.
    pub fn is_anothers(&self, project: &ProjectName, registry: &str) -> bool {
        let registry = registry_name(registry);
        let has = |own: &BTreeMap<String, RegistryCredentials>| own.contains_key(registry);
        !self.of_project.get(project).is_some_and(has) && self.of_project.values().any(has)
    }

    /// Every account, those of single projects too.
    pub fn all(&self) -> impl Iterator<Item = &RegistryCredentials> {
        self.of_all.values().chain(self.of_project.values().flat_map(BTreeMap::values))
    }
}

/// A registry by its host (and port), whichever way it is written; Docker Hub, which has several, is `docker.io`.
pub fn registry_name(text: &str) -> &str {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    match host.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io",
        host => host,
    }
}
