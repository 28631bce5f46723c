//! A snapshot of what is there.

use super::connect::{ApiVersion, DockerEngine};
use super::content::filled_by;
use super::observed::{component_of, foreign, is_oneoff, observed};
use crate::engine::{EngineError, Scope};
use crate::model::{Observed, ObservedFront, ObservedNetwork, ObservedVolume, Subnet, label};
use bollard::models::{ContainerSummary, IpamConfig, Network, Volume};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::HashSet;

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
        let incomplete: HashSet<String> =
            listed.iter().filter_map(|container| filled_by(container.labels.as_ref()).cloned()).collect();
        let listed = listed.into_iter().filter(|container| filled_by(container.labels.as_ref()).is_none());
        let (own, others): (Vec<_>, Vec<_>) =
            listed.partition(|container| is_own(container, scope) || has_a_role(container, scope).is_some());
        let with_role = |role: &str| -> HashSet<String> {
            own.iter().filter(|c| has_a_role(c, scope) == Some(role)).filter_map(|c| c.id.clone()).collect()
        };
        let (commands, fronts) = (with_role(label::RELEASE_COMMAND), with_role(label::FRONT));
        let ids: Vec<String> = own.into_iter().filter_map(|container| container.id).collect();
        // One that went away between the list and now is simply not there.
        let inspected: Vec<_> = futures_util::stream::iter(ids)
            .map(|id| async move { self.look_up(&id).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut containers: Vec<_> = inspected.into_iter().flatten().filter_map(|found| observed(&found)).collect();
        containers.sort_by(|a, b| (&a.component, a.replica, &a.name).cmp(&(&b.component, b.replica, &b.name)));
        let (release_commands, containers): (_, Vec<_>) =
            containers.into_iter().partition(|c| commands.contains(&c.id));
        let (fronts, containers): (Vec<_>, _) = containers.into_iter().partition(|c| fronts.contains(&c.id));
        let front = |container| ObservedFront { container, routes: None, program: None, moved_ms: None };
        let fronts = fronts.into_iter().map(front).collect();
        Ok(Observed {
            containers,
            release_commands,
            networks: networks.into_iter().filter_map(network).collect(),
            volumes: volumes
                .volumes
                .unwrap_or_default()
                .into_iter()
                .filter(|volume| !incomplete.contains(&volume.name))
                .map(volume)
                .collect(),
            listening: if self.local { super::host_ports::listening() } else { Vec::new() },
            foreign: others.iter().filter_map(foreign).collect(),
            edge: None,
            fronts,
            front_program: self.front_program().await?,
            filters_ipv6: self.api().await? >= ApiVersion::FILTERS_IPV6,
        })
    }
}

/// Ours of this environment, or Compose's of the same Compose project, started by hand.
fn is_own(listed: &ContainerSummary, scope: &Scope) -> bool {
    let Some(labels) = &listed.labels else { return false };
    if is_oneoff(labels) || labels.contains_key(label::ROLE) || component_of(labels).is_none() {
        return false;
    }
    match (labels.get(label::PROJECT), labels.get(label::ENVIRONMENT)) {
        (None, None) => labels.get(label::COMPOSE_PROJECT) == Some(&scope.compose_project),
        (project, environment) => {
            project.map(String::as_str) == Some(scope.project.as_str())
                && environment.map(String::as_str) == Some(scope.environment.as_str())
        }
    }
}

/// What a container of this environment is, where it is no replica: a release command's, or a front.
fn has_a_role<'a>(listed: &'a ContainerSummary, scope: &Scope) -> Option<&'a str> {
    let labels = listed.labels.as_ref()?;
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
    let is_own = is(label::PROJECT, scope.project.as_str()) && is(label::ENVIRONMENT, scope.environment.as_str());
    labels.get(label::ROLE).map(String::as_str).filter(|_| is_own && component_of(labels).is_some())
}

fn network(found: Network) -> Option<(String, ObservedNetwork)> {
    let observed = ObservedNetwork {
        id: found.id.unwrap_or_default(),
        labels: found.labels.unwrap_or_default().into_iter().collect(),
        driver: found.driver.unwrap_or_default(),
        internal: found.internal.unwrap_or_default(),
        ipv6: found.enable_ipv6.unwrap_or_default(),
        options: found.options.unwrap_or_default().into_iter().collect(),
        ipam_driver: found.ipam.as_ref().and_then(|ipam| ipam.driver.clone()).unwrap_or_default(),
        ipam: found.ipam.and_then(|ipam| ipam.config).unwrap_or_default().into_iter().map(subnet).collect(),
    };
    Some((found.name?, observed))
}

fn volume(found: Volume) -> (String, ObservedVolume) {
    let observed = ObservedVolume {
        labels: found.labels.into_iter().collect(),
        driver: found.driver,
        options: found.options.into_iter().collect(),
    };
    (found.name, observed)
}

fn subnet(found: IpamConfig) -> Subnet {
    Subnet { subnet: found.subnet, ip_range: found.ip_range, gateway: found.gateway }
}
