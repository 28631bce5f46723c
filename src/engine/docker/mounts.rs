//! Mounts as the engine takes them.

use super::connect::ApiVersion;
use crate::plan::{CONTENT_FILE, EngineMount};
use bollard::models::{Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, MountVolumeOptions};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
pub(super) struct Mounted {
    pub mounts: Vec<Mount>,
    /// Only for paths of the host that are to be created: what older engines do for this form alone.
    pub binds: Vec<String>,
    /// Path -> options.
    pub tmpfs: HashMap<String, String>,
}

pub(super) fn mounted(
    mounts: &[EngineMount],
    api: ApiVersion,
    mountpoints: &BTreeMap<String, String>,
) -> Result<Mounted, String> {
    let mut mounted = Mounted::default();
    for mount in mounts {
        match mount {
            EngineMount::Volume { name, target, read_only, no_copy, subpath } => {
                if subpath.is_some() && api < ApiVersion::VOLUME_SUBPATH {
                    return Err(format!(
                        "the volume's `subpath` at {target} needs Docker Engine 26 (API {}); this engine speaks API {api}. Mount the whole volume, or upgrade the engine",
                        ApiVersion::VOLUME_SUBPATH
                    ));
                }
                let options = MountVolumeOptions {
                    no_copy: no_copy.then_some(true),
                    subpath: subpath.clone(),
                    ..Default::default()
                };
                mounted.mounts.push(volume(Some(name), target, *read_only, options));
            }
            EngineMount::Below { path, subpath, target, .. } if api < ApiVersion::VOLUME_SUBPATH => {
                return Err(format!(
                    "{path}/{subpath} lies below {path}, which containers may write to: a symbolic link there would lead the mount at {target} anywhere on the host. The way that follows no link out needs Docker Engine 26 (API {}); this engine speaks API {api}. Mount {path} itself, have launchway.toml allow {path}/{subpath} in place of {path}, or upgrade the engine",
                    ApiVersion::VOLUME_SUBPATH
                ));
            }
            EngineMount::Below { volume: name, subpath, target, read_only, .. } => {
                let options =
                    MountVolumeOptions { no_copy: Some(true), subpath: Some(subpath.clone()), ..Default::default() };
                mounted.mounts.push(volume(Some(name), target, *read_only, options));
            }
            EngineMount::Anonymous { target, read_only } => {
                mounted.mounts.push(volume(None, target, *read_only, MountVolumeOptions::default()));
            }
            EngineMount::ContentFile { volume: name, target } if api >= ApiVersion::VOLUME_SUBPATH => {
                let options = MountVolumeOptions {
                    no_copy: Some(true),
                    subpath: Some(CONTENT_FILE.into()),
                    ..Default::default()
                };
                mounted.mounts.push(volume(Some(name), target, true, options));
            }
            EngineMount::ContentFile { volume: name, target } => {
                let mountpoint = mountpoints.get(name).filter(|path| !path.is_empty());
                let Some(mountpoint) = mountpoint else {
                    return Err(format!(
                        "the engine does not say where it keeps volume {name}, out of which {target} is mounted; API {} does without",
                        ApiVersion::VOLUME_SUBPATH
                    ));
                };
                mounted.mounts.push(Mount {
                    typ: Some(MountType::BIND),
                    source: Some(format!("{}/{CONTENT_FILE}", mountpoint.trim_end_matches('/'))),
                    target: Some(target.clone()),
                    read_only: Some(true),
                    ..Default::default()
                });
            }
            EngineMount::Host { path, target, read_only, propagation, create } => {
                if *create && !path.contains(':') && !target.contains(':') {
                    mounted.binds.push(bind(path, target, *read_only, propagation.as_deref()));
                } else {
                    let options = bind_options(propagation.as_deref(), *create)?;
                    mounted.mounts.push(Mount {
                        typ: Some(MountType::BIND),
                        source: Some(path.clone()),
                        target: Some(target.clone()),
                        read_only: Some(*read_only),
                        bind_options: options,
                        ..Default::default()
                    });
                }
            }
            EngineMount::Tmpfs { target, size_bytes, mode, options, read_only } => {
                let mut all = Vec::new();
                all.extend(read_only.then(|| "ro".to_string()));
                all.extend(size_bytes.map(|size| format!("size={size}")));
                all.extend(mode.map(|mode| format!("mode={mode:o}")));
                all.extend(options.clone().filter(|options| !options.is_empty()));
                mounted.tmpfs.insert(target.clone(), all.join(","));
            }
        }
    }
    Ok(mounted)
}

fn volume(name: Option<&String>, target: &str, read_only: bool, options: MountVolumeOptions) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: name.cloned(),
        target: Some(target.to_string()),
        read_only: Some(read_only),
        volume_options: (options != MountVolumeOptions::default()).then_some(options),
        ..Default::default()
    }
}

fn bind(path: &str, target: &str, read_only: bool, propagation: Option<&str>) -> String {
    let mut options = vec![if read_only { "ro" } else { "rw" }];
    options.extend(propagation);
    format!("{path}:{target}:{}", options.join(","))
}

fn bind_options(propagation: Option<&str>, create: bool) -> Result<Option<MountBindOptions>, String> {
    let propagation =
        propagation.map(|word| word.parse::<MountBindOptionsPropagationEnum>()).transpose().map_err(|_| {
            format!(
                "{:?} is no propagation of a mount: private, rprivate, shared, rshared, slave or rslave",
                propagation.unwrap_or_default()
            )
        })?;
    let create_mountpoint = create.then_some(true);
    let options = MountBindOptions { propagation, create_mountpoint, ..Default::default() };
    Ok((options != MountBindOptions::default()).then_some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_file() -> Vec<EngineMount> {
        vec![EngineMount::ContentFile { volume: "v".into(), target: "/etc/app.conf".into() }]
    }

    #[test]
    fn a_single_file_comes_by_subpath_where_the_engine_has_it_else_out_of_the_mountpoint() {
        let new = mounted(&content_file(), ApiVersion(45), &BTreeMap::new()).unwrap();
        assert_eq!(new.mounts[0].volume_options.as_ref().unwrap().subpath.as_deref(), Some("content"));
        let places = BTreeMap::from([("v".to_string(), "/var/lib/docker/volumes/v/_data".to_string())]);
        let old = mounted(&content_file(), ApiVersion(44), &places).unwrap();
        assert_eq!(old.mounts[0].source.as_deref(), Some("/var/lib/docker/volumes/v/_data/content"));
        assert_eq!(old.mounts[0].read_only, Some(true));
        assert!(mounted(&content_file(), ApiVersion(44), &BTreeMap::new()).is_err());
    }

    #[test]
    fn a_subpath_that_the_engine_does_not_know_is_an_error_not_the_whole_volume() {
        let mount = EngineMount::Volume {
            name: "data".into(),
            target: "/data".into(),
            read_only: false,
            no_copy: false,
            subpath: Some("one".into()),
        };
        let error = mounted(&[mount], ApiVersion(41), &BTreeMap::new()).unwrap_err();
        insta::assert_snapshot!(error, @"the volume's `subpath` at /data needs Docker Engine 26 (API 1.45); this engine speaks API 1.41. Mount the whole volume, or upgrade the engine");
    }

    #[test]
    fn a_tmpfs_keeps_all_its_options() {
        let mount = EngineMount::Tmpfs {
            target: "/tmp".into(),
            size_bytes: Some(1024),
            mode: Some(0o1777),
            options: Some("uid=1000,exec".into()),
            read_only: false,
        };
        let tmpfs = mounted(&[mount], ApiVersion(41), &BTreeMap::new()).unwrap().tmpfs;
        assert_eq!(tmpfs["/tmp"], "size=1024,mode=1777,uid=1000,exec");
    }
}
