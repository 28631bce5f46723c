//! Containers, networks and volumes: made as asked, and made only once, on a real engine.

use crate::support::engine::{Place, readiness};
use bollard::models::{ContainerUpdateBody, NetworkDisconnectRequest, RestartPolicyNameEnum};
use launchway::engine::{Engine, EngineError};
use launchway::model::{
    ContainerSettings, HealthCheck, HealthTest, Logging, Port, Protocol, Resources, RestartPolicy, Ulimit, label,
};
use launchway::plan::{Action, EngineMount, EngineNetwork, EngineNetworkMode, ReadyGoal, Target};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

fn endpoint(name: String, aliases: &[&str]) -> EngineNetwork {
    EngineNetwork {
        name,
        aliases: texts(aliases),
        ipv4_address: None,
        ipv6_address: None,
        mac_address: None,
        driver_opts: BTreeMap::new(),
    }
}

/// All that the Compose file may say and every engine knows.
fn every_setting() -> ContainerSettings {
    ContainerSettings {
        command: Some(texts(&["sleep", "600"])),
        entrypoint: Some(texts(&["/bin/busybox"])),
        environment: pairs(&[("A", "1"), ("B", "two = 2")]),
        user: Some("65534:65534".into()),
        working_dir: Some("/tmp".into()),
        hostname: Some("shop".into()),
        domainname: Some("example.test".into()),
        expose: texts(&["9000/tcp"]),
        ports: vec![Port {
            target: 8080,
            published: None,
            host_ip: Some("127.0.0.1".into()),
            protocol: Protocol::Tcp,
            app_protocol: None,
        }],
        extra_hosts: texts(&["db=10.0.0.7", "host.docker.internal:host-gateway"]),
        dns: texts(&["10.0.0.53"]),
        dns_search: texts(&["example.test"]),
        dns_opt: texts(&["ndots:2"]),
        cap_add: texts(&["NET_ADMIN"]),
        cap_drop: texts(&["CHOWN"]),
        read_only: true,
        init: Some(true),
        tty: true,
        stdin_open: true,
        stop_signal: Some("SIGINT".into()),
        stop_grace_period: Some(Duration::from_millis(1500)),
        healthcheck: Some(HealthCheck {
            test: HealthTest::Exec(texts(&["true"])),
            interval: Some(Duration::from_secs(7)),
            timeout: Some(Duration::from_secs(3)),
            start_period: Some(Duration::from_secs(11)),
            start_interval: None,
            retries: Some(5),
        }),
        restart: Some(RestartPolicy::OnFailure { max_retries: Some(3) }),
        resources: Resources {
            cpu_limit_millis: Some(500),
            memory_limit_bytes: Some(64 << 20),
            cpu_reservation_millis: Some(100),
            memory_reservation_bytes: Some(32 << 20),
            memory_swap_bytes: Some(128 << 20),
            cpu_shares: Some(512),
            pids_limit: Some(50),
        },
        ulimits: BTreeMap::from([("nofile".to_string(), Ulimit { soft: 1024, hard: 2048 })]),
        shm_size_bytes: Some(8 << 20),
        sysctls: pairs(&[("net.core.somaxconn", "1024")]),
        security_opt: texts(&["no-new-privileges:true"]),
        group_add: texts(&["1000"]),
        devices: texts(&["/dev/null:/dev/nothing:r"]),
        ipc: Some("private".into()),
        oom_score_adj: Some(200),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_setting_reaches_the_container() {
    let place = Place::new().await;
    for name in ["one", "two"] {
        place.act(Action::CreateNetwork(Box::new(place.network(name)))).await.unwrap();
    }
    place.act(Action::CreateVolume(Box::new(place.volume("data")))).await.unwrap();
    let mut spec = place.container("web", "");
    spec.settings = every_setting();
    spec.logging =
        Logging { driver: Some("json-file".into()), options: pairs(&[("max-size", "20m"), ("max-file", "5")]) };
    let networks = vec![endpoint(place.named("one"), &["web", "shop"]), endpoint(place.named("two"), &["web-two"])];
    spec.network = EngineNetworkMode::Networks(networks);
    spec.mounts = vec![
        EngineMount::Volume {
            name: place.named("data"),
            target: "/data".into(),
            read_only: false,
            no_copy: true,
            subpath: None,
        },
        EngineMount::Anonymous { target: "/scratch".into(), read_only: false },
        EngineMount::Host {
            path: "/proc/version".into(),
            target: "/version".into(),
            read_only: true,
            propagation: Some("rprivate".into()),
            create: false,
        },
        EngineMount::Tmpfs {
            target: "/run".into(),
            size_bytes: Some(1 << 20),
            mode: Some(0o700),
            options: Some("noexec".into()),
            read_only: false,
        },
    ];
    let target = place.create(spec.clone()).await;
    let found = place.inspect(&target).await;
    let config = found.config.unwrap();
    let host = found.host_config.unwrap();
    assert_eq!(config.cmd.unwrap(), ["sleep", "600"]);
    assert_eq!(config.entrypoint.unwrap(), ["/bin/busybox"]);
    let environment = config.env.unwrap();
    assert!(environment.contains(&"A=1".to_string()) && environment.contains(&"B=two = 2".to_string()));
    assert_eq!(config.user.unwrap(), "65534:65534");
    assert_eq!(config.working_dir.unwrap(), "/tmp");
    assert_eq!((config.hostname.unwrap(), config.domainname.unwrap()), ("shop".into(), "example.test".into()));
    let mut exposed = config.exposed_ports.unwrap();
    exposed.sort();
    assert_eq!(exposed, ["8080/tcp", "9000/tcp"]);
    assert_eq!((config.tty, config.open_stdin), (Some(true), Some(true)));
    assert_eq!((config.stop_signal.as_deref(), config.stop_timeout), (Some("SIGINT"), Some(2)));
    let labels: BTreeMap<String, String> = config.labels.unwrap().into_iter().collect();
    let mut unsealed = labels.clone();
    assert!(unsealed.remove(label::SEAL).is_some_and(|seal| seal.starts_with("v1:")), "{labels:?}");
    assert_eq!(unsealed, spec.labels);
    let health = config.healthcheck.unwrap();
    let second = 1_000_000_000;
    assert_eq!(health.test.unwrap(), ["CMD", "true"]);
    assert_eq!((health.interval, health.timeout), (Some(7 * second), Some(3 * second)));
    assert_eq!((health.start_period, health.retries), (Some(11 * second), Some(5)));
    let bindings = host.port_bindings.unwrap();
    let binding = &bindings["8080/tcp"].as_ref().unwrap()[0];
    assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(host.extra_hosts.unwrap(), ["db:10.0.0.7", "host.docker.internal:host-gateway"]);
    assert_eq!(host.dns.unwrap(), ["10.0.0.53"]);
    assert_eq!((host.dns_search.unwrap(), host.dns_options.unwrap()), (texts(&["example.test"]), texts(&["ndots:2"])));
    // Newer engines write capabilities with their prefix.
    assert!(host.cap_add.unwrap()[0].ends_with("NET_ADMIN") && host.cap_drop.unwrap()[0].ends_with("CHOWN"));
    assert_eq!((host.readonly_rootfs, host.init, host.privileged), (Some(true), Some(true), Some(false)));
    let restart = host.restart_policy.unwrap();
    assert_eq!((restart.name.unwrap().to_string().as_str(), restart.maximum_retry_count), ("on-failure", Some(3)));
    assert_eq!((host.nano_cpus, host.cpu_shares, host.pids_limit), (Some(500_000_000), Some(512), Some(50)));
    assert_eq!((host.memory, host.memory_reservation), (Some(64 << 20), Some(32 << 20)));
    assert_eq!((host.memory_swap, host.shm_size), (Some(128 << 20), Some(8 << 20)));
    let ulimit = &host.ulimits.unwrap()[0];
    assert_eq!((ulimit.name.as_deref(), ulimit.soft, ulimit.hard), (Some("nofile"), Some(1024), Some(2048)));
    assert_eq!(host.sysctls.unwrap()["net.core.somaxconn"], "1024");
    assert_eq!(host.security_opt.unwrap(), ["no-new-privileges:true"]);
    assert_eq!((host.group_add.unwrap(), host.ipc_mode.unwrap()), (texts(&["1000"]), "private".to_string()));
    let device = &host.devices.unwrap()[0];
    assert_eq!(device.path_in_container.as_deref(), Some("/dev/nothing"));
    assert_eq!((device.cgroup_permissions.as_deref(), host.oom_score_adj), (Some("r"), Some(200)));
    let log = host.log_config.unwrap();
    assert_eq!((log.typ.as_deref(), log.config.unwrap()["max-size"].as_str()), (Some("json-file"), "20m"));
    assert_eq!(host.tmpfs.unwrap()["/run"], "size=1048576,mode=700,noexec");
    let mounts = found.mounts.unwrap();
    let mounted = |path: &str| mounts.iter().find(|mount| mount.destination.as_deref() == Some(path)).unwrap();
    assert_eq!(mounted("/data").name, Some(place.named("data")));
    assert_eq!(mounted("/scratch").name.as_ref().map(String::len), Some(64));
    assert_eq!((mounted("/version").rw, mounted("/version").source.as_deref()), (Some(false), Some("/proc/version")));
    let networks = found.network_settings.unwrap().networks.unwrap();
    let aliases = |name: &str| networks[&place.named(name)].aliases.clone().unwrap();
    assert!(aliases("one").starts_with(&texts(&["web", "shop"])) && aliases("two").contains(&"web-two".to_string()));
    // And the engine can run it so.
    place.act(Action::StartContainer(target.clone())).await.unwrap();
    let outcome = place.wait(&target, readiness(ReadyGoal::Ready, &[])).await.unwrap();
    assert!(outcome.note.unwrap().contains("health check"));

    // Which the engine says of it too; what is changed by hand is told.
    let id = target.existing().unwrap();
    assert_eq!(place.engine.differences(id, &spec).await.unwrap(), Vec::<String>::new());
    let update = ContainerUpdateBody {
        memory: Some(96 << 20),
        restart_policy: Some(bollard::models::RestartPolicy {
            name: Some(RestartPolicyNameEnum::ALWAYS),
            maximum_retry_count: None,
        }),
        ..Default::default()
    };
    place.docker.update_container(id, update).await.unwrap();
    let leave = NetworkDisconnectRequest { container: id.to_string(), force: Some(true) };
    place.docker.disconnect_network(&place.named("two"), leave).await.unwrap();
    spec.settings.environment.insert("B".into(), "three".into());
    spec.settings.command = Some(texts(&["sleep", "60"]));
    spec.settings.ports[0].host_ip = None;
    spec.mounts.push(EngineMount::Anonymous { target: "/more".into(), read_only: false });
    let told = place.engine.differences(id, &spec).await.unwrap().join("\n").replace(&place.name, "PLACE");
    insta::assert_snapshot!(told, @"
    its command
    the variable B of its environment
    its memory limit
    its restart policy
    its published ports
    its mount at /more
    its network PLACE-two
    ");
}

#[tokio::test]
async fn a_name_of_another_component_resolves_on_a_shared_network() {
    let place = Place::new().await;
    place.act(Action::CreateNetwork(Box::new(place.network("net")))).await.unwrap();
    let mut db = place.container("db", "exec httpd -f -p 80");
    db.network = EngineNetworkMode::Networks(vec![endpoint(place.named("net"), &["db"])]);
    place.start(db).await;
    let line =
        "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O- http://db/x 2>&1 | grep 404 && exit 0; sleep 0.3; done; exit 1";
    let mut web = place.container("web", line);
    web.network = EngineNetworkMode::Networks(vec![endpoint(place.named("net"), &["web"])]);
    assert!(place.output(web).await[0].contains("404"));
    let mut linked = place.container("linked", &line.replace("http://db/", "http://database/"));
    linked.settings.links = texts(&["db:database"]);
    linked.network = EngineNetworkMode::Networks(vec![endpoint(place.named("net"), &[])]);
    assert!(place.output(linked).await[0].contains("404"));
}

#[tokio::test]
async fn every_step_may_be_taken_twice() {
    let place = Place::new().await;
    for name in ["one", "two"] {
        for _ in 0..2 {
            place.act(Action::CreateNetwork(Box::new(place.network(name)))).await.unwrap();
        }
    }
    for _ in 0..2 {
        place.act(Action::CreateVolume(Box::new(place.volume("data")))).await.unwrap();
    }
    let mut spec = place.container("web", "trap 'exit 0' TERM; sleep 600 & wait");
    let both = vec![endpoint(place.named("one"), &["a"]), endpoint(place.named("two"), &["b"])];
    spec.network = EngineNetworkMode::Networks(both);
    let target = place.create(spec.clone()).await;
    assert_eq!(place.create(spec).await, target, "the second try finds what the first has made");
    let grace = Some(Duration::from_secs(5));
    let both_times = [
        Action::StartContainer(target.clone()),
        Action::WaitReady { target: target.clone(), readiness: readiness(ReadyGoal::Ready, &[]) },
        Action::RenameContainer { target: target.clone(), name: place.named("other") },
        Action::StopContainer { target: target.clone(), grace },
        Action::RemoveContainer(target.clone()),
    ];
    for action in both_times {
        for _ in 0..2 {
            place.act(action.clone()).await.unwrap_or_else(|error| panic!("{}: {error}", action.verb()));
        }
    }
    assert!(place.docker.inspect_volume(&place.named("data")).await.is_ok(), "removing keeps volumes");
    // What is gone counts as stopped.
    place.act(Action::StopContainer { target, grace }).await.unwrap();
}

#[tokio::test]
async fn a_try_that_broke_off_before_the_second_network_is_completed() {
    let place = Place::new().await;
    for name in ["one", "two"] {
        place.act(Action::CreateNetwork(Box::new(place.network(name)))).await.unwrap();
    }
    let mut spec = place.container("web", "sleep 600");
    spec.network = EngineNetworkMode::Networks(vec![endpoint(place.named("one"), &["a"])]);
    let target = place.create(spec.clone()).await;
    let both = vec![endpoint(place.named("one"), &["a"]), endpoint(place.named("two"), &["b"])];
    spec.network = EngineNetworkMode::Networks(both);
    assert_eq!(place.create(spec).await, target);
    let networks = place.inspect(&target).await.network_settings.unwrap().networks.unwrap();
    assert!(networks[&place.named("two")].aliases.as_ref().unwrap().contains(&"b".to_string()));
}

#[tokio::test]
async fn a_container_that_runs_is_not_removed() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "sleep 600")).await;
    let error = place.act(Action::RemoveContainer(target.clone())).await.unwrap_err();
    let text = error.to_string().replace(&place.name, "PLACE");
    insta::assert_snapshot!(text, @"could not remove container PLACE-web: it runs; stop it first (`docker stop PLACE-web`)");
    assert_eq!(place.inspect(&target).await.state.unwrap().running, Some(true));
}

#[tokio::test]
async fn a_process_that_ignores_its_signal_is_named_with_what_it_cost() {
    let place = Place::new().await;
    let deaf = place.start(place.container("deaf", "trap '' TERM; while :; do sleep 1; done")).await;
    let began = Instant::now();
    let stop = |target: Target| Action::StopContainer { target, grace: Some(Duration::from_secs(2)) };
    let note = place.act(stop(deaf)).await.unwrap().note.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(note.starts_with("it ignored SIGTERM and was killed after its whole grace period of 2 s"), "{note}");
    let polite = place.start(place.container("polite", "trap 'exit 0' TERM; while :; do sleep 0.1; done")).await;
    assert_eq!(place.act(stop(polite)).await.unwrap().note, None);
}

#[tokio::test]
async fn a_paused_container_is_stopped_with_its_signal() {
    let place = Place::new().await;
    let target = place.start(place.container("web", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done")).await;
    let id = target.existing().unwrap().to_string();
    place.docker.pause_container(&id).await.unwrap();
    place.act(Action::StopContainer { target, grace: Some(Duration::from_secs(10)) }).await.unwrap();
    assert_eq!(place.engine.last_lines(&id, 5).await.unwrap(), ["bye"]);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_missing() {
    let place = Place::new().await;
    let mut spec = place.container("web", "true");
    spec.image = "launchway-test/never-built:1".into();
    let error = place.act(Action::CreateContainer(Box::new(spec))).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::ImageMissing { reference, .. } if reference == "launchway-test/never-built:1"),
        "{error}"
    );
    assert_eq!(place.engine.image("launchway-test/never-built:1").await.unwrap(), None);
    assert!(place.engine.image(&place.image).await.unwrap().is_some());
}

#[tokio::test]
async fn a_command_that_the_image_does_not_have_is_an_error_at_the_start() {
    let place = Place::new().await;
    let mut spec = place.container("web", "");
    spec.settings.command = Some(texts(&["/nowhere/to/be/found"]));
    let target = place.create(spec).await;
    let error = place.act(Action::StartContainer(target)).await.unwrap_err().to_string();
    let what_to_do = "`command` or `entrypoint` names what is not in the image";
    assert!(error.contains("/nowhere/to/be/found") && error.contains(what_to_do), "{error}");
}

#[tokio::test]
async fn what_this_engine_does_not_know_is_said() {
    let place = Place::new().await;
    let api: u32 = place.engine.info().await.unwrap().api.trim_start_matches("1.").parse().unwrap();
    let mut spec = place.container("web", "true");
    spec.settings.annotations = pairs(&[("com.example.a", "b")]);
    let outcome = place.act(Action::CreateContainer(Box::new(spec))).await.unwrap();
    assert_eq!(outcome.note.is_some_and(|note| note.contains("ignores `annotations`")), api < 43);
    let mut spec = place.container("mac", "true");
    place.act(Action::CreateNetwork(Box::new(place.network("net")))).await.unwrap();
    spec.settings.mac_address = Some("02:42:ac:11:00:09".into());
    spec.network = EngineNetworkMode::Networks(vec![endpoint(place.named("net"), &[])]);
    let made = place.act(Action::CreateContainer(Box::new(spec))).await;
    match made {
        Ok(_) => assert!(api >= 44),
        Err(error) => {
            assert!(api < 44 && error.to_string().contains("`mac_address` needs Docker Engine 25"), "{error}")
        }
    }
}
