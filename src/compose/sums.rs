//! What all components of a file come to together, beside what it may come to.

use super::view::View;
use crate::model::budgets::{self, Budget};
use crate::model::{Component, ComponentName};
use std::collections::BTreeMap;

/// Reports sums that are larger than their budgets.
pub fn check(file: &View<'_>, components: &BTreeMap<ComponentName, Component>) {
    let Some(services) = file.get("services") else { return };
    // What is wrong with one of them says it better.
    if file.problems.has_errors() {
        return;
    }
    let sum = |of: fn(&Component) -> usize| components.values().map(of).fold(0, usize::saturating_add);
    let networks = file.get("networks").map(|section| section.node.entries().map_or(0, <[_]>::len));
    let sums: [(&Budget, usize, &str); 5] = [
        (&budgets::ALL_REPLICAS, sum(|component| component.replicas as usize), "replicas of all services"),
        (&budgets::ALL_MOUNTS, sum(|component| component.container.mounts.len()), "mounts of all services"),
        (&budgets::ATTACHMENTS, sum(|component| component.container.networks.len()), "places of services in networks"),
        (&budgets::DEPENDENCIES, sum(|component| component.depends_on.len()), "pairs of `depends_on`"),
        (&budgets::NETWORKS, networks.unwrap_or(0), "networks"),
    ];
    for (budget, count, what) in sums {
        if let Err(error) = budget.check(count as u64, format_args!("{count} {what}")) {
            services.error(error.to_string());
        }
    }
}
