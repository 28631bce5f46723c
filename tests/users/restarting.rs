//! The engine restarts, or the whole host does, in the middle of anything: one whole release is served afterwards.
//!
//! Needs an engine that may be restarted: `make restart-test` starts one of its own (tests/own-engine) and runs these.

use super::crashing::is_settled;
use super::crashing_behind_the_edge::{
    BLUE_GREEN, CANARY, RECREATE, ROLLING, WHOLE, WHOLE_OF_TWO, is_served, live, write,
};
use super::fronts;
use super::moving_traffic::deployed;
use crate::support::app::serve;
use crate::support::base_image::resolving;
use crate::support::load::{Load, Told};
use crate::support::world::{Settings, World};
use std::path::PathBuf;
use std::process::Command;

/// What happens, and in which order the rest comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// As an upgrade of the engine: its containers are stopped and started again.
    EngineRestarts,
    EngineIsKilled,
    /// Power fails. The engine is back first.
    HostReboots,
    /// Power fails. The server and the edge are back before the engine is.
    HostRebootsEngineLast,
}

const ALL: [Trouble; 4] =
    [Trouble::EngineRestarts, Trouble::EngineIsKilled, Trouble::HostReboots, Trouble::HostRebootsEngineLast];

pub fn own_engine(act: &str) {
    let folder = std::env::var("LAUNCHWAY_OWN_ENGINE").expect("an engine that may be restarted: make restart-test");
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/own-engine");
    let done = Command::new(program).args([act, &folder]).output().unwrap();
    assert!(done.status.success(), "{act}: {}", String::from_utf8_lossy(&done.stderr));
}

async fn happens(trouble: Trouble, world: &mut World) {
    let own_engine =
        |act: &'static str| async move { tokio::task::spawn_blocking(move || own_engine(act)).await.unwrap() };
    match trouble {
        Trouble::EngineRestarts | Trouble::EngineIsKilled => {
            own_engine(if trouble == Trouble::EngineRestarts { "stop" } else { "kill" }).await;
            own_engine("start").await;
        }
        Trouble::HostReboots | Trouble::HostRebootsEngineLast => {
            world.kill();
            world.kill_edge();
            own_engine("cut").await;
            if trouble == Trouble::HostReboots {
                own_engine("start").await;
            }
            world.start_edge().await;
            world.serve().await;
            if trouble == Trouble::HostRebootsEngineLast {
                own_engine("start").await;
            }
        }
    }
}

/// Waits until the log of the newest deployment, the `number`th, says this.
async fn reached(world: &World, number: u32, text: &str) {
    let path = world.data().join(format!("logs/{number}.log"));
    let said = || std::fs::read_to_string(&path).unwrap_or_default().contains(text);
    world.until(&format!("deployment {number} to say {text:?}"), || async { said().then_some(()) }).await;
}

/// While the engine is away and its containers with it, requests wait. Lost is only what a container had begun to answer
/// when the engine ended it. A host that is off refuses everything, and an engine that was killed takes half a minute to
/// answer again while it ends what it finds: as long as a request waits.
fn judge(trouble: Trouble, told: &Told, world: &World) {
    let is_fair = |failed: &&String| {
        let was_cut = failed.contains("broke off before it answered") || failed.contains("IncompleteBody");
        let waited =
            trouble == Trouble::EngineIsKilled && failed.contains("The application is not there at the moment");
        was_cut || waited
    };
    if matches!(trouble, Trouble::EngineRestarts | Trouble::EngineIsKilled) {
        let unfair: Vec<&String> = told.failed.iter().filter(|failed| !is_fair(failed)).collect();
        let logs = world.deployment_logs();
        // Two ask, one request at a time each, and two containers may end.
        assert!(
            unfair.is_empty() && told.failed.len() <= 4,
            "{trouble:?}: {:?} of {}\n{logs}",
            told.failed,
            told.answered
        );
    }
}

/// A live app on the story's engine, which an earlier story may have left away.
async fn live_here(lines: &str) -> World {
    own_engine("start");
    live(lines).await
}

/// Each trouble at each of these moments of an update of its own, in one environment that lives on.
async fn updates_survive(lines: &str, whole: &[&str], moments: &[&str]) {
    let lines = &format!("    restart: unless-stopped\n{lines}");
    let mut world = live_here(lines).await;
    let mut number = 1;
    for trouble in ALL {
        for moment in moments {
            number += 1;
            let place = format!("{trouble:?} at {moment:?}");
            println!("{place}");
            let version = format!("version-{number}");
            let load = Load::start(world.app_port);
            // Slow enough to be met on its way.
            write(&world.repository, &format!("sleep 1; {}", serve(&version)), lines);
            let commit = world.push(&version);
            reached(&world, number, moment).await;
            happens(trouble, &mut world).await;
            let shown = world.ends(&commit).await;
            assert_eq!(shown.state, "success", "{place}: {shown:?}\n{}", world.deployment_logs());
            is_settled(&world, &place, whole).await;
            is_served(&world, Some(&version)).await;
            judge(trouble, &load.end().await, &world);
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn blue_green_survives_restarts() {
    updates_survive(BLUE_GREEN, WHOLE, &["web-1: wait until ready", "lead ", "wait until it has finished"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn rolling_survives_restarts() {
    updates_survive(ROLLING, WHOLE_OF_TWO, &["web-1: wait until ready", "web-2: wait until ready"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn recreate_survives_restarts() {
    updates_survive(RECREATE, WHOLE, &["let requests wait", "web-1: wait until ready"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn a_canary_survives_restarts() {
    updates_survive(CANARY, WHOLE, &["web-1: wait until ready", "watch at"]).await;
}

/// Nothing is deployed: what the engine does not bring back by itself, Launchway does.
async fn standing_survives(restart: &str) {
    let mut world = live_here(restart).await;
    for trouble in ALL {
        let load = Load::start(world.app_port);
        happens(trouble, &mut world).await;
        world
            .until(&format!("{trouble:?}: the app to answer"), || async {
                (world.get("/").await.as_deref() == Some("first")).then_some(())
            })
            .await;
        is_settled(&world, &format!("{trouble:?}"), WHOLE).await;
        is_served(&world, Some("first")).await;
        judge(trouble, &load.end().await, &world);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn what_stands_survives_restarts() {
    standing_survives("    restart: unless-stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn what_stands_without_a_restart_policy_is_brought_back() {
    standing_survives("    restart: \"no\"").await;
}

const WHOLE_OF_NAMES: &[&str] = &[
    "container app-api-1 running",
    "container app-api-front running",
    "container app-caller-1 running",
    "network app_default",
];

/// Who has looked a name up is answered again, also where the engine went away while calls waited at the front.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an engine of its own: make restart-test"]
async fn names_survive_restarts() {
    own_engine("start");
    let mut world = World::not_serving(Settings { tables: "[edge]\n".into(), ..Settings::default() }).await;
    resolving(&world.engine.docker).await;
    world.start_edge().await;
    world.serve().await;
    let recreate = "    restart: unless-stopped\n    x-launchway: { method: recreate }";
    fronts::write(&world.repository, "slow-1", recreate);
    deployed(&world, "First").await;
    for (trouble, number) in ALL.into_iter().zip(2..) {
        let (version, place) = (format!("{}-{number}", fronts::SLOW), format!("{trouble:?}"));
        println!("{place}");
        fronts::write(&world.repository, &version, recreate);
        let commit = world.push(&version);
        reached(&world, number, "front of api: let requests wait: done").await;
        happens(trouble, &mut world).await;
        let shown = world.ends(&commit).await;
        assert_eq!(shown.state, "success", "{place}: {shown:?}\n{}", world.deployment_logs());
        is_settled(&world, &place, WHOLE_OF_NAMES).await;
        let is_answered = || async { fronts::told(&world).await.0.contains(&version).then_some(()) };
        world.until(&format!("{place}: the caller to be answered"), is_answered).await;
    }
    world.end().await;
}
