//! `kill -9` at any moment, and a restart: what was accepted is there, what was interrupted is settled.

use crate::support::app::{write_ready_made, write_ready_made_broken};
use crate::support::world::{Settings, Shown, World};
use launchway::model::CommitId;
use std::time::Duration;

/// What the environment has when all is well; the network and the volume are of its first deployment.
pub(super) const WHOLE: &[&str] =
    &["container app-store-1 running", "container app-web-1 running", "network app_default", "volume app_data"];

/// Ends the server at the failpoint's `nth` time (from 0) while `commit` is deployed, starts it again, and gives the
/// final status; `None` where the deployment came to its end without meeting the point so often.
pub(super) async fn interrupted(
    world: &mut World,
    point: &str,
    nth: u32,
    change: impl FnOnce(&World) -> CommitId,
) -> Option<Shown> {
    world.terminate().await;
    world.serve_with(&[("FAILPOINTS", &format!("{point}={nth}*off->return"))]).await;
    let commit = change(world);
    let final_of = |shown: Vec<Shown>| shown.into_iter().find(|s| s.state != "pending");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if world.has_died() {
            break;
        }
        if final_of(world.shown(&commit)).is_some() && world.query(UNFINISHED).trim() == "0" {
            return None;
        }
        assert!(std::time::Instant::now() < deadline, "{point} {nth}: neither dead nor done\n{}", world.serve_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.serve().await;
    Some(world.ends(&commit).await)
}

/// Deployments without an end, deliveries that nobody looked at, and statuses that were not sent.
const UNFINISHED: &str = "SELECT (SELECT count(*) FROM deployments WHERE ended_at IS NULL)
    + (SELECT count(*) FROM deliveries WHERE outcome = 'received') + (SELECT count(*) FROM outbox WHERE settled IS NULL)";

/// Everything is settled: the engine has exactly what the live release owns, and the store has no open end.
pub(super) async fn is_settled(world: &World, point: &str, whole: &[&str]) {
    world
        .until(&format!("{point}: no open end"), || async { (world.query(UNFINISHED).trim() == "0").then_some(()) })
        .await;
    assert_eq!(world.on_the_engine().await, whole, "{point}\n{}", world.deployment_logs());
    let lost = world.query("SELECT number, outcome, reason FROM deliveries WHERE outcome NOT IN ('deploys', 'known')");
    assert_eq!(lost, "", "{point}: a push that was accepted is deployed");
}

/// For whoever adds them up: `--success-output immediate` shows them.
pub(super) fn counted(point: &str, crashes: u32) {
    println!("crash points: {crashes} at {point}, all ended well");
}

async fn live_shop() -> World {
    let world = World::new().await;
    write_ready_made(&world.repository, "first");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world
}

/// Kills at each point during an update of its own, in one environment that lives on.
async fn updates_survive(points: &[(&str, u32)]) {
    let mut world = live_shop().await;
    for (number, (point, nth)) in points.iter().enumerate() {
        let version = format!("version-{number}");
        let shown = interrupted(&mut world, point, *nth, |world| {
            write_ready_made(&world.repository, &version);
            world.push(&version)
        });
        let shown = shown.await.unwrap_or_else(|| panic!("{point} {nth} was never met"));
        assert_eq!(shown.state, "success", "{point} {nth}: {shown:?}");
        assert_eq!(world.get("/").await, Some(version), "{point} {nth}");
        is_settled(&world, point, WHOLE).await;
    }
    counted("named points", points.len() as u32);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_survives_a_crash_at_every_moment_before_it_is_planned() {
    updates_survive(&[
        // Not stored yet: the hook tells the pusher, and the comparison of tips finds the push.
        ("delivery.came", 0),
        ("delivery.stored", 0),
        ("delivery.fetched", 0),
        ("delivery.decided", 0),
        ("delivery.judged", 0),
        ("prepare.checked_out", 0),
        ("prepare.released", 0),
        ("prepare.planned", 0),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_survives_a_crash_between_any_two_stages() {
    updates_survive(&[
        ("stage.said", 0),
        ("stage.said", 1),
        ("stage.said", 2),
        ("deploy.touched", 0),
        ("deploy.converged", 0),
        ("stage.said", 3),
        ("live.before", 0),
        ("live.set", 0),
        ("clean.ended", 0),
        ("end.before", 0),
        ("end.said", 0),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_survives_a_crash_while_it_is_sent() {
    updates_survive(&[("status.leaves", 0), ("status.sent", 0), ("status.sent", 1)]).await;
}

/// Kills at each step of the same change, one after the other, until the change has no further step.
pub(super) async fn every_step(
    point: &str,
    world: &mut World,
    change: impl Fn(&World, u32) -> CommitId,
    whole: &[&str],
    state: &str,
) {
    let mut met = 0;
    while let Some(shown) = interrupted(world, point, met, |world| change(world, met)).await {
        let place = format!("{point} {met}");
        assert_eq!(shown.state, state, "{place}: {shown:?}\n{}", world.deployment_logs());
        is_settled(world, &place, whole).await;
        met += 1;
    }
    counted(point, met);
    assert!(met >= 6, "only {met} steps were met");
}

async fn every_step_of_an_update(point: &str) {
    let mut world = live_shop().await;
    let update = |world: &World, number: u32| {
        write_ready_made(&world.repository, &format!("version-{number}"));
        world.push("Update")
    };
    every_step(point, &mut world, update, WHOLE, "success").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_survives_a_crash_before_any_of_its_steps() {
    every_step_of_an_update("step.begins").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_survives_a_crash_after_any_of_its_steps() {
    every_step_of_an_update("step.ended").await;
}

async fn every_step_of_a_failing_update(point: &str) {
    let mut world = live_shop().await;
    let update = |world: &World, number: u32| {
        write_ready_made_broken(&world.repository, &format!("no bank {number}"));
        world.push("Broken")
    };
    every_step(point, &mut world, update, WHOLE, "failure").await;
    assert_eq!(world.get("/").await.as_deref(), Some("first"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_update_is_put_back_after_a_crash_before_any_of_its_steps() {
    every_step_of_a_failing_update("step.begins").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_update_is_put_back_after_a_crash_after_any_of_its_steps() {
    every_step_of_a_failing_update("step.ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn putting_back_survives_a_crash_and_tells_the_reason_all_the_same() {
    let mut world = live_shop().await;
    for point in ["back.begins", "back.converged", "back.cleaned"] {
        let shown = interrupted(&mut world, point, 0, |world| {
            write_ready_made_broken(&world.repository, &format!("no bank at {point}"));
            world.push(point)
        });
        let shown = shown.await.unwrap();
        assert_eq!(shown.state, "failure", "{point}: {shown:?}");
        assert!(shown.description.contains(&format!("no bank at {point}; release 1 is live again")), "{shown:?}");
        is_settled(&world, point, WHOLE).await;
    }
    counted("named points", 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deployment_survives_a_crash_after_any_of_its_steps() {
    let mut nth = 0;
    loop {
        let mut world = World::new().await;
        let shown = interrupted(&mut world, "step.ended", nth, |world| {
            write_ready_made(&world.repository, "first");
            world.push("First")
        });
        let shown = shown.await;
        is_settled(&world, &format!("step.ended {nth}"), WHOLE).await;
        assert_eq!(world.get("/").await.as_deref(), Some("first"));
        world.end().await;
        match shown {
            Some(shown) => assert_eq!(shown.state, "success", "step.ended {nth}: {shown:?}"),
            None => break,
        }
        nth += 1;
    }
    counted("step.ended", nth);
    assert!(nth >= 6, "only {nth} steps were met");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deployment_that_fails_leaves_no_container_after_a_crash() {
    for point in ["deploy.touched", "back.begins", "back.converged", "back.cleaned"] {
        let mut world = World::new().await;
        let shown = interrupted(&mut world, point, 0, |world| {
            write_ready_made_broken(&world.repository, "no bank");
            world.push("Broken")
        });
        let shown = shown.await.unwrap();
        assert_eq!(shown.state, "failure", "{point}: {shown:?}");
        assert!(shown.description.ends_with("no bank; nothing is live yet"), "{shown:?}");
        // Volumes are never removed unasked; a network has addresses that others may need.
        is_settled(&world, point, &["volume app_data"]).await;
        world.end().await;
    }
    counted("named points", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_a_crash_interrupted_is_done_again() {
    let mut world = World::new().await;
    let shown = interrupted(&mut world, "build.built", 0, |world| {
        crate::support::app::write_shop(&world.repository, "built");
        world.push("First")
    });
    assert_eq!(shown.await.unwrap().state, "success");
    is_settled(&world, "build.built", WHOLE).await;
    counted("named points", 1);
    world.end().await;
}

/// Kills from outside at moments that chance chose once; a failure names its moment.
#[tokio::test(flavor = "multi_thread")]
async fn no_moment_is_bad_for_kill_9() {
    let mut world = World::with(Settings::default()).await;
    let moments_ms = [137, 1_911, 604, 1_303, 871, 2_466];
    for (number, moment_ms) in moments_ms.into_iter().enumerate() {
        let broken = number % 3 == 2;
        let version = format!("version-{number}");
        if broken {
            write_ready_made_broken(&world.repository, &version);
        } else {
            write_ready_made(&world.repository, &version);
        }
        let commit = world.push(&version);
        // The moment itself is what is tried: nothing is waited for.
        tokio::time::sleep(Duration::from_millis(moment_ms)).await;
        world.kill();
        world.serve().await;
        let shown = world.ends(&commit).await;
        assert_eq!(shown.state, if broken { "failure" } else { "success" }, "{moment_ms} ms: {shown:?}");
        is_settled(&world, &format!("{moment_ms} ms"), WHOLE).await;
        let serves = if broken { format!("version-{}", number - 1) } else { version };
        assert_eq!(world.get("/").await, Some(serves), "{moment_ms} ms");
    }
    world.end().await;
}
