//! Names that mean more than themselves on the engine are refused.

use super::*;
use insta::assert_snapshot;

/// What is said about a network whose entry is this, under the key `n`.
fn of_network(entry: &str) -> String {
    messages(&format!("services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {entry}}}\n"), &[])
}

#[test]
fn the_hosts_network_is_not_had_by_its_name() {
    let compose = r#"
services:
  web:
    image: x
    networks: [a, b, c, d, e]
    deploy: { replicas: 0 }
    x-launchway: { release-command: [sh, -c, "ip link"] }
networks:
  a: { external: true, name: host }
  b: { name: none }
  c: { external: { name: bridge } }
  d: { name: default }
  e: { name: docker_gwbridge }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:9: networks.a.name: the network host is the engine's own and cannot be used by its name; `network_mode: host` of a service says so openly
    compose.yaml:10: networks.b.name: the network none is the engine's own and cannot be used by its name; `network_mode: none` of a service says so openly
    compose.yaml:11: networks.c: the network bridge is the engine's own and cannot be used by its name; `network_mode: bridge` of a service says so openly
    compose.yaml:12: networks.d.name: the network default is the engine's own and cannot be used by its name
    compose.yaml:13: networks.e.name: the network docker_gwbridge is the engine's own and cannot be used by its name
    "#);
}

#[test]
fn a_key_that_is_called_like_the_engines_own_is_the_projects() {
    for key in ["bridge", "host", "none"] {
        let compose = format!("services: {{a: {{image: x, networks: [{key}]}}}}\nnetworks: {{{key}: {{}}}}\n");
        let stack = read_one(&compose, &[]).unwrap();
        assert_eq!(stack.networks[key].name, format!("shop-production_{key}"));
    }
}

#[test]
fn keys_of_launchways_own_cannot_be_written() {
    let compose = r#"
services: { a: { image: x, networks: ["launchway:edge"] }, "launchway:b": { image: x } }
networks: { "launchway:edge": { name: host }, "a b": {}, launchway: {} }
volumes: { "v:w": {} }
configs: { "c/d": { content: x } }
secrets: { "": { environment: X } }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:2: services.launchway:b: "launchway:b" is not a component name: letters, digits, '-', '_' and '.' (the Compose Specification's service names)
    compose.yaml:3: networks.launchway:edge: "launchway:edge" is not a key here: letters, digits, '-', '_' and '.'
    compose.yaml:3: networks.a b: "a b" is not a key here: letters, digits, '-', '_' and '.'
    compose.yaml:3: networks.launchway:edge.name: the network host is the engine's own and cannot be used by its name; `network_mode: host` of a service says so openly
    compose.yaml:3: networks.a b: "shop-production_a b" is not a network name: letters, digits, '_', '.' and '-', starting with a letter or digit
    compose.yaml:3: networks.launchway: the network name shop-production_launchway is Launchway's own: names that begin with launchway- or end in _launchway are; use another one
    compose.yaml:4: volumes.v:w: "v:w" is not a key here: letters, digits, '-', '_' and '.'
    compose.yaml:4: volumes.v:w: "shop-production_v:w" is not a volume name: letters, digits, '_', '.' and '-', starting with a letter or digit
    compose.yaml:5: configs.c/d: "c/d" is not a key here: letters, digits, '-', '_' and '.'
    compose.yaml:6: secrets.: "" is not a key here: letters, digits, '-', '_' and '.'
    "#);
}

#[test]
fn a_network_is_not_called_like_a_container_to_be_joined() {
    // The engine makes a network of this name, and then takes the name for an order.
    assert_snapshot!(of_network("{ name: 'container:victim-production-db-1' }"), @r#"compose.yaml:2: networks.n.name: "container:victim-production-db-1" is not a network name: letters, digits, '_', '.' and '-', starting with a letter or digit"#);
    assert_snapshot!(of_network(&format!("{{ name: {} }}", "0123456789ab".repeat(2))), @"compose.yaml:2: networks.n.name: the engine would take 0123456789ab0123456789ab for the id of another network; use another name");
    assert_eq!(of_network("{ name: '' }"), "");
    assert_eq!(of_network("{ name: cafe }"), "");
}

#[test]
fn what_launchway_makes_is_not_made_or_used_by_a_file() {
    let compose = r#"
services:
  a: { image: x, container_name: launchway-front, networks: [n, other], volumes: ["made:/v", "path:/w", "own:/own"] }
networks: { n: { external: true, name: launchway-net }, other: { external: true, name: other-production_launchway } }
volumes:
  made: { external: true, name: launchway-folder-0123 }
  path: { name: launchway-path-0123 }
  own: { name: shop-production_own }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:3: services.a.container_name: the container name launchway-front is Launchway's own: names that begin with launchway- or end in _launchway are; use another one
    compose.yaml:4: networks.n.name: the network name launchway-net is Launchway's own: names that begin with launchway- or end in _launchway are; use another one
    compose.yaml:4: networks.other.name: the network name other-production_launchway is Launchway's own: names that begin with launchway- or end in _launchway are; use another one
    compose.yaml:6: volumes.made.name: the volume name launchway-folder-0123 is Launchway's own: names that begin with launchway- or end in _launchway are; use another one
    compose.yaml:7: volumes.path.name: the volume name launchway-path-0123 is Launchway's own: names that begin with launchway- or end in _launchway are; use another one
    "#);
}

#[test]
fn an_environment_that_is_called_launchway_has_its_names() {
    let compose =
        "services: {a: {image: x, volumes: [\"vv:/v\", \"ww:/w\"]}}\nvolumes: {vv: {}, ww: {name: launchway-site_w}}\n";
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let request = ReadRequest { compose_project: "launchway-site".into(), ..request(&tree, &project) };
    assert_eq!(said(&request), "");
}

#[test]
fn names_by_which_others_look_a_container_up_are_names() {
    let compose = r#"
services:
  a:
    image: x
    hostname: "a b"
    domainname: "x\ny"
    mac_address: zz
    dns: [8.8.8.8, resolver]
    networks:
      default: { aliases: ["db", "*.shop", "a\tb"], ipv4_address: "10.0.0.300", mac_address: "02:42:ac:11:00:02" }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:5: services.a.hostname: "a b" is not a name of a host: letters, digits, '-', '_' and '.'
    compose.yaml:6: services.a.domainname: "x\ny" is not a name of a host: letters, digits, '-', '_' and '.'
    compose.yaml:7: services.a.mac_address: "zz" is not the address of a network card, such as "02:42:ac:11:00:02"
    compose.yaml:8: services.a.dns[1]: "resolver" is not an IP address
    compose.yaml:10: services.a.networks.default.aliases[1]: "*.shop" is not a name of a host: letters, digits, '-', '_' and '.'
    compose.yaml:10: services.a.networks.default.aliases[2]: "a\tb" is not a name of a host: letters, digits, '-', '_' and '.'
    compose.yaml:10: services.a.networks.default.ipv4_address: "10.0.0.300" is not an IP address
    "#);
}

#[test]
fn labels_of_launchways_own_are_in_no_file() {
    let compose = "services: {a: {image: x, label_file: [own.env], labels: {launchway.role: front}}}\n";
    let files = [("own.env", "color=blue\nlaunchway.edge-address-6=::1\ncom.docker.compose.oneoff=True\n")];
    assert_snapshot!(messages(compose, &files), @r"
    compose.yaml:1: services.a.label_file[0]: own.env has the label com.docker.compose.oneoff: labels that begin with launchway. or com.docker.compose. are Launchway's and Compose's own
    compose.yaml:1: services.a.label_file[0]: own.env has the label launchway.edge-address-6: labels that begin with launchway. or com.docker.compose. are Launchway's and Compose's own
    compose.yaml:1: services.a.labels.launchway.role: labels that begin with launchway. or com.docker.compose. are Launchway's and Compose's own
    ");
}
