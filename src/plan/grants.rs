//! What launchway.toml gives to whom, as far as a release is held against it.

use crate::model::{EdgeAddress, EnvironmentName, HostPattern, Permissions, ProjectName};

/// One environment of launchway.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grantee {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub compose_project: String,
    /// `hosts`: the hosts that its routes may have, where any are listed.
    pub hosts: Vec<HostPattern>,
}

/// What a release may take of what is shared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Of its project.
    pub allow: Permissions,
    /// Every environment of the server, its own too.
    pub all: Vec<Grantee>,
    /// The host of `public-url`.
    pub own_host: Option<String>,
    /// Where Launchway itself listens.
    pub own_ports: Vec<EdgeAddress>,
}

impl Grantee {
    /// How closely its list names a host.
    pub fn closeness(&self, host: Option<&str>) -> Option<usize> {
        self.hosts.iter().filter_map(|pattern| pattern.closeness(host)).max()
    }

    /// The table of launchway.toml in which it stands.
    pub fn table(&self) -> String {
        format!("[projects.{}.environments.{}]", self.project, self.environment)
    }
}
