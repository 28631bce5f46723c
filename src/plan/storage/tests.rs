use super::*;
use crate::model::{
    ForeignContainer, Mask, Mount, Mounted, Observed, ObservedVolume, Problem, RepoPath, Stack, is_unnamed_volume,
    label,
};
use crate::plan::Phase;
use crate::plan::converge::converge;
use crate::plan::converge::tests::release;
use crate::plan::sample::{Sample, component, stack, stack_of};
use crate::plan::simulation::Simulation;
use crate::plan::{Goal, Wanted};
use proptest::prelude::*;
use std::collections::BTreeSet;

const ALL: &[Phase] = &[Phase::Prepare, Phase::Deploy, Phase::Clean];

/// Brings an engine to a release, as a deployment that nobody refuses.
fn bring(engine: &mut Simulation, release: &Release) {
    let wanted = Wanted {
        release: Some(release),
        accepted: Default::default(),
        deployment: Some(crate::model::DeploymentId(release.id.0)),
        goal: Goal::Deploy,
        release_commands: Default::default(),
        passed: Default::default(),
        found: Vec::new(),
        unnamed: knowing(release),
    };
    for _ in 0..2 {
        let plan = converge(&wanted, &engine.observed).unwrap();
        engine.carry_out(&plan, ALL, usize::MAX);
    }
}

fn live(release: &Release) -> Simulation {
    let mut engine = Simulation::default();
    engine.shares = true;
    bring(&mut engine, release);
    engine
}

/// As if every image said that it declares nothing.
fn knowing(release: &Release) -> Unnamed {
    let of_images = release.stack.components.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
    Unnamed { of_images, ..Default::default() }
}

/// `web at /data: volume shop_data -> volume shop_other`
fn lines(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let was = change.was_of.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
        let doubt = match &change.doubt {
            None => "",
            Some(Doubt::Written(_)) => ", if it has written there",
            Some(Doubt::There(_)) => ", if it is there",
        };
        format!("{}{was} at {}: {} -> {}{doubt}", change.component, change.path, change.old, change.new)
    };
    changes.iter().map(line).collect()
}

fn asked(before: Stack, after: Stack) -> Vec<String> {
    let (before, after) = (release(1, before), release(2, after));
    let engine = live(&before);
    lines(&changes(&Now::of(Some(&before), &after, &engine.observed), &after, &knowing(&after)))
}

/// As it may leave.
fn shown(problem: &Problem) -> String {
    Mask::default().sentence(&problem.to_string())
}

/// What is said, with the names of unnamed volumes left out.
fn said(before: Option<Stack>, after: Stack, observed: Option<Observed>) -> String {
    let (before, after) = (before.map(|stack| release(1, stack)), release(2, after));
    let observed = observed.unwrap_or_else(|| before.as_ref().map(|before| live(before).observed).unwrap_or_default());
    let now = Now::of(before.as_ref(), &after, &observed);
    let changes = changes(&now, &after, &knowing(&after));
    problems(&changes, &now, &after, &observed).iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// A component with one mount: what stands at `/data`, in the words of the Compose file.
fn with(name: &str, mounts: &[(&str, &str)]) -> Sample {
    let mut sample = component(name);
    for (path, word) in mounts {
        let (word, read_only) = word.strip_suffix(":ro").map_or((*word, false), |word| (word, true));
        let source = match word {
            "none" => continue,
            "unnamed" => MountSource::Anonymous,
            "tmpfs" => MountSource::Tmpfs { size_bytes: None, mode: None, options: None },
            "commit" => MountSource::Repository {
                path: RepoPath::new("shop/site").unwrap(),
                folder: true,
                id: "1".into(),
                mount_points: vec![],
            },
            host if host.starts_with('/') => {
                MountSource::Host { path: host.into(), below: None, propagation: None, create: false }
            }
            key => MountSource::Volume { key: key.into(), no_copy: false, subpath: None },
        };
        let read_only = read_only || word == "commit";
        sample.0.container.mounts.push(Mount { target: path.to_string(), source, read_only });
    }
    sample
}

fn web(mounts: &[(&str, &str)]) -> Stack {
    stack([with("web", mounts)])
}

#[test]
fn what_is_kept_is_asked_about_wherever_something_else_takes_its_place() {
    let kinds = ["a", "a:ro", "b", "/srv/a", "unnamed", "tmpfs", "commit", "none"];
    let mut table = format!("{:8}", "");
    kinds.iter().for_each(|new| table.push_str(&format!(" {new:8}")));
    for old in kinds {
        table.push_str(&format!("\n{old:8}"));
        for new in kinds {
            let found = asked(web(&[("/data", old)]), web(&[("/data", new)]));
            let word = match found.as_slice() {
                [] => "-",
                [one] if one.ends_with("written there") => "written",
                [_] => "asks",
                more => panic!("{more:?}"),
            };
            table.push_str(&format!(" {word:8}"));
        }
    }
    let table = table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(table, @"
             a        a:ro     b        /srv/a   unnamed  tmpfs    commit   none
    a        -        -        asks     asks     asks     asks     asks     asks
    a:ro     -        -        asks     asks     asks     asks     -        -
    b        asks     asks     -        asks     asks     asks     asks     asks
    /srv/a   asks     asks     asks     -        asks     asks     asks     asks
    unnamed  asks     asks     asks     asks     -        asks     asks     asks
    tmpfs    -        -        -        -        -        -        -        -
    commit   -        -        -        -        -        -        -        -
    none     written  -        written  written  written  -        -        -
    ");
}

#[test]
fn a_renamed_volume_is_said_with_both_names_and_both_ways_on() {
    insta::assert_snapshot!(said(Some(web(&[("/data", "old")])), web(&[("/data", "new")]), None), @"volumes.new: web at /data would leave the volume shop_old behind for the volume shop_new, which is new. To keep that, write `volumes: { new: { name: shop_old } }` in the Compose file. To start anew on purpose, `launchway deploy --fresh-volume shop_new -p shop -e production`: nothing is removed, and it is asked once.");
}

#[test]
fn a_name_of_the_volume_counts_and_not_its_key() {
    let named = |key: &str, name: &str| {
        let mut stack = web(&[("/data", key)]);
        stack.volumes.get_mut(key).unwrap().name = name.into();
        stack
    };
    assert_eq!(asked(named("a", "x"), named("b", "x")), Vec::<String>::new());
    assert_eq!(asked(named("a", "x"), named("a", "y")), ["web at /data: volume x -> volume y"]);
}

#[test]
fn another_compose_project_is_said_once_for_all_that_comes_of_it() {
    let before = || stack([with("db", &[("/data", "data")]), with("web", &[("/u", "uploads"), ("/anon", "unnamed")])]);
    let mut after = before();
    after.compose_project = "shop2".into();
    for (key, volume) in &mut after.volumes {
        volume.name = format!("shop2_{key}");
    }
    insta::assert_snapshot!(said(Some(before()), after, None), @r#"projects.shop.environments.production.compose-project: the environment's Compose project is shop2 and was shop: db at /data would leave the volume shop_data behind for the volume shop2_data, which is new; web at /u would leave the volume shop_uploads behind for the volume shop2_uploads, which is new. To keep what is there, write `compose-project = "shop"` under [projects.shop.environments.production] in launchway.toml. To start anew on purpose, `launchway deploy --fresh-volume shop2_data --fresh-volume shop2_uploads -p shop -e production`: nothing is removed, and it is asked once."#);
}

#[test]
fn each_way_to_keep_it_is_a_line_to_write() {
    let mut lines = Vec::new();
    for (old, new) in
        [("a", "none"), ("a", "/srv/x"), ("/srv/a", "b"), ("unnamed", "b"), ("unnamed", "none"), ("none", "a")]
    {
        let text = said(Some(web(&[("/data", old)])), web(&[("/data", new)]), None);
        let keep = text.split(" behind for ").nth(1).and_then(|rest| rest.split(" To start anew").next());
        let (_, keep) = keep.and_then(|keep| keep.split_once(". ")).unwrap();
        lines.push(format!("{old} -> {new}: {keep}"));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    a -> none: To keep that, write `services: { web: { volumes: ["a:/data"] } }` and `volumes: { a: {} }` in the Compose file.
    a -> /srv/x: To keep that, write `services: { web: { volumes: ["a:/data"] } }` and `volumes: { a: {} }` in the Compose file, in place of what is mounted there.
    /srv/a -> b: To keep that, write `services: { web: { volumes: ["/srv/a:/data"] } }` in the Compose file, in place of what is mounted there. Where `binds` of launchway.toml led there, set that again.
    unnamed -> b: To keep that, write `services: { web: { volumes: ["/data"] } }` in the Compose file, in place of what is mounted there.
    unnamed -> none: To keep that, write `services: { web: { volumes: ["/data"] } }` in the Compose file.
    none -> a: It goes with the container, whatever is mounted: to keep it, copy it out first (`docker cp shop-web-1:/data .`).
    "#);
}

#[test]
fn a_component_under_another_name_keeps_what_it_has_if_its_volume_comes_with_it() {
    let before = || stack([with("db", &[("/data", "data")]), with("web", &[])]);
    let moved = |mounts: &[(&str, &str)], image: &str| {
        let mut moved = with("postgres", mounts);
        moved.0.image = Some(image.into());
        stack([moved, with("web", &[])])
    };
    let nothing = Vec::<String>::new();
    assert_eq!(asked(before(), moved(&[("/data", "data")], "db:2")), nothing);
    let asks = ["postgres (was db) at /data: volume shop_data -> volume shop_other"];
    assert_eq!(asked(before(), moved(&[("/data", "other")], "db:2")), asks);
    assert_eq!(asked(before(), moved(&[("/data", "other"), ("/old", "data")], "db:2")), nothing, "it has it still");
    assert_eq!(
        asked(before(), moved(&[], "db:2")),
        ["postgres (was db) at /data: volume shop_data -> the container's own files"]
    );
    assert_eq!(asked(before(), moved(&[("/data", "other")], "redis:7")), nothing, "that is another component");
    assert_eq!(asked(before(), stack([with("web", &[])])), nothing, "its volume stays, and `status` lists it");
}

#[test]
fn what_is_mounted_at_another_path_or_by_another_component_is_not_left_behind() {
    assert_eq!(
        asked(web(&[("/data", "a")]), web(&[("/var/data", "a")])),
        ["web at /var/data: the container's own files -> volume shop_a, if it has written there"]
    );
    let apart =
        |of_web: &[(&str, &str)], of_worker: &[(&str, &str)]| stack([with("web", of_web), with("worker", of_worker)]);
    assert_eq!(
        asked(apart(&[("/data", "a")], &[]), apart(&[], &[("/data", "a")])),
        ["worker at /data: the container's own files -> volume shop_a, if it has written there"]
    );
    assert_eq!(
        asked(apart(&[("/data", "a")], &[("/data", "b")]), apart(&[("/data", "b")], &[("/data", "a")])),
        ["web at /data: volume shop_a -> volume shop_b", "worker at /data: volume shop_b -> volume shop_a"]
    );
    assert_eq!(
        asked(web(&[("/data/x", "/srv/d/x")]), web(&[("/data", "/srv/d")])),
        ["web at /data: the container's own files -> host /srv/d, if it has written there"],
        "and not at /data/x, which is the same folder of the host"
    );
}

#[test]
fn what_comes_over_a_part_of_a_volume_hides_what_is_there() {
    let nothing = Vec::<String>::new();
    let www = ("/www", "www");
    assert_eq!(
        asked(web(&[www]), web(&[www, ("/www/uploads", "uploads")])),
        ["web at /www/uploads: volume shop_www, uploads -> volume shop_uploads, if it is there"]
    );
    assert_eq!(
        asked(web(&[("/www/uploads", "uploads")]), web(&[www])),
        [
            "web at /www: the container's own files -> volume shop_www, if it has written there",
            "web at /www/uploads: volume shop_uploads -> volume shop_www, uploads"
        ]
    );
    assert_eq!(
        asked(web(&[("/app", "commit")]), web(&[("/app", "commit"), ("/app/node_modules", "unnamed")])),
        nothing
    );
    assert_eq!(asked(web(&[www]), web(&[www, ("/www/cache", "tmpfs")])), nothing);
}

#[test]
fn what_the_image_declares_no_more_is_left_behind_too() {
    let before = release(1, web(&[]));
    let mut engine = live(&before);
    let unnamed = "f".repeat(64);
    let container = &mut engine.observed.containers[0];
    container.anonymous_volumes.insert("/image".into(), unnamed.clone());
    let after = release(2, stack([with("web", &[]).env("V", "2")]));
    let now = Now::of(Some(&before), &after, &engine.observed);
    let declaring = |paths: &[&str]| {
        let paths = paths.iter().map(ToString::to_string).collect();
        Unnamed { of_images: BTreeMap::from([(component("web").name(), paths)]), ..Default::default() }
    };
    assert_eq!(changes(&now, &after, &declaring(&["/image"])), []);
    assert_eq!(changes(&now, &after, &Unnamed::default()), [], "nobody can say yet");
    let gone = changes(&now, &after, &declaring(&["/elsewhere"]));
    assert_eq!(
        lines(&gone),
        [
            "web at /elsewhere: the container's own files -> new unnamed volume, if it has written there".to_string(),
            format!("web at /image: volume {unnamed} -> the container's own files"),
        ]
    );
    assert_eq!(gone[1].name(), "web:/image");
}

#[test]
fn a_component_that_does_not_change_is_not_asked_about_whatever_its_container_has() {
    let file = |version: &str| stack([with("db", &[]), with("web", &[("/data", "a")]).env("V", version)]);
    let before = release(1, file("1"));
    let mut engine = live(&before);
    // Handed on by a version that did so whether it was declared or not.
    let db = engine.observed.containers.iter_mut().find(|c| c.component.as_str() == "db").unwrap();
    db.anonymous_volumes.insert("/old".into(), "f".repeat(64));
    let after = release(2, file("2"));
    let now = Now::of(Some(&before), &after, &engine.observed);
    assert_eq!(lines(&changes(&now, &after, &knowing(&after))), Vec::<String>::new());
    let mut unread = after.clone();
    unread.parts.clear();
    let now = Now::of(Some(&before), &unread, &engine.observed);
    assert_eq!(lines(&changes(&now, &unread, &knowing(&unread))), Vec::<String>::new());
}

/// A container as `docker compose -p blog up` leaves it: `db` with a volume of its project at `/data`.
fn of_compose(service: &str, image: &str, project: &str) -> ForeignContainer {
    let labels = [
        (label::COMPOSE_PROJECT, project),
        (label::COMPOSE_SERVICE, service),
        (label::COMPOSE_NUMBER, "1"),
        (label::COMPOSE_ONEOFF, "False"),
    ];
    ForeignContainer {
        id: format!("{project}-{service}"),
        name: format!("{project}-{service}-1"),
        running: true,
        labels: labels.map(|(key, value)| (key.to_string(), value.to_string())).into(),
        published: vec![],
        mounts: vec![Mounted {
            target: "/data".into(),
            storage: Storage::volume(format!("{project}_data")),
            writable: true,
        }],
        image: image.into(),
        another: None,
    }
}

#[test]
fn a_stack_that_compose_runs_under_another_name_is_not_started_anew_beside_it_without_a_word() {
    let after = release(1, stack([with("db", &[("/data", "data")]), with("web", &[])]));
    let observed = |containers: Vec<ForeignContainer>| Observed { foreign: containers, ..Default::default() };
    let told = |observed: &Observed, environments: &[&str]| {
        let environments = environments.iter().map(ToString::to_string).collect();
        let names = LikelyNames { folders: vec!["Old.".into()], environments };
        let now = Now::of_another_project(&after, observed, &names, &knowing(&after)).unwrap_or_default();
        let changes = changes(&now, &after, &knowing(&after));
        problems(&changes, &now, &after, observed).iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    let theirs = observed(vec![of_compose("db", "db:1", "old")]);
    insta::assert_snapshot!(told(&theirs, &["shop"]), @r#"projects.shop.environments.production.compose-project: Compose runs the same services here as the project old, and the environment's Compose project is shop: db at /data would leave the volume old_data behind for the volume shop_data, which is new. To keep what is there, write `compose-project = "old"` under [projects.shop.environments.production] in launchway.toml. To start anew on purpose, `launchway deploy --fresh-volume shop_data -p shop -e production`: nothing is removed, and it is asked once."#);
    assert_ne!(told(&observed(vec![of_compose("db", "db:1", "shop_dev")]), &[]), "", "it is called like the project");
    assert_eq!(told(&observed(vec![of_compose("db", "db:1", "other")]), &[]), "", "a stack that is only alike");
    assert_eq!(told(&theirs, &["shop", "old"]), "", "another environment's");
    assert_eq!(told(&observed(vec![of_compose("db", "mysql:8", "old")]), &[]), "", "another image");
    let more = vec![of_compose("db", "db:1", "old"), of_compose("blog", "blog:1", "old")];
    assert_eq!(told(&observed(more), &[]), "", "another stack");
    let mut ours = of_compose("db", "db:1", "old");
    ours.labels.insert(label::PROJECT.into(), "shop".into());
    assert_eq!(told(&observed(vec![ours]), &[]), "", "Launchway's, of another environment");
}

#[test]
fn what_compose_mounts_of_the_working_copy_is_the_commits() {
    let after = |mounts: &[(&str, &str)]| release(1, web(mounts));
    let by_hand = |path: &str| {
        let mut engine = live(&after(&[("/data", "commit")]));
        let container = &mut engine.observed.containers[0];
        (container.fingerprint, container.release) = (None, None);
        container.mounts =
            vec![Mounted { target: "/data".into(), storage: Storage::Host { path: path.into() }, writable: true }];
        engine.observed
    };
    let asks = |observed: &Observed, mounts: &[(&str, &str)]| {
        let after = after(mounts);
        lines(&changes(&Now::of(None, &after, observed), &after, &knowing(&after)))
    };
    assert_eq!(asks(&by_hand("/home/ada/shop/site"), &[("/data", "commit")]), Vec::<String>::new());
    assert_eq!(asks(&by_hand("/srv/site"), &[("/data", "commit")]).len(), 1);
    assert_eq!(
        asks(&by_hand("/home/ada/shop/site"), &[("/data", "a")]),
        ["web at /data: host /home/ada/shop/site -> volume shop_a"]
    );
}

#[test]
fn a_volume_is_left_once_no_live_release_names_it() {
    let before = release(1, stack([with("db", &[("/data", "data"), ("/anon", "unnamed")]), with("web", &[])]));
    let mut engine = live(&before);
    let (project, environment) = (before.project.clone(), before.environment.clone());
    let lost = [Lost { volume: "e".repeat(64), was: "db at /old".into() }];
    for (name, labels) in [
        ("e".repeat(64), vec![]),
        ("d".repeat(64), vec![]),
        ("shop_old".to_string(), vec![(label::COMPOSE_PROJECT, "shop")]),
        ("blog_old".to_string(), vec![(label::COMPOSE_PROJECT, "blog")]),
        ("launchway-folder-1".to_string(), vec![(label::CONTENT, "1"), (label::PROJECT, "shop")]),
    ] {
        let labels = labels.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        engine.observed.volumes.insert(name, ObservedVolume { labels, ..Default::default() });
    }
    let named = |names: &[&str]| {
        let named = names.iter().map(ToString::to_string).collect();
        let left = left((&project, &environment, "shop"), &named, &lost, &engine.observed);
        let name = |left: &LeftVolume| {
            let name = if is_unnamed_volume(&left.name) { &left.name[..1] } else { &left.name };
            format!("{name} {:?}", left.was)
        };
        left.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(named(&["shop_data"]), [r#"e ["db at /old"]"#, "shop_old []"]);
    assert_eq!(named(&["shop_old"]), [r#"e ["db at /old"]"#, "shop_data []"]);
}

/// A component of up to two mounts.
fn mounting() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let path = prop_oneof![Just("/data"), Just("/data/sub"), Just("/cache")];
    let kind = prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("a:ro"),
        Just("/srv/a"),
        Just("/srv/b"),
        Just("unnamed"),
        Just("tmpfs"),
        Just("commit"),
        Just("none")
    ];
    proptest::collection::btree_map(path, kind, 0..3).prop_map(|mounts| mounts.into_iter().collect())
}

fn any_stack() -> impl Strategy<Value = Stack> {
    proptest::collection::btree_map(prop_oneof![Just("web"), Just("db"), Just("job")], mounting(), 1..4)
        .prop_map(|components| stack_of(components.iter().map(|(name, mounts)| with(name, mounts))))
}

proptest! {
    #[test]
    fn a_release_after_itself_asks_for_nothing(stack in any_stack()) {
        let mut again = stack.clone();
        for component in again.components.values_mut() {
            component.container.environment.insert("VERSION".into(), "2".into());
        }
        prop_assert_eq!(asked(stack, again), Vec::<String>::new());
    }

    /// The promise: whatever a component that stays has written is either asked about, or goes on being mounted.
    #[test]
    fn nothing_is_left_behind_without_a_word(before in any_stack(), after in any_stack()) {
        let (before, after) = (release(1, before), release(2, after));
        let engine = live(&before);
        let now = Now::of(Some(&before), &after, &engine.observed);
        let asked = changes(&now, &after, &knowing(&after));
        let mut mounted: BTreeSet<(String, String)> = BTreeSet::new();
        for component in after.stack.components.values() {
            for mount in wanted(&after, component, &knowing(&after)) {
                mounted.insert((component.name.to_string(), mount.storage.to_string()));
                mounted.insert((mount.target.clone(), mount.storage.to_string()));
            }
        }
        for container in &engine.observed.containers {
            let Some(component) = after.stack.components.get(&container.component) else { continue };
            for held in container.mounts.iter().filter(|held| held.writable && held.storage.is_kept()) {
                let is_unnamed = container.anonymous_volumes.contains_key(&held.target);
                let is_handed_on = is_unnamed && knowing(&after).is_declared(component, &held.target);
                let storage = held.storage.to_string();
                let goes_on = mounted.contains(&(component.name.to_string(), storage.clone()))
                    || mounted.contains(&(held.target.clone(), storage));
                let is_below_the_same = behind(&wanted(&after, component, &knowing(&after)), &held.target).0 == held.storage;
                let is_asked = asked.iter().any(|change| {
                    (&change.component, &change.path, &change.old) == (&component.name, &held.target, &held.storage)
                });
                prop_assert!(is_handed_on || goes_on || is_below_the_same || is_asked, "{held:?} in {asked:?}");
            }
        }
    }

    /// Whoever says yes to all of it by the names that are told is asked no more, and neither is who deploys it again.
    #[test]
    fn what_is_asked_is_said_whole_and_answered_by_its_names(before in any_stack(), after in any_stack()) {
        let (before, after) = (release(1, before), release(2, after));
        let mut engine = live(&before);
        let now = Now::of(Some(&before), &after, &engine.observed);
        let asked = changes(&now, &after, &knowing(&after));
        let told = problems(&asked, &now, &after, &engine.observed);
        let text = told.iter().map(shown).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(asked.is_empty(), told.is_empty());
        for change in &asked {
            prop_assert!(change.is_called(&change.name(), &after));
            let flag = format!("--fresh-volume {}", change.name());
            prop_assert!(text.contains(&flag), "{} in {}", flag, text);
            prop_assert!(text.contains(&format!("{}", change.component)), "{}", text);
            let names = [&change.old, &change.new].into_iter().filter_map(Storage::volume_name);
            for name in names.filter(|name| !is_unnamed_volume(name)) {
                prop_assert!(text.contains(name), "{} in {}", name, text);
            }
        }
        bring(&mut engine, &after);
        let now = Now::of(Some(&after), &after, &engine.observed);
        prop_assert_eq!(lines(&changes(&now, &after, &knowing(&after))), Vec::<String>::new());
    }
}
