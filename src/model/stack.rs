//! The Compose file as read for one environment.

use super::mount::is_false;
use super::{Component, ComponentName, Place, Secret, StrategySettings, Volume};
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
    /// For masking, and for nothing else.
    #[serde(default, skip_serializing_if = "StackValues::is_empty")]
    pub values: StackValues,
}

/// What values were when the files were read, beside those that components hold: they may be a part of one, and what an app
/// prints of its release is hidden also when launchway.toml and the files have others by then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StackValues {
    /// Of `secrets` in launchway.toml, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, Secret>,
    /// Of variables: those of launchway.toml and of env files that the Compose files are read with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Secret>,
    /// Of top-level `secrets` that a component or build gets, by key, where they are text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
}

impl StackValues {
    fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.variables.is_empty() && self.secrets.is_empty()
    }
}

/// A network of a stack.
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

/// A range of addresses of a network: an entry of `ipam.config`.
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
