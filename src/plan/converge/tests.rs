use super::*;
use crate::model::{
    CommitId, ContainerState, DeploymentId, EnvironmentName, Fingerprint, ImageIdentity, ProjectName, ReleaseId,
    ReleasePart, Stack,
};
use crate::plan::fingerprint::fingerprint;
use crate::plan::sample::{Sample, component, stack};
use crate::plan::simulation::Simulation;
use crate::plan::unnamed::Unnamed;
use proptest::prelude::*;

pub(super) const ALL: &[Phase] = &[Phase::Prepare, Phase::Deploy, Phase::Clean];
pub(super) const FORWARD: &[Phase] = &[Phase::Prepare, Phase::Deploy];

pub(in crate::plan) fn release(id: i64, stack: Stack) -> Release {
    let mut parts = BTreeMap::new();
    let mut others = BTreeMap::new();
    for name in levels(&stack).unwrap().into_iter().flatten() {
        let component = &stack.components[&name];
        let reference = component.image.clone().unwrap();
        let image = ImageIdentity::Pulled { pinned: reference.clone(), reference };
        let fingerprint = fingerprint(&stack, component, &image, None, &others);
        others.insert(name.clone(), fingerprint.clone());
        parts.insert(name, ReleasePart::new(image, fingerprint, None));
    }
    Release {
        id: ReleaseId(id),
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        stack,
        parts,
    }
}

pub(super) fn wanted(release: &Release, deployment: i64, goal: Goal) -> Wanted<'_> {
    let (accepted, release_commands) = Default::default();
    let (deployment, passed) = (Some(DeploymentId(deployment)), BTreeMap::new());
    let unnamed = Unnamed::default();
    Wanted { release: Some(release), accepted, deployment, goal, release_commands, passed, unnamed, found: Vec::new() }
}

fn shop(version: &str) -> Stack {
    stack([
        component("web").after("api").publishes(8080, 80).env("VERSION", version),
        component("api").after("db").env("VERSION", version).replicas(2),
        component("db").volume("data", "/data"),
    ])
}

pub(super) fn live(release: &Release) -> Simulation {
    let mut engine = Simulation::default();
    let plan = converge(&wanted(release, 1, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    engine
}

#[test]
fn networks_that_no_release_names_are_taken_away_also_where_nothing_went_live() {
    let network = |environment: &str| {
        let labels = [(label::PROJECT, "shop"), (label::ENVIRONMENT, environment), (label::SEAL, "v1:abc1:0:0")];
        let labels = labels.map(|(key, value)| (key.to_string(), value.to_string())).into();
        crate::model::ObservedNetwork { labels, ..Default::default() }
    };
    let there = [("shop_default", "production"), ("shop_old", "production"), ("other_default", "staging")];
    let networks = there.map(|(name, environment)| (name.to_string(), network(environment))).into();
    let observed = Observed { networks, ..Observed::default() };
    let release = release(1, shop("1"));
    let place = (&release.project, &release.environment);
    assert_eq!(left_networks(place, Some(&release), &observed), ["shop_old"]);
    assert_eq!(left_networks(place, None, &observed), ["shop_default", "shop_old"]);
}

#[test]
fn networks_that_no_deployment_made_or_that_a_stopped_container_names_stay_where_nothing_went_live() {
    let release = release(1, shop("1"));
    let place = (&release.project, &release.environment);
    let mut observed = live(&release).observed;
    for container in &mut observed.containers {
        (container.deployment, container.state) = (None, ContainerState::Exited { code: 0 });
        container.networks = BTreeMap::from([("shop_used".to_string(), Default::default())]);
    }
    let labels = [(label::PROJECT, "shop"), (label::ENVIRONMENT, "production")];
    let adopted: BTreeMap<String, String> = labels.map(|(key, value)| (key.to_string(), value.to_string())).into();
    let mut made = adopted.clone();
    made.insert(label::SEAL.into(), "v1:abc1:0:0".into());
    let network = |labels: &BTreeMap<String, String>| crate::model::ObservedNetwork {
        labels: labels.clone(),
        ..Default::default()
    };
    let there = [("shop_adopted", &adopted), ("shop_used", &made), ("shop_tried", &made)];
    observed.networks = there.map(|(name, labels)| (name.to_string(), network(labels))).into();
    assert_eq!(left_networks(place, None, &observed), ["shop_tried"]);
}

#[test]
fn a_first_deployment_creates_everything_and_then_starts_it_in_order() {
    let release = release(1, shop("1"));
    let plan = converge(&wanted(&release, 1, Goal::Deploy), &Observed::default()).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 network shop_default, create network, it is not there yet
    #2 volume shop_data, create volume, it is not there yet
    [1,2] -> #3 db-1, create container, it is not there yet
    [1,2] -> #4 api-1, create container, it is not there yet
    [1,2] -> #5 api-2, create container, it is not there yet
    [1,2] -> #6 web-1, create container, it is not there yet
    #7 db-1, start container, new container
    [7] -> #8 db-1, wait until ready
    [8] -> #9 api-1, start container, new container
    [9] -> #10 api-1, wait until ready
    [8] -> #11 api-2, start container, new container
    [11] -> #12 api-2, wait until ready
    [10,12] -> #13 web-1, start container, new container
    [13] -> #14 web-1, wait until ready
    ");
}

#[test]
fn an_update_touches_only_what_changed() {
    let engine = live(&release(1, shop("1")));
    let next = release(2, shop("2"));
    let plan = converge(&wanted(&next, 2, Goal::Deploy), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 api-1, create container, replaces api-1 of release 1
    #2 api-2, create container, replaces api-2 of release 1
    #3 web-1, create container, replaces web-1 of release 1
    #4 shop-api-1, rename container to shop-api-1.old-00000002, its name is wanted
    [4] -> #5 shop-api-2, rename container to shop-api-2.old-00000003, its name is wanted
    [5] -> #6 api-1, rename container to shop-api-1, it takes the name over
    [6] -> #7 api-2, rename container to shop-api-2, it takes the name over
    [7] -> #8 shop-api-1, stop container, release 2 replaces it
    [7] -> #9 shop-api-2, stop container, release 2 replaces it
    [8,9] -> #10 api-1, start container, new container
    [10] -> #11 api-1, wait until ready
    [8,9] -> #12 api-2, start container, new container
    [12] -> #13 api-2, wait until ready
    [11,13] -> #14 shop-web-1, rename container to shop-web-1.old-00000004, its name is wanted
    [14] -> #15 web-1, rename container to shop-web-1, it takes the name over
    [15] -> #16 shop-web-1, stop container, release 2 replaces it
    [16] -> #17 web-1, start container, new container
    [17] -> #18 web-1, wait until ready
    #19 shop-api-1, remove container, release 2 has replaced it
    #20 shop-api-2, remove container, release 2 has replaced it
    #21 shop-web-1, remove container, release 2 has replaced it
    ");
}

#[test]
fn a_plan_for_a_state_that_is_already_right_is_empty() {
    let release = release(1, shop("1"));
    let engine = live(&release);
    for goal in [Goal::Deploy, Goal::PutBack] {
        assert!(converge(&wanted(&release, 2, goal), &engine.observed).unwrap().is_empty());
    }
}

#[test]
fn a_component_that_is_gone_from_the_file_is_stopped_last() {
    let engine = live(&release(1, shop("1")));
    let next = release(
        2,
        stack([component("api").after("db").env("VERSION", "1").replicas(2), component("db").volume("data", "/data")]),
    );
    let plan = converge(&wanted(&next, 2, Goal::Deploy), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 shop-web-1, stop container, the Compose file no longer has it; its volumes stay
    [1] -> #2 shop-web-1, remove container, the Compose file no longer has it; its volumes stay
    ");
}

#[test]
fn a_port_that_moves_to_another_component_is_freed_first() {
    let engine = live(&release(1, stack([component("old").publishes(80, 80)])));
    let next = release(2, stack([component("new").publishes(80, 80)]));
    let plan = converge(&wanted(&next, 2, Goal::Deploy), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 new-1, create container, it is not there yet
    #2 shop-old-1, stop container, another component needs what it holds
    [2] -> #3 new-1, start container, new container
    [3] -> #4 new-1, wait until ready
    #5 shop-old-1, remove container, the Compose file no longer has it; its volumes stay
    ");
}

#[test]
fn what_compose_started_by_hand_is_taken_over_with_its_unnamed_volumes() {
    let release = release(1, stack([component("db")]));
    let mut engine = live(&release);
    let container = &mut engine.observed.containers[0];
    (container.fingerprint, container.release, container.deployment) = (None, None, None);
    container.anonymous_volumes.insert("/data".into(), "f00".into());
    let plan = converge(&wanted(&release, 2, Goal::Deploy), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 db-1, create container, takes over shop-db-1, which Compose started
    #2 shop-db-1, rename container to shop-db-1.old-00000001, its name is wanted
    [2] -> #3 db-1, rename container to shop-db-1, it takes the name over
    [3] -> #4 shop-db-1, stop container, release 1 replaces it
    [4] -> #5 db-1, start container, new container
    [5] -> #6 db-1, wait until ready
    #7 shop-db-1, remove container, release 1 has replaced it
    ");
    let Action::CreateContainer(spec) = &plan.steps[0].action else { panic!("{plan}") };
    assert!(
        matches!(&spec.mounts[..], [crate::plan::EngineMount::Volume { name, target, .. }] if name == "f00" && target == "/data")
    );
}

#[test]
fn a_dependant_that_asks_for_it_restarts_after_its_dependency_was_replaced() {
    let file = |version: &str| {
        stack([
            component("api").after_with("db", Condition::ServiceHealthy, true),
            component("db").env("VERSION", version),
        ])
    };
    let engine = live(&release(1, file("1")));
    let plan = converge(&wanted(&release(2, file("2")), 2, Goal::Deploy), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 db-1, create container, replaces db-1 of release 1
    #2 shop-db-1, rename container to shop-db-1.old-00000001, its name is wanted
    [2] -> #3 db-1, rename container to shop-db-1, it takes the name over
    [3] -> #4 shop-db-1, stop container, release 2 replaces it
    [4] -> #5 db-1, start container, new container
    [5] -> #6 db-1, wait until ready
    [6] -> #7 shop-api-1, stop container, depends_on says restart
    [7] -> #8 api-1, start container, depends_on says restart
    [8] -> #9 api-1, wait until ready
    #10 shop-db-1, remove container, release 2 has replaced it
    ");
}

#[test]
fn a_job_runs_again_when_what_waits_for_it_changed_and_never_backwards() {
    let file = |version: &str| {
        stack([
            component("api")
                .after_with("migrate", Condition::ServiceCompletedSuccessfully, false)
                .env("VERSION", version),
            component("migrate"),
        ])
    };
    let (one, two) = (release(1, file("1")), release(2, file("2")));
    let mut engine = live(&one);
    assert!(
        engine.picture().contains(&"shop-migrate-1 Exited { code: 0 } release 1".to_string()),
        "{:?}",
        engine.picture()
    );
    let forwards = converge(&wanted(&two, 2, Goal::Deploy), &engine.observed).unwrap();
    insta::assert_snapshot!(forwards, @"
    #1 migrate-1, create container, replaces migrate-1 of release 1
    #2 api-1, create container, replaces api-1 of release 1
    #3 shop-migrate-1, rename container to shop-migrate-1.old-00000001, its name is wanted
    [3] -> #4 migrate-1, rename container to shop-migrate-1, it takes the name over
    [4] -> #5 migrate-1, start container, new container
    [5] -> #6 migrate-1, wait until it has ended well
    [6] -> #7 shop-api-1, rename container to shop-api-1.old-00000002, its name is wanted
    [7] -> #8 api-1, rename container to shop-api-1, it takes the name over
    [8] -> #9 shop-api-1, stop container, release 2 replaces it
    [9] -> #10 api-1, start container, new container
    [10] -> #11 api-1, wait until ready
    #12 shop-api-1, remove container, release 2 has replaced it
    #13 shop-migrate-1, remove container, release 2 has replaced it
    ");
    engine.carry_out(&forwards, FORWARD, usize::MAX);
    let again = converge(&wanted(&two, 2, Goal::Deploy), &engine.observed).unwrap();
    assert!(
        again.steps.iter().all(|step| step.phase == Phase::Clean),
        "the job ran twice for one deployment:\n{again}"
    );
    let backwards = converge(&wanted(&one, 2, Goal::PutBack), &engine.observed).unwrap();
    insta::assert_snapshot!(backwards, @"
    #1 shop-migrate-1, rename container to shop-migrate-1.old-00000005, its name is wanted
    [1] -> #2 migrate-1, rename container to shop-migrate-1, it takes the name over
    #3 shop-api-1, stop container, release 1 replaces it
    [3] -> #4 shop-api-1, rename container to shop-api-1.old-00000006, its name is wanted
    [4] -> #5 api-1, rename container to shop-api-1, it takes the name over
    [5] -> #6 api-1, start container, it is not running
    [6] -> #7 api-1, wait until ready
    #8 shop-api-1, remove container, release 1 has replaced it
    #9 shop-migrate-1, remove container, release 1 has replaced it
    ");
}

#[test]
fn a_port_that_somebody_else_holds_is_said_before_anything_starts() {
    let release = release(1, shop("1"));
    let mut observed = Observed::default();
    observed.foreign.push(crate::model::ForeignContainer {
        id: "1".into(),
        name: "nginx".into(),
        running: true,
        labels: BTreeMap::new(),
        published: vec![crate::model::PublishedPort { host_ip: "0.0.0.0".into(), port: 8080, protocol: Protocol::Tcp }],
        mounts: vec![],
        image: String::new(),
        another: None,
    });
    let problems = converge(&wanted(&release, 1, Goal::Deploy), &observed).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "compose.yaml:1: services.web.ports: port 8080 of the host is held by container nginx. Stop it (`docker stop nginx`) or publish another port."
    );
    // What is deployed here, too, would be started again.
    let labels = [(label::PROJECT, "shop"), (label::ENVIRONMENT, "old")];
    observed.foreign[0].labels = labels.map(|(key, value)| (key.to_string(), value.to_string())).into();
    let problems = converge(&wanted(&release, 1, Goal::Deploy), &observed).unwrap_err();
    assert_eq!(
        problems[0].message,
        "port 8080 of the host is held by container nginx (project shop, environment old). It is deployed here, too: publish another port in one of the two. Where `launchway status` says that shop/old has left launchway.toml, `launchway remove shop/old --keep-volumes` frees it."
    );
}

/// A random shop: each component may be absent, changed, have replicas, a port, a volume and dependencies.
pub(super) fn random_stack() -> impl Strategy<Value = Stack> {
    let one = (any::<bool>(), 0u8..3, 0u32..3, 0u8..3, any::<[bool; 4]>(), any::<bool>());
    proptest::collection::vec(one, 4).prop_map(|rows| {
        let names = ["a", "b", "c", "d"];
        let mut samples: Vec<Sample> = Vec::new();
        for (index, (present, version, replicas, kind, after, restart)) in rows.into_iter().enumerate() {
            if !present {
                continue;
            }
            let mut sample = component(names[index]).env("VERSION", &version.to_string()).replicas(replicas);
            match kind {
                0 => sample = sample.publishes(80, 80 + index as u16).replicas(1),
                1 => sample = sample.volume("data", "/data").replicas(1),
                _ => {}
            }
            for (other, after) in after.into_iter().enumerate().take(index) {
                if after && samples.iter().any(|s| s.name().as_str() == names[other]) {
                    sample = sample.after_with(names[other], Condition::ServiceHealthy, restart);
                }
            }
            samples.push(sample);
        }
        // At most one may publish the port and one may write the volume, or no order could be right.
        let mut seen = (false, false);
        for sample in &mut samples {
            if !sample.0.container.ports.is_empty() && std::mem::replace(&mut seen.0, true) {
                sample.0.container.ports.clear();
            }
            if !sample.0.container.mounts.is_empty() && std::mem::replace(&mut seen.1, true) {
                sample.0.container.mounts.clear();
            }
        }
        let mut whole = stack([]);
        for sample in samples {
            let part = stack([sample]);
            whole.components.extend(part.components);
            whole.volumes.extend(part.volumes);
        }
        whole
    })
}

/// What serves: each wanted replica runs under its name with the wanted fingerprint, and nothing else is left.
pub(super) fn assert_is(engine: &Simulation, release: &Release) {
    let mut expected: Vec<(String, Option<Fingerprint>)> = release
        .stack
        .components
        .values()
        .flat_map(|c| {
            (1..=c.replicas).map(|n| (container_name(release, c, n), Some(release.parts[&c.name].fingerprint.clone())))
        })
        .collect();
    expected.sort();
    let mut found: Vec<(String, Option<Fingerprint>)> =
        engine.observed.containers.iter().map(|c| (c.name.clone(), c.fingerprint.clone())).collect();
    found.sort();
    assert_eq!(found, expected);
    assert!(engine.observed.containers.iter().all(|c| c.state == ContainerState::Running), "{:?}", engine.picture());
    assert!(engine.observed.release_commands.is_empty(), "{:?}", engine.observed.release_commands);
    for goal in [Goal::Deploy, Goal::PutBack] {
        let again = converge(&wanted(release, 9, goal), &engine.observed).unwrap();
        assert!(again.is_empty(), "not settled:\n{again}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From every prefix of every plan there is a plan onwards and a plan back, and both end in one whole release.
    #[test]
    fn from_every_prefix_there_is_a_way_on_and_a_way_back(old in random_stack(), new in random_stack(), prefix in 0usize..40) {
        let (old, new) = (release(1, old), release(2, new));
        let mut engine = live(&old);
        assert_is(&engine, &old);
        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, FORWARD, prefix);

        let mut back = engine.clone();
        let plan = converge(&wanted(&old, 2, Goal::PutBack), &back.observed).unwrap();
        back.carry_out(&plan, ALL, usize::MAX);
        assert_is(&back, &old);

        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, ALL, usize::MAX);
        assert_is(&engine, &new);
    }

    /// A crash in the middle of putting back is settled too.
    #[test]
    fn putting_back_can_be_interrupted_and_taken_up_again(old in random_stack(), new in random_stack(), first in 0usize..40, second in 0usize..40) {
        let (old, new) = (release(1, old), release(2, new));
        let mut engine = live(&old);
        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, FORWARD, first);
        let plan = converge(&wanted(&old, 2, Goal::PutBack), &engine.observed).unwrap();
        engine.carry_out(&plan, ALL, second);
        let plan = converge(&wanted(&old, 2, Goal::PutBack), &engine.observed).unwrap();
        engine.carry_out(&plan, ALL, usize::MAX);
        assert_is(&engine, &old);
    }

    /// Every step waits only for steps before it, and never for one of a later phase.
    #[test]
    fn steps_wait_only_for_what_comes_before(old in random_stack(), new in random_stack()) {
        let engine = live(&release(1, old));
        let new = release(2, new);
        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        for step in &plan.steps {
            for wait in &step.waits_for {
                prop_assert!(*wait < step.id);
                prop_assert!(plan.step(*wait).unwrap().phase <= step.phase);
            }
        }
    }
}

#[test]
fn what_lies_below_a_folder_of_the_host_comes_out_of_a_volume_that_stands_for_the_folder() {
    let mounting = |paths: &[(&str, Option<&str>)]| {
        let mut web = component("web");
        for (path, below) in paths {
            let below = below.map(str::to_string);
            let source = MountSource::Host { path: path.to_string(), below, propagation: None, create: false };
            web.0.container.mounts.push(crate::model::Mount { target: path.to_string(), source, read_only: true });
        }
        release(1, stack([web]))
    };
    let both = mounting(&[("/srv/app", None), ("/srv/app/a/b", Some("/srv/app"))]);
    let plan = converge(&wanted(&both, 1, Goal::Deploy), &Observed::default()).unwrap();
    let spec = plan.steps.iter().find_map(|step| match &step.action {
        Action::CreateContainer(spec) => Some(spec),
        _ => None,
    });
    let name = crate::plan::host_paths::name(&both, "/srv/app");
    let below = crate::plan::EngineMount::Below {
        volume: name.clone(),
        path: "/srv/app".into(),
        subpath: "a/b".into(),
        target: "/srv/app/a/b".into(),
        read_only: true,
    };
    assert_eq!(spec.unwrap().mounts[1], below);
    let made: Vec<String> =
        plan.steps.iter().map(|step| step.to_string()).filter(|step| step.contains(&name)).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0].contains("web mounts what lies below /srv/app of the host"), "{made:?}");
    // By which way it is reached is no change: an upgrade restarts nothing.
    let before = mounting(&[("/srv/app", None), ("/srv/app/a/b", None)]);
    let plan = converge(&wanted(&both, 2, Goal::Deploy), &live(&before).observed).unwrap();
    assert!(plan.steps.is_empty(), "{plan}");
    // Nor is there anything to do once it is live.
    let plan = converge(&wanted(&both, 2, Goal::Deploy), &live(&both).observed).unwrap();
    assert!(plan.steps.is_empty(), "{plan}");
}
