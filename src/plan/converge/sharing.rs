//! Who shares another component's network (`network_mode: service:x`) has the one that the other's container had when both were
//! started. When that container is started anew, whoever did it, its network is another one, and who shares the old one reaches
//! nobody.

use super::is_up;
use crate::model::{Component, ComponentName, Method, NetworkMode, ObservedContainer};
use crate::plan::method;
use crate::plan::relations::Relations;
use crate::plan::slots::Matching;
use std::collections::{BTreeMap, BTreeSet};

/// Shared is the network of the first replica.
const OWNER: u32 = 1;

/// Notes what is restarted though it stays as it is. Returns who is because of the network that it shares.
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
        let outlived = outlives_network(component, &matching, matchings);
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

/// Whether what runs of the component, and stays, has a network that is gone, or goes now. `others`: those before it in order.
fn outlives_network(component: &Component, matching: &Matching, others: &BTreeMap<&ComponentName, Matching>) -> bool {
    let NetworkMode::Component(owner) = &component.container.network_mode else { return false };
    let Some(owners) = others.get(owner) else { return false };
    let Some((_, owner)) = owners.kept().find(|(replica, _)| *replica == OWNER) else { return false };
    // A job that is done stays as it is, and so does its network for whom it is shared with.
    let is_to_run = owners.slots().any(|(replica, _)| replica == OWNER);
    let is_started_now = owners.restart || (is_to_run && !is_up(owner));
    matching.kept().any(|(_, sharer)| is_up(sharer) && (is_started_now || is_older(sharer, owner)))
}

/// Whether a container was started before the one whose network it shares.
pub fn is_older(sharer: &ObservedContainer, owner: &ObservedContainer) -> bool {
    matches!((sharer.started_ms, owner.started_ms), (Some(sharer), Some(owner)) if sharer < owner)
}
