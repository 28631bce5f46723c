//! The forge has trouble while a deployment runs: its status arrives all the same.

use crate::support::app::write_gated;
use crate::support::delivery::Delivery;
use crate::support::forge::{FakeForge, Fault};
use crate::support::world::{PATIENCE, Settings, World};
use launchway::model::{CommitId, ForgeKind};

/// A push that is being deployed until its gate opens, and whose first pending has arrived.
async fn deploying(kind: ForgeKind) -> (World, CommitId) {
    let world = World::with(Settings { forge: Some(kind), ..Settings::default() }).await;
    write_gated(&world.repository, "one");
    let commit = world.push("First");
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    world.until("its container to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    world.until_store_says("SELECT count(*) FROM outbox WHERE settled IS NULL", "0").await;
    (world, commit)
}

fn forge(world: &World) -> &FakeForge {
    world.forge.as_ref().unwrap()
}

/// The deployment ends while the forge answers with these; then it answers as usual.
async fn the_final_status_arrives(kind: ForgeKind, faults: &[Fault]) {
    let (world, commit) = deploying(kind).await;
    for fault in faults {
        forge(&world).answer_next(fault.clone());
    }
    world.open_gates().await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    let kept = forge(&world).kept_of(&commit);
    let finals = kept.iter().position(|kept| kept.state == "success").unwrap();
    assert!(kept[finals..].iter().all(|kept| kept.state == "success"), "nothing comes after the end: {kept:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_answers_500_and_then_closes_gets_the_final_status() {
    the_final_status_arrives(ForgeKind::GitHub, &[Fault::status(500), Fault::Close]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_whose_rate_limit_is_reached_gets_the_final_status() {
    the_final_status_arrives(ForgeKind::GitHub, &[Fault::retry_after(403, 1), Fault::retry_after(429, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_refuses_for_a_moment_gets_the_final_status() {
    the_final_status_arrives(ForgeKind::GitHub, &[Fault::status(422), Fault::status(422)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_that_keeps_the_status_and_loses_its_answer_shows_it_once() {
    the_final_status_arrives(ForgeKind::GitLab, &[Fault::KeepThenClose, Fault::status(502)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gitea_that_has_trouble_gets_the_final_status() {
    the_final_status_arrives(ForgeKind::Gitea, &[Fault::status(500), Fault::retry_after(429, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_never_answers_one_call_gets_the_final_status() {
    // A call is given up after half a minute.
    the_final_status_arrives(ForgeKind::Forgejo, &[Fault::Hang]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_status_survives_a_server_that_is_killed_while_the_forge_is_away() {
    let (mut world, commit) = deploying(ForgeKind::GitHub).await;
    for _ in 0..20 {
        forge(&world).answer_next(Fault::status(503));
    }
    world.open_gates().await;
    world.until_deployment(&commit, &["succeeded"]).await;
    world.until_store_says("SELECT state FROM outbox WHERE settled IS NULL AND attempts > 0", "success").await;
    world.kill();
    assert!(forge(&world).kept_of(&commit).iter().all(|kept| kept.state == "pending"));
    forge(&world).is_well();
    world.serve().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_was_away_gets_no_stale_pendings_and_each_commit_its_end() {
    let world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    for _ in 0..200 {
        forge(&world).answer_next(Fault::retry_after(503, 1));
    }
    let mut commits: Vec<CommitId> = Vec::new();
    for version in ["one", "two", "three"] {
        write_gated(&world.repository, version);
        let commit = world.push(version);
        let mut delivery = Delivery::push(&world, &commit);
        if let Some(before) = commits.last() {
            delivery = delivery.from(before);
        }
        delivery.send().await;
        world.until_deployment(&commit, &["waiting", "deploying"]).await;
        if commits.is_empty() {
            world
                .until("its container to run", || async { world.running().await.contains_key("web").then_some(()) })
                .await;
        }
        commits.push(commit);
    }
    let [first, second, third] = &commits[..] else { unreachable!() };
    world
        .until("all to end", || async {
            world.open_gates().await;
            (world.query("SELECT count(*) FROM deployments WHERE ended_at IS NULL").trim() == "0").then_some(())
        })
        .await;
    assert!(commits.iter().all(|commit| forge(&world).kept_of(commit).is_empty()));
    forge(&world).is_well();
    for (commit, state) in [(first, "success"), (second, "error"), (third, "success")] {
        assert_eq!(world.ends(commit).await.state, state);
        let kept = forge(&world).kept_of(commit);
        assert_eq!(kept.len(), 1, "no pending came late: {kept:?}");
    }
    assert_eq!(world.query("SELECT DISTINCT settled FROM outbox WHERE state = 'pending'").trim(), "dropped");
    world.end().await;
}

/// A push whose first pending got no answer from the forge, which serves it after the final.
async fn a_pending_that_is_served_late(kind: ForgeKind) {
    let world = World::with(Settings { forge: Some(kind), ..Settings::default() }).await;
    write_gated(&world.repository, "one");
    let commit = world.push("First");
    forge(&world).answer_next(Fault::Late);
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    world.until("its container to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    world.open_gates().await;
    world.ends(&commit).await;
    // It was sent once more by then: what the forge held back until now comes after that all the same.
    world.until_store_says("SELECT confirmed FROM outbox WHERE confirm_at IS NOT NULL", "1").await;
    let is_over = |state: &str| !matches!(state, "pending" | "running");
    let before = forge(&world).kept_of(&commit).len();
    forge(&world).serves_late();
    let served = forge(&world).kept_of(&commit).swap_remove(before);
    assert!(!is_over(&served.state), "{kind}: {served:?}");
    world
        .until("the commit to show its end again", || async {
            let kept = forge(&world).kept_of(&commit);
            kept[before + 1..].iter().any(|kept| is_over(&kept.state)).then_some(())
        })
        .await;
    assert_eq!(world.ends(&commit).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_that_github_serves_after_the_final_does_not_stay() {
    a_pending_that_is_served_late(ForgeKind::GitHub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_that_gitlab_serves_after_the_final_does_not_stay() {
    a_pending_that_is_served_late(ForgeKind::GitLab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_that_gitea_serves_after_the_final_does_not_stay() {
    a_pending_that_is_served_late(ForgeKind::Gitea).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_whose_middle_the_server_was_killed_got_no_answer_either() {
    let mut world = World::not_serving(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    world.serve_with(&[("FAILPOINTS", "status.sent=return")]).await;
    write_gated(&world.repository, "one");
    let commit = world.push("First");
    let _ = tokio::time::timeout(PATIENCE, Delivery::push(&world, &commit).send()).await;
    world.until_died().await;
    world.serve().await;
    world.until("its container to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    world.open_gates().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    world.until_store_says("SELECT state, confirmed > 0 FROM outbox WHERE confirm_at IS NOT NULL", "success|1").await;
    world.end().await;
}
