use super::*;
use crate::model::{HealthCheck, Route};
use crate::plan::sample::{Sample, component, stack};

fn given<const N: usize>(components: [Sample; N]) -> (Stack, Vec<String>) {
    let mut stack = stack(components);
    let edge = EdgeSettings { listen: vec![":80".parse().unwrap()], ..EdgeSettings::default() };
    let problems = give_to_edge(&mut stack, &edge).iter().map(|problem| problem.message.clone()).collect();
    (stack, problems)
}

fn entries_of(stack: &Stack, name: &str) -> Vec<String> {
    let component = &stack.components[&ComponentName::new(name).unwrap()];
    component.entries.iter().map(|entry| format!("{} -> {}", named(&entry.listen), entry.target)).collect()
}

fn route(mut sample: Sample, host: &str, port: Option<u16>) -> Sample {
    sample.0.settings.route = Some(Route { host: Some(host.into()), path: None, port });
    sample
}

/// An engine takes both.
#[test]
fn every_address_of_ipv4_and_of_ipv6_is_one_way_in() {
    let mut web = component("web").publishes(8080, 80).publishes(8080, 80);
    for (port, ip) in web.0.container.ports.iter_mut().zip(["0.0.0.0", "::"]) {
        port.host_ip = Some(ip.into());
    }
    let (stack, problems) = given([web]);
    assert_eq!((entries_of(&stack, "web"), problems), (vec!["port 8080 -> 80".to_string()], vec![]));
}

#[test]
fn a_published_port_becomes_the_edges() {
    let (stack, problems) = given([component("web").publishes(8080, 80)]);
    assert_eq!((entries_of(&stack, "web"), problems), (vec!["port 8080 -> 80".to_string()], vec![]));
    let web = &stack.components[&ComponentName::new("web").unwrap()].container;
    assert!(web.ports.is_empty(), "the container does not publish it any more");
    assert_eq!(web.expose, ["80/tcp"]);
    assert!(web.networks.contains_key(EDGE_NETWORK) && stack.networks[EDGE_NETWORK].internal);
}

#[test]
fn what_only_one_can_serve_keeps_its_port_unless_it_speaks_http() {
    let db = || component("db").volume("data", "/data").publishes(5432, 5432);
    assert!(entries_of(&given([db()]).0, "db").is_empty());
    let mut http = db();
    http.0.container.ports[0].app_protocol = Some("http".into());
    assert_eq!(entries_of(&given([http]).0, "db"), ["port 5432 -> 5432"]);
    // So does what a replica answered, and its health check.
    let mut answered = db();
    answered.0.answers_http = BTreeSet::from([5432]);
    assert_eq!(entries_of(&given([answered]).0, "db"), ["port 5432 -> 5432"]);
    let checked = |test: HealthTest| {
        let mut checked = db();
        checked.0.container.healthcheck = Some(HealthCheck { test, ..HealthCheck::disabled() });
        entries_of(&given([checked]).0, "db").len()
    };
    let words = |words: &[&str]| HealthTest::Exec(words.iter().map(ToString::to_string).collect());
    assert_eq!(checked(HealthTest::Shell("curl -f 'http://localhost:5432/health' || exit 1".into())), 1);
    assert_eq!(checked(words(&["CMD", "wget", "-q", "http://127.0.0.1:5432"])), 1);
    for other in ["http://localhost:54321/", "http://db:5432/", "http://localhost/", "pg_isready -h localhost:5432"] {
        assert_eq!(checked(HealthTest::Shell(other.into())), 0, "{other}");
    }
    let mut left = component("web").publishes(8080, 80);
    left.0.settings.edge = Some(false);
    let (stack, _) = given([left]);
    assert!(entries_of(&stack, "web").is_empty() && !stack.networks.contains_key(EDGE_NETWORK));
}

#[test]
fn a_route_finds_its_port_or_asks_for_it() {
    let mut exposed = component("web");
    exposed.0.container.expose = vec!["3000".into()];
    assert_eq!(entries_of(&given([route(exposed, "shop.example.com", None)]).0, "web"), ["shop.example.com/ -> 3000"]);
    let (_, problems) = given([route(component("web"), "shop.example.com", None)]);
    assert_eq!(problems, ["which port of the container? The service names none: add `port:` to the route"]);
}

#[test]
fn one_way_in_leads_to_one_component() {
    let (_, problems) = given([
        route(component("a"), "shop.example.com", Some(1)),
        route(component("b"), "SHOP.example.com", Some(2)),
        component("c").publishes(80, 80),
    ]);
    assert_eq!(
        problems,
        [
            "shop.example.com/ leads to a already: a request can go to one component only",
            "port 80 is the edge's own: it listens on :80 (`edge.listen` in launchway.toml). Give the service a `route:` instead of the port, or publish another one.",
        ]
    );
}

#[test]
fn the_lowest_free_address_is_given() {
    let subnet = "10.213.7.0/24".parse().unwrap();
    let taken = ["10.213.7.2", "10.213.7.4"].iter().map(|ip| ip.parse().unwrap()).collect();
    assert_eq!(free_address(subnet, &taken), Some("10.213.7.3".parse().unwrap()));
    let all: BTreeSet<Ipv4Addr> = subnet.hosts().collect();
    assert_eq!(free_address(subnet, &all), None);
}

#[test]
fn a_route_may_be_for_all_hosts_below_one() {
    let (stack, problems) = given([route(component("web"), "*.A.test", Some(80))]);
    assert_eq!((entries_of(&stack, "web"), problems), (vec!["*.a.test/ -> 80".to_string()], vec![]));
    let (_, problems) = given([route(component("web"), "a.*.test", Some(80))]);
    assert!(problems[0].contains("is not a host name"), "{problems:?}");
}
