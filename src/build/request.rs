//! What is to be built, and how.

use super::limits::Limited;
use super::progress::BuildLine;
use super::session::Accounts;
use super::source_policy::Sources;
use crate::model::{BuildSpec, ComponentName, Mask, ProjectName, Tree};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One build of one image.
pub struct BuildRequest {
    pub tree: Arc<dyn Tree>,
    pub spec: BuildSpec,
    /// The Dockerfile's text where it is not the commit's: what other components build is called there as Launchway keeps it.
    pub dockerfile: Option<String>,
    /// The image's name; `spec.tags` are further ones.
    pub tag: String,
    /// Whose it is: caches and the outcome of steps are each project's own.
    pub project: ProjectName,
    /// What the engine may fetch beside images of registries; `None`: whatever it is asked for.
    pub sources: Option<Sources>,
    /// Ours (project, component, content key, commit), beside those of the Compose file.
    pub labels: BTreeMap<String, String>,
    /// The images of components that this one is built from.
    pub images: BTreeMap<ComponentName, String>,
    /// For base images that are not public.
    pub registries: Arc<dyn Accounts>,
    /// Hides what must not be read in the output. The build's own secrets are hidden in any case.
    pub mask: Mask,
    /// Of the secrets that somebody declared: tells which build arguments hold one. What only looks secret is no reason not to
    /// build.
    pub declared: Mask,
    /// `launchway deploy --rebuild`.
    pub pull: bool,
    /// The base images were pulled just now: those that the engine has count.
    pub pulled: bool,
    /// Images by the names that the Dockerfile and its contexts have for them, and which ones they are in truth
    /// (`name@sha256:...`): under these names the engine has others. Needs Docker 23.
    pub instead: BTreeMap<String, String>,
    pub no_cache: bool,
    /// What [`super::Builder::limit`] put in force; `None` where it could not.
    pub limits: Option<Limited>,
    pub cancel: CancellationToken,
    pub deadline: Instant,
    /// Called for each line, in order.
    pub output: Arc<dyn Fn(BuildLine) + Send + Sync>,
}
