//! Builds of one project leave nothing behind that another project's would take, and reach no more than they may.

use crate::support::build_world::{BuildWorld, spec};
use launchway::build::{BuildError, BuildRequest, BuiltImage, Sources};
use launchway::model::{BuildSecret, BuildSpec, ProjectName, Secret};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn build_as(world: &BuildWorld, project: &str, spec: BuildSpec) -> Result<BuiltImage, BuildError> {
    let project = ProjectName::new(project).unwrap();
    world.run(BuildRequest { project, ..world.request(spec) }).await
}

#[tokio::test]
async fn a_cache_of_one_project_is_empty_for_another_whatever_its_arguments_say() {
    let dockerfile =
        "FROM BASE\nARG SALT\nRUN --mount=type=cache,id=ID,target=/cache ls /cache; echo $SALT > /cache/left-here\n";
    let world = BuildWorld::with(dockerfile).await;
    // Nobody else's story has this cache.
    let text = std::fs::read_to_string(world.repository.work().join("Dockerfile")).unwrap();
    world.repository.write("Dockerfile", text.replace("ID", &world.tag.replace([':', '/'], "-")));
    let salted = |salt: &str, more: &[(&str, &str)]| {
        let salt = [("SALT", salt)];
        let args = more.iter().chain(&salt).map(|(name, value)| (name.to_string(), value.to_string()));
        BuildSpec { args: args.collect(), ..spec() }
    };
    build_as(&world, "victim", salted("one", &[])).await.unwrap();
    build_as(&world, "victim", salted("two", &[])).await.unwrap();
    assert_eq!(world.output(), "left-here\n");
    build_as(&world, "attacker", salted("three", &[])).await.unwrap();
    assert_eq!(world.output(), "");
    let guess = [("BUILDKIT_CACHE_MOUNT_NS", "launchway-victim")];
    build_as(&world, "intruder", salted("four", &guess)).await.unwrap();
    assert_eq!(world.output(), "");
}

#[tokio::test]
async fn what_a_step_made_of_one_projects_secret_is_not_taken_for_the_same_step_of_another() {
    let dockerfile =
        "FROM BASE\nCOPY id /\nRUN --mount=type=secret,id=token cp /run/secrets/token /made && chmod 644 /made\n";
    let world = BuildWorld::with(dockerfile).await;
    world.repository.write("id", &world.tag);
    for project in ["attacker", "victim"] {
        let secret = BuildSecret { id: "token".into(), value: Secret::new(format!("of-{project}")) };
        build_as(&world, project, BuildSpec { secrets: vec![secret], ..spec() }).await.unwrap();
        assert_eq!(world.files().await["made"].2, format!("of-{project}"));
    }
}

#[tokio::test]
async fn a_step_gets_neither_the_hosts_network_nor_more_rights() {
    for flag in ["--network=host", "--security=insecure"] {
        let world = BuildWorld::with(&format!("FROM BASE\nRUN {flag} true\n")).await;
        let error = world.build(spec()).await.unwrap_err();
        assert!(error.is_of_the_commit(), "{flag}: {error:?}");
    }
}

/// From Docker 24 on the engine itself refuses what the Dockerfile's reader could not see.
#[tokio::test]
async fn what_the_engine_may_not_fetch_it_refuses_where_it_knows_of_source_policies() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let router = axum::Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "private" }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let world = BuildWorld::with(&format!("FROM BASE\nADD http://{host}/x /x\n")).await;
    let build = |hosts: Vec<String>| {
        let sources = Some(Sources { hosts, images: Vec::new() });
        world.run(BuildRequest { sources, ..world.request(spec()) })
    };
    let version = world.engine.docker.version().await.unwrap().api_version.unwrap();
    let knows = version.split_once('.').unwrap().1.parse::<u32>().unwrap() >= 43;
    if knows {
        let error = build(Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("denied by policy"), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
    build(vec![host]).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > 0);
    let own = "launchway/somebody/api:0a";
    let inline = BuildSpec { dockerfile_inline: Some(format!("FROM {own}\n")), ..BuildSpec::default() };
    let sources = Some(Sources::default());
    let error = world.run(BuildRequest { sources, ..world.request(inline) }).await.unwrap_err();
    assert_eq!(knows, error.to_string().contains("denied by policy"), "{error}");
    server.abort();
}
