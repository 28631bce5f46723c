//! Environments, deployments and releases by their names, the same way in every command.

use crate::support::engine_stub::EngineStub;
use crate::support::quiet_server::{EIGHT, QuietServer, new_deployment};
use launchway::model::{Mask, Transition};
use launchway::store::{Live, Sentences};

async fn two_places() -> QuietServer {
    let staging = "[projects.shop.environments.staging]\nbranch = \"main\"\n";
    QuietServer::with("/nowhere/shop.git", staging, EngineStub::default()).await
}

async fn says(server: &QuietServer, arguments: &[&str]) -> String {
    let output = server.launchway(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn refuses(server: &QuietServer, arguments: &[&str]) -> String {
    let output = server.launchway(arguments).await;
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_named_in_each_of_the_usual_ways() {
    let server = two_places().await;
    for place in [
        &["shop", "production"][..],
        &["shop/production"],
        &["production"],
        &["-p", "shop", "-e", "production"],
        &["production", "-p", "shop"],
        &["shop", "-e", "production"],
        &["-e", "production"],
    ] {
        let told = says(&server, &[&["pause"], place].concat()).await;
        assert!(told.starts_with("shop/production is paused"), "{place:?}: {told}");
    }
    for command in ["insights", "deployments", "releases", "audit"] {
        says(&server, &[command, "shop", "staging"]).await;
        says(&server, &[command, "shop"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_place_is_said_with_those_that_there_are() {
    let server = two_places().await;
    for command in ["deploy", "plan", "rollback", "start", "deployments", "releases", "logs", "audit", "insights"] {
        let told = refuses(&server, &[command, "-e", "prod"]).await;
        assert_eq!(
            told, "launchway: project shop has no environment \"prod\"; it has production, staging\n",
            "{command}"
        );
        let told = refuses(&server, &[command, "-p", "shpo"]).await;
        assert_eq!(told, "launchway: there is no project \"shpo\" in launchway.toml; there are shop\n", "{command}");
    }
    let told = refuses(&server, &["abort", "prod"]).await;
    assert_eq!(told, "launchway: there is no such environment; there are shop/production, shop/staging\n");
    let told = refuses(&server, &["deploy"]).await;
    assert_eq!(told, "launchway: several could be meant; name one: shop/production, shop/staging\n");
    let told = refuses(&server, &["deploy", "shop/production", "-e", "staging"]).await;
    assert_eq!(told, "launchway: shop/production and -p or -e name the same twice: say it in one of these ways\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_named_by_its_number_in_its_environment_too() {
    let server = two_places().await;
    let first = server.push('a', "Fix the price").await;
    let mut new = new_deployment('b', "Try it");
    new.environment = "staging".parse().unwrap();
    let (staging, _) = server.store().add_deployment(new, Sentences::default(), EIGHT).await.unwrap();
    server.advance(first.id, Transition::Cancel, "Cancelled by ada", 1).await;
    let second = server.push('c', "Fix it again").await;
    assert_eq!([first.number, staging.number, second.number], [1, 1, 2]);
    assert_eq!([first.id.0, staging.id.0, second.id.0], [1, 2, 3]);

    server.deployer.logs.open(second.id, Mask::default()).unwrap().line(None, "of the second");
    for name in ["production#2", "shop/production#2", "3", "#3"] {
        assert!(says(&server, &["logs", name]).await.ends_with("of the second\n"), "{name}");
    }
    let list = says(&server, &["deployments"]).await;
    for line in ["3  shop/production#2", "2  shop/staging#1", "1  shop/production#1"] {
        assert!(list.contains(line), "{list}");
    }
    assert!(!says(&server, &["deployments", "staging"]).await.contains("production"));
    let told = refuses(&server, &["logs", "production#9"]).await;
    assert_eq!(told, "launchway: there is no deployment production#9; `launchway deployments` lists them\n");
    assert!(refuses(&server, &["logs", "abc"]).await.contains("\"abc\" names no deployment: write its number (12)"));
    assert!(says(&server, &["cancel", "staging#1", "--no-wait"]).await.contains("Deployment 2 is being cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_listed_with_what_is_live() {
    let server = two_places().await;
    assert_eq!(says(&server, &["releases"]).await, "There is no release yet\n");
    let (old, new) = (server.release('a').await, server.release('b').await);
    let deployment = server.push('a', "Fix the price").await;
    server.advance(deployment.id, Transition::Prepare, "Preparing", 1).await;
    server.store().note_plan(deployment.id, old, None, String::new()).await.unwrap();
    server.advance(deployment.id, Transition::Succeed, "Live", 2).await;
    let live = Live { release: old, deployment: deployment.id };
    server.store().set_live(&deployment.project, &deployment.environment, live).await.unwrap();
    let list = says(&server, &["releases", "production"]).await;
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[1].starts_with(&new.to_string()) && lines[1].contains("never was"), "{list}");
    assert!(lines[2].contains("aaaaaaaaaaaa Fix the price") && lines[2].contains("is live, since"), "{list}");
}
