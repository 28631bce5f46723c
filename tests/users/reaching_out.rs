//! What a repository's author tries in order to reach the host, or another project, by names, links and paths.

use crate::support::app::write_quick;
use crate::support::images::BASE;
use crate::support::world::{Settings, World};
use bollard::query_parameters::{InspectContainerOptions, InspectNetworkOptions};
use launchway::model::own_names::PATH_VOLUME;

/// The deployment of the commit fails with these words, and none of the project's containers is on a network of the host
/// or of another container.
async fn is_refused(world: &World, why: &str) {
    let commit = world.push("Reach out");
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    assert!(world.deployment_logs().contains(why), "{}", world.deployment_logs());
    for container in world.containers().await {
        let id = container.id.unwrap();
        let found = world.engine.docker.inspect_container(&id, None::<InspectContainerOptions>).await.unwrap();
        let mode = found.host_config.unwrap().network_mode.unwrap();
        assert!(mode != "host" && !mode.starts_with("container:"), "{mode}");
    }
}

fn write_on(world: &World, key: &str, network: &str) {
    let compose = format!(
        r#"
services:
  web:
    image: {BASE}
    command: ["tail", "-f", "/dev/null"]
    networks: ["{key}"]
    deploy: {{ replicas: 0 }}
    x-launchway: {{ release-command: ["sh", "-c", "ip addr > /proc/1/fd/1"] }}
networks: {{ "{key}": {network} }}
"#
    );
    world.repository.write("compose.yaml", compose);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_network_is_not_had_by_a_name() {
    let world = World::new().await;
    write_on(&world, "plain", "{ external: true, name: host }");
    is_refused(&world, "the network host is the engine's own and cannot be used by its name").await;
    write_on(&world, "launchway:edge", "{ name: host }");
    is_refused(&world, "\"launchway:edge\" is not a key here").await;
    // The engine would make a network of that name, and then join the container that it names.
    write_quick(&world.repository, "victim");
    assert_eq!(world.ends(&world.push("Victim")).await.state, "success");
    let name = format!("container:{}-production-web-1", world.project);
    write_on(&world, "plain", &format!("{{ name: \"{name}\" }}"));
    is_refused(&world, &format!("\"{name}\" is not a network name")).await;
    let made = world.engine.docker.inspect_network(&name, None::<InspectNetworkOptions>).await;
    assert!(made.is_err(), "{made:?}");
    world.end().await;
}

/// `web` with the allowed folder at `/data`, and this of it at `/seen`.
fn write_mounting(world: &World, folder: &str, below: Option<&str>, command: &str) {
    let seen = below.map(|below| format!("      - {{ type: bind, source: {folder}/{below}, target: /seen }}\n"));
    let compose = format!(
        r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "{command}; exec tail -f /dev/null"]
    healthcheck: {{ test: ["CMD", "true"], interval: 1s, timeout: 2s, retries: 5 }}
    volumes:
      - {{ type: bind, source: {folder}, target: /data }}
{}"#,
        seen.unwrap_or_default()
    );
    world.repository.write("compose.yaml", compose);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symbolic_link_in_an_allowed_folder_leads_nowhere() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().display().to_string();
    // What no mount of the folder may show.
    let outside = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::write(outside.path().join("secret"), "4711").unwrap();
    let allow = format!("allow = {{ host-paths = [\"{path}\"] }}");
    let world = World::with(Settings { project: allow, ..Settings::default() }).await;
    let link =
        format!("mkdir -p /data/real; echo inside > /data/real/text; ln -sfn {} /data/out", outside.path().display());
    write_mounting(&world, &path, None, &link);
    assert_eq!(world.ends(&world.push("Link")).await.state, "success", "{}", world.deployment_logs());
    assert!(folder.path().join("out/secret").exists(), "the link is there, and leads out on the host");

    let version = world.engine.docker.version().await.unwrap().api_version.unwrap();
    let has_subpath = version.split_once('.').unwrap().1.parse::<u32>().unwrap() >= 45;
    write_mounting(&world, &path, Some("out"), "ls /seen");
    let shown = world.ends(&world.push("Out")).await;
    assert_ne!(shown.state, "success", "{}", world.deployment_logs());
    if !has_subpath {
        let why = format!(
            "Mount {path} itself, have launchway.toml allow {path}/out in place of {path}, or upgrade the engine"
        );
        assert!(world.deployment_logs().contains(&why), "{}", world.deployment_logs());
    }
    let seen = world.exec("web", &["sh", "-c", "cat /seen/secret 2>/dev/null; ls /data"]).await;
    assert!(seen.contains("real") && !seen.contains("4711"), "{seen}");

    write_mounting(&world, &path, Some("real"), "true");
    let shown = world.ends(&world.push("Real")).await;
    assert_eq!(shown.state == "success", has_subpath, "{shown:?}\n{}", world.deployment_logs());
    if has_subpath {
        assert_eq!(world.exec("web", &["cat", "/seen/text"]).await.trim(), "inside");
        // It may replace the folder while it runs: the next start goes the same safe way.
        world.exec("web", &["sh", "-c", "rm -r /data/real && ln -sfn / /data/real"]).await;
        let (_, _, said) = world.launchway(&["deploy", &world.project, "production", "--rebuild"]).await;
        let seen = world.exec("web", &["sh", "-c", "ls /seen"]).await;
        assert!(!seen.contains("etc"), "{seen}\n{said}");
    }
    let made = world.engine.docker.list_volumes(None::<bollard::query_parameters::ListVolumesOptions>).await.unwrap();
    let made = made.volumes.unwrap_or_default();
    let is_own = |volume: &&bollard::models::Volume| volume.options.get("device") == Some(&path);
    assert!(made.iter().filter(is_own).all(|volume| volume.name.starts_with(PATH_VOLUME)), "{made:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_as_root_writes_to_no_socket_and_mounts_no_file_system_for_a_repository() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().display().to_string();
    let world =
        World::with(Settings { project: format!("allow = {{ host-paths = [\"{path}\"] }}"), ..Settings::default() })
            .await;
    let plain = {
        write_quick(&world.repository, "one");
        std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap()
    };
    let logging = "    logging: { driver: syslog, options: { syslog-address: 'unixgram:///run/systemd/notify' } }\n";
    world.repository.write("compose.yaml", format!("{plain}{logging}"));
    is_refused(&world, "`allow.log-drivers = [\"syslog\"]`").await;
    let overlay = format!(
        "    volumes: [\"data:/data\"]\nvolumes: {{ data: {{ driver_opts: {{ type: overlay, device: overlay, o: 'lowerdir=/,upperdir={path}/u,workdir={path}/w' }} }} }}\n"
    );
    world.repository.write("compose.yaml", format!("{plain}{overlay}"));
    is_refused(&world, "not \"overlay\": mount it on the host").await;
    let network = "    networks: [lan]\nnetworks: { lan: { driver: macvlan, driver_opts: { parent: lo } } }\n";
    world.repository.write("compose.yaml", format!("{plain}{network}"));
    is_refused(&world, "`allow.network-drivers = [\"macvlan\"]`").await;
    world.end().await;
}
