//! Every field of the engine's create calls has its verdict in docs/engine-fields.md.

use super::connect::ApiVersion;
use super::request::create_request;
use crate::model::{
    ContainerSettings, HealthCheck, HealthTest, Logging, NetworkMode, Port, Protocol, Resources, Ulimit,
};
use crate::plan::{ContainerSpec, EngineMount, EngineNetwork, EngineNetworkMode};
use bollard::models::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DOCS: &str = include_str!("../../../docs/engine-fields.md");

/// Takes each type apart, all of it: a field that is new does not compile until it is named here.
macro_rules! fields {
    ($($kind:ident { $($field:ident),* })*) => {
        fn all_fields() -> Vec<&'static str> {
            let mut all = Vec::new();
            $({
                let $kind { $($field: _),* } = $kind::default();
                $(all.push(concat!(stringify!($kind), ".", stringify!($field)));)*
            })*
            all
        }

        trait Filled {
            /// The fields that have a value.
            fn filled(&self) -> Vec<&'static str>;
        }
        $(impl Filled for $kind {
            fn filled(&self) -> Vec<&'static str> {
                let mut filled = Vec::new();
                $(if !serde_json::to_value(&self.$field).unwrap().is_null() {
                    filled.push(concat!(stringify!($kind), ".", stringify!($field)));
                })*
                filled
            }
        })*
    };
}

#[rustfmt::skip]
fields! {
    ContainerCreateBody { hostname, domainname, user, attach_stdin, attach_stdout, attach_stderr, exposed_ports, tty, open_stdin, stdin_once, env, cmd, healthcheck, args_escaped, image, volumes, working_dir, entrypoint, network_disabled, on_build, labels, stop_signal, stop_timeout, shell, host_config, networking_config }
    HostConfig { cpu_shares, memory, cgroup_parent, blkio_weight, blkio_weight_device, blkio_device_read_bps, blkio_device_write_bps, blkio_device_read_iops, blkio_device_write_iops, cpu_period, cpu_quota, cpu_realtime_period, cpu_realtime_runtime, cpuset_cpus, cpuset_mems, devices, device_cgroup_rules, device_requests, memory_reservation, memory_swap, memory_swappiness, nano_cpus, oom_kill_disable, init, pids_limit, ulimits, cpu_count, cpu_percent, io_maximum_iops, io_maximum_bandwidth, binds, container_id_file, log_config, network_mode, port_bindings, restart_policy, auto_remove, volume_driver, volumes_from, mounts, console_size, annotations, cap_add, cap_drop, cgroupns_mode, dns, dns_options, dns_search, extra_hosts, group_add, ipc_mode, cgroup, links, oom_score_adj, pid_mode, privileged, publish_all_ports, readonly_rootfs, security_opt, storage_opt, tmpfs, uts_mode, userns_mode, shm_size, sysctls, runtime, isolation, masked_paths, readonly_paths }
    Mount { target, source, typ, read_only, consistency, bind_options, volume_options, image_options, tmpfs_options }
    MountBindOptions { propagation, non_recursive, create_mountpoint, read_only_non_recursive, read_only_force_recursive }
    MountVolumeOptions { no_copy, labels, driver_config, subpath }
    HostConfigLogConfig { typ, config }
    RestartPolicy { name, maximum_retry_count }
    DeviceMapping { path_on_host, path_in_container, cgroup_permissions }
    DeviceRequest { driver, count, device_ids, capabilities, options }
    PortBinding { host_ip, host_port }
    HealthConfig { test, interval, timeout, retries, start_period, start_interval }
    ResourcesUlimits { name, soft, hard }
    NetworkingConfig { endpoints_config }
    EndpointSettings { ipam_config, links, mac_address, aliases, driver_opts, gw_priority, network_id, endpoint_id, gateway, ip_address, ip_prefix_len, ipv6_gateway, global_ipv6_address, global_ipv6_prefix_len, dns_names }
    EndpointIpamConfig { ipv4_address, ipv6_address, link_local_ips }
    NetworkCreateRequest { name, driver, scope, internal, attachable, ingress, config_only, config_from, ipam, enable_ipv4, enable_ipv6, options, labels }
    Ipam { driver, config, options }
    IpamConfig { subnet, ip_range, gateway, auxiliary_addresses }
    VolumeCreateRequest { name, driver, driver_opts, labels, cluster_volume_spec }
}

fn rows() -> BTreeMap<&'static str, &'static str> {
    let row = |line: &'static str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?.trim_matches('`'), cells.next()?))
    };
    DOCS.lines().filter(|line| line.starts_with("| `")).filter_map(row).collect()
}

#[test]
fn every_field_has_a_verdict() {
    let rows = rows();
    let all: BTreeSet<&str> = all_fields().into_iter().collect();
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), all);
    let words = ["from", "own", "never"];
    assert!(rows.values().all(|verdict| words.contains(verdict)), "{rows:?}");
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|text| text.to_string()).collect()
}

fn pairs(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// All that a Compose file can fill: a setting that is new does not compile until it is here.
fn everything() -> ContainerSettings {
    ContainerSettings {
        command: Some(texts(&["run"])),
        entrypoint: Some(texts(&["sh"])),
        environment: pairs(&[("A", "b")]),
        cpuset: Some("0".into()),
        unset_environment: [String::from("C")].into(),
        user: Some("1".into()),
        working_dir: Some("/w".into()),
        hostname: Some("h".into()),
        domainname: Some("d".into()),
        labels: pairs(&[("l", "1")]),
        annotations: pairs(&[("a", "1")]),
        container_name: Some("named".into()),
        expose: texts(&["80/tcp"]),
        ports: vec![Port { target: 1, published: Some(2), host_ip: None, protocol: Protocol::Tcp, app_protocol: None }],
        mounts: Vec::new(),
        network_mode: NetworkMode::Networks,
        networks: BTreeMap::new(),
        links: texts(&["db"]),
        extra_hosts: texts(&["a:1.2.3.4"]),
        dns: texts(&["1.1.1.1"]),
        dns_search: texts(&["x"]),
        dns_opt: texts(&["ndots:1"]),
        cap_add: texts(&["ALL"]),
        cap_drop: texts(&["ALL"]),
        privileged: true,
        read_only: true,
        init: Some(true),
        tty: true,
        stdin_open: true,
        stop_signal: Some("SIGINT".into()),
        stop_grace_period: Some(Duration::from_secs(1)),
        healthcheck: Some(HealthCheck { test: HealthTest::Shell("true".into()), ..HealthCheck::disabled() }),
        restart: Some(crate::model::RestartPolicy::Always),
        resources: Resources {
            cpu_limit_millis: Some(1),
            memory_limit_bytes: Some(1),
            cpu_reservation_millis: Some(1),
            memory_reservation_bytes: Some(1),
            memory_swap_bytes: Some(1),
            cpu_shares: Some(1),
            pids_limit: Some(1),
        },
        ulimits: BTreeMap::from([("nofile".to_string(), Ulimit { soft: 1, hard: 1 })]),
        shm_size_bytes: Some(1),
        sysctls: pairs(&[("s", "1")]),
        security_opt: texts(&["x"]),
        group_add: texts(&["1"]),
        devices: texts(&["/dev/null", "vendor.com/gpu=0"]),
        pid: Some("host".into()),
        ipc: Some("host".into()),
        uts: Some("host".into()),
        userns_mode: Some("host".into()),
        cgroup_parent: Some("c".into()),
        runtime: Some("r".into()),
        platform: Some("linux/amd64".into()),
        mac_address: Some("02:42:ac:11:00:02".into()),
        oom_score_adj: Some(1),
        oom_kill_disable: Some(true),
        logging: None,
    }
}

#[test]
fn what_nothing_fills_stays_empty_whatever_a_file_says() {
    let target = |path: &str| path.to_string();
    let networks = vec![EngineNetwork {
        name: "n".into(),
        aliases: texts(&["a"]),
        ipv4_address: Some("10.0.0.2".into()),
        ipv6_address: Some("fd00::2".into()),
        mac_address: None,
        driver_opts: pairs(&[("o", "1")]),
    }];
    let spec = ContainerSpec {
        name: "c".into(),
        image: "i".into(),
        settings: everything(),
        mounts: vec![
            EngineMount::Volume {
                name: "v".into(),
                target: target("/v"),
                read_only: true,
                no_copy: true,
                subpath: Some("s".into()),
            },
            EngineMount::Below {
                volume: "b".into(),
                path: "/srv".into(),
                subpath: "x".into(),
                target: target("/b"),
                read_only: true,
            },
            EngineMount::Host {
                path: "/h".into(),
                target: target("/h"),
                read_only: true,
                propagation: Some("rslave".into()),
                create: false,
            },
            EngineMount::Host {
                path: "/h:1".into(),
                target: target("/i"),
                read_only: true,
                propagation: None,
                create: true,
            },
            EngineMount::Host {
                path: "/j".into(),
                target: target("/j"),
                read_only: true,
                propagation: None,
                create: true,
            },
            EngineMount::Tmpfs {
                target: target("/t"),
                size_bytes: Some(1),
                mode: Some(1),
                options: Some("ro".into()),
                read_only: true,
            },
        ],
        network: EngineNetworkMode::Networks(networks),
        processes_of: None,
        labels: pairs(&[("l", "1")]),
        logging: Logging { driver: Some("local".into()), options: pairs(&[("max-size", "1m")]) },
    };
    let request = create_request(&spec, ApiVersion(51), &BTreeMap::new()).unwrap();
    let host = request.body.host_config.clone().unwrap();
    let mut filled = request.body.filled();
    filled.extend(host.filled());
    for mount in host.mounts.iter().flatten() {
        filled.extend(mount.filled());
        filled.extend(mount.bind_options.iter().flat_map(Filled::filled));
        filled.extend(mount.volume_options.iter().flat_map(Filled::filled));
    }
    filled.extend(host.device_requests.iter().flatten().flat_map(Filled::filled));
    for (_, endpoint) in &request.networks {
        filled.extend(endpoint.filled());
        filled.extend(endpoint.ipam_config.iter().flat_map(Filled::filled));
    }
    let filled: BTreeSet<&str> = filled.into_iter().collect();
    let rows = rows();
    let never: Vec<&&str> = filled.iter().filter(|field| rows.get(*field) == Some(&"never")).collect();
    assert!(never.is_empty(), "{never:?}");
    // What a file fills is filled here, so that the above means something.
    let looked_at = ["ContainerCreateBody.", "HostConfig.", "Mount.", "EndpointSettings."];
    let empty: Vec<&&str> = rows
        .iter()
        .filter(|(field, verdict)| **verdict == "from" && looked_at.iter().any(|kind| field.starts_with(kind)))
        .map(|(field, _)| field)
        .filter(|field| !filled.contains(*field))
        .collect();
    assert!(empty.is_empty(), "{empty:?}");
}
