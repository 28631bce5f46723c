//! Images are built from a commit on the real engine.

use crate::support::build_world::{BuildWorld, path, spec};
use crate::support::images::BASE;
use futures_util::StreamExt;
use launchway::build::{BuildError, BuildLineKind, BuildRequest, Builder};
use launchway::model::{AdditionalContext, BuildSecret, BuildSpec, ComponentName, Mask, Secret};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_image_is_built_and_the_second_time_it_comes_from_the_cache() {
    let world = BuildWorld::with("FROM BASE\nCOPY a /a\nRUN echo unique-$(cat /a)\n").await;
    world.repository.write("a", &world.tag);
    let first = world.build(spec()).await.unwrap();
    assert!(!first.cached);
    assert!(first.bases.contains_key(&format!("docker.io/{BASE}")), "{:?}", first.bases);
    assert_eq!(world.output(), format!("unique-{}\n", world.tag));
    assert_eq!(world.kinds_of("RUN"), [BuildLineKind::Started, BuildLineKind::Output, BuildLineKind::Done]);
    let inspected = world.engine.docker.inspect_image(&world.tag).await.unwrap();
    assert_eq!(inspected.id.unwrap(), first.id);
    let second = world.build(spec()).await.unwrap();
    assert!(second.cached, "{:?}", world.told());
    assert_eq!(world.kinds_of("RUN"), [BuildLineKind::Cached]);
    let forced = world.build(BuildSpec { no_cache: true, ..spec() }).await.unwrap();
    assert!(!forced.cached);
    let builder = Builder::new(world.engine.docker.clone(), world.engine.address.clone());
    assert_eq!(builder.find(&world.tag).await.unwrap(), Some(forced.id));
    assert_eq!(builder.find("launchway-test/never:1").await.unwrap(), None);
}

#[tokio::test]
async fn arguments_target_labels_hosts_and_further_tags_reach_the_image() {
    let dockerfile = "FROM BASE AS first\nARG WHO\nRUN echo hello $WHO && cat /etc/hosts && echo $WHO > /who\n\
                      LABEL who=$WHO\nFROM first AS second\nRUN echo must not run\n";
    let world = BuildWorld::with(dockerfile).await;
    let further = format!("{}-further", world.tag);
    let built = world
        .run(BuildRequest {
            labels: BTreeMap::from([("launchway.commit".to_string(), "abc".to_string())]),
            ..world.request(BuildSpec {
                args: BTreeMap::from([("WHO".to_string(), world.tag.clone())]),
                target: Some("first".to_string()),
                labels: BTreeMap::from([("team".to_string(), "shop".to_string())]),
                extra_hosts: vec!["somewhere:10.1.2.3".to_string()],
                network: Some("none".to_string()),
                tags: vec![further.clone()],
                ..spec()
            })
        })
        .await
        .unwrap();
    assert!(world.output().contains(&format!("hello {}", world.tag)), "{}", world.output());
    assert!(world.output().contains("10.1.2.3"), "{}", world.output());
    let image = world.engine.docker.inspect_image(&further).await.unwrap();
    assert_eq!(image.id.unwrap(), built.id);
    let labels = image.config.unwrap().labels.unwrap();
    assert_eq!((labels["team"].as_str(), labels["launchway.commit"].as_str()), ("shop", "abc"));
    assert_eq!(labels["who"], world.tag);
    assert_eq!(world.kinds_of("must not run"), []);
}

#[tokio::test]
async fn a_build_reaches_its_host_by_the_address_that_containers_have_for_it() {
    let world = BuildWorld::with("FROM BASE\nRUN grep host.docker.internal /etc/hosts\n").await;
    let docker = &world.engine.docker;
    let body = bollard::models::ContainerCreateBody {
        image: Some(BASE.to_string()),
        cmd: Some(["grep", "host.docker.internal", "/etc/hosts"].map(str::to_string).to_vec()),
        host_config: Some(bollard::models::HostConfig {
            extra_hosts: Some(vec!["host.docker.internal:host-gateway".to_string()]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let none = None::<bollard::query_parameters::CreateContainerOptions>;
    let container = docker.create_container(none, body).await.unwrap().id;
    docker.start_container(&container, None).await.unwrap();
    let mut ended = docker.wait_container(&container, None);
    while ended.next().await.is_some() {}
    let options = bollard::query_parameters::LogsOptionsBuilder::new().stdout(true).build();
    let mut said = docker.logs(&container, Some(options));
    let mut text = String::new();
    while let Some(line) = said.next().await {
        text.push_str(&line.unwrap().to_string());
    }
    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&container, Some(options)).await.unwrap();
    let address = text.split_whitespace().next().unwrap().to_string();

    for host in ["host.docker.internal:host-gateway", "host.docker.internal=host-gateway"] {
        let built = world.build(BuildSpec { extra_hosts: vec![host.to_string()], no_cache: true, ..spec() }).await;
        built.unwrap();
        assert_eq!(world.output().split_whitespace().next(), Some(address.as_str()), "{host}: {}", world.output());
    }
}

#[tokio::test]
async fn a_secret_can_be_mounted_and_never_appears() {
    let dockerfile = "FROM BASE\nRUN --mount=type=secret,id=token cat /run/secrets/token && echo && \
                      cat /run/secrets/token | sed s/hunter/hunter/ && wc -c < /run/secrets/token > /length\n";
    let world = BuildWorld::with(dockerfile).await;
    let value = Secret::new(format!("hunter2-{}", world.tag));
    let built = world
        .build(BuildSpec {
            secrets: vec![BuildSecret { id: "token".to_string(), value: value.clone() }],
            no_cache: true,
            ..spec()
        })
        .await;
    built.unwrap();
    assert_eq!(world.output(), "***\n***\n");
    let all = format!("{:?}", world.lines.lock().unwrap());
    assert!(!all.contains("hunter2"), "{all}");
    let files = world.files().await;
    assert_eq!(files["length"].2.trim(), value.expose().len().to_string());
    assert!(files.values().all(|(_, _, text)| !text.contains("hunter2-")));
    let missing = world.build(BuildSpec { no_cache: true, ..spec() }).await.unwrap_err();
    assert!(missing.to_string().contains("token"), "{missing}");
    let argument = world
        .run(BuildRequest {
            declared: Mask::new([&value]),
            ..world.request(BuildSpec {
                args: BTreeMap::from([("TOKEN".to_string(), format!("x{}", value.expose()))]),
                ..spec()
            })
        })
        .await
        .unwrap_err();
    assert!(matches!(argument, BuildError::SecretArgument(_)), "{argument:?}");
}

#[tokio::test]
async fn a_failing_step_is_named_with_its_last_lines() {
    let world = BuildWorld::with("FROM BASE\nRUN for i in $(seq 30); do echo line $i; done; echo oops; exit 3\n").await;
    let error = world.build(BuildSpec { no_cache: true, ..spec() }).await.unwrap_err();
    assert!(error.is_of_the_commit());
    let BuildError::Failed { step, message, last_lines } = &error else { panic!("{error:?}") };
    assert!(step.as_deref().unwrap().starts_with("[2/2] RUN for i in"), "{step:?}");
    assert!(message.contains("exit code: 3"), "{message}");
    assert_eq!((last_lines.len(), last_lines.last().unwrap().as_str()), (20, "oops"));
    assert!(error.to_string().contains("\n  | line 30\n"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_the_dockerfile_is_said() {
    let world = BuildWorld::with("FROM BASE\nCOPY absent /x\n").await;
    let copy = world.build(spec()).await.unwrap_err();
    assert!(copy.to_string().contains("absent"), "{copy}");
    let missing = world.build(BuildSpec { dockerfile: path("docker/Dockerfile"), ..spec() }).await.unwrap_err();
    insta::assert_snapshot!(missing, @"the Dockerfile docker/Dockerfile is not in the commit (build context .). Add it, or name it with build.dockerfile in the Compose file");
    let context = world.build(BuildSpec { context: path("api"), ..spec() }).await.unwrap_err();
    insta::assert_snapshot!(context, @"the build context api is not a folder of the commit. Correct build.context in the Compose file");
    let inline = |text: &str| BuildSpec { dockerfile_inline: Some(text.to_string()), ..BuildSpec::default() };
    let syntax = world.build(inline("FROM scratch\nFLY away\n")).await.unwrap_err();
    assert!(syntax.to_string().to_lowercase().contains("unknown instruction: fly"), "{syntax}");
    let target = world.build(BuildSpec { target: Some("nowhere".to_string()), ..spec() }).await.unwrap_err();
    assert!(target.to_string().contains("nowhere"), "{target}");
}

#[tokio::test]
async fn modes_symlinks_and_names_arrive_as_they_are() {
    let world = BuildWorld::with("FROM scratch\nCOPY . /\n").await;
    let names = ["back\\slash", "ünïcode 🚢", "--upload-pack=x", "sp ace", "folder/deep/er"];
    for name in names {
        world.repository.write(name, name);
    }
    world.repository.write("run.sh", "#!/bin/sh").write("large", "x".repeat(3_000_000)).write("empty", "");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(world.repository.work().join("run.sh"), mode).unwrap();
    for (link, target) in [("inside", "folder/deep"), ("outside", "/etc/passwd"), ("above", "../../secret")] {
        std::os::unix::fs::symlink(target, world.repository.work().join(link)).unwrap();
    }
    world.build(spec()).await.unwrap();
    let files = world.files().await;
    for name in names {
        assert_eq!(files[name], (0o644, 'f', name.to_string()));
    }
    assert_eq!(files["run.sh"].0, 0o755);
    assert_eq!((files["large"].2.len(), files["empty"].2.len()), (3_000_000, 0));
    assert_eq!(files["folder/deep/"], (0o755, 'd', String::new()));
    assert_eq!(files["inside"].2, "folder/deep");
    assert_eq!(files["outside"].2, "/etc/passwd");
    assert_eq!(files["above"].2, "../../secret");
}

#[tokio::test]
async fn the_dockerfile_may_lie_outside_the_context_and_its_own_ignore_file_counts_first() {
    let world = BuildWorld::with("FROM scratch\nCOPY . /\n").await;
    world.repository.write("docker/api.Dockerfile", "FROM scratch\nCOPY . /\n");
    world.repository.write("docker/api.Dockerfile.dockerignore", "*.log\n").write("api/.dockerignore", "main.go\n");
    world.repository.write("api/main.go", "x").write("api/debug.log", "x");
    let outside = BuildSpec { context: path("api"), dockerfile: path("docker/api.Dockerfile"), ..BuildSpec::default() };
    world.build(outside.clone()).await.unwrap();
    let files = world.files().await;
    assert!(files.contains_key("main.go") && !files.contains_key("debug.log"), "{:?}", files.keys());
    assert!(!files.contains_key("api.Dockerfile"));
    let text = "FROM scratch\nCOPY . /\n".to_string();
    world.build(BuildSpec { dockerfile_inline: Some(text), ..outside }).await.unwrap();
    let files = world.files().await;
    assert!(!files.contains_key("main.go") && files.contains_key("debug.log"), "{:?}", files.keys());
    assert!(!files.contains_key("Dockerfile"));
}

#[tokio::test]
async fn a_file_changed_within_the_same_second_and_size_is_not_taken_from_an_earlier_build() {
    let world = BuildWorld::with("FROM scratch\nCOPY a /a\n").await;
    for text in ["one", "two"] {
        world.repository.write("a", text);
        world.build(spec()).await.unwrap();
        assert_eq!(world.files().await["a"].2, text);
    }
}

#[tokio::test]
async fn an_lfs_pointer_is_never_built() {
    let world = BuildWorld::with("FROM scratch\nCOPY . /\n").await;
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    world.repository.write("assets/logo.png", pointer);
    let error = world.build(spec()).await.unwrap_err();
    assert!(matches!(&error, BuildError::LfsPointer(at) if at.as_str() == "assets/logo.png"), "{error:?}");
    world.repository.write(".dockerignore", "assets\n");
    world.build(spec()).await.unwrap();
}

/// Whether a process with this argument runs anywhere on this machine.
fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let command =
        |process: std::fs::DirEntry| std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
    processes.map(command).any(|command| command.starts_with("sleep\0") && command.contains(argument))
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn cancelling_stops_the_build_on_the_engine() {
    let world = BuildWorld::with("FROM BASE\nRUN sleep SECONDS\n").await;
    let seconds = format!("98765.{}", world.tag.bytes().map(u32::from).sum::<u32>() * 1000 + std::process::id());
    world.repository.write("Dockerfile", format!("FROM {BASE}\nRUN sleep {seconds}\n"));
    let stopping = async {
        until("the step starts", || runs(&seconds)).await;
        world.cancel.cancel();
    };
    let (result, ()) = tokio::join!(world.build(spec()), stopping);
    assert!(matches!(result, Err(BuildError::Cancelled)), "{result:?}");
    until("the step ends on the engine", || !runs(&seconds)).await;
}

#[tokio::test]
async fn a_build_that_takes_too_long_names_the_step_it_was_at() {
    let mut world = BuildWorld::with("FROM BASE\nRUN sleep 97531\n").await;
    world.timeout = Duration::from_secs(4);
    let error = world.build(spec()).await.unwrap_err();
    insta::assert_snapshot!(error, @"the build took longer than allowed and was stopped, during [2/2] RUN sleep 97531");
    until("the step ends on the engine", || !runs("97531")).await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_or_has_no_buildkit_is_named() {
    let world = BuildWorld::with("FROM BASE\n").await;
    let not_found = axum::Router::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { axum::serve(listener, not_found).await.unwrap() });
    let without = launchway::build::EngineAddress::Tcp(address.clone());
    let builder = Builder::new(world.engine.docker.clone(), without);
    let error = builder.build(world.request(spec())).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&address, "ADDRESS"), @"the engine cannot build with BuildKit: /session answers 404 Not Found. Docker Engine 20.10 or newer is needed");
    server.abort();
    let nowhere = launchway::build::EngineAddress::Unix("/nowhere/docker.sock".into());
    let error = Builder::new(world.engine.docker.clone(), nowhere).build(world.request(spec())).await.unwrap_err();
    assert!(matches!(error, BuildError::NoBuildKit { .. }) && !error.is_of_the_commit(), "{error:?}");
}

#[tokio::test]
async fn additional_contexts_work_or_say_which_engine_they_need() {
    let world =
        BuildWorld::with("FROM parent\nCOPY --from=shared lib.c /lib.c\nCOPY --from=parent /bin/busybox /copy\n").await;
    world.repository.write("libraries/shared/lib.c", "int x;").write("libraries/shared/.dockerignore", "*.md\n");
    let parent = ComponentName::new("parent").unwrap();
    let contexts = [
        ("shared".to_string(), AdditionalContext::Folder(path("libraries/shared"))),
        ("parent".to_string(), AdditionalContext::Component(parent.clone())),
    ];
    let result = world
        .run(BuildRequest {
            images: BTreeMap::from([(parent, BASE.to_string())]),
            ..world.request(BuildSpec { additional_contexts: contexts.into(), ..spec() })
        })
        .await;
    let version = world.engine.docker.version().await.unwrap().api_version.unwrap();
    let is_new = version.split_once('.').unwrap().1.parse::<u32>().unwrap() >= 42;
    match result {
        Ok(_) => assert!(is_new && world.files().await["lib.c"].2 == "int x;"),
        Err(error) => {
            assert!(!is_new, "{error}");
            insta::assert_snapshot!(error, @"build.additional_contexts is not supported: this engine's BuildKit is too old for it. Docker Engine 23 or newer is needed");
        }
    }
    let small = world.build(BuildSpec { shm_size_bytes: Some(1 << 20), ..spec() }).await;
    assert_eq!(is_new, !matches!(small, Err(BuildError::Unsupported { .. })), "{small:?}");
}
