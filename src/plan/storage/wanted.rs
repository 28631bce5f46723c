//! What a release would have components mount.

use crate::model::{Component, MountSource, Mounted, Release, Storage};
use crate::plan::unnamed::{Unnamed, clean};

/// All of a component's mounts, with the volumes that its image declares as far as they are known.
pub(super) fn wanted(release: &Release, component: &Component, unnamed: &Unnamed) -> Vec<Mounted> {
    let of_image = unnamed.of_image(component);
    let of_image = of_image.map(|path| Mounted { target: path.to_string(), storage: Storage::Unnamed, writable: true });
    of_file(release, component).chain(of_image).collect()
}

/// Those of the Compose file.
pub(super) fn of_file<'a>(release: &'a Release, component: &'a Component) -> impl Iterator<Item = Mounted> + 'a {
    component.container.mounts.iter().map(|mount| {
        let storage = match &mount.source {
            MountSource::Volume { key, subpath, .. } => {
                let volume = release.stack.volumes.get(key);
                let name = volume.map_or(key.as_str(), |volume| volume.name.as_str());
                Storage::volume(name).below(subpath.as_deref().unwrap_or_default())
            }
            MountSource::Anonymous => Storage::Unnamed,
            MountSource::Host { path, .. } => Storage::Host { path: clean(path) },
            MountSource::Tmpfs { .. } => Storage::Tmpfs,
            MountSource::Repository { .. } | MountSource::Text { .. } => Storage::Commit,
        };
        let writable = !mount.read_only && storage != Storage::Commit;
        Mounted { target: clean(&mount.target), storage, writable }
    })
}
