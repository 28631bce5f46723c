//! What stands for an environment that is no longer in launchway.toml, so that what of it still runs can be seen and removed.

use super::{Environment, Project};
use crate::model::{EnvironmentName, ForgeKind, GitCredentials, MaskNames, Permissions, ProjectName, RepoPath};
use std::collections::BTreeMap;

impl Project {
    /// A project that allows nothing and that nothing is fetched for.
    pub fn gone(name: ProjectName) -> Self {
        Self {
            full_name: name.to_string(),
            name,
            forge: ForgeKind::Plain,
            repository: String::new(),
            api: None,
            secret: None,
            signing_token: None,
            token: None,
            credentials: GitCredentials::default(),
            path: RepoPath::default(),
            submodules: false,
            submodule_hosts: Vec::new(),
            public_logs: false,
            allow: Permissions::default(),
            environments: BTreeMap::new(),
            line: 0,
        }
    }
}

impl Environment {
    /// An environment of which nothing is set but its names.
    pub fn bare(name: EnvironmentName, compose_project: String) -> Self {
        Self {
            name,
            branches: Vec::new(),
            tags: Vec::new(),
            compose_project,
            hosts: Vec::new(),
            compose: Vec::new(),
            profiles: Vec::new(),
            variables: BTreeMap::new(),
            secrets: BTreeMap::new(),
            line_ends: BTreeMap::new(),
            names: MaskNames::default(),
            files: BTreeMap::new(),
            binds: BTreeMap::new(),
            bake: None,
            repair: None,
            windows: Vec::new(),
            freezes: Vec::new(),
            approval: false,
            approvers: BTreeMap::new(),
            priority: 0,
        }
    }
}
