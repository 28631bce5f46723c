//! What is known of live releases that use more than launchway.toml allows.

use crate::config::{Environment, Project};
use crate::run::ground::place::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// What one environment's live release uses and may not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beyond {
    /// Each with its place in the repository.
    pub what: Vec<String>,
    /// What launchway.toml has to say so that it is allowed, table by table. Empty where only another commit helps.
    pub lines: Vec<String>,
}

/// Of every environment in which anything goes beyond.
#[derive(Default)]
pub struct Beyonds {
    pub(in crate::run) found: Mutex<BTreeMap<Place, Beyond>>,
    /// Environments in which something new is live since the last comparison.
    pub(in crate::run) changed: Mutex<BTreeSet<Place>>,
    pub(in crate::run) wake: Notify,
    /// The settings have changed, or everything is to be compared again.
    pub(in crate::run) all: AtomicBool,
}

impl Beyonds {
    /// Something else may be live there.
    pub fn live_changed(&self, place: &Place) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone());
        self.wake.notify_one();
    }

    /// Something else may be allowed.
    pub fn settings_changed(&self) {
        self.all.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// What an environment's live release uses beyond the settings, as it was found last.
    pub fn of(&self, project: &Project, environment: &Environment) -> Option<Beyond> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&(project.name.clone(), environment.name.clone())).cloned()
    }
}
