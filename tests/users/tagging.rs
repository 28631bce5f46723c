//! Somebody sets a tag: exactly its commit is deployed.

use crate::support::app::write_quick;
use crate::support::delivery::Delivery;
use crate::support::world::{Settings, World};
use launchway::model::{CommitId, ForgeKind};
use serde_json::{Value, json};

async fn on(kind: ForgeKind) -> World {
    let environment = Some("tag = \"v*\"\nbake = \"0s\"".to_string());
    World::with(Settings { forge: Some(kind), environment, ..Settings::default() }).await
}

/// A commit on main, pushed; main deploys nowhere.
fn committed(world: &World, version: &str, message: &str) -> CommitId {
    write_quick(&world.repository, version);
    world.push(message)
}

/// An annotated tag of the newest commit, pushed: its object.
fn annotated(world: &World, name: &str) -> CommitId {
    world.repository.git(&["tag", "-a", "-f", "-m", name, name]);
    world.repository.push(&format!("refs/tags/{name}"));
    CommitId::new(world.repository.git(&["rev-parse", &format!("refs/tags/{name}")])).unwrap()
}

/// The push of a tag as a forge sends it that does not say which commit is behind it.
fn untold(world: &World, name: &str, object: &CommitId) -> Delivery {
    let mut delivery = Delivery::push_to(world, &format!("refs/tags/{name}"), object);
    delivery.body["head_commit"] = Value::Null;
    delivery.body["checkout_sha"] = Value::Null;
    delivery
}

fn live(world: &World) -> String {
    world.query("SELECT commit_id FROM releases WHERE id = (SELECT live FROM environments)").trim().to_string()
}

fn reason(world: &World, delivery: &Delivery) -> String {
    world.query(&format!("SELECT reason FROM deliveries WHERE delivery_id = '{}'", delivery.id)).trim().to_string()
}

/// Nothing was said of it to the forge, and no person reads it.
fn assert_never_named(world: &World, object: &CommitId) {
    let requests = world.forge.as_ref().unwrap().requests();
    assert!(!requests.iter().any(|request| request.contains(object.as_str())), "{requests:?}");
    assert_eq!(world.query(&format!("SELECT count(*) FROM outbox WHERE commit_id = '{object}'")).trim(), "0");
    let told = world.query("SELECT group_concat(reason) || group_concat(commit_id) FROM deliveries");
    assert!(!told.contains(object.short()), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_deploys_its_commit_whether_that_is_marked_to_be_skipped_or_not() {
    let world = on(ForgeKind::GitHub).await;
    committed(&world, "one", "First");
    let second = committed(&world, "two", "Version 2 [skip ci]");
    world.repository.git(&["tag", "v2"]);
    world.repository.push("refs/tags/v2");
    let mut delivery = Delivery::push_to(&world, "refs/tags/v2", &second);
    delivery.body["head_commit"]["message"] = json!("Version 2 [skip ci]");
    let (status, told) = delivery.send().await;
    assert_eq!(status, 202, "{told}");
    let said = format!("v2 {} of {} will be deployed to production", second.short(), world.project);
    assert_eq!(told["message"], said.as_str());
    assert_eq!(world.ends(&second).await.state, "success");
    assert_eq!(live(&world), second.as_str());
    assert_eq!(reason(&world, &delivery), format!("production: deployment 1 of {}", second.short()));

    // So does whoever asks for what the tag has.
    let third = committed(&world, "three", "Version 3 [ci skip]");
    annotated(&world, "v3");
    let (code, told, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{told}{error}");
    assert_eq!(live(&world), third.as_str());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_tag_is_known_by_its_commit_from_the_start() {
    for kind in [ForgeKind::Gitea, ForgeKind::GitLab] {
        let world = on(kind).await;
        let commit = committed(&world, "one", "First [skip launchway]");
        let object = annotated(&world, "v1");
        let delivery = untold(&world, "v1", &object);
        let (status, told) = delivery.send().await;
        assert_eq!(status, 202, "{told}");
        assert_eq!(told["message"], format!("v1 of {} will be deployed to production", world.project).as_str());
        assert_eq!(world.ends(&commit).await.state, "success");
        assert_eq!(reason(&world, &delivery), format!("production: deployment 1 of {}", commit.short()));
        assert_eq!(world.query("SELECT commit_id FROM deliveries").trim(), commit.as_str());

        // Another delivery of the same tag: it is known at once what that is.
        let (status, told) = untold(&world, "v1", &object).send().await;
        let live = format!("{} is live already in production (release 1)", commit.short());
        assert_eq!((status, &told["message"]), (200, &json!(live)), "{told}");
        world.until_store_says("SELECT outcome FROM deliveries ORDER BY number", "deploys\nknown").await;

        // One of a tag that has moved since: what the tag has now is what counts.
        let second = committed(&world, "two", "Second");
        let moved = annotated(&world, "v1");
        let late = untold(&world, "v1", &CommitId::new("e".repeat(40)).unwrap());
        late.send().await;
        assert_eq!(world.ends(&second).await.state, "success");
        let said = format!(
            "production: deployment 2 of {} (v1 is there now; the delivery is of where it was before)",
            second.short()
        );
        assert_eq!(reason(&world, &late), said);
        assert_never_named(&world, &object);
        assert_never_named(&world, &moved);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_tag_cannot_be_fetched_nothing_is_posted_to_its_tag_object() {
    let world = on(ForgeKind::Gitea).await;
    let commit = committed(&world, "one", "First");
    let object = annotated(&world, "v1");
    let (bare, away) = (world.repository.bare(), world.repository.root().join("away"));
    std::fs::rename(&bare, &away).unwrap();
    let delivery = untold(&world, "v1", &object);
    delivery.send().await;
    world.until_store_says("SELECT attempts > 0 FROM deliveries", "1").await;
    std::fs::rename(&away, &bare).unwrap();
    assert_eq!(world.ends(&commit).await.state, "success");
    world.until_store_says("SELECT outcome FROM deliveries", "deploys").await;
    assert_never_named(&world, &object);
    world.end().await;
}
