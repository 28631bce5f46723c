//! Keys that reach an app by files and variables, and what the app says of them: nobody reads them, wherever it is told.

use crate::support::images::BASE;
use crate::support::world::{Settings, World, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// By `env_file`, out of a file that launchway.toml gives.
const API_KEY: &str = "sk_live/4f+9Q\"z7";
/// By `variable-files` and `environment:`.
const SMTP_PASSWORD: &str = "correct-horse battery";
/// In a URL.
const DB_PASSWORD: &str = "tr0ub4dor&3x";
/// A plain word, by its name in `mask`.
const MOTTO: &str = "swordfish";
/// In a file that is mounted.
const KEY_LINES: [&str; 3] = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "MzEfYyji"];

fn private_key() -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", KEY_LINES.join("\n"))
}

/// Every form in which the story's app says them.
fn secrets() -> Vec<String> {
    let url: String = API_KEY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut all: Vec<String> = [API_KEY, SMTP_PASSWORD, DB_PASSWORD, MOTTO, &url].map(str::to_string).into();
    // What stands before it moves it by a byte each.
    for before in ["", "a", "ab"] {
        let encoded = STANDARD.encode(format!("{before}{API_KEY}"));
        all.push(encoded[4..encoded.len() - 4].to_string());
    }
    all.push(serde_json::to_string(API_KEY).unwrap().trim_matches('"').to_string());
    all.extend(KEY_LINES.map(str::to_string));
    let key = STANDARD.encode(private_key());
    all.extend([&key[60..120], &key[..76], &key[76..140]].map(str::to_string));
    all
}

fn hides_all(what: &str, text: &str) {
    for secret in secrets() {
        assert!(!text.contains(&secret), "{what}: {secret} in {text}");
    }
}

/// What the app does when it crashes: it tells all that it has, in every way.
const SAY: &str = r#"#!/bin/sh
[ "$MODE" = good ] && exec sleep 600
echo "env: API_KEY=$API_KEY SMTP=$SMTP_PASSWORD MOTTO=$MOTTO sorted by $SORT_KEY"
echo "cannot reach $DATABASE_URL"
for before in "" a ab; do printf '%s%s' "$before" "$API_KEY" | base64; done
printf '%s' "$API_KEY" | hexdump -ve '1/1 "%02x"' | sed 's/../%&/g'; echo
printf '{"key":"%s"}\n' "$(printf '%s' "$API_KEY" | sed 's/"/\\"/g')"
cat /run/tls.pem
base64 -w 76 /run/tls.pem
base64 -w 0 /run/tls.pem; echo
sleep 0.3
echo "panic: $MOTTO, the key $API_KEY is wrong" >&2
exit 3
"#;

fn write(world: &World, mode: &str) {
    let compose = format!(
        r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["sh", "/say"]
    env_file: .env
    environment:
      MODE: "{mode}"
      SMTP_PASSWORD: "${{SMTP_PASSWORD}}"
      DATABASE_URL: "postgres://shop:tr0ub4dor%263x@db/shop"
      MOTTO: "${{MOTTO}}"
      SORT_KEY: created_at
    volumes: ["./say:/say", "./tls.pem:/run/tls.pem"]
    x-launchway: {{ stay-up: 1s }}
"#
    );
    world.repository.write("compose.yaml", compose).write("say", SAY).write(".gitignore", ".env\ntls.pem\n");
}

/// A hook that keeps all that it is told, and says it.
fn hook(world: &World) {
    let folder = world.data().join("hooks");
    world.texts.keep("what hooks were told", &world.folder().join("told"));
    std::fs::create_dir_all(&folder).unwrap();
    for event in ["started", "succeeded", "rolled-back"] {
        let path = folder.join(format!("deployment-{event}"));
        let script = "#!/bin/sh\ncat | tee -a ../../told; env | tee -a ../../told\n";
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

async fn world() -> World {
    let environment = r#"branch = "main"
bake = "0s"
secrets = { WORD = "release", OTHER = "wrong" }
mask = ["MOTTO"]
plain = ["SORT_KEY"]
variable-files = ["shop.variables"]
files = { ".env" = "shop.env", "tls.pem" = "tls.pem" }"#;
    let settings =
        Settings { environment: Some(environment.into()), project: "public-logs = true".into(), ..Settings::default() };
    let mut world = World::not_serving(settings).await;
    let folder = world.folder();
    std::fs::write(folder.join("shop.env"), format!("API_KEY='{API_KEY}'\n")).unwrap();
    std::fs::write(folder.join("shop.variables"), format!("SMTP_PASSWORD={SMTP_PASSWORD}\nMOTTO={MOTTO}\n")).unwrap();
    std::fs::write(folder.join("tls.pem"), private_key()).unwrap();
    world.serve().await;
    hook(&world);
    world
}

/// All that people, forges and hooks read of it.
async fn told(world: &World) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["queue"],
        &["deliveries", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["insights"],
        &["audit"],
    ] {
        let (_, out, err) = world.launchway(command).await;
        told.push((command.join(" "), out + &err));
    }
    let (_, out, err) = world.launchway(&["check", "--live", &world.repository.work().display().to_string()]).await;
    told.push(("check --live".into(), out + &err));
    let keys = world.query("SELECT page_key FROM deployments");
    for key in keys.split_whitespace() {
        let page = get(&format!("http://127.0.0.1:{}/deployments/{key}", world.port)).await.expect("the page");
        told.push(("the page".into(), page));
    }
    let notes = Command::new("git")
        .arg("-C")
        .arg(world.repository.bare())
        .args(["log", "-p", "refs/notes/launchway"])
        .output()
        .unwrap();
    told.push(("the notes".into(), String::from_utf8_lossy(&notes.stdout).into_owned()));
    told.push(("the server's log".into(), world.serve_log()));
    told.push(("the deployments' logs".into(), world.deployment_logs()));
    told.push(("what hooks were told".into(), std::fs::read_to_string(world.folder().join("told")).unwrap()));
    told
}

const UNTOLD: &str = "SELECT count(*) FROM hooks WHERE outcome IS NULL";

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_prints_its_keys_when_it_crashes_gives_none_away() {
    let mut world = world().await;
    write(&world, "good");
    let shown = world.ends(&world.push("Good")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    write(&world, "bad");
    let commit = world.push("Bad");
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    // The app's words are masked, ours are not, although a secret is one of them.
    let words = "web-1 exited with code 3";
    assert!(
        shown.description.contains(words) && shown.description.contains("panic: ***, the key *** is ***"),
        "{shown:?}"
    );
    assert!(shown.description.ends_with("; release 1 is live again"), "{shown:?}");
    world.until_store_says(UNTOLD, "0").await;
    for (what, text) in told(&world).await {
        hides_all(&what, &text);
    }
    let log = world.deployment_logs();
    assert!(log.contains("env: API_KEY=*** SMTP=*** MOTTO=*** sorted by created_at"), "{log}");
    assert!(log.contains("cannot reach postgres://shop:***@db/shop"), "{log}");
    let (_, plan, _) = world.launchway(&["plan"]).await;
    assert!(plan.contains("masked by guess: tls.pem: the private key in it"), "{plan}");
    assert!(plan.contains("masked by guess: web: API_KEY, DATABASE_URL (the password in it), SMTP_PASSWORD"), "{plan}");

    // What is known of it is known after a crash, too, though other values are set by then.
    world.kill();
    std::fs::write(world.folder().join("shop.env"), "API_KEY=another-key-by-now\n").unwrap();
    let status = world.query(&format!("SELECT description FROM deployments WHERE commit_id = '{commit}'"));
    assert!(status.contains("release 1 is live again"), "{status}");
    // As an earlier version, which masked nothing of it, would have stored it.
    let stored = format!("web-1 exited with code 3: the key {API_KEY} is bad; release 1 is live again");
    let stored = stored.replace('\'', "''");
    world.change(&format!("UPDATE deployments SET description = '{stored}' WHERE commit_id = '{commit}'"));
    world.serve().await;
    for (what, text) in told(&world).await {
        hides_all(&what, &text);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_renewed_in_their_files_are_hidden_as_they_were_and_as_they_are() {
    let world = world().await;
    write(&world, "good");
    let shown = world.ends(&world.push("Good")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    let renewed = ["marlinspike", "battery-staple horse", "pk-of-tomorrow-8"];
    let folder = world.folder();
    std::fs::write(folder.join("shop.variables"), format!("SMTP_PASSWORD={}\nMOTTO={}\n", renewed[1], renewed[0]))
        .unwrap();
    std::fs::write(folder.join("shop.env"), format!("API_KEY='{}'\n", renewed[2])).unwrap();
    write(&world, "bad");
    // What was hidden before is a word that the app says still.
    let was = format!("echo \"it was {SMTP_PASSWORD}\"\ncat /run/tls.pem\n");
    world.repository.write("say", SAY.replace("cat /run/tls.pem\n", &was));
    let shown = world.ends(&world.push("Bad")).await;
    assert!(shown.description.contains("panic: ***, the key *** is ***"), "{shown:?}");
    world.until_store_says(UNTOLD, "0").await;
    for (what, text) in told(&world).await {
        hides_all(&what, &text);
        let shows = renewed.iter().find(|value| text.contains(**value));
        assert_eq!(shows, None, "{what}: {text}");
    }
    let log = world.deployment_logs();
    assert!(log.contains("it was ***") && log.contains("env: API_KEY=*** SMTP=*** MOTTO=***"), "{log}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_file_that_is_wrong_is_named_and_never_shown() {
    let world = world().await;
    write(&world, "good");
    // As if somebody had pasted a key of several lines.
    std::fs::write(world.folder().join("shop.env"), format!("API_KEY=x\n{API_KEY}@more\n")).unwrap();
    let shown = world.ends(&world.push("Good")).await;
    assert_eq!(shown.state, "failure");
    assert!(shown.description.starts_with(".env:2: a variable name holds letters, digits"), "{shown:?}");
    std::fs::write(world.folder().join("shop.variables"), format!("MOTTO=x\n{SMTP_PASSWORD}\n")).unwrap();
    let (code, _, said) = world.launchway(&["serve"]).await;
    assert_ne!(code, 0);
    assert!(said.contains("shop.variables:2: ") && said.contains("this line is not KEY=value"), "{said}");
    hides_all("the error", &said);
    for (what, text) in told(&world).await {
        hides_all(&what, &text);
    }
    world.end().await;
}
