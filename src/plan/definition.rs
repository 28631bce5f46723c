//! Networks and volumes whose definition in the Compose file is no longer the one they were made by. Only what is written
//! counts: what the file leaves open is the engine's.

use crate::model::{Network, ObservedNetwork, ObservedVolume, Problem, Quoted, Release, Subnet, Volume};
use std::collections::BTreeMap;

/// Problems for what a release defines otherwise than it is there. The engine cannot change a network or a volume, and
/// neither is taken away under what uses it.
pub fn changed(
    release: &Release,
    networks: &BTreeMap<String, ObservedNetwork>,
    volumes: &BTreeMap<String, ObservedVolume>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, wanted) in release.stack.networks.iter().filter(|(_, network)| !network.external) {
        let Some(there) = networks.get(&wanted.name) else { continue };
        let changes = network(wanted, there);
        if !changes.is_empty() {
            let message = format!(
                "the network {} is there already, made otherwise: {}. An engine cannot change a network. Give it another `name:`, so that its components move to a new one; or stop what uses it, remove it (`docker network rm {}`) and deploy again.",
                wanted.name,
                changes.join(", "),
                wanted.name
            );
            problems.push(Problem::error(wanted.place.clone(), format!("networks.{key}"), message));
        }
    }
    for (key, wanted) in release.stack.volumes.iter().filter(|(_, volume)| !volume.external) {
        let Some(there) = volumes.get(&wanted.name) else { continue };
        let changes = volume(wanted, there);
        if !changes.is_empty() {
            let message = format!(
                "the volume {} is there already, made otherwise: {}. An engine cannot change a volume, and Launchway never removes one. Give it another `name:` and copy the data over, or take the change back.",
                wanted.name,
                changes.join(", ")
            );
            problems.push(Problem::error(wanted.place.clone(), format!("volumes.{key}"), message));
        }
    }
    problems
}

/// What differs, each as `internal: false there, true in the file`.
pub fn network(wanted: &Network, there: &ObservedNetwork) -> Vec<String> {
    let mut changes = Vec::new();
    if wanted.external {
        return changes;
    }
    let mut compare = |key: &str, there: String, wanted: String| {
        if there != wanted {
            let there = if there.is_empty() { "none" } else { &there };
            changes.push(format!("{key}: {there} there, {wanted} in the file"));
        }
    };
    if let Some(driver) = &wanted.driver {
        compare("driver", there.driver.clone(), driver.clone());
    }
    compare("internal", there.internal.to_string(), wanted.internal.to_string());
    if let Some(ipv6) = wanted.enable_ipv6 {
        compare("enable_ipv6", there.ipv6.to_string(), ipv6.to_string());
    }
    compare_options(&wanted.driver_opts, &there.options, &mut compare);
    if let Some(driver) = &wanted.ipam_driver {
        compare("ipam.driver", there.ipam_driver.clone(), driver.clone());
    }
    for pool in wanted.ipam.iter().filter(|pool| !there.ipam.iter().any(|one| gives(one, pool))) {
        let list: Vec<String> = there.ipam.iter().map(text).collect();
        compare("ipam", list.join(" and "), text(pool));
    }
    changes
}

/// How a volume that is there differs from what is wanted; empty where it does not.
pub fn volume(wanted: &Volume, there: &ObservedVolume) -> Vec<String> {
    let mut changes = Vec::new();
    if wanted.external {
        return changes;
    }
    let mut compare = |key: &str, there: String, wanted: String| {
        if there != wanted {
            let there = if there.is_empty() { "none" } else { &there };
            changes.push(format!("{key}: {there} there, {wanted} in the file"));
        }
    };
    if let Some(driver) = &wanted.driver {
        compare("driver", there.driver.clone(), driver.clone());
    }
    // Options say where the data is: one that is gone from the file counts too.
    let none = || "none".to_string();
    for (key, there) in there.options.iter().filter(|(key, _)| !wanted.driver_opts.contains_key(*key)) {
        compare(&format!("driver_opts.{key}"), Quoted(there).to_string(), none());
    }
    compare_options(&wanted.driver_opts, &there.options, &mut compare);
    changes
}

fn compare_options(
    wanted: &BTreeMap<String, String>,
    there: &BTreeMap<String, String>,
    compare: &mut impl FnMut(&str, String, String),
) {
    for (key, wanted) in wanted {
        let there = there.get(key).map_or_else(|| "none".into(), |there| Quoted(there).to_string());
        compare(&format!("driver_opts.{key}"), there, Quoted(wanted).to_string());
    }
}

/// Whether a pool that is there has all that is written of the wanted one.
fn gives(there: &Subnet, wanted: &Subnet) -> bool {
    let same = |there: &Option<String>, wanted: &Option<String>| wanted.is_none() || there == wanted;
    same(&there.subnet, &wanted.subnet)
        && same(&there.ip_range, &wanted.ip_range)
        && same(&there.gateway, &wanted.gateway)
}

fn text(pool: &Subnet) -> String {
    let parts = [&pool.subnet, &pool.ip_range, &pool.gateway];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
