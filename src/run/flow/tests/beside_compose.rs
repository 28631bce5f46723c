//! Containers that we create, beside those that `docker compose create` makes of the same projects, made by chance.

use crate::compose::tests::differential::{ForAnEngine, number};
use crate::engine::{DockerEngine, Engine, Supplies};
use crate::model::{
    CommitId, Component, ComponentName, EnvironmentName, Fingerprint, ImageIdentity, Mask, Observed, ProjectName,
    Release, ReleaseId, ReleasePart, Stack,
};
use crate::plan::container::{ContentNames, Joined, container_spec};
use crate::plan::unnamed::Unnamed;
use crate::plan::{Action, ContainerSpec, EngineMount, Target, VolumeContent};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use tokio_util::sync::CancellationToken;

const IMAGE: &str = "launchway-test/differential:1";
const PROJECT: &str = "compose-differential";

/// Creating a container needs nothing from outside the engine.
struct Nothing;

#[async_trait::async_trait]
impl Supplies for Nothing {
    async fn archive(&self, _: &VolumeContent) -> anyhow::Result<BoxStream<'static, Result<Bytes, std::io::Error>>> {
        anyhow::bail!("no files are asked for")
    }
    fn progress(&self, _: &str) {}
    fn mask(&self) -> Mask {
        Mask::default()
    }
}

/// An image with nothing in it but a few settings of its own.
async fn image(engine: &DockerEngine) {
    if engine.docker().inspect_image(IMAGE).await.is_ok() {
        return;
    }
    let (name, tag) = IMAGE.split_once(':').unwrap();
    let changes = ["CMD [\"/of-the-image\"]", "ENV OF_THE_IMAGE=1", "EXPOSE 7000/tcp"].map(str::to_string).to_vec();
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(name).tag(tag).changes(changes).build();
    let archive = bollard::body_full(tar::Builder::new(Vec::new()).into_inner().unwrap().into());
    engine.docker().create_image(Some(options), Some(archive), None).try_collect::<Vec<_>>().await.unwrap();
}

fn release(stack: Stack) -> Release {
    let identity = ImageIdentity::Pulled { reference: IMAGE.into(), pinned: IMAGE.into() };
    let part = |name: &ComponentName| {
        (name.clone(), ReleasePart::new(identity.clone(), Fingerprint(format!("v1:{name}")), None))
    };
    Release {
        id: ReleaseId(1),
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        commit: CommitId::new("a".repeat(40)).unwrap(),
        parts: stack.components.keys().map(part).collect(),
        stack,
    }
}

/// Containers of the project, by service.
async fn there(engine: &DockerEngine) -> BTreeMap<String, Value> {
    let label = format!("com.docker.compose.project={PROJECT}");
    let filters = HashMap::from([("label".to_string(), vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let mut found = BTreeMap::new();
    for container in engine.docker().list_containers(Some(options)).await.unwrap() {
        let service = container.labels.unwrap_or_default()["com.docker.compose.service"].clone();
        let id = container.id.unwrap();
        let inspected = engine.docker().inspect_container(&id, None::<InspectContainerOptions>).await.unwrap();
        found.insert(service, serde_json::to_value(inspected).unwrap());
    }
    found
}

async fn remove_all(engine: &DockerEngine) {
    for container in there(engine).await.into_values() {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let _ = engine.docker().remove_container(container["Id"].as_str().unwrap(), Some(options)).await;
    }
}

fn spec(release: &Release, component: &Component, made: &BTreeMap<ComponentName, String>) -> ContainerSpec {
    let (observed, unnamed) = (Observed::default(), Unnamed::default());
    let of =
        |name: &ComponentName| made.get(name).map(|id| Target::Existing { id: id.clone(), name: name.to_string() });
    let container = &component.container;
    let joined = Joined {
        network: container.network_of().and_then(of),
        processes: container.processes_of().as_ref().and_then(of),
    };
    let names = ContentNames::of(&observed);
    let mut spec = container_spec(release, None, component, 1, (None, &unnamed), joined, names);
    // Files of the commit come from volumes with us, and from the folder of the project with Compose.
    spec.mounts.retain(|mount| match mount {
        EngineMount::ContentFile { .. } => false,
        EngineMount::Volume { name, .. } => !name.starts_with("launchway-"),
        _ => true,
    });
    spec
}

/// Creates all containers of a stack, in order. An error is what the engine says.
async fn create(engine: &DockerEngine, release: &Release) -> Result<(), String> {
    let mut made = BTreeMap::new();
    for name in crate::plan::order::levels(&release.stack).unwrap().into_iter().flatten() {
        let component = &release.stack.components[&name];
        let action = Action::CreateContainer(Box::new(spec(release, component, &made)));
        let created = engine.act(&action, &Nothing, &CancellationToken::new()).await;
        made.insert(name, created.map_err(|error| error.to_string())?.container_id.unwrap());
    }
    Ok(())
}

/// What is compared of a container.
fn compared(container: &Value) -> Value {
    let id = container["Id"].as_str().unwrap();
    let mut config = container["Config"].as_object().cloned().unwrap();
    config.retain(|key, value| key != "Image" && !(key == "Hostname" && value.as_str() == Some(&id[..12])));
    for key in ["AttachStdout", "AttachStderr", "Volumes"] {
        config.remove(key);
    }
    if let Some(Value::Object(labels)) = config.get_mut("Labels") {
        labels.retain(|key, _| !key.starts_with("com.docker.compose.") && !key.starts_with("launchway."));
    }
    sort(config.get_mut("Env"));
    let mut host = container["HostConfig"].as_object().cloned().unwrap();
    // How mounts and networks were asked for; what came of it is compared below. Logs rotate with us.
    for key in ["Binds", "Mounts", "NetworkMode", "LogConfig", "VolumesFrom", "Links", "ConsoleSize", "Tmpfs"] {
        host.remove(key);
    }
    for key in ["PidMode", "IpcMode"] {
        if host.get(key).and_then(Value::as_str).is_some_and(|mode| mode.starts_with("container:")) {
            host.insert(key.into(), "container".into());
        }
    }
    if host["RestartPolicy"]["Name"] == "" {
        host["RestartPolicy"]["Name"] = "no".into();
    }
    for key in ["CapAdd", "CapDrop", "Ulimits", "ExtraHosts", "SecurityOpt"] {
        sort(host.get_mut(key));
    }
    for key in ["CapAdd", "CapDrop"] {
        without_prefix(host.get_mut(key));
    }
    let mounts = container["Mounts"].as_array().cloned().unwrap_or_default();
    let mounts = mounts.iter().filter(|mount| mount["Type"] == "volume" && !is_of_the_commit(mount));
    let mut mounts: Vec<Value> = mounts.map(|mount| json!([named(mount), mount["Destination"], mount["RW"]])).collect();
    mounts.sort_by_key(Value::to_string);
    without_nothing(&json!({"Config": config, "HostConfig": host, "Mounts": mounts, "Networks": networks(container)}))
}

/// The engine takes capabilities with and without `CAP_`.
fn without_prefix(list: Option<&mut Value>) {
    for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
        *item = item.as_str().unwrap_or_default().trim_start_matches("CAP_").into();
    }
}

fn is_of_the_commit(mount: &Value) -> bool {
    mount["Name"].as_str().is_some_and(|name| name.starts_with("launchway-"))
}

/// The volume's name; none where the engine made one up.
fn named(mount: &Value) -> Value {
    let is_made_up = |name: &str| name.len() == 64 && name.chars().all(|c| c.is_ascii_hexdigit());
    mount["Name"].as_str().filter(|name| !is_made_up(name)).into()
}

/// Names and addresses that were asked for on each network.
fn networks(container: &Value) -> Value {
    let of = container["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let one = |(name, network): (String, Value)| {
        let mut aliases = network["Aliases"].clone();
        // The engine's DNS knows a container by its name anyway.
        if let Some(aliases) = aliases.as_array_mut() {
            aliases.retain(|alias| {
                container["Name"].as_str() != Some(&format!("/{}", alias.as_str().unwrap_or_default()))
            });
        }
        sort(Some(&mut aliases));
        let links = names_of_links(&network["Links"]);
        (
            name,
            json!({"Aliases": aliases, "IPAMConfig": network["IPAMConfig"], "DriverOpts": network["DriverOpts"], "Links": links}),
        )
    };
    of.into_iter().map(one).collect::<Map<_, _>>().into()
}

/// Names that links give. Compose links by the container's name, and adds that and `service-1` as further names.
fn names_of_links(links: &Value) -> Vec<&str> {
    let links = links.as_array().into_iter().flatten().filter_map(|link| link.as_str()?.split_once(':'));
    let added = |target: &str, name: &str| {
        target.starts_with(PROJECT) && (name == target || format!("{PROJECT}-{name}") == target)
    };
    let links = links.filter(|(target, name)| !added(target, name));
    let mut names: Vec<&str> = links.map(|(_, name)| name).collect();
    names.sort_unstable();
    names
}

fn sort(list: Option<&mut Value>) {
    if let Some(Value::Array(items)) = list {
        items.sort_by_key(Value::to_string);
        items.dedup();
    }
}

/// Without what is empty, absent, false or 0: the engine does not tell these apart.
fn without_nothing(value: &Value) -> Value {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    match value {
        Value::Object(map) => {
            let map = map.iter().map(|(key, value)| (key.clone(), without_nothing(value)));
            map.filter(|(_, value)| !is_nothing(value)).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn differences(path: &str, theirs: &Value, ours: &Value, tell: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}.{key}"), a, b, tell);
            }
        }
        (a, b) if a != b => tell.push(format!("{path}: Compose's has {a}, ours has {b}")),
        _ => {}
    }
}

/// How the containers differ; nothing where they do not, or where Compose cannot create them here.
async fn differs(engine: &DockerEngine, case: &ForAnEngine) -> Option<String> {
    let theirs = case.compose(&["create", "--no-build", "--pull", "never"]);
    let theirs = match theirs {
        Ok(()) => there(engine).await,
        Err(_) => return None,
    };
    remove_all(engine).await;
    let created = create(engine, &release(case.stack.clone())).await;
    let ours = there(engine).await;
    remove_all(engine).await;
    if let Err(why) = created {
        return Some(format!("Compose creates it, we do not: {why}"));
    }
    let mut all = Vec::new();
    for (service, container) in &ours {
        let theirs = theirs.get(service).map(compared).unwrap_or_default();
        differences(service, &theirs, &compared(container), &mut all);
    }
    (!all.is_empty()).then(|| all.join("\n"))
}

#[tokio::test]
#[ignore = "creates hundreds of containers beside Docker Compose's: make compose-differential"]
async fn containers_of_projects_by_chance_are_as_compose_creates_them() {
    let engine = DockerEngine::connect(None).unwrap();
    image(&engine).await;
    remove_all(&engine).await;
    let (seed, cases) = (number("SEED", 1), number("CASES", 2000).div_ceil(20));
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for seed in seed..seed + cases {
        let Some(case) = ForAnEngine::new(seed, PROJECT, IMAGE) else { continue };
        let difference = differs(&engine, &case).await;
        remove_all(&engine).await;
        let _ = case.compose(&["down", "--volumes", "--remove-orphans"]);
        tried += 1;
        wrong.extend(difference.map(|difference| case.shown(seed, &difference)));
    }
    println!("{tried} of {cases} projects were created");
    assert!(wrong.is_empty(), "{} differ\n\n{}", wrong.len(), wrong.join("\n"));
}
