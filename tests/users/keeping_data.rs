//! What an app has written is not left behind without a word: a release that would have it start on something else ends before
//! anything is touched, says what and how to go on, and goes on once somebody has said yes. Going back never asks.

use crate::support::images::BASE;
use crate::support::world::{Settings, Shown, World, get};
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListVolumesOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use std::collections::HashMap;

/// A database of one file: a row for each line of `/data/rows`. `mounts` are lines of the service, `more` whole sections.
fn write_db(world: &World, version: &str, mounts: &str, more: &str) {
    let command = "mkdir -p /data; touch /data/rows; exec tail -f /dev/null";
    let text = format!(
        r#"
services:
  db:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "-c", "{command}"]
    environment: {{ VERSION: "{version}" }}
    healthcheck: {{ test: ["CMD", "test", "-e", "/data/rows"], interval: 1s, timeout: 5s, retries: 100 }}
    {mounts}
{more}
"#
    );
    world.repository.write("compose.yaml", text);
}

const MOUNT: &str = "volumes: [\"data:/data\"]";
const VOLUME: &str = "volumes: { data: {} }";

async fn insert(world: &World, rows: usize) {
    world.exec("db", &["sh", "-c", &format!("for n in $(seq {rows}); do echo row >> /data/rows; done")]).await;
}

async fn rows(world: &World) -> usize {
    world.exec("db", &["sh", "-c", "wc -l < /data/rows"]).await.parse().unwrap()
}

async fn pushed(world: &World, message: &str) -> Shown {
    world.ends(&world.push(message)).await
}

async fn goes_live(world: &World, message: &str) {
    let shown = pushed(world, message).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
}

/// `launchway` with words; what it says on standard output.
async fn succeeds(world: &World, words: &[&str]) -> String {
    let (code, out, error) = world.launchway(words).await;
    assert_eq!(code, 0, "{words:?}: {out}{error}\n{}", world.deployment_logs());
    out
}

/// The last refusal in the logs, in which each of these words stands.
fn refusal(world: &World, words: &[&str]) -> String {
    let logs = world.deployment_logs();
    // What stands there once more is cut.
    let line = logs.lines().rev().find(|line| line.contains(" behind for ") && line.contains("--fresh-volume"));
    let line = line.unwrap_or_else(|| panic!("nothing was asked:\n{logs}"));
    for word in words {
        assert!(line.contains(word), "{word:?} is missing: {line}");
    }
    line.to_string()
}

/// The command between backticks that says yes, without its first word.
fn yes(refusal: &str) -> Vec<String> {
    let command = refusal.split('`').find_map(|part| part.strip_prefix("launchway ")).unwrap();
    shlex::split(command).unwrap()
}

async fn says_yes(world: &World, refusal: &str) {
    let words = yes(refusal);
    succeeds(world, &words.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

fn in_compose_project(name: &str) -> Settings {
    let environment = format!("branch = \"main\"\nbake = \"0s\"\ncompose-project = \"{name}\"");
    Settings { environment: Some(environment), ..Settings::default() }
}

/// What has no label of the story's.
async fn tidy(docker: &bollard::Docker, containers: &[String], volumes: &[String]) {
    for container in containers {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let _ = docker.remove_container(container, Some(options)).await;
    }
    for volume in volumes {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        let _ = docker.remove_volume(volume, Some(options)).await;
    }
}

async fn configure(world: &World, settings: Settings, times: usize) {
    world.configure(&settings);
    world.until_said_again("The settings were read again", times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_compose_project_does_not_start_the_database_empty() {
    let world = World::new().await;
    let (old, new) = (format!("{}-production", world.project), format!("{}-moved", world.project));
    write_db(&world, "one", MOUNT, VOLUME);
    goes_live(&world, "First").await;
    insert(&world, 3).await;
    let before = world.running().await;

    configure(&world, in_compose_project(&new), 1).await;
    write_db(&world, "two", MOUNT, VOLUME);
    let moved = world.push("Moved");
    assert_eq!(world.ends(&moved).await.state, "error", "no commit has done it");
    let line = format!("compose-project = \"{old}\"");
    let told = refusal(&world, &[&format!("volume {old}_data"), &format!("volume {new}_data, which is new"), &line]);
    assert_eq!(yes(&told)[..3], ["deploy", "--fresh-volume", &format!("{new}_data")]);
    assert_eq!((world.running().await, rows(&world).await), (before, 3), "nothing was touched");
    let volumes = world.engine.docker.list_volumes(None::<ListVolumesOptions>).await.unwrap().volumes;
    assert!(volumes.unwrap_or_default().iter().all(|volume| volume.name != format!("{new}_data")));
    // Asked before, and on the page, it says the same.
    let plan = succeeds(&world, &["plan"]).await;
    assert!(plan.contains("Ends before anything is touched: ") && plan.contains(&line), "{plan}");
    let key = world.query("SELECT page_key FROM deployments ORDER BY id DESC LIMIT 1");
    let page = get(&format!("http://127.0.0.1:{}/deployments/{}", world.port, key.trim())).await.unwrap();
    assert!(page.contains(&format!("{old}_data")) && page.contains("--fresh-volume"), "{page}");

    // The line that it names.
    configure(&world, in_compose_project(&old), 2).await;
    goes_live(&world, "As before").await;
    assert_eq!(rows(&world).await, 3);

    // Or a new beginning, because somebody says so.
    configure(&world, in_compose_project(&new), 3).await;
    says_yes(&world, &told).await;
    assert_eq!(rows(&world).await, 0);
    let audit = succeeds(&world, &["audit"]).await;
    let noted = format!("db at /data: volume {old}_data -> volume {new}_data");
    assert!(audit.contains("fresh-volume") && audit.contains(&noted), "{audit}");
    let status = succeeds(&world, &["status"]).await;
    assert!(status.contains(&format!("  {old}_data, once of db at /data")), "{status}");
    assert!(!status.contains(&format!("  {new}_data")), "{status}");

    // Back never asks, and forwards again it has been said.
    succeeds(&world, &["rollback"]).await;
    assert_eq!(rows(&world).await, 3);
    write_db(&world, "three", MOUNT, VOLUME);
    goes_live(&world, "Again").await;
    assert_eq!(rows(&world).await, 0);
    let plan = world.query("SELECT plan FROM deployments ORDER BY id DESC LIMIT 1");
    assert!(plan.contains(&format!("db at /data starts on the volume {new}_data in place of")), "{plan}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_volume_ends_the_deployment_and_the_line_that_it_names_keeps_the_rows() {
    let world = World::new().await;
    write_db(&world, "one", MOUNT, VOLUME);
    goes_live(&world, "First").await;
    insert(&world, 2).await;
    let renamed = |volume: &str| {
        write_db(&world, "two", "volumes: [\"rows:/data\"]", &format!("volumes: {{ rows: {{ {volume} }} }}"))
    };
    renamed("");
    let refused = world.push("Renamed");
    assert_eq!(world.ends(&refused).await.state, "failure");
    let old = format!("{}-production_data", world.project);
    let told = refusal(&world, &["compose.yaml:", "volumes.rows", &format!("volume {old}"), "_rows, which is new"]);
    assert_eq!(rows(&world).await, 2);

    // A working copy says so before it is pushed.
    let work = world.repository.work().display().to_string();
    let (code, out, error) = world.launchway(&["check", "--live", &work]).await;
    assert_eq!(code, 1, "{out}{error}");
    assert!(out.contains("error: compose.yaml:") && out.contains(&format!("volume {old}")), "{out}");

    let line = format!("name: {old}");
    assert!(told.contains(&format!("`volumes: {{ rows: {{ {line} }} }}`")), "{told}");
    renamed(&line);
    let out = succeeds(&world, &["check", "--live", &work]).await;
    assert!(out.contains("0 errors"), "{out}");
    goes_live(&world, "Named").await;
    assert_eq!(rows(&world).await, 2);

    // Without the line it is asked again; said yes to, it is never asked of this pair any more, and back it never is.
    renamed("");
    assert_eq!(pushed(&world, "Renamed again").await.state, "failure");
    says_yes(&world, &refusal(&world, &[])).await;
    assert_eq!(rows(&world).await, 0);
    succeeds(&world, &["rollback"]).await;
    assert_eq!(rows(&world).await, 2);
    write_db(&world, "three", "volumes: [\"rows:/data\"]", "volumes: { rows: {} }");
    goes_live(&world, "Said before").await;
    // The way back by a commit is another pair.
    write_db(&world, "four", MOUNT, VOLUME);
    assert_eq!(pushed(&world, "Reverted").await.state, "failure");
    refusal(&world, &["leave the volume", "_data, which is there already"]);
    world.end().await;
}

/// Path -> name of the volumes that `db` mounts.
async fn mounted(world: &World) -> HashMap<String, String> {
    let id = world.running().await["db"].clone();
    let found = world.engine.docker.inspect_container(&id, None).await.unwrap();
    let mounts = found.mounts.unwrap_or_default().into_iter();
    mounts.filter_map(|mount| Some((mount.destination?, mount.name?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unnamed_volume_that_the_file_declares_no_more_is_not_mounted_any_more_and_not_lost() {
    let world = World::new().await;
    write_db(&world, "one", "volumes: [\"data:/data\", \"/anon\"]", VOLUME);
    goes_live(&world, "First").await;
    world.exec("db", &["sh", "-c", "echo kept > /anon/file"]).await;
    let anon = mounted(&world).await["/anon"].clone();
    write_db(&world, "two", "volumes: [\"data:/data\", \"/anon\"]", VOLUME);
    goes_live(&world, "Handed on").await;
    assert_eq!(mounted(&world).await["/anon"], anon);

    write_db(&world, "three", MOUNT, VOLUME);
    assert_eq!(pushed(&world, "No more").await.state, "failure");
    let told = refusal(&world, &[&anon[..12], "db at /anon", "volumes: [\"/anon\"]", "--fresh-volume db:/anon"]);
    says_yes(&world, &told).await;
    assert!(!mounted(&world).await.contains_key("/anon"), "{:?}", mounted(&world).await);
    world.engine.docker.inspect_volume(&anon).await.expect("it is still there");
    let logs = world.deployment_logs();
    assert!(logs.contains(&format!("the unnamed volume {} at /anon stays, unused", &anon[..12])), "{logs}");
    assert!(logs.contains("`launchway status` lists it"), "{logs}");
    let status = succeeds(&world, &["status"]).await;
    assert!(status.contains(&format!("  {anon}, once of db at /anon")), "{status}");

    // Back to the release that declares it, it is there with what was written; and so it is when a commit declares it again.
    succeeds(&world, &["rollback"]).await;
    assert_eq!(mounted(&world).await["/anon"], anon);
    write_db(&world, "four", MOUNT, VOLUME);
    goes_live(&world, "Said before").await;
    write_db(&world, "five", "volumes: [\"data:/data\", \"/anon\"]", VOLUME);
    goes_live(&world, "Declared again").await;
    assert_eq!(world.exec("db", &["cat", "/anon/file"]).await, "kept");
    let status = succeeds(&world, &["status"]).await;
    assert!(!status.contains(&anon), "{status}");

    // A named one in its place starts empty.
    write_db(&world, "six", "volumes: [\"data:/data\", \"named:/anon\"]", "volumes: { data: {}, named: {} }");
    assert_eq!(pushed(&world, "Named").await.state, "failure");
    refusal(&world, &[&anon[..12], "_named, which is new", "volumes: [\"/anon\"]"]);
    let docker = world.engine.docker.clone();
    world.end().await;
    tidy(&docker, &[], &[anon]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_the_image_declares_no_more_is_asked_about_once_the_image_is_there() {
    let world = World::new().await;
    let write = |declares: &str| {
        let dockerfile = format!("FROM {BASE}\n{declares}CMD [\"tail\", \"-f\", \"/dev/null\"]\n");
        world.repository.write("db/Dockerfile", dockerfile);
        let text = "services:\n  db:\n    build: ./db\n    init: true\n    stop_grace_period: 1s\n    healthcheck: { test: [CMD, \"true\"], interval: 1s }\n";
        world.repository.write("compose.yaml", text);
    };
    write("VOLUME /kept\n");
    goes_live(&world, "First").await;
    world.exec("db", &["sh", "-c", "echo kept > /kept/file"]).await;
    let kept = mounted(&world).await["/kept"].clone();
    write("ENV MORE=1\n");
    let before = world.running().await;
    let shown = pushed(&world, "Without").await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    let told = refusal(&world, &[&kept[..12], "db at /kept", "--fresh-volume db:/kept"]);
    assert!(told.contains("volumes: [\"/kept\"]"), "{told}");
    assert_eq!(world.running().await, before);
    says_yes(&world, &told).await;
    assert!(mounted(&world).await.is_empty());
    succeeds(&world, &["rollback"]).await;
    assert_eq!(world.exec("db", &["cat", "/kept/file"]).await, "kept");
    let docker = world.engine.docker.clone();
    world.end().await;
    tidy(&docker, &[], &[kept]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_put_where_the_container_has_written_is_asked_about_and_elsewhere_not() {
    let world = World::new().await;
    write_db(&world, "one", "", "");
    goes_live(&world, "First").await;
    insert(&world, 1).await;
    // The everyday case: nothing is there.
    write_db(&world, "one", "volumes: [\"cache:/cache\"]", "volumes: { cache: {} }");
    // `mkdir -p /data; touch /data/rows` is what it has written itself.
    goes_live(&world, "A cache").await;
    write_db(&world, "two", "volumes: [\"cache:/cache\", \"data:/data\"]", "volumes: { cache: {}, data: {} }");
    assert_eq!(pushed(&world, "Kept from now on").await.state, "failure");
    let name = format!("{}-production-db-1", world.project);
    let told = refusal(&world, &["the container's own files", &format!("`docker cp {name}:/data .`")]);
    says_yes(&world, &told).await;
    insert(&world, 2).await;
    write_db(&world, "three", "volumes: [\"cache:/cache\", \"data:/data\"]", "volumes: { cache: {}, data: {} }");
    goes_live(&world, "Third").await;
    assert_eq!(rows(&world).await, 2);
    world.end().await;
}

/// `db` as `docker compose -p PROJECT up` leaves it, with rows in the project's volume.
async fn by_hand(world: &World, project: &str) -> String {
    let docker = &world.engine.docker;
    let label = |kind: &str, value: &str| (format!("com.docker.compose.{kind}"), value.to_string());
    let volume = format!("{project}_data");
    let labels = Some(HashMap::from([label("project", project), label("volume", "data")]));
    docker
        .create_volume(VolumeCreateRequest { name: Some(volume.clone()), labels, ..Default::default() })
        .await
        .unwrap();
    let body = ContainerCreateBody {
        image: Some(BASE.into()),
        cmd: Some(["sh", "-c", "echo row >> /data/rows; exec tail -f /dev/null"].map(String::from).into()),
        labels: Some(HashMap::from([
            label("project", project),
            label("service", "db"),
            label("container-number", "1"),
            label("oneoff", "False"),
            label("config-hash", "abc"),
        ])),
        stop_timeout: Some(1),
        host_config: Some(HostConfig {
            init: Some(true),
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(volume),
                target: Some("/data".into()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&format!("{project}-db-1")).build();
    let id = docker.create_container(Some(options), body).await.unwrap().id;
    docker.start_container(&id, None).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_compose_runs_under_another_name_is_not_started_empty_beside_itself() {
    let world = World::new().await;
    let docker = world.engine.docker.clone();
    let project = format!("{}-shop", world.project);
    let container = by_hand(&world, &project).await;
    write_db(&world, "one", MOUNT, VOLUME);
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "error");
    let line = format!("compose-project = \"{project}\"");
    let told = refusal(&world, &[&format!("volume {project}_data"), "-production_data, which is new", &line]);
    assert!(world.containers().await.is_empty());

    // The line that it names has it taken over, with its rows.
    configure(&world, in_compose_project(&project), 1).await;
    succeeds(&world, &["deploy"]).await;
    assert_eq!(rows(&world).await, 1);
    assert!(docker.inspect_container(&container, None).await.is_err(), "Compose's container is gone");
    // And that volume, on which nothing says so, stays its own under another Compose project.
    let moved = format!("{}-moved", world.project);
    configure(&world, in_compose_project(&moved), 2).await;
    write_db(&world, "two", MOUNT, VOLUME);
    assert_eq!(pushed(&world, "Moved").await.state, "error");
    write_db(&world, "two", MOUNT, &format!("volumes: {{ data: {{ name: {project}_data }} }}"));
    goes_live(&world, "Moved, but for the volume").await;
    write_db(&world, "three", MOUNT, &format!("volumes: {{ data: {{ name: {project}_data }} }}"));
    goes_live(&world, "And goes on").await;
    assert_eq!(rows(&world).await, 1);
    let status = succeeds(&world, &["status"]).await;
    assert!(!status.contains("more than launchway.toml allows"), "{status}");
    assert!(told.contains("--fresh-volume"), "{told}");
    world.end().await;
    tidy(&docker, &[format!("{moved}-db-1")], &[format!("{project}_data")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_taken_over_keeps_what_it_has_or_is_asked_about() {
    let world = World::new().await;
    let docker = world.engine.docker.clone();
    let project = format!("{}-production", world.project);
    by_hand(&world, &project).await;
    write_db(&world, "one", "volumes: [\"rows:/data\"]", "volumes: { rows: {} }");
    assert_eq!(pushed(&world, "Renamed while it is taken over").await.state, "failure");
    refusal(&world, &[&format!("volume {project}_data"), &format!("volume {project}_rows, which is new")]);
    write_db(&world, "one", "volumes: [\"rows:/data\"]", &format!("volumes: {{ rows: {{ name: {project}_data }} }}"));
    goes_live(&world, "With its volume").await;
    assert_eq!(rows(&world).await, 1);
    world.end().await;
    tidy(&docker, &[format!("{project}-db-1")], &[format!("{project}_data")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_first_deployment_has_written_is_listed_and_its_networks_are_gone() {
    let world = World::new().await;
    let text = format!(
        "services:\n  db:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sh, -c, 'echo row > /data/rows; echo kept > /anon/file; exec tail -f /dev/null']\n    volumes: ['data:/data', '/anon']\n    healthcheck: {{ test: [CMD, test, -e, /anon/file], interval: 1s }}\n  web:\n    image: {BASE}\n    command: [sh, -c, 'exit 3']\n    depends_on: {{ db: {{ condition: service_healthy }} }}\nvolumes: {{ data: {{}} }}\n"
    );
    world.repository.write("compose.yaml", text);
    assert_eq!(pushed(&world, "First").await.state, "failure");
    world
        .until("all but the volume to be gone", || async {
            let there = world.on_the_engine().await;
            there.iter().all(|one| one.starts_with("volume ")).then_some(())
        })
        .await;
    let all = world.engine.docker.list_volumes(None::<ListVolumesOptions>).await.unwrap().volumes.unwrap_or_default();
    let status = succeeds(&world, &["status"]).await;
    let anon = all.iter().map(|volume| volume.name.clone()).find(|name| status.contains(&format!("  {name}, once of")));
    let anon = anon.unwrap_or_else(|| panic!("no unnamed volume is listed: {status}"));
    let told = succeeds(&world, &["gc", "--dry-run"]).await;
    let place = format!("{}/production", world.project);
    let named =
        format!("volume {}-production_data of {place}: no live release names it, and it may hold data", world.project);
    assert!(told.contains(&named), "{told}");
    assert!(told.contains(&format!("volume {anon} of {place} (once of db at /anon)")), "{told}");
    succeeds(&world, &["gc"]).await;
    world.engine.docker.inspect_volume(&anon).await.expect("data stays");
    let docker = world.engine.docker.clone();
    world.end().await;
    tidy(&docker, &[], &[anon]).await;
}
