//! What reaches beyond a container is refused unless the server's settings allow it.

use super::*;
use insta::assert_snapshot;

const REACHES_OUT: &str = r#"
services:
  web:
    image: x
    privileged: true
    network_mode: host
    pid: host
    ipc: host
    uts: host
    userns_mode: host
    cgroup: host
    cap_add: [SYS_ADMIN, CAP_NET_BIND_SERVICE, all]
    security_opt: ["seccomp:unconfined", "apparmor=unconfined", "no-new-privileges:true", "label=disable"]
    devices: [/dev/fuse]
    cgroup_parent: x
    volumes:
      - /etc:/etc:ro
      - /srv/../etc/shadow:/shadow
      - /var/run/docker.sock:/var/run/docker.sock
      - ~/data:/data
      - vol:/vol
      - ext:/ext
      - nfs:/nfs
  other:
    image: x
    network_mode: container:somebody
    build: { context: ., network: host }
volumes:
  vol: { driver_opts: { type: none, o: bind, device: /root } }
  ext: { driver: local-persist, driver_opts: { mountpoint: /root } }
  nfs: { driver_opts: { type: nfs, o: "addr=10.0.0.1,rw", device: ":/data" } }
configs: { c: { file: /etc/passwd } }
"#;

#[test]
fn nothing_reaches_out_by_default() {
    assert_snapshot!(messages(REACHES_OUT, &[("Dockerfile", "")]), @r#"
    compose.yaml:5: services.web.privileged: a privileged container is root on the host, so it is refused; `allow.privileged = true` of the project in launchway.toml allows it
    compose.yaml:6: services.web.network_mode: the host's network is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:7: services.web.pid: the host's pid namespace is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:8: services.web.ipc: the host's ipc namespace is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:9: services.web.uts: the host's uts namespace is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:10: services.web.userns_mode: the host's userns_mode namespace is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:11: services.web.cgroup: the host's cgroup namespace is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:12: services.web.cap_add[0]: capability SYS_ADMIN reaches beyond the container, so it is refused; `allow.capabilities = ["SYS_ADMIN"]` of the project in launchway.toml allows it
    compose.yaml:12: services.web.cap_add[2]: capability ALL reaches beyond the container, so it is refused; `allow.capabilities = ["ALL"]` of the project in launchway.toml allows it
    compose.yaml:13: services.web.security_opt[0]: "seccomp:unconfined" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:13: services.web.security_opt[1]: "apparmor=unconfined" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:13: services.web.security_opt[3]: "label=disable" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:14: services.web.devices[0]: device /dev/fuse of the host is refused; `allow.devices = ["/dev/fuse"]` of the project in launchway.toml allows it
    compose.yaml:15: services.web.cgroup_parent: a control group of one's own is refused; `allow.cgroup-parent = true` of the project in launchway.toml allows it
    compose.yaml:17: services.web.volumes[0].source: /etc is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/etc"]` of the project in launchway.toml allows it
    compose.yaml:18: services.web.volumes[1].source: /etc/shadow is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/etc/shadow"]` of the project in launchway.toml allows it
    compose.yaml:19: services.web.volumes[2].source: /var/run/docker.sock is the engine's socket, and whoever holds it is root on the host, so it is refused; `allow.engine-socket = true` of the project in launchway.toml allows it
    compose.yaml:20: services.web.volumes[3].source: "~/data" is a path of somebody's machine, and the server has no home folder that is meant; use a named volume for what the app writes, or name a path of the host in launchway.toml:
        binds = { "~/data" = "/path/on/the/host" }
    compose.yaml:26: services.other.network_mode: sharing the network of a container of somebody else is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:27: services.other.build.network: the host's network is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:29: volumes.vol.driver_opts.device: /root is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/root"]` of the project in launchway.toml allows it
    compose.yaml:30: volumes.ext.driver: volume driver local-persist is refused; `allow.volume-drivers = ["local-persist"]` of the project in launchway.toml allows it
    compose.yaml:31: volumes.nfs.driver_opts.o: a share of 10.0.0.1 would be mounted with the host's address and identity, so it is refused; `allow.remote-volumes = ["10.0.0.1"]` of the project in launchway.toml allows it
    "#);
}

#[test]
fn the_settings_allow_each_by_its_key() {
    let (tree, project) = (MemoryTree::new([("compose.yaml", REACHES_OUT), ("Dockerfile", "")]), shop());
    let allowed: Permissions = toml::from_str(
        r#"
        host-paths = ["/etc", "/root"]
        privileged = true
        engine-socket = true
        host-namespaces = true
        devices = ["/dev/fuse"]
        capabilities = ["ALL"]
        unconfined = true
        cgroup-parent = true
        volume-drivers = ["local-persist"]
        "#,
    )
    .unwrap();
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @r#"
    compose.yaml:11: services.web.cgroup: `cgroup: host` is understood but not supported
    compose.yaml:20: services.web.volumes[3].source: "~/data" is a path of somebody's machine, and the server has no home folder that is meant; use a named volume for what the app writes, or name a path of the host in launchway.toml:
        binds = { "~/data" = "/path/on/the/host" }
    compose.yaml:31: volumes.nfs.driver_opts.o: a share of 10.0.0.1 would be mounted with the host's address and identity, so it is refused; `allow.remote-volumes = ["10.0.0.1"]` of the project in launchway.toml allows it
    "#);
}

#[test]
fn an_allowed_path_does_not_allow_its_neighbours() {
    let compose = "services:\n  a:\n    image: x\n    volumes:\n      - /srv/shop/x:/x\n      - /srv/shopping:/y\n      - /srv/shop/../other:/z\n      - /srv:/w\n";
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let allowed = Permissions { host_paths: vec!["/srv/shop/".into()], ..Permissions::default() };
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @r#"
    compose.yaml:6: services.a.volumes[1].source: /srv/shopping is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/srv/shopping"]` of the project in launchway.toml allows it
    compose.yaml:7: services.a.volumes[2].source: /srv/other is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/srv/other"]` of the project in launchway.toml allows it
    compose.yaml:8: services.a.volumes[3].source: /srv is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/srv"]` of the project in launchway.toml allows it
    "#);
}

#[test]
fn the_whole_host_does_not_hold_the_engines_socket() {
    let compose = "services: {a: {image: x, volumes: [\"/run/docker.sock:/s\"]}}";
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let allowed = Permissions { host_paths: vec!["/".into()], ..Permissions::default() };
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @"compose.yaml:1: services.a.volumes[0].source: /run/docker.sock is the engine's socket, and whoever holds it is root on the host, so it is refused; `allow.engine-socket = true` of the project in launchway.toml allows it");
}
