//! What should run, and whether that is forwards or backwards.

use super::unnamed::Unnamed;
use crate::model::{ComponentName, DeploymentId, Fingerprint, FoundContainer, Release};
use std::collections::{BTreeMap, BTreeSet};

/// What should run.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// `None`: nothing of the environment should run (its first deployment is put back).
    pub release: Option<&'a Release>,
    /// Fingerprints of earlier versions of Launchway that mean the same as the release's own.
    pub accepted: BTreeMap<ComponentName, BTreeSet<Fingerprint>>,
    pub deployment: Option<DeploymentId>,
    pub goal: Goal,
    /// Components whose release command belongs to this deployment and is not known to have ended well.
    pub release_commands: BTreeSet<ComponentName>,
    /// Canaries of this deployment that were as good at a share of the traffic: the largest such share, in percent. 100
    /// is for one that somebody promoted.
    pub passed: BTreeMap<ComponentName, u8>,
    /// Going back, what was there before, and no deployment had made: it is neither replaced nor removed, but stands again
    /// as it stood.
    pub found: Vec<FoundContainer>,
    pub unnamed: Unnamed,
}

impl<'a> Wanted<'a> {
    /// What is made to stand, or looked at, outside of a deployment: this release, or nothing at all. No job runs, and nothing is
    /// handed on or was found. `accepted`: fingerprints that mean the same as the release's own.
    pub fn put_back(release: Option<&'a Release>, accepted: BTreeMap<ComponentName, BTreeSet<Fingerprint>>) -> Self {
        Self {
            release,
            accepted,
            deployment: None,
            goal: Goal::PutBack,
            release_commands: BTreeSet::new(),
            passed: BTreeMap::new(),
            found: Vec::new(),
            unnamed: Unnamed::default(),
        }
    }
}

/// Whether a deployment goes forwards or backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Forwards: jobs run.
    Deploy,
    /// Backwards, or mending what died: jobs never run.
    PutBack,
}
