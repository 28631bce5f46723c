//! What server and reader say to each other: one question, one answer, as `process::messages` frames them.

use crate::compose::Reading;
use crate::compose::dockerfile::{Base, Fetched};
use crate::model::{
    BuildSpec, ComponentName, ContentKey, EnvironmentName, MaskNames, Permissions, Problem, ProjectName, RepoPath,
    Secret, Stack, TreeSource,
};
use crate::plan::fronts::ImageFacts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is read of a commit, and all that is to be known for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadOrder {
    pub root: RepoPath,
    pub files: Vec<RepoPath>,
    pub project: ProjectName,
    pub compose_project: String,
    pub environment: EnvironmentName,
    pub profiles: Vec<String>,
    pub variables: BTreeMap<String, String>,
    pub secret_values: Vec<Secret>,
    pub line_ends: BTreeMap<String, String>,
    pub names: MaskNames,
    pub outside_files: BTreeMap<String, Vec<u8>>,
    pub allowed: Permissions,
    /// What a deployment waits for may take so long.
    pub longest: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Question {
    pub tree: TreeSource,
    pub what: What,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum What {
    /// The Compose file.
    Stack(Box<ReadOrder>),
    /// What a Dockerfile would have the engine fetch.
    Dockerfile(Box<DockerfileOrder>),
    /// What Dockerfiles and mounted files say.
    Facts(Box<Stack>),
    /// The content keys of builds.
    Keys { builds: Vec<Build>, platform: String },
    /// The hashes of what each list of patterns matches (`x-launchway.paths`).
    Paths(Vec<Vec<String>>),
}

/// A Dockerfile that is read once more before it is built, with what is known by then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DockerfileOrder {
    pub spec: BuildSpec,
    /// The Dockerfile's text, where it is not the commit's.
    pub text: Option<String>,
    /// The engine's platform (`linux/amd64`), and the one that is built for.
    pub engine: String,
    pub target: String,
    /// The images that it begins from, as far as they were looked at.
    pub bases: BTreeMap<String, Base>,
    /// Further contexts, and the image that one is, where it is known by then.
    pub contexts: BTreeMap<String, Option<String>>,
    /// Images that are to be called otherwise: only the text with these names is wanted.
    pub names: BTreeMap<String, String>,
}

/// What comes of a Dockerfile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DockerfileSays {
    /// Something else than Docker's own frontends reads it.
    OwnFrontend,
    Fetches(Fetched),
    /// Its text with other names.
    Renamed(String),
    /// No BuildKit would read it.
    Wrong {
        line: u32,
        why: String,
    },
    /// It is not there, or too large.
    Unreadable(String),
}

/// A build whose content key is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Build {
    pub spec: BuildSpec,
    /// What other components are that it is built from.
    pub images: BTreeMap<ComponentName, String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Stack(Result<Box<Reading>, Vec<Problem>>),
    Dockerfile(DockerfileSays),
    Facts(BTreeMap<ComponentName, ImageFacts>),
    Keys(Vec<Result<ContentKey, String>>),
    Paths(Vec<Result<Option<String>, String>>),
    /// The mirror could not be read.
    Unreadable(String),
}
