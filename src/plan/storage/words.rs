//! How it is said that a component would start on something else: what, what that leaves behind, and both ways on.

use super::{Change, Doubt, Now};
use crate::model::{Component, Observed, Place, Problem, Quoted, Release, Storage, Volume, is_unnamed_volume};
use crate::plan::unnamed::short_name;
use std::collections::BTreeMap;

/// An error for each thing that would be left behind; one for all that comes of another Compose project.
pub fn problems(changes: &[Change], now: &Now, release: &Release, observed: &Observed) -> Vec<Problem> {
    let told = Telling { now, release, observed, all: changes };
    let (renamed, others): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| told.is_of_another_project(change));
    let mut problems: Vec<Problem> = told.of_another_project(&renamed).into_iter().collect();
    let mut pairs: BTreeMap<(&Storage, &Storage), Vec<&Change>> = BTreeMap::new();
    for change in others {
        pairs.entry((&change.old, &change.new)).or_default().push(change);
    }
    problems.extend(pairs.values().filter_map(|changes| told.of_pair(changes)));
    problems
}

/// What somebody has said yes to, as a line of the plan.
pub fn in_place_of(change: &Change, by: &str) -> String {
    let (of, new, old) = (subject(change), noun(&change.new), noun(&change.old));
    format!("{of} starts on {new} in place of {old}, as {} said", Quoted(by))
}

struct Telling<'a> {
    now: &'a Now,
    release: &'a Release,
    observed: &'a Observed,
    /// Everything that is asked about.
    all: &'a [Change],
}

impl Telling<'_> {
    /// The volume has the same key, and the name of another Compose project before it.
    fn is_of_another_project(&self, change: &Change) -> bool {
        let Some(before) = self.now.compose_project.as_deref() else { return false };
        let project = &self.release.stack.compose_project;
        let key = |storage: &Storage, project: &str| {
            let rest = storage.volume_name()?.strip_prefix(project)?;
            rest.strip_prefix('_').map(str::to_string)
        };
        let is_unnamed = || self.now.is_another_project && change.old.volume_name().is_some_and(is_unnamed_volume);
        let renamed = key(&change.old, before).is_some_and(|old| key(&change.new, project) == Some(old));
        before != project && (renamed || is_unnamed())
    }

    fn of_another_project(&self, changes: &[&Change]) -> Option<Problem> {
        changes.first()?;
        let (before, project) = (self.now.compose_project.as_deref()?, &self.release.stack.compose_project);
        let environment = format!("projects.{}.environments.{}", self.release.project, self.release.environment);
        let what = match self.now.is_another_project {
            true => format!(
                "Compose runs the same services here as the project {}, and the environment's Compose project is {project}",
                Quoted(before)
            ),
            false => format!("the environment's Compose project is {project} and was {}", Quoted(before)),
        };
        let each = changes.iter().map(|change| self.would_start(&[*change]));
        let message = format!(
            "{what}: {}. To keep what is there, write `compose-project = {:?}` under [{environment}] in launchway.toml. {}",
            each.collect::<Vec<_>>().join("; "),
            Quoted(before),
            self.on_purpose()
        );
        Some(Problem::error(None, format!("{environment}.compose-project"), message))
    }

    fn of_pair(&self, changes: &[&Change]) -> Option<Problem> {
        let first = *changes.first()?;
        let (place, key) = self.stands_at(first)?;
        let message = format!("{}. {} {}", self.would_start(changes), self.to_keep(first)?, self.on_purpose());
        Some(Problem::error(place, key, message))
    }

    fn stands_at(&self, change: &Change) -> Option<(Option<Place>, String)> {
        match self.new_volume(change) {
            Some((key, volume)) => Some((volume.place.clone(), format!("volumes.{key}"))),
            None => {
                let component = self.component(change)?;
                Some((Some(component.place.clone()), format!("services.{}.volumes", change.component)))
            }
        }
    }

    fn component(&self, change: &Change) -> Option<&Component> {
        self.release.stack.components.get(&change.component)
    }

    /// The release's volume that would be mounted, under its key.
    fn new_volume(&self, change: &Change) -> Option<(&String, &Volume)> {
        let name = change.new.volume_name()?;
        self.release.stack.volumes.iter().find(|(_, volume)| volume.name == name)
    }

    /// All changes are from the same to the same.
    fn would_start(&self, changes: &[&Change]) -> String {
        let Some(first) = changes.first() else { return String::new() };
        let who = changes.iter().map(|change| subject(change)).collect::<Vec<_>>().join(" and ");
        let new = match &first.new {
            Storage::Volume { name, .. } if self.observed.volumes.contains_key(name) => {
                format!("{}, which is there already", noun(&first.new))
            }
            Storage::Volume { .. } => format!("{}, which is new", noun(&first.new)),
            other => noun(other),
        };
        format!("{who} would leave {} behind for {new}", noun(&first.old))
    }

    /// The line to write.
    fn to_keep(&self, change: &Change) -> Option<String> {
        let path = Quoted(&change.path);
        if matches!(change.doubt, Some(Doubt::There(_))) {
            return Some(format!("To go on with that, mount nothing at {path}."));
        }
        Some(match (&change.old, self.new_volume(change)) {
            (Storage::Own, _) => {
                let held = self.observed.containers.iter().find(|container| container.component == change.component);
                let from = Quoted(held.map_or("CONTAINER", |container| container.name.as_str()));
                format!(
                    "It goes with the container, whatever is mounted: to keep it, copy it out first (`docker cp {from}:{path} .`)."
                )
            }
            // No file can name it; declared again, it is handed on.
            (Storage::Volume { name, .. }, _) if is_unnamed_volume(name) => match &change.was_of {
                Some(was) => format!("To keep that, call the component {was} again."),
                None => self.mount_again(change, &format!("{path:?}"), ""),
            },
            (Storage::Volume { name, subpath: None }, Some((key, volume))) => {
                let external =
                    if volume.external && self.now.external.contains(name) { "external: true, " } else { "" };
                let (key, name) = (Quoted(key), Quoted(name));
                format!("To keep that, write `volumes: {{ {key}: {{ {external}name: {name} }} }}` in the Compose file.")
            }
            (Storage::Volume { name, subpath }, _) => {
                let (key, declared) = self.key_of(name, &change.path);
                let key = Quoted(key);
                let mount = match subpath {
                    None => format!("\"{key}:{path}\""),
                    Some(subpath) => format!(
                        "{{ type: volume, source: {key}, target: {path:?}, volume: {{ subpath: {:?} }} }}",
                        Quoted(subpath)
                    ),
                };
                self.mount_again(change, &mount, &declared)
            }
            (Storage::Host { path: on_host }, _) => {
                let again = self.mount_again(change, &format!("\"{}:{path}\"", Quoted(on_host)), "");
                format!("{again} Where `binds` of launchway.toml led there, set that again.")
            }
            (Storage::Unnamed | Storage::Tmpfs | Storage::Commit, _) => self.mount_again(change, "...", ""),
        })
    }

    fn mount_again(&self, change: &Change, mount: &str, declared: &str) -> String {
        let component = self.component(change);
        let is_there = |component: &Component| component.container.mounts.iter().any(|one| one.target == change.path);
        let instead = if component.is_some_and(is_there) { ", in place of what is mounted there" } else { "" };
        format!(
            "To keep that, write `services: {{ {}: {{ volumes: [{mount}] }} }}`{declared} in the Compose file{instead}.",
            change.component
        )
    }

    /// A key under which the file has the volume, or could have it, and what it takes to declare it.
    fn key_of(&self, name: &str, path: &str) -> (String, String) {
        let stack = &self.release.stack;
        if let Some((key, _)) = stack.volumes.iter().find(|(_, volume)| volume.name == name) {
            return (key.clone(), String::new());
        }
        if let Some(key) = name.strip_prefix(&format!("{}_", stack.compose_project))
            && !stack.volumes.contains_key(key)
        {
            return (key.to_string(), format!(" and `volumes: {{ {}: {{}} }}`", Quoted(key)));
        }
        let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("data");
        let mut key: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        while stack.volumes.contains_key(&key) {
            key.push_str("-kept");
        }
        let external = if self.now.external.contains(name) { "external: true, " } else { "" };
        let declared = format!(" and `volumes: {{ {}: {{ {external}name: {} }} }}`", Quoted(&key), Quoted(name));
        (key, declared)
    }

    /// The command that says yes to all that is asked about.
    fn on_purpose(&self) -> String {
        let mut names: Vec<String> = self.all.iter().map(Change::name).collect();
        names.sort();
        names.dedup();
        let quoted = |name: &String| shlex::try_quote(name).map_or_else(|_| name.clone(), |name| name.into_owned());
        let flags: Vec<String> = names.iter().map(|name| format!("--fresh-volume {}", Quoted(quoted(name)))).collect();
        format!(
            "To start anew on purpose, `launchway deploy {} -p {} -e {}`: nothing is removed, and it is asked once.",
            flags.join(" "),
            self.release.project,
            self.release.environment
        )
    }
}

/// `postgres (db until now) at /data`
fn subject(change: &Change) -> String {
    let was = change.was_of.as_ref().map(|was| format!(" ({was} until now)")).unwrap_or_default();
    format!("{}{was} at {}", change.component, Quoted(&change.path))
}

fn noun(storage: &Storage) -> String {
    match storage {
        Storage::Volume { name, subpath } => {
            let part = subpath.as_ref().map(|subpath| format!(" ({} in it)", Quoted(subpath))).unwrap_or_default();
            match is_unnamed_volume(name) {
                true => format!("the unnamed volume {}{part}", short_name(name)),
                false => format!("the volume {}{part}", Quoted(name)),
            }
        }
        Storage::Host { path } => format!("{} of the host", Quoted(path)),
        Storage::Unnamed => "a new unnamed volume".into(),
        Storage::Tmpfs => "a tmpfs, which is empty at each start".into(),
        Storage::Commit => "files of the commit, which can only be read".into(),
        Storage::Own => "the container's own files".into(),
    }
}
