use crate::model::{FoundContainer, Observed, Release, Stack};
use crate::plan::converge::found::found;
use crate::plan::converge::tests::{ALL, FORWARD, live, random_stack, release, wanted};
use crate::plan::converge::{converge, is_up};
use crate::plan::sample::{component, stack};
use crate::plan::simulation::Simulation;
use crate::plan::{Goal, Wanted};
use proptest::prelude::*;

/// A stack that somebody else started: nothing of it is of a deployment.
fn by_hand(file: Stack) -> Simulation {
    let mut engine = live(&release(9, file));
    for container in &mut engine.observed.containers {
        (container.fingerprint, container.release, container.deployment) = (None, None, None);
    }
    engine
}

fn back<'a>(to: Option<&'a Release>, noted: &[FoundContainer]) -> Wanted<'a> {
    Wanted {
        release: to,
        accepted: Default::default(),
        deployment: Some(crate::model::DeploymentId(2)),
        goal: Goal::PutBack,
        release_commands: Default::default(),
        passed: Default::default(),
        unnamed: Default::default(),
        found: noted.to_vec(),
    }
}

/// What stands: name, whether it runs, and its unnamed volumes, by the engine's id.
fn standing(observed: &Observed) -> Vec<(String, String, bool, Vec<String>)> {
    let one = |c: &crate::model::ObservedContainer| {
        (c.id.clone(), c.name.clone(), is_up(c), c.anonymous_volumes.values().cloned().collect())
    };
    let mut all: Vec<_> = observed.containers.iter().map(one).collect();
    all.sort();
    all
}

#[test]
fn a_first_deployment_that_fails_leaves_the_stack_that_it_was_to_take_over() {
    let file = || stack([component("web").publishes(8080, 80).after("db"), component("db").volume("data", "/data")]);
    let mut engine = by_hand(file());
    engine.observed.containers[0].anonymous_volumes.insert("/cache".into(), "f00".into());
    let before = standing(&engine.observed);
    let noted = found(&engine.observed);
    let new = release(1, file());
    engine.carry_out(&converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap(), FORWARD, usize::MAX);
    let plan = converge(&back(None, &noted), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 shop-db-1, stop container, what was there before comes back
    [1] -> #2 shop-db-1, remove container, what was there before comes back
    #3 shop-web-1, stop container, what was there before comes back
    [3] -> #4 shop-web-1, remove container, what was there before comes back
    [1,3] -> #5 shop-db-1, rename container to shop-db-1.old-00000005, its name is wanted
    [5] -> #6 shop-db-1.old-00000001, rename container to shop-db-1, it had this name before
    [6] -> #7 shop-web-1, rename container to shop-web-1.old-00000006, its name is wanted
    [7] -> #8 shop-web-1.old-00000002, rename container to shop-web-1, it had this name before
    [8] -> #9 shop-db-1.old-00000001, start container, it ran before
    [9] -> #10 shop-web-1.old-00000002, start container, it ran before
    ");
    engine.carry_out(&plan, ALL, usize::MAX);
    assert_eq!(standing(&engine.observed), before);
    assert!(converge(&back(None, &noted), &engine.observed).unwrap().is_empty());
}

#[test]
fn what_did_not_run_before_does_not_run_afterwards() {
    let mut engine = by_hand(stack([component("web"), component("old")]));
    for container in engine.observed.containers.iter_mut().filter(|c| c.name == "shop-web-1") {
        container.state = crate::model::ContainerState::Exited { code: 0 };
    }
    let (before, noted) = (standing(&engine.observed), found(&engine.observed));
    let new = release(1, stack([component("web")]));
    engine.carry_out(&converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap(), FORWARD, usize::MAX);
    engine.carry_out(&converge(&back(None, &noted), &engine.observed).unwrap(), ALL, usize::MAX);
    assert_eq!(standing(&engine.observed), before);
}

#[test]
fn what_stands_beside_a_live_release_comes_back_with_it() {
    let web = |version: &str| component("web").env("VERSION", version);
    let db = || component("db").volume("data", "/data").publishes(5432, 5432);
    let old = release(1, stack([web("1")]));
    let mut engine = live(&old);
    let mut by_hand = by_hand(stack([db()]));
    by_hand.observed.containers[0].id = "byhand00".into();
    engine.observed.containers.push(by_hand.observed.containers.remove(0));
    engine.observed.volumes.extend(by_hand.observed.volumes);
    let (before, noted) = (standing(&engine.observed), found(&engine.observed));
    let new = release(2, stack([web("2"), db()]));
    engine.carry_out(&converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap(), FORWARD, usize::MAX);
    let plan = converge(&back(Some(&old), &noted), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 shop-web-1, stop container, release 1 replaces it
    [1] -> #2 shop-web-1, rename container to shop-web-1.old-00000004, its name is wanted
    [2] -> #3 web-1, rename container to shop-web-1, it takes the name over
    [3] -> #4 web-1, start container, it is not running
    [4] -> #5 web-1, wait until ready
    [5] -> #6 shop-db-1, stop container, what was there before comes back
    [6] -> #7 shop-db-1, rename container to shop-db-1.old-00000003, its name is wanted
    [7] -> #8 shop-db-1.old-byhand00, rename container to shop-db-1, it had this name before
    [8] -> #9 shop-db-1.old-byhand00, start container, it ran before
    #10 shop-web-1, remove container, release 1 has replaced it
    #11 shop-db-1, remove container, the Compose file no longer has it; its volumes stay
    ");
    engine.carry_out(&plan, ALL, usize::MAX);
    assert_eq!(standing(&engine.observed), before);
    assert!(converge(&back(Some(&old), &noted), &engine.observed).unwrap().is_empty());
}

/// Whose each container is, before a deployment.
#[derive(Debug, Clone, Copy)]
enum Whose {
    /// Somebody else's: no label of ours.
    Foreign,
    /// Another store's, adopted: its fingerprint says what it is made of.
    Adopted,
    /// Of a deployment that failed and was not put back.
    Left,
}

fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![Just(Whose::Foreign), Just(Whose::Adopted), Just(Whose::Left)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From any mix of foreign, adopted and own containers, whatever of a deployment was carried out, and however often going
    /// back was interrupted: nothing is removed that no deployment made, and all of it stands as it stood.
    #[test]
    fn no_failing_deployment_takes_what_it_did_not_make(
        old in random_stack(), new in random_stack(), who in proptest::collection::vec((whose(), any::<bool>()), 16),
        prefix in 0usize..60, first in 0usize..30,
    ) {
        let mut engine = live(&release(9, old));
        for (container, (whose, runs)) in engine.observed.containers.iter_mut().zip(who) {
            match whose {
                Whose::Foreign => {
                    (container.fingerprint, container.release, container.deployment) = (None, None, None);
                }
                Whose::Adopted => (container.release, container.deployment) = (None, None),
                Whose::Left => {}
            }
            if !runs {
                container.state = crate::model::ContainerState::Exited { code: 0 };
            }
        }
        let noted = found(&engine.observed);
        let ours = |engine: &Simulation| {
            let all = standing(&engine.observed).into_iter();
            all.filter(|(id, ..)| noted.iter().any(|found| found.id == *id)).collect::<Vec<_>>()
        };
        let before = ours(&engine);
        let new = release(1, new);
        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, FORWARD, prefix);
        prop_assert_eq!(ours(&engine).len(), before.len(), "forwards");
        for limit in [first, usize::MAX, usize::MAX] {
            let plan = converge(&back(None, &noted), &engine.observed).unwrap();
            engine.carry_out(&plan, ALL, limit);
            prop_assert_eq!(ours(&engine).len(), before.len(), "{}", plan);
        }
        prop_assert_eq!(standing(&engine.observed), before, "{:?}", engine.picture());
    }

    /// The same beside a release that is live.
    #[test]
    fn nor_does_one_that_is_put_back_to_a_release(
        old in random_stack(), by_hand in random_stack(), new in random_stack(), prefix in 0usize..60, first in 0usize..30,
    ) {
        let old = release(1, old);
        let mut engine = live(&old);
        let free = |name: &crate::model::ComponentName| !old.stack.components.contains_key(name);
        let (mut other, shares) = (live(&release(9, by_hand)), |c: &crate::model::ObservedContainer| !c.published.is_empty() || !c.volumes.is_empty());
        for mut container in other.observed.containers.drain(..).filter(|c| free(&c.component) && !shares(c)) {
            container.id = format!("by{}", container.id);
            (container.fingerprint, container.release, container.deployment) = (None, None, None);
            engine.observed.containers.push(container);
        }
        let (before, noted) = (standing(&engine.observed), found(&engine.observed));
        let new = release(2, new);
        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, FORWARD, prefix);
        for limit in [first, usize::MAX, usize::MAX] {
            let plan = converge(&back(Some(&old), &noted), &engine.observed).unwrap();
            engine.carry_out(&plan, ALL, limit);
        }
        let what = |all: Vec<(String, String, bool, Vec<String>)>| {
            all.into_iter().map(|(_, name, up, volumes)| (name, up, volumes)).collect::<Vec<_>>()
        };
        let (mut after, mut before) = (what(standing(&engine.observed)), what(before));
        after.sort();
        before.sort();
        prop_assert_eq!(after, before, "{:?}", engine.picture());
    }
}
