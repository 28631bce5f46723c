//! Volumes that nobody named: which of them a new container gets, and which are left lying.

use crate::model::{Component, ComponentName, MountSource, ObservedContainer};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be known of unnamed volumes beside the Compose file and the containers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unnamed {
    /// Paths of `VOLUME` of each component's image, as the engine says it. Of a component that is missing here nobody can
    /// say yet, and all that its container has counts as declared.
    pub of_images: BTreeMap<ComponentName, BTreeSet<String>>,
    /// Volumes that are there, in no container's use, and were left by the last container of a live release that had one
    /// there: component, replica and path -> the volume's name on the engine.
    pub left: BTreeMap<(ComponentName, u32, String), String>,
}

impl Unnamed {
    /// Whether the component asks for an unnamed volume at a path: the Compose file declares it (`- /data`), or else its
    /// image (`VOLUME`).
    pub fn is_declared(&self, component: &Component, path: &str) -> bool {
        let path = clean(path);
        match component.container.mounts.iter().find(|mount| clean(&mount.target) == path) {
            Some(mount) => mount.source == MountSource::Anonymous,
            None => self.of_images.get(&component.name).is_none_or(|paths| paths.contains(&path)),
        }
    }

    /// Paths of the image's `VOLUME`s at which the Compose file mounts nothing, as far as they are known.
    pub fn of_image<'a>(&'a self, component: &'a Component) -> impl Iterator<Item = &'a str> {
        let is_free = |path: &&str| !component.container.mounts.iter().any(|mount| clean(&mount.target) == **path);
        self.of_images.get(&component.name).into_iter().flatten().map(String::as_str).filter(is_free)
    }

    /// What a new container of the component gets, path -> name: what its predecessor has, as far as that is still declared,
    /// else what was left there before.
    pub fn handed_on(
        &self,
        component: &Component,
        replica: u32,
        predecessor: Option<&ObservedContainer>,
    ) -> BTreeMap<String, String> {
        let own = self.left.iter().filter(|((name, number, _), _)| (name, *number) == (&component.name, replica));
        // Nobody has lost what nobody is known to ask for.
        let is_asked_for = |path: &str| {
            let is_mounted = component.container.mounts.iter().any(|mount| clean(&mount.target) == clean(path));
            self.is_declared(component, path) && (is_mounted || self.of_images.contains_key(&component.name))
        };
        let left = own.filter(|((_, _, path), _)| is_asked_for(path));
        let mut handed: BTreeMap<String, String> =
            left.map(|((_, _, path), name)| (path.clone(), name.clone())).collect();
        let had = predecessor.into_iter().flat_map(|container| &container.anonymous_volumes);
        let had = had.filter(|(path, _)| self.is_declared(component, path));
        handed.extend(had.map(|(path, name)| (path.clone(), name.clone())));
        handed
    }

    /// What of a container's unnamed volumes its successor does not get, path -> name.
    pub fn left_by<'a>(&self, component: &Component, container: &'a ObservedContainer) -> BTreeMap<&'a str, &'a str> {
        let all = container.anonymous_volumes.iter().filter(|(path, _)| !self.is_declared(component, path));
        all.map(|(path, name)| (path.as_str(), name.as_str())).collect()
    }
}

/// A path as the engine writes it.
pub fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    format!("/{}", parts.collect::<Vec<_>>().join("/"))
}

/// The first digits of an unnamed volume's name, for a line that names the path too.
pub fn short_name(name: &str) -> &str {
    name.get(..12).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mount;
    use crate::plan::sample::{Sample, component, stack};
    use crate::plan::standing::tests::{live, release};

    fn unnamed(sample: Sample, path: &str) -> Sample {
        let mut sample = sample;
        sample.0.container.mounts.push(Mount { target: path.into(), source: MountSource::Anonymous, read_only: false });
        sample
    }

    /// A container of `web` that has unnamed volumes at `/anon` and `/image`.
    fn container() -> ObservedContainer {
        let mut container = live(&release(stack([component("web")]))).observed.containers.remove(0);
        container.anonymous_volumes =
            [("/anon", "a0"), ("/image", "b0")].map(|(path, name)| (path.to_string(), name.to_string())).into();
        container
    }

    fn knowing(paths: &[&str]) -> Unnamed {
        let paths = paths.iter().map(|path| clean(path)).collect();
        Unnamed { of_images: BTreeMap::from([(component("web").name(), paths)]), ..Default::default() }
    }

    fn pairs(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(path, name)| (path.to_string(), name.to_string())).collect()
    }

    #[test]
    fn only_what_the_file_or_the_image_still_declares_is_handed_on() {
        let (old, web) = (container(), component("web").0);
        let declaring = unnamed(component("web"), "/anon").0;
        let all = pairs(&[("/anon", "a0"), ("/image", "b0")]);
        assert_eq!(knowing(&["/image/"]).handed_on(&declaring, 1, Some(&old)), all);
        assert_eq!(knowing(&["/image"]).handed_on(&web, 1, Some(&old)), pairs(&[("/image", "b0")]));
        assert_eq!(knowing(&[]).handed_on(&declaring, 1, Some(&old)), pairs(&[("/anon", "a0")]));
        assert_eq!(knowing(&[]).left_by(&web, &old).len(), 2);
        // Of an image that is not there yet nobody can say what it declares.
        assert_eq!(Unnamed::default().handed_on(&web, 1, Some(&old)), all);
        let named = component("web").volume("data", "/anon").0;
        assert_eq!(knowing(&["/anon"]).handed_on(&named, 1, Some(&old)), pairs(&[]), "a named one is mounted there");
    }

    #[test]
    fn what_was_left_comes_back_where_it_is_asked_for_again() {
        let left = BTreeMap::from([((component("web").name(), 1, "/anon".to_string()), "c0".to_string())]);
        let declaring = unnamed(component("web"), "/anon").0;
        let knowing = |paths: &[&str]| Unnamed { left: left.clone(), ..knowing(paths) };
        assert_eq!(knowing(&[]).handed_on(&declaring, 1, None), pairs(&[("/anon", "c0")]));
        assert_eq!(knowing(&["/anon"]).handed_on(&component("web").0, 1, None), pairs(&[("/anon", "c0")]));
        assert_eq!(knowing(&["/anon"]).handed_on(&component("web").0, 2, None), pairs(&[]), "another replica's");
        assert_eq!(knowing(&[]).handed_on(&component("web").0, 1, None), pairs(&[]));
        let unknown = Unnamed { left: left.clone(), ..Default::default() };
        assert_eq!(unknown.handed_on(&component("web").0, 1, None), pairs(&[]));
        // What runs goes before what was left.
        assert_eq!(knowing(&[]).handed_on(&declaring, 1, Some(&container())), pairs(&[("/anon", "a0")]));
    }
}
