//! A stack that Docker Compose started by hand is taken over: what that means is told before, the data stays as it is,
//! and what is no part of the stack is not touched.

use super::giving_back::compose;
use crate::support::images::BASE;
use crate::support::world::{Settings, World};
use bollard::models::{
    ContainerCreateBody, ContainerSummary, EndpointSettings, HostConfig, Mount, MountType, NetworkCreateRequest,
    NetworkingConfig, PortBinding, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use std::collections::HashMap;

/// `web` answers with its version and keeps a file on a named and one on an unnamed volume, and is on a network of its
/// own; `store` comes before it.
pub(super) fn services(version: &str) -> String {
    let line = format!("mkdir -p /www; echo -n {version} > /www/index.html; exec httpd -f -p 8080 -h /www");
    format!(
        r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "{line}"]
    ports: ["127.0.0.1:${{PORT}}:8080"]
    networks: [front, default]
    volumes: ["data:/data", "/cache"]
    depends_on: [store]
  store:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: [sleep, "600"]
    volumes: ["data:/data"]
volumes: {{ data: {{}} }}
networks: {{ front: {{}} }}
"#
    )
}

/// The stack as `docker compose up -d` and `docker compose run -d store` leave it. Where the machine has no Compose,
/// the same is asked of the engine, with the labels of Compose 2.40.
pub(super) async fn started_by_hand(world: &World) {
    let name = format!("{}-production", world.project);
    if compose(&["version"]).status.success() {
        let file = world.repository.work().join("compose.yaml");
        for words in [&["up", "-d"][..], &["run", "-d", "--name", &format!("{name}-by-hand"), "store", "sleep", "600"]]
        {
            let mut command = std::process::Command::new("docker");
            command.args(["compose", "-p", &name, "-f", file.to_str().unwrap()]).args(words);
            let output = command.env("PORT", world.app_port.to_string()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        return;
    }
    let docker = &world.engine.docker;
    let label = |kind: &str, value: &str| (format!("com.docker.compose.{kind}"), value.to_string());
    let of_project = || label("project", &name);
    let labels = Some(HashMap::from([of_project(), label("volume", "data")]));
    let volume = VolumeCreateRequest { name: Some(format!("{name}_data")), labels, ..Default::default() };
    docker.create_volume(volume).await.unwrap();
    for key in ["default", "front"] {
        let labels = Some(HashMap::from([of_project(), label("network", key)]));
        docker
            .create_network(NetworkCreateRequest { name: format!("{name}_{key}"), labels, ..Default::default() })
            .await
            .unwrap();
    }
    let body = |service: &str, oneoff: &str, command: &[&str]| ContainerCreateBody {
        image: Some(BASE.into()),
        cmd: Some(command.iter().map(ToString::to_string).collect()),
        labels: Some(HashMap::from([
            of_project(),
            label("service", service),
            label("container-number", "1"),
            label("oneoff", oneoff),
            label("config-hash", "abc"),
        ])),
        stop_timeout: Some(1),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(format!("{name}_default"), EndpointSettings::default())])),
        }),
        host_config: Some(HostConfig {
            init: Some(true),
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(format!("{name}_data")),
                target: Some("/data".into()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let start = async |name: &str, body: ContainerCreateBody| {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let id = docker.create_container(Some(options), body).await.unwrap().id;
        docker.start_container(&id, None).await.unwrap();
        id
    };
    let line = "mkdir -p /www; echo -n by-hand > /www/index.html; exec httpd -f -p 8080 -h /www";
    let mut web = body("web", "False", &["sh", "-c", line]);
    let host = web.host_config.as_mut().unwrap();
    let unnamed = Mount { typ: Some(MountType::VOLUME), target: Some("/cache".into()), ..Default::default() };
    host.mounts.as_mut().unwrap().push(unnamed);
    let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(world.app_port.to_string()) };
    host.port_bindings = Some(HashMap::from([("8080/tcp".to_string(), Some(vec![binding]))]));
    web.exposed_ports = Some(vec!["8080/tcp".to_string()]);
    start(&format!("{name}-store-1"), body("store", "False", &["sleep", "600"])).await;
    start(&format!("{name}-web-1"), web).await;
    start(&format!("{name}-by-hand"), body("store", "True", &["sleep", "600"])).await;
}

/// All containers of the Compose project, whoever made them: name -> id.
pub(super) async fn of_the_project(world: &World) -> HashMap<String, String> {
    let filters = HashMap::from([("label", vec![format!("com.docker.compose.project={}-production", world.project)])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = world.engine.docker.list_containers(Some(options)).await.unwrap();
    let named = |c: ContainerSummary| {
        let name = c.names?.first()?.trim_start_matches('/').replace(&format!("{}-production", world.project), "app");
        Some((name, c.id?))
    };
    found.into_iter().filter_map(named).collect()
}

pub(super) async fn in_container(world: &World, id: &str, line: &str) {
    use bollard::exec::{CreateExecOptions, StartExecOptions};
    let docker = &world.engine.docker;
    let options = CreateExecOptions { cmd: Some(vec!["sh", "-c", line]), ..Default::default() };
    let exec = docker.create_exec(id, options).await.unwrap().id;
    docker.start_exec(&exec, Some(StartExecOptions { detach: true, ..Default::default() })).await.unwrap();
    world
        .until("the command to end", || async {
            (docker.inspect_exec(&exec).await.ok()?.exit_code? == 0).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_compose_started_is_taken_over_with_its_data() {
    let mut world = World::not_serving(Settings::default()).await;
    let docker = world.engine.docker.clone();
    let name = format!("{}-production", world.project);
    world.repository.write("compose.yaml", services("by-hand"));
    started_by_hand(&world).await;
    let before = of_the_project(&world).await;
    assert_eq!(before.len(), 3, "{before:?}");
    in_container(&world, &before["app-web-1"], "echo precious > /data/file; echo kept > /cache/file").await;
    let made = async |volume: &str| docker.inspect_volume(volume).await.unwrap().created_at;
    let volume_made = made(&format!("{name}_data")).await;
    let network = docker.inspect_network(&format!("{name}_front"), None).await.unwrap().id;

    // Asked before, it says what it will take over; and nothing happens yet.
    world.mute_hook();
    world.serve().await;
    world.until_said("Launchway is ready").await;
    world.repository.write("compose.yaml", services("one"));
    let commit = world.push("Launchway's now");
    let (code, told, error) = world.launchway(&["plan", commit.as_str()]).await;
    assert_eq!(code, 0, "{told}{error}");
    let told = told.replace(&name, "app");
    for line in [
        "Note: app-store-1, which Compose started, is replaced once by a container of Launchway's\n",
        "Note: app-web-1, which Compose started, is replaced once by a container of Launchway's, which gets its unnamed volumes at /cache\n",
        "Note: volume app_data, which Compose made, stays as it is with its data\n",
        "Note: network app_default, which Compose made, stays as it is\n",
        "Note: network app_front, which Compose made, stays as it is\n",
    ] {
        assert!(told.contains(line), "{line:?} is missing:\n{told}");
    }
    assert!(!told.contains("by-hand"), "{told}");
    assert_eq!(of_the_project(&world).await, before);

    let (code, out, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{out}{error}\n{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    let plan = world.query("SELECT plan FROM deployments").replace(&name, "app");
    assert!(plan.contains("volume app_data, which Compose made, stays as it is with its data\n"), "{plan}");
    let after = of_the_project(&world).await;
    assert_eq!(after["app-by-hand"], before["app-by-hand"], "a one-off container is nobody's to touch");
    assert!(docker.inspect_container(&before["app-web-1"], None).await.is_err(), "Compose's container is gone");
    assert_eq!(world.exec("web", &["cat", "/data/file", "/cache/file"]).await, "precious\nkept");
    assert_eq!(made(&format!("{name}_data")).await, volume_made);
    assert_eq!(docker.inspect_network(&format!("{name}_front"), None).await.unwrap().id, network);

    // Compose goes on showing it.
    if compose(&["version"]).status.success() {
        let shown = compose(&["-p", &name, "ps", "--format", "{{.Name}} {{.State}}"]);
        let shown = String::from_utf8_lossy(&shown.stdout).replace(&name, "app");
        assert!(shown.contains("app-web-1 running") && shown.contains("app-store-1 running"), "{shown}");
        let logs = compose(&["-p", &name, "logs", "web"]);
        assert!(logs.status.success() && !String::from_utf8_lossy(&logs.stderr).contains("no such"), "{logs:?}");
    }
    // A push later there is nothing more to tell, and nothing to do.
    world.repository.write("unrelated", "");
    world.push("Unrelated");
    let (code, out, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{out}{error}");
    let plan = world.query("SELECT plan FROM deployments ORDER BY id DESC LIMIT 1");
    assert!(!plan.contains("which Compose"), "{plan}");
    assert_eq!(of_the_project(&world).await, after);

    world.end().await;
    taken_away(&docker, &name).await;
}

/// What was started by hand, and is nobody else's to take away.
pub(super) async fn taken_away(docker: &bollard::Docker, name: &str) {
    for container in [format!("{name}-by-hand"), format!("{name}-web-1"), format!("{name}-store-1")] {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let _ = docker.remove_container(&container, Some(options)).await;
    }
    let _ = docker.remove_volume(&format!("{name}_data"), None::<RemoveVolumeOptions>).await;
    for key in ["default", "front"] {
        let _ = docker.remove_network(&format!("{name}_{key}")).await;
    }
}
