//! Why deployments fail.

use super::Past;
use crate::model::{DeploymentId, WorkKind, WorkOutcome};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What a deployment failed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Build,
    /// An image could not be pulled.
    Pull,
    ReleaseCommand,
    /// A container was not ready in time, or ended.
    NotReady,
    /// A canary was worse.
    Canary,
    /// It was not well while it was watched.
    Bake,
    /// Creating, starting or stopping containers.
    Containers,
    /// The commit could not be read, or its Compose file was refused.
    Settings,
    /// The host, the engine, a registry, or Launchway.
    Host,
}

impl Cause {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Cause::Build => "a build failed",
            Cause::Pull => "an image could not be pulled",
            Cause::ReleaseCommand => "a release command failed",
            Cause::NotReady => "a container did not become ready",
            Cause::Canary => "a canary was worse",
            Cause::Bake => "it was not well while it was watched",
            Cause::Containers => "a container could not be created, started or stopped",
            Cause::Settings => "before any work, such as a mistake in the Compose file",
            Cause::Host => "the host, the engine or Launchway",
        }
    }

    /// Of a deployment that failed: the first piece of work that did.
    fn of(past: &Past) -> Self {
        if past.host_fault {
            return Cause::Host;
        }
        let failed =
            past.work.iter().filter(|work| work.outcome == WorkOutcome::Failed).min_by_key(|work| work.ended_ms);
        match failed.map(|work| work.kind) {
            Some(WorkKind::Fetch) => Cause::Host,
            Some(WorkKind::Pull) => Cause::Pull,
            Some(WorkKind::Build) => Cause::Build,
            Some(WorkKind::ReleaseCommand) => Cause::ReleaseCommand,
            Some(WorkKind::Ready) => Cause::NotReady,
            Some(WorkKind::Hold) => Cause::Canary,
            Some(WorkKind::Bake) => Cause::Bake,
            Some(
                WorkKind::Create
                | WorkKind::Stop
                | WorkKind::Start
                | WorkKind::Drain
                | WorkKind::Wait
                | WorkKind::Remove
                | WorkKind::Other,
            ) => Cause::Containers,
            None if past.work.iter().any(|work| work.kind == WorkKind::Bake) => Cause::Bake,
            None if past.reached_users() => Cause::Containers,
            None => Cause::Settings,
        }
    }
}

/// How often deployments failed of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub cause: Cause,
    /// The oldest first.
    pub deployments: Vec<DeploymentId>,
}

/// The most frequent first.
pub fn failures(deployments: &[Past]) -> Vec<Failure> {
    let mut by_cause: BTreeMap<Cause, Vec<DeploymentId>> = BTreeMap::new();
    for past in deployments.iter().filter(|past| past.is_failed()) {
        by_cause.entry(Cause::of(past)).or_default().push(past.id);
    }
    let mut failures: Vec<Failure> =
        by_cause.into_iter().map(|(cause, deployments)| Failure { cause, deployments }).collect();
    failures.sort_by_key(|failure| Reverse(failure.deployments.len()));
    failures
}

#[cfg(test)]
mod tests {
    use super::super::sample::{past, work};
    use super::*;
    use crate::model::{DeploymentState, Work};

    fn failed(id: i64, kinds: &[(WorkKind, WorkOutcome)]) -> Past {
        let piece = |(at, (kind, outcome)): (usize, &(WorkKind, WorkOutcome))| Work {
            outcome: *outcome,
            ..work(id, "web", *kind, at as i64 * 100, 100)
        };
        let work = kinds.iter().enumerate().map(piece).collect();
        Past { state: DeploymentState::RolledBack, touched: false, work, ..past(id) }
    }

    #[test]
    fn the_first_that_failed_is_the_cause_and_the_most_frequent_comes_first() {
        use WorkOutcome::*;
        let broken = |id| failed(id, &[(WorkKind::Build, Done), (WorkKind::Ready, Failed), (WorkKind::Stop, Failed)]);
        let deployments = [
            failed(1, &[(WorkKind::Build, Failed)]),
            broken(2),
            past(3),
            broken(4),
            Past { host_fault: true, ..broken(5) },
            Past { state: DeploymentState::Failed, ..failed(6, &[(WorkKind::Fetch, Done)]) },
            failed(7, &[(WorkKind::Ready, Done), (WorkKind::Bake, Done)]),
        ];
        let told: Vec<(Cause, Vec<i64>)> = failures(&deployments)
            .into_iter()
            .map(|failure| (failure.cause, failure.deployments.iter().map(|id| id.0).collect()))
            .collect();
        let expected = [
            (Cause::NotReady, vec![2, 4]),
            (Cause::Build, vec![1]),
            (Cause::Bake, vec![7]),
            (Cause::Settings, vec![6]),
            (Cause::Host, vec![5]),
        ];
        assert_eq!(told, expected);
    }
}
