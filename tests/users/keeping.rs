//! While nothing is deployed: what died comes back, what keeps dying is told, what somebody stopped stays stopped.

use crate::support::app::{write_gated, write_quick, write_ready_made, write_shop};
use crate::support::engine_proxy::EngineProxy;
use crate::support::images::BASE;
use crate::support::world::{Settings, World, signal};
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptions, StopContainerOptionsBuilder,
    TagImageOptionsBuilder,
};
use serde_json::Value;

const WHOLE: &[&str] =
    &["container app-store-1 running", "container app-web-1 running", "network app_default", "volume app_data"];

async fn live_shop() -> World {
    let world = World::new().await;
    write_ready_made(&world.repository, "first");
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    world
}

/// One component that runs a shell line, with further lines of its service.
fn write_line(world: &World, line: &str, more: &str) {
    let text = format!(
        "services:\n  web:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sh, -c, \"{line}\"]\n    volumes: ['data:/data']\n    x-launchway: {{ stay-up: 1s }}\n{more}volumes: {{ data: {{}} }}\n"
    );
    world.repository.write("compose.yaml", text);
}

async fn live_line(line: &str, more: &str) -> World {
    let world = World::new().await;
    write_line(&world, line, more);
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world
}

async fn kill(world: &World, component: &str) {
    let id = world.running().await[component].clone();
    let options = KillContainerOptionsBuilder::new().signal("KILL").build();
    world.engine.docker.kill_container(&id, Some(options)).await.unwrap();
}

async fn stop(world: &World, component: &str) {
    let id = world.running().await[component].clone();
    let options = StopContainerOptionsBuilder::new().t(1).build();
    world.engine.docker.stop_container(&id, Some(options)).await.unwrap();
}

async fn remove(world: &World, component: &str) {
    let id = world.running().await[component].clone();
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_container(&id, Some(options)).await.unwrap();
}

/// `launchway status --json`, the only environment.
async fn status(world: &World, more: &[&str]) -> Value {
    let out = world.until("the status", || async {
        let (code, out, err) = world.launchway(&[&["status", "--json"], more].concat()).await;
        // Just started, it may not have its socket yet.
        assert!(code == 0 || code == 3, "{err}");
        (code == 0).then_some(out)
    });
    serde_json::from_str::<Value>(&out.await).unwrap()["environments"][0].clone()
}

async fn until_degraded(world: &World, trouble: &str) -> Value {
    world
        .until(&format!("degraded: {trouble}"), || async {
            let status = status(world, &[]).await;
            let all = status["degraded"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["trouble"] == trouble)
        })
        .await
}

async fn until_well(world: &World) {
    world
        .until("all to be well", || async {
            (status(world, &[]).await["degraded"] == serde_json::json!([])).then_some(())
        })
        .await;
}

async fn until_whole(world: &World) {
    world.until("all to run again", || async { (world.on_the_engine().await == WHOLE).then_some(()) }).await;
    world
        .until("the app to answer", || async { (world.get("/").await.as_deref() == Some("first")).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_killed_comes_back() {
    let world = live_shop().await;
    let before = world.running().await;
    kill(&world, "web").await;
    until_whole(&world).await;
    assert_eq!(world.running().await, before, "the very containers of before");
    kill(&world, "store").await;
    until_whole(&world).await;
    assert_eq!(world.query("SELECT count(*) FROM deployments").trim(), "1", "no deployment was made for it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_removed_comes_back_with_its_data() {
    let world = live_shop().await;
    remove(&world, "store").await;
    remove(&world, "web").await;
    until_whole(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_killed_in_spite_of_its_restart_policy_comes_back() {
    let world = live_line("exec sleep 600", "    restart: always\n").await;
    let before = world.running().await;
    kill(&world, "web").await;
    world.until("it to run again", || async { (world.running().await == before).then_some(()) }).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_stopped_stays_stopped_until_start() {
    for more in ["", "    restart: unless-stopped\n"] {
        let mut world = live_line("exec sleep 600", more).await;
        let before = world.running().await;
        stop(&world, "web").await;
        let degraded = until_degraded(&world, "stopped").await;
        assert_eq!(
            degraded["why"],
            "web was stopped by hand; `launchway start production` or the next deployment starts it"
        );
        // Also over a restart of Launchway, whoever remembers what.
        world.terminate().await;
        world.serve().await;
        until_degraded(&world, "stopped").await;
        assert!(world.running().await.is_empty());

        let (code, out, err) = world.launchway(&["start"]).await;
        assert_eq!(
            (code, out.as_str()),
            (0, format!("Started in {}/production: web\n", world.project).as_str()),
            "{err}"
        );
        assert_eq!(world.running().await, before);
        until_well(&world).await;
        let (_, out, _) = world.launchway(&["start", "production"]).await;
        assert_eq!(out, format!("Nothing of {}/production had to be started\n", world.project));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_stopped_is_started_by_the_next_deployment() {
    let world = World::new().await;
    write_quick(&world.repository, "1");
    world.ends(&world.push("First")).await;
    stop(&world, "web").await;
    until_degraded(&world, "stopped").await;
    world.repository.write("README.md", "unrelated");
    assert_eq!(world.ends(&world.push("Unrelated")).await.state, "success");
    assert_eq!(world.running().await.len(), 1);
    until_well(&world).await;
    world.end().await;
}

/// Ends as soon as the file is gone, and says why.
const FRAGILE: &str = "test -e /data/ok || { echo no bank; exit 3; }; while test -e /data/ok; do sleep 0.2; done; echo lost the bank; exit 3";

async fn exec(world: &World, component: &str, command: &str) {
    let id = world.running().await[component].clone();
    let options = bollard::exec::CreateExecOptions {
        attach_stdout: Some(true),
        cmd: Some(vec!["sh".to_string(), "-c".into(), command.into()]),
        ..Default::default()
    };
    let exec = world.engine.docker.create_exec(&id, options).await.unwrap();
    let started = world.engine.docker.start_exec(&exec.id, None).await.unwrap();
    let bollard::exec::StartExecResults::Attached { mut output, .. } = started else { panic!() };
    // The app may end before the command's output does.
    while futures_util::StreamExt::next(&mut output).await.is_some_and(|piece| piece.is_ok()) {}
}

/// An app whose file is there, and a helper that can take it away and bring it back.
async fn live_fragile(more: &str) -> World {
    let world = World::new().await;
    let helper = format!(
        "  helper:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    command: [sh, -c, \"touch /data/ok; exec sleep 600\"]\n    volumes: ['data:/data']\n    healthcheck: {{ test: ['CMD', 'test', '-d', '/data'], interval: 1s }}\n    x-launchway: {{ shared-volumes: [data] }}\n"
    );
    write_line(
        &world,
        FRAGILE,
        &format!("    depends_on: {{ helper: {{ condition: service_healthy }} }}\n{more}{helper}"),
    );
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_dying_is_told_with_its_last_lines_until_it_is_well_again() {
    keeps_dying("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_restarts_again_and_again_keeps_dying_too() {
    keeps_dying("    restart: always\n").await;
}

async fn keeps_dying(more: &str) {
    let world = live_fragile(more).await;
    exec(&world, "helper", "rm /data/ok").await;
    let degraded = until_degraded(&world, "keeps_dying").await;
    assert_eq!(degraded["component"], "web");
    let why = degraded["why"].as_str().unwrap();
    assert!(why.starts_with("web keeps dying: ") && why.ends_with(" times"), "{why}");
    assert!(degraded["last_lines"].as_array().unwrap().contains(&"no bank".into()), "{degraded}");
    world.until_said("is degraded: web keeps dying: ").await;
    assert!(world.serve_log().contains("; its last line: no bank"), "{}", world.serve_log());
    assert_eq!(world.query("SELECT live FROM environments").trim(), "1", "nothing is put back for it");
    let (_, text, _) = world.launchway(&["status"]).await;
    assert!(text.contains("  | no bank\n"), "{text}");

    exec(&world, "helper", "touch /data/ok").await;
    world.until("it to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    until_well(&world).await;
    world.until_said(": web is well again").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_dying_is_still_known_after_a_restart_of_launchway() {
    let mut world = live_fragile("").await;
    exec(&world, "helper", "rm /data/ok").await;
    until_degraded(&world, "keeps_dying").await;
    world.kill();
    world.serve().await;
    let status = status(&world, &[]).await;
    assert_eq!(status["degraded"][0]["trouble"], "keeps_dying", "{status}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ended_well_where_the_file_lets_it_is_left_alone() {
    let world = live_line("sleep 2", "    restart: on-failure\n").await;
    world
        .until("it to have ended", || async {
            let status = status(&world, &[]).await;
            (status["components"][0]["note"] == "ended").then_some(())
        })
        .await;
    assert_eq!(status(&world, &[]).await["degraded"], serde_json::json!([]));
    assert_eq!(world.running().await.len(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_was_away_is_looked_at_again() {
    let proxy = EngineProxy::start();
    let world = World::with(Settings { top: proxy.setting(), ..Settings::default() }).await;
    write_ready_made(&world.repository, "first");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    // Nobody hears of it.
    proxy.cut();
    kill(&world, "store").await;
    remove(&world, "web").await;
    let (_, text, _) = world.launchway(&["status"]).await;
    assert!(text.contains("The engine does not answer"), "{text}");
    assert_eq!(status(&world, &[]).await["components"], Value::Null);
    proxy.restore();
    until_whole(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_holds_a_push_and_resume_deploys_it() {
    let mut world = live_shop().await;
    let (code, out, err) = world.launchway(&["pause", "production", "--reason", "moving house"]).await;
    let said = "is paused: nothing is watched or deployed there until `launchway resume production`\n";
    assert!(code == 0 && out.ends_with(said), "{out}{err}");
    kill(&world, "web").await;
    write_ready_made(&world.repository, "second");
    let second = world.push("Second");
    let shown = world
        .until("the push to wait", || async {
            world.shown(&second).into_iter().find(|shown| shown.description.starts_with("Paused by "))
        })
        .await;
    assert_eq!(shown.state, "pending");
    assert!(
        shown.description.ends_with(" at the command line: moving house; `launchway resume` lets it go on"),
        "{shown:?}"
    );
    // It lasts over a restart.
    world.terminate().await;
    world.serve().await;
    world.until_said_again("Launchway is ready", 2).await;
    let paused = status(&world, &[]).await;
    assert_eq!(paused["paused"]["reason"], "moving house");
    assert_eq!(paused["waiting"][0]["id"], 2);
    assert!(!world.running().await.contains_key("web"), "nothing is watched");
    let (code, _, err) = world.launchway(&["start"]).await;
    assert!(code == 1 && err.contains("`launchway resume production` first"), "{err}");

    assert_eq!(world.launchway(&["resume", "production"]).await.0, 0);
    assert_eq!(world.ends(&second).await.state, "success");
    assert_eq!(world.get("/").await.as_deref(), Some("second"));
    let again = world.launchway(&["resume"]).await;
    assert!(again.0 == 1 && again.2.contains("is not paused"), "{again:?}");
    let log = world.serve_log();
    assert!(log.contains("is paused: nothing is watched or deployed there") && log.contains("is resumed"), "{log}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_on_also_while_the_environment_is_paused() {
    let world = World::new().await;
    for version in ["1", "2"] {
        write_quick(&world.repository, version);
        assert_eq!(world.ends(&world.push(version)).await.state, "success");
    }
    assert_eq!(world.launchway(&["pause"]).await.0, 0);
    let (code, out, err) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(world.query("SELECT live FROM environments").trim(), "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_an_app_that_is_dead() {
    let world = live_shop().await;
    let (_, text, _) = world.launchway(&["status"]).await;
    assert!(text.contains("idle"), "{text}");
    // Nobody puts it right while Launchway is paused.
    assert_eq!(world.launchway(&["pause"]).await.0, 0);
    kill(&world, "web").await;
    // Launchway has tried its health check itself, before the engine did for the first time.
    let status = world
        .until("the engine to call the store healthy", async || {
            let status = status(&world, &[]).await;
            (status["components"][0]["health"] == "healthy").then_some(status)
        })
        .await;
    let components = serde_json::json!([
        { "name": "store", "wanted": 1, "running": 1, "health": "healthy", "restarts": 0, "note": null },
        { "name": "web", "wanted": 1, "running": 0, "health": null, "restarts": 0, "note": "exited with code 137" },
    ]);
    assert_eq!(status["components"], components);
    let (_, text, _) = world.launchway(&["status"]).await;
    assert!(text.contains("paused; web down") && text.contains("0 of 1"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_hand_are_shown_and_put_right_by_the_next_deployment() {
    let world = live_shop().await;
    let (_, text, _) = world.launchway(&["status", "--drift"]).await;
    assert!(text.contains("/production is as release 1 says\n"), "{text}");
    let running = world.running().await;
    let name = format!("{}-production", world.project);
    let options = bollard::query_parameters::RenameContainerOptionsBuilder::new().name(&format!("{name}-mine")).build();
    world.engine.docker.rename_container(&running["web"], options).await.unwrap();
    let request = bollard::models::NetworkDisconnectRequest { container: running["store"].clone(), force: Some(true) };
    world.engine.docker.disconnect_network(&format!("{name}_default"), request).await.unwrap();
    stop(&world, "web").await;
    until_degraded(&world, "stopped").await;

    let (_, text, _) = world.launchway(&["status", "--drift"]).await;
    let from = text.find("differs from release 1:").unwrap();
    let drift: String =
        text[from..].lines().take_while(|line| !line.starts_with("Deployment")).map(|l| format!("{l}\n")).collect();
    insta::assert_snapshot!(drift.replace(&name, "app"), @"
    differs from release 1:
      app-store-1 is not attached to network app_default
      app-mine was stopped by hand
      app-mine should be named app-web-1
    ");
    let kinds: Vec<String> = status(&world, &["--drift"]).await["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["component"].as_str().unwrap(), one["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, ["store detached", "web stopped", "web renamed"]);
    assert_eq!(status(&world, &[]).await["drift"], Value::Null, "only where it is asked for");

    world.repository.write("README.md", "unrelated");
    assert_eq!(world.ends(&world.push("Unrelated")).await.state, "success");
    until_whole(&world).await;
    let (_, text, _) = world.launchway(&["status", "--drift"]).await;
    assert!(text.contains("/production is as release 2 says\n"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_hand_are_put_right_at_once_where_the_settings_say_so() {
    let environment = "branch = \"main\"\nbake = \"0s\"\nrepair = \"always\"".to_string();
    let world = World::with(Settings { environment: Some(environment), ..Settings::default() }).await;
    write_ready_made(&world.repository, "first");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    let running = world.running().await;
    let name = format!("{}-production-mine", world.project);
    let options = bollard::query_parameters::RenameContainerOptionsBuilder::new().name(&name).build();
    world.engine.docker.rename_container(&running["web"], options).await.unwrap();
    until_whole(&world).await;
    assert_eq!(world.running().await, running);
    // What somebody stopped stays so all the same.
    stop(&world, "web").await;
    until_degraded(&world, "stopped").await;
    assert!(!world.running().await.contains_key("web"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fought_over_while_a_deployment_runs() {
    let world = World::new().await;
    write_quick(&world.repository, "1");
    world.ends(&world.push("First")).await;
    write_gated(&world.repository, "2");
    let second = world.push("Second");
    world.until_deployment(&second, &["deploying"]).await;
    let log = || std::fs::read_to_string(world.data().join("logs/2.log")).unwrap_or_default();
    world.until("the new one", || async { log().contains("web-1: wait until ready").then_some(()) }).await;
    // The old container is down, as the deployment wants it; its end and this one wake nobody.
    kill(&world, "web").await;
    let shown = world.ends(&second).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    assert!(shown.description.ends_with("release 1 is live again"), "{shown:?}");
    assert!(!world.serve_log().contains("being put right"), "{}", world.serve_log());
    assert_eq!(world.on_the_engine().await, ["container app-web-1 running", "network app_default"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_does_not_wait_for_what_is_being_put_right() {
    let world = World::new().await;
    write_gated(&world.repository, "1");
    let first = world.push("First");
    world.until("it to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    world.open_gates().await;
    assert_eq!(world.ends(&first).await.state, "success");
    // Made anew it has no gate open: putting it right waits.
    remove(&world, "web").await;
    world.until_said("web is being put right").await;
    world.until("it to run again", || async { world.running().await.contains_key("web").then_some(()) }).await;
    write_quick(&world.repository, "2");
    let second = world.push("Second");
    assert_eq!(world.ends(&second).await.state, "success");
    assert!(world.deployment_logs().contains("given up: something else has to be done first"));
    assert_eq!(world.on_the_engine().await, ["container app-web-1 running", "network app_default"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn putting_right_survives_a_crash_at_any_of_its_steps() {
    let mut world = live_shop().await;
    let mut met = 0;
    loop {
        world.terminate().await;
        world.serve_with(&[("FAILPOINTS", &format!("step.ended={met}*off->return"))]).await;
        remove(&world, "web").await;
        kill(&world, "store").await;
        let died = loop {
            if world.has_died() {
                break true;
            }
            if world.on_the_engine().await == WHOLE && world.get("/").await.as_deref() == Some("first") {
                break false;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        if !died {
            break;
        }
        world.serve().await;
        until_whole(&world).await;
        met += 1;
    }
    assert!(met >= 3, "only {met} steps were met");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_to_put_back_says_what_is_down_and_is_tried_again() {
    let mut world = World::new().await;
    write_shop(&world.repository, "first");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world.terminate().await;
    world.serve_with(&[("FAILPOINTS", "back.begins=return")]).await;
    world.repository.write("web/start", "#!/bin/sh\necho no bank\nexit 7\n");
    let broken = world.push("Broken");
    while !world.has_died() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // In the middle of it somebody takes away what would come back, and what it is made of.
    let old = world.containers().await.into_iter().find(|container| {
        let label = |key: &str| container.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
        label("launchway.component") == Some("web") && label("launchway.release") == Some("1")
    });
    let (old, docker) = (old.unwrap(), world.engine.docker.clone());
    let image = old.image.unwrap();
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&old.id.unwrap(), Some(options)).await.unwrap();
    let kept = format!("kept-{}", world.project);
    let options = TagImageOptionsBuilder::new().repo(&kept).tag("1").build();
    docker.tag_image(&image, Some(options)).await.unwrap();
    docker.remove_image(&image, None::<RemoveImageOptions>, None).await.unwrap();

    world.serve().await;
    let shown = world.ends(&broken).await;
    assert_eq!(shown.state, "error");
    assert!(shown.description.ends_with("; release 1 is still live, but without web"), "{shown:?}");
    let degraded = until_degraded(&world, "not_put_back").await;
    let why = degraded["why"].as_str().unwrap();
    assert!(why.starts_with("deployment 2 could not be put back: ") && why.contains("has no image"), "{why}");

    let (repo, tag) = image.rsplit_once(':').unwrap();
    let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
    docker.tag_image(&format!("{kept}:1"), Some(options)).await.unwrap();
    world
        .until("release 1 to be live again", || async {
            let shown = world.shown(&broken).into_iter().next()?;
            shown.description.ends_with("; release 1 is live again").then_some(())
        })
        .await;
    until_whole(&world).await;
    until_well(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_defined_otherwise_is_refused_before_anything_is_touched() {
    let world = live_shop().await;
    let before = world.running().await;
    let compose = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    let networks = "networks: { default: { driver_opts: { com.docker.network.bridge.enable_icc: 'false' } } }\n";
    world.repository.write("compose.yaml", format!("{compose}{networks}"));
    let shown = world.ends(&world.push("Apart")).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    let log = world.deployment_logs();
    let said = "made otherwise: driver_opts.com.docker.network.bridge.enable_icc: none there, false in the file. An engine cannot change a network. Give it another `name:`";
    assert!(log.contains(said), "{log}");
    assert_eq!(world.running().await, before);

    let volumes = compose.replace("volumes: { data: {} }", "volumes: { data: { driver_opts: { o: size=1m } } }");
    world.repository.write("compose.yaml", volumes);
    assert_eq!(world.ends(&world.push("Elsewhere")).await.state, "failure");
    let log = world.deployment_logs();
    assert!(log.contains("An engine cannot change a volume, and Launchway never removes one."), "{log}");
    assert_eq!(world.running().await, before);

    // The way out that the sentence names.
    let networks = networks.replace("driver_opts", "name: 'inner-${PORT}', driver_opts");
    world.repository.write("compose.yaml", format!("{compose}{networks}"));
    let shown = world.ends(&world.push("Moved")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    world.end().await;
}

/// When the component's container was started; `None` while none runs.
async fn started(world: &World, component: &str) -> Option<String> {
    let id = world.running().await.get(component).cloned()?;
    world.engine.docker.inspect_container(&id, None).await.ok()?.state?.started_at
}

#[tokio::test]
async fn who_shares_a_network_follows_its_owner_also_where_the_engine_restarted_that() {
    let world = World::new().await;
    let text = format!(
        "services:\n  web:\n    image: {BASE}\n    init: true\n    restart: always\n    stop_grace_period: 1s\n    command: [sh, -c, 'mkdir -p /www; echo here > /www/index.html; while [ ! -e /die ]; do httpd -f -p 8080 -h /www & sleep 1; wait; done']\n    volumes: ['data:/data']\n  agent:\n    image: {BASE}\n    init: true\n    stop_grace_period: 1s\n    network_mode: service:web\n    command: [sleep, '1000']\nvolumes: {{ data: {{}} }}\n"
    );
    world.repository.write("compose.yaml", text);
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    let asks = || async {
        let asked = "timeout 5 wget -q -O - http://127.0.0.1:8080/ || echo nobody";
        world.exec("agent", &["sh", "-c", asked]).await.trim().to_string()
    };
    assert_eq!(asks().await, "here");
    let (web, agent) = (started(&world, "web").await, started(&world, "agent").await);
    // Its first process ends, and the engine starts the same container again.
    let owner = world.running().await["web"].clone();
    let pid = world.engine.docker.inspect_container(&owner, None).await.unwrap().state.unwrap().pid.unwrap();
    signal(u32::try_from(pid).unwrap(), "KILL");
    world
        .until("the owner to run again, and who shares its network after it", || async {
            let now = (Some(started(&world, "web").await?), Some(started(&world, "agent").await?));
            (now.0 > web && now.1 > agent && now.1 > now.0).then_some(())
        })
        .await;
    assert_eq!(world.running().await.get("web"), Some(&owner), "the same container");
    assert_eq!(asks().await, "here");
    world.end().await;
}
