//! `launchway plan --repository`: two commits compared without a server.

use crate::support::git_repository::GitRepository;
use crate::support::quiet_server::launchway;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

async fn plan(repository: &GitRepository, arguments: &[&str]) -> Output {
    let bare = repository.bare();
    let mut all = vec!["plan", "--repository", bare.to_str().unwrap()];
    all.extend(arguments);
    launchway(Path::new("/nowhere/launchway.toml"), &all).await
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

const COMPOSE: &str = "
services:
  web:
    build: ./web
    depends_on: [api]
  api:
    build: ./api
    environment: { LOG: info }
    depends_on: [db]
  db:
    image: postgres:16
    volumes: ['data:/var/lib/postgresql/data']
volumes: { data: {} }
";

fn shop() -> GitRepository {
    let repository = GitRepository::new();
    repository.write("web/Dockerfile", "FROM base\nCOPY . /\n").write("api/Dockerfile", "FROM base\nCOPY . /\n");
    repository.publish("compose.yaml", COMPOSE);
    repository
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_changes_and_the_reason_is_told() {
    let repository = shop();
    repository.publish("api/main.go", "package main");
    let report: Value =
        serde_json::from_str(&text(&plan(&repository, &["--commit", "main", "--live", "main~1", "--json"]).await))
            .unwrap();
    let of = |name: &str| {
        let all = report["components"].as_array().unwrap();
        all.iter().find(|component| component["name"] == name).unwrap().clone()
    };
    assert_eq!(of("api")["change"], "changed");
    assert_eq!(of("api")["reasons"], serde_json::json!(["its context api changed"]));
    assert_eq!(of("api")["method"], "recreate");
    assert_eq!(of("web")["change"], "unchanged");
    assert_eq!(of("db")["change"], "unchanged");
    assert_eq!(of("db")["method_reason"], "it writes to volume data, and two writers would corrupt it");
    assert_eq!(report["order"], serde_json::json!([["db"], ["api"], ["web"]]));
    assert_eq!(report["steps"], Value::Null);
    assert_eq!(report["commit"], repository.head().as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_for_people() {
    let repository = shop();
    repository.publish("compose.yaml", &COMPOSE.replace("postgres:16", "postgres:17").replace("info", "debug"));
    let said = text(&plan(&repository, &["main", "--live", "main~1"]).await);
    let (new, old) = (repository.git(&["rev-parse", "main"]), repository.git(&["rev-parse", "main~1"]));
    let said = said.replace(&new[..12], "<new>").replace(&old[..12], "<old>");
    insta::assert_snapshot!(said, @r#"
    shop/production: <new> change compose.yaml
    Compared with <old>

    COMPONENT  CHANGE     METHOD    WHY
    api        changed    recreate  environment LOG changed; recreate because web depends on it, and would reach new and old at random while both run (no front can own its name: nothing says at which port it is called; `expose: ["8080"]` in its service does, where that is the port)
    db         changed    recreate  image changed from postgres:16 to postgres:17; recreate because it writes to volume data, and two writers would corrupt it
    web        unchanged  recreate  -

    Order: db -> api -> web
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_live_commit_everything_is_new_and_a_folder_can_hold_the_project() {
    let repository = GitRepository::new();
    repository.write("deploy/web/Dockerfile", "FROM base\n");
    repository.publish("deploy/compose.yaml", "services: { web: { build: ./web } }\n");
    let said = text(&plan(&repository, &["--project-path", "deploy", "--environment", "staging"]).await);
    assert!(said.starts_with("shop/staging: ") && said.contains("Nothing is live yet"), "{said}");
    assert!(said.contains("web        new     recreate  it is new"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_place() {
    let repository = GitRepository::new();
    repository.publish("compose.yaml", "services:\n  web:\n    imge: web:1\n");
    let output = plan(&repository, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("compose.yaml:3: services.web.imge"), "{said}");

    let output = plan(&repository, &["--commit", "nonsense"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonsense names no commit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_paths_names_is_found_from_the_repositorys_root_also_where_the_project_is_a_folder_of_it() {
    let repository = GitRepository::new();
    let compose = "services:\n  api:\n    image: api:1\n    x-launchway: { paths: ['proto/**', 'shop/*.sql'] }\n  web:\n    build: ./web\n    x-launchway: { paths: ['proto/**'] }\n";
    repository.write("shop/compose.yaml", compose).write("shop/web/Dockerfile", "FROM base\n");
    repository.publish("proto/shop.proto", "message One {}");
    let changed = async |live: &str| {
        let arguments = ["--project-path", "shop", "--commit", "main", "--live", live, "--json"];
        let report: Value = serde_json::from_str(&text(&plan(&repository, &arguments).await)).unwrap();
        let all = report["components"].as_array().unwrap().clone();
        let all = all
            .iter()
            .map(|component| format!("{} {} {}", component["name"], component["change"], component["reasons"]));
        all.collect::<Vec<_>>().join("\n")
    };
    // Of the same name in the project's folder, which the pattern does not mean.
    repository.publish("shop/proto/shop.proto", "message None {}");
    insta::assert_snapshot!(changed("main~1").await, @r#"
    "api" "unchanged" []
    "web" "unchanged" []
    "#);
    repository.publish("proto/deep/down/more.proto", "message Two {}");
    insta::assert_snapshot!(changed("main~1").await, @r#"
    "api" "changed" ["what x-launchway.paths names changed"]
    "web" "changed" ["what it is built from changed"]
    "#);
    repository.publish("shop/schema.sql", "create table t;");
    insta::assert_snapshot!(changed("main~1").await, @r#"
    "api" "changed" ["what x-launchway.paths names changed"]
    "web" "unchanged" []
    "#);
}
