//! Bad input and bad luck: each has an answer that says what was attempted, why it failed and what is live.

use crate::support::app::{WEB, write_ready_made, write_ready_made_broken};
use crate::support::images::BASE;
use crate::support::world::{Settings, World};
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use std::collections::HashMap;

const SECRET: &str = "s3cr3t-of-the-shop";

/// A world in which release 1 is live, with a secret value for the app.
async fn live() -> World {
    let tables = format!("[projects.PROJECT.environments.production.secrets]\nTOKEN = \"{SECRET}\"\n");
    let world = World::with(Settings { tables, ..Settings::default() }).await;
    write_ready_made(&world.repository, "first");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world
}

/// Pushes and gives `state: description` as people read it, with what differs from run to run taken out.
async fn answer(world: &World) -> String {
    let shown = world.ends(&world.push("Trouble")).await;
    redacted(world, &format!("{}: {}", shown.state, shown.description))
}

fn redacted(world: &World, text: &str) -> String {
    let text = text.replace(&world.project, "PROJECT").replace(&world.app_port.to_string(), "PORT");
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let number = word.parse::<f64>().is_ok() && word.contains('.');
        words.push(if number { "N".into() } else { word.into() });
    }
    // Less than a moment is not counted.
    words.join(" ").replace("right after its start", "N s after its start")
}

fn compose(world: &World, text: &str) {
    world.repository.write("compose.yaml", text);
}

/// The last lines of the newest deployment's log, without time and stage.
fn log(world: &World, with: &str) -> String {
    let text = world.deployment_logs();
    let lines = text.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).filter(|line| line.contains(with));
    redacted(world, &lines.map(str::trim).collect::<Vec<_>>().join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_read_is_told_why_and_touches_nothing() {
    let world = live().await;
    let before = world.running().await;

    compose(&world, "services:\n  web:\n    image: x\n   ports: []\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:4: this is no YAML: while parsing a block mapping, did not find expected key (column 4); release 1 is still live");

    compose(&world, "services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:2: services.a.depends_on: these components wait for one another in a circle: a -> b -> a; release 1 is still live");

    compose(&world, "services:\n  web:\n    build: ./nowhere\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:3: services.web.build.context: there is no folder nowhere in the commit to build; release 1 is still live");

    world.repository.write("web/readme", "no Dockerfile here");
    compose(&world, "services:\n  web:\n    build: ./web\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:3: services.web.build: there is no Dockerfile web/Dockerfile in the commit; release 1 is still live");

    compose(&world, "services:\n  web:\n    image: x\n    env_file: [web.env]\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:4: services.web.env_file[0].path: there is no file web.env in the commit (is it ignored by git?); giv…; release 1 is still live");

    compose(&world, "services:\n  web:\n    image: x\n    volumes: ['./uploads:/uploads']\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:4: services.web.volumes[0].source: uploads is not in the commit, so nothing stands behind this mount;…; release 1 is still live");

    compose(
        &world,
        "services:\n  web:\n    image: x\n    privileged: true\n    volumes: ['/var/run/docker.sock:/x']\n",
    );
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:4: services.web.privileged: a privileged container is root on the host, so it is refused; `allow.priv…; release 1 is still live");

    world.repository.write("web/Dockerfile", "FROM launchway-test/base:1\nARG TOKEN\nRUN echo $TOKEN\n");
    compose(&world, "services:\n  web:\n    build: { context: ./web, args: { TOKEN: '${TOKEN}' } }\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:3: services.web.build.args.TOKEN: the value of TOKEN is a secret of launchway.toml; anyone with the i…; release 1 is still live");

    compose(&world, "services:\n  web:\n    image: 127.0.0.1:1/nobody/nothing:1\n");
    // Why, each of the engine's two image stores says in its own way.
    let answer_of_the_store = answer(&world).await;
    let begins = "failure: web: the engine has no image 127.0.0.1:1/nobody/nothing:1: pulling it failed: ";
    let why = answer_of_the_store.strip_prefix(begins).and_then(|rest| rest.strip_suffix("…; release 1 is still live"));
    assert!(why.is_some_and(|why| why.len() > 20), "{answer_of_the_store}");

    compose(&world, "services:\n  web:\n    image: launchway-test/nothing:1\n    pull_policy: never\n");
    insta::assert_snapshot!(answer(&world).await, @"failure: web: the engine has no image launchway-test/nothing:1, and pull_policy is never; release 1 is still live");

    world.repository.git(&["rm", "-rqf", "compose.yaml", "web"]);
    insta::assert_snapshot!(answer(&world).await, @"failure: nothing in the repository says how it is deployed; looked for compose.yaml, compose.yml, docker-compose.yaml, dock…; release 1 is still live");

    assert_eq!(before, world.running().await);
    assert_eq!(world.get("/").await.as_deref(), Some("first"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_tells_its_last_lines() {
    let world = live().await;
    let before = world.running().await;
    // The engine reads what goes to either stream for itself.
    world.repository.write(
        "web/Dockerfile",
        format!("FROM {BASE}\nRUN echo compiling && sleep 1 && echo 'main.c:7: no bank' >&2 && exit 3\n"),
    );
    compose(&world, &format!("services:{WEB}"));
    insta::assert_snapshot!(answer(&world).await, @"failure: building web failed at [2/2]: main.c:7: no bank; release 1 is still live");
    // Where there is room for it, the step says itself what it is.
    let whole = world.query("SELECT description FROM deployments ORDER BY id DESC LIMIT 1");
    let step = "the step is RUN echo compiling && sleep 1 && echo 'main.c:7: no bank' >&2 && exit 3";
    let expected = format!(
        "building web failed at [2/2]; {step}; the last that it said: main.c:7: no bank; release 1 is still live"
    );
    assert_eq!(whole.trim(), expected);
    let last_lines = world.query("SELECT last_lines FROM deployments ORDER BY id DESC LIMIT 1");
    assert_eq!(last_lines.trim(), r#"{"component":"web","lines":["compiling","main.c:7: no bank"]}"#);
    // Engines say differently how it failed.
    let command = "/bin/sh -c echo compiling && sleep 1 && echo 'main.c:7: no bank' >&2 && exit 3";
    let told = log(&world, "web [2/2]")
        .replace(&format!("executor failed running [{command}]"), "ENGINE")
        .replace(&format!("process \"{command}\" did not complete successfully"), "ENGINE");
    insta::assert_snapshot!(told, @"
    web [2/2] RUN echo compiling && sleep 1 && echo 'main.c:7: no bank' >&2 && exit 3
    web [2/2] | compiling
    web [2/2] | main.c:7: no bank
    web [2/2]: failed: ENGINE: exit code: 3
    web [2/2] RUN echo compiling && sleep 1 && echo 'main.c:7: no bank' >&2 && exit 3 failed: ENGINE: exit code: 3
    ");
    assert_eq!(before, world.running().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_stay_up_is_put_back_with_its_last_lines() {
    let world = live().await;
    let before = world.running().await;

    write_ready_made_broken(&world.repository, "cannot reach the bank");
    insta::assert_snapshot!(answer(&world).await, @"failure: web-1 exited with code 7 N s after its start: cannot reach the bank; release 1 is live again");

    let ends_well = "services:\n  web: { image: launchway-test/base:1, command: [echo, all done] }\n";
    compose(&world, ends_well);
    insta::assert_snapshot!(answer(&world).await, @"failure: web-1 exited with code 0 N s after its start. If it is meant to end, say so: `x-launchway: { job: true }`; release 1 is live again");
    insta::assert_snapshot!(log(&world, "meant to end"), @"
    web #6 web-1: wait until ready: web-1 exited with code 0 N s after its start. If it is meant to end, say so: `x-launchway: { job: true }`
    - failed: web-1 exited with code 0 N s after its start. If it is meant to end, say so: `x-launchway: { job: true }`
    - web-1 exited with code 0 N s after its start. If it is meant to end, say so: `x-launchway: { job: true }`: all done; release 1 is live again
    ");

    let loops = "services:\n  web: { image: launchway-test/base:1, restart: always, command: [sh, -c, 'echo no bank; exit 5'] }\n";
    compose(&world, loops);
    let answered = answer(&world).await;
    assert!(answered.starts_with("failure: web-1 "), "{answered}\n{}", world.deployment_logs());
    assert!(answered.contains("a crash loop") && answered.ends_with("no bank; release 1 is live again"), "{answered}");

    let unhealthy = "services:\n  web:\n    image: launchway-test/base:1\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n    healthcheck: { test: [CMD-SHELL, 'echo the bank is closed; exit 1'], interval: 1s, retries: 2 }\n";
    compose(&world, unhealthy);
    insta::assert_snapshot!(answer(&world).await, @"failure: web-1 is unhealthy; its health check said: the bank is closed; release 1 is live again");

    let no_such_command = "services:\n  web: { image: launchway-test/base:1, command: [no-such-program] }\n";
    compose(&world, no_such_command);
    insta::assert_snapshot!(answer(&world).await, @r#"failure: web-1 cannot run: "no-such-program": executable file not found in $PATH (`command` or `entrypoint` names what is n…; release 1 is live again"#);

    assert_eq!(before, world.running().await, "the very containers of before run again");
    assert_eq!(world.get("/").await.as_deref(), Some("first"));
    assert_eq!(
        world.on_the_engine().await,
        ["container app-store-1 running", "container app-web-1 running", "network app_default", "volume app_data"]
    );
    world.end().await;
}

/// A container that is none of the story's environment; removed when dropped is awaited by `remove`.
async fn foreign(world: &World, name: &str, port: Option<u16>) -> String {
    let bindings = port.map(|port| {
        let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(port.to_string()) };
        HashMap::from([("8080/tcp".to_string(), Some(vec![binding]))])
    });
    let body = ContainerCreateBody {
        image: Some(BASE.into()),
        cmd: Some(vec!["sleep".into(), "600".into()]),
        exposed_ports: port.map(|_| vec!["8080/tcp".to_string()]),
        host_config: Some(HostConfig { port_bindings: bindings, init: Some(true), ..Default::default() }),
        // So that it goes with the world, whatever happens; without an environment it is nobody's.
        labels: Some(HashMap::from([("launchway.project".into(), world.project.clone())])),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let id = world.engine.docker.create_container(Some(options), body).await.unwrap().id;
    world.engine.docker.start_container(&id, None).await.unwrap();
    id
}

async fn remove(world: &World, id: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_container(id, Some(options)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_or_port_that_somebody_else_holds_is_named_before_anything_is_stopped() {
    let world = live().await;
    let before = world.running().await;
    let other = crate::support::world::free_port();

    let name = format!("{}-stranger", world.project);
    let id = foreign(&world, &name, Some(other)).await;
    compose(
        &world,
        &format!("services:\n  web: {{ image: {BASE}, command: [sleep, '600'], ports: ['127.0.0.1:{other}:8080'] }}\n"),
    );
    let answered = answer(&world).await.replace(&other.to_string(), "OTHER");
    insta::assert_snapshot!(answered, @"failure: compose.yaml:2: services.web.ports: port OTHER of the host is held by container PROJECT-stranger (another Launch…; release 1 is still live");

    compose(&world, &format!("services:\n  web: {{ image: {BASE}, container_name: {name} }}\n"));
    insta::assert_snapshot!(answer(&world).await, @"failure: compose.yaml:2: services.web: the container name PROJECT-stranger is held by a container that is not this enviro…; release 1 is still live");
    assert!(world.running().await.values().any(|running| *running == before["web"]));
    remove(&world, &id).await;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held = listener.local_addr().unwrap().port();
    compose(
        &world,
        &format!("services:\n  web: {{ image: {BASE}, command: [sleep, '600'], ports: ['127.0.0.1:{held}:8080'] }}\n"),
    );
    let answered = answer(&world).await.replace(&held.to_string(), "HELD");
    insta::assert_snapshot!(answered, @"failure: compose.yaml:2: services.web.ports: port HELD of the host is held by a process. `sudo ss -lntp 'sport = :HELD'`…; release 1 is still live");
    assert_eq!(before, world.running().await);
    assert_eq!(world.get("/").await.as_deref(), Some("first"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_appears_nowhere_but_in_the_app() {
    let world = live().await;
    let shouts = "services:\n  web:\n    image: launchway-test/base:1\n    environment: { TOKEN: '${TOKEN}' }\n    command: [sh, -c, 'echo my token is $$TOKEN; exit 1']\n";
    compose(&world, shouts);
    let answered = answer(&world).await;
    assert!(answered.contains("my token is ***"), "{answered}");

    // In the build it is a secret's file, and the build shouts it too.
    world.repository.write("web/Dockerfile", format!("FROM {BASE}\nRUN --mount=type=secret,id=token echo {} building with $(cat /run/secrets/token)\nCMD [\"sleep\", \"600\"]\n", world.project));
    compose(
        &world,
        "services:\n  web:\n    build: { context: ./web, secrets: [token] }\n    init: true\n    stop_grace_period: 1s\nsecrets: { token: { environment: TOKEN } }\n",
    );
    let answered = answer(&world).await;
    assert!(answered.starts_with("success"), "{answered}\n{}", world.deployment_logs());
    assert!(world.deployment_logs().contains("building with ***"), "{}", world.deployment_logs());

    let page = world.query("SELECT page_key FROM deployments ORDER BY id DESC LIMIT 1");
    let page =
        crate::support::world::get(&format!("http://127.0.0.1:{}/deployments/{}", world.port, page.trim())).await;
    for (place, text) in [
        ("the page", page.unwrap()),
        ("the deployments' logs", world.deployment_logs()),
        ("the server's log", world.serve_log()),
        ("statuses", world.query("SELECT description FROM outbox")),
        ("deployments", world.query("SELECT description, plan, subject FROM deployments")),
        ("deliveries", world.query("SELECT event, reason FROM deliveries")),
    ] {
        assert!(!text.contains(SECRET), "{place}: {text}");
    }
    world.end().await;
}

/// A health check that flaps: ready once is not good for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_flaps_is_found_while_the_release_is_watched() {
    let environment = Some("branch = \"main\"\nbake = \"20s\"".to_string());
    let world = World::with(Settings { environment, ..Settings::default() }).await;
    let check = |test: &str| {
        format!(
            "services:\n  web:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '600']\n    healthcheck: {{ test: [CMD-SHELL, '{test}'], interval: 1s, retries: 1 }}\n"
        )
    };
    compose(&world, &check("true"));
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    // Well for some seconds, then not, and so on.
    compose(&world, &check("test $(( $(date +%s) % 8 )) -lt 5"));
    let answered = answer(&world).await;
    // Where it is not well at first, that is what it is put back for.
    let whys = ["web became unhealthy while it was watched", "web-1 is unhealthy; its health check said"];
    let is_one = whys.iter().any(|why| answered.starts_with(&format!("failure: {why}")));
    assert!(is_one && answered.ends_with("; release 1 is live again"), "{answered}");
    world.end().await;
}
