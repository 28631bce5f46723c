//! Images that one service of the Compose file builds and others name: the others follow each build, whoever holds the name.

use crate::support::git_repository::GitRepository;
use crate::support::images::BASE;
use crate::support::registry::Registry;
use crate::support::world::{Settings, World};
use bollard::query_parameters::TagImageOptionsBuilder;
use launchway::model::CommitId;

async fn deployed(world: &World, message: &str) -> CommitId {
    let commit = world.push(message);
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    commit
}

/// The plan of the newest deployment.
fn plan(world: &World) -> String {
    world.query("SELECT plan FROM deployments ORDER BY id DESC LIMIT 1")
}

/// A service that only runs, with these lines.
fn idle(name: &str, lines: &str) -> String {
    format!("  {name}:\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n{lines}")
}

/// A folder with a Dockerfile after which the image says `version` in `/NAME`.
fn write_image(repository: &GitRepository, name: &str, version: &str, dockerfile: &str) {
    repository.write(&format!("{name}/version"), version);
    repository.write(&format!("{name}/Dockerfile"), format!("{dockerfile}COPY version /{name}\n"));
}

/// Gives the base image a name, as somebody on the host may do.
async fn give_base_the_name(world: &World, name: &str) {
    let (repository, tag) = name.rsplit_once(':').unwrap();
    let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
    world.engine.docker.tag_image(BASE, Some(options)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_names_the_image_of_the_webs_build_is_replaced_with_it_at_every_push() {
    let world = World::new().await;
    let name = format!("story/{}:shared", world.project);
    // Somebody else holds the name: what it names is not what is meant.
    give_base_the_name(&world, &name).await;
    write_image(&world.repository, "web", "one", &format!("FROM {BASE}\n"));
    let web = idle("web", &format!("    build: ./web\n    image: {name}\n"));
    let worker = idle("a-worker", &format!("    image: {name}\n"));
    world.repository.write("compose.yaml", format!("services:\n{web}{worker}"));
    deployed(&world, "First").await;
    assert!(plan(&world).contains("a-worker: new; uses the build of web; recreate: "), "{}", plan(&world));
    assert_eq!(world.exec("a-worker", &["cat", "/web"]).await, "one");

    let first = world.running().await;
    world.repository.write("README.md", "nothing of it");
    deployed(&world, "Nothing").await;
    assert_eq!(world.running().await, first);

    world.repository.write("web/version", "two");
    deployed(&world, "Second").await;
    let said = plan(&world);
    assert!(
        said.contains("a-worker: changed (the build of web, its image, changed); uses the build of web; "),
        "{said}"
    );
    for component in ["web", "a-worker"] {
        assert_eq!(world.exec(component, &["cat", "/web"]).await, "two", "{component}");
    }
    assert!(world.running().await.iter().all(|(component, id)| first[component] != *id));
    assert_eq!(world.deployment_logs().matches(" building launchway/").count(), 2, "{}", world.deployment_logs());

    // Back to the very image of before, by what was noted of it.
    let (code, told, error) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.deployment_logs());
    for component in ["web", "a-worker"] {
        assert_eq!(world.exec(component, &["cat", "/web"]).await, "one", "{component}");
    }
    world.end_without(&[name]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_from_another_services_image_waits_for_it_and_is_built_anew_with_it() {
    let world = World::with(Settings { limits: "builds = 4".into(), ..Settings::default() }).await;
    let name = format!("story/{}:base", world.project);
    give_base_the_name(&world, &name).await;
    let write = |version: &str| {
        // What is built from it would have begun long before this is there.
        let dockerfile = format!("FROM {BASE}\nCOPY version /slow\nRUN sleep 3\n");
        write_image(&world.repository, "base", version, &dockerfile);
    };
    write("one");
    write_image(&world.repository, "from", "1", &format!("ARG OF={name}\nFROM ${{OF}} AS base\nFROM base\n"));
    write_image(&world.repository, "copy", "1", &format!("FROM {BASE} AS base\nCOPY --from={name} /base /base\n"));
    write_image(
        &world.repository,
        "mount",
        "1",
        &format!("FROM {BASE}\nRUN --mount=from={name},target=/m cp /m/base /base\n"),
    );
    write_image(&world.repository, "context", "1", "FROM parent\n");
    let context = "    build: { context: ./context, additional_contexts: { parent: 'service:base' } }\n";
    let services = [
        idle("base", &format!("    build: ./base\n    image: {name}\n")),
        idle("from", "    build: ./from\n"),
        idle("copy", "    build: ./copy\n"),
        idle("mount", "    build: ./mount\n"),
        idle("context", context),
    ];
    world.repository.write("compose.yaml", format!("services:\n{}", services.concat()));
    let all = ["base", "from", "copy", "mount", "context"];
    deployed(&world, "First").await;
    for component in all {
        assert_eq!(world.exec(component, &["cat", "/base"]).await, "one", "{component}");
    }
    let first = world.running().await;

    write("two");
    deployed(&world, "The base alone").await;
    let said = plan(&world);
    assert!(said.contains("copy: changed (the build of base, which it is built from, changed); "), "{said}");
    for component in all {
        assert_eq!(world.exec(component, &["cat", "/base"]).await, "two", "{component}");
        assert_ne!(world.running().await[component], first[component], "{component}");
    }

    // One alone, which its base is there for.
    world.repository.write("context/version", "2");
    deployed(&world, "What is built from it").await;
    assert_eq!(world.exec("context", &["cat", "/base", "/context"]).await, "two2");
    world.end_without(&[name]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn building_anew_asks_no_registry_for_what_other_services_build() {
    let registry = Registry::with_base("ci", "registry-pa55word", "base one").await;
    let account = format!("[registries.\"{}\"]\nusername = \"ci\"\npassword = \"registry-pa55word\"\n", registry.host);
    let world = World::with(Settings { tables: account, ..Settings::default() }).await;
    let name = format!("story/{}:anew", world.project);
    write_image(&world.repository, "base", "1", &format!("FROM {}/app:1\n", registry.host));
    write_image(&world.repository, "from", "1", &format!("FROM {name}\n"));
    write_image(&world.repository, "context", "1", "FROM parent\n");
    let services = [
        idle("base", &format!("    build: ./base\n    image: {name}\n")),
        idle("from", "    build: { context: ./from, pull: true }\n"),
        idle("context", "    build: { context: ./context, additional_contexts: { parent: 'service:base' } }\n"),
    ];
    world.repository.write("compose.yaml", format!("services:\n{}", services.concat()));
    deployed(&world, "First").await;
    registry.put_base("base two");
    let (code, told, error) = world.launchway(&["deploy", "--rebuild"]).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.deployment_logs());
    for component in ["base", "from", "context"] {
        assert_eq!(world.exec(component, &["cat", "/hello"]).await, "base two", "{component}");
    }
    world.end_without(&[name, format!("{}/app:1", registry.host)]).await;
}
