//! What components use, looked at every minute and added up by the hour. It learns; nothing waits for it, and where it
//! cannot look it says nothing.

use crate::engine::ContainerUse;
use crate::model::{ComponentName, EnvironmentName, ProjectName, label};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::store::Usage;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// After the start there is more urgent work.
const FIRST_LOOK: Duration = Duration::from_secs(5);
const HOUR_MS: i64 = 3_600_000;
/// While something is deployed, only each of these is made.
const WHILE_DEPLOYING: u32 = 5;
/// A longer gap is a machine that slept: nobody knows what was used meanwhile. Looks that were left out are no gap.
const LONGEST_GAP: Duration = LOOK_EVERY.saturating_mul(WHILE_DEPLOYING + 2);

/// Looks until the process ends. A look gives way to deployments: while one runs, only every fifth is made.
pub async fn learn_usage(deployer: Arc<Deployer>) {
    let mut before = Looked::default();
    let (mut wait, mut skipped) = (FIRST_LOOK, 0);
    loop {
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => wait = LOOK_EVERY,
        }
        if deployer.occupancy.is_deploying() && skipped + 1 < WHILE_DEPLOYING {
            skipped += 1;
            continue;
        }
        skipped = 0;
        let load = tokio::select! {
            () = deployer.stop.cancelled() => return,
            load = deployer.engine.host_load() => load,
        };
        let load = match load {
            Ok(load) => load,
            Err(error) => {
                tracing::debug!(error = %error, "What is used cannot be looked at");
                continue;
            }
        };
        let mut seen = before.add(&load.containers, Instant::now(), now_ms());
        // Another Launchway may use the same engine.
        let config = deployer.config();
        seen.retain(|usage| config.projects.contains_key(&usage.project));
        for usage in &seen {
            deployer.metrics.counted.used(usage);
        }
        if !seen.is_empty()
            && let Err(error) = deployer.store.add_usage(seen, now_ms()).await
        {
            tracing::warn!(error = %error, "What is used cannot be noted");
        }
    }
}

/// What the look before saw.
#[derive(Default)]
struct Looked {
    at: Option<Instant>,
    /// CPU time of each container by id, in nanoseconds.
    cpu_ns: HashMap<String, u64>,
}

impl Looked {
    /// What a look adds, one row for each component that has containers with our labels.
    fn add(&mut self, containers: &[ContainerUse], now: Instant, now_ms: i64) -> Vec<Usage> {
        let gap = self.at.map(|at| now.duration_since(at)).filter(|gap| *gap <= LONGEST_GAP);
        self.at = Some(now);
        let cpu_before = std::mem::take(&mut self.cpu_ns);
        let mut seen: BTreeMap<(ProjectName, EnvironmentName, ComponentName), Usage> = BTreeMap::new();
        for container in containers {
            let Some((project, environment, component)) = whose(container) else { continue };
            let key = (project.clone(), environment.clone(), component.clone());
            let usage = seen.entry(key).or_insert_with(|| Usage {
                project,
                environment,
                component,
                hour: now_ms.div_euclid(HOUR_MS),
                cpu_ms: 0,
                memory_max_bytes: 0,
                memory_byte_seconds: 0,
                seconds: 0,
                samples: 0,
            });
            usage.samples += 1;
            let memory = container.memory_used_bytes.unwrap_or(0);
            usage.memory_max_bytes = usage.memory_max_bytes.max(memory);
            // One that was not there at the last look has been there for a part of the time: it counts from now on.
            let known = cpu_before.get(&container.id).copied();
            if let (Some(gap), Some(_)) = (gap, known) {
                let seconds = gap.as_secs() as i64;
                usage.seconds += seconds;
                usage.memory_byte_seconds = usage.memory_byte_seconds.saturating_add(memory.saturating_mul(seconds));
            }
            if let Some(cpu) = container.cpu_ns {
                // A container that was started again counts from 0.
                let used = known.filter(|_| gap.is_some()).map_or(0, |before| cpu.checked_sub(before).unwrap_or(cpu));
                usage.cpu_ms += i64::try_from(used / 1_000_000).unwrap_or(i64::MAX);
                self.cpu_ns.insert(container.id.clone(), cpu);
            }
        }
        seen.into_values().collect()
    }
}

/// The component that a container of ours belongs to.
pub(in crate::run) fn whose(container: &ContainerUse) -> Option<(ProjectName, EnvironmentName, ComponentName)> {
    let labelled = |key: &str| container.labels.get(key).cloned();
    if labelled(label::ROLE).is_some() {
        return None;
    }
    Some((
        ProjectName::new(labelled(label::PROJECT)?).ok()?,
        EnvironmentName::new(labelled(label::ENVIRONMENT)?).ok()?,
        ComponentName::new(labelled(label::COMPONENT)?).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, memory: i64, cpu_ms: u64) -> ContainerUse {
        let labels = [(label::PROJECT, "shop"), (label::ENVIRONMENT, "production"), (label::COMPONENT, "api")];
        ContainerUse {
            id: id.into(),
            labels: labels.map(|(key, value)| (key.to_string(), value.to_string())).into(),
            memory_used_bytes: Some(memory),
            cpu_ns: Some(cpu_ms * 1_000_000),
            ..ContainerUse::default()
        }
    }

    #[test]
    fn two_looks_add_up_what_the_replicas_used_between_them() {
        let (mut looked, start) = (Looked::default(), Instant::now());
        let first = looked.add(&[container("a", 100, 1000), container("b", 300, 0)], start, 7 * HOUR_MS);
        assert_eq!((first[0].memory_max_bytes, first[0].cpu_ms, first[0].seconds, first[0].samples), (300, 0, 0, 2));
        let later = start + Duration::from_secs(60);
        let second = looked.add(&[container("a", 200, 1500), container("b", 300, 100)], later, 7 * HOUR_MS + 60_000);
        assert_eq!((second[0].hour, second[0].cpu_ms, second[0].seconds), (7, 600, 120));
        assert_eq!(second[0].memory_byte_seconds, 500 * 60);
    }

    #[test]
    fn a_container_that_was_started_again_counts_from_nothing() {
        let (mut looked, start) = (Looked::default(), Instant::now());
        looked.add(&[container("a", 1, 5000)], start, 0);
        let later = looked.add(&[container("a", 1, 200)], start + Duration::from_secs(60), 0);
        assert_eq!(later[0].cpu_ms, 200);
    }

    #[test]
    fn nothing_is_made_up_for_the_time_that_a_machine_slept() {
        let (mut looked, start) = (Looked::default(), Instant::now());
        looked.add(&[container("a", 1, 0)], start, 0);
        let later = looked.add(&[container("a", 1, 9000)], start + Duration::from_secs(7200), 0);
        assert_eq!((later[0].cpu_ms, later[0].seconds, later[0].samples), (0, 0, 1));
    }

    #[test]
    fn looks_that_were_left_out_while_something_was_deployed_lose_nothing() {
        let (mut looked, start) = (Looked::default(), Instant::now());
        looked.add(&[container("a", 1, 0)], start, 0);
        let later =
            looked.add(&[container("a", 1, 9000)], start + LOOK_EVERY * WHILE_DEPLOYING + Duration::from_secs(2), 0);
        assert_eq!((later[0].cpu_ms, later[0].seconds), (9000, 302));
    }

    #[test]
    fn containers_of_others_and_release_commands_are_left_out() {
        let mut command = container("a", 1, 1);
        command.labels.insert(label::ROLE.into(), label::RELEASE_COMMAND.into());
        let seen = Looked::default().add(&[command, ContainerUse::default()], Instant::now(), 0);
        assert_eq!(seen, []);
    }
}
