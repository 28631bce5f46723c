//! A release: a commit's images and settings, immutable but for what is learnt later of how they were written (`also`).

use super::{CommitId, ComponentName, ContentKey, DeploymentId, EnvironmentName, ProjectName, ReleaseId, Stack};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one commit is made of for one environment: the stack as it was resolved, and the image of each component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub id: ReleaseId,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub stack: Stack,
    /// One entry for each component of the stack.
    pub parts: BTreeMap<ComponentName, ReleasePart>,
}

/// What makes one component's containers what they are in this release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasePart {
    pub image: ImageIdentity,
    pub fingerprint: Fingerprint,
    /// The hash of what `x-launchway.paths` matches in the commit, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<String>,
    /// What earlier versions of Launchway wrote as the fingerprint of the same: containers that have not changed since
    /// carry it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub also: BTreeSet<Fingerprint>,
}

impl ReleasePart {
    /// A component's part: its image, what its containers are made of, and the files of the commit that it mounts.
    pub fn new(image: ImageIdentity, fingerprint: Fingerprint, paths: Option<String>) -> Self {
        Self { image, fingerprint, paths, also: BTreeSet::new() }
    }
}

/// Which image, so that a release that is put back is the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum ImageIdentity {
    /// Built from the commit; `tag` holds the content key, such as `launchway/shop/api:3f2a...`. Where a deployment
    /// built the same content anew, on base images as they were by then, that is another image: `3f2a...-r7`.
    Built {
        key: ContentKey,
        tag: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anew: Option<DeploymentId>,
    },
    /// Pulled; `reference` as the Compose file has it, `pinned` the same by digest or image id, as this engine says it.
    Pulled { reference: String, pinned: String },
}

impl ImageIdentity {
    /// What to give to the engine when a container is created.
    pub fn reference(&self) -> &str {
        match self {
            ImageIdentity::Built { tag, .. } => tag,
            ImageIdentity::Pulled { pinned, .. } => pinned,
        }
    }
}

/// A versioned hash of all that makes a component's containers what they are: equal means untouched.
/// Written `v1:<64 hex digits>` in labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
