//! Images whose names stay while what they name moves on: base images and images that are only named, from a registry
//! that asks who is there.

use crate::support::app::{WEB, write_web};
use crate::support::images::BASE;
use crate::support::registry::Registry;
use crate::support::world::{Settings, World};
use base64::Engine as _;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use launchway::model::CommitId;
use serde_json::Value;

const PASSWORD: &str = "registry-pa55word";

/// A world whose settings have the account, and the registry.
async fn signed_in() -> (World, Registry) {
    let registry = Registry::with_base("ci", PASSWORD, "base one").await;
    let tables = format!("[registries.\"{}\"]\nusername = \"ci\"\npassword = \"{PASSWORD}\"\n", registry.host);
    let world = World::with(Settings { tables, ..Settings::default() }).await;
    (world, registry)
}

/// `web` built from the registry's image: it answers `/` with its version, `/base` with what its base says, and
/// `/built` with what is another at every build.
fn write_on_base(world: &World, registry: &Registry, version: &str) {
    write_web(&world.repository, version);
    let server = "#!/bin/sh\nmkdir -p /www && cp /version /www/index.html && cp /hello /www/base && cp /built /www/built\n\
                  exec httpd -f -p 8080 -h /www\n";
    let dockerfile = format!(
        "FROM {}/app:1\nRUN cat /proc/sys/kernel/random/uuid > /built\nCOPY start version /\nRUN chmod 755 /start\n\
         CMD [\"/start\"]\n",
        registry.host
    );
    world.repository.write("web/start", server).write("web/Dockerfile", dockerfile);
    world.repository.write("compose.yaml", format!("services:{WEB}"));
}

async fn deployed(world: &World, message: &str) -> CommitId {
    let commit = world.push(message);
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    commit
}

async fn asked(world: &World, arguments: &[&str]) -> String {
    let (code, told, error) = world.launchway(arguments).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.deployment_logs());
    told
}

async fn status(world: &World) -> Value {
    serde_json::from_str(&asked(world, &["status", "--json"]).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_image_comes_from_a_private_registry_and_its_digest_is_kept_and_shown() {
    let (world, registry) = signed_in().await;
    write_on_base(&world, &registry, "one");
    deployed(&world, "First").await;
    assert_eq!(world.get("/base").await.as_deref(), Some("base one"));

    let image = status(&world).await["environments"][0]["live"]["images"][0].clone();
    assert_eq!(image["component"], "web");
    assert!(image["image"].as_str().unwrap().starts_with(&format!("launchway/{}/web:", world.project)), "{image}");
    assert_eq!(image["reference"], Value::Null);
    assert!(image["id"].as_str().unwrap().starts_with("sha256:"), "{image}");
    let digest = image["bases"][format!("{}/app:1", registry.host)].as_str().unwrap_or_default().to_string();
    assert!(digest.starts_with("sha256:"), "{image}");
    let key = world.query("SELECT page_key FROM deployments");
    let url = format!("http://127.0.0.1:{}/deployments/{}", world.port, key.trim());
    let page = crate::support::world::get(&url).await.unwrap();
    assert!(page.contains(&format!("based on {}/app:1 ({digest})", registry.host)), "{page}");
    for text in [world.deployment_logs(), world.serve_log(), page] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    world.end_without(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dockers_config_json_serves_builds_and_pulls_too_and_without_an_account_the_registry_is_named() {
    let registry = Registry::with_base("ci", PASSWORD, "base one").await;
    let mut world = World::not_serving(Settings::default()).await;
    let docker = world.folder().join("docker");
    std::fs::create_dir(&docker).unwrap();
    let variables = [("DOCKER_CONFIG", docker.to_str().unwrap())];
    world.serve_with(&variables).await;
    write_on_base(&world, &registry, "one");
    let named = format!(
        "  named: {{ image: '{}/app:1', init: true, stop_grace_period: 1s, command: [sleep, '600'] }}\n",
        registry.host
    );
    world.repository.write("compose.yaml", format!("services:{WEB}{named}"));
    let shown = world.ends(&world.push("Nobody is signed in")).await;
    assert_eq!(shown.state, "failure");
    let log = world.deployment_logs();
    let hint = format!(
        "`docker login {host}` as the user whom Launchway runs as, or [registries.\"{host}\"] in launchway.toml",
        host = registry.host
    );
    assert!(log.contains(&hint), "{log}");

    let auth = base64::engine::general_purpose::STANDARD.encode(format!("ci:{PASSWORD}"));
    let config = serde_json::json!({ "auths": { registry.host.clone(): { "auth": auth } } });
    std::fs::write(docker.join("config.json"), config.to_string()).unwrap();
    deployed(&world, "Somebody is").await;
    assert_eq!(world.get("/base").await.as_deref(), Some("base one"));
    world.end_without(&[format!("{}/app:1", registry.host)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilding_makes_another_image_which_stays_and_the_one_before_can_be_put_back() {
    let (mut world, registry) = signed_in().await;
    write_on_base(&world, &registry, "one");
    deployed(&world, "First").await;
    let first = world.get("/built").await.unwrap();
    registry.put_base("base two");

    // A push that changes nothing changes nothing.
    world.repository.write("README.md", "hello");
    deployed(&world, "Nothing").await;
    assert_eq!(world.get("/built").await.unwrap(), first);

    let told = asked(&world, &["deploy", "--rebuild"]).await;
    assert!(told.contains("Release 3: web replaced"), "{told}");
    let second = world.get("/built").await.unwrap();
    assert_ne!(second, first);
    assert_eq!(world.get("/base").await.as_deref(), Some("base two"));
    let plan = world.query("SELECT plan FROM deployments WHERE id = 3");
    assert!(plan.contains("web: changed (the same content is built anew, on base images as they are now)"), "{plan}");

    // From then on it is the image of this content.
    let running = world.running().await;
    world.repository.write("README.md", "hello again");
    deployed(&world, "Nothing either").await;
    assert_eq!(world.running().await, running);

    asked(&world, &["rollback", "--to", "2"]).await;
    assert_eq!(world.get("/built").await.unwrap(), first);
    asked(&world, &["rollback", "--to", "3"]).await;
    assert_eq!(world.get("/built").await.unwrap(), second);
    let log = world.deployment_logs();
    assert_eq!(log.matches(" building launchway/").count(), 2, "going back builds nothing: {log}");

    // By age, once it is allowed to be no older.
    let compose = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    world.repository.write("compose.yaml", compose + "    x-launchway: { rebuild-after: 7d }\n");
    deployed(&world, "A week is enough").await;
    assert_eq!(world.get("/built").await.unwrap(), second, "it is minutes old");
    world.terminate().await;
    world.change("UPDATE images SET made_at = made_at - 8 * 86400000");
    world.serve().await;
    world.repository.write("README.md", "a week later");
    deployed(&world, "Later").await;
    assert_ne!(world.get("/built").await.unwrap(), second);
    world.end_without(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_stays_what_it_was_until_pull_is_asked_for() {
    let (world, registry) = signed_in().await;
    let line = "mkdir /www; cp /hello /www/index.html; exec httpd -f -p 8080 -h /www";
    let reference = format!("{}/app:1", registry.host);
    let web = WEB.replace("build: ./web", &format!("image: '{reference}'\n    command: [sh, -c, '{line}']"));
    // Beside it one that says its commit, and so is another at every push.
    let told = format!(
        "  told: {{ image: {BASE}, pull_policy: never, init: true, command: [sleep, '600'], environment: [\"C=${{LAUNCHWAY_COMMIT}}\"] }}\n"
    );
    world.repository.write("compose.yaml", format!("services:{web}{told}"));
    deployed(&world, "First").await;
    assert_eq!(world.get("/").await.as_deref(), Some("base one"));
    let running = world.running().await;

    let newer = registry.put_base("base two");
    world.repository.write("README.md", "hello");
    let second = deployed(&world, "Nothing").await;
    let now = world.running().await;
    assert_eq!(now["web"], running["web"]);
    assert_ne!(now["told"], running["told"]);
    assert_eq!(world.exec("told", &["sh", "-c", "echo $C"]).await, second.as_str());

    // Somebody else pulls it: the name is another image's now.
    let docker = &world.engine.docker;
    let before = docker.inspect_image(&reference).await.unwrap().id;
    let (username, password) = (Some("ci".to_string()), Some(PASSWORD.to_string()));
    let account = DockerCredentials { username, password, ..Default::default() };
    let options = CreateImageOptionsBuilder::new().from_image(&reference).build();
    docker.create_image(Some(options), None, Some(account)).try_collect::<Vec<_>>().await.unwrap();
    assert_ne!(docker.inspect_image(&reference).await.unwrap().id, before);
    asked(&world, &["deploy"]).await;
    assert_eq!(world.running().await["web"], running["web"]);
    world.repository.write("README.md", "hello again");
    deployed(&world, "Nothing again").await;
    assert_eq!(world.running().await["web"], running["web"]);

    let told = asked(&world, &["deploy", "--pull"]).await;
    assert!(told.contains(": web replaced"), "{told}");
    assert_eq!(world.get("/").await.as_deref(), Some("base two"));
    let image = status(&world).await["environments"][0]["live"]["images"][1].clone();
    assert_eq!(image["reference"], reference.as_str());
    assert_eq!(image["image"], format!("{}/app@{newer}", registry.host));

    let before = world.query("SELECT json_extract(parts, '$.web.image.pinned') FROM releases WHERE id = 1");
    asked(&world, &["rollback"]).await;
    assert_eq!(world.get("/").await.as_deref(), Some("base one"));
    world.end_without(&[reference, before.trim().to_string()]).await;
}
