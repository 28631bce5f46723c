//! What Compose refuses is refused, though it could be read: found by projects made by chance (see `differential`).

use super::*;

/// Lines of a service, and words of the refusal.
const REFUSED: &[(&str, &str)] = &[
    ("healthcheck:", "services.a.healthcheck: has nothing behind it"),
    ("ports:", "services.a.ports: has nothing behind it"),
    ("volumes: [null]", "services.a.volumes[0]: is an item with nothing in it"),
    ("command: [a, null]", "services.a.command[1]: is an item with nothing in it"),
    ("group_add: [audio, audio]", "services.a.group_add: \"audio\" stands here twice"),
    ("networks: [default, default]", "services.a.networks: \"default\" stands here twice"),
    ("group_add: [1.5]", "services.a.group_add[0]: must be a text"),
    ("cpuset: 0", "services.a.cpuset: must be a text"),
    ("labels: { 1: x }", "the key \"1\" is a whole number and no text"),
    ("labels: { true: x }", "the key \"true\" is true or false and no text"),
    ("cpus: 1.5\n    deploy: { resources: { limits: { memory: 5m } } }", "needs `cpus:` too"),
    ("pids_limit: 5\n    deploy: { resources: { limits: { cpus: 1 } } }", "needs `pids:` too"),
    ("mem_reservation: 5m\n    deploy: { resources: { reservations: { cpus: '1' } } }", "needs `memory:` too"),
    (
        "deploy: { resources: { limits: { memory: 10485760 } } }",
        "services.a.deploy.resources.limits.memory: must be a text",
    ),
    ("develop: text", "services.a.develop: must be a mapping"),
    ("healthcheck: { test: }", "services.a.healthcheck.test: has nothing behind it"),
    ("build: { context: ., target: }", "services.a.build.target: has nothing behind it"),
    ("deploy: { resources: }", "services.a.deploy.resources: has nothing behind it"),
    ("ports: [{ target: 80, published: }]", "services.a.ports[0].published: has nothing behind it"),
    ("networks: { default: { aliases: } }", "services.a.networks.default.aliases: has nothing behind it"),
    ("container_name: taken\n  b: { image: x, container_name: taken }", "service \"a\" has this container name, too"),
    (
        "secrets: [{ source: s, uid: 5 }]\nsecrets: { s: { file: Dockerfile } }",
        "services.a.secrets[0].uid: must be a text",
    ),
    (
        "platform: linux/arm64\n    build: { context: ., platforms: [linux/amd64] }",
        "does not have the service's platform",
    ),
];

#[test]
fn what_compose_refuses_in_a_service_is_refused() {
    for (lines, words) in REFUSED {
        let said = messages(&format!("services:\n  a:\n    image: x\n    {lines}\n"), &[("Dockerfile", "FROM x")]);
        assert!(said.contains(words), "{lines}\n{said}");
    }
    for section in ["networks", "volumes", "configs", "secrets"] {
        let said = messages(&format!("services: {{ a: {{ image: x }} }}\n{section}:\n"), &[]);
        assert!(said.contains(&format!("{section}: has nothing behind it")), "{said}");
    }
    // Of what no service has, too.
    let unused = "services: { a: { image: x } }\nconfigs: { c: { content: 5 } }\n";
    assert!(messages(unused, &[]).contains("configs.c.content: must be a text"), "{}", messages(unused, &[]));
    assert!(messages("version: 3.8\nservices: { a: { image: x } }\n", &[]).contains("version: must be a text"));
}

#[test]
fn what_compose_accepts_is_accepted() {
    let stack = read_one(
        "services:
  a:
    image: x
    command:
    deploy:
    user: ''
    hostname: ''
    stop_signal: ''
    cpuset: ''
    shm_size: 0
    cpus: 1
    memswap_limit: 0
    mem_reservation: 5m
    x-own: text
    volumes: !reset null
    labels: { a: , b: null }
    networks: { default: }
    environment: { A: }
",
        &[],
    );
    let container = &stack.unwrap().components["a"].container;
    assert_eq!((&container.user, &container.hostname, &container.stop_signal), (&None, &None, &None));
    assert_eq!((&container.cpuset, container.shm_size_bytes), (&None, None));
}

#[test]
fn one_value_gives_way_to_a_mapping_of_a_later_file() {
    let files = [
        ("one.yaml", "services: { a: { image: x, x-own: text } }\n"),
        ("two.yaml", "services: { a: { x-own: { a: b } } }\n"),
    ];
    let (tree, project) = (MemoryTree::new(files), shop());
    let files = ["one.yaml", "two.yaml"].map(|file| RepoPath::new(file).unwrap()).to_vec();
    read(&ReadRequest { files, ..request(&tree, &project) }).unwrap();
}
