//! A method that is safer or quicker by what was seen.

use super::{ENOUGH, Finding};
use crate::model::{Component, DeploymentId, Method, Stack, WorkKind};
use crate::plan::insights::words::{deployments, time};
use crate::plan::insights::{History, Past, Spread};
use crate::plan::method::{ENOUGH_TO_TELL, canary_requests, choose};

/// Shorter, nobody notices that requests wait.
const LEAST_GAP_MS: i64 = 500;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    let Some(stack) = &history.stack else { return Vec::new() };
    history
        .components()
        .filter_map(|component| needless_gap(history, stack, component).or_else(|| blind_canary(history, component)))
        .collect()
}

/// Recreated because its settings say so, while requests wait, although two of it could run at once.
fn needless_gap(history: &History, stack: &Stack, component: &Component) -> Option<Finding> {
    if component.settings.method != Method::Recreate || component.entries.is_empty() {
        return None;
    }
    let mut otherwise = stack.clone();
    otherwise.components.get_mut(&component.name)?.settings.method = Method::Auto;
    let choice = choose(&otherwise, &component.name);
    if choice.method == Method::Recreate {
        return None;
    }
    let gaps: Vec<(DeploymentId, i64)> =
        history.deployments.iter().filter_map(|past| Some((past.id, gap_ms(past, component)?))).collect();
    let took = Spread::of(gaps.iter().map(|(_, ms)| *ms)).filter(|took| took.median_ms >= LEAST_GAP_MS)?;
    if gaps.len() < ENOUGH {
        return None;
    }
    let name = &component.name;
    Some(Finding {
        what: format!("{name}: requests wait at each deployment although two of it could run at once"),
        evidence: format!(
            "From its stop until it was ready again it took {} in the middle, {} at most of 95 in 100, in {} deployments ({})",
            time(took.median_ms),
            time(took.p95_ms),
            gaps.len(),
            deployments(gaps.iter().map(|(id, _)| *id))
        ),
        change: format!(
            "{}: remove `method: recreate` from the `x-launchway` of {name}; it would be {} then: {}",
            component.place.file, choice.method, choice.reason
        ),
    })
}

/// From the first stop until the last of it was ready.
fn gap_ms(past: &Past, component: &Component) -> Option<i64> {
    let of = |kind: WorkKind| {
        past.work.iter().filter(move |work| work.kind == kind && work.component.as_ref() == Some(&component.name))
    };
    let stopped = of(WorkKind::Stop).map(|work| work.started_ms).min()?;
    let ready = of(WorkKind::Ready).map(|work| work.ended_ms).max()?;
    (past.is_live() && ready > stopped).then(|| ready - stopped)
}

/// A canary whose requests were too few to tell anything by.
fn blind_canary(history: &History, component: &Component) -> Option<Finding> {
    if component.settings.method != Method::Canary {
        return None;
    }
    let canary = component.settings.canary.as_ref()?;
    if canary.gate || canary.on_little_traffic.is_some() {
        return None;
    }
    let requests = canary_requests(component, canary).filter(|requests| *requests < ENOUGH_TO_TELL)?;
    let held: Vec<(DeploymentId, i64)> = history
        .done(&component.name, WorkKind::Hold)
        .map(|work| (work.deployment, i64::try_from(work.took().as_millis()).unwrap_or(i64::MAX)))
        .collect();
    let mut ids: Vec<DeploymentId> = held.iter().map(|(id, _)| *id).collect();
    ids.dedup();
    if ids.len() < ENOUGH {
        return None;
    }
    let each = held.iter().map(|(_, ms)| *ms).sum::<i64>() / i64::try_from(ids.len()).ok()?;
    let name = &component.name;
    Some(Finding {
        what: format!("{name}: its canary gets too few requests to tell anything by"),
        evidence: format!(
            "At its traffic of late a canary gets about {requests:.0} requests, and some hundreds are needed. It was held for {} each time, {} times ({})",
            time(each),
            ids.len(),
            deployments(ids)
        ),
        change: format!(
            "{}: in the `x-launchway` of {name}, `method: blue-green`, which is quicker and as safe without traffic; or a larger first share or a longer `hold`",
            component.place.file
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CanarySettings, Listen, RouteEntry, Work};
    use crate::plan::insights::sample::{history, work};
    use crate::plan::sample::{Sample, component, stack};

    fn routed(method: Method) -> Sample {
        let mut api = component("api");
        api.0.settings.method = method;
        api.0.entries = vec![RouteEntry { listen: Listen::Shared { host: None, path: None }, target: 8080 }];
        api
    }

    fn told(found: &[Finding]) -> String {
        let told = found.iter().map(|found| format!("{}\n{}\n{}", found.what, found.evidence, found.change));
        told.collect::<Vec<_>>().join("\n")
    }

    fn recreated(id: i64) -> Vec<Work> {
        vec![work(id, "api", WorkKind::Stop, 0, 900), work(id, "api", WorkKind::Ready, 1_000, 2_400)]
    }

    #[test]
    fn a_gap_that_only_the_settings_ask_for_is_told() {
        let found = find(&history(6, stack([routed(Method::Recreate)]), recreated));
        insta::assert_snapshot!(told(&found), @r#"
        api: requests wait at each deployment although two of it could run at once
        From its stop until it was ready again it took 3.4 s in the middle, 3.4 s at most of 95 in 100, in 6 deployments (deployments 2, 3, 4, 5, 6 and 1 before)
        compose.yaml: remove `method: recreate` from the `x-launchway` of api; it would be blue-green then: the edge leads to it, and nothing forbids two of it at once
        "#);
    }

    #[test]
    fn a_gap_that_is_needed_a_short_one_and_a_short_past_are_no_finding() {
        let writes = routed(Method::Recreate).volume("data", "/data");
        assert_eq!(find(&history(6, stack([writes]), recreated)), []);
        let called = [routed(Method::Recreate), component("web").after("api")];
        assert_eq!(find(&history(6, stack(called), recreated)), []);
        let quick = |id| vec![work(id, "api", WorkKind::Stop, 0, 100), work(id, "api", WorkKind::Ready, 110, 100)];
        assert_eq!(find(&history(6, stack([routed(Method::Recreate)]), quick)), []);
        assert_eq!(find(&history(4, stack([routed(Method::Recreate)]), recreated)), []);
        assert_eq!(find(&history(6, stack([routed(Method::Auto)]), recreated)), []);
    }

    fn canary(count: i64, requests_a_second: f64) -> Vec<Finding> {
        let mut api = routed(Method::Canary);
        api.0.settings.canary = Some(CanarySettings::default());
        api.0.traffic = Some(requests_a_second);
        find(&history(count, stack([api]), |id| {
            vec![work(id, "api", WorkKind::Hold, 0, 60_000), work(id, "api", WorkKind::Hold, 60_000, 60_000)]
        }))
    }

    #[test]
    fn a_canary_without_requests_is_told() {
        insta::assert_snapshot!(told(&canary(6, 0.1)), @r#"
        api: its canary gets too few requests to tell anything by
        At its traffic of late a canary gets about 10 requests, and some hundreds are needed. It was held for 2 min each time, 6 times (deployments 2, 3, 4, 5, 6 and 1 before)
        compose.yaml: in the `x-launchway` of api, `method: blue-green`, which is quicker and as safe without traffic; or a larger first share or a longer `hold`
        "#);
    }

    #[test]
    fn a_canary_with_requests_and_a_short_past_are_no_finding() {
        assert_eq!(canary(6, 500.0), []);
        assert_eq!(canary(4, 0.1), []);
    }
}
