//! What of the past is taken away, and what stays, each with its reason.
//!
//! Only what this store noted is ever taken away: several Launchways may share one engine. What a container of anybody
//! uses stays, as does what the live release, a deployment, or going back within the policy needs.

use crate::model::{
    Build, CommitId, DeploymentId, EnvironmentName, HeldImage, HeldVolume, Holdings, ProjectName, ReleaseId, Retention,
};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// A release, with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRelease {
    pub id: ReleaseId,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    /// What was built for it, and the tag of each.
    pub builds: BTreeMap<Build, String>,
    /// Names that volumes with files of its commit may have.
    pub volumes: BTreeSet<String>,
    /// Equal of releases that do not differ ([`super::going_back::content`]).
    pub content: String,
}

/// What of the store says which releases are needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Live somewhere.
    pub live: BTreeSet<ReleaseId>,
    /// What was live before each of them, the nearest first.
    pub before_live: BTreeMap<ReleaseId, Vec<ReleaseId>>,
    /// Which a deployment that has not ended puts live, or would put back.
    pub deploying: BTreeMap<ReleaseId, DeploymentId>,
    /// The newest that a deployment of each environment tried, also without success: somebody may try it again.
    pub newest: BTreeSet<ReleaseId>,
    /// When each release that was ever live went live for the last time, in milliseconds since 1970.
    pub went_live_ms: BTreeMap<ReleaseId, i64>,
}

/// Releases that are kept, each with the reason.
pub type Kept = BTreeMap<ReleaseId, String>;

/// Which releases are kept at `now_ms` (milliseconds since 1970).
pub fn kept(releases: &[PastRelease], needs: &Needs, policy: &Retention, now_ms: i64) -> Kept {
    let mut kept = Kept::new();
    let mut once_live: BTreeMap<_, Vec<(i64, ReleaseId)>> = BTreeMap::new();
    let contents: BTreeMap<ReleaseId, &str> = releases.iter().map(|r| (r.id, r.content.as_str())).collect();
    let next_back = next_back(needs, &contents);
    let mut live: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for release in releases {
        let id = release.id;
        if needs.live.contains(&id) {
            live.entry((&release.project, &release.environment)).or_default().insert(&release.content);
            kept.insert(id, format!("release {id} is live in {}/{}", release.project, release.environment));
        } else if let Some(deployment) = needs.deploying.get(&id) {
            kept.insert(id, format!("deployment {deployment} needs release {id}"));
        } else if next_back.contains(&id) {
            kept.insert(id, format!("release {id} was live before the live one"));
        } else if needs.newest.contains(&id) {
            kept.insert(id, format!("release {id} is what was deployed last"));
        }
        if let Some(when) = needs.went_live_ms.get(&id).filter(|_| !needs.live.contains(&id)) {
            once_live.entry((&release.project, &release.environment)).or_default().push((*when, id));
        }
    }
    let oldest_ms = policy.age.map(|age| now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
    for (place, mut releases) in once_live {
        releases.sort_by(|a, b| b.cmp(a));
        // Of releases that do not differ one is enough: there is nothing to go back to between them.
        let mut seen = live.remove(&place).unwrap_or_default();
        releases.retain(|(_, id)| contents.get(id).is_some_and(|content| seen.insert(*content)));
        for (when, id) in releases.into_iter().take(policy.releases) {
            if oldest_ms.is_none_or(|oldest| when >= oldest) {
                let why = format!("release {id} can be put back (`keep.releases` is {})", policy.releases);
                kept.entry(id).or_insert(why);
            }
        }
    }
    kept
}

/// What `launchway rollback` goes back to in each environment: the nearest that differs from what is live.
fn next_back(needs: &Needs, contents: &BTreeMap<ReleaseId, &str>) -> BTreeSet<ReleaseId> {
    let nearest = |(live, before): (&ReleaseId, &Vec<ReleaseId>)| {
        let differs = |id: &&ReleaseId| contents.contains_key(id) && contents.get(id) != contents.get(live);
        before.iter().find(differs).copied()
    };
    needs.before_live.iter().filter_map(nearest).collect()
}

/// One thing to take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub what: Removed,
    pub why: String,
    /// What that frees at most; absent where it is not known.
    pub size_bytes: Option<u64>,
}

/// What is taken away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removed {
    /// The names are taken off; with the last one, or where it has none, the image goes.
    Image { id: String, build: Build, names: Vec<String> },
    /// Files of a commit.
    Volume { name: String },
}

/// One thing that stays although it is of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    pub what: String,
    pub why: String,
    pub size_bytes: Option<u64>,
}

/// What is taken away, and what stays and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collection {
    pub removals: Vec<Removal>,
    pub stays: Vec<Stays>,
}

/// What this store knows of: `noted` are images that were built, with their tags, also of releases that it has
/// forgotten since.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    pub releases: Vec<PastRelease>,
    pub noted: BTreeMap<Build, String>,
}

/// What of the engine's holdings goes, and what stays.
pub fn collection(known: &Known, kept: &Kept, holdings: &Holdings) -> Collection {
    let owned = Owned::new(known, kept);
    let mut collection = Collection::default();
    for image in &holdings.images {
        match owned.image(image) {
            Verdict::NotOurs => {}
            Verdict::Stays(why) => collection.stays.push(Stays {
                what: format!("image {}", name_of(image)),
                why,
                size_bytes: Some(image.size_bytes),
            }),
            Verdict::Goes(removal) => collection.removals.push(removal),
        }
    }
    for volume in &holdings.volumes {
        match owned.volume(volume) {
            Verdict::NotOurs => {}
            Verdict::Stays(why) => {
                collection.stays.push(Stays { what: format!("volume {}", volume.name), why, size_bytes: None });
            }
            Verdict::Goes(removal) => collection.removals.push(removal),
        }
    }
    collection
}

/// Whether a removal that was planned is still right: asked again in the moment before it is carried out.
pub fn is_still_right(removal: &Removal, known: &Known, kept: &Kept) -> bool {
    let owned = Owned::new(known, kept);
    match &removal.what {
        Removed::Image { build, names, .. } => {
            !owned.builds.contains_key(build) && !names.iter().any(|name| owned.tags.contains_key(name.as_str()))
        }
        Removed::Volume { name } => !owned.volumes.contains_key(name.as_str()),
    }
}

enum Verdict {
    NotOurs,
    Stays(String),
    Goes(Removal),
}

/// What is ours, and what of it is needed, with the reason.
struct Owned<'a> {
    /// Every build that this store knows, with the repository of its tags: `launchway/shop/api`.
    repositories: BTreeMap<&'a Build, &'a str>,
    known_volumes: BTreeSet<&'a str>,
    builds: BTreeMap<&'a Build, &'a str>,
    tags: BTreeMap<&'a str, &'a str>,
    volumes: BTreeMap<&'a str, &'a str>,
}

impl<'a> Owned<'a> {
    fn new(known: &'a Known, kept: &'a Kept) -> Self {
        let all = known.releases.iter().flat_map(|release| &release.builds).chain(&known.noted);
        let repositories = all.filter_map(|(build, tag)| Some((build, tag.rsplit_once(':')?.0))).collect();
        let known_volumes = known.releases.iter().flat_map(|r| &r.volumes).map(String::as_str).collect();
        let mut owned = Self {
            repositories,
            known_volumes,
            builds: BTreeMap::new(),
            tags: BTreeMap::new(),
            volumes: BTreeMap::new(),
        };
        for release in &known.releases {
            let Some(why) = kept.get(&release.id) else { continue };
            for (build, tag) in &release.builds {
                owned.builds.entry(build).or_insert(why);
                owned.tags.entry(tag).or_insert(why);
            }
            for volume in &release.volumes {
                owned.volumes.entry(volume).or_insert(why);
            }
        }
        owned
    }

    fn image(&self, image: &HeldImage) -> Verdict {
        let Some(build) = Build::of_labels(&image.labels) else { return Verdict::NotOurs };
        let Some(repository) = self.repositories.get(&build) else { return Verdict::NotOurs };
        if let Some(container) = &image.used_by {
            return Verdict::Stays(format!("container {container} is made of it"));
        }
        let needed = image.tags.iter().find_map(|tag| self.tags.get(tag.as_str()));
        if let Some(why) = self.builds.get(&build).or(needed) {
            return Verdict::Stays((*why).to_string());
        }
        let is_own = |tag: &&String| tag.rsplit_once(':').is_some_and(|(name, _)| name == *repository);
        let (own, others): (Vec<&String>, Vec<&String>) = image.tags.iter().partition(is_own);
        let names: Vec<String> = own.into_iter().cloned().collect();
        let what = Removed::Image { id: image.id.clone(), names, build };
        match (&what, others.first()) {
            (Removed::Image { names, .. }, Some(other)) if names.is_empty() => {
                Verdict::Stays(format!("it is named {other}, which Launchway does not take away"))
            }
            (_, Some(other)) => {
                let why = format!("no release that is kept needs it; the image stays as {other}");
                Verdict::Goes(Removal { what, why, size_bytes: Some(0) })
            }
            (_, None) => {
                let why = "no release that is kept needs it".to_string();
                Verdict::Goes(Removal { what, why, size_bytes: Some(image.size_bytes) })
            }
        }
    }

    fn volume(&self, volume: &HeldVolume) -> Verdict {
        if !self.known_volumes.contains(volume.name.as_str()) {
            return Verdict::NotOurs;
        }
        if let Some(container) = &volume.used_by {
            return Verdict::Stays(format!("container {container} mounts it"));
        }
        match self.volumes.get(volume.name.as_str()) {
            Some(why) => Verdict::Stays((*why).to_string()),
            None => Verdict::Goes(Removal {
                what: Removed::Volume { name: volume.name.clone() },
                why: "it holds files of a commit that no kept release mounts".into(),
                size_bytes: None,
            }),
        }
    }
}

fn name_of(image: &HeldImage) -> String {
    image.tags.first().cloned().unwrap_or_else(|| image.id.clone())
}

/// The newest deployments of each environment are kept however old they are.
pub const NEWEST_DEPLOYMENTS: usize = 50;

/// A deployment, as far as keeping it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDeployment {
    pub id: DeploymentId,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub release: Option<ReleaseId>,
    /// Absent while it has not ended.
    pub ended_ms: Option<i64>,
    /// Somebody has still to be told of it, or it is noted as what made the live release live.
    pub is_needed: bool,
}

/// Deployments whose rows and logs are forgotten. `deployments` are all of the store, in any order. What is newer than
/// the first deployment of a kept release stays: going back is explained by what happened since.
pub fn forgettable(deployments: &[PastDeployment], kept: &Kept, policy: &Retention, now_ms: i64) -> Vec<DeploymentId> {
    let oldest_ms = now_ms.saturating_sub(i64::try_from(policy.deployments.as_millis()).unwrap_or(i64::MAX));
    let mut places: BTreeMap<_, Vec<&PastDeployment>> = BTreeMap::new();
    for deployment in deployments {
        places.entry((&deployment.project, &deployment.environment)).or_default().push(deployment);
    }
    let mut forgettable = Vec::new();
    for mut deployments in places.into_values() {
        deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.id));
        let of_kept = |d: &&&PastDeployment| d.release.is_some_and(|release| kept.contains_key(&release));
        let first_kept = deployments.iter().filter(of_kept).map(|d| d.id).min();
        let old = deployments.into_iter().skip(NEWEST_DEPLOYMENTS).filter(|deployment| {
            deployment.ended_ms.is_some_and(|ended| ended < oldest_ms)
                && !deployment.is_needed
                && first_kept.is_none_or(|first| deployment.id < first)
        });
        forgettable.extend(old.map(|deployment| deployment.id));
    }
    forgettable.sort();
    forgettable
}
