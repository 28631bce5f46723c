use super::*;
use crate::model::{Method, Port, Route};
use crate::plan::method::choose;
use crate::plan::sample::{Sample, component, stack};

/// What becomes of `api`, and which ports its front has.
fn api<const N: usize>(components: [Sample; N]) -> String {
    api_with(components, ImageFacts::default())
}

fn api_with<const N: usize>(components: [Sample; N], facts: ImageFacts) -> String {
    let name = ComponentName::new("api").unwrap();
    let mut stack = stack(components);
    let problems = give_fronts(&mut stack, &BTreeMap::from([(name.clone(), facts)]));
    if let Some(problem) = problems.first() {
        return format!("{}: {}", problem.key.as_deref().unwrap_or_default(), problem.message);
    }
    let api = &stack.components[&name];
    let ports = api.entries.iter().map(|entry| match entry.listen {
        Listen::Inside { port, protocol } => format!("{port} {protocol:?}"),
        _ => "no way in of a front".into(),
    });
    let ports: Vec<String> = ports.collect();
    let choice = choose(&stack, &name);
    match ports.is_empty() {
        true => format!("{}: {}", choice.method, choice.reason),
        false => format!("{}, {}", choice.method, ports.join(", ")),
    }
}

fn exposing(ports: &[&str]) -> Sample {
    let mut sample = component("api");
    sample.0.container.expose = ports.iter().map(|port| port.to_string()).collect();
    sample
}

fn web() -> Sample {
    component("web").after("api")
}

#[test]
fn what_others_call_has_a_front_at_every_port_that_is_known() {
    assert_eq!(api([exposing(&["8080"]), web()]), "blue-green, 8080 Probe");
    assert_eq!(api([component("api"), web().env("UPSTREAM", "http://api:9000/x")]), "blue-green, 9000 Probe");
    assert_eq!(
        api([component("api"), web().env("UPSTREAM", "http://rapi:9000,my.api:1,api-2:3,api")]),
        "recreate: web depends on it, and would reach new and old at random while both run (no front can own its name: nothing says at which port it is called; `expose: [\"8080\"]` in its service does, where that is the port)"
    );
    let image = ImageFacts { ports: BTreeSet::from([6379]), ..ImageFacts::default() };
    assert_eq!(api_with([component("api"), web()], image), "blue-green, 6379 Tcp");
    // `PORT` of its own, `API_PORT` of a caller, and what a caller mounts.
    assert_eq!(api([component("api").env("PORT", "3000"), web()]), "blue-green, 3000 Probe");
    assert_eq!(api([component("api"), web().env("API_PORT", "3001")]), "blue-green, 3001 Probe");
    // Nobody calls it.
    assert!(api([exposing(&["8080"])]).starts_with("recreate: nothing leads to it"));
}

#[test]
fn a_name_that_no_front_can_own_is_said_with_what_stands_in_the_way() {
    let asked = |mut sample: Sample| {
        sample.0.settings.front = Some(true);
        sample
    };
    let udp = asked(exposing(&["8080", "53/udp"]));
    assert_eq!(
        api([udp, web()]),
        "services.api.x-launchway.front: no front can own the name of api: a front passes on TCP, and its port 53 is udp"
    );
    let mut host = asked(exposing(&["8080"]));
    host.0.container.network_mode = NetworkMode::Host;
    assert!(api([host, web()]).ends_with("with its `network_mode` it has no name of its own on any network"));
    let mut twice = web();
    twice.0.container.networks.get_mut("default").unwrap().aliases.push("api".into());
    assert!(api([asked(exposing(&["8080"])), twice.clone()]).ends_with("web has the name api on network default too"));
    // Where nothing asks for it, it is as before.
    assert!(api([exposing(&["8080"]), twice]).starts_with("recreate: web depends on it"));
    let mut off = exposing(&["8080"]);
    off.0.settings.front = Some(false);
    assert!(api([off, web()]).contains("its x-launchway says `front: false`"));
}

#[test]
fn callers_of_what_is_recreated_wait_where_it_speaks_http() {
    let writes = || exposing(&["8080"]).volume("data", "/data");
    assert!(
        api([writes(), web()]).starts_with("recreate: it writes to volume data"),
        "its callers may not like to wait"
    );
    let mut routed = writes();
    routed.0.settings.route = Some(Route { host: None, path: None, port: Some(8080) });
    assert_eq!(api([routed, web()]), "recreate, 8080 Http");
    let mut said = writes();
    said.0.settings.front = Some(true);
    assert_eq!(api([said, web()]), "recreate, 8080 Probe");
    let mut named = writes();
    let port = Port {
        target: 8080,
        published: None,
        host_ip: None,
        protocol: Protocol::Tcp,
        app_protocol: Some("http".into()),
    };
    named.0.container.ports.push(port);
    assert_eq!(api([named, web()]), "recreate, 8080 Http");
}

/// Where neither the file nor a health check says it, a replica that runs is asked.
#[test]
fn only_what_the_answer_would_change_is_asked_for() {
    let asked_with = |components: [Sample; 2], has_edge: bool| {
        let mut stack = stack(components);
        give_fronts(&mut stack, &BTreeMap::new());
        let asked = undecided(&stack, &BTreeMap::new(), has_edge);
        let words = asked.iter().map(|(name, ports)| format!("{name} {ports:?}"));
        words.collect::<Vec<_>>().join(", ")
    };
    let asked = |api: Sample| asked_with([api, web()], false);
    let writes = || exposing(&["8080"]).volume("data", "/data");
    assert_eq!(asked(writes()), "api {8080}");
    assert_eq!(asked(exposing(&["8080"])), "", "it can run twice: its callers need not wait");
    assert_eq!(asked(exposing(&["5432", "6379"]).volume("data", "/data")), "", "nobody speaks HTTP there");
    let mut answered = writes();
    answered.0.answers_http = BTreeSet::from([8080]);
    assert_eq!(asked(answered.clone()), "api {8080}", "whether it still does");
    assert_eq!(api([answered, web()]), "recreate, 8080 Probe", "and its callers wait");
    let mut off = writes();
    off.0.settings.front = Some(false);
    assert_eq!(asked(off.clone()), "", "nobody is to wait");
    let mut udp = exposing(&["8080", "53/udp"]).volume("data", "/data");
    udp.0.settings.front = None;
    assert_eq!(asked(udp), "", "no front can own its name");
    // That two of it are impossible only its image says.
    let facts = ImageFacts { volumes: vec!["/data".into()], ..ImageFacts::default() };
    let facts = BTreeMap::from([(ComponentName::new("api").unwrap(), facts)]);
    let mut keeps = stack([exposing(&["8080"]), web()]);
    give_fronts(&mut keeps, &facts);
    assert_eq!(undecided(&keeps, &facts, false).len(), 1);
    // Nobody calls it; its visitors come to a port that the engine publishes.
    let alone = |api: Sample, has_edge: bool| asked_with([api, component("other")], has_edge);
    let published = || component("api").volume("data", "/data").publishes(80, 3000);
    assert_eq!(alone(published(), true), "api {3000}");
    assert_eq!(alone(published(), false), "", "there is no edge to open it");
    let mut said = published();
    said.0.container.ports[0].app_protocol = Some("tcp".into());
    assert_eq!(alone(said, true), "", "the file says what it speaks");
    let mut left = published();
    left.0.settings.edge = Some(false);
    assert_eq!(alone(left, true), "", "it is the engine's");
}

#[test]
fn data_that_the_image_itself_keeps_is_written_by_one_alone() {
    let postgres = || ImageFacts {
        ports: BTreeSet::from([5432]),
        volumes: vec!["/var/lib/postgresql/data".into()],
        ..ImageFacts::default()
    };
    assert_eq!(
        api_with([component("api"), web()], postgres()),
        "recreate: its image keeps data at /var/lib/postgresql/data, in an unnamed volume that is handed on"
    );
    let mut asks = component("api");
    asks.0.settings.method = Method::BlueGreen;
    assert!(api_with([asks, web()], postgres()).contains("asks for blue-green, but its image keeps data"));
}

#[test]
fn an_address_of_the_file_is_the_containers_own() {
    let mut fixed = exposing(&["8080"]);
    fixed.0.container.networks.get_mut("default").unwrap().ipv4_address = Some("172.28.0.9".into());
    assert!(api([fixed.clone(), web()]).starts_with("recreate: its address 172.28.0.9 can be had only once"));
    fixed.0.settings.front = Some(true);
    assert!(api([fixed, web()]).ends_with("its address 172.28.0.9 is the container's own"));
}

#[test]
fn ports_stand_in_files_that_callers_mount() {
    let mut stack = stack([component("api"), web()]);
    let conf = "upstream x { server api:3000; }\nserver { location /api:1 { proxy_pass http://rapi:2; } }".to_string();
    let facts = ImageFacts { mounted: vec![conf], ..ImageFacts::default() };
    assert_eq!(give_fronts(&mut stack, &BTreeMap::from([(ComponentName::new("web").unwrap(), facts)])), vec![]);
    let api = &stack.components[&ComponentName::new("api").unwrap()];
    let ports: Vec<u16> = api.entries.iter().map(|entry| entry.target).collect();
    assert_eq!(ports, [1, 3000], "what looks like a port counts: one too many is harmless");
}

#[test]
fn callers_by_an_alias_a_link_a_containers_name_or_an_image_are_callers() {
    let url = |name: &str| component("web").env("UPSTREAM", &format!("http://{name}:9000/x"));
    assert!(api([component("api"), url("backend")]).starts_with("recreate: nothing leads to it"));
    let mut alias = component("api");
    alias.0.container.networks.get_mut("default").unwrap().aliases.push("backend".into());
    assert_eq!(api([alias, url("backend")]), "blue-green, 9000 Probe");
    assert_eq!(api([component("api"), url("shop-api-1")]), "blue-green, 9000 Probe");
    // There is no such container.
    assert!(api([component("api"), url("shop-api-2")]).starts_with("recreate: nothing leads to it"));
    let mut linked = url("backend");
    linked.0.container.links.push("api:backend".into());
    assert_eq!(api([component("api"), linked]), "blue-green, 9000 Probe");
}

#[test]
fn an_image_that_names_a_host_is_a_caller_and_one_that_has_a_path_is_not() {
    let told = |said: &str| {
        let (api, web) = (ComponentName::new("api").unwrap(), ComponentName::new("web").unwrap());
        let mut stack = stack([exposing(&["8080"]), component("web")]);
        let facts = ImageFacts { environment: vec![said.into()], ..ImageFacts::default() };
        assert!(give_fronts(&mut stack, &BTreeMap::from([(web, facts)])).is_empty());
        stack.components[&api].is_fronted()
    };
    for said in ["http://api:8080", "api", "postgres://me@api/x", "a,api", "BACKEND=api"] {
        assert!(told(said), "{said}");
    }
    for said in ["/usr/src/api", "/api/v1", "rapid", "api.example.com", ""] {
        assert!(!told(said), "{said}");
    }
}

#[test]
fn a_front_has_the_name_of_a_container_that_others_call() {
    let web = component("web").env("UPSTREAM", "http://shop-api-1:9000");
    let mut stack = stack([component("api"), web]);
    assert!(give_fronts(&mut stack, &BTreeMap::new()).is_empty());
    let release = crate::plan::converge::tests::release(1, stack);
    let api = &release.stack.components[&ComponentName::new("api").unwrap()];
    let front = crate::plan::container::front_spec(&release, None, api);
    let crate::plan::EngineNetworkMode::Networks(networks) = &front.network else { panic!("networks") };
    assert_eq!(networks[0].aliases, ["api", "shop-api-1"]);
    assert_eq!(crate::plan::container::container_name(&release, api, 1), "shop-api-1.behind-front");
}

#[test]
fn that_an_images_files_may_name_somebody_is_said() {
    let told = api([exposing(&["8080"]).replicas(2)]);
    assert!(told.contains("whether a file inside an image names it cannot be known"), "{told}");
    assert!(!api([component("api").replicas(2)]).contains("cannot be known"));
}
