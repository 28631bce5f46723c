//! Files that are sent for a build although no step needs them.

use super::{ENOUGH, Finding, is_the_rule};
use crate::model::{Component, Work, WorkKind, bytes_text};
use crate::plan::durations::{Warmth, warmth};
use crate::plan::insights::words::deployments;
use crate::plan::insights::{History, Spread};

/// What is sent within a moment is worth nobody's time.
const LARGE_BYTES: i64 = 50_000_000;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    let components = history.components().filter(|component| component.build.is_some());
    components.filter_map(|component| unused(history, component).or_else(|| large(history, component))).collect()
}

/// Built because files changed, and then nothing had changed: no step copies them.
fn unused(history: &History, component: &Component) -> Option<Finding> {
    let builds: Vec<&Work> = history.done(&component.name, WorkKind::Build).collect();
    let for_nothing: Vec<&&Work> = builds.iter().filter(|work| warmth(work) == Some(Warmth::Cached)).collect();
    // Now and then an image that was removed is built again from the cache.
    if for_nothing.len() < ENOUGH || for_nothing.len() * 3 < builds.len() {
        return None;
    }
    Some(Finding {
        what: format!("{}: it is built and replaced because of files that its image does not have", component.name),
        evidence: format!(
            "{} of {} builds changed nothing, every step came from the cache ({})",
            for_nothing.len(),
            builds.len(),
            deployments(for_nothing.iter().map(|work| work.deployment))
        ),
        change: format!(
            "List what no step of its Dockerfile copies (tests, docs, other components' folders) in a .dockerignore in {}, or give `build.context` a smaller folder",
            folder(component)
        ),
    })
}

fn large(history: &History, component: &Component) -> Option<Finding> {
    let sent = |work: &Work| work.detail.context_bytes.and_then(|bytes| i64::try_from(bytes).ok());
    let builds: Vec<(&Work, i64)> =
        history.done(&component.name, WorkKind::Build).filter_map(|work| Some((work, sent(work)?))).collect();
    let large: Vec<&(&Work, i64)> = builds.iter().filter(|(_, bytes)| *bytes >= LARGE_BYTES).collect();
    if large.len() < ENOUGH || !is_the_rule(large.len(), builds.len()) {
        return None;
    }
    let bytes = Spread::of(large.iter().map(|(_, bytes)| *bytes))?.median_ms;
    Some(Finding {
        what: format!("{}: much is sent to the engine for each build", component.name),
        evidence: format!(
            "{} in the middle of {} builds, in {}",
            bytes_text(u64::try_from(bytes).unwrap_or(0)),
            large.len(),
            deployments(large.iter().map(|(work, _)| work.deployment))
        ),
        change: format!(
            "Copy what the image needs by name instead of `COPY . .`, or list the rest in a .dockerignore in {}; large files that rarely change belong into a base image or a volume",
            folder(component)
        ),
    })
}

fn folder(component: &Component) -> String {
    match component.build.as_ref().map(|build| build.context.to_string()) {
        Some(path) if !path.is_empty() && path != "." => path,
        _ => "the repository's root".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BuildSpec, WorkDetail};
    use crate::plan::insights::sample::{build, history};
    use crate::plan::sample::{component, stack};

    fn found(count: i64, cached: impl Fn(i64) -> u32, bytes: u64) -> Vec<Finding> {
        let mut api = component("api");
        api.0.build = Some(BuildSpec::default());
        find(&history(count, stack([api]), |id| {
            let detail = WorkDetail {
                steps: Some(5),
                cached: Some(cached(id)),
                context_bytes: Some(bytes),
                ..WorkDetail::default()
            };
            vec![build(id, "api", 9_000, detail)]
        }))
    }

    #[test]
    fn builds_that_change_nothing_are_told() {
        let found = found(10, |id| if id % 2 == 0 { 5 } else { 3 }, 10);
        insta::assert_snapshot!(format!("{}\n{}\n{}", found[0].what, found[0].evidence, found[0].change), @r#"
        api: it is built and replaced because of files that its image does not have
        5 of 10 builds changed nothing, every step came from the cache (deployments 2, 4, 6, 8 and 10)
        List what no step of its Dockerfile copies (tests, docs, other components' folders) in a .dockerignore in the repository's root, or give `build.context` a smaller folder
        "#);
    }

    #[test]
    fn a_large_context_is_told_with_its_size() {
        let found = found(6, |_| 3, 180_000_000);
        insta::assert_snapshot!(format!("{}\n{}\n{}", found[0].what, found[0].evidence, found[0].change), @r#"
        api: much is sent to the engine for each build
        180 MB in the middle of 6 builds, in deployments 2, 3, 4, 5, 6 and 1 before
        Copy what the image needs by name instead of `COPY . .`, or list the rest in a .dockerignore in the repository's root; large files that rarely change belong into a base image or a volume
        "#);
    }

    #[test]
    fn a_small_context_builds_that_do_change_something_and_a_short_past_are_no_finding() {
        assert_eq!(found(10, |_| 3, 20_000), []);
        assert_eq!(found(20, |id| if id % 5 == 0 { 5 } else { 3 }, 20_000), [], "now and then");
        assert_eq!(found(4, |_| 5, 180_000_000), []);
    }
}
