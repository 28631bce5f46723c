//! Releases, environments that left launchway.toml, and what another Launchway made.

use crate::model::{CommitId, DeploymentId, EnvironmentName, ProjectName, ReleaseId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One of `GET /v1/releases`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseSummary {
    pub release: ReleaseId,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub subject: String,
    pub created_at: Timestamp,
    /// The newest deployment of it.
    pub deployment: Option<DeploymentId>,
    /// When it last went live; null where it never did.
    pub live_at: Option<Timestamp>,
    /// It is what is live.
    pub live: bool,
}

/// An environment that left launchway.toml.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrphanReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// What is live there.
    pub release: ReleaseId,
    /// Names of its containers that run; null where the engine does not answer.
    pub running: Option<Vec<String>>,
    /// Ports of the host and of the edge that it holds.
    pub ports: Vec<String>,
    /// Hosts that the edge leads to it.
    pub hosts: Vec<String>,
    pub volumes: Vec<String>,
}

/// What `POST /v1/remove` did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoveReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// Containers that ran.
    pub removed: Vec<String>,
    /// What stays.
    pub volumes: Vec<String>,
}

/// What `POST /v1/give-back-orphan` gave back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GivenBackReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// The name that Docker Compose knows it by.
    pub compose_project: String,
    /// Containers that run.
    pub running: Vec<String>,
    pub volumes: Vec<String>,
}

/// What `POST /v1/adopt` took over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdoptReport {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub adopted: Vec<AdoptedThing>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdoptedThing {
    /// container, network or volume.
    pub kind: String,
    pub name: String,
}

/// `POST /v1/adopt`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdoptRequest {
    pub project: Option<String>,
    pub environment: Option<String>,
    /// The id of the store whose things are taken, as errors name it; absent: of the only one.
    pub from: Option<String>,
    pub by: String,
}
