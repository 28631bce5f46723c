//! What a deployment is expected to take, from what the ones before it took.

use crate::model::ComponentName;
use crate::plan::Plan;
use crate::plan::durations::Durations;
use crate::plan::estimate::{BuildLeft, build_ranks, builds_left, step_ranks, steps_left};
use crate::run::flow::executor::AT_ONCE;
use crate::run::ground::deployer::Deployer;
use crate::store::Deployment;
use std::collections::BTreeMap;
use std::time::Duration;

/// Older ones would hardly weigh anything.
const DEPLOYMENTS: u32 = 40;

/// What is known when a deployment begins. Nothing is known where the store cannot tell: nobody fails for it.
#[derive(Default)]
pub struct Outlook {
    durations: Durations,
    builds_at_once: usize,
}

impl Outlook {
    /// From what earlier deployments of the environment took.
    pub async fn of(deployer: &Deployer, deployment: &Deployment) -> Self {
        let (store, project, environment) = (&deployer.store, &deployment.project, &deployment.environment);
        let read = async {
            let own = store.work_history(project, environment, DEPLOYMENTS).await?;
            Ok::<_, crate::store::StoreError>((own, store.work_history_of_all(DEPLOYMENTS).await?))
        };
        let durations = match read.await {
            Ok((own, all)) => Durations::learn(&own, &all),
            Err(error) => {
                tracing::warn!(deployment.id = %deployment.id, error = %error, "What deployments took cannot be read");
                Durations::default()
            }
        };
        Self { durations, builds_at_once: deployer.config().limits.builds }
    }

    /// Until the release is live, when these builds and then the plan's steps are still to be done.
    pub fn left(&self, builds: &[BuildLeft], plan: &Plan) -> Option<Duration> {
        Some(builds_left(builds, &self.durations, self.builds_at_once)? + steps_left(plan, &self.durations, AT_ONCE)?)
    }

    /// For each build the longest path from its beginning to the end of the deployment.
    pub fn build_paths(&self, builds: &[BuildLeft], plan: &Plan) -> BTreeMap<ComponentName, Duration> {
        let after = self.step_ranks(plan).into_values().max().unwrap_or(0);
        let ranks = build_ranks(builds, &self.durations).into_iter();
        ranks.map(|(name, rank)| (name, Duration::from_millis(rank.saturating_add(after)))).collect()
    }

    /// By step.
    pub fn step_ranks(&self, plan: &Plan) -> BTreeMap<u32, u64> {
        step_ranks(plan, &self.durations)
    }
}
