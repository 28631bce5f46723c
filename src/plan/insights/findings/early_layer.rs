//! A Dockerfile whose early step changes every time, so that all after it is done anew.

use super::{ENOUGH, Finding, is_the_rule};
use crate::model::{Quoted, Work, WorkKind};
use crate::plan::insights::words::{deployments, time};
use crate::plan::insights::{History, Spread};
use std::collections::BTreeMap;

/// Of less there is nothing to gain.
const LEAST_TIME_MS: i64 = 5_000;
/// Steps that an order could spare, at the least.
const LEAST_AFTER: u32 = 2;

/// Finds it in a history, once for each component that it is true of.
pub fn find(history: &History) -> Vec<Finding> {
    history.components().filter_map(|component| {
        // A build that came wholly from the cache was broken by nothing.
        let builds: Vec<(&Work, &str)> = history
            .done(&component.name, WorkKind::Build)
            .filter_map(|work| Some((work, work.detail.invalidated_at.as_deref()?)))
            .collect();
        let mut by_step: BTreeMap<&str, Vec<&Work>> = BTreeMap::new();
        for (work, step) in &builds {
            by_step.entry(step).or_default().push(work);
        }
        let (step, broken) = by_step.into_iter().max_by_key(|(_, works)| works.len())?;
        let broken: Vec<&Work> = broken.into_iter().filter(|work| is_early(work, step)).collect();
        if broken.len() < ENOUGH || !is_the_rule(broken.len(), builds.len()) {
            return None;
        }
        let took = Spread::of(broken.iter().map(|work| work.took().as_millis() as i64))?;
        if took.median_ms < LEAST_TIME_MS {
            return None;
        }
        let newest = broken.last()?;
        let (steps, cached) = (newest.detail.steps?, newest.detail.cached?);
        let is_copy = is_copy(step);
        let step = Quoted(step);
        let change = match is_copy {
            true => format!(
                "In its Dockerfile, copy first only the files that name what is to be installed (such as package.json, requirements.txt, go.mod, Cargo.toml with their lock files), install, and only then `{step}`"
            ),
            false => format!(
                "In its Dockerfile, move `{step}` behind what does not need it: an argument or a value in it is another one at each commit"
            ),
        };
        Some(Finding {
            what: format!("{}: an early step of its Dockerfile changes with every push, and all after it is done anew", component.name),
            evidence: format!(
                "`{step}` was the first step without a cache in {} of {} builds ({}); of the newest's {steps} steps {cached} came from the cache. Builds take {} in the middle",
                broken.len(),
                builds.len(),
                deployments(broken.iter().map(|work| work.deployment)),
                time(took.median_ms)
            ),
            change,
        })
    })
    .collect()
}

fn is_copy(step: &str) -> bool {
    let word = step.split_whitespace().next().unwrap_or_default();
    word.eq_ignore_ascii_case("COPY") || word.eq_ignore_ascii_case("ADD")
}

/// Whether at least half of the steps come after it. Where nothing at all was cached, the cache itself may have been
/// empty: only what copies files tells then that files have changed.
fn is_early(work: &Work, step: &str) -> bool {
    let (Some(steps), Some(cached)) = (work.detail.steps, work.detail.cached) else { return false };
    cached * 2 < steps && steps.saturating_sub(cached) > LEAST_AFTER && (cached > 0 || is_copy(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{WorkDetail, plain};
    use crate::plan::insights::sample::{build, history};
    use crate::plan::sample::{component, stack};

    fn found(count: i64, steps: u32, cached: u32, step: impl Fn(i64) -> String, took_ms: i64) -> Vec<Finding> {
        find(&history(count, stack([component("api")]), |id| {
            let invalidated_at = Some(step(id));
            let detail =
                WorkDetail { steps: Some(steps), cached: Some(cached), invalidated_at, ..WorkDetail::default() };
            vec![build(id, "api", took_ms, detail)]
        }))
    }

    #[test]
    fn an_early_copy_that_changes_every_time_is_told() {
        let found = found(6, 6, 1, |_| "COPY . .".into(), 42_000);
        assert_eq!(found.len(), 1);
        let told = format!("{}\n{}\n{}", found[0].what, found[0].evidence, found[0].change);
        insta::assert_snapshot!(plain(&told), @r#"
        api: an early step of its Dockerfile changes with every push, and all after it is done anew
        `COPY . .` was the first step without a cache in 6 of 6 builds (deployments 2, 3, 4, 5, 6 and 1 before); of the newest's 6 steps 1 came from the cache. Builds take 42 s in the middle
        In its Dockerfile, copy first only the files that name what is to be installed (such as package.json, requirements.txt, go.mod, Cargo.toml with their lock files), install, and only then `COPY . .`
        "#);
    }

    #[test]
    fn a_value_that_is_another_each_time_is_told_in_other_words() {
        let found = found(5, 6, 2, |_| "RUN echo $COMMIT > /version".into(), 42_000);
        assert!(plain(&found[0].change).contains("move `RUN echo $COMMIT > /version` behind"), "{found:?}");
    }

    #[test]
    fn a_late_step_an_empty_cache_several_steps_a_quick_build_and_a_short_past_are_no_finding() {
        let copy = |_: i64| "COPY . .".to_string();
        assert_eq!(found(6, 6, 4, copy, 42_000), [], "most of it was cached");
        assert_eq!(found(6, 6, 0, |_| "RUN apt-get update".into(), 42_000), [], "the cache may have been emptied");
        assert_eq!(found(6, 6, 1, |id| format!("COPY {} .", id % 3), 42_000), [], "now this, now that");
        assert_eq!(found(6, 6, 1, copy, 900), [], "nothing to gain");
        assert_eq!(found(4, 6, 1, copy, 42_000), [], "too short");
    }
}
