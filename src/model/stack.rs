//! The Compose file as read for one environment.

use super::mount::is_false;
use super::{Component, ComponentName, Place, StrategySettings, Volume};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All components of a project in one environment, with the networks and volumes that they use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// The Compose project's name on the engine: prefix of container, network and volume names.
    pub compose_project: String,
    /// Top-level `name:`, which Compose would call the project. Nothing here is named by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose_name: Option<String>,
    pub components: BTreeMap<ComponentName, Component>,
    /// By key under top-level `networks`; `default` is there when a component uses it.
    pub networks: BTreeMap<String, Network>,
    /// By key under top-level `volumes`.
    pub volumes: BTreeMap<String, Volume>,
    /// Top-level `x-launchway`, with what the environment overrides.
    pub settings: StrategySettings,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// The name on the engine: `<compose project>_<key>`, or what `name:` says.
    pub name: String,
    /// Made by somebody else; must exist.
    #[serde(default, skip_serializing_if = "is_false")]
    pub external: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub internal: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub attachable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipam_driver: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipam: Vec<Subnet>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subnet {
    pub subnet: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

impl Stack {
    /// Whether the edge leads to any component.
    pub fn has_entries(&self) -> bool {
        self.components.values().any(|component| component.edge_entries().next().is_some())
    }

    /// Whether another component waits for this one to end with exit code 0.
    pub fn is_job(&self, name: &ComponentName) -> bool {
        self.components.values().any(|component| {
            component
                .depends_on
                .get(name)
                .is_some_and(|d| d.condition == super::Condition::ServiceCompletedSuccessfully)
        })
    }
}
