//! Images and names of others: a build takes none that others hold, and none of another project is used, unless
//! launchway.toml allows it.

use crate::support::app::{WEB, write_web};
use crate::support::git_repository::GitRepository;
use crate::support::images::BASE;
use crate::support::registry::Registry;
use crate::support::world::{Settings, World};
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PASSWORD: &str = "registry-pa55word";

/// A world with a second project, whose author is not trusted. `lines` are of its table, `tables` further ones.
async fn world_with(other: &GitRepository, lines: &str, tables: &str) -> World {
    let tables = format!(
        "[projects.PROJECT-other]\nforge = \"plain\"\nrepository = \"{}\"\nsecret = \"0123456789abcdef\"\n{lines}\n\
         [projects.PROJECT-other.environments.production]\nbranch = \"main\"\nbake = \"0s\"\n{tables}",
        other.bare().display()
    );
    World::with(Settings { tables, ..Settings::default() }).await
}

/// Pushes what the second project's repository has, and deploys it. Returns what was told.
async fn deploy_other(world: &World, other: &GitRepository) -> (i32, String) {
    other.commit("A change");
    other.push("main");
    let project = format!("{}-other", world.project);
    let (code, told, error) = world.launchway(&["deploy", "--project", &project]).await;
    (code, format!("{told}{error}\n{}", world.deployment_logs()))
}

/// A service that only runs.
fn idle(lines: &str) -> String {
    format!("services:\n  web:\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n{lines}")
}

async fn id_of(world: &World, name: &str) -> String {
    world.engine.docker.inspect_image(name).await.unwrap().id.unwrap()
}

async fn name_image(world: &World, image: &str, name: &str) {
    let (repository, tag) = name.rsplit_once(':').unwrap();
    let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
    world.engine.docker.tag_image(image, Some(options)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_others_hold_is_not_taken_and_their_image_not_used() {
    let other = GitRepository::new();
    let world = world_with(&other, "[projects.PROJECT-other.allow]\nimages = [\"story/PROJECT:shared\"]", "").await;
    let name = format!("story/{}:1", world.project);
    let shared = format!("story/{}:shared", world.project);
    // Whoever comes first has a name that nobody holds.
    write_web(&world.repository, "one");
    let web =
        WEB.replace("build: ./web", &format!("build: {{ context: ./web, tags: ['{shared}'] }}\n    image: {name}"));
    world.repository.write("compose.yaml", format!("services:{web}"));
    let commit = world.push("First");
    assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());
    let tag =
        world.query("SELECT json_extract(parts, '$.web.image.tag') FROM releases WHERE id = 1").trim().to_string();
    let built = id_of(&world, &tag).await;
    assert_eq!((id_of(&world, &name).await, id_of(&world, &shared).await), (built.clone(), built.clone()));

    // The second does not get it, nor one that an image has which nobody built here.
    let theirs = format!("story/{}:by-hand", world.project);
    name_image(&world, BASE, &theirs).await;
    let base = id_of(&world, BASE).await;
    other.write("Dockerfile", format!("FROM {BASE}\nLABEL launchway.project={}\n", world.project));
    other.write("compose.yaml", idle(&format!("    build: {{ context: ., tags: ['{theirs}'] }}\n    image: {name}\n")));
    let (code, told) = deploy_other(&world, &other).await;
    assert_eq!(code, 0, "{told}");
    for (name, why) in [
        (&name, format!("it names an image that was built for project {}", world.project)),
        (&theirs, "it names an image that Launchway did not build for this project".to_string()),
    ] {
        let line = format!(
            "what was built is not named {name}: {why}. `allow.images = [\"{name}\"]` of the project in launchway.toml \
             gives it the name"
        );
        assert!(told.contains(&line), "{told}");
    }
    assert_eq!((id_of(&world, &name).await, id_of(&world, &theirs).await), (built.clone(), base));

    // Nor does it use what the first has built, by whatever name.
    let allows = |name: &str| format!("`allow.images = [\"{name}\"]` of the project in launchway.toml allows it");
    for lines in [
        format!("    image: {name}\n"),
        format!("    image: {name}\n    pull_policy: never\n"),
        format!("    image: '{}'\n", &built),
        format!("    build: {{ dockerfile_inline: \"FROM {name}\" }}\n"),
        format!("    build: {{ dockerfile_inline: \"FROM {BASE}\\nCOPY --from={name} /start /start\" }}\n"),
        format!("    build: {{ dockerfile_inline: \"ARG B={name}\\nFROM ${{B:-x}}\" }}\n").replace("${B", "$${B"),
    ] {
        other.write("compose.yaml", idle(&lines));
        let (code, told) = deploy_other(&world, &other).await;
        assert_ne!(code, 0, "{lines}");
        let named = if lines.contains("sha256:") { &built } else { &name };
        assert!(
            told.contains(&format!("for project {}", world.project)) && told.contains(&allows(named)),
            "{lines}{told}"
        );
    }
    for lines in [format!("    image: {tag}\n"), format!("    build: {{ dockerfile_inline: \"FROM {tag}\" }}\n")] {
        other.write("compose.yaml", idle(&lines));
        let (code, told) = deploy_other(&world, &other).await;
        assert_ne!(code, 0, "{lines}");
        assert!(told.contains("is an image that Launchway built") && told.contains(&allows(&tag)), "{lines}{told}");
    }
    // Our own names are not to be given.
    other.write(
        "compose.yaml",
        idle(&format!("    build: {{ context: ., tags: ['docker.io/{tag}'] }}\n    image: {tag}\n")),
    );
    let (code, told) = deploy_other(&world, &other).await;
    assert_ne!(code, 0);
    for named in [format!("build.tags: docker.io/{tag}"), format!("image: {tag}")] {
        let line = format!("services.web.{named} is one of the names under which Launchway keeps what it builds");
        assert!(told.contains(&line), "{told}");
    }

    // What is allowed goes.
    other.write("compose.yaml", idle(&format!("    image: {shared}\n    pull_policy: never\n")));
    let (code, told) = deploy_other(&world, &other).await;
    assert_eq!(code, 0, "{told}");
    world.end_without(&[name, shared, theirs]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_others_hold_goes_to_the_build_that_takes_their_stack_over() {
    let world = World::new().await;
    let docker = &world.engine.docker;
    let name = format!("story/{}:stack", world.project);
    // An image of its own: containers of every other story are made of the base image.
    let by_hand =
        crate::support::build_world::BuildWorld::with(&format!("FROM BASE\nRUN echo {} > /by-hand\n", world.project))
            .await;
    let image = by_hand.build(crate::support::build_world::spec()).await.unwrap().id;
    name_image(&world, &image, &name).await;
    // As `docker compose up` leaves it.
    let project = format!("{}-production", world.project);
    let label = |kind: &str, value: &str| (format!("com.docker.compose.{kind}"), value.to_string());
    let labels = [("project", project.as_str()), ("service", "web"), ("container-number", "1"), ("oneoff", "False")];
    let body = ContainerCreateBody {
        image: Some(name.clone()),
        cmd: Some(vec!["sleep".into(), "600".into()]),
        labels: Some(labels.iter().map(|(kind, value)| label(kind, value)).collect()),
        host_config: Some(HostConfig { init: Some(true), ..Default::default() }),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&format!("{project}-web-1")).build();
    let by_hand = docker.create_container(Some(options), body).await.unwrap().id;
    docker.start_container(&by_hand, None).await.unwrap();

    world.repository.write("Dockerfile", format!("FROM {BASE}\n"));
    world.repository.write("compose.yaml", idle(&format!("    build: .\n    image: {name}\n")));
    let commit = world.push("Taken over");
    assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());
    let tag = world.query("SELECT json_extract(parts, '$.web.image.tag') FROM releases WHERE id = 1");
    assert_eq!(id_of(&world, &name).await, id_of(&world, tag.trim()).await, "{}", world.deployment_logs());
    world.end_without(&[name]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_is_found_by_its_id_whatever_its_name_names() {
    let world = World::new().await;
    write_web(&world.repository, "one");
    world.repository.write("compose.yaml", format!("services:{WEB}"));
    let commit = world.push("First");
    assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());
    let tag =
        world.query("SELECT json_extract(parts, '$.web.image.tag') FROM releases WHERE id = 1").trim().to_string();
    let built = id_of(&world, &tag).await;
    // Somebody gives its name to an image that says of itself what ours says.
    let labels = world.engine.docker.inspect_image(&tag).await.unwrap().config.unwrap().labels.unwrap();
    let mut forged = crate::support::build_world::BuildWorld::with("FROM BASE\nRUN echo evil > /evil\n").await;
    forged.timeout = std::time::Duration::from_secs(60);
    let spec =
        launchway::model::BuildSpec { labels: labels.into_iter().collect(), ..crate::support::build_world::spec() };
    let evil = forged.build(spec).await.unwrap().id;
    name_image(&world, &evil, &tag).await;
    assert_eq!(id_of(&world, &tag).await, evil);

    world.repository.write("README.md", "nothing of it");
    let commit = world.push("Again");
    assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(id_of(&world, &tag).await, built);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_to_the_engines_host_is_not_fetched_by_a_dockerfile_nor_by_its_base() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let router = axum::Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "private" }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let registry = Registry::with_base("ci", PASSWORD, "base one").await;
    let allowed = "[projects.PROJECT-other.allow]\nbuild-remote = [\"HOST\"]".replace("HOST", &host);
    let other = GitRepository::new();
    let account = format!("[registries.\"{}\"]\nusername = \"ci\"\npassword = \"{PASSWORD}\"\n", registry.host);
    let world = world_with(&other, &allowed, &account).await;

    world.repository.write("compose.yaml", idle("    build: .\n"));
    for (dockerfile, line) in [
        (format!("FROM {BASE}\nADD http://{host}/x /x\n"), 2),
        (format!("FROM {BASE}\nARG WHERE=http://{host}\nADD [\"$WHERE/x\", \"/x\"]\n"), 3),
        (format!("FROM {BASE}\nONBUILD ADD http://{host}/x /x\n"), 2),
    ] {
        world.repository.write("Dockerfile", dockerfile);
        let commit = world.push("It fetches");
        let shown = world.ends(&commit).await;
        assert_eq!(shown.state, "failure", "{shown:?}");
        assert!(shown.description.contains(&format!("Dockerfile:{line}: ")), "{shown:?}");
    }
    assert!(
        world
            .deployment_logs()
            .contains(&format!("`allow.build-remote = [\"{host}\"]` of the project in launchway.toml allows it"))
    );
    // What only the base image says.
    registry.put_base_with_trigger("base two", &format!("ADD http://{host}/x /x"));
    world.repository.write("Dockerfile", format!("FROM {}/app:1\n", registry.host));
    let commit = world.push("Its base fetches");
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    // A frontend could fetch whatever it likes.
    for form in [
        "# syntax=evil/frontend:1\nFROM scratch\n",
        "// syntax=evil/frontend:1\n",
        "{ \"syntax\": \"evil/frontend:1\" }",
    ] {
        world.repository.write("Dockerfile", form);
        let commit = world.push("A frontend");
        let shown = world.ends(&commit).await;
        assert_eq!(shown.state, "failure", "{form}: {shown:?}");
        assert!(shown.description.contains("evil/frontend:1"), "{form}: {shown:?}");
    }
    assert!(world.deployment_logs().contains("`allow.frontends = [\"evil/frontend\"]` of the project"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);

    other
        .write("Dockerfile", format!("FROM {BASE}\nADD http://{host}/x /x\n"))
        .write("compose.yaml", idle("    build: .\n"));
    let (code, told) = deploy_other(&world, &other).await;
    assert_eq!(code, 0, "{told}");
    assert!(asked.load(Ordering::SeqCst) > 0);
    server.abort();
    world.end_without(&[format!("{}/app:1", registry.host)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_one_project_is_no_other_projects_nor_is_what_it_pulled() {
    let registry = Registry::with_base("ci", PASSWORD, "base one").await;
    let other = GitRepository::new();
    let account =
        format!("[projects.PROJECT.registries.\"{}\"]\nusername = \"ci\"\npassword = \"{PASSWORD}\"\n", registry.host);
    let world = world_with(&other, "", &account).await;
    let reference = format!("{}/app:1", registry.host);
    for lines in [format!("    image: '{reference}'\n"), "    build: .\n".to_string()] {
        other.write("Dockerfile", format!("FROM {reference}\n")).write("compose.yaml", idle(&lines));
        let (code, told) = deploy_other(&world, &other).await;
        assert_ne!(code, 0, "{lines}{told}");
        assert!(told.contains("authentication required") || told.contains("no basic auth"), "{told}");
    }

    world.repository.write("Dockerfile", format!("FROM {reference}\n")).write(
        "compose.yaml",
        idle("    build: .\n") + &format!("  named: {{ image: '{reference}', init: true, command: [sleep, '600'] }}\n"),
    );
    let commit = world.push("Whose account it is");
    assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());

    // The engine has it now, and the registry still gives it to nobody else.
    for lines in [format!("    image: '{reference}'\n"), "    build: .\n".to_string()] {
        other.write("compose.yaml", idle(&lines));
        let (code, told) = deploy_other(&world, &other).await;
        assert_ne!(code, 0, "{lines}{told}");
    }
    world.end_without(&[reference]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_moves_no_tag_that_others_hold() {
    let registry = Registry::with_base("ci", PASSWORD, "of-the-registry").await;
    let other = GitRepository::new();
    let account = format!("[registries.\"{}\"]\nusername = \"ci\"\npassword = \"{PASSWORD}\"\n", registry.host);
    let world = world_with(&other, "[projects.PROJECT-other.allow]\nports = [1]", &account).await;
    let reference = format!("{}/app:1", registry.host);
    // The name is the first's: what it has built has it.
    world.repository.write("Dockerfile", format!("FROM {BASE}\nRUN echo of-the-first > /hello\n"));
    world.repository.write("compose.yaml", idle(&format!("    build: .\n    image: {reference}\n")));
    let commit = world.push("First");
    assert_eq!(world.ends(&commit).await.state, "success", "{}", world.deployment_logs());
    let held = id_of(&world, &reference).await;
    let is_held = async |lines: &str| {
        assert_eq!(id_of(&world, &reference).await, held, "{lines}\n{}", world.deployment_logs());
    };

    // The BuildKit of an engine before Docker 23 begins from whatever has the name: such a build is refused.
    let api = world.engine.docker.version().await.unwrap().api_version.unwrap();
    let takes_another = !matches!(api.as_str(), "1.40" | "1.41");
    // What is refused after the pull has moved nothing, nor has what goes live.
    // The registry's image declares /data, and not each of these is that image: whether it is kept is not asked here.
    let says = |text: &str| {
        format!("    command: [sh, -c, 'grep -q {text} /hello && exec sleep 600']\n    volumes: [/data]\n")
    };
    let theirs = says("of-the-registry");
    for lines in [
        format!("    image: {reference}\n    pull_policy: always\n"),
        format!("    image: {reference}\n"),
        format!("    build: {{ dockerfile_inline: \"FROM {reference}\" }}\n"),
        format!("    build: {{ dockerfile_inline: \"FROM {BASE}\\nCOPY --from={reference} /hello /hello\" }}\n"),
    ] {
        let whole = idle(&lines).replace("    command: [sleep, '600']\n", &theirs);
        other.write("compose.yaml", format!("{whole}    ports: ['127.0.0.1:2:2']\n"));
        let (code, told) = deploy_other(&world, &other).await;
        assert!(code != 0 && told.contains("port 2 of the host"), "{lines}{told}");
        is_held(&lines).await;
        other.write("compose.yaml", whole);
        let (code, told) = deploy_other(&world, &other).await;
        match takes_another || !lines.contains("build:") {
            true => assert_eq!(code, 0, "{lines}{told}"),
            false => assert!(code != 0 && told.contains("is the name of an image here"), "{lines}{told}"),
        }
        is_held(&lines).await;
    }
    let pinned = world.query("SELECT json_extract(parts, '$.web.image.pinned') FROM releases WHERE id = 2");
    assert!(pinned.starts_with(&format!("{}/app@sha256:", registry.host)), "{pinned}");

    // A name that nobody holds, or that came from its registry, goes with it.
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_image(&reference, Some(options), None).await.unwrap();
    let always = idle(&format!("    image: {reference}\n    pull_policy: always\n"));
    let mut before = held.clone();
    for text in ["one", "two"] {
        registry.put_base(text);
        let lines = says(text);
        other.write("compose.yaml", always.replace("    command: [sleep, '600']\n", &lines));
        let (code, told) = deploy_other(&world, &other).await;
        assert_eq!(code, 0, "{told}");
        let now = world.engine.docker.inspect_image(&reference).await.ok().and_then(|image| image.id);
        // Of an engine with containerd's image store nobody can tell where an image came from: there the second stays.
        let containerd = world.engine.docker.info().await.unwrap().driver_status.unwrap_or_default();
        let is_containerd = containerd.iter().flatten().any(|text| text.contains("containerd.snapshotter"));
        assert_eq!(now.as_ref() == Some(&before), is_containerd && text == "two", "{text}: {now:?}");
        before = now.unwrap_or_default();
    }
    world.end_without(&[reference]).await;
}
