//! A snapshot of what is there.

use super::connect::{ApiVersion, DockerEngine};
use super::content::filled_by;
use super::observed::{component_of, foreign, is_oneoff, observed};
use crate::engine::{EngineError, Labels, Scope, Whose, volume_id};
use crate::model::{AnotherStore, Kind, Observed, ObservedFront, ObservedNetwork, ObservedVolume, Subnet, label};
use crate::plan::routing::EDGE_NETWORK;
use bollard::models::{ContainerInspectResponse, ContainerSummary, IpamConfig, Network, Volume};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, HashSet};

/// How many containers are asked about at once.
const AT_ONCE: usize = 16;

impl DockerEngine {
    pub(super) async fn snapshot(&self, scope: &Scope) -> Result<Observed, EngineError> {
        self.api().await?;
        let every = ListContainersOptionsBuilder::new().all(true).build();
        let (listed, networks, volumes) = tokio::try_join!(
            self.query("list the containers", self.client().list_containers(Some(every))),
            self.query("list the networks", self.client().list_networks(None::<ListNetworksOptions>)),
            self.query("list the volumes", self.client().list_volumes(None::<ListVolumesOptions>)),
        )?;
        let listed: Vec<Listed> = listed.into_iter().map(|container| self.listed(container)).collect();
        let incomplete: HashSet<String> = listed.iter().filter_map(|one| one.fills.clone()).collect();
        let networks: BTreeMap<String, ObservedNetwork> =
            networks.into_iter().filter_map(|found| self.network(found)).collect();
        let edge = networks.iter().find(|(_, network)| is_the_edges(network, scope)).map(|(name, _)| name.clone());
        let (own, mut others): (Vec<Listed>, Vec<Listed>) =
            listed.into_iter().filter(|one| one.fills.is_none()).partition(|one| one.is_own(scope));
        // One that went away between the list and now is simply not there.
        let inspected: Vec<(Listed, Option<ContainerInspectResponse>)> = futures_util::stream::iter(own)
            .map(|one| async move {
                let found = self.look_up(one.container.id.as_deref().unwrap_or_default()).await?;
                Ok::<_, EngineError>((one, found))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let (mut containers, mut release_commands, mut fronts) = (Vec::new(), Vec::new(), Vec::new());
        for (one, found) in inspected {
            let Some(found) = found else { continue };
            if !one.is_ours && self.has_it_from_its_image(&found).await? {
                others.push(one);
                continue;
            }
            let Some(container) = observed(&found, &one.labels, edge.as_deref()) else { continue };
            match one.labels.get(label::ROLE).map(String::as_str) {
                None => containers.push(container),
                Some(label::RELEASE_COMMAND) => release_commands.push(container),
                Some(label::FRONT) => fronts.push(container),
                // Of a later version: nothing is done to it.
                Some(_) => {}
            }
        }
        for all in [&mut containers, &mut release_commands, &mut fronts] {
            all.sort_by(|a, b| (&a.component, a.replica, &a.name).cmp(&(&b.component, b.replica, &b.name)));
        }
        let front = |container| ObservedFront { container, routes: None, program: None, moved_ms: None };
        let fronts = fronts.into_iter().map(front).collect();
        let own = self.own_things().await?.clone();
        Ok(Observed {
            store: self.ownership.key().store().to_string(),
            own_volumes: own.volumes,
            own_networks: own.networks,
            containers,
            release_commands,
            networks,
            volumes: volumes
                .volumes
                .unwrap_or_default()
                .into_iter()
                // Only what holds files of a commit is ever filled.
                .filter(|volume| !(volume.labels.contains_key(label::CONTENT) && incomplete.contains(&volume.name)))
                .map(|found| self.volume(found))
                .collect(),
            listening: if self.local { super::host_ports::listening() } else { Vec::new() },
            foreign: others.iter().filter_map(|one| foreign(&one.container, one.another.clone())).collect(),
            edge: None,
            fronts,
            front_program: self.front_program().await?,
            filters_ipv6: self.api().await? >= ApiVersion::FILTERS_IPV6,
        })
    }
}

/// A container of the list, and what is known of it.
struct Listed {
    container: ContainerSummary,
    /// The volume that it fills, as it says: others' fill theirs, too.
    fills: Option<String>,
    /// Those that are true of it.
    labels: Labels,
    is_ours: bool,
    another: Option<AnotherStore>,
}

impl Listed {
    /// Ours of this environment, whatever it is for, or Compose's of the same Compose project, started by hand.
    fn is_own(&self, scope: &Scope) -> bool {
        if component_of(&self.labels).is_none() {
            return false;
        }
        match self.is_ours {
            true => is_of(&self.labels, scope),
            false => {
                let is_replica = self.labels.contains_key(label::COMPOSE_NUMBER) && !is_oneoff(&self.labels);
                is_replica && self.labels.get(label::COMPOSE_PROJECT) == Some(&scope.compose_project)
            }
        }
    }
}

fn is_of(labels: &Labels, scope: &Scope) -> bool {
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    is(label::PROJECT, scope.project.as_str()) && is(label::ENVIRONMENT, scope.environment.as_str())
}

/// What Compose writes on containers only, and never on the images that it builds.
const OF_CONTAINERS: [&str; 3] = [label::COMPOSE_NUMBER, label::COMPOSE_ONEOFF, label::COMPOSE_CONFIG_HASH];

impl DockerEngine {
    fn listed(&self, container: ContainerSummary) -> Listed {
        let raw: Labels = container.labels.clone().unwrap_or_default().into_iter().collect();
        let id = container.id.as_deref().unwrap_or_default();
        let claimed = filled_by(&raw).cloned();
        let whose = self.ownership.whose(Kind::Container, id, raw);
        let is_ours = matches!(whose, Whose::Ours(_));
        let (labels, another) = whose.into_labels();
        let fills = if is_ours { filled_by(&labels).cloned() } else { claimed };
        Listed { container, fills, labels, is_ours, another }
    }

    /// Whether what makes it Compose's is written by its image. Compose's own containers have it of themselves.
    async fn has_it_from_its_image(&self, found: &ContainerInspectResponse) -> Result<bool, EngineError> {
        let Some(image) = found.image.as_deref() else { return Ok(false) };
        let Some(image) = self.find_image(image).await? else { return Ok(false) };
        Ok(OF_CONTAINERS.iter().any(|key| image.labels.contains_key(*key)))
    }

    fn network(&self, found: Network) -> Option<(String, ObservedNetwork)> {
        let id = found.id.unwrap_or_default();
        let labels = found.labels.unwrap_or_default().into_iter().collect();
        let (labels, another) = self.ownership.whose(Kind::Network, &id, labels).into_labels();
        let observed = ObservedNetwork {
            id,
            labels,
            driver: found.driver.unwrap_or_default(),
            internal: found.internal.unwrap_or_default(),
            ipv6: found.enable_ipv6.unwrap_or_default(),
            options: found.options.unwrap_or_default().into_iter().collect(),
            ipam_driver: found.ipam.as_ref().and_then(|ipam| ipam.driver.clone()).unwrap_or_default(),
            ipam: found.ipam.and_then(|ipam| ipam.config).unwrap_or_default().into_iter().map(subnet).collect(),
            another,
        };
        Some((found.name?, observed))
    }

    fn volume(&self, found: Volume) -> (String, ObservedVolume) {
        let (labels, another) = self.whose_volume(&found).into_labels();
        let observed =
            ObservedVolume { labels, driver: found.driver, options: found.options.into_iter().collect(), another };
        (found.name, observed)
    }

    pub(super) fn whose_volume(&self, found: &Volume) -> Whose {
        let id = volume_id(&found.name, found.created_at.map(|at| at.to_string()).as_deref());
        self.ownership.whose(Kind::Volume, &id, found.labels.clone().into_iter().collect())
    }
}

fn is_the_edges(network: &ObservedNetwork, scope: &Scope) -> bool {
    is_of(&network.labels, scope) && network.labels.get(label::COMPOSE_NETWORK).is_some_and(|key| key == EDGE_NETWORK)
}

fn subnet(found: IpamConfig) -> Subnet {
    Subnet { subnet: found.subnet, ip_range: found.ip_range, gateway: found.gateway }
}
