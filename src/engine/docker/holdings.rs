//! What the engine holds of what any Launchway made, and taking some of it away.

use super::answer::{Denied, in_path};
use super::connect::{ApiVersion, DockerEngine};
use crate::engine::{EngineError, Whose};
use crate::model::{HeldImage, HeldVolume, Holdings, Quoted, innermost, label};
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListVolumesOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptions,
};
use reqwest::Method;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// Measuring the build cache, or pruning it, may take long on a large one.
const PATIENT: Duration = Duration::from_secs(600);
/// An engine that fell over something in its way is asked so often in all, with a pause.
const LOOKS: u32 = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl DockerEngine {
    pub(super) async fn what_it_holds(&self) -> Result<Holdings, EngineError> {
        self.api().await?;
        let labelled = |name: &str| HashMap::from([("label", vec![name.to_string()])]);
        let images = ListImagesOptionsBuilder::new().filters(&labelled(label::PROJECT)).build();
        let volumes = ListVolumesOptionsBuilder::new().filters(&labelled(label::CONTENT)).build();
        let containers = ListContainersOptionsBuilder::new().all(true).build();
        let (images, volumes) = tokio::try_join!(
            self.query("list the images", self.client().list_images(Some(images))),
            self.query("list the volumes", self.client().list_volumes(Some(volumes))),
        )?;
        // Last: whoever made a container since is seen.
        let containers = self.query("list the containers", self.client().list_containers(Some(containers))).await?;
        let used = Used::by(&containers);
        let images = images.into_iter().map(|found| HeldImage {
            used_by: used.image(&found.id, &found.repo_tags),
            id: found.id,
            // A dangling image of an old engine is listed under this name.
            tags: found.repo_tags.into_iter().filter(|tag| tag != "<none>:<none>").collect(),
            labels: found.labels.into_iter().collect(),
            size_bytes: u64::try_from(found.size).unwrap_or_default(),
        });
        let volumes = volumes
            .volumes
            .unwrap_or_default()
            .into_iter()
            .filter(|found| matches!(self.whose_volume(found), Whose::Ours(_)))
            .map(|found| HeldVolume { used_by: used.volumes.get(&found.name).cloned(), name: found.name });
        Ok(Holdings { images: images.collect(), volumes: volumes.collect() })
    }

    /// Whether it was there. Without force: what a container uses stays, and that is an error.
    pub(super) async fn take_image_away(&self, name: &str) -> Result<bool, EngineError> {
        self.api().await?;
        // Parents without a name may be somebody else's.
        let options = RemoveImageOptionsBuilder::new().force(false).noprune(true).build();
        let asked = self.client().remove_image(in_path(name)?, Some(options), None);
        gone(self.within(PATIENT, format!("remove image {name}"), asked).await.map(drop))
    }

    pub(super) async fn take_content_away(&self, name: &str) -> Result<bool, EngineError> {
        let _held = self.hold(&format!("volume {name}")).await;
        let Some(found) = self.volume_named(name).await? else { return Ok(false) };
        // Equal content is one volume, whoever filled it: who did takes it away.
        if !matches!(self.whose_volume(&found), Whose::Ours(_)) {
            return Ok(false);
        }
        if !found.labels.contains_key(label::CONTENT) {
            return Err(EngineError::Refused {
                attempted: format!("remove volume {name}"),
                why: "it was not filled from a commit, and may hold somebody's data".into(),
            });
        }
        let asked = self.client().remove_volume(name, None::<RemoveVolumeOptions>);
        gone(self.change(format!("remove volume {name}"), asked).await)
    }

    /// bollard's answer has only what API 1.52 says, and its request only what 1.48 understands; an older engine would
    /// take a request to keep some of the cache for one to keep none.
    pub(super) async fn cache_bytes(&self) -> Result<Option<u64>, EngineError> {
        let api = self.api().await?;
        let Some(answer) = self.ask(Method::GET, format!("/v{api}/system/df?type=build-cache")).await? else {
            return Ok(None);
        };
        let sum = |entries: &Vec<Value>| {
            // What several entries share is in the size of each.
            let own = entries.iter().filter(|entry| entry["Shared"] != true);
            own.filter_map(|entry| entry["Size"].as_u64()).sum()
        };
        Ok(answer["BuildCacheUsage"]["TotalSize"].as_u64().or_else(|| answer["BuildCache"].as_array().map(sum)))
    }

    pub(super) async fn prune_cache(&self, most_bytes: u64) -> Result<u64, EngineError> {
        let api = self.api().await?;
        let most = if api >= ApiVersion::RESERVED_SPACE { "reserved-space" } else { "keep-storage" };
        let asked = self.ask(Method::POST, format!("/v{api}/build/prune?all=true&{most}={most_bytes}")).await?;
        let answer = asked.ok_or_else(|| EngineError::Refused {
            attempted: "prune the build cache".into(),
            why: "that is done on an engine of this machine only; take `build-cache` out of [keep]".into(),
        })?;
        Ok(answer["SpaceReclaimed"].as_u64().unwrap_or_default())
    }

    /// The answer to a request; `None` where the engine is not reached by a socket of this machine. What only looks is asked
    /// again where the engine fell over something that went away while it looked (500, seen on 20.10).
    async fn ask(&self, method: Method, path: String) -> Result<Option<Value>, EngineError> {
        let Some(socket) = self.endpoint().strip_prefix("unix://").map(PathBuf::from) else { return Ok(None) };
        let refused = |why: String| EngineError::Refused {
            attempted: "ask for the build cache".into(),
            why: Quoted(why).to_string(),
        };
        let broken = |error: reqwest::Error| refused(innermost(&error).to_string());
        let client =
            reqwest::Client::builder().unix_socket(socket).no_proxy().timeout(PATIENT).build().map_err(broken)?;
        let mut tries = if method == Method::GET { LOOKS } else { 1 };
        loop {
            tries -= 1;
            let asked = client.request(method.clone(), format!("http://engine{path}")).send().await.map_err(broken)?;
            let status = asked.status();
            if status.is_success() {
                return asked.json().await.map(Some).map_err(broken);
            }
            if !status.is_server_error() || tries == 0 {
                let said: Value = asked.json().await.unwrap_or_default();
                return Err(refused(said["message"].as_str().map_or_else(|| status.to_string(), str::to_string)));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn gone(removed: Result<(), Denied>) -> Result<bool, EngineError> {
    match removed {
        Ok(()) => Ok(true),
        Err(denied) if denied.is_not_found() => Ok(false),
        Err(denied) => Err(denied.into()),
    }
}

/// Image ids, names and volumes -> a container that uses them.
#[derive(Default)]
struct Used {
    images: BTreeMap<String, String>,
    volumes: BTreeMap<String, String>,
}

impl Used {
    fn by(containers: &[ContainerSummary]) -> Self {
        let mut used = Self::default();
        for container in containers {
            let names = container.names.iter().flatten();
            let name = names.map(|name| name.trim_start_matches('/')).next().unwrap_or("without a name").to_string();
            for image in [&container.image_id, &container.image].into_iter().flatten() {
                used.images.insert(image.clone(), name.clone());
            }
            for mount in container.mounts.iter().flatten() {
                if let Some(volume) = &mount.name {
                    used.volumes.insert(volume.clone(), name.clone());
                }
            }
            if let Some(volume) = container.labels.as_ref().and_then(|labels| labels.get(label::FILLS)) {
                used.volumes.insert(volume.clone(), name.clone());
            }
        }
        used
    }

    fn image(&self, id: &str, tags: &[String]) -> Option<String> {
        self.images.get(id).or_else(|| tags.iter().find_map(|tag| self.images.get(tag))).cloned()
    }
}
