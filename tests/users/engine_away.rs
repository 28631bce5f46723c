//! The engine goes away half way: a deployment waits for it, and ends well when it is back in time; else it ends, says
//! so, and the environment is put right when the engine is back at last.

use super::crashing::is_settled;
use crate::support::app::{write_ready_made, write_ready_made_broken, write_shop};
use crate::support::engine_proxy::{EngineProxy, Loss};
use crate::support::world::{Settings, World};
use bollard::query_parameters::RemoveContainerOptionsBuilder;

const WHOLE: &[&str] =
    &["container app-store-1 running", "container app-web-1 running", "network app_default", "volume app_data"];

/// How long a deploy may take where a story gives it up.
const DEPLOY_S: u32 = 10;

/// A world in which release 1 is live, behind an engine that can be cut off.
async fn live(environment: Option<&str>) -> (World, EngineProxy) {
    let proxy = EngineProxy::start();
    let environment = environment.map(|lines| format!("branch = \"main\"\n{lines}"));
    let settings = Settings { top: proxy.setting(), environment, ..Settings::default() };
    let world = World::with(settings).await;
    write_ready_made(&world.repository, "first");
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    (world, proxy)
}

/// Waits for a text in a deployment's log.
async fn logged(world: &World, id: u32, text: &str) {
    let log = || std::fs::read_to_string(world.data().join(format!("logs/{id}.log"))).unwrap_or_default();
    world.until(&format!("{text:?} in the log of {id}"), || async { log().contains(text).then_some(()) }).await;
}

/// Cuts the engine off while deployment 2 is there, and gives it back once it is missed.
async fn missed(world: &World, proxy: &EngineProxy, reached: &str) {
    logged(world, 2, reached).await;
    proxy.cut();
    logged(world, 2, "waiting for the engine to answer again").await;
    proxy.restore();
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_push() {
    let (world, proxy) = live(None).await;
    proxy.cut();
    write_ready_made(&world.repository, "second");
    let commit = world.push("Second");
    logged(&world, 2, "waiting for the engine to answer again").await;
    proxy.restore();
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(world.get("/").await.as_deref(), Some("second"));
    assert_eq!(world.query("SELECT count(*) FROM releases").trim(), "2", "no release is made twice");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_build() {
    let (world, proxy) = live(None).await;
    write_shop(&world.repository, "second");
    let dockerfile = std::fs::read_to_string(world.repository.work().join("web/Dockerfile")).unwrap();
    world.repository.write("web/Dockerfile", dockerfile.replace("RUN ", "RUN sleep 2 && "));
    let commit = world.push("Second");
    missed(&world, &proxy, "RUN sleep 2").await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("second"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_the_steps_of_the_deploy() {
    let (world, proxy) = live(None).await;
    write_ready_made(&world.repository, "second");
    let slow = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    world.repository.write("compose.yaml", slow.replace("mkdir /www;", "sleep 3; mkdir /www;"));
    let commit = world.push("Second");
    missed(&world, &proxy, "waiting for its health check").await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(world.on_the_engine().await, WHOLE);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_new_release_is_watched() {
    let (world, proxy) = live(Some("bake = \"3s\"")).await;
    write_ready_made(&world.repository, "second");
    let commit = world.push("Second");
    missed(&world, &proxy, "watching for 3 s").await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(world.on_the_engine().await, WHOLE);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_old_release_is_put_back() {
    let (world, proxy) = live(None).await;
    let before = world.running().await;
    write_ready_made_broken(&world.repository, "no bank");
    let commit = world.push("Broken");
    missed(&world, &proxy, "putting release 1 back").await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    assert!(shown.description.ends_with("no bank; release 1 is live again"), "{shown:?}");
    assert_eq!(before, world.running().await);
    world.end().await;
}

/// The engine goes away at a request of a deployment, the next time at a later one, until none is left. It comes back
/// once it is missed.
async fn at_requests(change: impl Fn(&World, usize), state: &str, each: usize) {
    let (world, proxy) = live(None).await;
    proxy.cut_at(usize::MAX, Loss::OfTheRequest);
    change(&world, 0);
    assert_eq!(world.ends(&world.push("Undisturbed")).await.state, state);
    let requests = proxy.requests();
    println!("{requests} requests in an undisturbed deployment");
    let mut cuts = 0;
    for last in (1..=requests).step_by(each) {
        // Each place meets both in the end: `each` is odd where not all are met.
        let loss = if last % 2 == 0 { Loss::OfTheAnswer } else { Loss::OfTheRequest };
        change(&world, last);
        proxy.cut_at(last, loss);
        let commit = world.push(&format!("Cut at {last}"));
        let shown = world
            .until(&format!("the end of the deployment that is cut at {last}"), || async {
                if proxy.is_cut() {
                    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                    proxy.restore();
                }
                let shown = world.shown(&commit).into_iter().find(|shown| shown.context == "launchway/production");
                shown.filter(|shown| !matches!(shown.state.as_str(), "pending" | "running"))
            })
            .await;
        proxy.restore();
        let place = format!("cut at request {last}, {loss:?}");
        assert_eq!(shown.state, state, "{place}: {shown:?}\n{}", world.deployment_logs());
        is_settled(&world, &place, WHOLE).await;
        cuts += 1;
    }
    println!("cut at {cuts} requests, all ended well");
    assert!(cuts >= 10, "only {cuts} of {requests} requests were met");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_request_of_an_update() {
    let update = |world: &World, number: usize| write_ready_made(&world.repository, &format!("version-{number}"));
    at_requests(update, "success", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_request_of_an_update_that_fails() {
    let update =
        |world: &World, number: usize| write_ready_made_broken(&world.repository, &format!("no bank {number}"));
    at_requests(update, "failure", 7).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a quarter of an hour: cargo nextest run --run-ignored all at_every_request"]
async fn at_every_request() {
    let update = |world: &World, number: usize| write_ready_made(&world.repository, &format!("version-{number}"));
    at_requests(update, "success", 1).await;
    let update =
        |world: &World, number: usize| write_ready_made_broken(&world.repository, &format!("no bank {number}"));
    at_requests(update, "failure", 1).await;
}

/// An update that waits for its health check while the engine is cut off for longer than a deploy may take.
async fn given_up(world: &mut World, proxy: &EngineProxy) -> launchway::model::CommitId {
    world.terminate().await;
    let limits = format!("deploy = \"{DEPLOY_S}s\"");
    world.configure(&Settings { top: proxy.setting(), limits, ..Settings::default() });
    world.serve().await;
    write_ready_made(&world.repository, "second");
    let slow = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    world.repository.write("compose.yaml", slow.replace("mkdir /www;", "sleep 30; mkdir /www;"));
    let commit = world.push("Second");
    logged(world, 2, "web-1: wait until ready").await;
    proxy.cut();
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "error", "{shown:?}");
    let why = format!("deploying took longer than {DEPLOY_S} s: the Docker Engine");
    assert!(shown.description.starts_with(&why), "{shown:?}");
    assert!(shown.description.ends_with("; release 1 comes back once the engine answers"), "{shown:?}");
    commit
}

async fn is_live_again(world: &World, commit: &launchway::model::CommitId) {
    world
        .until("release 1 to be live again", || async {
            let shown = world.shown(commit).into_iter().next()?;
            shown.description.ends_with("; release 1 is live again").then_some(())
        })
        .await;
    assert_eq!(world.get("/").await.as_deref(), Some("first"));
    assert_eq!(world.on_the_engine().await, WHOLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn for_longer_than_a_deployment_may_take() {
    let (mut world, proxy) = live(None).await;
    let commit = given_up(&mut world, &proxy).await;
    proxy.restore();
    is_live_again(&world, &commit).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_longer_than_launchway_runs() {
    let (mut world, proxy) = live(None).await;
    let commit = given_up(&mut world, &proxy).await;
    world.kill();
    proxy.restore();
    world.serve().await;
    is_live_again(&world, &commit).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_so_long_that_a_newer_push_puts_it_right() {
    let (mut world, proxy) = live(None).await;
    given_up(&mut world, &proxy).await;
    write_ready_made(&world.repository, "third");
    let third = world.push("Third");
    logged(&world, 3, "waiting for the engine to answer again").await;
    proxy.restore();
    let shown = world.ends(&third).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    assert_eq!(world.get("/").await.as_deref(), Some("third"));
    assert_eq!(world.on_the_engine().await, WHOLE);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_somebody_removes_in_the_middle_is_made_again() {
    let (world, _proxy) = live(None).await;
    write_ready_made(&world.repository, "second");
    let slow = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    world.repository.write(
        "compose.yaml",
        slow.replace("date >> /data/starts", "rm -f /data/starts; sleep 4; date >> /data/starts"),
    );
    let commit = world.push("Second");
    // The new store is waited for; the old web runs until its turn comes.
    logged(&world, 2, "store-1: wait until ready").await;
    let running = world.running().await;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_container(&running["web"], Some(options)).await.unwrap();
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("second"));
    assert_eq!(world.on_the_engine().await, WHOLE);
    world.end().await;
}
