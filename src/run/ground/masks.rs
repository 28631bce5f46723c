//! What is known of the secrets of each environment, in memory.

use crate::model::{CommitId, Hidden, Mask, ProjectName, ReleaseId};
use crate::run::ground::place::Place;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Hears what is to be hidden wherever any environment is spoken of: in the server's log.
pub type Hide = Box<dyn Fn(&Mask) + Send + Sync>;

/// What hides the secrets of each environment, made anew when something of it changes.
#[derive(Default)]
pub struct Masks {
    pub(in crate::run) known: Mutex<HashMap<Place, Known>>,
    /// Of all environments of a project, where nothing has changed since it was made: each delivery asks.
    of_projects: Mutex<HashMap<ProjectName, Mask>>,
    /// How often anything has changed: what was made before a change is not kept.
    pub(in crate::run) changes: AtomicU64,
    pub(in crate::run) hide: OnceLock<Hide>,
}

/// What is known of an environment.
#[derive(Default)]
pub(in crate::run) struct Known {
    pub releases: BTreeSet<ReleaseId>,
    /// Of commits whose release is not in the store yet, by the names that the settings had then.
    pub unreleased: BTreeMap<CommitId, Hidden>,
    pub hidden: Hidden,
    /// Absent: to be made anew.
    pub mask: Option<Mask>,
}

impl Masks {
    pub(in crate::run) fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `hide` hears of it.
    pub fn tell(&self, hide: Hide) {
        let _ = self.hide.set(hide);
    }

    /// The settings have changed: what they declare, and what they say of names.
    pub fn settings_changed(&self) {
        self.lock().values_mut().for_each(|known| known.mask = None);
        self.changed();
    }

    /// What was learnt anew of an environment. A commit that is becoming a release has nowhere else to learn it from.
    pub(in crate::run) fn replace(&self, place: Place, mut anew: Known) {
        let mut all = self.lock();
        if let Some(before) = all.get(&place) {
            anew.unreleased = before.unreleased.clone();
        }
        let Known { unreleased, hidden, .. } = &mut anew;
        for one in unreleased.values() {
            hidden.add(one);
        }
        all.insert(place, anew);
        drop(all);
        self.changed();
    }

    pub(in crate::run) fn changed(&self) {
        let mut of_projects = self.of_projects();
        self.changes.fetch_add(1, Ordering::Relaxed);
        of_projects.clear();
    }

    pub(in crate::run) fn keep(&self, project: &ProjectName, mask: &Mask, made_at: u64) {
        let mut of_projects = self.of_projects();
        if self.changes.load(Ordering::Relaxed) == made_at {
            of_projects.insert(project.clone(), mask.clone());
        }
    }

    pub(in crate::run) fn of_projects(&self) -> std::sync::MutexGuard<'_, HashMap<ProjectName, Mask>> {
        self.of_projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
