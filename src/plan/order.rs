//! Which component waits for which: the topological order of `depends_on`.

use crate::model::{ComponentName, Stack};
// Not Tarjan's: petgraph's goes as deep into the stack as the longest chain.
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet};

/// Components that wait for each other, in the order of waiting; the first is not repeated at the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} wait for each other: {}", list(.members), ring(.members))]
pub struct Cycle {
    pub members: Vec<ComponentName>,
}

fn list(members: &[ComponentName]) -> String {
    match members {
        [] => String::new(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(ComponentName::as_str).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

fn ring(members: &[ComponentName]) -> String {
    members.iter().chain(members.first()).map(ComponentName::as_str).collect::<Vec<_>>().join(" -> ")
}

/// What a component waits for directly: its `depends_on`, and components whose network or processes it shares.
pub fn dependencies(stack: &Stack, name: &ComponentName) -> BTreeSet<ComponentName> {
    let Some(component) = stack.components.get(name) else { return BTreeSet::new() };
    let mut found: BTreeSet<ComponentName> =
        component.depends_on.keys().filter(|dependency| stack.components.contains_key(*dependency)).cloned().collect();
    found.extend(component.container.joins().into_iter().filter(|other| stack.components.contains_key(other)));
    found
}

/// The components in levels: each waits only for components of earlier levels, and stands in the first level that it
/// can. Names within a level are sorted.
pub fn levels(stack: &Stack) -> Result<Vec<Vec<ComponentName>>, Cycle> {
    let waits: BTreeMap<&ComponentName, BTreeSet<ComponentName>> =
        stack.components.keys().map(|name| (name, dependencies(stack, name))).collect();
    find_cycle(&waits)?;
    let mut open: BTreeMap<&ComponentName, usize> = BTreeMap::new();
    let mut dependants: BTreeMap<&ComponentName, Vec<&ComponentName>> = BTreeMap::new();
    for (name, dependencies) in &waits {
        open.insert(name, dependencies.len());
        for dependency in dependencies {
            dependants.entry(dependency).or_default().push(name);
        }
    }
    let mut levels: Vec<Vec<ComponentName>> = Vec::new();
    let mut ready: BTreeSet<&ComponentName> =
        open.iter().filter(|(_, waits)| **waits == 0).map(|(name, _)| *name).collect();
    while !ready.is_empty() {
        let mut next = BTreeSet::new();
        for dependant in ready.iter().filter_map(|name| dependants.get(name)).flatten() {
            if let Some(waits) = open.get_mut(dependant) {
                *waits -= 1;
                if *waits == 0 {
                    next.insert(*dependant);
                }
            }
        }
        levels.push(ready.into_iter().cloned().collect());
        ready = next;
    }
    Ok(levels)
}

/// All that a component waits for, directly or through others.
pub fn all_dependencies(stack: &Stack, name: &ComponentName) -> BTreeSet<ComponentName> {
    let mut found = BTreeSet::new();
    let mut next: Vec<ComponentName> = dependencies(stack, name).into_iter().collect();
    while let Some(dependency) = next.pop() {
        if found.insert(dependency.clone()) {
            next.extend(dependencies(stack, &dependency));
        }
    }
    found
}

fn find_cycle(waits: &BTreeMap<&ComponentName, BTreeSet<ComponentName>>) -> Result<(), Cycle> {
    let mut graph: DiGraphMap<&str, ()> = DiGraphMap::new();
    for (name, dependencies) in waits {
        graph.add_node(name.as_str());
        for dependency in dependencies {
            graph.add_edge(name.as_str(), dependency.as_str(), ());
        }
    }
    let circular = |group: &Vec<&str>| group.len() > 1 || graph.contains_edge(group[0], group[0]);
    let Some(group) = kosaraju_scc(&graph).into_iter().filter(circular).min_by_key(Vec::len) else { return Ok(()) };
    // Walk inside the group until a member comes again: that part of the walk is one ring.
    let mut walk: Vec<&str> = vec![group.iter().copied().min().unwrap_or(group[0])];
    loop {
        let here = walk[walk.len() - 1];
        let Some(next) = graph.neighbors(here).filter(|n| group.contains(n)).min() else { break };
        if let Some(start) = walk.iter().position(|seen| *seen == next) {
            walk.drain(..start);
            break;
        }
        walk.push(next);
    }
    let members = walk.into_iter().filter_map(|name| ComponentName::new(name).ok()).collect();
    Err(Cycle { members })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{component, stack};

    #[test]
    fn each_component_stands_in_the_first_level_it_can() {
        let stack = stack([
            component("web").after("api").after("cache"),
            component("api").after("db"),
            component("cache"),
            component("db"),
        ]);
        let levels: Vec<Vec<String>> =
            levels(&stack).unwrap().into_iter().map(|l| l.iter().map(|n| n.to_string()).collect()).collect();
        assert_eq!(levels, [vec!["cache", "db"], vec!["api"], vec!["web"]]);
    }

    #[test]
    fn a_cycle_names_its_members_and_nobody_else() {
        let stack = stack([
            component("a").after("b"),
            component("b").after("c"),
            component("c").after("a"),
            component("d").after("a"),
        ]);
        assert_eq!(levels(&stack).unwrap_err().to_string(), "a, b and c wait for each other: a -> b -> c -> a");
    }

    #[test]
    fn a_component_that_waits_for_itself_is_a_cycle() {
        let stack = stack([component("a").after("a")]);
        assert_eq!(levels(&stack).unwrap_err().to_string(), "a wait for each other: a -> a");
    }
}
