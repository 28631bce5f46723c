//! Circles of a graph, as people read them.

// Not Tarjan's: petgraph's goes as deep into the stack as the longest chain.
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Where a graph leads back to itself: of each such group the first member by name, and one way round (`a -> b -> a`).
pub fn circles<'a>(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, String)> {
    let mut graph: DiGraphMap<&str, ()> = DiGraphMap::new();
    for (from, to) in edges {
        graph.add_edge(from, to, ());
    }
    let mut found = Vec::new();
    for members in kosaraju_scc(&graph) {
        let first = members.iter().min().copied().unwrap_or_default();
        if members.len() > 1 || graph.contains_edge(first, first) {
            found.push((first, circle(&graph, first, &members)));
        }
    }
    found
}

/// One way round, beginning and ending at `first`.
fn circle(graph: &DiGraphMap<&str, ()>, first: &str, members: &[&str]) -> String {
    let members: BTreeSet<&str> = members.iter().copied().collect();
    let is_member = |name: &str| members.contains(&name);
    // From where each was reached first.
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut todo = VecDeque::from([first]);
    while let Some(at) = todo.pop_front() {
        for next in graph.neighbors(at).filter(|next| is_member(next)) {
            if next == first {
                let mut way = vec![first, at];
                while let Some(before) = came_from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                way.truncate(members.len() + 1);
                if at == first {
                    way = vec![first, first];
                }
                way.reverse();
                return way.join(" -> ");
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(next) {
                entry.insert(at);
                todo.push_back(next);
            }
        }
    }
    members.into_iter().collect::<Vec<_>>().join(", ")
}
