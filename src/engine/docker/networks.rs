//! Networks.

use super::answer::Denied;
use super::connect::DockerEngine;
use crate::engine::{EngineError, Outcome, Whose};
use crate::model::{Kind, label};
use crate::plan::NetworkSpec;
use crate::plan::routing::EDGE_NETWORK;
use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use std::collections::{BTreeMap, HashMap};

impl DockerEngine {
    pub(super) async fn create_network(&self, spec: &NetworkSpec) -> Result<Outcome, EngineError> {
        let name = &spec.network.name;
        let _held = self.hold(&format!("network {name}")).await;
        if let Some(found) = self.networks_named(name).await?.first() {
            return accepted(spec, self.whose_network(found));
        }
        if spec.network.external {
            return Err(EngineError::NotFound {
                what: format!("the external network {name} (create it with `docker network create {name}`)"),
            });
        }
        let labels = self.ownership.sealed(Kind::Network, spec.labels.clone());
        let asked = self.client().create_network(create_request(spec, labels.into_iter().collect()));
        let created = match self.change(format!("create network {name}"), asked).await {
            Ok(created) => created.id,
            Err(denied) if denied.is_conflict() => match self.networks_named(name).await?.first() {
                Some(found) => return accepted(spec, self.whose_network(found)),
                None => return Err(denied.into()),
            },
            // Of the edge's network nobody chose the subnet but us.
            Err(denied) if denied.says("overlap") && is_edge(spec) => {
                let why = EngineError::from(denied).to_string();
                return Err(EngineError::SubnetTaken { network: name.clone(), why });
            }
            Err(denied) => {
                return Err(match way_out(&denied) {
                    Some(way_out) => denied.hint(way_out).into(),
                    None => denied.into(),
                });
            }
        };
        // Before API 1.44 two networks may have one name, and somebody else may have been as quick: the older one stays.
        let mut all = self.networks_named(name).await?;
        all.sort_by_key(|network| network.created);
        if let Some(first) = all.first().filter(|first| first.id.as_deref() != Some(&created)) {
            let removed = self.client().remove_network(&created);
            self.change(format!("remove the second network {name}"), removed).await?;
            return accepted(spec, self.whose_network(first));
        }
        Ok(Outcome::default())
    }

    /// Whether it was removed. A container that does not run would not find it when it is started again: the engine
    /// itself asks only for those that run.
    pub(super) async fn take_network_away(&self, name: &str) -> Result<bool, EngineError> {
        let _held = self.hold(&format!("network {name}")).await;
        for found in self.networks_named(name).await? {
            let Some(id) = found.id else { continue };
            let filters = HashMap::from([("network".to_string(), vec![id.clone()])]);
            let users = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
            let asked = self.client().list_containers(Some(users));
            if !self.query(format!("ask who uses network {name}"), asked).await?.is_empty() {
                return Ok(false);
            }
            let asked = self.client().remove_network(&id);
            match self.change(format!("remove network {name}"), asked).await {
                Ok(()) => {}
                Err(denied) if denied.is_not_found() => {}
                // Somebody was quicker, and uses it now.
                Err(denied) if denied.says("active endpoints") => return Ok(false),
                Err(denied) => return Err(denied.into()),
            }
        }
        Ok(true)
    }

    fn whose_network(&self, found: &Network) -> Whose {
        let labels = found.labels.clone().unwrap_or_default().into_iter().collect();
        self.ownership.whose(Kind::Network, found.id.as_deref().unwrap_or_default(), labels)
    }

    async fn networks_named(&self, name: &str) -> Result<Vec<Network>, EngineError> {
        let filters = HashMap::from([("name".to_string(), vec![name.to_string()])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let asked = self.client().list_networks(Some(options));
        let mut found = self.query(format!("look for network {name}"), asked).await?;
        // The engine's filter matches parts of names.
        found.retain(|network| network.name.as_deref() == Some(name));
        Ok(found)
    }
}

/// What to do where there are no addresses for a network.
fn way_out(denied: &Denied) -> Option<&'static str> {
    // Up to Docker 26 by the first words, from 27 on by the second.
    if denied.says("non-overlapping") || denied.says("fully subnetted") {
        return Some(
            "The engine's address pools are used up, for everybody: `docker network ls` shows by whom, `docker network prune` removes networks that nothing uses, `default-address-pools` in the engine's daemon.json adds more",
        );
    }
    denied.says("overlap").then_some(
        "Another network has this subnet; `docker network ls` and `docker network inspect` show which. Choose another `subnet` under `ipam`",
    )
}

fn is_edge(spec: &NetworkSpec) -> bool {
    spec.labels.get(label::COMPOSE_NETWORK).is_some_and(|key| key == EDGE_NETWORK)
}

fn create_request(spec: &NetworkSpec, labels: HashMap<String, String>) -> NetworkCreateRequest {
    let network = &spec.network;
    let pools: Vec<IpamConfig> = network
        .ipam
        .iter()
        .map(|pool| IpamConfig {
            subnet: pool.subnet.clone(),
            ip_range: pool.ip_range.clone(),
            gateway: pool.gateway.clone(),
            auxiliary_addresses: None,
        })
        .collect();
    let ipam =
        Ipam { driver: network.ipam_driver.clone(), config: (!pools.is_empty()).then_some(pools), options: None };
    NetworkCreateRequest {
        name: network.name.clone(),
        driver: network.driver.clone(),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv6: network.enable_ipv6,
        ipam: (ipam != Ipam::default()).then_some(ipam),
        options: (!network.driver_opts.is_empty()).then(|| network.driver_opts.clone().into_iter().collect()),
        labels: Some(labels),
        ..Default::default()
    }
}

fn accepted(spec: &NetworkSpec, whose: Whose) -> Result<Outcome, EngineError> {
    let name = &spec.network.name;
    if spec.network.external || belongs(&spec.labels, &whose) {
        return Ok(Outcome::default());
    }
    Err(EngineError::NameTaken {
        kind: "network",
        name: name.clone(),
        why: format!(
            "it carries no label of this environment. Remove it with `docker network rm {name}`; or, if it is meant, declare it `external: true` and allow it in launchway.toml with `allow.external = [{name:?}]`"
        ),
    })
}

/// Whether what is there is what these labels describe: ours of the same environment, or Compose's of the same project.
pub(super) fn belongs(wanted: &BTreeMap<String, String>, whose: &Whose) -> bool {
    let same =
        |there: &BTreeMap<String, String>, key: &str| there.contains_key(key) && there.get(key) == wanted.get(key);
    match whose {
        Whose::Ours(there) => same(there, label::PROJECT) && same(there, label::ENVIRONMENT),
        Whose::Others(there) => same(there, label::COMPOSE_PROJECT),
        Whose::AnotherStores(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::errors::Error;

    #[test]
    fn no_addresses_for_a_network_is_an_error_with_the_way_out() {
        let hint = |message: &str| {
            let error = Error::DockerResponseServerError { status_code: 500, message: message.into() };
            way_out(&Denied::new("unix:///s", "create network shop_default", error)).unwrap_or("none")
        };
        for used_up in [
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
            "all predefined address pools have been fully subnetted",
        ] {
            assert!(
                hint(used_up).contains("address pools are used up, for everybody: `docker network ls`"),
                "{used_up}"
            );
        }
        for taken in ["Pool overlaps with other one on this address space", "invalid pool request: Pool overlaps"] {
            assert!(hint(taken).starts_with("Another network has this subnet"), "{taken}");
        }
        assert_eq!(hint("network with name shop_default already exists"), "none");
    }
}
