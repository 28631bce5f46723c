use super::*;
use crate::plan::converge::tests::release;
use crate::plan::sample::{component, stack};

/// Whether the engine may fill the volume from the image, as the mount is told to it.
fn is_filled(external: bool, read_only: bool, no_copy: bool) -> bool {
    let mut web = component("web").volume("data", "/data");
    web.0.container.mounts[0].read_only = read_only;
    if let MountSource::Volume { no_copy: asked, .. } = &mut web.0.container.mounts[0].source {
        *asked = no_copy;
    }
    let (name, mut release) = (web.name(), release(1, stack([web])));
    release.stack.volumes.get_mut("data").unwrap().external = external;
    let spec = container_spec(&release, None, &release.stack.components[&name], 1, (None, &Default::default()), None);
    match &spec.mounts[..] {
        [EngineMount::Volume { no_copy, .. }] => !no_copy,
        mounts => panic!("{mounts:?}"),
    }
}

#[test]
fn somebody_elses_volume_that_may_only_be_read_is_not_filled_from_the_image() {
    assert!(!is_filled(true, true, false), "the engine would write into it");
    assert!(is_filled(true, false, false), "that one may be written in");
    assert!(is_filled(false, true, false), "that one is the project's own");
    assert!(!is_filled(true, true, true) && !is_filled(false, false, true), "as the file says it");
}
