//! Where components keep what they write. A release that would have one start on something else than it has now, and so leave
//! behind what no commit can bring back, is found before anything is touched.
//!
//! What counts is what stands behind a path of a component, now ([`Now`]) and in the release. ARCHITECTURE.md has what is
//! asked about and what is not.

mod left;
mod now;
mod wanted;
mod words;

pub use left::{LeftVolume, Lost, left};
pub use now::{LikelyNames, Now};
pub use words::{in_place_of, problems};

use crate::model::{ComponentName, MountSource, Mounted, Release, Storage, path_below};
use crate::plan::unnamed::Unnamed;
use now::{Held, Known};
use std::collections::BTreeMap;
use wanted::wanted;

/// A path at which a component would start on something else than it has there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub component: ComponentName,
    /// Absolute, in the container.
    pub path: String,
    pub old: Storage,
    pub new: Storage,
    /// Who has it there now, where the component has got another name.
    pub was_of: Option<ComponentName>,
    pub doubt: Option<Doubt>,
}

/// What only the engine can say: unless one of these containers (ids) has something there, nothing is left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// In its own layer, at the path or below.
    Written(Vec<String>),
    /// At the path, wherever it keeps that.
    There(Vec<String>),
}

impl Change {
    /// What `--fresh-volume` calls it: the new volume, or `component:path` where that has no name.
    pub fn name(&self) -> String {
        match &self.new {
            Storage::Volume { name, .. } => name.clone(),
            _ => format!("{}:{}", self.component, self.path),
        }
    }

    /// Whether somebody who gives this name means it: the volume by its name on the engine or by its key in the Compose file,
    /// or `component:path`.
    pub fn is_called(&self, name: &str, release: &Release) -> bool {
        let is_key = || {
            let volume = release.stack.volumes.get(name);
            volume.is_some_and(|volume| self.new.volume_name() == Some(volume.name.as_str()))
        };
        name == self.name() || name == format!("{}:{}", self.component, self.path) || is_key()
    }
}

/// What a release would change, component by component and path by path. Jobs, replicas and what is only read are looked at
/// like all else.
pub fn changes(now: &Now, release: &Release, unnamed: &Unnamed) -> Vec<Change> {
    let components = release.stack.components.values();
    let wanted: BTreeMap<&ComponentName, Vec<Mounted>> =
        components.map(|component| (&component.name, wanted(release, component, unnamed))).collect();
    let comparison = Comparison { now, release, unnamed, wanted };
    let mut all = Vec::new();
    for (name, known) in &now.components {
        match comparison.wanted.contains_key(name) {
            true => {
                // What Compose, or another Launchway, started is replaced all the same.
                let goes_on = now.untouched.contains(name);
                let held = known.held.iter().filter(|held| held.is_by_hand || !goes_on);
                all.extend(held.filter_map(|held| comparison.replaced(name, held)));
                if !goes_on {
                    all.extend(comparison.put_over(name, known));
                }
            }
            false => all.extend(comparison.moved(name, known)),
        }
    }
    all.sort_by(|a, b| (&a.component, &a.path, &a.old).cmp(&(&b.component, &b.path, &b.old)));
    all.dedup();
    all
}

struct Comparison<'a> {
    now: &'a Now,
    release: &'a Release,
    unnamed: &'a Unnamed,
    wanted: BTreeMap<&'a ComponentName, Vec<Mounted>>,
}

impl Comparison<'_> {
    /// Something else stands where a component keeps something now.
    fn replaced(&self, name: &ComponentName, held: &Held) -> Option<Change> {
        if !held.storage.is_kept() || self.is_handed_on(name, held) {
            return None;
        }
        let (new, is_writable) = behind(self.wanted.get(name)?, &held.path);
        let is_asked = new != held.storage
            && (held.writable || is_writable)
            && !(new == Storage::Own && self.is_mounted_elsewhere(name, held))
            && !self.is_the_same_in_the_commit(name, held, &new);
        is_asked.then(|| Change {
            component: name.clone(),
            path: held.path.clone(),
            old: held.storage.clone(),
            new,
            was_of: None,
            doubt: None,
        })
    }

    /// Unnamed volumes go to the container that takes their container's place.
    fn is_handed_on(&self, name: &ComponentName, held: &Held) -> bool {
        let component = self.release.stack.components.get(name);
        let is_declared = component.is_some_and(|component| self.unnamed.is_declared(component, &held.path));
        held.is_unnamed && is_declared && !self.now.is_another_project
    }

    /// The component still has it, at another path, or another component has it at this one: nothing is left behind.
    fn is_mounted_elsewhere(&self, name: &ComponentName, held: &Held) -> bool {
        let same = |mounted: &Mounted| match (&mounted.storage, &held.storage) {
            (Storage::Volume { name, .. }, Storage::Volume { name: held, .. }) => name == held,
            (storage, held) => storage == held,
        };
        self.wanted.iter().any(|(other, mounts)| {
            mounts.iter().any(|mounted| same(mounted) && (*other == name || mounted.target == held.path))
        })
    }

    /// Compose mounts files of the working copy where the release has the same files of the commit.
    fn is_the_same_in_the_commit(&self, name: &ComponentName, held: &Held, new: &Storage) -> bool {
        let (Storage::Host { path: on_host }, Storage::Commit) = (&held.storage, new) else { return false };
        let mounts = self.release.stack.components.get(name).map(|component| &component.container.mounts);
        held.is_by_hand
            && mounts.into_iter().flatten().any(|mount| match &mount.source {
                MountSource::Repository { path, .. } => mount.target == held.path && ends_with(on_host, path.as_str()),
                MountSource::Text { .. } => mount.target == held.path,
                _ => false,
            })
    }

    /// A mount comes where a component has none now, and might hide what its container has there.
    fn put_over(&self, name: &ComponentName, known: &Known) -> Vec<Change> {
        let is_new = |mounted: &&Mounted| !known.held.iter().any(|held| held.path == mounted.target);
        // Memory is nobody's place to keep things, and whoever asks for it says so.
        let is_kept = |mounted: &&Mounted| mounted.writable && mounted.storage.is_kept();
        let mounts = self.wanted.get(name).into_iter().flatten().filter(is_new).filter(is_kept);
        let change = |mounted: &Mounted| {
            let (old, doubt) = match above(&known.held, &mounted.target) {
                Some(held) => {
                    let rest = path_below(&mounted.target, &held.path).unwrap_or_default();
                    (held.storage.below(rest), Doubt::There(held.containers.clone()))
                }
                // What a job has written goes with each run.
                None if known.is_job => return None,
                None => (Storage::Own, Doubt::Written(known.containers.clone())),
            };
            let is_lost = old == Storage::Own || old.is_kept();
            let has_container = !matches!(&doubt, Doubt::Written(containers) if containers.is_empty());
            (is_lost && has_container && old != mounted.storage).then(|| Change {
                component: name.clone(),
                path: mounted.target.clone(),
                old,
                new: mounted.storage.clone(),
                was_of: None,
                doubt: Some(doubt),
            })
        };
        if self.now.is_another_project {
            return Vec::new();
        }
        mounts.filter_map(change).collect()
    }

    /// The release has no such component any more. What is made of the same image or build, and is new, is taken for it: what
    /// it had goes on where its volume is mounted at the same path.
    fn moved(&self, name: &ComponentName, known: &Known) -> Vec<Change> {
        let is_new = |other: &&&ComponentName| !self.now.components.contains_key(**other);
        let looks_the_same = |other: &&&ComponentName| {
            let component = self.release.stack.components.get(**other);
            component.is_some_and(|component| known.looks.is_like(component))
        };
        let heirs: Vec<&&ComponentName> = self.wanted.keys().filter(is_new).filter(looks_the_same).collect();
        let mut all = Vec::new();
        for held in known.held.iter().filter(|held| held.storage.is_kept() && held.writable) {
            if heirs.iter().any(|heir| self.is_mounted_elsewhere(heir, held)) {
                continue;
            }
            all.extend(heirs.iter().map(|heir| Change {
                component: (**heir).clone(),
                path: held.path.clone(),
                old: held.storage.clone(),
                new: behind(&self.wanted[**heir], &held.path).0,
                was_of: Some(name.clone()),
                doubt: None,
            }));
        }
        all
    }
}

/// What stands behind a path, and whether it may be written there: the mount at it, else the nearest above it, else the
/// container's own files.
fn behind(mounts: &[Mounted], path: &str) -> (Storage, bool) {
    let around = mounts.iter().filter_map(|mounted| Some((path_below(path, &mounted.target)?, mounted)));
    match around.max_by_key(|(_, mounted)| mounted.target.len()) {
        Some((rest, mounted)) => (mounted.storage.below(rest), mounted.writable),
        // Whoever could only read there has lost nothing.
        None => (Storage::Own, false),
    }
}

/// What is mounted nearest above a path.
fn above<'a>(held: &'a [Held], path: &str) -> Option<&'a Held> {
    held.iter().filter(|held| path_below(path, &held.path).is_some()).max_by_key(|held| held.path.len())
}

/// Whether a path ends with another one, part by part.
fn ends_with(path: &str, end: &str) -> bool {
    let end = end.trim_matches('/');
    path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || end.is_empty() || rest.ends_with('/'))
}

#[cfg(test)]
mod tests;
