//! Who shares another component's network (`network_mode: service:x`) has the one that the other's container had when both were
//! started. When that container is started anew, whoever did it, its network is another one, and who shares the old one reaches
//! nobody.

use super::is_up;
use crate::model::{Component, ComponentName, NetworkMode, ObservedContainer};
use crate::plan::slots::Matching;
use std::collections::BTreeMap;

/// Shared is the network of the first replica.
const OWNER: u32 = 1;

/// Whether what runs of the component, and stays, has a network that is gone, or goes now. `others`: those before it in order.
pub(super) fn outlives_network(
    component: &Component,
    matching: &Matching,
    others: &BTreeMap<&ComponentName, Matching>,
) -> bool {
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
