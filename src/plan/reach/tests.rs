use super::*;
use crate::model::{EntryProtocol, Listen, NetworkMode, RouteEntry};
use crate::plan::sample::{Sample, component, stack};

fn address() -> Option<ReplicaAddress> {
    Some(ReplicaAddress { v4: [10, 213, 0, 2].into(), v6: None })
}

fn entry(port: u16, inside: bool) -> RouteEntry {
    let protocol = EntryProtocol::Http;
    let listen = match inside {
        true => Listen::Inside { port, protocol },
        false => Listen::Port { host_ip: None, port: port + 1000, protocol },
    };
    RouteEntry { listen, target: port }
}

/// The edge leads to 8080, a front to 9000 and, as its file does not say, to 7000.
fn app() -> Sample {
    let mut app = component("web");
    app.0.entries = vec![entry(8080, false), entry(9000, true), entry(7000, true)];
    app.0.container.expose = vec!["9000".into()];
    app
}

fn reached(app: Sample, goal: Goal) -> Vec<(u16, Leader, Miss)> {
    let name = app.name();
    let stack = stack([app]);
    let reach = Reach::of(&Relations::of(&stack), &stack.components[&name], address(), goal);
    reach.into_iter().flat_map(|reach| reach.ports).map(|one| (one.port, one.leader, one.miss)).collect()
}

#[test]
fn what_the_edge_leads_to_counts_and_what_a_front_leads_to_once_it_was_answered() {
    assert_eq!(
        reached(app(), Goal::Deploy),
        [(8080, Leader::Edge, Miss::Fails), (9000, Leader::Front, Miss::NeverSeen)]
    );
    let mut answered = app();
    answered.0.answered = BTreeSet::from([9000, 7000]);
    assert_eq!(
        reached(answered, Goal::Deploy),
        [(8080, Leader::Edge, Miss::Fails), (9000, Leader::Front, Miss::Fails)],
        "an EXPOSE of the image is no promise"
    );
}

#[test]
fn going_back_a_miss_holds_nothing_up() {
    let mut answered = app();
    answered.0.answered = BTreeSet::from([9000]);
    assert_eq!(
        reached(answered, Goal::PutBack),
        [(8080, Leader::Edge, Miss::Tolerated), (9000, Leader::Front, Miss::Tolerated)]
    );
    assert_eq!(reached(app(), Goal::PutBack), [(8080, Leader::Edge, Miss::Tolerated)]);
}

#[test]
fn a_variable_of_its_own_is_no_promise_that_it_listens_there() {
    let mut app = component("api").env("DB_PORT", "5432");
    app.0.entries = vec![entry(5432, true)];
    assert_eq!(reached(app.clone(), Goal::Deploy), []);
    app.0.answered = BTreeSet::from([5432]);
    assert_eq!(reached(app, Goal::Deploy), [(5432, Leader::Front, Miss::Fails)]);
}

#[test]
fn jobs_what_opts_out_and_networks_that_others_listen_in_do_not_count() {
    let mut job = app();
    job.0.settings.job = true;
    assert_eq!(reached(job, Goal::Deploy), []);

    let mut out = app();
    out.0.settings.not_listening = BTreeSet::from([8080, 9000]);
    assert_eq!(reached(out, Goal::Deploy), []);

    let mut inside = component("inside");
    inside.0.container.network_mode = NetworkMode::Component(ComponentName::new("web").unwrap());
    let stack = stack([app(), inside]);
    let web = &stack.components[&ComponentName::new("web").unwrap()];
    assert_eq!(Reach::of(&Relations::of(&stack), web, address(), Goal::Deploy), None);
}

#[test]
fn a_replica_that_the_edge_cannot_reach_yet_is_not_asked_by_it() {
    let stack = stack([app()]);
    let web = stack.components.values().next().unwrap();
    let reach = Reach::of(&Relations::of(&stack), web, None, Goal::Deploy).unwrap();
    assert!(reach.ports.iter().all(|port| port.leader == Leader::Front), "{:?}", reach.ports);
}

fn said(ports: &[u16], listeners: Option<&[&str]>) -> String {
    let listeners: Option<Vec<SocketAddr>> =
        listeners.map(|all| all.iter().map(|text| text.parse().unwrap()).collect());
    let place = Place { file: "compose.yaml".into(), line: 7 };
    let of = |port: &u16| ReachedPort { port: *port, leader: Leader::Edge, miss: Miss::Fails };
    let reach = Reach { component: ComponentName::new("web").unwrap(), place, address: None, ports: vec![] };
    let missed: Vec<ReachedPort> = ports.iter().map(of).collect();
    reach.sentence(&missed, listeners.as_deref(), Duration::from_secs(60))
}

#[test]
fn what_is_open_by_ipv6_alone_where_the_edge_has_none_is_no_fault_of_the_release() {
    let place = Place { file: "compose.yaml".into(), line: 7 };
    let reach =
        |address| Reach { component: ComponentName::new("web").unwrap(), place: place.clone(), address, ports: vec![] };
    let by = |leader| ReachedPort { port: 8080, leader, miss: Miss::Fails };
    let listeners = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let six = listeners(&["[::]:8080"]);
    assert!(reach(address()).is_beyond_the_edge(&by(Leader::Edge), &six));
    assert!(!reach(address()).is_beyond_the_edge(&by(Leader::Front), &six));
    let both = address().map(|address| ReplicaAddress { v6: Some([0xfd00, 0, 0, 0, 0, 0, 0, 1].into()), ..address });
    assert!(!reach(both).is_beyond_the_edge(&by(Leader::Edge), &six));
    for others in [&["[::1]:8080"][..], &["[::]:3000"], &["[::]:8080", "127.0.0.1:8080"]] {
        assert!(!reach(address()).is_beyond_the_edge(&by(Leader::Edge), &listeners(others)), "{others:?}");
    }
}

#[test]
fn it_is_said_what_listens_instead_and_what_to_do() {
    let dns = "127.0.0.11:40123";
    let lines = [
        said(&[8080], None),
        said(&[8080], Some(&[dns])),
        said(&[8080], Some(&[dns, "127.0.0.1:8080", "[::1]:8080"])),
        said(&[8080], Some(&["0.0.0.0:3000", "[::]:3000", "127.0.0.1:9229"])),
        said(&[8080, 9090], Some(&["[::]:3000"])),
        said(&[8080], Some(&["172.18.0.3:8080"])),
        said(&[8080], Some(&["[::]:8080"])),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}
