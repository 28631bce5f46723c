//! What a stranger writes (subjects, names of branches, files and authors, what builds and apps print) as people read it: it
//! steers no terminal, deceives no reader, and no secret is in it, however it was written.

use crate::support::engine_stub::EngineStub;
use crate::support::images::BASE;
use crate::support::quiet_server::{EIGHT, QuietServer, SECRET, new_deployment};
use crate::support::world::{Settings, World, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use launchway::store::{DeliveryOutcome, Sentences};

/// A terminal would be cleared, given a title and written over; a reader would see words in another order, or none.
const HOSTILE: &str = "Fix\x1b[2J\x1b]0;owned\x07 \u{202e}evil\u{2066}\u{200b}\u{9b}31m\x08\u{7f}\u{2028}it";
/// How that is read.
const READ: &str = "Fix <U+202E>evil<U+2066><U+200B>␈␡<U+2028>it";

/// Nothing in the text steers a terminal or hides.
fn is_plain(what: &str, text: &str) {
    let steers = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let found: Vec<char> = text.chars().filter(steers).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
}

const PASSWORD: &str = "s3cret/Pa55+word \"of\" the bank";

/// Neither the password nor a form of it that somebody would recognise.
fn hides_the_password(what: &str, text: &str) {
    let base64 = STANDARD.encode(format!("shop:{PASSWORD}"));
    let forms = [PASSWORD, "Pa55", &base64[8..40], &hex::encode(PASSWORD), "s3cret%2F", "\\\"of\\\""];
    for form in forms {
        assert!(!text.contains(form), "{what}: {form} in {text}");
    }
}

/// A hook's answer, a build, an app that dies: all of them say what they should not, in every way.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_commit_its_build_and_its_app_say_is_read_plainly_wherever_it_is_read() {
    let environment = format!("branch = \"*\"\nbake = \"0s\"\nsecrets = {{ BANK = {PASSWORD:?} }}");
    let settings =
        Settings { environment: Some(environment), project: "public-logs = true".into(), ..Settings::default() };
    let world = World::with(settings).await;
    // Octal, as the shell's printf takes it; `\r` writes over its line, the last two are ESC[31m and a right-to-left override.
    let hostile = r"all is well\rbroken \033]0;owned\007\033[2J\342\200\256evil \302\233Kred\033[0m\n";
    let said = r#"printf '%s' "shop:$BANK" | base64 -w 76; printf '%s' "$BANK" | hexdump -ve '1/1 "%02x"'; echo"#;
    world.repository.write("web/say", format!("printf '{hostile}'\n{said}\necho \"password: $BANK\"\nexit 7\n"));
    let compose = "services:\n  web:\n    build: ./web\n    environment: { BANK: \"${BANK}\" }\n    command: [\"sh\", \"/say\"]\n";
    world.repository.write("compose.yaml", compose);
    world.repository.write("web/Dockerfile", format!("FROM {BASE}\nCOPY say /say\nRUN printf '{hostile}'\n"));
    world.repository.git(&["config", "user.name", "ada \u{1b}[31m\u{202e}root"]);
    let commit = world.repository.commit(&format!("{HOSTILE}\n\nand more \x1b[2J"));
    world.repository.push("HEAD:refs/heads/re\u{202e}lease\u{200b}");
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    is_plain("the status", &shown.description);
    hides_the_password("the status", &shown.description);

    for command in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["deliveries"],
        &["deliveries", "--json"],
        &["queue"],
        &["audit"],
        &["plan", commit.as_str()],
        &["plan", "--json", commit.as_str()],
        &["deploy", "--commit", "no\u{202e}\u{1b}[31mcommit"],
        &["insights"],
        &["gc", "--dry-run"],
    ] {
        let (_, out, err) = world.launchway(command).await;
        is_plain(&command.join(" "), &(out.clone() + &err));
        hides_the_password(&command.join(" "), &(out + &err));
    }
    let (_, status, _) = world.launchway(&["status"]).await;
    assert!(status.contains("web"), "{status}");
    let (_, log, _) = world.launchway(&["logs"]).await;
    assert!(
        log.contains("| all is well␍broken <U+202E>evil red\n") || log.contains("broken <U+202E>evil red"),
        "{log}"
    );
    assert!(log.contains("***"), "{log}");

    let page = world.query("SELECT page_key FROM deployments");
    let address = format!("http://127.0.0.1:{}/deployments/{}", world.port, page.trim());
    let html = get(&address).await.expect("the page");
    is_plain("the page", &html);
    hides_the_password("the page", &html);
    assert!(html.contains("Fix &#60;U+202E&#62;evil"), "{html}");
    is_plain("the server's own log", &world.serve_log());
    hides_the_password("the server's own log", &world.serve_log());
    let log = std::process::Command::new("git")
        .arg("-C")
        .arg(world.repository.bare())
        .args(["notes", "--ref=launchway", "show", commit.as_str()])
        .output()
        .unwrap();
    is_plain("the note", &String::from_utf8_lossy(&log.stdout));
    world.end().await;
}

/// A store of an earlier Launchway has texts as they came.
#[tokio::test]
async fn what_an_earlier_launchway_stored_is_read_plainly_too() {
    let server = QuietServer::with("/nowhere/shop.git", "public-logs = true", EngineStub::default()).await;
    let encoded = STANDARD.encode(format!("user:{SECRET}"));
    let text = format!("{HOSTILE} {encoded} {}", hex::encode(SECRET));
    let mut new = new_deployment('a', &text);
    new.asked_by = text.clone();
    new.delivery = Some(server.delivery("guid-1", DeliveryOutcome::Deploys, &text).await);
    let (deployment, _) = server.store().add_deployment(new, Sentences::default(), EIGHT).await.unwrap();
    server.store().describe(deployment.id, text.clone()).await.unwrap();
    let logs = server.folder.path().join("data/logs");
    std::fs::create_dir_all(&logs).unwrap();
    let line = format!("2026-11-24T01:02:03.123Z build   api  {text}\n");
    std::fs::write(logs.join(format!("{}.log", deployment.id)), line).unwrap();

    let html = reqwest::get(format!("{}/deployments/{}", server.address, deployment.page_key)).await.unwrap();
    let html = html.text().await.unwrap();
    let delivery = reqwest::get(format!("{}/deliveries/{}", server.address, "d".repeat(32))).await.unwrap();
    let mut told = vec![("the page", html), ("the delivery's page", delivery.text().await.unwrap())];
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["deliveries"],
        &["deliveries", "--json"],
        &["queue"],
        &["queue", "--json"],
    ] {
        let output = server.launchway(command).await;
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        told.push((command[0], text));
    }
    let mut seen = false;
    for (what, text) in told {
        is_plain(what, &text);
        assert!(!text.contains(SECRET) && !text.contains(&encoded[4..20]), "{what}: {text}");
        assert!(!text.contains(&hex::encode(SECRET)), "{what}: {text}");
        seen |= text.contains(READ);
    }
    assert!(seen, "somewhere it is read as a whole");
}

/// Without a server, on files that nobody has looked at yet.
#[tokio::test]
async fn files_of_a_stranger_are_checked_and_explained_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = HOSTILE.replace(['\u{7f}', '\u{8}'], "");
    let yaml = format!("services:\n  web:\n    image: busybox\n    {}: 1\n", serde_json::to_string(&hostile).unwrap());
    std::fs::write(folder.path().join("compose.yaml"), yaml).unwrap();
    let body = serde_json::json!({ "ref": "refs/heads/ma\u{202e}in", "before": "0".repeat(40), "after": "a".repeat(40),
        "repository": { "full_name": format!("{HOSTILE}\nsignature  valid") } });
    std::fs::write(folder.path().join("body"), body.to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_launchway"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    for arguments in [
        &["check"][..],
        &["check", "--json"],
        &["check", "no\u{202e}\u{1b}[31mfolder"],
        &["webhook", "explain", "--forge", "github", "--event", "push", "--body", "body"],
        &["webhook", "explain", "--forge", "github", "--event", "push", "--body", "body", "--json"],
        &["plan", "--repository", ".", "no\u{202e}commit"],
    ] {
        let text = run(arguments);
        is_plain(&arguments.join(" "), &text);
        assert!(!text.is_empty());
    }
    let explained = run(&["webhook", "explain", "--forge", "github", "--event", "push", "--body", "body"]);
    assert_eq!(explained.lines().filter(|line| line.starts_with("signature ")).count(), 1, "{explained}");
}
