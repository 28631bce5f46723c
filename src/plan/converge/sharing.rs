//! Who shares another component's network (`network_mode: service:x`) has the one that the other's container had when both were
//! started. When that container is started anew, whoever did it, its network is another one, and who shares the old one reaches
//! nobody. Likewise with its processes (`pid: service:x`): those of who shares them end with the other's first one.

use super::is_up;
use crate::model::{Component, ComponentName, Method, ObservedContainer};
use crate::plan::method;
use crate::plan::relations::Relations;
use crate::plan::slots::Matching;
use std::collections::{BTreeMap, BTreeSet};

/// Shared is what the first replica has.
const OWNER: u32 = 1;

/// Notes what is restarted though it stays as it is. Returns who is because of what it shares.
pub(super) fn mark_restarts<'c>(
    relations: &Relations<'_>,
    components: &[&'c Component],
    matchings: &mut BTreeMap<&'c ComponentName, Matching>,
    again: &BTreeSet<ComponentName>,
) -> BTreeSet<ComponentName> {
    let mut shares_anew = BTreeSet::new();
    for component in components {
        let Some(mut matching) = matchings.remove(&component.name) else { continue };
        let replaced = |name: &ComponentName| matchings.get(name).is_some_and(|m| m.is_replaced());
        let outlived = outlives_shared(component, &matching, matchings);
        shares_anew.extend(outlived.then(|| component.name.clone()));
        matching.restart = component.depends_on.iter().any(|(name, d)| d.restart && replaced(name))
            || again.contains(&component.name)
            || outlived;
        if matching.restart && method::choose_in(relations, component).method != Method::Recreate {
            // A restart would interrupt it: others take over instead.
            matching.replace_all();
        }
        matchings.insert(&component.name, matching);
    }
    shares_anew
}

/// Whether what runs of the component, and stays, shares what is gone, or goes now. `others`: those before it in order.
fn outlives_shared(component: &Component, matching: &Matching, others: &BTreeMap<&ComponentName, Matching>) -> bool {
    component.container.joins().iter().filter_map(|owner| others.get(owner)).any(|owners| outlives(matching, owners))
}

fn outlives(matching: &Matching, owners: &Matching) -> bool {
    let Some((_, owner)) = owners.kept().find(|(replica, _)| *replica == OWNER) else { return false };
    // A job that is done stays as it is, and so does what it shares for whom that is shared with.
    let is_to_run = owners.slots().any(|(replica, _)| replica == OWNER);
    let is_started_now = owners.restart || (is_to_run && !is_up(owner));
    matching.kept().any(|(_, sharer)| is_up(sharer) && (is_started_now || is_older(sharer, owner)))
}

/// Whether a container was started before the one with which it shares something.
pub fn is_older(sharer: &ObservedContainer, owner: &ObservedContainer) -> bool {
    matches!((sharer.started_ms, owner.started_ms), (Some(sharer), Some(owner)) if sharer < owner)
}
