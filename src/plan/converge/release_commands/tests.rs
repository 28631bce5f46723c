use super::*;
use crate::model::{Condition, Observed, Stack};
use crate::plan::Wanted;
use crate::plan::converge::converge;
use crate::plan::converge::tests::{ALL, FORWARD, assert_is, live, random_stack, release, wanted};
use crate::plan::sample::{component, stack};
use crate::plan::simulation::Simulation;
use crate::plan::{Plan, Step};
use proptest::prelude::*;

/// What is wanted when `new` is deployed where `live` is live.
fn deploying<'a>(live: Option<&Release>, new: &'a Release, deployment: i64) -> Wanted<'a> {
    let release_commands = due(live, new, &BTreeMap::new());
    Wanted { release_commands, ..wanted(new, deployment, Goal::Deploy) }
}

/// `web` after `api`, which migrates `db`; `cache` is nobody's dependency.
fn shop(version: &str) -> Stack {
    stack([
        component("web").after("api").publishes(8080, 80).env("VERSION", version),
        component("api").after("db").env("VERSION", version).release_command("/api migrate"),
        component("db").volume("data", "/data").env("VERSION", version),
        component("cache").env("VERSION", version),
    ])
}

#[test]
fn a_release_command_runs_before_anything_but_what_it_needs_is_touched() {
    let (one, two) = (release(1, shop("1")), release(2, shop("2")));
    let engine = live(&one);
    let plan = converge(&deploying(Some(&one), &two, 2), &engine.observed).unwrap();
    insta::assert_snapshot!(plan, @"
    #1 cache-1, create container, replaces cache-1 of release 1
    #2 db-1, create container, replaces db-1 of release 1
    #3 api-1, create container, replaces api-1 of release 1
    #4 web-1, create container, replaces web-1 of release 1
    #5 api's release command, create container, it runs once for this deployment
    #6 shop-db-1, rename container to shop-db-1.old-00000002, its name is wanted
    [6] -> #7 db-1, rename container to shop-db-1, it takes the name over
    [7] -> #8 shop-db-1, stop container, release 2 replaces it
    [8] -> #9 db-1, start container, new container
    [9] -> #10 db-1, wait until ready
    [10] -> #11 api's release command, start container, before anything that it does not need is touched
    [11] -> #12 api's release command, wait until it has ended well
    [12] -> #13 shop-cache-1, rename container to shop-cache-1.old-00000001, its name is wanted
    [13] -> #14 cache-1, rename container to shop-cache-1, it takes the name over
    [14] -> #15 shop-cache-1, stop container, release 2 replaces it
    [15] -> #16 cache-1, start container, new container
    [16] -> #17 cache-1, wait until ready
    [12] -> #18 shop-api-1, rename container to shop-api-1.old-00000003, its name is wanted
    [18] -> #19 api-1, rename container to shop-api-1, it takes the name over
    [19] -> #20 shop-api-1, stop container, release 2 replaces it
    [20] -> #21 api-1, start container, new container
    [21] -> #22 api-1, wait until ready
    [22] -> #23 shop-web-1, rename container to shop-web-1.old-00000004, its name is wanted
    [23] -> #24 web-1, rename container to shop-web-1, it takes the name over
    [24] -> #25 shop-web-1, stop container, release 2 replaces it
    [25] -> #26 web-1, start container, new container
    [26] -> #27 web-1, wait until ready
    #28 shop-api-1, remove container, release 2 has replaced it
    #29 shop-cache-1, remove container, release 2 has replaced it
    #30 shop-db-1, remove container, release 2 has replaced it
    #31 shop-web-1, remove container, release 2 has replaced it
    #32 api's release command, remove container, it is kept no longer
    ");
}

#[test]
fn its_container_is_like_the_components_but_nobody_finds_it_and_nothing_restarts_it() {
    let mut sample = component("api").publishes(80, 80).volume("data", "/data").env("DB", "db");
    sample.0.container.labels.insert("traefik.enable".into(), "true".into());
    sample.0.container.container_name = Some("the-api".into());
    sample.0.container.restart = Some(RestartPolicy::Always);
    let network = sample.0.container.networks.get_mut("default").unwrap();
    (network.aliases, network.ipv4_address) = (vec!["backend".into()], Some("10.0.0.7".into()));
    let one = release(1, stack([sample.release_command("/api migrate")]));
    let plan = converge(&deploying(None, &one, 7), &Observed::default()).unwrap();
    let mut specs = plan.steps.iter().filter_map(|step| match &step.action {
        Action::CreateContainer(spec) => Some(spec),
        _ => None,
    });
    let (own, command) = (specs.next().unwrap(), specs.next().unwrap());
    assert_eq!(command.name, "shop-api-release-command-7");
    assert_eq!((&command.image, &command.mounts), (&own.image, &own.mounts));
    assert_eq!(command.settings.environment, own.settings.environment);
    assert_eq!(command.settings.command.as_deref().unwrap(), ["/api", "migrate"]);
    assert_eq!(command.settings.restart, Some(RestartPolicy::No));
    assert!(command.settings.ports.is_empty() && command.settings.container_name.is_none());
    let EngineNetworkMode::Networks(networks) = &command.network else { panic!("{:?}", command.network) };
    assert_eq!(networks[0].name, "shop_default");
    assert!(networks[0].aliases.is_empty() && networks[0].ipv4_address.is_none(), "{networks:?}");
    let labels: Vec<String> = command.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    insta::assert_snapshot!(labels.join("\n"), @"
    com.docker.compose.container-number=1
    com.docker.compose.oneoff=True
    com.docker.compose.project=shop
    com.docker.compose.service=api
    launchway.commit=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    launchway.component=api
    launchway.deployment=7
    launchway.environment=production
    launchway.fingerprint=v1:3b1401937bf09cc38b975b0ef730ab6cccd97f44db8a6b454c5a3c76bdf97173
    launchway.project=shop
    launchway.release=1
    launchway.role=release-command
    ");
}

#[test]
fn it_runs_only_when_its_component_changed_and_never_backwards() {
    let (one, same) = (release(1, shop("1")), release(2, shop("1")));
    let engine = live(&one);
    assert!(converge(&deploying(Some(&one), &same, 2), &engine.observed).unwrap().is_empty());

    let two = release(2, shop("2"));
    assert_eq!(due(Some(&one), &two, &BTreeMap::new()).len(), 1);
    // Fingerprints that an earlier version of Launchway wrote for the same thing are no change.
    let name = component("api").name();
    let accepted = BTreeMap::from([(name.clone(), BTreeSet::from([one.parts[&name].fingerprint.clone()]))]);
    assert!(due(Some(&one), &two, &accepted).is_empty());

    let backwards = Wanted { goal: Goal::PutBack, ..deploying(Some(&one), &two, 2) };
    assert!(command_steps(&converge(&backwards, &engine.observed).unwrap()).is_empty());
}

#[test]
fn one_that_failed_before_a_restart_is_not_run_again_but_asked_how_it_ended() {
    let (one, two) = (release(1, shop("1")), release(2, shop("2")));
    let mut engine = live(&one);
    let wanted = deploying(Some(&one), &two, 2);
    let plan = converge(&wanted, &engine.observed).unwrap();
    let started = 1 + plan.steps.iter().position(|step| is_start(step) && of_command(step)).unwrap();
    engine.carry_out(&plan, FORWARD, started);
    engine.observed.release_commands[0].state = ContainerState::Exited { code: 4 };
    let again = converge(&wanted, &engine.observed).unwrap();
    let lines: Vec<String> = command_steps(&again).iter().map(|step| step.to_string()).collect();
    insta::assert_snapshot!(lines.join("\n"), @"#1 api's release command, wait until it has ended well, it has ended");

    let back = converge(&super::super::tests::wanted(&one, 2, Goal::PutBack), &engine.observed).unwrap();
    let mut put_back = engine.clone();
    put_back.carry_out(&back, ALL, usize::MAX);
    assert_is(&put_back, &one);
}

#[test]
fn one_that_another_deployment_left_running_is_stopped_before_the_next_begins() {
    let (one, two) = (release(1, shop("1")), release(2, shop("2")));
    let mut engine = live(&one);
    let plan = converge(&deploying(Some(&one), &two, 2), &engine.observed).unwrap();
    let started = 1 + plan.steps.iter().position(|step| is_start(step) && of_command(step)).unwrap();
    engine.carry_out(&plan, FORWARD, started);
    let three = release(3, shop("3"));
    let plan = converge(&deploying(Some(&one), &three, 3), &engine.observed).unwrap();
    let stop = plan.steps.iter().find(|step| step.subject == "shop-api-release-command-2").unwrap();
    assert!(matches!(stop.action, Action::StopContainer { .. }), "{stop}");
    let start = plan.steps.iter().find(|step| is_start(step) && of_command(step)).unwrap();
    assert!(waits_for(&plan, start, stop.id), "{plan}");
    engine.carry_out(&plan, ALL, usize::MAX);
    assert_is(&engine, &three);
}

#[test]
fn where_nothing_was_live_before_it_is_taken_away_with_all_the_rest() {
    let one = release(1, shop("1"));
    let mut engine = Simulation::default();
    let plan = converge(&deploying(None, &one, 1), &engine.observed).unwrap();
    let started = 1 + plan.steps.iter().position(|step| is_start(step) && of_command(step)).unwrap();
    engine.carry_out(&plan, FORWARD, started);
    assert_eq!(engine.observed.release_commands.len(), 1);
    let nothing = Wanted { release: None, ..wanted(&one, 1, Goal::PutBack) };
    let plan = converge(&nothing, &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    assert!(engine.observed.containers.is_empty() && engine.observed.release_commands.is_empty());
}

fn is_start(step: &Step) -> bool {
    matches!(step.action, Action::StartContainer(_))
}

/// Whether a step acts on a container in which a release command runs.
fn of_command(step: &Step) -> bool {
    step.subject.ends_with("'s release command")
}

fn command_steps(plan: &Plan) -> Vec<&Step> {
    plan.steps.iter().filter(|step| of_command(step)).collect()
}

/// Whether a step waits for another, directly or through others.
fn waits_for(plan: &Plan, step: &Step, other: u32) -> bool {
    step.waits_for.iter().any(|wait| *wait == other || waits_for(plan, plan.step(*wait).unwrap(), other))
}

/// A random shop in which each component may have a release command.
fn with_commands(stacks: impl Strategy<Value = Stack>) -> impl Strategy<Value = Stack> {
    (stacks, any::<[bool; 4]>()).prop_map(|(mut stack, with)| {
        for (component, with) in stack.components.values_mut().zip(with) {
            component.settings.release_command = with.then(|| vec!["/migrate".to_string()]);
        }
        stack
    })
}

/// Ends what has begun, as time would while nobody looks.
fn let_commands_end(engine: &mut Simulation) {
    for command in engine.observed.release_commands.iter_mut().filter(|c| c.state == ContainerState::Running) {
        command.state = ContainerState::Exited { code: 0 };
    }
}

fn starts(plan: &Plan, component: &ComponentName, first: usize) -> usize {
    let phases = [Phase::Prepare, Phase::Deploy];
    let in_order = phases.iter().flat_map(|phase| plan.steps.iter().filter(move |step| step.phase == *phase));
    let walked = in_order.take(first);
    walked.filter(|s| is_start(s) && of_command(s) && s.component.as_ref() == Some(component)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Nothing is touched before every command has ended, but what a command needs; and a command begins only when all
    /// that its own component waits for is ready.
    #[test]
    fn commands_end_before_anything_that_they_do_not_need_is_touched(
        old in with_commands(random_stack()), new in with_commands(random_stack())
    ) {
        let (old, new) = (release(1, old), release(2, new));
        let engine = live(&old);
        let wanted = deploying(Some(&old), &new, 2);
        let plan = converge(&wanted, &engine.observed).unwrap();
        let needed: BTreeSet<ComponentName> =
            wanted.release_commands.iter().flat_map(|name| all_dependencies(&new.stack, name)).collect();
        let ends: Vec<&Step> = command_steps(&plan)
            .into_iter()
            .filter(|step| matches!(step.action, Action::WaitReady { .. }))
            .collect();
        prop_assert_eq!(ends.len(), wanted.release_commands.len());
        for step in plan.steps.iter().filter(|step| step.phase == Phase::Deploy && !of_command(step)) {
            let name = step.component.as_ref().unwrap();
            // What holds a port, a volume or a name that a needed component is to have makes room for it.
            let makes_room = step.cause == "another component needs what it holds"
                || !new.stack.components.contains_key(name);
            if !needed.contains(name) && (needed.is_empty() || !makes_room) {
                for end in &ends {
                    prop_assert!(waits_for(&plan, step, end.id), "{} does not wait for {}\n{}", step, end, plan);
                }
            }
        }
        for start in command_steps(&plan).into_iter().filter(|step| is_start(step)) {
            let component = &new.stack.components[start.component.as_ref().unwrap()];
            for (dependency, how) in &component.depends_on {
                prop_assert_eq!(how.condition, Condition::ServiceHealthy);
                let ready = plan.steps.iter().filter(|step| {
                    step.component.as_ref() == Some(dependency)
                        && !of_command(step)
                        && matches!(step.action, Action::WaitReady { .. })
                });
                for ready in ready {
                    prop_assert!(waits_for(&plan, start, ready.id), "{} does not wait for {}\n{}", start, ready, plan);
                }
            }
        }
    }

    /// Interrupted anywhere, whether commands end meanwhile or go on, each is started once for the deployment, and the
    /// release becomes whole; or the old one does, and no command is left.
    #[test]
    fn each_command_is_started_once_wherever_a_crash_comes(
        old in with_commands(random_stack()), new in with_commands(random_stack()),
        first in 0usize..40, second in 0usize..40, end in any::<bool>()
    ) {
        let (old, new) = (release(1, old), release(2, new));
        let mut engine = live(&old);
        let wanted = deploying(Some(&old), &new, 2);
        let mut started: BTreeMap<ComponentName, usize> = BTreeMap::new();
        for limit in [first, second, usize::MAX] {
            let plan = converge(&wanted, &engine.observed).unwrap();
            for name in &wanted.release_commands {
                *started.entry(name.clone()).or_default() += starts(&plan, name, limit);
            }
            engine.carry_out(&plan, FORWARD, limit);
            if end {
                let_commands_end(&mut engine);
            }

            let mut back = engine.clone();
            let plan = converge(&super::super::tests::wanted(&old, 2, Goal::PutBack), &back.observed).unwrap();
            prop_assert!(!command_steps(&plan).into_iter().any(is_start));
            back.carry_out(&plan, ALL, usize::MAX);
            assert_is(&back, &old);
        }
        prop_assert!(started.values().all(|times| *times == 1), "{:?}", started);
        let plan = converge(&wanted, &engine.observed).unwrap();
        prop_assert!(plan.steps.iter().all(|step| step.phase == Phase::Clean), "{}", plan);
        engine.carry_out(&plan, ALL, usize::MAX);
        assert_is(&engine, &new);
    }
}
