//! What is around a container: logging, networks' drivers and addresses, the kernel, runtimes, devices.

use super::*;
use insta::assert_snapshot;

const AROUND: &str = r#"
services:
  web:
    image: x
    runtime: runc
    annotations: { run.oci.hooks.stdout: /etc/cron.d/x, org.opencontainers.image.title: shop }
    sysctls: { net.netfilter.nf_conntrack_max: 1, net.core.somaxconn: 1024, net.ipv4.tcp_fin_timeout: 10 }
    ulimits: { nofile: 65536, rtprio: 99 }
    cap_add: [SYS_NICE]
    oom_score_adj: -1000
    oom_kill_disable: true
    logging: { driver: syslog, options: { syslog-address: "unixgram:///run/systemd/notify" } }
    networks: [lan, host, far, wide]
    volumes: ["nfs:/nfs"]
  other: { image: x, network_mode: bridge }
networks:
  lan: { driver: macvlan, driver_opts: { parent: eth0 } }
  host: { driver_opts: { com.docker.network.bridge.name: br-lan, com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected } }
  far: { driver: overlay, ipam: { driver: dhcp } }
  wide: { ipam: { config: [{ subnet: 8.8.8.0/24 }, { subnet: "fd00:1::/64" }] }, driver_opts: { com.docker.network.bridge.trusted_host_interfaces: eth0 } }
volumes:
  nfs: { driver_opts: { type: nfs, o: "addr=10.0.0.1", device: ":/data" } }
"#;

#[test]
fn nothing_around_a_container_reaches_out_by_default() {
    assert_snapshot!(messages(AROUND, &[]), @r#"
    compose.yaml:5: services.web.runtime: runtime runc is another program of the host than the one that its settings choose, so it is refused; `allow.runtimes = ["runc"]` of the project in launchway.toml allows it
    compose.yaml:6: services.web.annotations.run.oci.hooks.stdout: a runtime may take the annotation run.oci.hooks.stdout for an order, so it is refused; `allow.annotations = ["run.oci.hooks.stdout"]` of the project in launchway.toml allows it
    compose.yaml:7: services.web.sysctls.net.netfilter.nf_conntrack_max: net.netfilter.nf_conntrack_max is not known to hold for one container only, so it is refused; `allow.sysctls = ["net.netfilter.nf_conntrack_max"]` of the project in launchway.toml allows it
    compose.yaml:8: services.web.ulimits.rtprio: `rtprio` lets its processes go before all others of the host, so it is refused; `allow.capabilities = ["SYS_NICE"]` of the project in launchway.toml allows it
    compose.yaml:9: services.web.cap_add[0]: capability SYS_NICE reaches beyond the container, so it is refused; `allow.capabilities = ["SYS_NICE"]` of the project in launchway.toml allows it
    compose.yaml:10: services.web.oom_score_adj: below 0, the kernel ends others in its place when memory runs out, so it is refused; `allow.capabilities = ["SYS_RESOURCE"]` of the project in launchway.toml allows it
    compose.yaml:11: services.web.oom_kill_disable: without a limit, the kernel ends others in its place when memory runs out, so it is refused; set `mem_limit`, or `allow.capabilities = ["SYS_RESOURCE"]` of the project in launchway.toml allows it
    compose.yaml:12: services.web.logging.driver: logging driver syslog writes where the engine can, as root, so it is refused; use json-file, local or none, or `allow.log-drivers = ["syslog"]` of the project in launchway.toml allows it
    compose.yaml:12: services.web.logging.options.syslog-address: /run/systemd/notify is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/run/systemd/notify"]` of the project in launchway.toml allows it
    compose.yaml:15: services.other.network_mode: on the engine's own bridge, containers of all projects and of others reach each other, so it is refused; leave `network_mode` out, or `allow.external = ["bridge"]` of the project in launchway.toml allows it
    compose.yaml:17: networks.lan.driver: a network by macvlan joins an interface of the host, so it is refused; `allow.network-drivers = ["macvlan"]` of the project in launchway.toml allows it
    compose.yaml:17: networks.lan.driver_opts.parent: eth0 would be an interface of the host, so it is refused; `allow.interfaces = ["eth0"]` of the project in launchway.toml allows it
    compose.yaml:18: networks.host.driver_opts.com.docker.network.bridge.name: br-lan would be an interface of the host, so it is refused; `allow.interfaces = ["br-lan"]` of the project in launchway.toml allows it
    compose.yaml:18: networks.host.driver_opts.com.docker.network.bridge.gateway_mode_ipv4: "nat-unprotected" for com.docker.network.bridge.gateway_mode_ipv4 is refused; `allow.network-drivers = ["bridge"]` of the project in launchway.toml allows it
    compose.yaml:19: networks.far.driver: network driver overlay is refused; `allow.network-drivers = ["overlay"]` of the project in launchway.toml allows it
    compose.yaml:19: networks.far.ipam.driver: IPAM driver dhcp is refused; `allow.network-drivers = ["dhcp"]` of the project in launchway.toml allows it
    compose.yaml:20: networks.wide.driver_opts.com.docker.network.bridge.trusted_host_interfaces: com.docker.network.bridge.trusted_host_interfaces is not known to concern the network alone, so it is refused; `allow.network-drivers = ["bridge"]` of the project in launchway.toml allows it
    compose.yaml:20: networks.wide.ipam.config[0].subnet: packets of the host itself to 8.8.8.0/24 would go to this network, so it is refused; leave `subnet` to the engine, or `allow.subnets = ["8.8.8.0/24"]` of the project in launchway.toml allows it
    compose.yaml:20: networks.wide.ipam.config[1].subnet: packets of the host itself to fd00:1::/64 would go to this network, so it is refused; leave `subnet` to the engine, or `allow.subnets = ["fd00:1::/64"]` of the project in launchway.toml allows it
    compose.yaml:22: volumes.nfs.driver_opts.o: a share of 10.0.0.1 would be mounted with the host's address and identity, so it is refused; `allow.remote-volumes = ["10.0.0.1"]` of the project in launchway.toml allows it
    "#);
}

/// The lines of the refusals put into launchway.toml, as a person would.
#[test]
fn the_lines_that_are_named_allow_it() {
    let (tree, project) = (MemoryTree::new([("compose.yaml", AROUND)]), shop());
    let problems = read(&request(&tree, &project)).unwrap_err();
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for allow in problems.iter().filter_map(|problem| problem.allow.as_ref()) {
        let (key, list) = allow.split_once(" = ").unwrap();
        lists.entry(key.into()).or_default().push(list.trim_matches(['[', ']']).into());
    }
    let text: Vec<String> = lists.iter().map(|(key, items)| format!("{key} = [{}]", items.join(", "))).collect();
    let allowed: Permissions = toml::from_str(&text.join("\n")).unwrap();
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @"");
}

fn logging(options: &str) -> String {
    messages(&format!("services: {{a: {{image: x, logging: {options}}}}}"), &[])
}

#[test]
fn plain_logs_have_plain_options() {
    assert_eq!(logging("{driver: json-file, options: {max-size: 20m, max-file: '5', tag: '{{.Name}}/{{.ID}}'}}"), "");
    assert_eq!(logging("{driver: local, options: {mode: non-blocking, max-buffer-size: 4m}}"), "");
    assert_eq!(logging("{driver: none}"), "");
    // Without a driver they would be those of whichever the engine's settings name.
    assert_snapshot!(logging("{options: {syslog-address: 'unix:///run/x.sock', max-file: 1000000}}"), @r#"
    compose.yaml:1: services.a.logging.options.syslog-address: "syslog-address" is no option of json-file and local; accepted: max-size, max-file, compress, labels, labels-regex, env, env-regex, tag, mode, max-buffer-size
    compose.yaml:1: services.a.logging.options.max-file: must be a whole number from 1 to 100, not "1000000"
    "#);
    assert_snapshot!(logging("{driver: local, options: {tag: '{{pad \"x\" 1000000000 0}}', max-buffer-size: 100g, max-size: 1b}}"), @r#"
    compose.yaml:1: services.a.logging.options.tag: must be text with {{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageName}}, {{.ImageID}}, {{.ImageFullID}} or {{.DaemonName}}: the engine itself works a template out, not "{{pad \"x\" 1000000000 0}}"
    compose.yaml:1: services.a.logging.options.max-buffer-size: must be a size up to 64m, not "100g"
    compose.yaml:1: services.a.logging.options.max-size: must be a size, such as 20m, or -1, not "1b"
    "#);
}

#[test]
fn an_allowed_logging_driver_opens_no_socket_that_is_not_listed() {
    let compose = r#"
services:
  a: { image: x, logging: { driver: syslog, options: { syslog-address: "tcp://logs.example.com:514", tag: "{{json .}}" } } }
  b: { image: x, logging: { driver: syslog, options: { syslog-address: "unix:///run/docker.sock" } } }
  c: { image: x, logging: { driver: fluentd, options: { fluentd-address: "unix:///run/fluent.sock" } } }
  d: { image: x, logging: { driver: syslog, options: { syslog-address: "unix:///srv/app/log.sock", syslog-tls-ca-cert: /etc/shadow } } }
"#;
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let allowed = Permissions {
        log_drivers: vec!["syslog".into(), "fluentd".into()],
        host_paths: vec!["/run/fluent.sock".into(), "/srv/app".into()],
        ..Permissions::default()
    };
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @r#"
    compose.yaml:3: services.a.logging.options.tag: must be text with {{.ID}}, {{.FullID}}, {{.Name}}, {{.ImageName}}, {{.ImageID}}, {{.ImageFullID}} or {{.DaemonName}}: the engine itself works a template out, not "{{json .}}"
    compose.yaml:4: services.b.logging.options.syslog-address: /run/docker.sock is the engine's socket, and whoever holds it is root on the host, so it is refused; `allow.engine-socket = true` of the project in launchway.toml allows it
    compose.yaml:6: services.d.logging.options.syslog-address: /srv/app/log.sock lies below /srv/app, which containers may write to: a symbolic link there would lead the engine anywhere, and only under `volumes` of a service is there a way that follows none. Use /srv/app itself
    compose.yaml:6: services.d.logging.options.syslog-tls-ca-cert: /etc/shadow is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/etc/shadow"]` of the project in launchway.toml allows it
    "#);
}

#[test]
fn other_spellings_are_the_same_thing() {
    let compose = r#"
services:
  a:
    image: x
    cap_add: [cap_sys_admin, " SYS_ADMIN", CAP_ALL, CAP_CAP_CHOWN, "ſYS_ADMIN"]
    security_opt: ["no-new-privileges:0", "no-new-privileges=F", "no-new-privileges", "apparmor:unconfined", "systempaths=unconfined"]
    devices: ["/dev/fuse/../sda", "vendor.com/gpu=0:1", { source: "/dev/fuse:/dev/sda" }, "/dev/*"]
    pid: "host:x"
    uts: ":host"
    ipc: "container:"
    userns_mode: "HOST"
"#;
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let devices = vec!["/dev/fuse".into(), "vendor.com/gpu=0".into()];
    let allowed = Permissions { devices, ..Permissions::default() };
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @r#"
    compose.yaml:5: services.a.cap_add[0]: capability SYS_ADMIN reaches beyond the container, so it is refused; `allow.capabilities = ["SYS_ADMIN"]` of the project in launchway.toml allows it
    compose.yaml:5: services.a.cap_add[1]: capability  SYS_ADMIN reaches beyond the container, so it is refused; `allow.capabilities = [" SYS_ADMIN"]` of the project in launchway.toml allows it
    compose.yaml:5: services.a.cap_add[2]: capability ALL reaches beyond the container, so it is refused; `allow.capabilities = ["ALL"]` of the project in launchway.toml allows it
    compose.yaml:5: services.a.cap_add[3]: capability CAP_CHOWN reaches beyond the container, so it is refused; `allow.capabilities = ["CAP_CHOWN"]` of the project in launchway.toml allows it
    compose.yaml:5: services.a.cap_add[4]: capability ſYS_ADMIN reaches beyond the container, so it is refused; `allow.capabilities = ["ſYS_ADMIN"]` of the project in launchway.toml allows it
    compose.yaml:6: services.a.security_opt[0]: "no-new-privileges:0" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:6: services.a.security_opt[1]: "no-new-privileges=F" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:6: services.a.security_opt[3]: "apparmor:unconfined" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:6: services.a.security_opt[4]: "systempaths=unconfined" takes a protection of the host away, so it is refused; `allow.unconfined = true` of the project in launchway.toml allows it
    compose.yaml:7: services.a.devices[0]: device /dev/fuse/../sda of the host is refused; `allow.devices = ["/dev/fuse/../sda"]` of the project in launchway.toml allows it
    compose.yaml:7: services.a.devices[1]: device vendor.com/gpu=0:1 of the host is refused; `allow.devices = ["vendor.com/gpu=0:1"]` of the project in launchway.toml allows it
    compose.yaml:7: services.a.devices[2]: "/dev/fuse:/dev/sda" is no path of a device
    compose.yaml:7: services.a.devices[3]: device /dev/* of the host is refused; `allow.devices = ["/dev/*"]` of the project in launchway.toml allows it
    compose.yaml:8: services.a.pid: "host:x" is not one of host, service:NAME, container:NAME
    compose.yaml:9: services.a.uts: ":host" is not one of host, container:NAME
    compose.yaml:10: services.a.ipc: sharing the ipc namespace of a container of somebody else is refused; `allow.host-namespaces = true` of the project in launchway.toml allows it
    compose.yaml:10: services.a.ipc: "container:" is not one of host, private, shareable, none, container:NAME
    compose.yaml:11: services.a.userns_mode: "HOST" is not one of host, container:NAME
    "#);
}

#[test]
fn numbers_and_names_have_their_bounds() {
    let compose = r#"
services:
  a:
    image: x
    oom_score_adj: 5000
    ulimits: { nofiles: 1 }
    sysctls: { "net/ipv4/ip_forward": 1 }
    healthcheck: { test: "true", interval: 1ms, start_interval: 0s }
    build: { context: ., ulimits: { rtprio: 1 } }
    networks: { default: { driver_opts: { com.docker.network.portmap: x } } }
  b: { image: x, network_mode: bridge, links: ["a:db"] }
"#;
    assert_snapshot!(messages(compose, &[("Dockerfile", "")]), @r#"
    compose.yaml:5: services.a.oom_score_adj: must be a whole number from -1000 to 1000, not 5000
    compose.yaml:6: services.a.ulimits.nofiles: "nofiles" is no limit of a process; accepted: core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack
    compose.yaml:7: services.a.sysctls.net/ipv4/ip_forward: "net/ipv4/ip_forward" is no setting of the kernel, such as net.core.somaxconn
    compose.yaml:8: services.a.healthcheck.interval: must be 100ms or more: it is the engine that starts each check, on the whole host's account
    compose.yaml:9: services.a.build.ulimits.rtprio: `rtprio` lets its processes go before all others of the host, so it is refused; `allow.capabilities = ["SYS_NICE"]` of the project in launchway.toml allows it
    compose.yaml:10: services.a.networks.default.driver_opts.com.docker.network.portmap: "com.docker.network.portmap" is not supported here; accepted: com.docker.network.endpoint.ifname, com.docker.network.endpoint.sysctls
    compose.yaml:11: services.b.network_mode: on the engine's own bridge, containers of all projects and of others reach each other, so it is refused; leave `network_mode` out, or `allow.external = ["bridge"]` of the project in launchway.toml allows it
    compose.yaml:11: services.b.links: on the engine's own bridge, a link goes to whichever container has the name; use `networks`
    "#);
}
