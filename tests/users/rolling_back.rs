//! Going back to a release that was live before.

use crate::support::app::{write_gated, write_quick, write_shop, write_web};
use crate::support::world::{Settings, Shown, World};
use bollard::query_parameters::RemoveImageOptionsBuilder;
use launchway::model::CommitId;

/// What people read, with what differs from run to run and from machine to machine taken out.
fn redacted(world: &World, text: &str) -> String {
    let by = text.split("ack by ").nth(1).and_then(|rest| rest.split(" at the command line").next());
    let text = text.replace(&world.project, "PROJECT").replace(by.unwrap_or("nobody"), "ADA");
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        let is_time = word.chars().next().is_some_and(|c| c.is_ascii_digit()) && word.parse::<f64>().is_ok();
        let after_in = words.last().is_some_and(|last| ["in", "after"].contains(last));
        words.push(if is_time && after_in { "N" } else { word });
    }
    words.join(" ")
}

async fn deployed(world: &World, message: &str) -> CommitId {
    let commit = world.push(message);
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    commit
}

async fn rolled_back(world: &World, arguments: &[&str]) -> String {
    let (code, told, error) = world.launchway(&[&["rollback"], arguments].concat()).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.deployment_logs());
    told
}

/// Refused: what is said.
async fn refused(world: &World, arguments: &[&str]) -> String {
    let (code, told, error) = world.launchway(&[&["rollback"], arguments].concat()).await;
    assert_eq!(code, 1, "{told}{error}");
    redacted(world, error.trim())
}

/// Waits until the commit shows this of production.
async fn until_shown(world: &World, commit: &CommitId, state: &str, begins: &str) -> Shown {
    world
        .until(&format!("{} to show {state}: {begins}", commit.short()), || async {
            world.shown(commit).into_iter().find(|s| s.state == state && s.description.starts_with(begins))
        })
        .await
}

/// The log of the newest deployment.
fn newest_log(world: &World) -> String {
    let id = world.query("SELECT max(id) FROM deployments");
    std::fs::read_to_string(world.data().join(format!("logs/{}.log", id.trim()))).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_puts_the_release_before_back_builds_nothing_and_tells_both_commits() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    let first = deployed(&world, "First").await;
    let store = world.running().await["store"].clone();
    write_web(&world.repository, "two");
    let second = deployed(&world, "Second").await;
    assert_eq!(world.get("/").await.as_deref(), Some("two"));

    // Nothing of it needs the forge: its repository is away.
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away"));
    std::fs::rename(&bare, &away).unwrap();
    rolled_back(&world, &[]).await;
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    assert_eq!(world.running().await["store"], store, "what did not change is not touched");
    let log = newest_log(&world);
    assert!(log.contains("is built already") && !log.contains("building "), "{log}");
    assert_eq!(
        world.query("SELECT trigger, commit_id, subject, release, previous FROM deployments WHERE id = 3").trim(),
        format!("rollback|{first}|First|1|2")
    );
    std::fs::rename(&away, &bare).unwrap();
    let put_back = until_shown(&world, &first, "success", "Live again after").await;
    insta::assert_snapshot!(redacted(&world, &put_back.description), @"Live again after N s. Release 1, put back by ADA at the command line: web replaced; store unchanged");
    let left = until_shown(&world, &second, "failure", "Rolled back").await;
    insta::assert_snapshot!(redacted(&world, &left.description), @"Rolled back by ADA at the command line; release 1 is live");

    insta::assert_snapshot!(refused(&world, &[]).await, @"launchway: release 1 is the oldest that was live; there is none to go back to");
    insta::assert_snapshot!(refused(&world, &["--to", "1"]).await, @"launchway: release 1 is live already");

    // What came before the third is the first, not the one that was left.
    write_web(&world.repository, "three");
    deployed(&world, "Third").await;
    rolled_back(&world, &[]).await;
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    assert_eq!(world.query("SELECT live FROM environments").trim(), "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_named_and_only_one_that_was_live() {
    let world = World::new().await;
    write_quick(&world.repository, "one");
    deployed(&world, "First").await;
    insta::assert_snapshot!(refused(&world, &["--to", "7"]).await, @"launchway: release 7 is not one of PROJECT/production; there is none to go back to");
    write_quick(&world.repository, "two");
    deployed(&world, "Second").await;
    world
        .repository
        .write("compose.yaml", "services: { web: { image: launchway-test/base:1, command: [sh, -c, 'exit 3'] } }\n");
    let broken = world.push("Broken");
    assert_eq!(world.ends(&broken).await.state, "failure");
    assert_eq!(world.query("SELECT release FROM deployments WHERE id = 3").trim(), "3");
    insta::assert_snapshot!(refused(&world, &["--to", "3"]).await, @"launchway: release 3 was never live in PROJECT/production; those to go back to are 1");

    rolled_back(&world, &["--to", "1"]).await;
    assert_eq!(world.query("SELECT live FROM environments").trim(), "1");
    rolled_back(&world, &["production", "--to", "2"]).await;
    assert_eq!(world.query("SELECT live FROM environments").trim(), "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_cancels_what_runs_and_comes_first() {
    let world = World::new().await;
    write_quick(&world.repository, "one");
    let first = deployed(&world, "First").await;
    write_quick(&world.repository, "two");
    let second = deployed(&world, "Second").await;
    write_gated(&world.repository, "three");
    let third = world.push("Third");
    world.until_deployment(&third, &["deploying"]).await;
    write_quick(&world.repository, "four");
    let fourth = world.push("Fourth");
    world.until_deployment(&fourth, &["waiting"]).await;

    rolled_back(&world, &[]).await;
    assert_eq!(
        world.query("SELECT state FROM deployments ORDER BY id").trim().replace('\n', " "),
        "succeeded succeeded cancelled superseded succeeded"
    );
    assert_eq!(world.query("SELECT live FROM environments").trim(), "1");
    until_shown(&world, &first, "success", "Live again after").await;
    until_shown(&world, &second, "failure", "Rolled back").await;
    let cancelled = world.ends(&third).await;
    assert!(cancelled.description.starts_with("Cancelled by "), "{cancelled:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_waits_for_no_slot_and_whoever_was_there_first_gets_the_next_one() {
    let environment =
        |name: &str| format!("[projects.PROJECT.environments.{name}]\nbranch = \"{name}\"\nbake = \"0s\"\n");
    let world = World::with(Settings {
        limits: "deployments = 1".into(),
        tables: environment("busy") + &environment("late") + &environment("early"),
        ..Settings::default()
    })
    .await;
    write_quick(&world.repository, "one");
    deployed(&world, "First").await;
    write_quick(&world.repository, "two");
    deployed(&world, "Second").await;

    let push_to = |branch: &str, version: &str| {
        match version {
            "gated" => write_gated(&world.repository, branch),
            version => write_quick(&world.repository, version),
        }
        let commit = world.repository.commit(branch);
        world.repository.push(&format!("HEAD:refs/heads/{branch}"));
        commit
    };
    let busy = push_to("busy", "gated");
    world.until_deployment(&busy, &["deploying"]).await;
    // In the alphabet the other way round.
    let late = push_to("late", "quick");
    world.until_deployment(&late, &["waiting"]).await;
    let early = push_to("early", "quick");
    world.until_deployment(&early, &["waiting"]).await;

    rolled_back(&world, &["production"]).await;
    let states = "SELECT environment, state FROM deployments WHERE environment != 'production' ORDER BY id";
    assert_eq!(world.query(states).trim(), "busy|deploying\nlate|waiting\nearly|waiting");
    world.open_gates().await;
    world.until_deployment(&early, &["succeeded"]).await;
    let order = "SELECT environment FROM deployments WHERE environment != 'production' ORDER BY started_at";
    assert_eq!(world.query(order).trim(), "busy\nlate\nearly");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_pruned_is_built_again_from_its_commit_and_the_status_says_so() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    let first = deployed(&world, "First").await;
    write_web(&world.repository, "two");
    deployed(&world, "Second").await;
    let tag = world.query("SELECT json_extract(parts, '$.web.image.tag') FROM releases WHERE id = 1");
    let image = world.engine.docker.inspect_image(tag.trim()).await.unwrap().id.unwrap();
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_image(&image, Some(options), None).await.unwrap();

    rolled_back(&world, &[]).await;
    assert_eq!(world.get("/").await.as_deref(), Some("one"));
    let shown = until_shown(&world, &first, "success", "Live again after").await;
    let told = redacted(&world, &shown.description).replace(" at the command line", "");
    insta::assert_snapshot!(told, @"Live again after N s. Release 1, put back by ADA: web replaced; store unchanged; web built again, the image was gone");
    let log = newest_log(&world);
    assert!(
        log.contains(&format!("{} is gone from the engine: it is built again from the commit", tag.trim())),
        "{log}"
    );
    world.end().await;
}

/// A commit that changes no component.
async fn deployed_without_a_change(world: &World, text: &str) -> CommitId {
    world.repository.write("README.md", text);
    deployed(world, text).await
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_changed_nothing_are_passed_over_and_going_back_twice_goes_back_two() {
    let world = World::new().await;
    for version in ["one", "two", "three"] {
        write_quick(&world.repository, version);
        deployed(&world, version).await;
    }
    deployed_without_a_change(&world, "Read me").await;
    let newest = deployed_without_a_change(&world, "Read me again").await;

    let told = rolled_back(&world, &[]).await;
    // Before it begins: which release, and what changes.
    let (plan, rest) = told.split_once("Deployment 6 ").unwrap_or_else(|| panic!("{told}"));
    let commits = world.query("SELECT commit_id FROM releases ORDER BY id");
    let plan = commits
        .lines()
        .enumerate()
        .fold(redacted(&world, plan), |text, (at, commit)| text.replace(&commit[..12], &format!("COMMIT{}", at + 1)));
    insta::assert_snapshot!(plan, @"
    PROJECT/production goes back from release 5 (COMMIT5, Read me again) to release 2 (COMMIT2, two)
    Releases 4, 3 in between are the same as release 5
      web: changed (environment VERSION changed)
    ");
    assert!(rest.contains("Live again after") && rest.contains("Release 2, put back by"), "{told}");
    assert_eq!(world.exec("web", &["sh", "-c", "echo $VERSION"]).await, "two");
    until_shown(&world, &newest, "failure", "Rolled back").await;

    rolled_back(&world, &[]).await;
    assert_eq!(world.exec("web", &["sh", "-c", "echo $VERSION"]).await, "one");
    insta::assert_snapshot!(refused(&world, &[]).await, @"launchway: release 1 is the oldest that was live; there is none to go back to");

    // What was left is not what came before: it is only gone to where somebody names it.
    write_quick(&world.repository, "one");
    deployed_without_a_change(&world, "As it was").await;
    insta::assert_snapshot!(refused(&world, &[]).await, @"launchway: nothing would change: what was live before release 6 is the same (1). `--to` takes any other release that was live");
    rolled_back(&world, &["--to", "3"]).await;
    assert_eq!(world.exec("web", &["sh", "-c", "echo $VERSION"]).await, "three");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_differs_it_says_so_and_nothing_is_begun() {
    let world = World::new().await;
    write_quick(&world.repository, "one");
    deployed(&world, "First").await;
    deployed_without_a_change(&world, "Read me").await;
    deployed_without_a_change(&world, "Read me again").await;
    insta::assert_snapshot!(refused(&world, &[]).await, @"launchway: nothing would change: what was live before release 3 is the same (2, 1). `--to` takes any other release that was live");
    insta::assert_snapshot!(refused(&world, &["--to", "1"]).await, @"launchway: release 1 is the same as release 3, which is live: nothing would change");
    assert_eq!(world.query("SELECT count(*) FROM deployments").trim(), "3");

    // What somebody was told is done, or nothing.
    write_quick(&world.repository, "two");
    deployed(&world, "Second").await;
    let ask = async |from: i64| {
        let asked = serde_json::json!({ "to": 3, "from": from, "by": "ada" });
        let answer = world.control().post("http://launchway/v1/rollback").json(&asked).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, said) = ask(3).await;
    assert_eq!(status, 409, "{said}");
    assert!(said.contains("release 4 went live in ") && said.contains(" in place of release 3; ask again"), "{said}");
    assert_eq!(world.query("SELECT count(*) FROM deployments").trim(), "4");
    assert_eq!(ask(4).await.0, 200);
    world.until_store_says("SELECT live FROM environments", "3").await;
    world.end().await;
}
