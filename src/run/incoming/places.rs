//! Which environment somebody names.

use crate::config::{Config, Environment, Project};
use crate::model::{EnvironmentName, ProjectName};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::refusal::Refusal;
use std::fmt::Display;

/// Names as somebody gave them, as far as they did. A single word is given as the environment, and may also be a project's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named<'a> {
    project: Option<&'a str>,
    environment: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn of(config: &Config, project: Option<&'a str>, environment: Option<&'a str>) -> Self {
        let is_environment =
            |name: &str| config.projects.values().any(|p| p.environments.keys().any(|known| known.as_str() == name));
        match (project, environment) {
            (None, Some(word)) if !is_environment(word) && config.projects.contains_key(word) => {
                Self { project: Some(word), environment: None }
            }
            (project, environment) => Self { project, environment },
        }
    }
}

impl Deployer {
    /// The project and environment that somebody names. Neither needs to be named where only one could be meant.
    pub fn find_environment(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<(Project, Environment), Refusal> {
        let config = self.config();
        let mut found = named(&config, project, environment)?;
        match (found.pop(), found.is_empty()) {
            (Some((project, environment)), true) => Ok((project.clone(), environment.clone())),
            (Some(last), false) => {
                found.push(last);
                Err(Refusal::NotFound(format!("several could be meant; name one: {}", list(found.iter().map(place)))))
            }
            (None, _) => Err(Refusal::NotFound("launchway.toml has no environment".into())),
        }
    }

    /// All that could be meant by such names; every environment where there are none.
    pub fn find_environments(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Vec<(Project, Environment)>, Refusal> {
        let config = self.config();
        let found = named(&config, project, environment)?;
        Ok(found.into_iter().map(|(project, environment)| (project.clone(), environment.clone())).collect())
    }

    /// What to look for where things of the past are listed: of environments, too, that are no longer in launchway.toml.
    pub async fn names_of_the_past(
        &self,
        project: Option<&str>,
        environment: Option<&str>,
    ) -> Result<(Option<ProjectName>, Option<EnvironmentName>), Refusal> {
        let config = self.config();
        let Named { project, environment } = Named::of(&config, project, environment);
        let wrong = |error: &dyn Display| Refusal::NotFound(error.to_string());
        let names = (
            project.map(ProjectName::new).transpose().map_err(|error| wrong(&error))?,
            environment.map(EnvironmentName::new).transpose().map_err(|error| wrong(&error))?,
        );
        let was_there = !self.store.deployments(names.0.as_ref(), names.1.as_ref(), 1).await?.is_empty();
        if !was_there {
            named(&config, project, environment)?;
        }
        Ok(names)
    }
}

type Place<'a> = (&'a Project, &'a Environment);

fn named<'a>(config: &'a Config, project: Option<&str>, environment: Option<&str>) -> Result<Vec<Place<'a>>, Refusal> {
    let Named { project, environment } = Named::of(config, project, environment);
    if let Some(name) = project.filter(|name| !config.projects.contains_key(*name)) {
        let known = list(config.projects.keys());
        return Err(Refusal::NotFound(format!("there is no project {name:?} in launchway.toml; there are {known}")));
    }
    let of_project = config.projects.values().filter(|p| project.is_none_or(|name| p.name.as_str() == name));
    let all: Vec<Place> = of_project.flat_map(|p| p.environments.values().map(move |e| (p, e))).collect();
    let Some(name) = environment else { return Ok(all) };
    let found: Vec<Place> = all.iter().copied().filter(|(_, e)| e.name.as_str() == name).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(Refusal::NotFound(match project.or(config.projects.keys().next().map(ProjectName::as_str)) {
        Some(project) if config.projects.len() == 1 || all.iter().all(|(p, _)| p.name.as_str() == project) => {
            let known = list(all.iter().map(|(_, e)| &e.name));
            format!("project {project} has no environment {name:?}; it has {known}")
        }
        _ => format!("there is no environment {name:?} in launchway.toml; there are {}", list(all.iter().map(place))),
    }))
}

fn place((project, environment): &Place<'_>) -> String {
    format!("{}/{}", project.name, environment.name)
}

fn list(names: impl Iterator<Item = impl Display>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}
