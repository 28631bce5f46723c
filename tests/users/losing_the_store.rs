//! Launchway's own data is lost, or a second Launchway deploys under the same names: nothing that runs is touched until somebody
//! says whose it is, and no row of a customer is lost.

use crate::support::app::{ready_made_web, serve};
use crate::support::load::Load;
use crate::support::world::World;

const STORE: &str = "
  store:
    image: launchway/base:busybox
    init: true
    stop_grace_period: 1s
    command: [sleep, '600']
    volumes: ['rows:/rows', '/cache']
";

fn shop(version: &str) -> String {
    format!("services:{}{STORE}volumes: {{ rows: {{}} }}\n", ready_made_web(&serve(version)))
}

/// A shop that serves, with rows of customers in a named volume and in an unnamed one.
async fn with_customers(world: &World) {
    world.repository.write("compose.yaml", shop("one"));
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "success", "{}", world.deployment_logs());
    world.exec("store", &["sh", "-c", "seq 1000 > /rows/customers; seq 500 > /cache/carts"]).await;
}

async fn rows(world: &World) -> String {
    world.exec("store", &["sh", "-c", "cat /rows/customers | wc -l; cat /cache/carts | wc -l"]).await
}

/// The store's id, as the deployment that ended names it.
fn store_in(logs: &str) -> String {
    let (_, rest) = logs.split_once(" --from ").unwrap_or_else(|| panic!("{logs}"));
    rest.split('`').next().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_data_directory_was_lost_everything_runs_on_and_is_taken_over_when_somebody_says_so() {
    let mut world = World::new().await;
    with_customers(&world).await;
    let (before, counted) = (world.running().await, rows(&world).await);
    assert_eq!(counted, "1000\n500");
    let load = Load::start(world.app_port);
    world.terminate().await;
    std::fs::remove_dir_all(world.data()).unwrap();
    world.serve().await;
    world.until_said("The tip of a new project is noted").await;

    // Number 1 of this store is not number 1 of the one before.
    world.repository.write("compose.yaml", shop("two"));
    let second = world.push("Two");
    let shown = world.ends(&second).await;
    assert_eq!(shown.state, "failure", "{}", shown.description);
    assert_eq!(world.running().await, before, "{}", world.deployment_logs());
    let told = load.end().await;
    assert!(told.answered > 10 && told.failed.is_empty(), "{told:?}");
    assert_eq!(told.bodies.iter().collect::<Vec<_>>(), ["one"]);
    let store = store_in(&world.deployment_logs());

    let (code, out, error) = world.launchway(&["adopt", "production", "--from", &store]).await;
    assert_eq!(code, 0, "{out}{error}");
    // What is taken over is gone back to where the next one fails.
    let broken = shop("three").replace("exec httpd", "exit 7; exec httpd");
    world.repository.write("compose.yaml", broken);
    let third = world.push("It exits");
    assert_eq!(world.ends(&third).await.state, "failure");
    assert_eq!(world.get("/").await.as_deref(), Some("one"), "{}", world.deployment_logs());
    assert_eq!(rows(&world).await, counted);
    world.repository.write("compose.yaml", shop("four"));
    let fourth = world.push("Four");
    assert_eq!(world.ends(&fourth).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("four"));
    assert_eq!(rows(&world).await, counted, "{}", world.deployment_logs());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_launchway_under_the_same_names_touches_nothing_of_the_first() {
    let mut world = World::new().await;
    with_customers(&world).await;
    let (before, counted) = (world.running().await, rows(&world).await);
    world.terminate().await;

    // The second one, with a data directory of its own, beside the first one's that stays as it is.
    let first = world.data().with_extension("first");
    std::fs::rename(world.data(), &first).unwrap();
    world.serve().await;
    let load = Load::start(world.app_port);
    world.repository.write("compose.yaml", shop("two"));
    let second = world.push("Two");
    world.until_said("The tip of a new project is noted").await;
    for _ in 0..2 {
        let (code, out, error) = world.launchway(&["deploy", "--commit", second.as_str()]).await;
        assert_ne!(code, 0, "{out}{error}");
    }
    let (_, _, error) = world.launchway(&["gc"]).await;
    assert_eq!(world.running().await, before, "{error}\n{}", world.deployment_logs());
    let told = load.end().await;
    assert!(told.answered > 10 && told.failed.is_empty(), "{told:?}");
    assert_eq!(rows(&world).await, counted);
    assert!(world.deployment_logs().contains("made by another Launchway with the store "));

    // The first one goes on as if nothing had been.
    world.terminate().await;
    std::fs::remove_dir_all(world.data()).unwrap();
    std::fs::rename(&first, world.data()).unwrap();
    world.serve().await;
    world.repository.write("notes.md", "four");
    let next = world.push("Four");
    assert_eq!(world.ends(&next).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(rows(&world).await, counted);
    world.end().await;
}
