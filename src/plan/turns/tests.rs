use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn ready(id: i64, project: &str, priority: i8) -> Ready {
    Ready { id: DeploymentId(id), project: ProjectName::new(project).unwrap(), priority }
}

fn order(ready: &[Ready], given: &Given) -> Vec<i64> {
    turns(ready, given, usize::MAX).into_iter().map(|id| id.0).collect()
}

fn running(list: &[(&str, usize)]) -> BTreeMap<ProjectName, usize> {
    list.iter().map(|(name, count)| (ProjectName::new(*name).unwrap(), *count)).collect()
}

#[test]
fn of_one_project_the_oldest_goes_first() {
    assert_eq!(order(&[ready(3, "a", 0), ready(1, "a", 0), ready(2, "a", 0)], &Given::default()), [1, 2, 3]);
}

#[test]
fn a_project_that_asks_for_much_does_not_hold_up_the_others() {
    let all = [ready(1, "a", 0), ready(2, "a", 0), ready(3, "a", 0), ready(4, "b", 0), ready(5, "c", 0)];
    assert_eq!(order(&all, &Given::default()), [1, 4, 5, 2, 3]);
    // And what runs already counts.
    let given = Given { running: running(&[("b", 1), ("c", 2)]), ..Given::default() };
    assert_eq!(order(&all, &given), [1, 4, 2, 5, 3]);
}

#[test]
fn who_was_served_longest_ago_goes_first() {
    let served = [("a", 30), ("b", 10), ("c", 20)].map(|(name, at)| (ProjectName::new(name).unwrap(), at));
    let given = Given { last: served.into(), ..Given::default() };
    assert_eq!(order(&[ready(1, "a", 0), ready(2, "b", 0), ready(3, "c", 0)], &given), [2, 3, 1]);
}

#[test]
fn production_goes_first_but_for_each_fourth_turn() {
    let production = (10..20).map(|id| ready(id, "shop", 10));
    let all: Vec<Ready> = [ready(1, "blog", 0), ready(2, "shop", 0)].into_iter().chain(production).collect();
    // The fourth turn is blog's, which has nothing under way; the eighth is shop's.
    assert_eq!(order(&all, &Given::default()), [10, 11, 12, 1, 13, 14, 15, 2, 16, 17, 18, 19]);
    // Turns that were given before count.
    let given = Given { turns: 3, ..Given::default() };
    assert_eq!(order(&all, &given)[..3], [1, 10, 11]);
}

#[test]
fn no_more_turns_than_there_are_slots() {
    let all = [ready(1, "a", 0), ready(2, "b", 0), ready(3, "c", 0)];
    assert_eq!(turns(&all, &Given::default(), 2), [DeploymentId(1), DeploymentId(2)]);
    assert!(turns(&[], &Given::default(), 2).is_empty());
}

fn cases() -> impl Strategy<Value = (Vec<Ready>, Given)> {
    let one = (0_usize..6, -3_i8..4);
    let past = prop::collection::vec((0_usize..4, 0_i64..100), 6);
    (prop::collection::vec(one, 0..60), past, 0_u64..8).prop_map(|(list, past, turns)| {
        let name = |number: usize| format!("p{number}");
        let ready = list.iter().enumerate();
        let ready =
            ready.map(|(id, (project, priority))| self::ready(id as i64 + 1, &name(*project), *priority)).collect();
        let named = |number: usize| ProjectName::new(name(number)).unwrap();
        let running = past.iter().enumerate().map(|(number, (running, _))| (named(number), *running)).collect();
        let last = past.iter().enumerate().map(|(number, (_, last))| (named(number), *last)).collect();
        (ready, Given { running, last, turns })
    })
}

/// The rule as it is written down, turn by turn, without any heap.
fn by_hand(ready: &[Ready], given: &Given) -> Vec<DeploymentId> {
    let (mut left, mut running, mut last) = (ready.to_vec(), given.running.clone(), given.last.clone());
    let newest = given.last.values().copied().max().unwrap_or(0);
    let mut order = Vec::new();
    while !left.is_empty() {
        let top = left.iter().map(|one| one.priority).max().unwrap();
        let lower: Vec<Ready> = left.iter().filter(|one| one.priority < top).cloned().collect();
        let is_fair = (given.turns + order.len() as u64 + 1).is_multiple_of(FAIR_TURN) && !lower.is_empty();
        let among = if is_fair { &lower } else { &left };
        let place = |one: &Ready| {
            let priority = if is_fair { 0 } else { one.priority };
            let served = last.get(&one.project).copied().unwrap_or(i64::MIN);
            (Reverse(priority), running.get(&one.project).copied().unwrap_or(0), served, one.id)
        };
        let next = among.iter().min_by_key(|one| place(one)).unwrap().clone();
        left.retain(|one| one.id != next.id);
        *running.entry(next.project.clone()).or_default() += 1;
        last.insert(next.project.clone(), newest + 1 + order.len() as i64);
        order.push(next.id);
    }
    order
}

proptest! {
    #[test]
    fn it_is_the_rule_turn_by_turn_and_everybody_gets_one((ready, given) in cases()) {
        let order = turns(&ready, &given, usize::MAX);
        prop_assert_eq!(&order, &by_hand(&ready, &given));
        let all: BTreeSet<DeploymentId> = order.iter().copied().collect();
        prop_assert_eq!(all.len(), ready.len());
    }

    /// However much of the highest priority waits, one of four turns is for the rest.
    #[test]
    fn nothing_waits_for_ever((mut ready, given) in cases()) {
        let Some(top) = ready.iter().map(|one| one.priority).max() else { return Ok(()) };
        let lower = ready.iter().filter(|one| one.priority < top).count();
        let flood = (0..200).map(|number| self::ready(1000 + number, "flood", top));
        ready.extend(flood);
        let order = turns(&ready, &given, FAIR_TURN as usize * lower);
        let served = order.iter().filter(|id| ready.iter().any(|one| one.id == **id && one.priority < top)).count();
        prop_assert_eq!(served, lower.min(order.len() / FAIR_TURN as usize));
    }
}
