//! `launchway plan --repository`: two commits of a local repository, compared without server and engine.

use crate::config::{self, Environment, Project};
use crate::model::{
    EdgeSettings, EnvironmentName, ForgeKind, GitCredentials, Permissions, ProjectName, RepoPath, Tree,
};
use crate::run::compare;
use crate::source::{CommitInfo, LocalRepository};
use crate::web::plan_report;
use crate::web::wire::PlanReport;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What is compared.
pub struct Asked<'a> {
    pub repository: &'a Path,
    /// Any revision; HEAD where absent.
    pub commit: Option<&'a str>,
    /// Any revision; where absent, nothing is live.
    pub live: Option<&'a str>,
    /// Whose settings count; where absent, those of a project for which nothing is set.
    pub project: Option<&'a str>,
    pub environment: Option<&'a str>,
    /// The folder of the repository that holds the Compose file.
    pub folder: Option<&'a str>,
}

/// Compares two commits by their files.
///
/// # Errors
/// A repository or a revision that is not there, settings that cannot be read, and a Compose file that is wrong.
pub async fn plan(asked: &Asked<'_>, config: &Path) -> anyhow::Result<PlanReport> {
    let repository = asked.repository;
    let (mut project, environment, edge) = match asked.project {
        Some(name) => of_settings(config, Some(name), asked.environment)?,
        None => {
            let (project, environment) = made_up(repository, asked.environment)?;
            (project, environment, None)
        }
    };
    if let Some(path) = asked.folder {
        project.path = RepoPath::new(path).context("--project-path")?;
    }
    let local = LocalRepository::open(repository)?;
    let new = local.commit(asked.commit.unwrap_or("HEAD"))?;
    let old = asked.live.map(|revision| local.commit(revision)).transpose()?;
    let tree = |commit: &CommitInfo| anyhow::Ok(Arc::new(local.tree(commit)?) as Arc<dyn Tree>);
    let old_side = match &old {
        Some(old) => Some((&old.id, tree(old)?)),
        None => None,
    };
    let comparison = compare(&project, &environment, edge.as_ref(), old_side, (&new.id, tree(&new)?)).await?;
    let against = old.map(|old| (None, old.id));
    Ok(plan_report((&project, &environment), (&new, None), against, &comparison, None, Vec::new()))
}

/// A project and environment as the server has them. Where only one is set, it need not be named.
pub fn of_settings(
    config: &Path,
    name: Option<&str>,
    environment: Option<&str>,
) -> anyhow::Result<(Project, Environment, Option<EdgeSettings>)> {
    let config = config::load(config)?;
    let project = match name {
        Some(name) => {
            config.projects.get(name).with_context(|| format!("there is no project {name:?} in the settings"))?
        }
        None => match config.projects.values().collect::<Vec<_>>().as_slice() {
            [only] => *only,
            _ => {
                let names: Vec<&str> = config.projects.keys().map(ProjectName::as_str).collect();
                anyhow::bail!("name a project: {}", names.join(", "));
            }
        },
    };
    let name = &project.name;
    let found = match environment {
        Some(name) => project.environments.get(name),
        None if project.environments.len() == 1 => project.environments.values().next(),
        None => None,
    };
    let environment = found.with_context(|| {
        let names: Vec<&str> = project.environments.keys().map(EnvironmentName::as_str).collect();
        format!("name an environment of {name}: {}", names.join(", "))
    })?;
    Ok((project.clone(), environment.clone(), config.edge))
}

/// A project that nothing is set for: named by its folder, with nothing allowed.
fn made_up(repository: &Path, environment: Option<&str>) -> anyhow::Result<(Project, Environment)> {
    let folder = std::path::absolute(repository)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.trim_end_matches(".git");
    let name = ProjectName::new(name).or_else(|_| ProjectName::new("project"))?;
    let environment_name = EnvironmentName::new(environment.unwrap_or("production"))?;
    let compose_project = format!("{name}-{environment_name}");
    let environment = Environment::bare(environment_name, compose_project);
    let project = Project {
        name,
        forge: ForgeKind::Plain,
        repository: folder.display().to_string(),
        full_name: String::new(),
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
    };
    Ok((project, environment))
}
