//! The methods on random states: what serves, how much runs at once, and that there is a way on and back from everywhere.

use super::super::tests::{ALL, FORWARD, assert_is, release, wanted};
use super::super::*;
use crate::model::{CanarySettings, EdgeSettings, Health, Listen, ObservedEdge, Route};
use crate::plan::method;
use crate::plan::routing::{EDGE_NETWORK, give_to_edge};
use crate::plan::sample::{component, stack};
use crate::plan::simulation::Simulation;
use proptest::prelude::*;
use std::time::Duration;

fn with_edge() -> Simulation {
    let mut engine = Simulation::default();
    engine.observed.edge =
        Some(ObservedEdge { range: Some(EdgeSettings::default().addresses), ..ObservedEdge::default() });
    engine
}

fn given(mut stack: Stack) -> Stack {
    let edge = EdgeSettings { listen: vec![":443".parse().unwrap()], ..EdgeSettings::default() };
    assert_eq!(give_to_edge(&mut stack, &edge), vec![]);
    stack
}

fn live(release: &Release) -> Simulation {
    let mut engine = with_edge();
    let plan = converge(&wanted(release, 1, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    engine.most.clear();
    engine.least.clear();
    engine
}

fn plan_text(new: &Release, engine: &Simulation) -> String {
    let plan = converge(&wanted(new, 2, Goal::Deploy), &engine.observed).unwrap();
    plan.to_string()
}

fn web(version: &str, replicas: u32, settle: impl Fn(&mut Component)) -> Stack {
    let mut web = component("web").publishes(8080, 80).env("VERSION", version).replicas(replicas);
    settle(&mut web.0);
    given(stack([web]))
}

#[test]
fn blue_green_is_one_switch_and_the_old_one_runs_until_the_new_is_good() {
    let one = release(1, web("1", 1, |_| {}));
    let engine = live(&one);
    insta::assert_snapshot!(plan_text(&release(2, web("2", 1, |_| {})), &engine), @"
    #1 web-1, create container, replaces web-1 of release 1
    #2 web-1, start container, new container
    [2] -> #3 web-1, wait until ready
    [3] -> #4 edge to web, lead all to release 2 (1 replica), all of the new release is ready
    [4] -> #5 shop-web-1, rename container to shop-web-1.old-00000001, its name is wanted
    [5] -> #6 web-1, rename container to shop-web-1, it takes the name over
    #7 shop-web-1, wait until it has finished, at most 30 s, it gets nothing new
    [7] -> #8 shop-web-1, stop container, release 2 has replaced it
    [8] -> #9 shop-web-1, remove container, release 2 has replaced it
    ");
}

#[test]
fn pauses_that_no_limit_counts_are_no_longer_together_than_a_deployment_may_take() {
    let slow = |version: &str| {
        web(version, 5, |web| {
            web.settings.method = Method::Rolling;
            web.update.delay = Some(Duration::from_secs(1000));
        })
    };
    let engine = live(&release(1, slow("1")));
    let plan = converge(&wanted(&release(2, slow("2")), 2, Goal::Deploy), &engine.observed).unwrap();
    assert_eq!(pauses_fit(&plan, Duration::from_secs(4000)), Ok(()));
    insta::assert_snapshot!(pauses_fit(&plan, Duration::from_secs(3600)).unwrap_err(), @"services.web.deploy.update_config: the pauses between replicas (`update_config.delay` and `monitor`) come to 4000 s together, which is longer than a deployment may take; the limit `limits.deploy` of launchway.toml is 3600 s");
}

#[test]
fn rolling_goes_batch_by_batch() {
    let rolling = |version: &str| {
        web(version, 3, |web| {
            web.settings.method = Method::Rolling;
            web.update.parallelism = Some(2);
        })
    };
    let engine = live(&release(1, rolling("1")));
    insta::assert_snapshot!(plan_text(&release(2, rolling("2")), &engine), @"
    #1 web-1, create container, replaces web-1 of release 1
    #2 web-2, create container, replaces web-2 of release 1
    #3 web-3, create container, replaces web-3 of release 1
    #4 web-1, start container, new container
    [4] -> #5 web-1, wait until ready
    #6 web-2, start container, new container
    [6] -> #7 web-2, wait until ready
    [5,7] -> #8 edge to web, lead 33 % to release 1 (1 replica), 67 % to release 2 (2 replicas), a batch is ready
    [8] -> #9 shop-web-1, wait until it has finished, at most 30 s, it gets nothing new
    [9] -> #10 shop-web-1, stop container, release 2 replaces it
    [8] -> #11 shop-web-2, wait until it has finished, at most 30 s, it gets nothing new
    [11] -> #12 shop-web-2, stop container, release 2 replaces it
    [10,12] -> #13 web-3, start container, new container
    [13] -> #14 web-3, wait until ready
    [14] -> #15 edge to web, lead all to release 2 (3 replicas), its replicas are ready
    [15] -> #16 shop-web-3, wait until it has finished, at most 30 s, it gets nothing new
    [16] -> #17 shop-web-3, stop container, release 2 replaces it
    [15] -> #18 shop-web-1, rename container to shop-web-1.old-00000001, its name is wanted
    [18] -> #19 shop-web-2, rename container to shop-web-2.old-00000002, its name is wanted
    [19] -> #20 shop-web-3, rename container to shop-web-3.old-00000003, its name is wanted
    [20] -> #21 web-1, rename container to shop-web-1, it takes the name over
    [21] -> #22 web-2, rename container to shop-web-2, it takes the name over
    [22] -> #23 web-3, rename container to shop-web-3, it takes the name over
    #24 shop-web-1, remove container, release 2 has replaced it
    #25 shop-web-2, remove container, release 2 has replaced it
    #26 shop-web-3, remove container, release 2 has replaced it
    ");
}

/// Its health check was tried before the engine's first look: at the second look at what runs nothing is to be led
/// anywhere else.
#[test]
fn replicas_that_serve_stay_led_to_while_the_engine_calls_them_starting() {
    let one = release(1, web("1", 2, |web| web.settings.method = Method::Rolling));
    let mut engine = live(&one);
    for container in &mut engine.observed.containers {
        container.health = Health::Starting;
    }
    insta::assert_snapshot!(plan_text(&one, &engine), @"
    #1 web-1, wait until ready, it runs, but is not ready
    #2 web-2, wait until ready, it runs, but is not ready
    ");
}

#[test]
fn a_canary_is_held_at_each_share() {
    let canary = |version: &str| {
        web(version, 2, |web| {
            web.settings.canary = Some(CanarySettings { steps_percent: vec![10, 60], ..CanarySettings::default() });
        })
    };
    let engine = live(&release(1, canary("1")));
    insta::assert_snapshot!(plan_text(&release(2, canary("2")), &engine), @"
    #1 web-1, create container, replaces web-1 of release 1
    #2 web-2, create container, replaces web-2 of release 1
    #3 web-1, start container, new container
    [3] -> #4 web-1, wait until ready
    [4] -> #5 edge to web, lead 90 % to release 1 (2 replicas), 10 % to release 2 (1 replica), step 1 of 2
    [5] -> #6 web, watch at 10 % for 120 s (1 of 2), the new release is judged beside the old one
    [6] -> #7 web-2, start container, new container
    [7] -> #8 web-2, wait until ready
    [8] -> #9 edge to web, lead 40 % to release 1 (2 replicas), 60 % to release 2 (2 replicas), step 2 of 2
    [9] -> #10 web, watch at 60 % for 120 s (2 of 2), the new release is judged beside the old one
    [10] -> #11 edge to web, lead all to release 2 (2 replicas), all of the new release is ready
    [11] -> #12 shop-web-1, rename container to shop-web-1.old-00000001, its name is wanted
    [12] -> #13 shop-web-2, rename container to shop-web-2.old-00000002, its name is wanted
    [13] -> #14 web-1, rename container to shop-web-1, it takes the name over
    [14] -> #15 web-2, rename container to shop-web-2, it takes the name over
    #16 shop-web-1, wait until it has finished, at most 30 s, it gets nothing new
    [16] -> #17 shop-web-1, stop container, release 2 has replaced it
    [17] -> #18 shop-web-1, remove container, release 2 has replaced it
    #19 shop-web-2, wait until it has finished, at most 30 s, it gets nothing new
    [19] -> #20 shop-web-2, stop container, release 2 has replaced it
    [20] -> #21 shop-web-2, remove container, release 2 has replaced it
    ");
    // What was passed is not held again.
    let two = release(2, canary("2"));
    let mut wanted = wanted(&two, 2, Goal::Deploy);
    wanted.passed.insert(ComponentName::new("web").unwrap(), 10);
    let plan = converge(&wanted, &engine.observed).unwrap();
    let holds = plan.steps.iter().filter(|step| matches!(step.action, Action::Hold(_)));
    assert_eq!(holds.map(|step| step.action.verb()).collect::<Vec<_>>(), ["watch at 60 % for 120 s (2 of 2)"]);
}

#[test]
fn while_a_component_is_recreated_requests_wait() {
    let recreate = |version: &str| web(version, 1, |web| web.settings.method = Method::Recreate);
    let engine = live(&release(1, recreate("1")));
    insta::assert_snapshot!(plan_text(&release(2, recreate("2")), &engine), @"
    #1 web-1, create container, replaces web-1 of release 1
    #2 edge to web, let requests wait, it is stopped and started again
    [2] -> #3 shop-web-1, rename container to shop-web-1.old-00000001, its name is wanted
    [3] -> #4 web-1, rename container to shop-web-1, it takes the name over
    [4] -> #5 shop-web-1, wait until it has finished, at most 10 s, it gets nothing new
    [5] -> #6 shop-web-1, stop container, release 2 replaces it
    [6] -> #7 web-1, start container, new container
    [7] -> #8 web-1, wait until ready
    [8] -> #9 edge to web, lead all to release 2 (1 replica), its replicas are ready
    #10 shop-web-1, remove container, release 2 has replaced it
    ");
}

#[test]
fn a_port_moves_between_components() {
    let shop = |first: u16, second: u16| {
        given(stack([component("a").publishes(first, 80), component("b").publishes(second, 80)]))
    };
    let (old, new) = (release(1, shop(8001, 8002)), release(2, shop(8002, 8003)));
    let mut engine = live(&old);
    let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    assert_is(&engine, &new);
}

/// The engine's own ports are taken over once, when an edge comes to the machine; and given back when it goes.
#[test]
fn a_port_that_the_engine_publishes_is_taken_over() {
    let plain = |version: &str| stack([component("web").publishes(8080, 80).env("VERSION", version)]);
    let old = release(1, plain("1"));
    let mut engine = with_edge();
    let plan = converge(&wanted(&old, 1, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    let new = release(2, given(plain("2")));
    insta::assert_snapshot!(plan_text(&new, &engine), @"
    #1 network shop_launchway, create network, it is not there yet
    [1] -> #2 web-1, create container, replaces web-1 of release 1
    #3 web-1, start container, new container
    [3] -> #4 web-1, wait until ready
    [4] -> #5 shop-web-1, stop container, the edge opens its port from now on: a short gap, this once
    [5] -> #6 edge to web, lead all to release 2 (1 replica), its replicas are ready
    [6] -> #7 shop-web-1, rename container to shop-web-1.old-00000001, its name is wanted
    [7] -> #8 web-1, rename container to shop-web-1, it takes the name over
    #9 shop-web-1, remove container, release 2 has replaced it
    ");
    let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    assert_is(&engine, &new);
    let back = release(3, plain("3"));
    let plan = converge(&wanted(&back, 3, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    assert_is(&engine, &back);
}

fn route(net: &str) -> crate::model::HostRoute {
    crate::model::HostRoute { net: net.parse().unwrap(), device: "tun0".into() }
}

/// The engine takes any subnet, and the host would no longer reach what was there.
#[test]
fn the_edges_network_lies_where_neither_the_host_nor_a_network_of_the_engine_does() {
    let release = release(1, web("1", 1, |_| {}));
    let mut engine = with_edge();
    let edge = engine.observed.edge.as_mut().unwrap();
    edge.range = Some("10.213.0.0/22".parse().unwrap());
    edge.host_routes = vec![route("10.213.0.0/24"), route("10.213.3.128/25"), route("192.168.0.0/16")];
    let taken = crate::model::Subnet { subnet: Some("10.213.2.0/23".into()), ip_range: None, gateway: None };
    let other = crate::model::ObservedNetwork { ipam: vec![taken], ..Default::default() };
    let subnets = |engine: &Simulation| {
        let plan = converge(&wanted(&release, 1, Goal::Deploy), &engine.observed)?;
        let subnet = |step: &crate::plan::Step| match &step.action {
            Action::CreateNetwork(spec) => spec.network.ipam.first().and_then(|pool| pool.subnet.clone()),
            _ => None,
        };
        Ok::<_, Vec<Problem>>(plan.steps.iter().filter_map(subnet).collect::<Vec<_>>())
    };
    assert!(["10.213.1.0/24", "10.213.2.0/24"].contains(&subnets(&engine).unwrap()[0].as_str()));
    engine.observed.networks.insert("other".into(), other);
    assert_eq!(subnets(&engine).unwrap(), ["10.213.1.0/24"], "all else is taken");

    engine.observed.edge.as_mut().unwrap().host_routes.push(route("10.213.1.0/28"));
    let problems = subnets(&engine).unwrap_err();
    let message = "there is no place in 10.213.0.0/22 for a network between the edge and this environment: networks of the engine and routes of the host take all of it";
    assert!(problems[0].message.starts_with(message), "{problems:?}");
    engine.observed.edge.as_mut().unwrap().host_routes.push(route("10.0.0.0/8"));
    let problems = subnets(&engine).unwrap_err();
    assert!(problems[0].message.contains("the host leads 10.0.0.0/8 to tun0, and that is all of it"), "{problems:?}");
}

#[test]
fn a_network_that_is_there_stays_although_the_host_leads_there_too() {
    let release = release(1, web("1", 1, |_| {}));
    let mut engine = live(&release);
    engine.observed.edge.as_mut().unwrap().host_routes = vec![route("10.213.0.0/16")];
    assert!(converge(&wanted(&release, 1, Goal::Deploy), &engine.observed).unwrap().is_empty());
}

/// Whoever holds a port that the edge is to open is found before anything starts.
#[test]
fn a_port_of_the_edge_that_somebody_holds_is_found_beforehand() {
    let release = release(1, web("1", 1, |_| {}));
    let mut engine = with_edge();
    let held =
        |host_ip: &str| crate::model::PublishedPort { host_ip: host_ip.into(), port: 8080, protocol: Protocol::Tcp };
    engine.observed.listening = vec![held("0.0.0.0")];
    let problems = converge(&wanted(&release, 1, Goal::Deploy), &engine.observed).unwrap_err();
    assert!(problems[0].message.starts_with("port 8080 of the host is held by a process."), "{problems:?}");
    // The edge itself is nobody else.
    let mut engine = live(&release);
    engine.observed.listening = vec![held("0.0.0.0")];
    assert!(converge(&wanted(&release, 1, Goal::Deploy), &engine.observed).unwrap().is_empty());
    let plain = stack([component("web").publishes(8080, 80)]);
    assert!(converge(&wanted(&tests::release(2, plain), 2, Goal::Deploy), &engine.observed).is_ok());
}

/// A random shop behind the edge.
fn random_shop() -> impl Strategy<Value = Stack> {
    let one = (any::<bool>(), 0u8..3, 1u32..5, 0u8..5, 0u32..4, any::<[bool; 3]>(), 0u8..4);
    // Who has the volume, which moves with it.
    (proptest::collection::vec(one, 3), 0usize..6).prop_map(|(rows, holder)| {
        let names = ["a", "b", "c"];
        let mut samples = Vec::new();
        for (index, (present, version, replicas, method, parallelism, flags, way)) in rows.into_iter().enumerate() {
            let [stop_first, after, restart] = flags;
            if !present {
                continue;
            }
            let mut sample = component(names[index]).env("VERSION", &version.to_string()).replicas(replicas);
            let settings = &mut sample.0.settings;
            settings.method =
                [Method::Auto, Method::Recreate, Method::Rolling, Method::BlueGreen, Method::Canary][method as usize];
            if method == 4 {
                settings.canary = Some(CanarySettings { steps_percent: vec![10, 50], ..CanarySettings::default() });
            }
            // Ways in move from one component to another.
            match way {
                0 => {
                    settings.route = Some(Route {
                        host: Some(format!("{version}.example.com")),
                        path: Some(format!("/{index}")),
                        port: Some(80),
                    })
                }
                1 => sample = sample.publishes(8000 + u16::from(version) + 10 * index as u16, 80),
                2 => sample = sample.publishes(9000 + (u16::from(version) + index as u16) % 3, 80),
                _ => {}
            }
            if index == holder {
                sample = sample.volume("data", "/data").replicas(1);
            }
            sample.0.update.parallelism = Some(parallelism).filter(|_| method == 2);
            sample.0.update.order = (stop_first && method == 2).then(|| "stop-first".to_string());
            if after
                && index > 0
                && samples.iter().any(|s: &crate::plan::sample::Sample| s.name().as_str() == names[index - 1])
            {
                sample = sample.after_with(names[index - 1], Condition::ServiceHealthy, restart);
            }
            samples.push(sample);
        }
        let mut ports = BTreeSet::new();
        for sample in &mut samples {
            sample.0.container.ports.retain(|port| ports.insert(port.published));
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

/// How many may be missing, and how many may run at once, while a component goes from one release to the next.
fn bounds(old: &Release, new: &Release, name: &ComponentName) -> Option<(usize, usize)> {
    let before = old.stack.components.get(name)?;
    let after = new.stack.components.get(name)?;
    let (fewest, most) = (before.replicas.min(after.replicas) as usize, before.replicas.max(after.replicas) as usize);
    let both = (before.replicas + after.replicas) as usize;
    let of = |release: &Release, component: &Component| {
        let batch = match component.update.parallelism {
            Some(0) => component.replicas as usize,
            Some(batch) => batch as usize,
            None => 1,
        };
        let stop_first = component.update.order.as_deref() == Some("stop-first");
        match method::choose(&release.stack, name).method {
            Method::Recreate => (fewest, most),
            Method::Rolling if stop_first => (fewest.saturating_sub(batch), most),
            Method::Rolling => (fewest, most + batch),
            _ => (fewest, both),
        }
    };
    if before.entries.is_empty() != after.entries.is_empty() {
        // Somebody else led to it before, or does from now on: all of the new is ready first.
        return Some((fewest, both));
    }
    let ((one, two), (three, four)) = (of(old, before), of(new, after));
    Some((one.min(three), two.max(four)))
}

fn assert_bounds(engine: &Simulation, old: &Release, new: &Release) {
    for name in new.stack.components.keys() {
        let Some((fewest, most)) = bounds(old, new, name) else { continue };
        let found = engine.most.get(name).copied().unwrap_or(0);
        assert!(found <= most, "{name}: {found} ran at once, {most} may");
        if let Some(found) = engine.least.get(name) {
            assert!(*found >= fewest, "{name}: {found} served, {fewest} have to");
        }
    }
}

/// Nobody is sent away: what leads somewhere before and after leads somewhere, or waits, all the time.
fn assert_ways(engine: &Simulation, old: &Release, new: &Release) {
    let ways = |release: &Release| {
        let entries = release.stack.components.values().flat_map(|component| &component.entries);
        entries.map(|entry| entry.listen.clone()).collect::<BTreeSet<Listen>>()
    };
    let edge = engine.observed.edge.as_ref().unwrap();
    let open: BTreeSet<&Listen> =
        edge.routes.values().flat_map(|routes| &routes.entries).map(|entry| &entry.listen).collect();
    for way in ways(old).intersection(&ways(new)) {
        assert!(open.contains(way), "{way:?} leads nowhere");
    }
}

fn assert_served(engine: &Simulation, release: &Release) {
    let edge = engine.observed.edge.as_ref().unwrap();
    let routed = release.stack.components.values().filter(|component| !component.entries.is_empty());
    let routed: BTreeMap<ComponentName, &Component> = routed.map(|c| (c.name.clone(), c)).collect();
    assert_eq!(edge.routes.keys().collect::<Vec<_>>(), routed.keys().collect::<Vec<_>>());
    for (name, routes) in &edge.routes {
        assert_eq!((&routes.entries, routes.held), (&routed[name].entries, false));
        assert_eq!(routes.serving().count(), routed[name].replicas as usize);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// At every prefix of every plan what serves and what runs stays within bounds, no container is stopped that is led
    /// to, and there is a way on and a way back.
    #[test]
    fn nothing_is_cut_on_any_way(old in random_shop(), new in random_shop(), prefix in 0usize..60, second in 0usize..60) {
        let (old, new) = (release(1, old), release(2, new));
        let mut engine = live(&old);
        assert_is(&engine, &old);
        assert_served(&engine, &old);
        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, FORWARD, prefix);
        assert_bounds(&engine, &old, &new);
        assert_ways(&engine, &old, &new);

        let mut back = engine.clone();
        let plan = converge(&wanted(&old, 2, Goal::PutBack), &back.observed).unwrap();
        back.carry_out(&plan, ALL, second);
        assert_ways(&back, &old, &new);
        let plan = converge(&wanted(&old, 2, Goal::PutBack), &back.observed).unwrap();
        back.carry_out(&plan, ALL, usize::MAX);
        assert_is(&back, &old);
        assert_served(&back, &old);
        assert_bounds(&back, &old, &new);

        let plan = converge(&wanted(&new, 2, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, ALL, usize::MAX);
        assert_is(&engine, &new);
        assert_served(&engine, &new);
        assert_bounds(&engine, &old, &new);
    }
}

/// Where none of the environment's networks has IPv6, no container learns of it from us.
#[test]
fn the_edges_network_has_ipv6_where_the_environments_own_have() {
    let plain = release(1, web("1", 2, |_| {}));
    let mut six = plain.clone();
    let key = six.stack.networks.keys().find(|key| *key != EDGE_NETWORK).unwrap().clone();
    six.stack.networks.get_mut(&key).unwrap().enable_ipv6 = Some(true);
    let (mut without, mut with, mut older) = (with_edge(), with_edge(), with_edge());
    for (engine, release, filters) in [(&mut without, &plain, true), (&mut with, &six, true), (&mut older, &six, false)]
    {
        engine.observed.filters_ipv6 = filters;
        let plan = converge(&wanted(release, 1, Goal::Deploy), &engine.observed).unwrap();
        engine.carry_out(&plan, ALL, usize::MAX);
    }
    let none = |engine: &Simulation| engine.observed.containers.iter().all(|c| c.edge_address.unwrap().v6.is_none());
    assert!(none(&without) && none(&older));
    let told = |release: &Release, engine: &Simulation| without_ipv6(release, &engine.observed);
    assert_eq!((told(&plain, &without), told(&six, &with)), (None, None));
    let older_engine =
        "the edge leads to its replicas by IPv4 alone: Docker Engine keeps containers apart by IPv6 from 27 on only";
    assert_eq!(told(&six, &older).as_deref(), Some(older_engine));
    // It is another engine by now, and the network is what it was.
    older.observed.filters_ipv6 = true;
    assert!(told(&six, &older).unwrap().contains("shop_launchway was made without it"), "{:?}", told(&six, &older));
    let edge = &with.observed.networks[&six.stack.networks[EDGE_NETWORK].name];
    let subnet: ipnet::Ipv6Net = edge.ipam[1].subnet.as_ref().unwrap().parse().unwrap();
    assert!(edge.ipv6 && subnet.prefix_len() == 64 && subnet.network().octets()[0] == 0xfd, "{subnet}");
    for container in &with.observed.containers {
        let address = container.edge_address.unwrap();
        let v6 = address.v6.unwrap();
        assert!(subnet.contains(&v6) && v6.octets()[15] == address.v4.octets()[3], "{address:?}");
    }
    // What the engine gives every network of its own accord counts as well.
    let mut by_itself = without.observed.clone();
    by_itself.networks.remove(&plain.stack.networks[EDGE_NETWORK].name);
    by_itself.containers.clear();
    by_itself.networks.get_mut(&plain.stack.networks[&key].name).unwrap().ipv6 = true;
    by_itself.filters_ipv6 = true;
    let plan = converge(&wanted(&plain, 2, Goal::Deploy), &by_itself).unwrap();
    let spec = plan.steps.iter().find_map(|step| match &step.action {
        Action::CreateNetwork(spec) => Some(&spec.network),
        _ => None,
    });
    assert_eq!(spec.unwrap().enable_ipv6, Some(true));
    // A pool that an engine chose is its own: a fixed address of it would be refused.
    let network = with.observed.networks.get_mut(&six.stack.networks[EDGE_NETWORK].name).unwrap();
    network.ipam[1].subnet = Some("fd00:1:2:3::/64".into());
    with.observed.containers.clear();
    let plan = converge(&wanted(&six, 3, Goal::Deploy), &with.observed).unwrap();
    let created = plan.steps.iter().filter_map(|step| match &step.action {
        Action::CreateContainer(spec) => Some(spec.labels.contains_key(label::EDGE_ADDRESS_6)),
        _ => None,
    });
    assert_eq!(created.collect::<Vec<_>>(), [false, false]);
}

/// Said before anything is stopped; what is open already, it may keep.
#[test]
fn a_port_that_the_edge_may_not_open_is_refused() {
    let release = release(1, web("1", 1, |_| {}));
    let port = release.stack.components.values().flat_map(|one| &one.entries).find_map(|one| one.listen.address());
    let port = port.unwrap().port;
    let mut engine = with_edge();
    engine.observed.edge.as_mut().unwrap().lowest_port = Some(port + 1);
    let problems = converge(&wanted(&release, 1, Goal::Deploy), &engine.observed).unwrap_err();
    let message = format!(
        "the edge may not open port {port} of the host, as it is not root and everybody may open ports from {} on only",
        port + 1
    );
    assert!(problems.len() == 1 && problems[0].message.starts_with(&message), "{problems:?}");
    engine.observed.edge.as_mut().unwrap().lowest_port = Some(port);
    let plan = converge(&wanted(&release, 1, Goal::Deploy), &engine.observed).unwrap();
    engine.carry_out(&plan, ALL, usize::MAX);
    engine.observed.edge.as_mut().unwrap().lowest_port = Some(port + 1);
    assert!(converge(&wanted(&release, 2, Goal::Deploy), &engine.observed).unwrap().is_empty());
}
