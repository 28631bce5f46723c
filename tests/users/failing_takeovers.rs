//! A first deployment that fails leaves the stack that it was to take over as it found it: the same containers under the
//! same names, running, with their volumes; what it made itself is gone.

use super::taking_over::{in_container, of_the_project, services, started_by_hand, taken_away};
use crate::support::world::{Settings, World};
use std::collections::HashMap;

/// The state of each container: name -> running since.
async fn running(world: &World) -> HashMap<String, bool> {
    let mut all = HashMap::new();
    for (name, id) in of_the_project(world).await {
        let state = world.engine.docker.inspect_container(&id, None).await.unwrap().state.unwrap();
        all.insert(name, state.running.unwrap());
    }
    all
}

/// Compose's own container has what was written in it.
async fn has_its_files(world: &World, web: &str) {
    in_container(world, web, "[ $(cat /data/file) = precious ] && [ $(cat /cache/file) = kept ]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deployment_that_fails_leaves_what_it_was_to_take_over() {
    let mut world = World::not_serving(Settings::default()).await;
    let docker = world.engine.docker.clone();
    let name = format!("{}-production", world.project);
    world.repository.write("compose.yaml", services("by-hand"));
    started_by_hand(&world).await;
    let before = of_the_project(&world).await;
    in_container(&world, &before["app-web-1"], "echo precious > /data/file; echo kept > /cache/file").await;
    world.mute_hook();
    world.serve().await;
    world.until_said("Launchway is ready").await;

    // It exits; its migration fails; it never gets ready; a port cannot be opened by the engine.
    let file = services("one");
    let exits = file.replace("exec httpd -f -p 8080", "exit 7; true");
    let migration = file.replace(
        "    depends_on: [store]",
        "    depends_on: [store]\n    x-launchway: { release-command: [sh, -c, \"exit 3\"] }",
    );
    let unhealthy = file.replace(
        "    depends_on: [store]",
        "    depends_on: [store]\n    x-launchway: { ready-timeout: 4s }\n    healthcheck: { test: [\"CMD\", \"false\"], interval: 1s, retries: 1 }",
    );
    for (what, file) in [("It exits", exits), ("Its migration fails", migration), ("It is unhealthy", unhealthy)] {
        world.repository.write("compose.yaml", file);
        world.push(what);
        let (code, out, error) = world.launchway(&["deploy"]).await;
        assert_ne!(code, 0, "{what}: {out}{error}");
        let told = world.query("SELECT description FROM deployments ORDER BY id DESC LIMIT 1");
        assert!(told.contains("what ran before runs again"), "{what}: {told}\n{}", world.deployment_logs());
        assert_eq!(of_the_project(&world).await, before, "{what}: {}", world.deployment_logs());
        assert!(running(&world).await.values().all(|is| *is), "{what}: {:?}", running(&world).await);
        assert_eq!(world.get("/").await.as_deref(), Some("by-hand"), "{what}");
        has_its_files(&world, &before["app-web-1"]).await;
    }

    // Somebody cancels it in the middle, and the server dies on the way back.
    let slow = services("two").replace("mkdir -p /www", "sleep 600; mkdir -p /www").replace(
        "    depends_on: [store]",
        "    depends_on: [store]\n    healthcheck: { test: [\"CMD\", \"wget\", \"-qO-\", \"http://127.0.0.1:8080/\"], interval: 1s, retries: 600 }",
    );
    world.repository.write("compose.yaml", slow);
    let commit = world.push("It hangs");
    let (code, out, error) = world.launchway(&["deploy", "--no-wait"]).await;
    assert_eq!(code, 0, "{out}{error}");
    world.until_deployment(&commit, &["deploying"]).await;
    world
        .until("Compose's web to be stopped", || async {
            let state = docker.inspect_container(&before["app-web-1"], None).await.ok()?.state?;
            (!state.running?).then_some(())
        })
        .await;
    world.kill();
    world.serve().await;
    let id = world.query("SELECT max(id) FROM deployments");
    let (_, out, error) = world.launchway(&["cancel", id.trim()]).await;
    world.until_deployment(&commit, &["cancelled"]).await;
    assert_eq!(of_the_project(&world).await, before, "{out}{error}{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("by-hand"));
    has_its_files(&world, &before["app-web-1"]).await;

    // Once one is good, it takes over all the same.
    world.repository.write("compose.yaml", services("three"));
    world.push("Good");
    let (code, out, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{out}{error}\n{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("three"));
    assert_eq!(world.exec("web", &["cat", "/data/file", "/cache/file"]).await, "precious\nkept");
    assert_eq!(world.query("SELECT count(*) FROM found").trim(), "0");
    world.end().await;
    taken_away(&docker, &name).await;
}
