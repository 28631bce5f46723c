//! Which environment somebody names.

use crate::config::{Config, Environment, Project};
use crate::model::ProjectName;
use crate::run::ground::refusal::Refusal;
use std::fmt::Display;

/// Names as somebody gave them, as far as they did. A single word is given as the environment, and may also be a project's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    pub project: Option<&'a str>,
    pub environment: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// What a single word names is known by the settings.
    pub fn of(config: &Config, project: Option<&'a str>, environment: Option<&'a str>) -> Self {
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

/// An environment and its project.
pub type Place<'a> = (&'a Project, &'a Environment);

/// All that could be meant by such names; every environment where there are none.
pub fn named<'a>(
    config: &'a Config,
    project: Option<&str>,
    environment: Option<&str>,
) -> Result<Vec<Place<'a>>, Refusal> {
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

/// `shop/production`
pub fn place((project, environment): &Place<'_>) -> String {
    format!("{}/{}", project.name, environment.name)
}

/// Names in a row.
pub fn list(names: impl Iterator<Item = impl Display>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}
