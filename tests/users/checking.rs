//! `launchway check` on a working copy, without a server.

use crate::support::git_repository::GitRepository;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const COMPOSE: &str = r#"services:
  api:
    build: ./api
    env_file: ../common.env
    environment: { GREETING: "${GREETING:-hello}" }
    depends_on: { db: { condition: service_healthy } }
    x-launchway: { environments: { staging: { method: canary } } }
  db:
    image: postgres:16
    volumes: ["db:/var/lib/postgresql/data"]
  debug: { image: busybox, profiles: [debug], depends_on: [api] }
volumes: { db: }
"#;

fn repository() -> GitRepository {
    let repository = GitRepository::new();
    repository.write(".gitignore", "*.env\n!common.env\n").write("common.env", "A=1\n");
    repository.write("shop/compose.yaml", COMPOSE).write("shop/api/Dockerfile", "FROM scratch\n");
    repository
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_launchway"))
        .current_dir(folder)
        .arg("check")
        .args(arguments)
        .env_clear()
        .env("COLUMNS", "140")
        .output()
        .unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_good_project_shows_its_components_order_and_methods() {
    let repository = repository();
    let output = check(&repository.work().join("shop"), &[]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"
     order  component  waits for  method    why
     1      db         -          recreate  it writes to volume db, and two writers would corrupt it
     2      api        db         recreate  nothing leads to it, and two of it at once might do its work twice

    2 components: 0 errors, 0 warnings, 0 notes
    ");
    // From anywhere, by folder or by file.
    let by_folder = json_of(&check(&repository.work(), &["--json", "shop"]));
    let by_file = json_of(&check(repository.root(), &["--json", "work/shop/compose.yaml"]));
    assert_eq!(by_folder, by_file);
    assert_eq!(by_folder["order"], json!([["db"], ["api"]]));
    assert_eq!(by_folder["problems"], json!([]));
    let api = &by_folder["components"][1];
    assert_eq!(
        (&api["name"], &api["dependencies"], &api["method"]),
        (&json!("api"), &json!(["db"]), &json!("recreate"))
    );
    assert!(api["why"].as_str().unwrap().len() > 10);
}

#[test]
fn what_git_ignores_is_missing_as_it_would_be_on_the_server() {
    let repository = repository();
    let broken = COMPOSE.replace("../common.env", "local.env");
    repository.write("shop/compose.yaml", &broken).write("shop/local.env", "A=1\n");
    let output = check(&repository.work().join("shop"), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = json_of(&output);
    let problem = &found["problems"][0];
    assert_eq!(problem["severity"], "error");
    assert_eq!((&problem["file"], &problem["line"]), (&json!("shop/compose.yaml"), &json!(4)));
    assert_eq!(problem["key"], "services.api.env_file[0].path");
    assert!(problem["message"].as_str().unwrap().contains("files = { \"local.env\""), "{problem}");
    let text = check(&repository.work().join("shop"), &[]);
    assert_eq!(text.status.code(), Some(1));
    assert!(String::from_utf8(text.stdout).unwrap().ends_with("0 components: 1 error, 0 warnings, 0 notes\n"));
}

#[test]
fn environments_profiles_variables_and_files_are_given_by_flags() {
    let repository = repository();
    let shop = repository.work().join("shop");
    let staging = json_of(&check(&shop, &["--json", "--environment", "staging"]));
    assert_eq!(staging["problems"][0]["key"], "services.api.x-launchway.method");
    let debug = json_of(&check(&shop, &["--json", "--profile", "debug"]));
    assert_eq!(debug["order"], json!([["db"], ["api"], ["debug"]]));
    repository.write("shop/more.yaml", "services: {web: {image: \"x:${TAG:?say which}\"}}\n");
    let missing = check(&shop, &["--json", "--file", "compose.yaml", "--file", "more.yaml"]);
    assert_eq!(json_of(&missing)["problems"][0]["message"], "variable TAG has no value: say which");
    let given = check(&shop, &["--json", "-f", "compose.yaml", "-f", "more.yaml", "--variable", "TAG=1"]);
    assert_eq!(json_of(&given)["components"].as_array().unwrap().len(), 3);
    let wrong = check(&shop, &["--variable", "TAG"]);
    assert_eq!(wrong.status.code(), Some(2));
    let nowhere = check(&shop, &["nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("cannot read nowhere"));
}

#[test]
fn what_the_edge_cannot_serve_is_told_beforehand() {
    let repository = repository();
    let compose = r#"
services:
  web:
    image: web:1
    ports: ["8080:80"]
  api:
    image: api:1
    x-launchway: { route: { host: shop.example.com } }
  shop:
    image: shop:1
    x-launchway: { route: { host: shop.example.com, port: 80 } }
  twin:
    image: shop:1
    x-launchway: { route: { host: SHOP.example.com, port: 81 } }
  db:
    image: db:1
    volumes: ["data:/data"]
    x-launchway: { method: blue-green }
volumes: { data: {} }
"#;
    repository.write("shop/compose.yaml", compose);
    let output = check(&repository.work().join("shop"), &["--edge"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"
     order  component  waits for  method      why
     1      api        -          recreate    nothing leads to it, and two of it at once might do its work twice
     1      db         -          recreate    its x-launchway asks for blue-green, but it writes to volume data, and two writers would corrupt it
     1      shop       -          blue-green  the edge leads to it, and nothing forbids two of it at once
     1      twin       -          blue-green  the edge leads to it, and nothing forbids two of it at once
     1      web        -          blue-green  the edge leads to it, and nothing forbids two of it at once

    error: shop/compose.yaml:6: services.api.x-launchway.route: which port of the container? The service names none: add `port:` to the route
    error: shop/compose.yaml:12: services.twin.x-launchway.route: shop.example.com/ leads to shop already: a request can go to one component only
    warning: shop/compose.yaml:15: services.db.x-launchway.method: blue-green cannot be, so it is recreate: its x-launchway asks for blue-green, but it writes to volume data, and two writers would corrupt it

    5 components: 2 errors, 1 warning, 0 notes
    ");
}

/// What `launchway check --server` prints where `iptables` prints this, and ends so.
fn check_server(prints: &str, ends: i32) -> String {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("iptables");
    std::fs::write(&program, format!("#!/bin/sh\necho '{prints}'\necho '{prints}' >&2\nexit {ends}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_launchway"));
    let output = command.args(["check", "--server"]).env_clear().env("PATH", folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn whether_containers_reach_the_clouds_metadata_is_told_with_the_rule_that_forbids_it() {
    insta::assert_snapshot!(check_server("-A DOCKER-USER -d 169.254.0.0/16 -j DROP", 0), @"ok: apps and builds do not reach 169.254.169.254 (-A DOCKER-USER -d 169.254.0.0/16 -j DROP)");
    insta::assert_snapshot!(check_server("-A DOCKER-USER -j RETURN", 0), @"
    warning: nothing in the chain DOCKER-USER keeps apps and builds from 169.254.169.254
    In a cloud, that address gives a machine's keys to whoever asks, also from a container or a `RUN`. To forbid it:
      iptables -I DOCKER-USER -d 169.254.0.0/16 -j REJECT
    and have it set again at each start of the machine. Elsewhere nothing answers there.
    ");
    let denied = check_server("Permission denied (you must be root)", 4);
    assert!(denied.starts_with("unknown: whether apps and builds reach 169.254.169.254 cannot be told: "), "{denied}");
    assert!(denied.contains("Permission denied") && denied.contains("iptables -I DOCKER-USER"), "{denied}");
}

#[test]
fn what_is_taken_for_secret_by_its_looks_is_listed_by_name() {
    let repository = repository();
    repository.write("common.env", "API_KEY=swordfish-1\nBYPASS_CACHE=certainly\nKEYCLOAK_URL=https://key.cloak\n");
    let compose = COMPOSE.replace("{ GREETING:", "{ DATABASE_URL: \"postgres://shop:hunter22@db/shop\", GREETING:");
    repository.write("shop/compose.yaml", &compose);
    let output = check(&repository.work().join("shop"), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let expected = "masked by guess, as it looks secret (`mask` and `plain` of the environment in launchway.toml decide by name):\n  \
                    api: API_KEY, DATABASE_URL (the password in it)\n\n2 components";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("swordfish") && !text.contains("hunter22"), "{text}");
    let found = json_of(&check(&repository.work().join("shop"), &["--json"]));
    let guessed = json!([
        { "of": "api", "name": "API_KEY", "looks": "name" },
        { "of": "api", "name": "DATABASE_URL", "looks": "password" },
    ]);
    assert_eq!(found["guessed"], guessed);
}
