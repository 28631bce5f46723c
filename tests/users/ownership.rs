//! What is whose on the engine: labels are claims, and nothing of somebody else's is taken, changed or removed.

use crate::support::app::WEB;
use crate::support::images::BASE;
use crate::support::world::{SECRET, Settings, World, free_port};
use bollard::models::{ContainerCreateBody, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, ListContainersOptionsBuilder};
use std::collections::{BTreeMap, HashMap};

/// A web server that publishes its port and keeps a file in a volume.
fn shop(version: &str) -> String {
    let web = crate::support::app::ready_made_web(&format!(
        "echo kept >> /data/file; {}",
        crate::support::app::serve(version)
    ));
    format!("services:{web}    volumes: [\"data:/data\"]\nvolumes: {{ data: {{}} }}\n")
}

/// A second project on the same repository: its file is `evil/compose.yaml`.
async fn with_a_second_project(settings: &str) -> World {
    let mut world = World::not_serving(Settings::default()).await;
    let tables = format!(
        "[projects.PROJECT-evil]\nforge = \"plain\"\nrepository = \"{}\"\nsecret = \"{SECRET}\"\npath = \"evil\"\n\
         [projects.PROJECT-evil.environments.production]\nbranch = \"main\"\nbake = \"0s\"\n{settings}\n",
        world.repository.bare().display()
    );
    world.configure(&Settings { tables, ..Settings::default() });
    world.serve().await;
    world
}

/// What the second project's deployment of a commit came to.
async fn evil_ends(world: &World, message: &str) -> String {
    let commit = world.push(message);
    let shown = world.ends_in(&commit, &format!("launchway/production ({}-evil)", world.project)).await;
    format!("{}: {}", shown.state, shown.description)
}

fn with_edge() -> Settings {
    Settings { tables: "[edge]\n".into(), ..Settings::default() }
}

fn quick(lines: &str) -> String {
    format!(
        "services:\n  web:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [\"tail\", \"-f\", \"/dev/null\"]\n{lines}"
    )
}

/// Name -> id and start of all containers of the story's first project.
async fn containers(world: &World) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for container in world.containers().await {
        let id = container.id.unwrap_or_default();
        let state = world.engine.docker.inspect_container(&id, None).await.unwrap().state.unwrap();
        found.insert(container.names.unwrap_or_default().join(" "), format!("{id} {:?}", state.started_at));
    }
    found
}

async fn labels_of(world: &World, container: &str) -> HashMap<String, String> {
    let found = world.engine.docker.inspect_container(container, None).await.unwrap();
    found.config.unwrap().labels.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_seals_restarts_nothing_and_believes_nothing_that_is_forged() {
    let mut world = World::not_serving(with_edge()).await;
    world.start_edge().await;
    world.serve_with(&[("SEALS_NOTHING", "1")]).await;
    world.repository.write("compose.yaml", shop("one"));
    let first = world.push("Before seals");
    assert_eq!(world.ends(&first).await.state, "success");
    let before = containers(&world).await;
    let name = format!("{}-production-web-1", world.project);
    let labels = labels_of(&world, &name).await;
    assert!(!labels.contains_key("launchway.seal"), "{labels:?}");
    world.terminate().await;
    // A store of that version has no identity.
    world.change("DELETE FROM identity");

    // Somebody's container that claims to be a replica, and one that claims to fill the app's volume.
    let docker = &world.engine.docker;
    let volume = format!("{}-production_data", world.project);
    let mut forged = labels.clone();
    forged.insert("launchway.fingerprint".into(), "v1:0000".into());
    let fills = HashMap::from([("launchway.fills".to_string(), volume.clone())]);
    for (forged_name, labels) in [(format!("{}-forged", world.project), forged), (format!("{volume}.fill"), fills)] {
        let body = ContainerCreateBody {
            image: Some(BASE.into()),
            cmd: Some(vec!["sleep".into(), "600".into()]),
            labels: Some(labels),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&forged_name).build();
        docker.create_container(Some(options), body).await.unwrap();
    }

    world.serve().await;
    world.repository.write("notes.md", "nothing that matters");
    let second = world.push("After the upgrade");
    // The forged replica is under the environment's Compose project: nothing is taken over by itself.
    let shown = world.ends(&second).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    let logs = world.deployment_logs();
    assert!(logs.contains("launchway adopt production"), "{logs}");
    let forged_name = format!("{}-forged", world.project);
    remove(&world, &forged_name).await;
    remove(&world, &format!("{volume}.fill")).await;
    world.repository.write("notes.md", "nothing that matters, again");
    let third = world.push("Once it is gone");
    assert_eq!(world.ends(&third).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(containers(&world).await, before, "nothing was restarted");
    assert_eq!(world.exec("web", &["cat", "/data/file"]).await, "kept");

    // What changes is sealed from now on, and going back to what was not sealed is as ever.
    world.repository.write("compose.yaml", shop("two"));
    let fourth = world.push("Two");
    assert_eq!(world.ends(&fourth).await.state, "success", "{}", world.deployment_logs());
    assert!(labels_of(&world, &name).await.contains_key("launchway.seal"));
    let (code, out, error) = world.launchway(&["rollback", "production"]).await;
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    assert_eq!(world.exec("web", &["cat", "/data/file"]).await, "kept\nkept\nkept");
    world.end().await;
}

async fn remove(world: &World, container: &str) {
    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_container(container, Some(options)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_store_made_is_taken_over_when_somebody_asks_for_it() {
    let mut world = World::new().await;
    world.repository.write("compose.yaml", shop("one"));
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "success");
    let before = containers(&world).await;
    world.terminate().await;
    // Another store: its seals are not these.
    world.change("UPDATE identity SET key = randomblob(32), store_id = 'another1'");
    world.serve().await;
    world.repository.write("compose.yaml", shop("two"));
    let second = world.push("Two");
    assert_eq!(world.ends(&second).await.state, "failure");
    assert_eq!(containers(&world).await, before, "nothing was touched");
    let logs = world.deployment_logs();
    assert!(logs.contains("made by another Launchway with the store "), "{logs}");

    let (code, _, error) = world.launchway(&["adopt", "production", "--from", "elsewhere"]).await;
    assert!(code != 0 && error.contains("nothing here is of a store elsewhere; there are: "), "{error}");
    let store = error.rsplit(": ").next().unwrap().trim().to_string();
    assert!(logs.contains(&format!("launchway adopt production --project {} --from {store}", world.project)), "{logs}");
    let (code, out, error) = world.launchway(&["adopt", "production", "--from", &store]).await;
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains(&format!("container {}-production-web-1", world.project)), "{out}");
    assert!(out.contains(&format!("volume {}-production_data", world.project)), "{out}");
    world.repository.write("notes.md", "once more");
    let third = world.push("Three");
    assert_eq!(world.ends(&third).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.exec("web", &["cat", "/data/file"]).await, "kept\nkept");
    let (code, _, error) = world.launchway(&["adopt", "production"]).await;
    assert_ne!(code, 0, "{error}");
    assert!(error.contains("there is nothing to adopt"), "{error}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_an_image_decide_nothing() {
    let mut world = World::not_serving(with_edge()).await;
    let victim = format!("{}-victim", world.project);
    let docker = world.engine.docker.clone();
    let volume = VolumeCreateRequest { name: Some(victim.clone()), ..Default::default() };
    docker.create_volume(volume).await.unwrap();
    world.start_edge().await;
    world.serve().await;
    let labels = [
        ("launchway.fills", victim.as_str()),
        ("launchway.role", "front"),
        ("launchway.fronted", "true"),
        ("launchway.edge-address", "127.0.0.1"),
        ("launchway.edge-address-6", "::1"),
        ("launchway.seal", "v1:0:0:0"),
        ("launchway.project", "bank"),
        ("com.docker.compose.project", "bank"),
        ("com.docker.compose.depends_on", "x"),
    ];
    crate::support::app::write_web(&world.repository, "one");
    let dockerfile = world.repository.work().join("web/Dockerfile");
    let mut text = std::fs::read_to_string(&dockerfile).unwrap();
    text.push_str("VOLUME /cache\n");
    for (key, value) in labels {
        text.push_str(&format!("LABEL {key}=\"{value}\"\n"));
    }
    world.repository.write("web/Dockerfile", text);
    let web = WEB.replace("init: true\n", &format!("init: true\n    container_name: {victim}.fill\n"));
    world.repository.write("compose.yaml", format!("services:{web}"));
    let first = world.push("Hostile labels");
    assert_eq!(world.ends(&first).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("one"), "the edge leads where the container is");
    let own = labels_of(&world, &format!("{victim}.fill")).await;
    for key in ["launchway.fills", "launchway.role", "launchway.fronted", "com.docker.compose.depends_on"] {
        assert_eq!(own.get(key).map(String::as_str), Some(""), "{key}");
    }
    assert_eq!(own["launchway.project"], world.project);
    world.exec("web", &["sh", "-c", "echo mine > /cache/file"]).await;

    world.terminate().await;
    world.serve().await;
    world.repository.write("web/version", "two");
    let second = world.push("Two");
    assert_eq!(world.ends(&second).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("two"));
    assert_eq!(world.exec("web", &["cat", "/cache/file"]).await, "mine", "a front's volume goes, an app's does not");
    docker.inspect_volume(&victim).await.expect("nobody removed it");
    world.end().await;
    let options = bollard::query_parameters::RemoveVolumeOptionsBuilder::new().force(true).build();
    docker.remove_volume(&victim, Some(options)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_and_networks_of_another_project_are_out_of_reach() {
    let mut world = with_a_second_project("").await;
    world.repository.write("compose.yaml", shop("one"));
    world.repository.write("evil/compose.yaml", quick(""));
    let first = world.push("Both");
    // Projects that share a repository say which they are.
    let own = format!("launchway/production ({})", world.project);
    assert_eq!(world.ends_in(&first, &own).await.state, "success");
    let (data, network) =
        (format!("{}-production_data", world.project), format!("{}-production_default", world.project));
    let mount = "    volumes: [\"vol:/vol\"]\nvolumes:\n  vol: ";
    let join = "    networks: [net]\nnetworks:\n  net: ";
    let attacks = [
        format!("{mount}{{ external: true, name: {data} }}\n"),
        format!("{mount}{{ name: {data} }}\n"),
        format!("{mount}{{ external: {{ name: {data} }} }}\n"),
        format!("{mount}{{ external: true, name: {data} }}\n").replace("vol:/vol", "vol:/vol:ro"),
        format!("{join}{{ external: true, name: {network} }}\n"),
        format!("{join}{{ name: {network} }}\n"),
        // Not there yet, but the victim's in its own next release.
        format!("{mount}{{ name: {}-production_later }}\n", world.project),
    ];
    for (index, attack) in attacks.iter().enumerate() {
        world.repository.write("evil/compose.yaml", quick(attack));
        let said = evil_ends(&world, &format!("Attack {index}")).await;
        assert!(said.starts_with("failure: "), "{attack}\n{said}");
        let why = [
            "is somebody else's",
            "belongs to somebody else",
            "is a name of ",
            "both want the ",
            " (there at compose.yaml:",
        ];
        assert!(why.iter().any(|why| said.contains(why)), "{attack}\n{said}");
    }
    assert_eq!(world.exec("web", &["cat", "/data/file"]).await, "kept");

    // The way that is allowed: by the exact name, to read.
    let allow = format!("[projects.PROJECT-evil.allow]\nexternal = [\"{data}\"]\n");
    let tables = format!(
        "[projects.PROJECT-evil]\nforge = \"plain\"\nrepository = \"{}\"\nsecret = \"{SECRET}\"\npath = \"evil\"\n\
         [projects.PROJECT-evil.environments.production]\nbranch = \"main\"\nbake = \"0s\"\n{allow}",
        world.repository.bare().display()
    );
    world.configure(&Settings { tables, ..Settings::default() });
    world.terminate().await;
    world.serve().await;
    world.repository.write("evil/compose.yaml", quick(&attacks[0]));
    let said = evil_ends(&world, "To write").await;
    assert!(said.starts_with("failure: "), "{said}");
    world.repository.write("evil/compose.yaml", quick(&attacks[3]));
    let said = evil_ends(&world, "To read").await;
    assert!(said.starts_with("success: "), "{said}\n{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_its_first_owners_with_every_path() {
    let edge = format!("[edge]\nlisten = [\"127.0.0.1:{}\"]\n", free_port());
    let mut world = with_a_second_project(&edge).await;
    world.start_edge().await;
    let web = |host: &str| {
        format!(
            "services:{}    x-launchway: {{ route: {{ {host}, port: 8080 }} }}\n",
            crate::support::app::ready_made_web(&crate::support::app::serve("one"))
                .replace("127.0.0.1:${PORT}:8080", "8080")
        )
    };
    world.repository.write("compose.yaml", web("host: shop.example"));
    world.repository.write("evil/compose.yaml", quick(""));
    let first = world.push("Shop");
    let own = format!("launchway/production ({})", world.project);
    assert_eq!(world.ends_in(&first, &own).await.state, "success", "{}", world.deployment_logs());
    for claim in ["host: SHOP.example., path: /pay", "host: shop.example", "path: /", "path: /pay"] {
        world.repository.write("evil/compose.yaml", web(claim));
        let said = evil_ends(&world, claim).await;
        assert!(said.starts_with("failure: "), "{claim}\n{said}");
    }
    world.repository.write("evil/compose.yaml", web("host: evil.example"));
    let said = evil_ends(&world, "Its own").await;
    assert!(said.starts_with("success: "), "{said}\n{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_of_compose_says_makes_no_container_composes() {
    // `docker run` of an image that `docker compose build` made: it carries the project's labels, innocently.
    let world = World::not_serving(Settings::default()).await;
    let docker = world.engine.docker.clone();
    let project = format!("{}-production", world.project);
    let name = format!("{}-by-hand", world.project);
    let labels = [("com.docker.compose.project", project.as_str()), ("com.docker.compose.service", "web")];
    let body = ContainerCreateBody {
        image: Some(BASE.into()),
        cmd: Some(vec!["sleep".into(), "600".into()]),
        labels: Some(labels.map(|(key, value)| (key.to_string(), value.to_string())).into()),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let id = docker.create_container(Some(options), body).await.unwrap().id;
    docker.start_container(&id, None).await.unwrap();
    let mut world = world;
    world.serve().await;
    crate::support::app::write_quick(&world.repository, "one");
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "success", "{}", world.deployment_logs());
    let filters = HashMap::from([("name", vec![name.clone()])]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    assert_eq!(docker.list_containers(Some(options)).await.unwrap().len(), 1, "it still runs");
    world.end().await;
    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&name, Some(options)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_network_is_joined_by_its_name_in_the_settings() {
    let mut world = World::not_serving(Settings::default()).await;
    let shared = format!("{}-proxy_default", world.project);
    let docker = world.engine.docker.clone();
    docker.create_network(NetworkCreateRequest { name: shared.clone(), ..Default::default() }).await.unwrap();
    world.serve().await;
    let file = quick(&format!("    networks: [n]\nnetworks:\n  n: {{ external: true, name: {shared} }}\n"));
    world.repository.write("compose.yaml", file);
    let first = world.push("Not allowed");
    let shown = world.ends(&first).await;
    assert_eq!(shown.state, "failure");
    let logs = world.deployment_logs();
    assert!(logs.contains(&format!("`allow.external = [\"{shared}\"]`")), "{logs}");
    let tables = format!("[projects.PROJECT.allow]\nexternal = [\"{shared}\"]\n");
    world.terminate().await;
    world.configure(&Settings { tables, ..Settings::default() });
    world.serve().await;
    world.repository.write("notes.md", "allowed");
    let second = world.push("Allowed");
    assert_eq!(world.ends(&second).await.state, "success", "{}", world.deployment_logs());
    world.end().await;
    docker.remove_network(&shared).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upgrade_refuses_is_listed_with_the_lines_to_add_and_going_back_is_not_refused() {
    let mut world = World::not_serving(Settings::default()).await;
    let shared = format!("{}-uploads", world.project);
    let docker = world.engine.docker.clone();
    docker.create_volume(VolumeCreateRequest { name: Some(shared.clone()), ..Default::default() }).await.unwrap();
    let allowing = format!("[projects.PROJECT.allow]\nexternal = [{{ name = \"{shared}\", write = true }}]\n");
    world.configure(&Settings { tables: allowing, ..Settings::default() });
    world.serve().await;
    let file = |version: &str| {
        let web = quick(&format!("    environment: {{ VERSION: \"{version}\" }}\n    volumes: [\"uploads:/u\"]\n"));
        format!("{web}volumes:\n  uploads: {{ external: true, name: {shared} }}\n")
    };
    for version in ["one", "two"] {
        world.repository.write("compose.yaml", file(version));
        let commit = world.push(version);
        assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());
    }
    // As for somebody who upgrades: what ran yesterday is not allowed today.
    world.terminate().await;
    world.configure(&Settings::default());
    world.serve().await;
    let line = format!("external = [{{ name = \"{shared}\", write = true }}]");
    let listed = world
        .until("the lines to add", || async {
            let (_, out, _) = world.launchway(&["status"]).await;
            out.contains(&line).then_some(out)
        })
        .await;
    assert!(listed.contains(&format!("[projects.{}.allow]", world.project)), "{listed}");
    assert!(listed.contains("uses more than launchway.toml allows"), "{listed}");
    let key = world.query("SELECT page_key FROM deployments ORDER BY id DESC LIMIT 1");
    let page = crate::support::world::get(&format!("http://127.0.0.1:{}/deployments/{}", world.port, key.trim())).await;
    assert!(page.as_deref().is_some_and(|page| page.contains("More than launchway.toml allows")), "{page:?}");
    let (code, out, error) = world.launchway(&["rollback", "production"]).await;
    assert_eq!(code, 0, "{out}{error}");
    world.repository.write("compose.yaml", file("three"));
    let refused = world.push("three");
    assert_eq!(world.ends(&refused).await.state, "failure");
    assert!(world.deployment_logs().contains(&format!("`allow.{line}`")), "{}", world.deployment_logs());
    world.end().await;
    let options = bollard::query_parameters::RemoveVolumeOptionsBuilder::new().force(true).build();
    docker.remove_volume(&shared, Some(options)).await.ok();
}
