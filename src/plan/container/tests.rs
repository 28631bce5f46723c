use super::*;
use crate::model::{AnotherStore, Mount};
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
    let (observed, unnamed) = (Observed::default(), Default::default());
    let names = ContentNames::of(&observed);
    let spec =
        container_spec(&release, None, &release.stack.components[&name], 1, (None, &unnamed), Joined::default(), names);
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

#[test]
fn a_content_volume_is_called_after_its_store_unless_one_of_before_is_there() {
    let mut web = component("web");
    let (key, text) = ("a".to_string(), crate::model::Secret::new("a"));
    let text = MountSource::Text { key, text, uid: None, gid: None, mode: None };
    web.0.container.mounts.push(Mount { target: "/a".into(), source: text, read_only: true });
    let there = |labels: &[(&str, &str)], another: bool| ObservedVolume {
        labels: labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        another: another.then(AnotherStore::default),
        ..ObservedVolume::default()
    };
    let former = unowned_content_volumes(&web.0).next().unwrap();
    let content = [(label::CONTENT, former.labels[label::CONTENT].as_str())];
    let named = |volume: Option<ObservedVolume>| {
        let volumes = volume.map(|volume| (former.name.clone(), volume)).into_iter().collect();
        let observed = Observed { store: "abc1".into(), volumes, ..Observed::default() };
        content_volumes(&web.0, ContentNames::of(&observed)).remove(0).name
    };
    let own = former.name.replace("launchway-text-", "launchway-abc1-text-");
    assert_eq!(named(None), own);
    assert_eq!(named(Some(there(&content, false))), former.name, "it is used on");
    assert_eq!(named(Some(there(&[], true))), own, "another store made it");
    assert_eq!(named(Some(there(&[(label::CONTENT, "other")], false))), own);
    assert_eq!(content_volume_names(&web.0, "abc1"), [own, former.name.clone()], "collecting knows both");
}
