//! The networks that a container hangs on, beside those that it should.

use crate::model::{Component, NetworkMode, ObservedContainer, Release};
use std::collections::BTreeSet;

/// Networks that the component names and the container does not hang on.
pub fn detached(release: &Release, component: &Component, container: &ObservedContainer) -> BTreeSet<String> {
    if component.container.network_mode != NetworkMode::Networks {
        return BTreeSet::new();
    }
    let names = component.container.networks.keys().filter_map(|key| release.stack.networks.get(key));
    names.map(|network| network.name.clone()).filter(|name| !container.networks.contains_key(name)).collect()
}
