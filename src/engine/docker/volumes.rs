//! Volumes of the Compose file. Nothing here removes one.

use super::answer::in_path;
use super::connect::DockerEngine;
use super::networks::belongs;
use crate::engine::{EngineError, Outcome, Whose};
use crate::model::Kind;
use crate::plan::VolumeSpec;
use bollard::models::{Volume, VolumeCreateRequest};

impl DockerEngine {
    pub(super) async fn create_volume(&self, spec: &VolumeSpec) -> Result<Outcome, EngineError> {
        let name = &spec.volume.name;
        let _held = self.hold(&format!("volume {name}")).await;
        if let Some(found) = self.volume_named(name).await? {
            return accepted(spec, self.whose_volume(&found));
        }
        if spec.volume.external {
            return Err(EngineError::NotFound {
                what: format!("the external volume {name} (create it with `docker volume create {name}`)"),
            });
        }
        let asked = VolumeCreateRequest {
            name: Some(name.clone()),
            driver: spec.volume.driver.clone(),
            driver_opts: Some(spec.volume.driver_opts.clone().into_iter().collect()),
            labels: Some(self.ownership.sealed(Kind::Volume, spec.labels.clone()).into_iter().collect()),
            cluster_volume_spec: None,
        };
        // The engine answers with whatever volume has the name, also when somebody else made it in between.
        let made = self.change(format!("create volume {name}"), self.client().create_volume(asked)).await?;
        let whose = self.whose_volume(&made);
        accepted(spec, whose)
    }

    pub(super) async fn volume_named(&self, name: &str) -> Result<Option<Volume>, EngineError> {
        let asked = self.client().inspect_volume(in_path(name)?);
        match self.query(format!("look at volume {name}"), asked).await {
            Ok(found) => Ok(Some(found)),
            Err(denied) if denied.is_not_found() => Ok(None),
            Err(denied) => Err(denied.into()),
        }
    }
}

fn accepted(spec: &VolumeSpec, whose: Whose) -> Result<Outcome, EngineError> {
    let name = &spec.volume.name;
    if spec.volume.external || belongs(&spec.labels, &whose) {
        return Ok(Outcome::default());
    }
    Err(EngineError::NameTaken {
        kind: "volume",
        name: name.clone(),
        why: format!(
            "it carries no label of this environment, and may hold somebody else's data; `docker volume inspect {name}` shows what it is. If it is meant, declare it `external: true` and allow it in launchway.toml with `allow.external = [{{ name = {name:?}, write = true }}]`"
        ),
    })
}
