//! Volumes of the Compose file. Nothing here removes one.

use super::answer::in_path;
use super::connect::DockerEngine;
use super::networks::belongs;
use crate::engine::{EngineError, Outcome, Whose};
use crate::model::{Kind, own_names};
use crate::plan::VolumeSpec;
use bollard::models::{Volume, VolumeCreateRequest};
use std::collections::BTreeMap;

impl DockerEngine {
    pub(super) async fn create_volume(&self, spec: &VolumeSpec) -> Result<Outcome, EngineError> {
        let name = &spec.volume.name;
        let _held = self.hold(&format!("volume {name}")).await;
        if let Some(found) = self.volume_named(name).await? {
            stands_for_the_folder(spec, &found)?;
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
        stands_for_the_folder(spec, &made)?;
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

/// A volume that stands for a folder of the host has to be made of that one, whoever made it.
fn stands_for_the_folder(spec: &VolumeSpec, found: &Volume) -> Result<(), EngineError> {
    let name = &spec.volume.name;
    let there: BTreeMap<&String, &String> = found.options.iter().collect();
    let is_the_same = found.driver == "local" && there == spec.volume.driver_opts.iter().collect();
    if !name.starts_with(own_names::PATH_VOLUME) || is_the_same {
        return Ok(());
    }
    Err(EngineError::NameTaken {
        kind: "volume",
        name: name.clone(),
        why: format!(
            "it is made of something else than the folder that it should stand for. Remove it with `docker volume rm {name}`"
        ),
    })
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
