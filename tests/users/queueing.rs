//! Pushes that come faster than they can be deployed, and which of them deploys at all.

use crate::support::app::{write_gated, write_quick};
use crate::support::world::{SECRET, Settings, Shown, World};
use launchway::model::CommitId;

/// Deployments that have begun and not ended.
const RUNNING: &str = "SELECT count(*) FROM deployments WHERE ended_at IS NULL AND state != 'waiting'";

fn states(world: &World) -> String {
    world.query("SELECT state FROM deployments ORDER BY id").trim_end().replace('\n', " ")
}

/// A first push that is being deployed until its gate opens.
async fn busy() -> (World, CommitId) {
    let world = World::new().await;
    write_gated(&world.repository, "one");
    let first = world.push("First");
    world.until("its container to run", || async { world.running().await.contains_key("web").then_some(()) }).await;
    (world, first)
}

async fn push_and_wait_for_its_turn(world: &World, version: &str) -> CommitId {
    write_quick(&world.repository, version);
    let commit = world.push(version);
    world.until_deployment(&commit, &["waiting"]).await;
    commit
}

#[tokio::test(flavor = "multi_thread")]
async fn one_runs_at_a_time_and_of_those_that_wait_the_newest_wins() {
    let (world, first) = busy().await;
    let second = push_and_wait_for_its_turn(&world, "two").await;
    world
        .until("the second commit to say what it waits for", || async {
            let is_it = |s: &Shown| {
                (s.state.as_str(), s.description.as_str())
                    == ("pending", "Waiting for deployment 1 (production#1) to end")
            };
            world.shown(&second).into_iter().find(is_it)
        })
        .await;
    let third = push_and_wait_for_its_turn(&world, "three").await;
    let fourth = push_and_wait_for_its_turn(&world, "four").await;
    assert_eq!(states(&world), "deploying superseded superseded waiting");
    assert_eq!(world.query(RUNNING).trim(), "1");
    for (overtaken, by) in [(&second, &third), (&third, &fourth)] {
        let shown = world.ends(overtaken).await;
        assert_eq!(shown.state, "error");
        assert_eq!(shown.description, format!("Superseded by {}; nothing is live yet", by.short()));
    }
    world.open_gates().await;
    assert_eq!(world.ends(&first).await.state, "success");
    let shown = world.ends(&fourth).await;
    assert_eq!(shown.state, "success");
    assert!(shown.description.contains("Release 2: web replaced"), "{}", shown.description);
    assert_eq!(states(&world), "succeeded superseded superseded succeeded");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_force_push_supersedes_the_waiting_deployment() {
    let (world, first) = busy().await;
    let regretted = push_and_wait_for_its_turn(&world, "regretted").await;
    world.repository.git(&["reset", "-q", "--hard", first.as_str()]);
    let instead = push_and_wait_for_its_turn(&world, "instead").await;
    let shown = world.ends(&regretted).await;
    assert_eq!(shown.description, format!("Superseded by {}; nothing is live yet", instead.short()));
    world.open_gates().await;
    assert_eq!(world.ends(&instead).await.state, "success");
    let live = "SELECT commit_id FROM releases WHERE id = (SELECT live FROM environments)";
    assert_eq!(world.query(live).trim(), instead.as_str());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_tip_is_not_deployed_and_does_not_swallow_the_push_before_it() {
    let (world, first) = busy().await;
    // While the first runs, a push of two commits: the second is marked.
    write_quick(&world.repository, "two");
    let second = world.repository.commit("Second");
    world.repository.write("CHANGELOG.md", "1.1");
    let marked = world.push("Note the change\n\n[skip launchway]");
    world.until_deployment(&second, &["waiting"]).await;
    // A marked push alone changes nothing for those before it.
    world.repository.write("CHANGELOG.md", "1.2");
    let marked_too = world.push("[ci skip] a typo");
    let judged = "SELECT outcome, reason FROM deliveries ORDER BY number DESC LIMIT 1";
    let reason =
        |tip: &CommitId, what: &str| format!("ignored|{} is marked to be skipped; production: {what}", tip.short());
    let waiting = reason(&marked_too, &format!("deployment 2 of {} is waiting", second.short()));
    world.until_store_says(judged, &waiting).await;

    world.open_gates().await;
    assert_eq!(world.ends(&first).await.state, "success");
    assert_eq!(world.ends(&second).await.state, "success");
    world.repository.write("CHANGELOG.md", "1.3");
    let marked_again = world.push("Another typo [Skip CI]");
    let live = reason(&marked_again, &format!("{} is live already (release 2)", second.short()));
    world.until_store_says(judged, &live).await;
    for commit in [&marked, &marked_too, &marked_again] {
        assert_eq!(world.shown(commit), [], "nobody wants a mark on it");
    }
    assert_eq!(states(&world), "succeeded succeeded");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_deploy_by_their_pattern_also_annotated_ones_and_deletes_never() {
    let environment = Some("tag = \"v*\"\nbake = \"0s\"".to_string());
    let limits = "catch-up = \"1s\"".to_string();
    let world = World::with(Settings { environment, limits, ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    world.until_store_says("SELECT outcome, reason FROM deliveries", "ignored|no environment wants main").await;
    world.repository.git(&["tag", "unrelated"]);
    world.repository.push("unrelated");
    world.repository.git(&["tag", "v1"]);
    world.repository.push("v1");
    assert_eq!(world.ends(&commit).await.state, "success");

    write_quick(&world.repository, "two");
    let second = world.repository.commit("Second");
    world.repository.git(&["tag", "-a", "v2", "-m", "Version 2"]);
    world.repository.push("v2");
    let shown = world.ends(&second).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    assert_eq!(world.query("SELECT ref FROM deployments ORDER BY id").trim(), "refs/tags/v1\nrefs/tags/v2");

    world.repository.push(":refs/tags/v2");
    let last = "SELECT kind, outcome, reason FROM deliveries ORDER BY number DESC LIMIT 1";
    world.until_store_says(last, "delete|ignored|v2 was deleted: nothing is deployed for that").await;
    assert_eq!(states(&world), "succeeded succeeded");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_cuts_the_watching_short() {
    let environment = Some("branch = \"main\"\nbake = \"10m\"".to_string());
    let mut world = World::with(Settings { environment, ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    world.until_deployment(&first, &["monitoring"]).await;
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    assert_eq!(world.ends(&first).await.state, "success");
    world.until_deployment(&second, &["monitoring"]).await;
    assert!(world.deployment_logs().contains("a newer commit waits: watched no longer"));

    // Also when the newer one comes while the server is down.
    write_quick(&world.repository, "three");
    world.terminate().await;
    let third = world.push("Third");
    world.serve().await;
    assert_eq!(world.ends(&second).await.state, "success");
    world.until_deployment(&third, &["monitoring"]).await;
    world.break_off();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_holds_all_it_may_leaves_a_slot_to_another() {
    let mut world = World::not_serving(Settings::default()).await;
    let environment = |project: &str, name: &str| {
        format!("[projects.{project}.environments.{name}]\nbranch = \"{name}\"\nbake = \"0s\"\n")
    };
    let tables = format!(
        "{}{}[projects.PROJECT-other]\nforge = \"plain\"\nrepository = \"{}\"\nname = \"octo/shop\"\nsecret = \"{SECRET}\"\n{}",
        environment("PROJECT", "second"),
        environment("PROJECT", "third"),
        world.repository.bare().display(),
        environment("PROJECT-other", "other"),
    );
    world.configure(&Settings { tables, limits: "deployments = 3".into(), ..Settings::default() });
    world.serve().await;
    let push = |branch: &str| {
        write_gated(&world.repository, branch);
        let commit = world.repository.commit(branch);
        world.repository.git(&["push", "-q", "origin", &format!("HEAD:refs/heads/{branch}")]);
        commit
    };
    let (first, second) = (push("main"), push("second"));
    for commit in [&first, &second] {
        world.until_deployment(commit, &["deploying"]).await;
    }
    // A slot is free, and kept for others.
    let third = push("third");
    world
        .until("the third to say what it waits for", || async {
            let says =
                "Waiting for its turn: 2 deployments of its project run already, and the last slot is kept for others";
            world.shown(&third).into_iter().find(|shown| shown.description == says)
        })
        .await;
    write_quick(&world.repository, "other");
    let other = world.repository.commit("other");
    world.repository.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]);
    world.until_deployment(&other, &["succeeded"]).await;
    assert_eq!(states(&world), "deploying deploying waiting succeeded");
    world
        .until("all to go live", || async {
            world.open_gates().await;
            (states(&world) == "succeeded succeeded succeeded succeeded").then_some(())
        })
        .await;
    world.end().await;
}
