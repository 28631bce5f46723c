//! Reads an environment's past from the store, for what it tells.

use crate::model::{ComponentName, DeploymentId, EnvironmentName, ProjectName, Work};
use crate::plan::insights::{History, Past, Usage};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::refusal::Refusal;
use crate::store::Deployment;
use std::collections::BTreeMap;

/// More days than that are not looked at.
pub const MOST_INSIGHT_DAYS: u32 = 3650;
/// More deployments than that of one environment are not looked at.
const MOST_DEPLOYMENTS: u32 = 1000;
const DAY_MS: i64 = 24 * 3_600_000;

impl Deployer {
    /// The past of the last days, and whether there was more than is in it.
    pub async fn history(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        days: u32,
    ) -> Result<(History, bool), Refusal> {
        let until_ms = now_ms();
        let from_ms = until_ms - i64::from(days) * DAY_MS;
        let newest = self.store.deployments(Some(project), Some(environment), MOST_DEPLOYMENTS).await?;
        let more = newest.len() == MOST_DEPLOYMENTS as usize && newest.last().is_some_and(|d| d.created_ms >= from_ms);
        let pushed = self.store.pushed_times(project, environment, MOST_DEPLOYMENTS).await?;
        let mut work: BTreeMap<DeploymentId, Vec<Work>> = BTreeMap::new();
        for one in self.store.work_history(project, environment, MOST_DEPLOYMENTS).await? {
            work.entry(one.deployment).or_default().push(one);
        }
        let mut deployments = Vec::new();
        for deployment in newest.into_iter().rev() {
            let Some(ended_ms) = deployment.ended_ms.filter(|ended| *ended >= from_ms) else { continue };
            let work = work.remove(&deployment.id).unwrap_or_default();
            deployments.push(past(&deployment, ended_ms, pushed.get(&deployment.id).copied(), work));
        }
        let stack = match self.store.live(project, environment).await? {
            Some(live) => self.store.release(live.release).await?.map(|release| release.stack),
            None => None,
        };
        let hours = self.store.usage(project, from_ms, until_ms).await?;
        let usage = used(hours.into_iter().filter(|hour| hour.environment == *environment));
        Ok((History { deployments, stack, usage, from_ms, until_ms }, more))
    }
}

/// What each component used, its hours added up.
fn used(hours: impl Iterator<Item = crate::store::Usage>) -> BTreeMap<ComponentName, Usage> {
    let mut all: BTreeMap<ComponentName, Usage> = BTreeMap::new();
    let whole = |value: i64| u64::try_from(value).unwrap_or(0);
    for hour in hours {
        let sum = all.entry(hour.component).or_default();
        sum.hours += 1;
        sum.cpu_ms += whole(hour.cpu_ms);
        sum.memory_byte_seconds = sum.memory_byte_seconds.saturating_add(whole(hour.memory_byte_seconds));
        sum.memory_max_bytes = sum.memory_max_bytes.max(whole(hour.memory_max_bytes));
        // Milliseconds of CPU in a second of one replica are thousandths of a CPU.
        let millis = whole(hour.cpu_ms).checked_div(whole(hour.seconds)).unwrap_or(0);
        sum.busiest_hour_cpu_millis = sum.busiest_hour_cpu_millis.max(millis);
    }
    all
}

fn past(deployment: &Deployment, ended_ms: i64, pushed_ms: Option<i64>, work: Vec<Work>) -> Past {
    Past {
        id: deployment.id,
        state: deployment.state,
        is_rollback: deployment.trigger.goes_back(),
        pushed_ms,
        created_ms: deployment.created_ms,
        started_ms: deployment.started_ms,
        ended_ms,
        touched: deployment.touched,
        host_fault: deployment.host_fault,
        work,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_use_add_up_and_the_busiest_one_is_kept() {
        let hour = |number: i64, component: &str, cpu_ms: i64, memory: i64| crate::store::Usage {
            project: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            component: component.parse().unwrap(),
            hour: number,
            cpu_ms,
            memory_max_bytes: memory,
            memory_byte_seconds: memory * 3600,
            seconds: 3600,
            samples: 60,
        };
        let all = used([hour(1, "api", 360_000, 100), hour(2, "api", 1_800_000, 50), hour(2, "db", 0, 7)].into_iter());
        let api = Usage {
            hours: 2,
            cpu_ms: 2_160_000,
            memory_byte_seconds: 150 * 3600,
            memory_max_bytes: 100,
            busiest_hour_cpu_millis: 500,
        };
        assert_eq!(all["api"], api);
        assert_eq!((all["db"].hours, all["db"].busiest_hour_cpu_millis), (1, 0));
    }
}
