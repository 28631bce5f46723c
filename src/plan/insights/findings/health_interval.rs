//! A health check that is tried so rarely that its interval, not the app, says when a container is ready.

use super::{ENOUGH, Finding, is_the_rule};
use crate::model::{HealthCheck, HealthTest, Work, WorkKind};
use crate::plan::insights::words::{deployments, time};
use crate::plan::insights::{History, Spread};
use std::time::Duration;

/// The engine's own, where nothing says another.
const USUAL_INTERVAL: Duration = Duration::from_secs(30);
/// Below that there is little to gain, and a multiple tells nothing.
const LEAST_INTERVAL_MS: i64 = 5_000;
/// The check itself and our look take this long at most, as a rule.
const AFTER_MS: i64 = 1_500;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    history.components().filter_map(|component| {
        let check = component.container.healthcheck.as_ref()?;
        if check.test == HealthTest::Disabled || check.start_interval.is_some() {
            return None;
        }
        let interval_ms = i64::try_from(interval(check).as_millis()).ok().filter(|ms| *ms >= LEAST_INTERVAL_MS)?;
        let waits: Vec<(&Work, i64)> = history
            .done(&component.name, WorkKind::Ready)
            .map(|work| (work, i64::try_from(work.took().as_millis()).unwrap_or(i64::MAX)))
            .collect();
        let at_a_multiple = |ms: i64| ms >= interval_ms && ms % interval_ms <= AFTER_MS.min(interval_ms / 5);
        let bound: Vec<&(&Work, i64)> = waits.iter().filter(|(_, ms)| at_a_multiple(*ms)).collect();
        if bound.len() < ENOUGH || !is_the_rule(bound.len(), waits.len()) {
            return None;
        }
        let took = Spread::of(bound.iter().map(|(_, ms)| *ms))?;
        Some(Finding {
            what: format!("{}: when it counts as ready, its health check's interval decides", component.name),
            evidence: format!(
                "It was ready just after a multiple of {} in {} of {} waits, after {} in the middle ({}). Either it was up some time before, or it takes just that long: its log tells",
                time(interval_ms),
                bound.len(),
                waits.len(),
                time(took.median_ms),
                deployments(bound.iter().map(|(work, _)| work.deployment))
            ),
            change: format!(
                "{}: in the `healthcheck` of {}, a `start_interval: 1s` (from Engine 25 on), or a shorter `interval`",
                component.place.file, component.name
            ),
        })
    })
    .collect()
}

fn interval(check: &HealthCheck) -> Duration {
    check.interval.unwrap_or(USUAL_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insights::sample::{history, work};
    use crate::plan::sample::{component, stack};

    fn found(count: i64, interval_s: u64, waits_ms: impl Fn(i64) -> i64) -> Vec<Finding> {
        let mut api = component("api");
        api.0.container.healthcheck = Some(HealthCheck {
            test: HealthTest::Shell("true".into()),
            interval: Some(Duration::from_secs(interval_s)),
            timeout: None,
            start_period: None,
            start_interval: None,
            retries: None,
        });
        find(&history(count, stack([api]), |id| vec![work(id, "api", WorkKind::Ready, 0, waits_ms(id))]))
    }

    #[test]
    fn waits_of_a_multiple_of_the_interval_are_told() {
        let found = found(6, 10, |id| 10_000 * (1 + id % 2) + 100 * id);
        insta::assert_snapshot!(format!("{}\n{}\n{}", found[0].what, found[0].evidence, found[0].change), @r#"
        api: when it counts as ready, its health check's interval decides
        It was ready just after a multiple of 10 s in 6 of 6 waits, after 15 s in the middle (deployments 2, 3, 4, 5, 6 and 1 before). Either it was up some time before, or it takes just that long: its log tells
        compose.yaml: in the `healthcheck` of api, a `start_interval: 1s` (from Engine 25 on), or a shorter `interval`
        "#);
    }

    #[test]
    fn waits_of_any_length_short_intervals_and_a_short_past_are_no_finding() {
        assert_eq!(found(10, 10, |id| 4_000 + 1_700 * id), []);
        assert_eq!(found(10, 10, |_| 800), [], "ready before the first look");
        assert_eq!(found(10, 2, |_| 4_100), []);
        assert_eq!(found(4, 10, |_| 10_300), []);
    }
}
