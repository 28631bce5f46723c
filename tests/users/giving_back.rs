//! An environment goes back to Docker Compose: ports and names as Compose has them, data as it was.

use super::moving_traffic::deployed;
use crate::support::app::{STORE, ready_made_web, serve};
use crate::support::images::BASE;
use crate::support::world::{Settings, World, signal};
use std::process::{Command, Output};

/// `web` behind the edge and called by `caller`, after `store`, which keeps a file on a volume.
fn services(version: &str) -> String {
    let web = ready_made_web(&serve(version));
    let after = "    depends_on: { store: { condition: service_healthy } }\n";
    let caller = format!(
        "  caller:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [\"sleep\", \"600\"]\n    environment: {{ WEB: \"http://web:8080\" }}\n"
    );
    format!("services:{web}{after}{STORE}{caller}volumes: {{ data: {{}} }}\n")
}

async fn live() -> World {
    let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    world.repository.write("compose.yaml", services("one"));
    deployed(&world, "First").await;
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    world
}

/// Who published or opened what, by the containers' names.
async fn picture(world: &World) -> Vec<String> {
    world.on_the_engine().await
}

async fn volume_made_at(world: &World) -> String {
    let name = format!("{}-production_data", world.project);
    world.engine.docker.inspect_volume(&name).await.unwrap().created_at.map(|at| at.to_string()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_given_back_with_its_data_and_its_ports() {
    let mut world = live().await;
    assert_eq!(
        picture(&world).await,
        [
            "container app-caller-1 running",
            "container app-store-1 running",
            "container app-web-1 running",
            "container app-web-front running",
            "network app_default",
            "network app_launchway",
            "volume app_data"
        ]
    );
    let before = world.running().await;
    let made = volume_made_at(&world).await;
    let starts = world.exec("store", &["cat", "/data/starts"]).await;

    let (code, out, err) = world.launchway(&["give-back"]).await;
    assert_eq!(code, 0, "{out}{err}\n{}", world.deployment_logs());
    assert_eq!(
        picture(&world).await,
        [
            "container app-caller-1 running",
            "container app-store-1 running",
            "container app-web-1 running",
            "network app_default",
            "volume app_data"
        ]
    );
    // The engine publishes it: the edge is not needed any more.
    world.kill_edge();
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    assert_eq!(world.running().await["store"], before["store"], "what the edge never had was not touched");
    assert_eq!(volume_made_at(&world).await, made);
    assert_eq!(world.exec("store", &["cat", "/data/starts"]).await, starts);

    // From now on it is somebody else's: a push waits.
    world.repository.write("compose.yaml", services("two"));
    let commit = world.push("Nobody is to deploy it");
    world.until_deployment(&commit, &["waiting"]).await;
    let (_, status, _) = world.launchway(&["status"]).await;
    assert!(status.contains("given back to Docker Compose"), "{status}");
    world.break_off();
}

/// Where the engine's machine has Compose, it is what takes over.
#[tokio::test(flavor = "multi_thread")]
async fn compose_takes_over_what_was_given_back() {
    if !compose(&["version"]).status.success() {
        // Docker 20.10 of Debian has no Compose.
        return;
    }
    let mut world = live().await;
    let made = volume_made_at(&world).await;
    let starts = world.exec("store", &["cat", "/data/starts"]).await;
    let (code, out, err) = world.launchway(&["give-back"]).await;
    assert_eq!(code, 0, "{out}{err}\n{}", world.deployment_logs());
    world.kill_edge();
    let (name, file) = (format!("{}-production", world.project), world.repository.work().join("compose.yaml"));
    let port = world.app_port.to_string();
    let up = Command::new("docker")
        .args(["compose", "-p", &name, "-f", file.to_str().unwrap(), "up", "-d", "--wait"])
        .env("PORT", &port)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&up.stdout), String::from_utf8_lossy(&up.stderr));
    assert!(up.status.success(), "{said}");
    assert!(!said.contains("Recreate this volume") && !said.contains("orphan"), "{said}");
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    assert_eq!(volume_made_at(&world).await, made, "{said}");
    let listed = compose(&["-p", &name, "exec", "-T", "store", "cat", "/data/starts"]);
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with(&starts), "{listed:?}");
    // What Compose made has none of our labels.
    let down = compose(&["-p", &name, "down", "-v", "-t", "1"]);
    assert!(down.status.success(), "{down:?}");
    world.break_off();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_settings_is_given_back_without_being_put_back() {
    let mut world = World::not_serving(Settings::default()).await;
    let staging = format!(
        "[edge]\n[projects.PROJECT.environments.staging]\nbranch = \"main\"\nbake = \"0s\"\nvariables = {{ PORT = \"{}\" }}\n",
        world.app_port
    );
    let elsewhere = || Some("branch = \"other\"\nbake = \"0s\"".to_string());
    world.configure(&Settings { environment: elsewhere(), tables: staging, ..Settings::default() });
    world.start_edge().await;
    world.serve().await;
    world.repository.write("compose.yaml", services("one"));
    let shown = world.ends_in(&world.push("Staging"), "launchway/staging").await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    let before = world.running().await;

    world.configure(&Settings { environment: elsewhere(), tables: "[edge]\n".into(), ..Settings::default() });
    signal(world.pid(), "HUP");
    world.until_said("The settings were read again").await;
    let name = format!("{}/staging", world.project);
    let (_, status, _) = world.launchway(&["status"]).await;
    assert!(status.contains(&format!("`launchway give-back {name}` gives it back")), "{status}");
    let (code, told, error) = world.launchway(&["give-back", &name]).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.deployment_logs());
    let compose = format!("`docker compose -p {}-staging up -d` takes it over", world.project);
    assert!(told.contains(&compose) && told.contains(&format!("{}-staging_data", world.project)), "{told}");
    world.kill_edge();
    assert_eq!(world.get("/").await.as_deref(), Some("one"), "the engine publishes it");
    assert_eq!(world.running().await["store"], before["store"], "what the edge never had was not touched");
    let left = picture(&world).await;
    assert!(!left.iter().any(|line| line.contains("front") || line.contains("launchway")), "{left:?}");
    let (_, status, _) = world.launchway(&["status"]).await;
    assert!(!status.contains("is not in launchway.toml"), "it is forgotten: {status}");
    let (code, told, error) = world.launchway(&["give-back", &name]).await;
    assert!(code != 0 && error.contains("staging"), "{told}{error}");
    world.end().await;
}

pub(super) fn compose(arguments: &[&str]) -> Output {
    Command::new("docker").arg("compose").args(arguments).output().unwrap()
}
