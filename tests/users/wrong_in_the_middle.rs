//! What goes wrong beside a deployment: a replica dies while it drains, somebody removes a network, and two environments
//! are deployed at the same moment.

use super::fronts;
use super::moving_traffic::{deployed, web_socket, world, write, write_answering};
use crate::support::base_image::resolving;
use crate::support::load::Load;
use crate::support::world::{Settings, World, free_port, get};
use bollard::models::NetworkDisconnectRequest;
use bollard::query_parameters::KillContainerOptions;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Its last request goes with it; everybody else has the new one already, and nothing waits for a limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_while_it_drains_holds_nothing_up() {
    let world = world().await;
    write_answering(&world.repository, "one", "    x-launchway: { drain: 10m }");
    deployed(&world, "First").await;
    let old = world.running().await["web"].clone();
    // It has something to finish for as long as it lives.
    let mut socket = web_socket(&world).await;
    let load = Load::start(world.app_port);
    write_answering(&world.repository, "new", "    x-launchway: { drain: 10m }");
    let second = world.push("Second");
    world.until("the new one to be led to", || async { (world.get("/").await? == "new").then_some(()) }).await;
    // Its successor has its name, so it is on its way out; it runs, because its last request is waited for.
    world
        .until("it to be drained", || async {
            let found = world.engine.docker.inspect_container(&old, None).await.unwrap();
            let runs = found.state.unwrap().running == Some(true);
            (runs && found.name.unwrap().contains(".old-")).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.query("SELECT count(*) FROM deployments WHERE ended_at IS NULL").trim(), "1");
    world.engine.docker.kill_container(&old, None::<KillContainerOptions>).await.unwrap();
    let shown = world.ends(&second).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    let told = load.end().await;
    assert!(told.failed.is_empty(), "{} of {} failed: {:?}", told.failed.len(), told.answered, told.failed);
    let logs = world.deployment_logs();
    assert!(logs.contains("it has ended while it still had 1 connection"), "{logs}");
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    world.end().await;
}

/// Everything is taken off a network and the network removed: the next deployment makes it anew, with what was on it.
async fn network_removed(world: &World, name: &str) {
    let docker = &world.engine.docker;
    let found = docker.inspect_network(name, None).await.unwrap();
    for id in found.containers.unwrap_or_default().into_keys() {
        let off = NetworkDisconnectRequest { container: id, force: Some(true) };
        docker.disconnect_network(name, off).await.unwrap();
    }
    docker.remove_network(name).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_somebody_removed_is_made_anew_with_all_that_was_on_it() {
    let world = world().await;
    resolving(&world.engine.docker).await;
    fronts::write(&world.repository, "one", "    ports: [\"127.0.0.1:${PORT}:8080\"]");
    deployed(&world, "First").await;
    assert_eq!(world.get("/").await.as_deref(), Some("one\n"));
    let before = world.on_the_engine().await;
    for (network, version) in [("launchway", "two"), ("default", "three")] {
        network_removed(&world, &format!("{}-production_{network}", world.project)).await;
        // It says so before anybody repairs it.
        world
            .until("the removal to be seen", || async {
                let (_, status, _) = world.launchway(&["status"]).await;
                status
                    .contains(&format!("not attached to network {}-production_{network}", world.project))
                    .then_some(())
            })
            .await;
        fronts::write(&world.repository, version, "    ports: [\"127.0.0.1:${PORT}:8080\"]");
        deployed(&world, version).await;
        assert_eq!(world.get("/").await.unwrap_or_default().trim(), version);
        assert_eq!(world.on_the_engine().await, before);
        world
            .until("calls to be answered", || async { fronts::told(&world).await.0.contains(version).then_some(()) })
            .await;
    }
    world.end().await;
}

/// Two environments of one file, begun by one push each at the same moment: each gets its own of everything.
#[tokio::test(flavor = "multi_thread")]
async fn two_environments_are_deployed_at_the_same_moment() {
    let other_port = free_port();
    let tables = format!(
        "[edge]\n[projects.PROJECT.environments.staging]\nbranch = \"develop\"\nbake = \"0s\"\n[projects.PROJECT.environments.staging.variables]\nPORT = \"{other_port}\"\n"
    );
    let mut world = World::not_serving(Settings { tables, ..Settings::default() }).await;
    world.start_edge().await;
    world.serve().await;
    for version in ["one", "two", "three"] {
        write(&world.repository, version, "");
        let commit = world.repository.commit(version);
        world.repository.git(&["push", "origin", "HEAD:main", "HEAD:develop"]);
        for context in ["launchway/production", "launchway/staging"] {
            let shown = world.ends_in(&commit, context).await;
            assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
        }
        for port in [world.app_port, other_port] {
            assert_eq!(get(&format!("http://127.0.0.1:{port}/")).await.as_deref(), Some(version));
        }
    }
    let both = "SELECT count(*) FROM deployments a JOIN deployments b ON a.commit_id = b.commit_id AND a.environment < b.environment
        WHERE a.started_at < b.ended_at AND b.started_at < a.ended_at";
    assert_ne!(world.query(both).trim(), "0", "they ran at the same time");
    let mut addresses = Vec::new();
    for container in world.containers().await {
        let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        addresses.extend(networks.into_values().filter_map(|network| network.ip_address));
    }
    assert_eq!(addresses.len(), 4, "each is on its environment's network and on the edge's: {addresses:?}");
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 4, "no address twice: {addresses:?}");
    let left = world.on_the_engine().await;
    assert_eq!(left.iter().filter(|line| line.starts_with("network")).count(), 4, "{left:?}");
    world.end().await;
}
