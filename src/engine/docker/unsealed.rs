//! What carries Launchway's labels and is not known to be this store's: for the look back at the first start with seals, and
//! for whoever takes over what another store made.

use super::connect::DockerEngine;
use super::observed::name_in_list;
use crate::engine::{EngineError, Labels, Whose, volume_id};
use crate::model::{Kind, Recorded, label};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions};

impl DockerEngine {
    pub(super) async fn what_is_not_sealed(&self) -> Result<Vec<Recorded>, EngineError> {
        self.api().await?;
        let every = ListContainersOptionsBuilder::new().all(true).build();
        let (containers, networks, volumes) = tokio::try_join!(
            self.query("list the containers", self.client().list_containers(Some(every))),
            self.query("list the networks", self.client().list_networks(None::<ListNetworksOptions>)),
            self.query("list the volumes", self.client().list_volumes(None::<ListVolumesOptions>)),
        )?;
        let mut found = Vec::new();
        for container in containers {
            let name = name_in_list(&container).unwrap_or_default();
            let labels = container.labels.unwrap_or_default().into_iter().collect();
            found.extend(container.id.and_then(|id| self.if_unsealed(Kind::Container, id, name, labels)));
        }
        for network in networks {
            let labels = network.labels.unwrap_or_default().into_iter().collect();
            let name = network.name.unwrap_or_default();
            found.extend(network.id.and_then(|id| self.if_unsealed(Kind::Network, id, name, labels)));
        }
        for volume in volumes.volumes.unwrap_or_default() {
            let id = volume_id(&volume.name, volume.created_at.map(|at| at.to_string()).as_deref());
            let labels = volume.labels.into_iter().collect();
            found.extend(self.if_unsealed(Kind::Volume, id, volume.name, labels));
        }
        Ok(found)
    }

    fn if_unsealed(&self, kind: Kind, id: String, name: String, labels: Labels) -> Option<Recorded> {
        let is_labelled = labels.keys().any(|key| key.starts_with(label::OWN));
        let is_known = || matches!(self.ownership.whose(kind, &id, labels.clone()), Whose::Ours(_));
        (is_labelled && !is_known()).then_some(Recorded { kind, id, name, labels })
    }
}
