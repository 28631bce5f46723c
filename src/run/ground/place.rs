//! One environment of one project, and what the engine is asked of it.

use crate::config::{Environment, Project};
use crate::engine::Scope;
use crate::model::{EnvironmentName, ProjectName};

/// An environment.
pub type Place = (ProjectName, EnvironmentName);

/// What the engine is asked about for an environment.
pub(in crate::run) fn scope(project: &Project, environment: &Environment) -> Scope {
    Scope {
        project: project.name.clone(),
        environment: environment.name.clone(),
        compose_project: environment.compose_project.clone(),
    }
}
