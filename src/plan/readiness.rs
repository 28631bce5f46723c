//! When a component's container counts as ready, and how long that may take.

use super::relations::Relations;
use super::{Readiness, ReadyGoal};
use crate::model::{Component, HealthCheck, HealthTest, Protocol};
use std::time::Duration;

/// How long a container must stay up where neither a health check nor a port tells.
const STAY_UP: Duration = Duration::from_secs(5);
/// Where nothing says how long starting may take.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Nobody waits for longer, however often a check may fail: `limits.deploy` comes first.
const MOST_PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Jobs (migrations, seeds) may take long.
const JOB_WITHIN: Duration = Duration::from_secs(30 * 60);

pub(super) fn readiness(relations: &Relations<'_>, component: &Component) -> Readiness {
    let is_job = relations.is_job(&component.name) || component.settings.job;
    let usual = match (&component.container.healthcheck, is_job) {
        (_, true) => JOB_WITHIN,
        (Some(check), _) if check.test != HealthTest::Disabled => patience(check).max(Duration::from_secs(60)),
        _ => READY_WITHIN,
    };
    let routed = component.settings.route.iter().filter_map(|route| route.port);
    let mut ports: Vec<u16> = routed.chain(tcp_ports(component)).collect();
    ports.retain(|port| !component.settings.not_listening.contains(port));
    ports.sort_unstable();
    ports.dedup();
    Readiness {
        goal: if is_job { ReadyGoal::Completed } else { ReadyGoal::Ready },
        stay_up: component.settings.stay_up.unwrap_or(STAY_UP),
        deadline: component.settings.ready_timeout.unwrap_or(usual),
        ports,
        follow: false,
        reach: None,
    }
}

/// When a component's release command counts as done.
pub fn release_command_readiness(component: &Component) -> Readiness {
    Readiness {
        goal: ReadyGoal::Completed,
        stay_up: STAY_UP,
        deadline: component.settings.release_command_timeout.unwrap_or(JOB_WITHIN),
        ports: Vec::new(),
        follow: true,
        reach: None,
    }
}

/// TCP ports in the container that the Compose file names.
pub(super) fn tcp_ports(component: &Component) -> Vec<u16> {
    let published =
        component.container.ports.iter().filter(|port| port.protocol == Protocol::Tcp).map(|port| port.target);
    let exposed = component.container.expose.iter().filter_map(|text| {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        (protocol == "tcp").then(|| port.parse().ok()).flatten()
    });
    let mut ports: Vec<u16> = published.chain(exposed).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// How long the engine itself would take at most to call it unhealthy, and one interval more.
/// Absent times are the engine's defaults (30 s, 30 s, 3 retries; docs.docker.com, "HEALTHCHECK"). Whatever a file says, it is
/// no time that a clock cannot count.
fn patience(check: &HealthCheck) -> Duration {
    let interval = check.interval.unwrap_or(Duration::from_secs(30));
    let timeout = check.timeout.unwrap_or(Duration::from_secs(30));
    let retries = check.retries.unwrap_or(3);
    let tries = interval.saturating_add(timeout).saturating_mul(retries);
    check.start_period.unwrap_or_default().saturating_add(tries).saturating_add(interval).min(MOST_PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{component, stack};

    #[test]
    fn a_slow_health_check_gets_the_time_that_it_asks_for() {
        let check = HealthCheck {
            test: HealthTest::Shell("true".into()),
            interval: Some(Duration::from_secs(10)),
            timeout: Some(Duration::from_secs(5)),
            start_period: Some(Duration::from_secs(300)),
            start_interval: None,
            retries: Some(2),
        };
        let mut sample = component("a");
        sample.0.container.healthcheck = Some(check);
        let name = sample.name();
        let stack = stack([sample]);
        assert_eq!(readiness(&Relations::of(&stack), &stack.components[&name]).deadline, Duration::from_secs(340));
    }

    #[test]
    fn a_check_of_centuries_is_no_sum_that_ends_whoever_plans_it() {
        let years = Some(Duration::from_secs(9_000_000_000));
        let check = HealthCheck {
            test: HealthTest::Shell("true".into()),
            interval: years,
            timeout: years,
            start_period: years,
            start_interval: None,
            retries: Some(u32::MAX),
        };
        assert_eq!(patience(&check), MOST_PATIENCE);
    }
}
