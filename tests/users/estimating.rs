//! What work takes is noted, and what a deployment still takes is said.

use crate::support::app::{STORE, WEB, write_web};
use crate::support::images::BASE;
use crate::support::world::{Settings, World};

/// The shop, with an image whose build takes a while after the first step that sees a change.
fn write_slow(world: &World, version: &str) {
    write_web(&world.repository, version);
    let after = "    depends_on: { store: { condition: service_healthy } }\n";
    world.repository.write("compose.yaml", format!("services:{WEB}{after}{STORE}volumes: {{ data: {{}} }}\n"));
    let project = &world.project;
    world.repository.write(
        "web/Dockerfile",
        format!(
            "FROM {BASE}\nRUN echo {project} > /tools\nCOPY start version /\nRUN chmod 755 /start && sleep 2\nCMD [\"/start\"]\n"
        ),
    );
}

/// All that a deployment's commit was told, in order.
fn told(world: &World, deployment: i64) -> String {
    world.query(&format!("SELECT description FROM outbox WHERE deployment = {deployment} ORDER BY id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_pushes_the_fourth_is_told_what_is_left() {
    let world = World::new().await;
    for version in ["one", "two", "three", "four"] {
        write_slow(&world, version);
        let shown = world.ends(&world.push(version)).await;
        assert_eq!(shown.state, "success", "{version}: {shown:?}\n{}", world.deployment_logs());
    }
    let first = told(&world, 1);
    assert!(first.contains("Building web (1 of 1)\n"), "{first}");
    assert!(!first.contains("about"), "without a history nothing is said: {first}");
    let fourth = told(&world, 4);
    let building = fourth.lines().find(|line| line.starts_with("Building")).unwrap();
    assert!(building.starts_with("Building web (1 of 1), about ") && building.ends_with(" s left"), "{fourth}");
    let deploying = fourth.lines().find(|line| line.starts_with("Deploying")).unwrap();
    assert!(deploying.starts_with("Deploying web (1 of 1), about ") && deploying.ends_with(" s left"), "{fourth}");
    assert!(first.contains("\nDeploying store (1 of 2)\nDeploying web (2 of 2)\n"), "each with its number: {first}");
    let second = told(&world, 2);
    let counts = (second.lines().count(), fourth.lines().count());
    assert_eq!(counts.0, counts.1, "no more statuses than without it:\n{second}\n{fourth}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_build_is_told_when_it_has_its_slot_and_what_waited_for_one_is_noted() {
    let world = World::with(Settings { limits: "builds = 1".into(), ..Settings::default() }).await;
    let mut services = String::from("services:\n");
    for name in ["a", "b", "c"] {
        services.push_str(&format!(
            "  {name}: {{ build: ./{name}, init: true, stop_grace_period: 1s, command: [sleep, '600'] }}\n"
        ));
        let dockerfile = format!("FROM {BASE}\nRUN echo {} {name} > /tools && sleep 1\n", world.project);
        world.repository.write(&format!("{name}/Dockerfile"), dockerfile);
    }
    world.repository.write("compose.yaml", services);
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    let told = told(&world, 1);
    let building: Vec<&str> = told.lines().filter(|line| line.starts_with("Building")).collect();
    assert_eq!(building, ["Building a (1 of 3)", "Building b (2 of 3)", "Building c (3 of 3)"]);
    assert!(world.deployment_logs().contains("waits for a slot to build in (limits.builds in launchway.toml)"));
    let waited =
        "SELECT subject, outcome, ended_at - started_at >= 1000 FROM work WHERE kind = 'wait' ORDER BY subject";
    world.until_store_says(waited, "a slot to build b|done|1\na slot to build c|done|1").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_deployment_is_noted_with_its_kinds() {
    let environment = Some("branch = \"main\"\nbake = \"1s\"".to_string());
    let world = World::with(Settings { environment, ..Settings::default() }).await;
    let of = |deployment: i64| {
        let sql = "SELECT DISTINCT component, kind, outcome FROM work WHERE kind <> 'other' AND deployment = ";
        world.query(&format!("{sql}{deployment} ORDER BY component, kind"))
    };
    write_slow(&world, "one");
    world.ends(&world.push("First")).await;
    let first = "|bake|done\n|fetch|done\nstore|create|done\nstore|ready|done\nstore|start|done\n\
                 web|build|done\nweb|create|done\nweb|ready|done\nweb|start|done\n";
    assert_eq!(of(1), first);
    write_slow(&world, "two");
    world.ends(&world.push("Second")).await;
    let second = "|bake|done\n|fetch|done\nweb|build|done\nweb|create|done\nweb|ready|done\nweb|remove|done\n\
                  web|start|done\nweb|stop|done\n";
    world.until("the record of the second", async || (of(2) == second).then_some(())).await;
    let detail = |deployment: i64| {
        let of = |key: &str| format!("json_extract(detail, '$.{key}')");
        let keys = [of("steps"), of("cached"), format!("{} > 0", of("context_bytes")), of("invalidated_at")].join(", ");
        world.query(&format!("SELECT {keys} FROM work WHERE kind = 'build' AND deployment = {deployment}"))
    };
    assert_eq!(detail(1), format!("3|0|1|RUN echo {} > /tools\n", world.project));
    assert_eq!(detail(2), "3|1|1|COPY start version /\n");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_a_crash_cuts_off_leaves_no_row() {
    let mut world = World::new().await;
    write_slow(&world, "one");
    let commit = world.push("First");
    world.until_log("building ").await;
    world.kill();
    let cut_off = world.query("SELECT kind FROM work WHERE component <> ''");
    assert_eq!(cut_off, "", "the build had not ended");
    world.serve().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(world.query("SELECT outcome FROM work WHERE kind = 'build'"), "done\n");
    assert_eq!(world.query("SELECT count(*) FROM work WHERE ended_at < started_at"), "0\n");
    world.end().await;
}
