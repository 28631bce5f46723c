//! Deliveries that never came, and repositories that do not answer.

use crate::support::app::write_quick;
use crate::support::delivery::Delivery;
use crate::support::forge::TOKEN;
use crate::support::git_http::GitHttp;
use crate::support::world::{SECRET, Settings, World, signal};
use launchway::model::{CommitId, ForgeKind};

/// Settings under which tips are compared every second.
fn quickly() -> Settings {
    Settings { limits: "catch-up = \"1s\"".into(), ..Settings::default() }
}

/// The same on GitHub, so that statuses do not depend on the repository being there.
fn quickly_on_github() -> Settings {
    Settings { forge: Some(ForgeKind::GitHub), ..quickly() }
}

async fn until_compared(world: &World) {
    world.until_store_says("SELECT count(*) FROM projects WHERE compared_at", "1").await;
}

/// Waits until the tips were compared again, by a ref that the world pushes for it.
async fn until_compared_again(world: &World) {
    let mark = format!("mark-{}", world.query("SELECT count(*) FROM tips").trim());
    world.repository.push(&format!("HEAD:refs/heads/{mark}"));
    world.until_store_says(&format!("SELECT count(*) FROM tips WHERE ref = 'refs/heads/{mark}'"), "1").await;
}

fn deployments(world: &World) -> String {
    world.query("SELECT trigger FROM deployments ORDER BY id").trim_end().replace('\n', " ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_delivery_never_came_is_found_and_marked_as_found() {
    let world = World::with(quickly()).await;
    until_compared(&world).await;
    world.mute_hook();
    write_quick(&world.repository, "one");
    let commit = world.push("Told to nobody");
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success");
    assert!(shown.description.ends_with("; found by catching up"), "{}", shown.description);
    assert_eq!(deployments(&world), "found");
    assert_eq!(
        world.query("SELECT event_name, kind, found, outcome, reason FROM deliveries").trim(),
        format!("found by comparing tips|push|1|deploys|production: deployment 1 of {}", commit.short())
    );
    let (code, told, _) = world.launchway(&["deliveries"]).await;
    assert!(code == 0 && told.contains("found"), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_not_deployed_a_second_time_by_catching_up() {
    let world = World::with(quickly()).await;
    for version in ["one", "two"] {
        write_quick(&world.repository, version);
        assert_eq!(world.ends(&world.push(version)).await.state, "success");
        until_compared_again(&world).await;
    }
    // Whoever came first, the delivery or (comparing every second) the comparison: each commit was deployed once.
    assert_eq!(deployments(&world).split_whitespace().count(), 2, "{}", deployments(&world));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_while_the_server_is_down_is_found_at_its_start_and_a_restart_deploys_nothing_again() {
    let mut world = World::new().await;
    write_quick(&world.repository, "one");
    world.ends(&world.push("First")).await;
    let before = world.running().await;
    world.terminate().await;
    world.serve().await;
    world.terminate().await;
    assert_eq!((deployments(&world).as_str(), world.running().await), ("push", before));

    write_quick(&world.repository, "two");
    let commit = world.push("While nobody listens");
    world.serve().await;
    let shown = world.ends(&commit).await;
    assert!(shown.description.ends_with("; found by catching up"), "{shown:?}");
    assert_eq!(deployments(&world), "push found");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_seen_for_the_first_time_does_not_deploy_by_itself() {
    let mut world = World::not_serving(quickly_on_github()).await;
    write_quick(&world.repository, "one");
    let old = world.push("From before");
    // Not even when the repository was away at first, and the forge has already said hello.
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away.git"));
    std::fs::rename(&bare, &away).unwrap();
    world.serve().await;
    world
        .until("the comparison to fail", || async {
            world.serve_log().contains("could not be compared with what was received").then_some(())
        })
        .await;
    let body = serde_json::json!({ "repository": { "id": 4711, "full_name": "octo/shop" } });
    assert_eq!(Delivery::new(&world, "ping", body).send().await.0, 200);
    std::fs::rename(&away, &bare).unwrap();
    until_compared(&world).await;
    until_compared_again(&world).await;
    assert_eq!((deployments(&world).as_str(), world.shown(&old)), ("", vec![]));

    let (code, told, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{told}{error}");
    assert_eq!(world.ends(&old).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_comes_to_want_a_branch_does_not_deploy_what_was_there_before() {
    let world = World::with(quickly()).await;
    world.repository.git(&["checkout", "-q", "-b", "staging"]);
    write_quick(&world.repository, "one");
    let old = world.repository.commit("First");
    world.repository.push("staging");
    world.until_store_says("SELECT ref FROM tips", "refs/heads/staging").await;
    let tables = "[projects.PROJECT.environments.staging]\nbranch = \"staging\"\nbake = \"0s\"\n".to_string();
    world.configure(&Settings { tables, ..quickly() });
    signal(world.pid(), "HUP");
    world
        .until("the settings to be read", || async {
            world.serve_log().contains("The settings were read again").then_some(())
        })
        .await;
    until_compared_again(&world).await;
    assert_eq!((deployments(&world).as_str(), world.shown(&old)), ("", vec![]));
    // The next push that nobody delivers is found there.
    world.mute_hook();
    write_quick(&world.repository, "two");
    let next = world.repository.commit("Second");
    world.repository.push("staging");
    assert_eq!(world.ends_in(&next, "launchway/staging").await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_repository_is_away_is_tried_again_and_ends_well() {
    let world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away.git"));
    std::fs::rename(&bare, &away).unwrap();
    let delivery = Delivery::push(&world, &commit);
    assert_eq!(delivery.send().await.0, 202);
    let shown = world.until("the commit to show why it waits", || async { world.shown(&commit).pop() }).await;
    assert_eq!(shown.state, "pending");
    assert!(shown.description.starts_with("Cannot fetch yet: fetching "), "{}", shown.description);
    let put_off = world.query("SELECT outcome, attempts > 0, reason FROM deliveries");
    assert!(put_off.starts_with("received|1|fetching ") && put_off.contains("shop.git"), "{put_off}");
    std::fs::rename(&away, &bare).unwrap();
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(deployments(&world), "push");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_delivery_survives_a_server_that_is_killed() {
    let mut world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away.git"));
    std::fs::rename(&bare, &away).unwrap();
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    world.kill();
    std::fs::rename(&away, &bare).unwrap();
    world.serve().await;
    assert_eq!(world.ends(&commit).await.state, "success");
    assert_eq!(deployments(&world), "push");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waited_for_its_repository_and_was_overtaken_ends_superseded() {
    let world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away.git"));
    std::fs::rename(&bare, &away).unwrap();
    Delivery::push(&world, &first).send().await;
    world.until("the commit to show that it waits", || async { world.shown(&first).pop() }).await;
    std::fs::rename(&away, &bare).unwrap();
    let shown = world.ends(&first).await;
    assert_eq!(
        (shown.state.as_str(), shown.description),
        ("error", format!("Superseded by {}; nothing is live yet", second.short()))
    );
    assert_eq!(world.ends(&second).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waited_for_its_repository_and_asks_to_be_left_alone_is_told_so() {
    let world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    write_quick(&world.repository, "two");
    let skipped = world.push("Words only [CI skip]");
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away.git"));
    std::fs::rename(&bare, &away).unwrap();
    Delivery::push(&world, &skipped).send().await;
    world.until("the commit to show that it waits", || async { world.shown(&skipped).pop() }).await;
    std::fs::rename(&away, &bare).unwrap();
    let shown = world.ends(&skipped).await;
    assert_eq!(
        (shown.state.as_str(), shown.description.as_str()),
        ("error", "Skipped: the commit says [ci skip]; nothing is live yet")
    );
    assert_eq!(world.ends(&first).await.state, "success", "the push before it is deployed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ignored_long_ago_is_forgotten_and_the_rest_is_kept() {
    let mut world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    Delivery::push(&world, &commit).send().await;
    world.ends(&commit).await;
    for (id, age_days) in [("old", 31), ("recent", 29)] {
        Delivery::push_to(&world, "refs/heads/nobody-wants-it", &commit).id(id).send().await;
        world.until_store_says(&format!("SELECT outcome FROM deliveries WHERE delivery_id = '{id}'"), "ignored").await;
        world.terminate().await;
        let age_ms = age_days * 24 * 3_600_000_i64;
        world.change(&format!("UPDATE deliveries SET received_at = received_at - {age_ms} WHERE delivery_id = '{id}'"));
        world.serve().await;
    }
    world.until_store_says("SELECT outcome FROM deliveries ORDER BY number", "deploys\nignored").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_stays_away_ends_the_delivery_and_is_caught_up_with_when_it_is_back() {
    let mut world = World::with(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    until_compared(&world).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away.git"));
    std::fs::rename(&bare, &away).unwrap();
    Delivery::push(&world, &commit).send().await;
    world.until("the commit to show that it waits", || async { world.shown(&commit).pop() }).await;
    // Minutes later: it was tried seven times.
    world.terminate().await;
    world.change("UPDATE deliveries SET attempts = 7, next_at = 0");
    world.configure(&quickly_on_github());
    world.serve().await;
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "error");
    assert!(
        shown.description.starts_with("fetching ") && shown.description.ends_with("; nothing is live yet"),
        "{}",
        shown.description
    );
    world.until_store_says("SELECT outcome FROM deliveries", "failed").await;
    std::fs::rename(&away, &bare).unwrap();
    world.until_store_says("SELECT trigger, state FROM deployments", "found|succeeded").await;
    world
        .until("the commit to show success", || async {
            world.shown(&commit).pop().filter(|shown| shown.state == "success")
        })
        .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_a_clear_error_at_once_and_a_new_one_puts_it_right() {
    let settings = quickly_on_github;
    let mut world = World::not_serving(settings()).await;
    let git = GitHttp::serve(world.repository.root(), Some(TOKEN)).await;
    let repository = Some(git.url("shop.git"));
    write_quick(&world.repository, "one");
    let before = world.push("From before");
    world.configure(&Settings { repository: repository.clone(), ..settings() });
    world.serve().await;
    until_compared(&world).await;

    // The forge's own statuses still work with it: only reading the repository does not.
    // It is a word that our own sentences use, too: they stay as they are.
    let token = Some("wrong".to_string());
    let with_token = Settings { repository: repository.clone(), token, ..settings() };
    world.configure(&with_token);
    world.until_said("The settings were read again").await;
    write_quick(&world.repository, "two");
    let commit = world.push("Second");
    let delivery = Delivery::push(&world, &commit).from(&before);
    assert_eq!(delivery.send().await.0, 202);
    let sql = "SELECT outcome, reason FROM deliveries WHERE NOT found";
    world.until("the delivery to fail", || async { world.query(sql).starts_with("failed|").then_some(()) }).await;
    let reason = world.query(sql);
    assert!(reason.contains("access was refused: the token is wrong, has expired"), "{reason}");
    assert!(world.serve_log().contains("the token is wrong, has expired"), "{}", world.serve_log());

    world.configure(&Settings { repository, ..settings() });
    world.until_said_again("The settings were read again", 2).await;
    world
        .until("the commit to show success", || async {
            world.shown(&commit).pop().filter(|shown| shown.state == "success")
        })
        .await;
    let kept = world.forge.as_ref().unwrap().kept_of(&commit);
    assert_eq!(kept[0].state, "error", "{kept:?}");
    assert!(kept[0].description.contains("access was refused: the token is wrong"), "{kept:?}");
    assert_eq!(deployments(&world), "found");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_hangs_holds_up_nobody_else() {
    // It accepts, and says nothing for ever.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tables = format!(
        "[projects.PROJECT-hangs]\nforge = \"github\"\nrepository = \"http://{}/octo/hangs.git\"\nsecret = \"{SECRET}\"\n\
         [projects.PROJECT-hangs.environments.production]\nbranch = \"main\"\n",
        silent.local_addr().unwrap()
    );
    let world = World::with(Settings { forge: Some(ForgeKind::GitHub), tables, ..quickly() }).await;
    until_compared(&world).await;
    let mut hangs = Delivery::push(&world, &CommitId::new("1".repeat(40)).unwrap());
    hangs.body["repository"]["full_name"] = serde_json::json!("octo/hangs");
    assert_eq!(hangs.at(&world, &format!("{}-hangs", world.project)).send().await.0, 202);
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    assert_eq!(world.ends(&commit).await.state, "success");
    // And nobody else is caught up with less.
    write_quick(&world.repository, "two");
    let missed = world.push("Told to nobody");
    assert_eq!(world.ends(&missed).await.state, "success");
    // Comparing each second may be quicker than the first delivery, too.
    let triggers = deployments(&world);
    assert!(matches!(triggers.as_str(), "push found" | "found found"), "{triggers}");
    world.end().await;
}
