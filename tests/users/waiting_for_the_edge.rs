//! An edge is set, and none runs: whoever pushes is told, and how to start it.

use crate::support::app::{ready_made_web, serve};
use crate::support::world::{Settings, World, free_port};

async fn without_edge(limits: &str) -> World {
    let tables = format!("[edge]\nlisten = [\"127.0.0.1:{}\"]\n", free_port());
    let settings = Settings { tables, limits: limits.into(), ..Settings::default() };
    let mut world = World::not_serving(settings).await;
    world.serve().await;
    world.repository.write("compose.yaml", format!("services:{}\n", ready_made_web(&serve("first"))));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_waits_for_the_edge_says_so_and_goes_live_once_it_runs() {
    let mut world = without_edge("").await;
    let commit = world.push("First");
    let waits = "Waiting for the edge: `launchway up` or `launchway edge` starts it";
    world
        .until("the commit to be told", || async {
            world.shown(&commit).into_iter().find(|shown| shown.state == "pending" && shown.description == waits)
        })
        .await;
    let (_, status, _) = world.launchway(&["status"]).await;
    assert!(status.contains(waits), "{status}");
    world.start_edge().await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_waits_for_the_edge_in_vain_ends_and_names_no_path_of_the_server() {
    let world = without_edge("prepare = \"3s\"\n").await;
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "error", "{shown:?}");
    assert!(shown.description.contains("no edge answers"), "{shown:?}");
    assert!(shown.description.ends_with("nothing is live yet"), "{shown:?}");
    let whole = world.query("SELECT description FROM deployments");
    assert!(whole.contains("Start it with `launchway edge` or `launchway up`"), "{whole}");
    assert!(!whole.contains("edge.sock") && !whole.contains(world.folder().to_str().unwrap()), "{whole}");
    world.end().await;
}
