//! What components have where now: as the live release says it, and as the engine says it of containers that Compose started.

use crate::model::{
    Component, ComponentName, ForeignContainer, MountSource, Mounted, Observed, ObservedContainer, Release, RepoPath,
    Storage, image_repository, is_unnamed_volume, label, own_names,
};
use crate::plan::fingerprint::{accepted, same};
use crate::plan::unnamed::Unnamed;
use std::collections::{BTreeMap, BTreeSet};

/// Names that Compose may have given to a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LikelyNames {
    /// Folders in which somebody may have run it, such as the repository's.
    pub folders: Vec<String>,
    /// Compose projects of environments in launchway.toml: those are somebody's already.
    pub environments: BTreeSet<String>,
}

impl LikelyNames {
    /// Whether Compose's project may be the release's: named by the file, by a folder, or like the project, with whatever
    /// is put behind that.
    fn has(&self, project: &str, release: &Release) -> bool {
        let is_like = |name: &str| composes_name(name) == project;
        let is_longer = project.strip_prefix(release.project.as_str()).is_some_and(|rest| rest.starts_with(['-', '_']));
        project != release.stack.compose_project
            && !self.environments.contains(project)
            && (is_like(release.project.as_str())
                || is_longer
                || release.stack.compose_name.as_deref().is_some_and(is_like)
                || self.folders.iter().any(|folder| is_like(folder)))
    }
}

/// What Compose makes of a folder's name: lower case, of letters, digits, `-` and `_`.
fn composes_name(folder: &str) -> String {
    let lower = folder.to_lowercase();
    let plain: String = lower.chars().filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')).collect();
    plain.trim_start_matches(['-', '_']).to_string()
}

/// What keeps the data of each component now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Now {
    pub(super) components: BTreeMap<ComponentName, Known>,
    /// The Compose project by which its networks and volumes are named, where that is not the release's own matter.
    pub(super) compose_project: Option<String>,
    /// Volumes that the live release has of somebody else.
    pub(super) external: BTreeSet<String>,
    /// A stack of another Compose project than the environment's: nothing of it is taken over, and nothing handed on.
    pub(super) is_another_project: bool,
    /// Components that the release leaves as they are: their containers go on, whatever those have.
    pub(super) untouched: BTreeSet<ComponentName>,
}

/// A component as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub looks: Looks,
    pub held: Vec<Held>,
    /// Ids of its containers.
    pub containers: Vec<String>,
    pub is_job: bool,
}

/// What a component has at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub path: String,
    pub storage: Storage,
    pub writable: bool,
    /// Nobody named the volume.
    pub is_unnamed: bool,
    /// Compose mounted it, or another Launchway.
    pub is_by_hand: bool,
    /// Ids of those that have it.
    pub containers: Vec<String>,
}

/// What a component is made of, by which it is recognised under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Looks {
    Image(String),
    /// `None`: of a build that Compose named after the service.
    Built(Option<Recipe>),
}

/// What is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    context: RepoPath,
    dockerfile: RepoPath,
    inline: Option<String>,
    target: Option<String>,
}

impl Looks {
    fn of(component: &Component) -> Self {
        match (&component.build, &component.image) {
            (Some(build), _) => Self::Built(Some(Recipe {
                context: build.context.clone(),
                dockerfile: build.dockerfile.clone(),
                inline: build.dockerfile_inline.clone(),
                target: build.target.clone(),
            })),
            (None, image) => Self::Image(image_repository(image.as_deref().unwrap_or_default())),
        }
    }

    /// `project` and `service` are those of Compose.
    fn of_container(image: &str, project: &str, service: &str) -> Self {
        let repository = image_repository(image);
        let is_built =
            ["-", "_"].iter().any(|dash| image_repository(&format!("{project}{dash}{service}")) == repository);
        if is_built { Self::Built(None) } else { Self::Image(repository) }
    }

    /// Whether the image of a component is the one that was meant.
    pub fn is_like(&self, component: &Component) -> bool {
        match (self, Self::of(component)) {
            (Self::Built(None), Self::Built(_)) => true,
            (own, other) => *own == other,
        }
    }
}

impl Now {
    /// Of an environment: what is live there, and what Compose, or another Launchway, started and a deployment would take
    /// over for a release.
    pub fn of(live: Option<&Release>, release: &Release, observed: &Observed) -> Self {
        let mut now = Self::default();
        if let Some(live) = live {
            now.compose_project = Some(live.stack.compose_project.clone());
            let external = live.stack.volumes.values().filter(|volume| volume.external);
            now.external = external.map(|volume| volume.name.clone()).collect();
            now.untouched = untouched(live, release);
            let accepted = accepted(Some(live), live);
            for component in live.stack.components.values() {
                let is_own = |container: &&ObservedContainer| {
                    let Some(fingerprint) = &container.fingerprint else { return false };
                    let part = live.parts.get(&component.name);
                    container.component == component.name
                        && (part.is_some_and(|part| part.fingerprint == *fingerprint)
                            || accepted.get(&component.name).is_some_and(|all| all.contains(fingerprint)))
                };
                let containers: Vec<&ObservedContainer> = observed.containers.iter().filter(is_own).collect();
                now.components.insert(component.name.clone(), recorded(live, component, &containers));
            }
        }
        // What no release of this store made.
        for container in observed.containers.iter().filter(|container| container.release.is_none()) {
            let (project, service) = (&release.stack.compose_project, container.component.as_str());
            let looks = || Looks::of_container(&container.image, project, service);
            let known = now.components.entry(container.component.clone()).or_insert_with(|| Known::new(looks()));
            known.containers.push(container.id.clone());
            for mounted in container.mounts.iter().filter_map(|mounted| as_meant(mounted, observed)) {
                let unnamed = container.anonymous_volumes.get(&mounted.target).map(String::as_str);
                let is_unnamed = unnamed.is_some() && unnamed == mounted.storage.volume_name();
                known.hold(mounted, is_unnamed, true, &container.id);
            }
        }
        now
    }

    /// A stack that Compose started under another project's name than the environment has, and that is what the release says:
    /// whoever forgot to set `compose-project` would have it all start anew beside it. Two stacks of one host may be alike, so
    /// only such names count as it is likely to have. Names and labels are claims: nothing but a question follows from them.
    pub fn of_another_project(
        release: &Release,
        observed: &Observed,
        names: &LikelyNames,
        unnamed: &Unnamed,
    ) -> Option<Self> {
        let mut stacks: BTreeMap<&str, Vec<(ComponentName, &ForeignContainer)>> = BTreeMap::new();
        for (project, service, container) in observed.foreign.iter().filter_map(composes) {
            if names.has(project, release) {
                stacks.entry(project).or_default().push((service, container));
            }
        }
        let mut found: Vec<(bool, &str, Self)> = Vec::new();
        for (project, containers) in stacks {
            let looks = |(service, container): &(ComponentName, &ForeignContainer)| {
                let looks = Looks::of_container(&container.image, project, service.as_str());
                release.stack.components.get(service).is_some_and(|component| looks.is_like(component))
            };
            if !containers.iter().all(looks) {
                continue;
            }
            let mut now = Self { compose_project: Some(project.into()), is_another_project: true, ..Self::default() };
            for (service, container) in &containers {
                let Some(component) = release.stack.components.get(service) else { continue };
                let known = now.components.entry(service.clone()).or_insert_with(|| Known::new(Looks::of(component)));
                let is_its = |mounted: &&Mounted| would_be_the_same(release, component, project, mounted, unnamed);
                for mounted in container.mounts.iter().filter(is_its) {
                    let is_unnamed = mounted.storage.volume_name().is_some_and(is_unnamed_volume);
                    known.hold(mounted.clone(), is_unnamed, true, &container.id);
                }
            }
            if now.components.values().any(|known| !known.held.is_empty()) {
                let runs = containers.iter().any(|(_, container)| container.running);
                found.push((!runs, project, now));
            }
        }
        found.into_iter().min_by_key(|(rests, project, _)| (*rests, *project)).map(|(_, _, now)| now)
    }
}

/// Components that are the same. Of a release without images, as far as its files say it.
fn untouched(live: &Release, release: &Release) -> BTreeSet<ComponentName> {
    if !release.parts.is_empty() {
        return same(live, &release.stack, &release.parts);
    }
    let is_same = |component: &&Component| {
        let before = live.stack.components.get(&component.name);
        before.is_some_and(|before| {
            (&before.container, &before.image, &before.build)
                == (&component.container, &component.image, &component.build)
        })
    };
    release.stack.components.values().filter(is_same).map(|component| component.name.clone()).collect()
}

impl Known {
    fn new(looks: Looks) -> Self {
        Self { looks, held: Vec::new(), containers: Vec::new(), is_job: false }
    }

    fn hold(&mut self, mounted: Mounted, is_unnamed: bool, is_by_hand: bool, container: &str) {
        let Mounted { target: path, storage, writable } = mounted;
        let same = |held: &&mut Held| held.path == path && held.storage == storage && held.is_by_hand == is_by_hand;
        match self.held.iter_mut().find(same) {
            Some(held) => held.containers.push(container.to_string()),
            None => {
                let containers = vec![container.to_string()];
                self.held.push(Held { path, storage, writable, is_unnamed, is_by_hand, containers });
            }
        }
    }
}

/// A component of the live release. Its containers tell which unnamed volumes they have.
fn recorded(live: &Release, component: &Component, containers: &[&ObservedContainer]) -> Known {
    let ids: Vec<String> = containers.iter().map(|container| container.id.clone()).collect();
    let mounts = super::wanted::of_file(live, component);
    let held = mounts.map(|Mounted { target, storage, writable }| Held {
        path: target,
        storage,
        writable,
        is_unnamed: false,
        is_by_hand: false,
        containers: ids.clone(),
    });
    let held = held.filter(|held| held.storage != Storage::Unnamed).collect();
    let is_job = live.stack.is_job(&component.name) || component.settings.job;
    let mut known = Known { looks: Looks::of(component), held, containers: ids, is_job };
    for container in containers {
        for (path, name) in &container.anonymous_volumes {
            let mount = component.container.mounts.iter().find(|mount| mount.target == *path);
            if mount.is_none_or(|mount| mount.source == MountSource::Anonymous) {
                let writable = !mount.is_some_and(|mount| mount.read_only);
                let mounted = Mounted { target: path.clone(), storage: Storage::volume(name), writable };
                known.hold(mounted, true, false, &container.id);
            }
        }
    }
    known
}

/// A mount with what was meant by it: volumes of Launchway's own stand for files of a commit and for folders of the host.
/// `None`: a file out of a volume of the engine's.
fn as_meant(mounted: &Mounted, observed: &Observed) -> Option<Mounted> {
    let holds_a_commit =
        |name: &str| observed.volumes.get(name).is_some_and(|volume| volume.labels.contains_key(label::CONTENT));
    let storage = match &mounted.storage {
        Storage::Volume { name, .. } if holds_a_commit(name) => Storage::Commit,
        Storage::Volume { name, subpath } if name.starts_with(own_names::PATH_VOLUME) => {
            let folder = observed.volumes.get(name).and_then(|volume| volume.options.get("device"))?;
            Storage::Host { path: folder.clone() }.below(subpath.as_deref().unwrap_or_default())
        }
        // Of an engine that mounts no parts of volumes.
        Storage::Host { path } => {
            let volume = path.rsplit_once("/_data/").and_then(|(folder, _)| folder.rsplit('/').next());
            if volume.is_some_and(holds_a_commit) { Storage::Commit } else { mounted.storage.clone() }
        }
        other => other.clone(),
    };
    Some(Mounted { storage, ..mounted.clone() })
}

/// The Compose project and service of a container that Compose says it started.
fn composes(container: &ForeignContainer) -> Option<(&str, ComponentName, &ForeignContainer)> {
    let said = |key: &str| container.labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let is_launchways = said(label::PROJECT).or(said(label::SEAL)).is_some() || container.another.is_some();
    let is_oneoff = said(label::COMPOSE_ONEOFF).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_launchways || is_oneoff || said(label::COMPOSE_NUMBER).is_none() {
        return None;
    }
    let service = ComponentName::new(said(label::COMPOSE_SERVICE)?).ok()?;
    Some((said(label::COMPOSE_PROJECT)?, service, container))
}

/// Whether the release would have this very volume at this path, were its Compose project the other one.
fn would_be_the_same(
    release: &Release,
    component: &Component,
    project: &str,
    mounted: &Mounted,
    unnamed: &Unnamed,
) -> bool {
    let Some(held) = mounted.storage.volume_name() else { return false };
    let mount = component.container.mounts.iter().find(|mount| mount.target == mounted.target);
    match mount.map(|mount| &mount.source) {
        Some(MountSource::Volume { key, .. }) => {
            let volume = release.stack.volumes.get(key);
            let is_usual = volume.is_some_and(|volume| {
                !volume.external && volume.name == format!("{}_{key}", release.stack.compose_project)
            });
            is_usual && held == format!("{project}_{key}")
        }
        Some(MountSource::Anonymous) => is_unnamed_volume(held),
        Some(_) => false,
        None => is_unnamed_volume(held) && unnamed.of_image(component).any(|path| path == mounted.target),
    }
}
