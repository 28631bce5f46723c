//! Pulling an image without taking its name from anybody. A tag on the engine may be somebody else's: of an image that was built
//! here for another project, or by hand. Then the registry is asked what it has under that name, and that is pulled by its
//! digest: the tag stays where it is, whatever becomes of the deployment.

use crate::engine::{Engine, EngineError, Image};
use crate::model::{ProjectName, Quoted, WorkOutcome, full_image_name, image_repository};
use crate::run::ground::image_names::{ImageNames, built_for_another};
use crate::run::ground::stage_error::StageError;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A reference that a project pulls.
pub struct Pulling<'a> {
    pub engine: &'a Arc<dyn Engine>,
    /// Where builds are noted; without it, none are.
    pub store: Option<&'a Store>,
    pub names: &'a ImageNames,
    pub project: &'a ProjectName,
    pub reference: &'a str,
    /// `allow.images` gives the name to the project, whoever has it.
    pub is_listed: bool,
}

/// What came.
pub struct Pulled {
    pub image: Image,
    /// `name@sha256:...`, where the name that was asked for stays another image's.
    pub by_digest: Option<String>,
}

/// Why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PullError> for StageError {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Engine(error) => error.into(),
            PullError::Store(error) => error.into(),
        }
    }
}

impl Pulling<'_> {
    /// Pulls an image so that no name that others hold is moved.
    pub async fn pull(
        &self,
        progress: &(dyn for<'a> Fn(&'a str) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Pulled, PullError> {
        let Self { engine, project, reference, .. } = self;
        // Until it is here, no build is given the name.
        let _held = self.names.begin_from(project, reference);
        let by_digest = match self.tag_may_move().await? {
            true => None,
            false => {
                let digest = engine.digest_at_registry(reference, project, cancel).await?;
                progress(&format!(
                    "{} is the name of another image here, and stays that: pulling what its registry has, {digest}",
                    Quoted(reference)
                ));
                Some(format!("{}@{digest}", name_of(reference)))
            }
        };
        let image = engine.pull(by_digest.as_deref().unwrap_or(reference), project, progress, cancel).await?;
        Ok(Pulled { image, by_digest })
    }

    /// Whether nobody has the tag, or it came from its registry and follows that.
    pub async fn tag_may_move(&self) -> Result<bool, PullError> {
        if self.is_listed || self.reference.contains('@') {
            return Ok(true);
        }
        // A name that is being given is given by then.
        let _giving = self.names.giving.lock().await;
        let there = self.engine.image(self.reference).await?.filter(|image| is_named(image, self.reference));
        let Some(image) = there else { return Ok(true) };
        // With containerd's image store, what was built by hand has a digest as well, and looks like what came from a registry.
        let came = came_from(&image, self.reference) && !self.engine.info().await?.containerd_images;
        let Some(store) = self.store else { return Ok(came) };
        if store.builds_with_id(&image.id).await?.iter().any(|build| build.project == *self.project) {
            return Ok(true);
        }
        Ok(came && built_for_another(store, self.project, &image).await?.is_none())
    }
}

/// How a pull ended.
pub fn outcome_of<T>(pulled: &Result<T, PullError>) -> WorkOutcome {
    match pulled {
        Ok(_) => WorkOutcome::Done,
        Err(PullError::Engine(EngineError::Cancelled)) => WorkOutcome::Cancelled,
        Err(_) => WorkOutcome::Failed,
    }
}

/// The engine also finds an image by its id, or by the beginning of it, and so anybody's: only a name of it counts.
pub fn is_named(image: &Image, reference: &str) -> bool {
    let (wanted, repository) = (full_image_name(reference), image_repository(reference));
    let has_tag = image.tags.iter().any(|tag| full_image_name(tag) == wanted);
    // By digest; the tag beside it says nothing more.
    has_tag
        || reference.split_once('@').is_some_and(|(_, digest)| {
            let is_it = |held: &String| image_repository(held) == repository && held.ends_with(digest);
            image.repo_digests.iter().any(is_it)
        })
}

/// Whether the registry that the reference names gave the image, some time.
fn came_from(image: &Image, reference: &str) -> bool {
    let repository = image_repository(reference);
    image.repo_digests.iter().any(|held| image_repository(held) == repository)
}

/// Without tag and digest.
pub fn name_of(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    // A tag follows the last slash; a colon before that is a registry's port.
    match name.rfind(':') {
        Some(colon) if colon > name.rfind('/').unwrap_or(0) => &name[..colon],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(tags: &[&str], digests: &[&str]) -> Image {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Image { id: "sha256:0a".into(), tags: texts(tags), repo_digests: texts(digests), ..Image::default() }
    }

    #[test]
    fn an_image_is_found_by_a_name_and_not_by_an_id_that_somebody_guessed() {
        let node = image(&["node:20"], &["node@sha256:1f"]);
        for name in ["node:20", "docker.io/library/node:20", "node@sha256:1f", "node:18@sha256:1f"] {
            assert!(is_named(&node, name), "{name}");
        }
        for name in ["node", "sha256:0a", "0a", "other@sha256:1f", "localhost/node:20"] {
            assert!(!is_named(&node, name), "{name}");
        }
    }

    #[test]
    fn what_was_built_or_came_from_elsewhere_did_not_come_from_the_registry_of_a_name() {
        assert!(came_from(&image(&["node:20"], &["node@sha256:1f"]), "docker.io/library/node:18"));
        for digests in [&[][..], &["other@sha256:1f"], &["ghcr.io/library/node@sha256:1f"]] {
            assert!(!came_from(&image(&["node:20"], digests), "node:20"), "{digests:?}");
        }
    }

    #[test]
    fn a_name_is_without_tag_and_digest() {
        for (reference, name) in [
            ("node", "node"),
            ("node:20", "node"),
            ("localhost:5000/app", "localhost:5000/app"),
            ("localhost:5000/app:1@sha256:1f", "localhost:5000/app"),
        ] {
            assert_eq!(name_of(reference), name);
        }
    }
}
