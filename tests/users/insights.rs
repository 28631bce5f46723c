//! What the past of an environment tells.

use crate::support::app::{write_ready_made_broken, write_shop};
use crate::support::world::World;

async fn told(world: &World) -> serde_json::Value {
    let (code, out, said) = world.launchway(&["insights", &world.project, "production", "--json"]).await;
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_pushes_that_went_live_and_one_that_did_not_it_says_where_the_time_went_and_what_failed() {
    let world = World::new().await;
    world.until_said("Launchway is ready").await;
    let (code, out, said) = world.launchway(&["insights"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(out, format!("{}/production, the last 30 days: no deployment has ended\n", world.project));
    for version in ["one", "two"] {
        write_shop(&world.repository, version);
        assert_eq!(world.ends(&world.push(version)).await.state, "success", "{}", world.deployment_logs());
    }
    write_ready_made_broken(&world.repository, "no bank");
    assert_eq!(world.ends(&world.push("Broken")).await.state, "failure");
    // What work took is noted beside the deployment.
    let failed = "SELECT count(*) > 0 FROM work WHERE deployment = 3 AND kind = 'ready' AND outcome = 'failed'";
    world.until_store_says(failed, "1").await;

    let told = told(&world).await;
    let one = &told["environments"][0];
    assert_eq!((&told["days"], &one["project"]), (&30.into(), &world.project.as_str().into()));
    assert_eq!((&one["outcomes"]["succeeded"], &one["outcomes"]["rolled_back"]), (&2.into(), &1.into()), "{one}");
    let parts: Vec<&str> = one["parts"].as_array().unwrap().iter().map(|one| one["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["queue", "fetch", "build", "start", "health", "drain"], "{one}");
    let total = one["total"]["median_ms"].as_i64().unwrap();
    for part in one["parts"].as_array().unwrap() {
        let median = part["time"]["median_ms"].as_i64().unwrap();
        assert!(median <= total, "a part is no longer than the whole: {one}");
    }
    assert_eq!(one["failures"], serde_json::json!([{ "cause": "not_ready", "deployments": [3] }]));
    let dora = &one["dora"];
    assert_eq!((&dora["changes"], &dora["failed_changes"]), (&3.into(), &1.into()), "{dora}");
    assert_eq!((&dora["lead_time"]["count"], &dora["time_to_restore"]["count"]), (&2.into(), &1.into()), "{dora}");
    assert_eq!((&one["cache"]["builds"], &one["cache"]["builds_failed"]), (&2.into(), &0.into()), "{one}");
    let holders = one["longest_path"].as_array().unwrap();
    assert!(holders.iter().any(|one| one["component"] == "web"), "{holders:?}");
    let share: i64 = holders.iter().map(|one| one["share"].as_i64().unwrap()).sum();
    assert!((97..=103).contains(&share), "rounded shares: {holders:?}");
    assert_eq!(one["findings"], serde_json::json!([]), "two deployments are too few to tell");

    let (_, page, _) = world.launchway(&["insights", &world.project]).await;
    assert!(page.starts_with(&format!("{}/production, the last 30 days\n2 succeeded, 1 rolled back\n", world.project)));
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1 of 3 (33 %): a container did not become ready, last deployment 3"), "{page}");
    assert!(page.ends_with("Nothing stands out that could be better.\n"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_named_wrong_and_days_that_are_none_are_said() {
    let world = World::new().await;
    world.until_said("Launchway is ready").await;
    let project = world.project.as_str();
    for (arguments, expected) in [
        (&["insights", "nobody"][..], format!("project {project} has no environment \"nobody\"; it has production")),
        (
            &["insights", "nobody", "production"],
            format!("there is no project \"nobody\" in launchway.toml; there are {project}"),
        ),
        (
            &["insights", project, "nowhere"],
            format!("project {project} has no environment \"nowhere\"; it has production"),
        ),
        (&["insights", "--days", "0"], "0 days: 1 to 3650 can be looked at".to_string()),
    ] {
        let (code, out, said) = world.launchway(arguments).await;
        assert!(code != 0 && out.is_empty() && said.contains(&expected), "{arguments:?}: {said}");
    }
    let (code, _, said) = world.launchway(&["insights", "--days", "many"]).await;
    assert!(code != 0 && said.contains("invalid value 'many' for '--days <N>'"), "{said}");
    world.end().await;
}
