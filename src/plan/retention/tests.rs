use super::*;
use crate::model::{ComponentName, ContentKey, label};
use proptest::prelude::*;
use std::time::Duration;

fn project(name: u8) -> ProjectName {
    ProjectName::new(format!("shop{name}")).unwrap()
}

fn production() -> EnvironmentName {
    EnvironmentName::new("production").unwrap()
}

fn build(project_number: u8, content: u8) -> Build {
    Build {
        project: project(project_number),
        component: ComponentName::new("web").unwrap(),
        key: ContentKey::new(format!("{content:064x}")).unwrap(),
        anew: None,
    }
}

fn tag(build: &Build) -> String {
    format!("launchway/{}/web:{}", build.project, &build.key.as_str()[40..])
}

fn volume(content: u8) -> String {
    format!("launchway-file-{content}")
}

fn release(id: i64, project_number: u8, content: u8) -> PastRelease {
    let build = build(project_number, content);
    PastRelease {
        id: ReleaseId(id),
        project: project(project_number),
        environment: production(),
        builds: BTreeMap::from([(build.clone(), tag(&build))]),
        volumes: BTreeSet::from([volume(content)]),
        content: content.to_string(),
    }
}

fn held(build: &Build, tags: Vec<String>, used_by: Option<&str>) -> HeldImage {
    let labels = BTreeMap::from([
        (label::PROJECT.to_string(), build.project.to_string()),
        (label::COMPONENT.to_string(), build.component.to_string()),
        (label::CONTENT_KEY.to_string(), build.key.to_string()),
    ]);
    let id = format!("sha256:{}{}", build.project, build.key);
    HeldImage { id, tags, labels, size_bytes: 100, used_by: used_by.map(str::to_string) }
}

fn policy(releases: usize) -> Retention {
    Retention { releases, ..Retention::default() }
}

/// Releases 1 to `count`, each with content of its own, the last one live.
fn history(count: u8) -> (Known, Needs) {
    let releases: Vec<_> = (1..=count).map(|n| release(i64::from(n), 0, n)).collect();
    let needs = Needs {
        live: BTreeSet::from([ReleaseId(i64::from(count))]),
        before_live: BTreeMap::from([(
            ReleaseId(i64::from(count)),
            (1..count).rev().map(|n| ReleaseId(i64::from(n))).collect(),
        )]),
        newest: BTreeSet::from([ReleaseId(i64::from(count))]),
        deploying: BTreeMap::new(),
        went_live_ms: (1..=count).map(|n| (ReleaseId(i64::from(n)), i64::from(n) * 1000)).collect(),
    };
    (Known { releases, noted: BTreeMap::new() }, needs)
}

fn ids(kept: &Kept) -> Vec<i64> {
    kept.keys().map(|id| id.0).collect()
}

#[test]
fn the_live_release_and_as_many_as_are_set_before_it_are_kept() {
    let (known, needs) = history(6);
    let kept = kept(&known.releases, &needs, &policy(2), 10_000);
    assert_eq!(ids(&kept), [4, 5, 6]);
    assert_eq!(kept[&ReleaseId(6)], "release 6 is live in shop0/production");
    assert_eq!(kept[&ReleaseId(4)], "release 4 can be put back (`keep.releases` is 2)");
}

#[test]
fn what_is_older_than_the_age_goes_but_for_the_one_before_the_live_one() {
    let (known, mut needs) = history(6);
    let day = 24 * 3600 * 1000;
    needs.went_live_ms.values_mut().for_each(|when| *when *= 24 * 3600);
    let policy = Retention { age: Some(Duration::from_secs(2 * 24 * 3600)), ..policy(5) };
    assert_eq!(ids(&kept(&known.releases, &needs, &policy, 6 * day)), [4, 5, 6]);
    assert_eq!(ids(&kept(&known.releases, &needs, &policy, 100 * day)), [5, 6]);
}

#[test]
fn commits_that_changed_nothing_take_no_place_from_what_can_be_put_back() {
    let (mut known, mut needs) = history(3);
    for id in 4..=9 {
        known.releases.push(release(id, 0, 3));
        needs.went_live_ms.insert(ReleaseId(id), id * 1000);
    }
    needs.live = BTreeSet::from([ReleaseId(9)]);
    needs.newest = needs.live.clone();
    needs.before_live = BTreeMap::from([(ReleaseId(9), (1..9).rev().map(ReleaseId).collect())]);
    let kept = kept(&known.releases, &needs, &policy(2), 10_000);
    assert_eq!(ids(&kept), [1, 2, 9]);
    assert_eq!(kept[&ReleaseId(2)], "release 2 was live before the live one");
    // However short what is kept may be: that one stays.
    let policy = Retention { age: Some(Duration::from_millis(1)), ..policy(1) };
    assert_eq!(ids(&super::kept(&known.releases, &needs, &policy, 100_000)), [2, 9]);
}

#[test]
fn what_a_deployment_needs_stays_though_it_was_never_live() {
    let (mut known, mut needs) = history(3);
    known.releases.push(release(9, 0, 9));
    needs.deploying.insert(ReleaseId(9), DeploymentId(12));
    let kept = kept(&known.releases, &needs, &policy(1), 10_000);
    assert_eq!(ids(&kept), [2, 3, 9]);
    assert_eq!(kept[&ReleaseId(9)], "deployment 12 needs release 9");
}

#[test]
fn an_image_goes_by_all_of_our_names_and_a_name_of_the_compose_file_stays() {
    let (known, needs) = history(4);
    let kept = kept(&known.releases, &needs, &policy(1), 10_000);
    let gone = build(0, 1);
    let commit = "launchway/shop0/web:commit-0123456".to_string();
    let holdings = Holdings {
        images: vec![
            held(&gone, vec![tag(&gone), commit.clone()], None),
            held(&build(0, 2), vec![tag(&build(0, 2)), "acme/web:latest".into()], None),
            held(&build(0, 3), vec![tag(&build(0, 3))], None),
            held(&build(7, 1), vec![tag(&build(7, 1))], None),
        ],
        volumes: Vec::new(),
    };
    let Collection { removals, stays } = collection(&known, &kept, &holdings);
    let names: Vec<_> = removals
        .iter()
        .filter_map(|removal| match &removal.what {
            Removed::Image { names, .. } => Some(names.clone()),
            Removed::Volume { .. } => None,
        })
        .collect();
    assert_eq!(names, [vec![tag(&gone), commit], vec![tag(&build(0, 2))]]);
    assert_eq!(removals[1].why, "no release that is kept needs it; the image stays as acme/web:latest");
    assert_eq!(stays.len(), 1, "what another Launchway built is not even named: {stays:?}");
}

#[test]
fn the_newest_deployments_stay_whatever_their_age_and_so_do_those_of_kept_releases() {
    let deployment = |id: i64| PastDeployment {
        id: DeploymentId(id),
        project: project(0),
        environment: production(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        release: Some(ReleaseId(id)),
        ended_ms: Some(id),
        is_needed: id == 7,
    };
    let deployments: Vec<_> = (1..=60).map(deployment).collect();
    let later = 200 * 24 * 3600 * 1000;
    let forgotten = |kept: &Kept, now| -> Vec<i64> {
        forgettable(&deployments, kept, &policy(5), now).into_iter().map(|id| id.0).collect()
    };
    assert_eq!(forgotten(&Kept::new(), later), [1, 2, 3, 4, 5, 6, 8, 9, 10]);
    assert_eq!(forgotten(&Kept::new(), 1000), Vec::<i64>::new(), "nothing is old yet");
    let kept = Kept::from([(ReleaseId(4), String::new())]);
    assert_eq!(forgotten(&kept, later), [1, 2, 3]);
}

/// A store and an engine, as random as they come: contents are shared between releases, releases were live, are live
/// or are being deployed, images have lost names, have foreign names, are used, or are somebody else's.
fn any_world() -> impl Strategy<Value = (Known, Needs, Holdings)> {
    let releases = prop::collection::vec((0..3u8, 0..8u8, 0..4u8, 0..50i64), 0..14);
    let images = prop::collection::vec((0..4u8, 0..10u8, 0..5u8, prop::bool::weighted(0.2)), 0..24);
    let volumes = prop::collection::vec((0..12u8, prop::bool::weighted(0.2)), 0..12);
    (releases, images, volumes).prop_map(|(releases, images, volumes)| {
        let (mut known, mut needs) = (Known::default(), Needs::default());
        for (index, (project, content, state, when)) in releases.into_iter().enumerate() {
            let id = ReleaseId(index as i64 + 1);
            known.releases.push(release(id.0, project, content));
            match state {
                0 => {
                    needs.newest.insert(id);
                }
                1 => {
                    needs.deploying.insert(id, DeploymentId(1));
                }
                _ => {
                    needs.went_live_ms.insert(id, when);
                    let is_first = known.releases.iter().filter(|r| r.project == self::project(project)).count() == 1;
                    if is_first {
                        needs.live.insert(id);
                    }
                    if state == 3 && !is_first && when % 5 == 0 {
                        let live = known.releases.iter().find(|r| r.project == self::project(project)).map(|r| r.id);
                        needs.before_live.entry(live.unwrap_or(id)).or_default().push(id);
                    }
                }
            }
        }
        let images = images.into_iter().map(|(project, content, names, used)| {
            let build = build(project, content);
            let own = tag(&build);
            let names = match names {
                0 => vec![],
                1 => vec!["acme/web:latest".to_string()],
                2 => vec![own, "acme/web:1".into()],
                3 => vec![own.clone(), format!("{own}-commit")],
                _ => vec![own],
            };
            held(&build, names, used.then_some("somebody"))
        });
        let volumes = volumes
            .into_iter()
            .map(|(content, used)| HeldVolume { name: volume(content), used_by: used.then(|| "somebody".to_string()) });
        let holdings = Holdings { images: images.collect(), volumes: volumes.collect() };
        (known, needs, holdings)
    })
}

/// The engine after it.
fn carried_out(holdings: &Holdings, removals: &[Removal]) -> Holdings {
    let mut after = holdings.clone();
    for removal in removals {
        match &removal.what {
            Removed::Volume { name } => after.volumes.retain(|volume| volume.name != *name),
            Removed::Image { id, names, .. } => after.images.retain_mut(|image| {
                if image.id != *id {
                    return true;
                }
                image.tags.retain(|tag| !names.contains(tag));
                !image.tags.is_empty()
            }),
        }
    }
    after
}

proptest! {
    #[test]
    fn nothing_that_is_needed_used_or_somebody_elses_is_ever_removed((known, needs, holdings) in any_world(), most in 1..4usize) {
        let kept = kept(&known.releases, &needs, &policy(most), 100);
        for id in needs.live.iter().chain(&needs.newest).chain(needs.deploying.keys()) {
            prop_assert!(kept.contains_key(id));
        }
        for (live, before) in &needs.before_live {
            let content = |id: &ReleaseId| known.releases.iter().find(|r| r.id == *id).map(|r| &r.content);
            let next = before.iter().find(|id| content(id) != content(live));
            prop_assert!(next.is_none_or(|id| kept.contains_key(id)), "what going back goes to");
        }
        let needed: Vec<&PastRelease> = known.releases.iter().filter(|r| kept.contains_key(&r.id)).collect();
        for removal in collection(&known, &kept, &holdings).removals {
            prop_assert!(is_still_right(&removal, &known, &kept));
            match &removal.what {
                Removed::Image { id, build, names } => {
                    prop_assert!(!needed.iter().any(|release| release.builds.contains_key(build)));
                    prop_assert!(known.releases.iter().any(|release| release.builds.contains_key(build)));
                    let ours = format!("launchway/{}/web:", build.project);
                    prop_assert!(names.iter().all(|name| name.starts_with(&ours)));
                    // Equal ids are one image on a real engine; here each is asked for itself.
                    let image = holdings.images.iter().find(|i| i.id == *id && i.used_by.is_none());
                    prop_assert!(image.is_some());
                }
                Removed::Volume { name } => {
                    prop_assert!(!needed.iter().any(|release| release.volumes.contains(name)));
                    prop_assert!(known.releases.iter().any(|release| release.volumes.contains(name)));
                    prop_assert!(holdings.volumes.iter().any(|v| v.name == *name && v.used_by.is_none()));
                }
            }
        }
    }

    #[test]
    fn after_it_nothing_is_left_to_remove_and_the_policy_holds((known, needs, holdings) in any_world(), most in 1..4usize) {
        let kept = kept(&known.releases, &needs, &policy(most), 100);
        let after = carried_out(&holdings, &collection(&known, &kept, &holdings).removals);
        prop_assert_eq!(collection(&known, &kept, &after).removals, vec![]);
        for image in after.images.iter().filter(|image| image.used_by.is_none()) {
            let build = Build::of_labels(&image.labels).unwrap();
            let is_ours = known.releases.iter().any(|release| release.builds.contains_key(&build));
            let is_needed = known.releases.iter().any(|r| kept.contains_key(&r.id) && r.builds.contains_key(&build));
            let has_our_name = image.tags.contains(&tag(&build));
            prop_assert!(!is_ours || is_needed || (!has_our_name && !image.tags.is_empty()));
        }
    }
}
