//! What is not needed any more goes, and nothing else.

use crate::support::app::{WEB, write_web};
use crate::support::images::BASE;
use crate::support::world::{PATIENCE, Settings, World};
use bollard::models::{ContainerCreateBody, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions, TagImageOptionsBuilder,
};
use launchway::model::CommitId;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime};

const KEEP_ONE: &str = "[keep]\nreleases = 1\n";
const KEEP_TWO: &str = "[keep]\nreleases = 2\n";

async fn world(keep: &str) -> World {
    World::with(Settings { tables: keep.into(), ..Settings::default() }).await
}

/// `web` is built, and mounts a file of the commit.
fn write(world: &World, version: &str) {
    write_web(&world.repository, version);
    let mount = "    volumes: [\"./greeting:/greeting:ro\"]\n";
    world.repository.write("greeting", format!("{} {version}\n", world.project));
    world.repository.write("compose.yaml", format!("services:{WEB}{mount}"));
}

async fn deployed(world: &World, version: &str) -> CommitId {
    write(world, version);
    let commit = world.push(version);
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    commit
}

/// Release -> the tag of its `web`.
fn tags(world: &World) -> BTreeMap<i64, String> {
    let rows = world.query("SELECT id, json_extract(parts, '$.web.image.tag') FROM releases ORDER BY id");
    let tag = |row: &str| row.split_once('|').map(|(id, tag)| (id.parse().unwrap(), tag.to_string()));
    rows.lines().filter_map(tag).collect()
}

/// Release -> the volume with its file.
fn volumes(world: &World) -> BTreeMap<i64, String> {
    let rows =
        world.query("SELECT id, json_extract(stack, '$.components.web.container.mounts[0].source.id') FROM releases");
    let store = world.query("SELECT store_id FROM identity");
    let volume = |row: &str| {
        let (id, key) = row.split_once('|')?;
        Some((id.parse().unwrap(), format!("launchway-{}-file-{key}", store.trim())))
    };
    rows.lines().filter_map(volume).collect()
}

async fn has_image(world: &World, name: &str) -> bool {
    world.engine.docker.inspect_image(name).await.is_ok()
}

async fn has_volume(world: &World, name: &str) -> bool {
    world.engine.docker.inspect_volume(name).await.is_ok()
}

async fn until_gone(world: &World, image: &str) {
    world.until(&format!("{image} to go"), || async { (!has_image(world, image).await).then_some(()) }).await;
}

/// Serves on, with other lines for what is kept.
async fn serve_with(world: &mut World, keep: &str, variables: &[(&str, &str)]) {
    world.terminate().await;
    world.configure(&Settings { tables: keep.into(), ..Settings::default() });
    world.serve_with(variables).await;
    listens(world).await;
}

/// Waits until the server answers to commands.
async fn listens(world: &World) {
    let socket = world.data().join("launchway.sock");
    world.until("the control socket", || async { tokio::net::UnixStream::connect(&socket).await.ok() }).await;
}

async fn asked(world: &World, arguments: &[&str]) -> Value {
    let (code, told, error) = world.launchway(arguments).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.serve_log());
    serde_json::from_str(&told).unwrap()
}

/// The lines that `launchway gc` is told.
async fn followed(world: &World) -> Vec<Value> {
    let asked = serde_json::json!({ "dry_run": false, "follow": true });
    let answer = world.control().post("http://launchway/v1/gc").json(&asked).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    answer.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(list: &Value) -> String {
    list.as_array().unwrap().iter().map(|thing| format!("{}: {}\n", thing["what"], thing["why"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_six_releases_the_live_one_and_two_before_it_stay_and_can_be_put_back_without_building() {
    let world = world(KEEP_TWO).await;
    let foreign_tag = format!("{}-foreign:1", world.project);
    let (foreign, docker) = (format!("{}-foreign", world.project), world.engine.docker.clone());
    let options = TagImageOptionsBuilder::new().repo(&foreign).tag("1").build();
    docker.tag_image(BASE, Some(options)).await.unwrap();
    // Named as content volumes are, and labelled so, but of no commit that this store knows.
    let labels = HashMap::from([("launchway.content".to_string(), "0".repeat(40))]);
    let volume = VolumeCreateRequest { name: Some(foreign.clone()), labels: Some(labels), ..Default::default() };
    docker.create_volume(volume).await.unwrap();

    for version in ["one", "two", "three", "four", "five", "six"] {
        deployed(&world, version).await;
    }
    let (tags, volumes) = (tags(&world), volumes(&world));
    assert_eq!((tags.len(), volumes.len()), (6, 6), "{tags:?} {volumes:?}");
    for release in [1, 2, 3] {
        until_gone(&world, &tags[&release]).await;
        world
            .until("its files to go", || async { (!has_volume(&world, &volumes[&release]).await).then_some(()) })
            .await;
    }
    for release in [4, 5, 6] {
        assert!(has_image(&world, &tags[&release]).await, "release {release} can be put back");
        assert!(has_volume(&world, &volumes[&release]).await, "release {release} can be put back");
    }
    assert!(has_image(&world, &foreign_tag).await && has_volume(&world, &foreign).await, "they are somebody else's");

    let built = world.deployment_logs().matches("building launchway/").count();
    for (release, version) in [(4, "four"), (5, "five")] {
        let (code, told, error) = world.launchway(&["rollback", "--to", &release.to_string()]).await;
        assert_eq!(code, 0, "{told}{error}");
        assert_eq!(world.get("/").await.as_deref(), Some(version));
    }
    assert_eq!(world.deployment_logs().matches("building launchway/").count(), built, "going back builds nothing");

    world.engine.remove(&foreign_tag).await;
    docker.remove_volume(&foreign, None::<RemoveVolumeOptions>).await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_go_and_why_and_takes_nothing_away() {
    let mut world = world("").await;
    for version in ["one", "two", "three"] {
        deployed(&world, version).await;
    }
    let tags = tags(&world);
    let none = asked(&world, &["gc", "--dry-run", "--json"]).await;
    assert_eq!(names(&none["removed"]), "", "five are kept");
    // At a restart, so that nothing is collected at once.
    serve_with(&mut world, KEEP_ONE, &[]).await;

    let told = asked(&world, &["gc", "--dry-run", "--json"]).await;
    assert_eq!(told["dry_run"], true);
    let removed = names(&told["removed"]);
    assert!(removed.contains(&tags[&1]) && removed.contains("no release that is kept needs it"), "{removed}");
    assert!(!removed.contains(&tags[&2]) && !removed.contains(&tags[&3]), "{removed}");
    assert!(told["removed_bytes"].as_u64().unwrap() > 0, "{told}");
    let kept = names(&told["kept"]);
    assert!(kept.contains(&format!("image {}", tags[&2])), "{kept}");
    assert!(kept.contains("can be put back") || kept.contains("was live before the live one"), "{kept}");
    assert!(told["build_cache_bytes"].as_u64().is_some() && told["build_cache_most_bytes"].is_null(), "{told}");
    assert!(told["disks"][0]["free_bytes"].as_u64().unwrap() > 0, "{told}");
    assert!(has_image(&world, &tags[&1]).await, "nothing went");

    let (code, text, error) = world.launchway(&["gc", "--dry-run"]).await;
    assert_eq!(code, 0, "{text}{error}");
    assert!(text.starts_with("Would be removed: ") && text.contains(&tags[&1]), "{text}");
    assert!(has_image(&world, &tags[&1]).await, "nothing went");

    // As the command line asks, which shows what goes while it does.
    let lines = followed(&world).await;
    let (last, doing) = lines.split_last().unwrap();
    let told: Vec<&str> = doing.iter().filter_map(|line| line["doing"].as_str()).collect();
    assert!(told.iter().any(|line| line.starts_with("removing image ") && line.contains(&tags[&1])), "{told:?}");
    assert_eq!(names(&last["report"]["removed"]), removed, "what was said is what goes");
    assert!(!has_image(&world, &tags[&1]).await);
    assert_eq!(names(&asked(&world, &["gc", "--json"]).await["removed"]), "", "there is no more");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_stopped_container_uses_stays_whoever_made_that() {
    let mut world = world("").await;
    deployed(&world, "one").await;
    let tag = tags(&world)[&1].clone();
    let name = format!("{}-by-hand", world.project);
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let body = ContainerCreateBody { image: Some(tag.clone()), ..Default::default() };
    world.engine.docker.create_container(Some(options), body).await.unwrap();
    for version in ["two", "three"] {
        deployed(&world, version).await;
    }
    serve_with(&mut world, KEEP_ONE, &[]).await;
    let told = asked(&world, &["gc", "--json"]).await;
    assert!(names(&told["kept"]).contains(&format!("container {name} is made of it")), "{told}");
    assert!(has_image(&world, &tag).await);

    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_container(&name, Some(options)).await.unwrap();
    asked(&world, &["gc", "--json"]).await;
    assert!(!has_image(&world, &tag).await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_of_collecting_ends_well() {
    let mut world = world("").await;
    for version in ["one", "two", "three", "four"] {
        deployed(&world, version).await;
    }
    let tags = tags(&world);
    serve_with(&mut world, KEEP_ONE, &[("FAILPOINTS", "collect.removed=return")]).await;
    let (code, ..) = world.launchway(&["gc"]).await;
    assert_ne!(code, 0, "the server died while it was asked");
    let deadline = Instant::now() + PATIENCE;
    while !world.has_died() {
        assert!(Instant::now() < deadline, "the server lives\n{}", world.serve_log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.serve().await;
    listens(&world).await;
    asked(&world, &["gc", "--json"]).await;
    for (release, stays) in [(1, false), (2, false), (3, true), (4, true)] {
        assert_eq!(has_image(&world, &tags[&release]).await, stays, "release {release}");
    }
    assert_eq!(world.get("/").await.as_deref(), Some("four"), "what runs has not noticed");
    let (code, told, error) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{told}{error}");
    assert_eq!(world.get("/").await.as_deref(), Some("three"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_deployments_go_with_their_logs_and_what_is_needed_stays() {
    let mut world = world("").await;
    let commit = deployed(&world, "one").await;
    // A name that no release has, of an image that the engine has.
    let there = format!("launchway/{}/web:commit-{}", world.project, commit.short());
    assert!(has_image(&world, &there).await);
    world.terminate().await;
    // Sixty more of long ago, before the one that is live: its own row is moved behind them.
    world.change(&format!(
        "PRAGMA foreign_keys = OFF;
         UPDATE deployments SET id = 100; UPDATE stages SET deployment = 100; UPDATE hooks SET deployment = 100;
         UPDATE outbox SET deployment = 100; UPDATE environments SET deployment = 100;
         INSERT INTO deployments (id, project, environment, commit_id, trigger, state, page_key, created_at, ended_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
         SELECT i, project, environment, commit_id, 'push', 'failed', 'key' || i, i, i FROM n, deployments;
         INSERT INTO stages (deployment, stage, started_at) SELECT id, 'prepare', 1 FROM deployments WHERE id < 100;
         -- Deliveries: the live one's and another of long ago, and a new one, of which nothing came.
         UPDATE deliveries SET received_at = 1;
         INSERT INTO deliveries (number, project, delivery_id, forge, event_name, kind, received_at, outcome, page_key)
         SELECT 100 + value, project, 'other-' || value, forge, event_name, kind, value, 'known', 'other-' || value
         FROM deliveries, json_each('[2, 4000000000000]') WHERE received_at = 1;
         -- Images of long ago: the live one's, one that no release has, one that is new, one that the engine still has.
         UPDATE images SET made_at = 1;
         INSERT INTO images SELECT 'of-nobody:1', project, component, image_id, NULL, NULL, bases, 1 FROM images;
         INSERT INTO images SELECT 'new:1', project, component, image_id, NULL, NULL, bases, 4000000000000 FROM images WHERE reference LIKE 'launchway/%';
         INSERT INTO images SELECT '{there}', project, component, image_id, NULL, NULL, bases, 1 FROM images WHERE reference LIKE 'launchway/%';"
    ));
    for id in 1..=60 {
        std::fs::write(world.data().join(format!("logs/{id}.log")), "long ago\n").unwrap();
    }
    world.serve().await;
    listens(&world).await;
    let told = asked(&world, &["gc", "--dry-run", "--json"]).await;
    assert!(names(&told["removed"]).contains("deployment 11 and its log"), "{told}");
    assert_eq!(world.query("SELECT count(*) FROM deployments").trim(), "61");

    asked(&world, &["gc", "--json"]).await;
    assert_eq!(world.query("SELECT min(id), max(id), count(*) FROM deployments").trim(), "12|100|50");
    assert_eq!(world.query("SELECT count(*) FROM stages WHERE deployment < 12").trim(), "0");
    let images = world.query("SELECT reference FROM images ORDER BY reference");
    let images: Vec<&str> = images.lines().collect();
    assert!(matches!(images[..], [live, named, "new:1"] if named == there && live.contains("/web:")), "{images:?}");
    let deliveries = world.query("SELECT received_at, outcome FROM deliveries ORDER BY received_at");
    assert_eq!(deliveries.trim(), "1|deploys\n4000000000000|known");
    assert!(!world.data().join("logs/11.log").exists());
    assert!(world.data().join("logs/12.log").exists());
    assert_eq!(world.query("SELECT deployment FROM environments").trim(), "100");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mirror_of_a_project_that_left_the_settings_goes_after_its_time() {
    let mut world = world("").await;
    deployed(&world, "one").await;
    world.terminate().await;
    let (mirrors, project) = (world.data().join("mirrors"), world.project.clone());
    let left = mirrors.join("left.git");
    std::fs::rename(mirrors.join(format!("{project}.git")), &left).unwrap();
    world.serve().await;
    listens(&world).await;
    let told = asked(&world, &["gc", "--json"]).await;
    let kept = names(&told["kept"]);
    assert!(kept.contains("left is not in launchway.toml any more; it goes 90 days after its last fetch"), "{kept}");
    assert!(left.join("HEAD").exists());

    let long_ago = SystemTime::now() - Duration::from_secs(91 * 24 * 3600);
    let parts = ["packed-refs", "FETCH_HEAD", "objects/pack", "refs", ""].map(|part| left.join(part));
    for part in parts.iter().filter(|part| part.exists()) {
        std::fs::File::open(part).unwrap().set_modified(long_ago).unwrap();
    }
    let told = asked(&world, &["gc", "--json"]).await;
    assert!(names(&told["removed"]).contains("mirror of left"), "{told}");
    assert!(!left.exists());

    // The mirror that the project itself needs is cloned again.
    deployed(&world, "two").await;
    assert_eq!(world.get("/").await.as_deref(), Some("two"));
    world.end().await;
}
