//! A component that waits until another is ready although nothing in its settings names that one.

use super::{ENOUGH, Finding};
use crate::model::{Component, ComponentName, Condition, DeploymentId, WorkKind};
use crate::plan::insights::longest_path::longest_path;
use crate::plan::insights::words::{deployments, time};
use crate::plan::insights::{History, Spread};

/// Of less there is nothing to gain.
const LEAST_TIME_MS: i64 = 2_000;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    let mut found = Vec::new();
    for component in history.components() {
        for (dependency, how) in &component.depends_on {
            if how.condition == Condition::ServiceHealthy && !names(component, dependency) {
                found.extend(needless(history, component, dependency));
            }
        }
    }
    found
}

/// Where the dependency's readiness was directly before the component's own work on the longest path.
fn needless(history: &History, component: &Component, dependency: &ComponentName) -> Option<Finding> {
    let mut waits: Vec<(DeploymentId, i64)> = Vec::new();
    for past in history.deployments.iter().filter(|past| past.is_live()) {
        let path = longest_path(&past.work);
        let waited = path.windows(2).filter(|pair| {
            let is_ready = pair[0].kind == WorkKind::Ready && pair[0].component.as_ref() == Some(dependency);
            is_ready && pair[1].component.as_ref() == Some(&component.name)
        });
        let ms = waited.map(|pair| i64::try_from(pair[0].took().as_millis()).unwrap_or(i64::MAX)).max();
        waits.extend(ms.map(|ms| (past.id, ms)));
    }
    let took = Spread::of(waits.iter().map(|(_, ms)| *ms)).filter(|took| took.median_ms >= LEAST_TIME_MS)?;
    if waits.len() < ENOUGH {
        return None;
    }
    let (name, file) = (&component.name, &component.place.file);
    Some(Finding {
        what: format!("{name}: it waits until {dependency} is ready, and nothing in its settings names {dependency}"),
        evidence: format!(
            "The wait was on the longest path of {} deployments and took {} in the middle ({})",
            waits.len(),
            time(took.median_ms),
            deployments(waits.iter().map(|(id, _)| *id))
        ),
        change: format!(
            "{file}: where {name} does not call {dependency} when it starts, remove {dependency} from its `depends_on`, or write `condition: service_started`"
        ),
    })
}

/// Whether the component's settings say anything by which it would find the other; a mounted file may, and is not read:
/// then it counts as named.
fn names(component: &Component, other: &ComponentName) -> bool {
    let container = &component.container;
    let has = |text: &String| text.contains(other.as_str());
    let command = container.command.iter().chain(&container.entrypoint).flatten();
    container.environment.values().any(has)
        || command.into_iter().any(has)
        || container.links.iter().any(has)
        || component.settings.release_command.iter().flatten().any(has)
        || !container.mounts.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::insights::sample::{history, work};
    use crate::plan::sample::{Sample, component, stack};

    fn found(count: i64, web: Sample, ready_ms: i64) -> Vec<Finding> {
        find(&history(count, stack([web, component("search")]), |id| {
            vec![
                work(id, "search", WorkKind::Start, 0, 100),
                work(id, "search", WorkKind::Ready, 100, ready_ms),
                work(id, "web", WorkKind::Start, 101 + ready_ms, 100),
                work(id, "web", WorkKind::Ready, 201 + ready_ms, 400),
            ]
        }))
    }

    #[test]
    fn a_wait_for_what_nothing_names_is_told() {
        let found = found(6, component("web").after("search"), 14_000);
        insta::assert_snapshot!(format!("{}\n{}\n{}", found[0].what, found[0].evidence, found[0].change), @r#"
        web: it waits until search is ready, and nothing in its settings names search
        The wait was on the longest path of 6 deployments and took 14 s in the middle (deployments 2, 3, 4, 5, 6 and 1 before)
        compose.yaml: where web does not call search when it starts, remove search from its `depends_on`, or write `condition: service_started`
        "#);
    }

    #[test]
    fn a_wait_for_what_is_called_a_short_one_and_a_short_past_are_no_finding() {
        let web = component("web").after("search");
        assert_eq!(found(6, web.clone().env("SEARCH_URL", "http://search:9200"), 14_000), []);
        assert_eq!(found(6, web.clone().volume("conf", "/etc/web"), 14_000), [], "a file may name it");
        assert_eq!(found(6, web.clone(), 700), []);
        assert_eq!(found(4, web, 14_000), []);
        let started = component("web").after_with("search", Condition::ServiceStarted, false);
        assert_eq!(found(6, started, 14_000), []);
    }
}
