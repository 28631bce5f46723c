//! A process that does not end when it is told to, so that each stop takes its whole grace period.

use super::{ENOUGH, Finding, is_the_rule};
use crate::model::{Work, WorkKind};
use crate::plan::insights::History;
use crate::plan::insights::words::{deployments, time};
use std::time::Duration;

/// The engine's own, where nothing says another.
const USUAL_GRACE: Duration = Duration::from_secs(10);
/// With less, a process that ends by itself cannot be told from one that is killed.
const LEAST_GRACE_MS: i64 = 1_000;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    history.components().filter_map(|component| {
        let grace = component.container.stop_grace_period.unwrap_or(USUAL_GRACE);
        let grace_ms = i64::try_from(grace.as_millis()).ok().filter(|ms| *ms >= LEAST_GRACE_MS)?;
        let stops: Vec<&Work> = history.done(&component.name, WorkKind::Stop).collect();
        let killed: Vec<&&Work> =
            stops.iter().filter(|work| i64::try_from(work.took().as_millis()).is_ok_and(|ms| ms >= grace_ms)).collect();
        if killed.len() < ENOUGH || !is_the_rule(killed.len(), stops.len()) {
            return None;
        }
        let name = &component.name;
        let signal = component.container.stop_signal.as_deref().unwrap_or("SIGTERM");
        let change = match component.container.init {
            Some(true) => format!("Let its process end on {signal}, or name the signal that it ends on (`stop_signal`)"),
            _ => format!(
                "{}: `init: true` for {name}, or a command in brackets ([\"node\", \"server.js\"], not a shell) so that {signal} reaches the process; or `stop_signal`, where it ends on another",
                component.place.file
            ),
        };
        Some(Finding {
            what: format!("{name}: it does not end on {signal}, and is killed at each deployment"),
            evidence: format!(
                "{} of {} stops took the whole grace period of {} ({}). What it was doing then was cut off",
                killed.len(),
                stops.len(),
                time(grace_ms),
                deployments(killed.iter().map(|work| work.deployment))
            ),
            change,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insights::sample::{history, work};
    use crate::plan::sample::{Sample, component, stack};

    fn found(count: i64, api: Sample, stop_ms: impl Fn(i64) -> i64) -> Vec<Finding> {
        find(&history(count, stack([api]), |id| vec![work(id, "api", WorkKind::Stop, 0, stop_ms(id))]))
    }

    #[test]
    fn stops_that_take_the_whole_grace_period_are_told() {
        let found = found(6, component("api"), |_| 10_140);
        insta::assert_snapshot!(format!("{}\n{}\n{}", found[0].what, found[0].evidence, found[0].change), @r#"
        api: it does not end on SIGTERM, and is killed at each deployment
        6 of 6 stops took the whole grace period of 10 s (deployments 2, 3, 4, 5, 6 and 1 before). What it was doing then was cut off
        compose.yaml: `init: true` for api, or a command in brackets (["node", "server.js"], not a shell) so that SIGTERM reaches the process; or `stop_signal`, where it ends on another
        "#);
    }

    #[test]
    fn a_process_that_ends_a_longer_grace_and_a_short_past_are_no_finding() {
        assert_eq!(found(6, component("api"), |_| 230), []);
        assert_eq!(found(6, component("api"), |id| if id % 2 == 0 { 10_200 } else { 300 }), [], "now and then");
        let mut patient = component("api");
        patient.0.container.stop_grace_period = Some(Duration::from_secs(60));
        assert_eq!(found(6, patient, |_| 10_140), []);
        assert_eq!(found(4, component("api"), |_| 10_140), []);
    }
}
