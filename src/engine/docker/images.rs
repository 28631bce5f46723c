//! Images: looked up, pulled.

use super::answer::{Denied, in_path};
use super::connect::DockerEngine;
use super::credentials;
use crate::engine::{EngineError, Image};
use crate::model::{ProjectName, Quoted, RegistryCredentials, Secret, full_image_name, registry_name};
use bollard::auth::DockerCredentials;
use bollard::models::{ContainerSummary, CreateImageInfo, ImageInspect};
use bollard::query_parameters::{CreateImageOptionsBuilder, ListContainersOptionsBuilder, TagImageOptionsBuilder};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A registry from which nothing comes for so long does not answer.
const STALLED: Duration = Duration::from_secs(180);

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

impl DockerEngine {
    pub(super) async fn find_image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.api().await?;
        let asked = self.client().inspect_image(in_path(reference)?);
        match self.query(format!("look at image {}", Quoted(reference)), asked).await {
            Ok(found) => Ok(Some(image(found))),
            Err(denied) if denied.is_not_found() => Ok(None),
            Err(denied) => Err(denied.into()),
        }
    }

    pub(super) async fn pull_image(
        &self,
        reference: &str,
        project: &ProjectName,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Image, EngineError> {
        in_path(reference)?;
        self.api().await?;
        let registry = registry_of(reference);
        let (credentials, whose) = match self.credentials(&registry, project).await {
            Ok(Some((credentials, whose))) => (Some(credentials), Some(whose)),
            Ok(None) => (None, None),
            Err(error) => {
                progress(&format!("pulling without credentials: {error:#}"));
                (None, None)
            }
        };
        let (name, tag) = split(reference);
        let mut came: Option<String> = None;
        let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
        // Nothing is answered before the registry was: its time is watched below.
        let patient = self.docker().with_timeout(Duration::from_secs(24 * 3600));
        let mut stream = Box::pin(patient.create_image(Some(options), None, credentials));
        let mut layers = Layers::default();
        let mut told: Option<Instant> = None;
        loop {
            let attempted = format!("pull image {}", Quoted(reference));
            let next = tokio::time::timeout(STALLED, stream.next()).await;
            match next {
                Err(_) => {
                    let why = format!("its registry {registry} sent nothing for {} s", STALLED.as_secs());
                    return Err(EngineError::ImageMissing { reference: reference.into(), why });
                }
                Ok(None) => break,
                Ok(Some(Ok(event))) => {
                    came =
                        event.status.as_deref().and_then(digest_told).map(|digest| format!("{name}@{digest}")).or(came);
                    layers.take(event);
                    if told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
                        told = Some(Instant::now());
                        progress(&layers.sentence(reference));
                    }
                }
                Ok(Some(Err(error))) => {
                    let denied = Denied::new(self.endpoint(), attempted, error);
                    return Err(pull_failed(reference, &registry, whose, denied));
                }
            }
        }
        progress(&layers.sentence(reference));
        // By what came, where the engine says it: the tag may be another image's by now.
        if let Some(came) = came
            && let Some(image) = self.find_image(&came).await?
        {
            return Ok(image);
        }
        self.find_image(reference).await?.ok_or_else(|| EngineError::ImageMissing {
            reference: reference.to_string(),
            why: "it was pulled, and is not there afterwards".into(),
        })
    }
}

impl DockerEngine {
    /// What a registry has for a reference now.
    pub(super) async fn newest_digest(&self, reference: &str, project: &ProjectName) -> Result<String, EngineError> {
        in_path(reference)?;
        self.api().await?;
        let registry = registry_of(reference);
        let found = self.credentials(&registry, project).await.ok().flatten();
        let (credentials, whose) = found.unzip();
        let (name, tag) = split(reference);
        let asked = self.docker().with_timeout(STALLED);
        let tagged = format!("{name}:{tag}");
        let asking = asked.inspect_registry_image(&tagged, credentials);
        let answer = self.within(STALLED, format!("ask the registry of {}", Quoted(reference)), asking).await;
        let found = answer.map_err(|denied| pull_failed(reference, &registry, whose, denied))?;
        found.descriptor.digest.ok_or_else(|| EngineError::ImageMissing {
            reference: reference.to_string(),
            why: format!("{registry} says no digest of it"),
        })
    }

    /// What to sign in to a registry with, and whose it is. The server's own settings go before Docker's.
    async fn credentials(
        &self,
        registry: &str,
        project: &ProjectName,
    ) -> anyhow::Result<Option<(DockerCredentials, &'static str)>> {
        let own = self.accounts.read().unwrap_or_else(PoisonError::into_inner).of(project, registry).cloned();
        if let Some(RegistryCredentials { username, password }) = own {
            let serveraddress = Some(registry.to_string());
            let password = Some(password.expose().to_string());
            let own = DockerCredentials { username: Some(username), password, serveraddress, ..Default::default() };
            return Ok(Some((own, "launchway.toml")));
        }
        let found = credentials::of_registry(self.docker_config.as_deref(), registry).await?;
        Ok(found.map(|found| (found, "Docker's config.json")))
    }

    pub(super) async fn account_at(
        &self,
        registry: &str,
        project: &ProjectName,
    ) -> Result<Option<RegistryCredentials>, EngineError> {
        let registry = match registry_name(registry) {
            "docker.io" => credentials::DOCKER_HUB,
            name => name,
        };
        let found = self.credentials(registry, project).await.map_err(|error| EngineError::Refused {
            attempted: format!("find the account for {registry}"),
            why: format!("{error:#}"),
        })?;
        Ok(found.and_then(|(found, _)| match found.identitytoken {
            Some(token) => Some(RegistryCredentials { username: String::new(), password: Secret::new(token) }),
            None => Some(RegistryCredentials { username: found.username?, password: Secret::new(found.password?) }),
        }))
    }
}

impl DockerEngine {
    pub(super) async fn give_image_a_name(&self, id: &str, name: &str) -> Result<(), EngineError> {
        self.api().await?;
        let (repository, tag) = split(name);
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        let asked = self.client().tag_image(in_path(id)?, Some(options));
        Ok(self.change(format!("name image {id} {name}"), asked).await?)
    }

    pub(super) async fn made_of_image(&self, id: Option<&str>, name: &str) -> Result<Vec<String>, EngineError> {
        self.api().await?;
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let all = self.query("list the containers", self.client().list_containers(Some(options))).await?;
        let name = full_image_name(name);
        let is_of = |container: &ContainerSummary| {
            let image = container.image.as_deref();
            (id.is_some() && container.image_id.as_deref() == id)
                || image.is_some_and(|own| full_image_name(own) == name)
        };
        Ok(all.into_iter().filter(is_of).filter_map(|container| container.id).collect())
    }
}

fn image(found: ImageInspect) -> Image {
    let config = found.config.unwrap_or_default();
    let variables = config.env.unwrap_or_default().into_iter();
    let platform = [found.os, found.architecture, found.variant].into_iter().flatten().filter(|part| !part.is_empty());
    let test = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
    Image {
        id: found.id.unwrap_or_default(),
        repo_digests: found.repo_digests.unwrap_or_default(),
        tags: found.repo_tags.unwrap_or_default(),
        exposed: sorted(config.exposed_ports),
        volumes: sorted(config.volumes),
        has_healthcheck: test.first().is_some_and(|kind| kind != "NONE"),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        size_bytes: found.size.unwrap_or_default(),
        environment: variables
            .filter_map(|variable| variable.split_once('=').map(|(name, value)| (name.to_string(), value.to_string())))
            .collect(),
        triggers: config.on_build.unwrap_or_default(),
        platform: platform.collect::<Vec<_>>().join("/"),
    }
}

/// How the engine says what it has pulled: `Digest: sha256:0a...`.
fn digest_told(status: &str) -> Option<&str> {
    status.strip_prefix("Digest: ").map(str::trim).filter(|digest| digest.starts_with("sha256:"))
}

fn sorted(list: Option<Vec<String>>) -> Vec<String> {
    let mut list = list.unwrap_or_default();
    list.sort();
    list
}

/// Name, and tag or digest: without a tag the engine would pull every one that there is.
fn split(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        // A tag beside a digest says nothing more.
        return (without_tag(name).0, digest);
    }
    let (name, tag) = without_tag(reference);
    (name, tag.unwrap_or("latest"))
}

/// The last colon begins a tag only behind the last slash: `localhost:5000/app` has none.
fn without_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => (before, Some(tag)),
        _ => (name, None),
    }
}

/// Docker's rule: the first part is a registry when it has a dot or colon or is `localhost`; else it is Docker Hub.
fn registry_of(reference: &str) -> String {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first.to_string(),
        _ => credentials::DOCKER_HUB.to_string(),
    }
}

fn pull_failed(reference: &str, registry: &str, whose: Option<&str>, denied: Denied) -> EngineError {
    let message = denied.message().to_string();
    let lower = message.to_ascii_lowercase();
    let refused = ["denied", "unauthorized", "authentication required", "no basic auth"];
    let unknown = ["manifest unknown", "not found", "manifest for"];
    let is_refused = refused.iter().any(|word| lower.contains(word));
    let hint = if let (true, Some(whose)) = (is_refused, whose) {
        format!(". The credentials for {registry} in {whose} were used and do not suffice")
    } else if is_refused {
        format!(
            ". Nobody is signed in to {registry} here: `docker login {registry}` as the user whom Launchway runs as, or [registries.\"{}\"] in launchway.toml",
            registry_name(registry)
        )
    } else if unknown.iter().any(|word| lower.contains(word)) {
        ". Is its name or tag misspelt?".to_string()
    } else if ["no such host", "i/o timeout", "connection refused", "no route"].iter().any(|word| lower.contains(word))
    {
        format!(". The engine cannot reach {registry}; it, not Launchway, needs the way there (DNS, proxy, mirror)")
    } else {
        String::new()
    };
    match EngineError::from(denied) {
        unavailable @ EngineError::Unavailable { .. } => unavailable,
        _ => EngineError::ImageMissing {
            reference: reference.to_string(),
            why: format!("pulling it failed: {}{hint}", Quoted(message)),
        },
    }
}

/// What the engine tells of the layers that it fetches.
#[derive(Debug, Default)]
struct Layers {
    /// Layer -> (bytes that are here, bytes in all, done).
    layers: BTreeMap<String, (i64, i64, bool)>,
    status: String,
}

impl Layers {
    fn take(&mut self, event: CreateImageInfo) {
        let status = event.status.unwrap_or_default();
        let is_layer = ["Pulling fs layer", "Waiting", "Downloading", "Verifying", "Download complete", "Extracting"];
        let done = matches!(status.as_str(), "Pull complete" | "Already exists");
        match event.id {
            Some(id) if done || is_layer.iter().any(|begin| status.starts_with(begin)) => {
                let layer = self.layers.entry(id).or_default();
                layer.2 |= done;
                if let Some(detail) = event.progress_detail.filter(|_| status == "Downloading") {
                    layer.0 = detail.current.unwrap_or(layer.0);
                    layer.1 = detail.total.unwrap_or(layer.1).max(layer.1);
                }
                if status == "Download complete" || done {
                    layer.0 = layer.1;
                }
            }
            _ => self.status = status,
        }
    }

    fn sentence(&self, reference: &str) -> String {
        if self.layers.is_empty() {
            return match self.status.trim() {
                "" => format!("pulling {}", Quoted(reference)),
                status => format!("pulling {}: {}", Quoted(reference), Quoted(status)),
            };
        }
        let done = self.layers.values().filter(|layer| layer.2).count();
        let mib = |bytes: i64| bytes as f64 / (1024.0 * 1024.0);
        let here: i64 = self.layers.values().map(|layer| layer.0).sum();
        let all: i64 = self.layers.values().map(|layer| layer.1).sum();
        let (reference, of) = (Quoted(reference), self.layers.len());
        format!("pulling {reference}: {done} of {of} layers, {:.1} of {:.1} MiB", mib(here), mib(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mask;

    #[test]
    fn a_reference_is_pulled_by_one_tag_or_digest() {
        assert_eq!(split("nginx"), ("nginx", "latest"));
        assert_eq!(split("nginx:1.27"), ("nginx", "1.27"));
        assert_eq!(split("localhost:5000/app"), ("localhost:5000/app", "latest"));
        assert_eq!(split("ghcr.io/a/b:c@sha256:0a"), ("ghcr.io/a/b", "sha256:0a"));
    }

    #[test]
    fn a_registry_is_told_from_a_folder_of_docker_hub() {
        assert_eq!(registry_of("nginx"), credentials::DOCKER_HUB);
        assert_eq!(registry_of("library/nginx"), credentials::DOCKER_HUB);
        assert_eq!(registry_of("localhost/app"), "localhost");
        assert_eq!(registry_of("localhost:5000/app"), "localhost:5000");
        assert_eq!(registry_of("ghcr.io/a/b"), "ghcr.io");
    }

    #[test]
    fn progress_is_one_line_for_all_layers() {
        let event = |id: &str, status: &str, current, total| CreateImageInfo {
            id: Some(id.into()),
            status: Some(status.into()),
            progress_detail: Some(bollard::models::ProgressDetail { current, total }),
            ..Default::default()
        };
        let mut layers = Layers::default();
        layers.take(event("latest", "Pulling from library/nginx", None, None));
        insta::assert_snapshot!(Mask::default().sentence(&layers.sentence("nginx")), @"pulling nginx: Pulling from library/nginx");
        layers.take(event("a", "Pulling fs layer", None, None));
        layers.take(event("b", "Downloading", Some(1 << 20), Some(4 << 20)));
        layers.take(event("a", "Already exists", None, None));
        insta::assert_snapshot!(Mask::default().sentence(&layers.sentence("nginx")), @"pulling nginx: 1 of 2 layers, 1.0 of 4.0 MiB");
        layers.take(event("b", "Pull complete", None, None));
        insta::assert_snapshot!(Mask::default().sentence(&layers.sentence("nginx")), @"pulling nginx: 2 of 2 layers, 4.0 of 4.0 MiB");
    }
}
