//! Apps as people write them: jobs, mounted files, volumes, replicas, shared networks.

use crate::support::app::{STORE, WEB};
use crate::support::images::BASE;
use crate::support::world::{Shown, World};

/// A service that stays up, with whatever is added to it.
fn service(name: &str, more: &str) -> String {
    format!(
        "\n  {name}:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n    healthcheck: {{ test: ['CMD', 'true'], interval: 1s }}\n{more}"
    )
}

/// Pushes the services as `compose.yaml`, and gives what the commit shows in the end.
async fn deploy(world: &World, services: &str) -> Shown {
    world.repository.write("compose.yaml", format!("services:{services}"));
    world.ends(&world.push("A change")).await
}

async fn succeeds(world: &World, services: &str) {
    let shown = deploy(world, services).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
}

/// A job that notes each run on the volume that `web` shows.
const MIGRATE: &str = r#"
  migrate:
    image: launchway-test/base:1
    command: [sh, -c, "echo run >> /data/runs; ${OUTCOME:-true}"]
    volumes: ["data:/data"]
  web:
    image: launchway-test/base:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "cat /data/runs && sleep 600"]
    environment: { VERSION: "1" }
    volumes: ["data:/data"]
    healthcheck: { test: ['CMD', 'true'], interval: 1s }
    depends_on: { migrate: { condition: service_completed_successfully } }
volumes: { data: {} }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_before_what_waits_for_it_and_again_only_when_that_changes() {
    let world = World::new().await;
    succeeds(&world, MIGRATE).await;
    let runs = || world.exec("web", &["cat", "/data/runs"]);
    assert_eq!(runs().await, "run", "web needs the file of the job to stay up");

    world.repository.write("README.md", "unrelated");
    world.ends(&world.push("Unrelated")).await;
    assert_eq!(runs().await, "run");

    succeeds(&world, &MIGRATE.replace("VERSION: \"1\"", "VERSION: \"2\"")).await;
    assert_eq!(runs().await, "run\nrun", "what waits for the job changed");
    let before = world.running().await;

    let shown = deploy(
        &world,
        &MIGRATE.replace("VERSION: \"1\"", "VERSION: \"3\"").replace("${OUTCOME:-true}", "echo no table; exit 4"),
    )
    .await;
    assert_eq!(shown.state, "failure");
    assert!(
        shown.description.contains("migrate-1 exited with code 4")
            && shown.description.contains("no table; release 3 is"),
        "{shown:?}"
    );
    assert_eq!(before, world.running().await, "web was never touched");
    assert_eq!(
        world.on_the_engine().await,
        ["container app-migrate-1 exited", "container app-web-1 running", "network app_default", "volume app_data"]
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_commit_are_mounted_and_a_change_of_one_replaces_only_its_component() {
    let world = World::new().await;
    // Its own content, so that no other test's volumes are the same.
    let unique = |text: &str| format!("{text} of {}\n", world.project);
    world
        .repository
        .write("site/index.html", unique("one"))
        .write("app.conf", unique("conf"))
        .write("token", unique("token"));
    let services = service(
        "site",
        "    read_only: true\n    volumes: ['./site:/www:ro', './app.conf:/etc/app.conf:ro']\n    secrets: [token]\n    configs: [{ source: greeting, target: /etc/greeting }]\n",
    ) + &service("other", "    volumes: ['./app.conf:/etc/app.conf:ro']\n")
        + "secrets: { token: { file: ./token } }\nconfigs: { greeting: { content: 'hello' } }\n";
    succeeds(&world, &services).await;
    let cat = |path: &'static str| {
        let world = &world;
        async move { world.exec("site", &["cat", path]).await }
    };
    assert_eq!(cat("/www/index.html").await, unique("one").trim());
    assert_eq!(cat("/etc/app.conf").await, unique("conf").trim());
    assert_eq!(cat("/run/secrets/token").await, unique("token").trim());
    assert_eq!(cat("/etc/greeting").await, "hello");

    let before = world.running().await;
    world.repository.write("site/index.html", unique("two"));
    succeeds(&world, &services).await;
    let after = world.running().await;
    assert_eq!(cat("/www/index.html").await, unique("two").trim());
    assert_eq!(before["other"], after["other"]);
    assert_ne!(before["site"], after["site"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_keeps_survives_its_replacements() {
    let world = World::new().await;
    let app = |version: u32| {
        service(
            "app",
            &format!("    environment: {{ VERSION: '{version}' }}\n    volumes: ['kept:/kept', '/unnamed']\n"),
        ) + "volumes: { kept: {} }\n"
    };
    succeeds(&world, &app(1)).await;
    for version in 2..=4 {
        world
            .exec("app", &["sh", "-c", &format!("echo {version} >> /kept/file; echo {version} >> /unnamed/file")])
            .await;
        let before = world.running().await;
        succeeds(&world, &app(version)).await;
        assert_ne!(before, world.running().await);
    }
    assert_eq!(world.exec("app", &["cat", "/kept/file", "/unnamed/file"]).await, "2\n3\n4\n2\n3\n4");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn components_come_and_go_and_volumes_stay() {
    let world = World::new().await;
    let volume = "volumes: { data: {} }\n";
    succeeds(&world, &format!("{}{volume}", service("web", "    volumes: ['data:/data']\n"))).await;
    let web = world.running().await["web"].clone();

    succeeds(&world, &format!("{}{}{volume}", service("web", "    volumes: ['data:/data']\n"), service("worker", "")))
        .await;
    let both = world.running().await;
    assert_eq!((both.len(), &both["web"]), (2, &web), "adding one touches no other");

    let shown = deploy(&world, &service("worker", "")).await;
    assert_eq!(shown.state, "success");
    assert!(shown.description.contains("web removed"), "{shown:?}");
    assert_eq!(
        world.on_the_engine().await,
        ["container app-worker-1 running", "network app_default", "volume app_data"],
        "its volume stays"
    );
    assert_eq!(world.running().await["worker"], both["worker"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_run_side_by_side_and_are_taken_back() {
    let world = World::new().await;
    succeeds(&world, &service("web", "    deploy: { replicas: 2 }\n")).await;
    assert_eq!(
        world.on_the_engine().await,
        ["container app-web-1 running", "container app-web-2 running", "network app_default"]
    );
    let before = world.containers().await.into_iter().map(|c| c.id).collect::<Vec<_>>();
    succeeds(&world, &service("web", "    deploy: { replicas: 1 }\n")).await;
    assert_eq!(world.on_the_engine().await, ["container app-web-1 running", "network app_default"]);
    let after = world.containers().await.into_iter().map(|c| c.id).collect::<Vec<_>>();
    assert_eq!(before[0], after[0], "the one that stays is not touched");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_changes_replaces_only_who_uses_it() {
    let world = World::new().await;
    world.repository.write(".env", "GREETING=hello\nPLACE=here\n");
    let services = service("greeter", "    environment: { GREETING: '${GREETING}' }\n")
        + &service("placed", "    environment: { PLACE: '${PLACE}' }\n");
    succeeds(&world, &services).await;
    assert_eq!(world.exec("greeter", &["sh", "-c", "echo $GREETING"]).await, "hello");
    let before = world.running().await;
    world.repository.write(".env", "GREETING=goodbye\nPLACE=here\n");
    succeeds(&world, &services).await;
    let after = world.running().await;
    assert_eq!(world.exec("greeter", &["sh", "-c", "echo $GREETING"]).await, "goodbye");
    assert_ne!(before["greeter"], after["greeter"]);
    assert_eq!(before["placed"], after["placed"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_a_value_is_unset_in_the_container_over_env_files_and_the_image() {
    let world = World::new().await;
    world.repository.write("app.env", "FROM_FILE=file\nKEPT=file\n");
    world.repository.write("app/Dockerfile", format!("FROM {BASE}\nENV OF_IMAGE=image KEPT_OF_IMAGE=image\n"));
    let of = |environment: &str| {
        service("app", &format!("    build: ./app\n    env_file: app.env\n    environment: {environment}\n"))
            .replace(&format!("    image: {BASE}\n"), "")
    };
    succeeds(&world, &of("[]")).await;
    let show = ["sh", "-c", "echo ${OF_IMAGE-none} ${KEPT_OF_IMAGE-none} ${FROM_FILE-none} ${KEPT-none}"];
    assert_eq!(world.exec("app", &show).await, "image image file file");
    succeeds(&world, &of("[OF_IMAGE, FROM_FILE]")).await;
    assert_eq!(world.exec("app", &show).await, "none image none file");
    // What stands as it should is left alone.
    let before = world.running().await;
    world.repository.write("note", "x");
    succeeds(&world, &of("[OF_IMAGE, FROM_FILE]")).await;
    assert_eq!(before["app"], world.running().await["app"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependant_that_asks_for_it_restarts_after_its_dependency() {
    let world = World::new().await;
    let services = |version: u32| {
        service("db", &format!("    environment: {{ VERSION: '{version}' }}\n"))
            + &service("asks", "    depends_on: { db: { condition: service_healthy, restart: true } }\n")
            + &service("does-not", "    depends_on: { db: { condition: service_healthy } }\n")
    };
    succeeds(&world, &services(1)).await;
    let started = async |component: &str| {
        let id = world.running().await[component].clone();
        let found = world.engine.docker.inspect_container(&id, None).await.unwrap();
        (id, found.state.unwrap().started_at.unwrap())
    };
    let (asks, does_not) = (started("asks").await, started("does-not").await);
    succeeds(&world, &services(2)).await;
    let asks_now = started("asks").await;
    assert_eq!(asks.0, asks_now.0, "the same container");
    assert_ne!(asks.1, asks_now.1, "started again");
    assert_eq!(does_not, started("does-not").await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_in_another_ones_network_moves_with_it() {
    let world = World::new().await;
    let services = |version: u32| {
        service("vpn", &format!("    environment: {{ VERSION: '{version}' }}\n"))
            + &service("inside", "    network_mode: service:vpn\n    depends_on: [vpn]\n")
    };
    let shares = async || {
        let running = world.running().await;
        let found = world.engine.docker.inspect_container(&running["inside"], None).await.unwrap();
        assert_eq!(found.host_config.unwrap().network_mode.unwrap(), format!("container:{}", running["vpn"]));
        running
    };
    succeeds(&world, &services(1)).await;
    let before = shares().await;
    succeeds(&world, &services(2)).await;
    let after = shares().await;
    assert_ne!(before["inside"], after["inside"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_among_another_ones_processes_moves_with_it() {
    let world = World::new().await;
    let services = |version: u32| {
        service("app", &format!("    environment: {{ VERSION: '{version}' }}\n"))
            + &service("looks", "    pid: service:app\n")
    };
    let shares = async || {
        let running = world.running().await;
        let found = world.engine.docker.inspect_container(&running["looks"], None).await.unwrap();
        assert_eq!(found.host_config.unwrap().pid_mode.unwrap(), format!("container:{}", running["app"]));
        running
    };
    succeeds(&world, &services(1)).await;
    let before = shares().await;
    succeeds(&world, &services(2)).await;
    let after = shares().await;
    assert_ne!(before["looks"], after["looks"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_reads_what_another_one_writes_into_its_volume() {
    let world = World::new().await;
    let services = service("app", "    volumes: ['data:/data']\n")
        + &service("copies", "    volumes_from: ['app:ro']\n")
        + "volumes: { data: {} }\n";
    succeeds(&world, &services).await;
    world.exec("app", &["sh", "-c", "echo written > /data/file"]).await;
    assert_eq!(world.exec("copies", &["cat", "/data/file"]).await.trim(), "written");
    let said = world.exec("copies", &["sh", "-c", "echo x > /data/other 2>&1 || echo refused"]).await;
    assert!(said.contains("refused"), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_replaces_an_app_that_has_begun_to_crash() {
    let world = World::new().await;
    // Good while it is deployed; later it loses its file and keeps ending.
    let fragile = format!(
        "{}volumes: {{ data: {{}} }}\n",
        STORE
            .replace("exec tail -f /dev/null", "while test -e /data/starts; do sleep 0.2; done; exit 3")
            .replace("date >> /data/starts;", "test -e /data/lost || date >> /data/starts;")
            .replace("image:", "restart: always\n    image:")
    );
    succeeds(&world, &fragile).await;
    world.exec("store", &["sh", "-c", "touch /data/lost; rm /data/starts"]).await;
    world
        .until("the app to crash", || async {
            let containers = world.containers().await;
            let state = containers.first()?.state?.to_string();
            (state == "restarting").then_some(())
        })
        .await;
    succeeds(&world, &format!("{}volumes: {{ data: {{}} }}\n", service("store", "    volumes: ['data:/data']\n")))
        .await;
    assert_eq!(
        world.on_the_engine().await,
        ["container app-store-1 running", "network app_default", "volume app_data"]
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_moves_from_one_component_to_another() {
    let world = World::new().await;
    crate::support::app::write_web(&world.repository, "web");
    succeeds(&world, WEB).await;
    assert_eq!(world.get("/").await.as_deref(), Some("web"));
    succeeds(&world, &WEB.replace("  web:", "  shop:")).await;
    assert_eq!(world.get("/").await.as_deref(), Some("web"));
    assert_eq!(world.on_the_engine().await, ["container app-shop-1 running", "network app_default"]);
    world.end().await;
}
