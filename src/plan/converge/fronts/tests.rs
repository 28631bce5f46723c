//! Names that fronts own: in every state somebody has the name, callers are led to what is ready, and who knows another
//! address looks again.

use super::super::tests::{ALL, FORWARD, assert_is, release, wanted};
use super::super::*;
use crate::model::{Fingerprint, ObservedContainer, Stack};
use crate::plan::fronts::give_fronts;
use crate::plan::sample::{Sample, component, stack};
use crate::plan::simulation::Simulation;
use proptest::prelude::*;

fn with_fronts() -> Simulation {
    let mut engine = Simulation::default();
    engine.observed.front_program = Some("p1".into());
    engine
}

fn given(mut stack: Stack) -> Stack {
    assert_eq!(give_fronts(&mut stack, &BTreeMap::new()), vec![]);
    stack
}

fn api(version: &str) -> Sample {
    let mut api = component("api").env("VERSION", version);
    api.0.container.expose = vec!["8080".into()];
    api
}

/// A web server that has looked `api` up once and for all.
fn shop(version: &str) -> Stack {
    given(stack([api(version), component("web").after("api")]))
}

/// The same without fronts: as Compose, or an earlier Launchway, has made it.
fn plain(version: &str) -> Stack {
    stack([api(version), component("web").after("api")])
}

fn live(release: &Release) -> Simulation {
    let mut engine = with_fronts();
    let plan = converge(&wanted(release, 1, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    engine.most.clear();
    engine
}

fn plan_of(new: &Release, engine: &Simulation, goal: Goal) -> Plan {
    converge(&wanted(new, 2, goal), &engine.observed).unwrap()
}

#[test]
fn a_front_has_the_name_before_anybody_can_look_it_up() {
    let plan = plan_of(&release(1, shop("1")), &with_fronts(), Goal::Deploy);
    insta::assert_snapshot!(plan, @"
    #1 network shop_default, create network, it is not there yet
    [1] -> #2 api-1, create container, it is not there yet
    [1] -> #3 web-1, create container, it is not there yet
    [1] -> #4 front of api, create front, it owns the name for its callers
    [4] -> #5 front of api, start front, new container
    [5] -> #6 api-1, start container, new container
    [6] -> #7 api-1, wait until ready
    [7] -> #8 front of api, lead all to release 1 (1 replica), its replicas are ready
    [8] -> #9 web-1, start container, new container
    [9] -> #10 web-1, wait until ready
    ");
}

#[test]
fn the_new_release_takes_over_behind_the_front() {
    let engine = live(&release(1, shop("1")));
    insta::assert_snapshot!(plan_of(&release(2, shop("2")), &engine, Goal::Deploy), @"
    #1 api-1, create container, replaces api-1 of release 1
    #2 api-1, start container, new container
    [2] -> #3 api-1, wait until ready
    [3] -> #4 front of api, lead all to release 2 (1 replica), all of the new release is ready
    [4] -> #5 shop-api-1, rename container to shop-api-1.old-00000001, its name is wanted
    [5] -> #6 api-1, rename container to shop-api-1, it takes the name over
    #7 shop-api-1, wait until it has finished, at most 30 s, it gets nothing new
    [7] -> #8 shop-api-1, stop container, release 2 has replaced it
    [8] -> #9 shop-api-1, remove container, release 2 has replaced it
    ");
}

/// Both fronts have the name for a while, and a caller that asks then may be told the old one's address for good.
#[test]
fn who_is_made_beside_a_new_front_starts_when_the_old_one_is_gone() {
    let with = |version: &str, alias: Option<&str>| {
        let web = component("web").env("UPSTREAM", "http://api:8080").env("VERSION", version);
        let mut stack = stack([api(version), web]);
        let api = stack.components.get_mut(&ComponentName::new("api").unwrap()).unwrap();
        for network in api.container.networks.values_mut() {
            network.aliases.extend(alias.map(str::to_string));
        }
        given(stack)
    };
    let engine = live(&release(1, with("1", None)));
    let plan = plan_of(&release(2, with("2", Some("backend"))), &engine, Goal::Deploy);
    let step = |action: &dyn Fn(&Action) -> bool, subject: &str| {
        plan.steps.iter().find(|step| step.subject == subject && action(&step.action)).unwrap()
    };
    let stops = step(&|action| matches!(action, Action::StopContainer { .. }), "shop-api-front");
    let starts = step(&|action| matches!(action, Action::StartContainer(_)), "web-1");
    let mut before = BTreeSet::from([starts.id]);
    for step in plan.steps.iter().rev().filter(|step| step.id <= starts.id) {
        if before.contains(&step.id) {
            before.extend(&step.waits_for);
        }
    }
    assert!(before.contains(&stops.id), "{plan}");
}

/// Getting a front is no change of a component: nothing of it is touched until it is replaced. Then its callers look again.
#[test]
fn what_has_its_name_itself_gets_a_front_when_it_is_replaced() {
    let engine = live(&release(1, plain("1")));
    assert!(plan_of(&release(2, shop("1")), &engine, Goal::Deploy).is_empty());
    let two = release(2, shop("2"));
    let plan = plan_of(&two, &engine, Goal::Deploy);
    insta::assert_snapshot!(plan, @"
    #1 api-1, create container, replaces api-1 of release 1
    #2 front of api, create front, it owns the name from now on; callers look it up again, this once
    [2] -> #3 front of api, start front, new container
    [3] -> #4 api-1, start container, new container
    [4] -> #5 api-1, wait until ready
    [5] -> #6 front of api, lead all to release 2 (1 replica), all of the new release is ready
    [6] -> #7 shop-api-1, wait until it has finished, at most 30 s, it gets nothing new
    [7] -> #8 shop-api-1, stop container, the name is the front's from now on
    [8] -> #9 shop-api-1, rename container to shop-api-1.old-00000001, its name is wanted
    [9] -> #10 api-1, rename container to shop-api-1, it takes the name over
    [8] -> #11 shop-web-1, stop container, it looks a name up again that somebody else has now, this once
    [11] -> #12 web-1, start container, it looks a name up again that somebody else has now, this once
    [12] -> #13 web-1, wait until ready
    #14 shop-api-1, remove container, release 2 has replaced it
    ");
    // Once, and not again.
    let mut engine = engine;
    engine.carry_out(&plan, ALL, usize::MAX);
    assert!(plan_of(&two, &engine, Goal::Deploy).is_empty());
    let three = plan_of(&release(3, shop("3")), &engine, Goal::Deploy);
    assert!(!three.to_string().contains("web"), "{three}");
}

#[test]
fn a_front_that_is_no_longer_wanted_gives_the_name_back() {
    let engine = live(&release(1, shop("1")));
    let mut without = stack([api("1"), component("web").after("api")]);
    without.components.values_mut().next().unwrap().settings.front = Some(false);
    let two = release(2, given(without));
    let plan = plan_of(&two, &engine, Goal::Deploy);
    insta::assert_snapshot!(plan, @"
    #1 api-1, create container, replaces api-1 of release 1
    #2 front of api, let requests wait, another owns its ways in from now on
    [2] -> #3 shop-api-1, rename container to shop-api-1.old-00000001, its name is wanted
    [3] -> #4 api-1, rename container to shop-api-1, it takes the name over
    [4] -> #5 shop-api-1, wait until it has finished, at most 10 s, it gets nothing new
    [5] -> #6 shop-api-1, stop container, release 2 replaces it
    [6] -> #7 api-1, start container, new container
    [7] -> #8 api-1, wait until ready
    [8] -> #9 shop-api-front, stop container, its component has its name itself from now on; callers look it up again, this once
    [9] -> #10 shop-web-1, stop container, it looks a name up again that somebody else has now, this once
    [10] -> #11 web-1, start container, it looks a name up again that somebody else has now, this once
    [11] -> #12 web-1, wait until ready
    #13 shop-api-1, remove container, release 2 has replaced it
    #14 shop-api-front, remove container, it owns no name any more
    ");
    let mut engine = engine;
    engine.carry_out(&plan, ALL, usize::MAX);
    assert!(plan_of(&two, &engine, Goal::Deploy).is_empty());
    assert!(engine.observed.fronts.is_empty());
}

#[test]
fn a_front_that_died_or_was_removed_comes_back_with_what_it_led_to() {
    let one = release(1, shop("1"));
    let mut engine = live(&one);
    engine.observed.fronts[0].container.state = crate::model::ContainerState::Exited { code: 137 };
    engine.observed.fronts[0].routes = None;
    insta::assert_snapshot!(plan_of(&one, &engine, Goal::PutBack), @"#1 front of api, start front, it is not running");
    engine.observed.fronts.clear();
    insta::assert_snapshot!(plan_of(&one, &engine, Goal::PutBack), @"
    #1 front of api, create front, it owns the name from now on; callers look it up again, this once
    [1] -> #2 front of api, start front, new container
    [2] -> #3 shop-web-1, stop container, it looks a name up again that somebody else has now, this once
    [3] -> #4 web-1, start container, it looks a name up again that somebody else has now, this once
    [4] -> #5 web-1, wait until ready
    ");
}

#[test]
fn who_knows_a_front_where_it_was_looks_again_once() {
    let release = release(1, shop("1"));
    let mut engine = live(&release);
    let moved = 1_700_000_000_000;
    for front in &mut engine.observed.fronts {
        front.container.created_at = "2023-01-01T00:00:00Z".into();
        front.moved_ms = Some(moved);
    }
    let started = |engine: &mut Simulation, at: i64| {
        for container in &mut engine.observed.containers {
            container.started_ms = Some(at);
        }
        converge(&wanted(&release, 1, Goal::PutBack), &engine.observed).unwrap().to_string()
    };
    insta::assert_snapshot!(started(&mut engine, moved - 1), @"
    #1 shop-web-1, stop container, it looks a name up again that somebody else has now, this once
    [1] -> #2 web-1, start container, it looks a name up again that somebody else has now, this once
    [2] -> #3 web-1, wait until ready
    ");
    assert_eq!(started(&mut engine, moved + 1), "");
    // After a reboot both are where they are now, whoever was started first.
    for front in &mut engine.observed.fronts {
        front.container.ended_ms = Some(moved - 1000);
    }
    assert_eq!(started(&mut engine, moved - 1), "");
}

#[test]
fn another_program_reaches_the_fronts_without_touching_anything_else() {
    let one = release(1, shop("1"));
    let mut engine = live(&one);
    engine.observed.front_program = Some("p2".into());
    let plan = plan_of(&one, &engine, Goal::PutBack);
    insta::assert_snapshot!(plan, @"#1 front of api, renew the front's program, it runs another program than is here");
    engine.carry_out(&plan, ALL, usize::MAX);
    assert!(plan_of(&one, &engine, Goal::PutBack).is_empty());
}

/// Where no front can be made, all is as it was without them.
#[test]
fn without_a_program_for_fronts_there_are_none() {
    let plan = converge(&wanted(&release(1, shop("1")), 1, Goal::Deploy), &Observed::default()).unwrap();
    assert!(!plan.to_string().contains("front"), "{plan}");
}

/// Some of these with callers, some with data of their own.
fn random_shop() -> impl Strategy<Value = Stack> {
    let one = (any::<bool>(), 0u8..3, 1u32..4, 0u8..4, any::<[bool; 4]>());
    proptest::collection::vec(one, 3).prop_map(|rows| {
        let names = ["a", "b", "c"];
        let mut samples: Vec<Sample> = Vec::new();
        for (index, (present, version, replicas, method, flags)) in rows.into_iter().enumerate() {
            let [calls, keeps, off, stop_first] = flags;
            if !present {
                continue;
            }
            let mut sample = component(names[index]).env("VERSION", &version.to_string()).replicas(replicas);
            sample.0.container.expose = vec!["80".into()];
            sample.0.settings.method =
                [Method::Auto, Method::Recreate, Method::Rolling, Method::BlueGreen][method as usize];
            sample.0.update.order = (stop_first && method == 2).then(|| "stop-first".to_string());
            if version == 2 {
                // Another name: another front.
                let network = sample.0.container.networks.get_mut("default").unwrap();
                network.aliases.push(format!("{}-too", names[index]));
            }
            if keeps {
                sample = sample.volume(names[index], "/data").replicas(1);
                sample.0.settings.front = Some(true);
            }
            if off {
                sample.0.settings.front = Some(false);
            }
            if calls && let Some(before) = samples.last() {
                let name = before.name();
                sample = sample.after(name.as_str());
            }
            samples.push(sample);
        }
        let mut whole = stack([]);
        for sample in samples {
            let one = stack([sample]);
            whole.components.extend(one.components);
            whole.volumes.extend(one.volumes);
        }
        given(whole)
    })
}

fn runs(container: &ObservedContainer) -> bool {
    container.is_running()
}

/// A name that somebody has before and after has somebody all the time, but for what is recreated without a front.
fn assert_names(engine: &Simulation, old: &Release, new: &Release) {
    for (name, component) in &new.stack.components {
        let Some(before) = old.stack.components.get(name) else { continue };
        if !component.is_fronted() || !before.is_fronted() {
            continue;
        }
        let fronts = engine.observed.fronts.iter().filter(|front| front.container.component == *name);
        let mut fronts = fronts.filter(|front| runs(&front.container));
        assert!(fronts.next().is_some(), "nobody has the name {name}");
        let owners = engine.observed.containers.iter().filter(|c| c.component == *name && runs(c) && !c.fronted);
        assert_eq!(owners.count(), 0, "{name} leads elsewhere too");
    }
}

/// What was live is there again, also behind a front that it did not have.
fn assert_back(engine: &Simulation, release: &Release) {
    let again = plan_of(release, engine, Goal::PutBack);
    assert!(again.is_empty(), "not settled:\n{again}");
    let containers = engine.observed.containers.iter();
    let found: Vec<&Fingerprint> = containers.map(|container| container.fingerprint.as_ref().unwrap()).collect();
    for (name, component) in &release.stack.components {
        let own = found.iter().filter(|found| ***found == release.parts[name].fingerprint);
        assert!(own.count() >= component.replicas as usize, "{name}");
    }
    assert!(engine.observed.containers.iter().all(runs), "{:?}", engine.picture());
}

/// Each front leads to its component's replicas, all of them, and to nobody else; without a front they have their name.
fn assert_led(engine: &Simulation, release: &Release) {
    for (name, component) in &release.stack.components {
        let fronts = engine.observed.fronts.iter().filter(|front| front.container.component == *name).count();
        let mut own = engine.observed.containers.iter().filter(|c| c.component == *name);
        assert!(fronts == 1 || (fronts == 0 && own.all(|c| !c.fronted)), "nobody has the name {name}");
        assert!(fronts == 0 || component.is_fronted(), "{name} has a front");
    }
    for front in &engine.observed.fronts {
        let routes = front.routes.as_ref().unwrap();
        let led: BTreeSet<&str> = routes.serving().map(|replica| replica.id.as_str()).collect();
        let own = engine.observed.containers.iter().filter(|c| c.component == front.container.component);
        assert_eq!(led, own.map(|c| c.id.as_str()).collect());
        assert!(!routes.held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_name_is_never_lost_on_any_way(old in random_shop(), new in random_shop(), prefix in 0usize..60, second in 0usize..60) {
        let (old, new) = (release(1, old), release(2, new));
        let mut engine = live(&old);
        assert_is(&engine, &old);
        assert_led(&engine, &old);
        let plan = plan_of(&new, &engine, Goal::Deploy);
        engine.carry_out(&plan, FORWARD, prefix);
        assert_names(&engine, &old, &new);

        let mut back = engine.clone();
        let plan = plan_of(&old, &back, Goal::PutBack);
        back.carry_out(&plan, ALL, second);
        assert_names(&back, &old, &new);
        let plan = plan_of(&old, &back, Goal::PutBack);
        back.carry_out(&plan, ALL, usize::MAX);
        assert_back(&back, &old);
        for front in &back.observed.fronts {
            assert!(front.routes.as_ref().is_some_and(|routes| routes.serving().next().is_some() && !routes.held));
        }

        let plan = plan_of(&new, &engine, Goal::Deploy);
        engine.carry_out(&plan, ALL, usize::MAX);
        assert_is(&engine, &new);
        assert_led(&engine, &new);
    }
}
