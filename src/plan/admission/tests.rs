use super::*;
use crate::plan::sample;
use crate::plan::{ContainerSpec, Phase};
use proptest::prelude::*;

const GB: i64 = 1 << 30;
const MB: i64 = 1 << 20;

fn component(reserved: Option<i64>, limit: Option<i64>) -> Component {
    let mut component = sample::component("api").0;
    component.container.resources.memory_reservation_bytes = reserved;
    component.container.resources.memory_limit_bytes = limit;
    component
}

fn host(total: i64, running: &[(i64, i64)]) -> Host {
    let running = running.iter().map(|(reserved, used)| Taken {
        reserved_bytes: *reserved,
        used_bytes: Some(*used),
        cpu_millis: 0,
    });
    Host { memory_bytes: total, cpu_millis: 2000, running: running.collect(), ..Host::default() }
}

fn reserving(bytes: i64) -> Amount {
    Amount { reserved_bytes: bytes, expected_bytes: bytes, ..Amount::default() }
}

fn expecting(bytes: i64) -> Amount {
    Amount { expected_bytes: bytes, ..Amount::default() }
}

#[test]
fn what_a_component_needs_says_where_the_figure_comes_from() {
    let past = Some(PastUse { p95_bytes: 300 * MB, most_bytes: 400 * MB });
    let why = |component: &Component, past| needs(component, past).why();
    insta::assert_snapshot!(
        [
            why(&component(Some(GB), Some(2 * GB)), past),
            why(&component(None, Some(2 * GB)), past),
            why(&component(None, None), past),
            why(&component(None, None), None),
        ]
        .join("\n"),
        @r"
    1 GB: it reserves that much (deploy.resources.reservations.memory)
    2 GB: its limit, as it reserves nothing (deploy.resources.limits.memory)
    300 MB: what it used before, in 95 of 100 hours at most
    64 MB: assumed, as it neither says what it needs nor was seen before
    "
    );
}

#[test]
fn a_limit_alone_and_a_guess_count_for_nothing() {
    assert_eq!(needs(&component(None, Some(64 * GB)), None).amount, Amount::default());
    assert_eq!(needs(&component(None, None), None).amount, Amount::default());
    let past = Some(PastUse { p95_bytes: 3 * GB, most_bytes: 3 * GB });
    assert_eq!(needs(&component(None, Some(GB)), past).amount, expecting(GB), "nobody takes more than its limit");
}

#[test]
fn it_waits_with_the_figures_while_others_have_reserved_the_memory() {
    let busy = host(2 * GB, &[(GB, 200 * MB)]);
    let Admission::Wait { of, why } = admit(reserving(1200 * MB), Amount::default(), &busy) else { panic!() };
    assert_eq!((of, why.as_str()), ("memory", "memory: needs 1.2 GB beside what runs, 922 MB are free"));
    assert_eq!(admit(reserving(1200 * MB), Amount::default(), &host(2 * GB, &[])), Admission::Start);
}

#[test]
fn one_of_several_projects_reserves_no_more_than_its_share() {
    let here = Host { cpu_millis: 4000, ..host(8 * GB, &[(4 * GB, GB)]) };
    let (its, none) = (reserving(4 * GB), Amount::default());
    let told = |beside, allowed, others| match beyond_its_share(beside, its, &here, allowed, others) {
        Some(Admission::Never { why }) => why,
        other => format!("{other:?}"),
    };
    assert_eq!(told(reserving(3 * GB), None, false), "None", "it is alone");
    assert_eq!(told(reserving(2 * GB), None, true), "None");
    insta::assert_snapshot!(told(reserving(3 * GB), None, true), @"with this the project would reserve 7 GB of memory in all of its environments, of the host's 8 GB of memory, and it may reserve 75 %, so that others find room. Lower deploy.resources.reservations.memory, or set `allow.reserve-percent = 88` of the project in launchway.toml");
    assert_eq!(told(reserving(3 * GB), Some(88), true), "None");
    assert_ne!(told(reserving(3 * GB), Some(87), false), "None", "what is written holds for one alone as well");
    assert_eq!(told(none, None, true), "None", "what it has it keeps");
    let too_many = told(Amount { cpu_millis: 3500, ..none }, None, true);
    assert!(too_many.contains("3.5 CPUs") && too_many.contains("allow.reserve-percent = 88"), "{too_many}");
}

#[test]
fn memory_that_is_promised_and_not_taken_yet_is_not_free() {
    let mut here = host(8 * GB, &[(4 * GB, GB)]);
    here.available_bytes = Some(5 * GB);
    // 5 GB less the 3 GB that the other may still take, less the margin.
    assert_eq!(admit(expecting(GB), Amount::default(), &here), Admission::Start);
    assert!(matches!(admit(expecting(2 * GB), Amount::default(), &here), Admission::Wait { .. }));
}

#[test]
fn what_was_admitted_and_has_not_started_is_counted() {
    let mut here = host(4 * GB, &[]);
    assert_eq!(admit(reserving(2 * GB), Amount::default(), &here), Admission::Start);
    here.in_flight = reserving(2 * GB);
    assert!(matches!(admit(reserving(2 * GB), Amount::default(), &here), Admission::Wait { .. }));
}

#[test]
fn cpus_that_others_reserved_are_waited_for() {
    let mut here = host(4 * GB, &[]);
    here.running.push(Taken { cpu_millis: 1500, ..Taken::default() });
    let beside = Amount { cpu_millis: 1000, ..Amount::default() };
    let Admission::Wait { why, .. } = admit(beside, Amount::default(), &here) else { panic!() };
    assert_eq!(why, "CPU: needs 1 CPUs beside what runs, 0.5 are free");
}

#[test]
fn what_is_larger_than_the_host_never_fits() {
    let here = host(2 * GB, &[]);
    let never = |component: Component| never_fits([&component].into_iter(), &here).unwrap().1;
    let mut three = component(Some(GB), None);
    three.replicas = 3;
    let mut wide = component(None, None);
    wide.container.resources.cpu_reservation_millis = Some(2500);
    let mut limited = component(None, None);
    limited.container.resources.cpu_limit_millis = Some(4000);
    insta::assert_snapshot!(
        [never(component(Some(64 * GB), None)), never(three), never(wide), never(limited)].join("\n"),
        @r"
    api reserves 64 GB of memory, and the host has 1.9 GB besides the 102 MB that stay free. Lower deploy.resources.reservations.memory
    3 replicas of api reserve 1 GB each of memory, and the host has 1.9 GB besides the 102 MB that stay free. Lower deploy.resources.reservations.memory
    api reserves 2.5 CPUs, and the host has 2. Lower deploy.resources.reservations.cpus
    api has a limit of 4 CPUs, and the host has 2. Lower deploy.resources.limits.cpus
    "
    );
    assert_eq!(never_fits([&component(None, Some(64 * GB))].into_iter(), &here), None, "limits are overcommitted");
    assert_eq!(never_fits([&component(Some(64 * GB), None)].into_iter(), &Host::default()), None, "nobody knows");
}

#[test]
fn a_set_that_cannot_stand_beside_its_old_one_is_told_which_method_fits() {
    let here = host(2 * GB, &[(1200 * MB, 0)]);
    let Admission::Never { why } = admit(reserving(1200 * MB), reserving(1200 * MB), &here) else { panic!() };
    assert_eq!(
        why,
        "it needs 1.2 GB of memory beside the 1.2 GB that its old release reserves, and the host has 1.9 GB besides the 102 MB that stay free. Lower deploy.resources.reservations.memory, or set x-launchway.method: recreate"
    );
}

#[test]
fn a_build_waits_for_memory_that_is_really_there() {
    let mut here = host(4 * GB, &[(3 * GB, 0)]);
    assert_eq!(admit_build(BUILD_BYTES, &here), Admission::Start, "a promise is no reason to wait");
    here.available_bytes = Some(300 * MB);
    let Admission::Wait { why, .. } = admit_build(BUILD_BYTES, &here) else { panic!() };
    assert_eq!(why, "memory: a build needs 256 MB, 95 MB are free");
}

/// A plan of starts and stops: `true` starts a container of its own, `false` stops one of those that run.
fn plan(steps: &[bool]) -> Plan {
    let mut plan = Plan::default();
    let name = sample::component("api").name();
    let mut add = |action: Action| {
        let id = plan.steps.len() as u32 + 1;
        plan.steps.push(Step {
            id,
            waits_for: Vec::new(),
            component: Some(name.clone()),
            subject: String::new(),
            action,
            cause: String::new(),
            phase: Phase::Deploy,
        });
        id
    };
    let spec = |component: &Component| ContainerSpec {
        name: String::new(),
        image: String::new(),
        settings: component.container.clone(),
        mounts: Vec::new(),
        network: crate::plan::EngineNetworkMode::Bridge,
        processes_of: None,
        labels: BTreeMap::new(),
        logging: Default::default(),
    };
    for (number, starts) in steps.iter().enumerate() {
        if *starts {
            let created = add(Action::CreateContainer(Box::new(spec(&component(None, None)))));
            add(Action::StartContainer(Target::Created { step: created }));
        } else {
            let target = Target::Existing { id: number.to_string(), name: String::new() };
            add(Action::StopContainer { target, grace: None });
        }
    }
    plan
}

fn beside(steps: &[bool]) -> i64 {
    let name = sample::component("api").name();
    let running = (0..steps.len()).map(|number| (number.to_string(), reserving(GB))).collect();
    most_beside(&plan(steps), &BTreeMap::from([(name, reserving(GB))]), &running).reserved_bytes / GB
}

#[test]
fn each_method_needs_what_its_plan_starts_beside_what_runs() {
    assert_eq!(beside(&[false, true, false, true]), 0, "recreate needs nothing more at once");
    assert_eq!(beside(&[true, false, true, false]), 1, "rolling needs its surge");
    assert_eq!(beside(&[true, true, true, false, false, false]), 3, "blue-green needs a full set");
}

fn hosts() -> impl Strategy<Value = Host> {
    let taken = (0..8 * GB, proptest::option::of(0..8 * GB), 0..4000_i64)
        .prop_map(|(reserved_bytes, used_bytes, cpu_millis)| Taken { reserved_bytes, used_bytes, cpu_millis });
    let running = proptest::collection::vec(taken, 0..5);
    let sometimes = || proptest::option::of(0..32 * GB);
    (0..32 * GB, 0..16_000_i64, sometimes(), running, amounts()).prop_map(
        |(memory_bytes, cpu_millis, available_bytes, running, in_flight)| Host {
            memory_bytes,
            cpu_millis,
            available_bytes,
            running,
            in_flight,
        },
    )
}

fn amounts() -> impl Strategy<Value = Amount> {
    (0..16 * GB, 0..16 * GB, 0..4000_i64).prop_map(|(reserved_bytes, more, cpu_millis)| Amount {
        reserved_bytes,
        expected_bytes: reserved_bytes + more / 4,
        cpu_millis,
        disk_bytes: 0,
    })
}

proptest! {
    #[test]
    fn who_needs_nothing_more_always_starts(host in hosts(), own in amounts()) {
        prop_assert_eq!(admit(Amount::default(), own, &host), Admission::Start);
    }

    #[test]
    fn who_starts_fits_beside_all_that_was_promised(host in hosts(), beside in amounts()) {
        if admit(beside, Amount::default(), &host) == Admission::Start && host.memory_bytes > 0 && !beside.is_nothing() {
            let promised: i64 = host.running.iter().map(|taken| taken.reserved_bytes).sum();
            if beside.reserved_bytes > 0 {
                prop_assert!(promised + host.in_flight.reserved_bytes + beside.reserved_bytes <= host.memory_bytes);
            }
            if let Some(available) = host.available_bytes && beside.expected_bytes > 0 {
                prop_assert!(beside.expected_bytes + host.in_flight.expected_bytes <= available);
            }
        }
    }

    #[test]
    fn whoever_ends_makes_room_for_others_and_never_takes_it(mut host in hosts(), beside in amounts()) {
        let before = admit(beside, Amount::default(), &host);
        if let (Some(ended), Some(available)) = (host.running.pop(), host.available_bytes.as_mut()) {
            *available += ended.used_bytes.unwrap_or(0);
        }
        let after = admit(beside, Amount::default(), &host);
        prop_assert!(before != Admission::Start || after == Admission::Start, "{before:?} {after:?}");
    }

    #[test]
    fn what_waits_starts_once_all_others_are_gone(host in hosts(), beside in amounts()) {
        if let Admission::Wait { .. } = admit(beside, Amount::default(), &host) {
            let margin = host.margin();
            let empty = Host {
                running: Vec::new(), in_flight: Amount::default(), available_bytes: Some(host.memory_bytes), ..host
            };
            let fits = beside.expected_bytes <= empty.memory_bytes - margin;
            prop_assert!(!fits || admit(beside, Amount::default(), &empty) == Admission::Start);
        }
    }

    #[test]
    fn a_plan_never_needs_less_than_what_it_ends_with(steps in proptest::collection::vec(any::<bool>(), 0..12)) {
        let ends_with = steps.iter().map(|starts| if *starts { 1 } else { -1 }).sum::<i64>();
        let starts = steps.iter().filter(|starts| **starts).count() as i64;
        let most = beside(&steps);
        prop_assert!(most >= ends_with.max(0) && most <= starts);
    }
}
