//! The pages that commit statuses link to.

use crate::support::engine_stub::EngineStub;
use crate::support::quiet_server::{EIGHT, QuietServer, SECRET, new_deployment};
use launchway::model::{Mask, Transition};
use launchway::store::{DeliveryOutcome, Deployment, LastLines, Sentences};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PLAN: &str = "release 1 of commit aaaaaaaaaaaa
api: changed (its context api changed; environment LOG_LEVEL changed); recreate: it publishes port 80, which only one container can hold
db: unchanged
#1 api-1, create container, release 1
[1] -> #2 api-1, stop container, release 1 replaces it
";

async fn get(server: &QuietServer, path: &str) -> reqwest::Response {
    reqwest::get(format!("{}{path}", server.address)).await.unwrap()
}

async fn page(server: &QuietServer, deployment: &Deployment) -> String {
    let response = get(server, &format!("/deployments/{}", deployment.page_key)).await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// What a person reads: the page without its tags, a line for each line of the page.
fn visible(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    let mut text = String::new();
    let mut in_tag = false;
    for c in body.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Pushed, delivered and planned.
async fn planned(server: &QuietServer, subject: &str) -> Deployment {
    let reason = "production: deployment 1 of aaaaaaaaaaaa";
    let mut new = new_deployment('a', subject);
    new.delivery = Some(server.delivery("guid-1", DeliveryOutcome::Deploys, reason).await);
    let (deployment, _) = server.store().add_deployment(new, Sentences::default(), EIGHT).await.unwrap();
    let log = server.deployer.logs.open(deployment.id, Mask::default()).unwrap();
    log.line(None, &format!("a line of the log, with {SECRET}"));
    server.advance(deployment.id, Transition::Prepare, "Preparing: reading the commit and planning", 1).await;
    let release = server.release('a').await;
    server.store().note_plan(deployment.id, release, None, PLAN.into()).await.unwrap();
    server.advance(deployment.id, Transition::Build, "Building api (1 of 1)", 3).await;
    deployment
}

/// Put back 34 seconds after it began.
async fn put_back(server: &QuietServer, deployment: &Deployment) {
    let id = deployment.id;
    server.advance(id, Transition::Deploy, "Deploying api (1 of 1)", 15).await;
    server.advance(id, Transition::PutBack, "Putting back", 30).await;
    let says = "api exited with code 1: no database; nothing is live yet";
    server.advance(id, Transition::RollBack, says, 35).await;
}

#[tokio::test]
async fn a_page_shows_what_is_deployed_how_far_it_is_and_why() {
    let server = QuietServer::new().await;
    let deployment = planned(&server, "Fix the price").await;
    let html = page(&server, &deployment).await;
    assert!(html.contains(r#"<meta http-equiv="refresh" content="2">"#), "it follows what happens");
    assert!(html.contains("<title>shop/production: building · Launchway</title>"));

    put_back(&server, &deployment).await;
    let html = page(&server, &deployment).await;
    assert!(!html.contains("http-equiv"), "nothing happens any more");
    insta::assert_snapshot!(visible(&html), @"
    Launchway
    shop/production rolled back
    api exited with code 1: no database; nothing is live yet
    Commit aaaaaaaaaaaa Fix the price
    Branch or tag main
    Deployment 1 (production#1), release 1, pushed by ada (delivery)
    Asked for 24 Nov 2026, 08:00:00 UTC, took 34 s
    Stages
    prepare 2 s done from 08:00:01 UTC
    build 12 s done from 08:00:03 UTC
    deploy 20 s rolled back from 08:00:15 UTC
    monitor not reached
    Plan release 1 of commit aaaaaaaaaaaa
    api changed its context api changed; environment LOG_LEVEL changed recreate: it publishes port 80, which only one container can hold
    db unchanged
    Steps: 2
    #1 api-1, create container, release 1
    [1] -&#62; #2 api-1, stop container, release 1 replaces it
    Log
    The log is not public. On the server: launchway logs 1. With public-logs = true under the project in launchway.toml it is shown here.
    ");
}

#[tokio::test]
async fn the_log_is_shown_only_where_the_settings_open_it() {
    let server = QuietServer::new().await;
    let deployment = planned(&server, "Fix the price").await;
    let html = page(&server, &deployment).await;
    assert!(!html.contains("a line of the log"), "{html}");

    let open = QuietServer::with("/nowhere/shop.git", "public-logs = true", EngineStub::default()).await;
    let deployment = planned(&open, "Fix the price").await;
    let html = page(&open, &deployment).await;
    assert!(html.contains("a line of the log, with ***\n</pre>"), "{html}");
}

#[tokio::test]
async fn what_the_failing_component_said_last_is_shown_where_the_log_is_public() {
    for (settings, is_shown) in [("public-logs = true", true), ("", false)] {
        let server = QuietServer::with("/nowhere/shop.git", settings, EngineStub::default()).await;
        let deployment = planned(&server, "Fix the price").await;
        let lines = vec!["no database at <db>".to_string(), format!("the key is {SECRET}")];
        let last_lines = LastLines { component: Some("api".parse().unwrap()), lines };
        server.store().note_last_lines(deployment.id, last_lines).await.unwrap();
        put_back(&server, &deployment).await;
        let html = page(&server, &deployment).await;
        let shown = "<h2>What api said last</h2>\n<pre>no database at &#60;db&#62;\nthe key is ***</pre>";
        assert_eq!(html.contains(shown), is_shown, "{html}");
        assert!(is_shown || !html.contains("no database at"), "{html}");
    }
}

#[tokio::test]
async fn of_a_long_log_the_end_is_shown() {
    let server = QuietServer::with("/nowhere/shop.git", "public-logs = true", EngineStub::default()).await;
    let deployment = planned(&server, "Fix the price").await;
    let log = server.deployer.logs.open(deployment.id, Mask::default()).unwrap();
    for number in 0..3_000 {
        log.line(None, &format!("line {number} of many"));
    }
    let html = page(&server, &deployment).await;
    assert!(html.contains("line 2999 of many") && !html.contains("line 5 of many"));
    assert!(html.contains("Only the end of it"));
    assert!(html.len() < 80 * 1024, "{}", html.len());
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let server = QuietServer::with("/nowhere/shop.git", "public-logs = true", EngineStub::default()).await;
    let hostile = r#"</style><script>alert("x")</script><img src=x onerror=y>"#;
    let deployment = planned(&server, hostile).await;
    server.deployer.logs.open(deployment.id, Mask::default()).unwrap().line(None, &format!("</pre>{hostile}"));
    let note = format!("api: changed ({hostile}); recreate: {hostile}\n#1 {hostile}\n{hostile}\n");
    server.store().note_plan(deployment.id, launchway::model::ReleaseId(1), None, note).await.unwrap();
    server.store().describe(deployment.id, format!("{hostile} and {SECRET}")).await.unwrap();
    let html = page(&server, &deployment).await;
    assert_eq!(html.matches("<script").count(), 0, "{html}");
    assert_eq!(html.matches("<img").count(), 0, "{html}");
    assert_eq!(html.matches("</style>").count(), 1, "{html}");
    assert_eq!(html.matches("</pre>").count(), 1, "{html}");
    assert!(html.contains("&#60;script&#62;alert"), "{html}");
    assert!(!html.contains(SECRET), "{html}");
}

#[tokio::test]
async fn a_delivery_tells_what_became_of_it() {
    let server = QuietServer::new().await;
    let deployment = planned(&server, "Fix the price").await;
    put_back(&server, &deployment).await;
    let html = get(&server, &format!("/deliveries/{}", "d".repeat(32))).await.text().await.unwrap();
    insta::assert_snapshot!(visible(&html), @"
    Launchway
    Delivery 1 to shop deploys
    production: deployment 1 of aaaaaaaaaaaa
    Event push (push, github)
    Received 24 Nov 2026, 08:00:00 UTC
    Delivery id guid-1
    Deployments
    production rolled back api exited with code 1: no database; nothing is live yet deployment 1
    ");
    assert!(html.contains(&format!("href=\"/deployments/{}\"", deployment.page_key)));
}

#[tokio::test]
async fn an_address_that_nobody_was_given_shows_nothing() {
    let server = QuietServer::new().await;
    planned(&server, "Fix the price").await;
    for path in ["/deployments/1", "/deployments/", "/deliveries/guid-1", "/deployments/..%2f..%2fetc%2fpasswd", "/x"] {
        let response = get(&server, path).await;
        assert_eq!(response.status(), 404, "{path}");
        let html = response.text().await.unwrap();
        assert!(html.contains("There is no such page") && !html.contains("shop"), "{path}: {html}");
    }
    let html = get(&server, "/").await.text().await.unwrap();
    assert!(html.contains("Launchway is here") && !html.contains("shop"), "{html}");
}

#[tokio::test]
async fn pages_tell_the_browser_to_run_and_keep_nothing() {
    let server = QuietServer::new().await;
    let deployment = planned(&server, "Fix the price").await;
    for path in [format!("/deployments/{}", deployment.page_key), "/".into(), "/nothing".into()] {
        let response = get(&server, &path).await;
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_string();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-robots-tag"), "noindex, nofollow");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn health_is_of_the_store_and_tells_of_the_engine() {
    let server = QuietServer::new().await;
    server.engine.is_away.store(true, Ordering::Relaxed);
    let response = get(&server, "/healthz").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), r#"{"status":"ok","store":"ok","engine":"does not answer"}"#);
    server.store().close().await;
    assert_eq!(get(&server, "/healthz").await.status(), 503);

    let server = QuietServer::new().await;
    let said = get(&server, "/healthz").await.text().await.unwrap();
    assert_eq!(said, r#"{"status":"ok","store":"ok","engine":"ok"}"#);
}

/// Chromium, where this machine has it.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

/// The page as the browser has it after it applied the content security policy: with the style, without any script.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_shows_the_page_in_its_style() {
    let Some(browser) = browser() else {
        eprintln!("skipped: there is no chromium in PATH");
        return;
    };
    let server = QuietServer::new().await;
    let hostile = "Fix the price <script>document.title = 'taken over'</script>";
    let deployment = planned(&server, hostile).await;
    put_back(&server, &deployment).await;
    let profile = tempfile::tempdir().unwrap();
    let screenshot = profile.path().join("page.png");
    let run = |arguments: Vec<String>| {
        let mut command = tokio::process::Command::new(&browser);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--no-first-run", "--window-size=1000,1200"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(arguments)
            .kill_on_drop(true);
        tokio::time::timeout(Duration::from_secs(90), async move { command.output().await.unwrap() })
    };
    let url = format!("{}/deployments/{}", server.address, deployment.page_key);
    let shown = run(vec!["--dump-dom".into(), url.clone()]).await.expect("the browser ends in time");
    let dom = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(dom.contains("<title>shop/production: rolled back · Launchway</title>"), "{dom}");
    assert!(visible(&dom).contains("api exited with code 1: no database; nothing is live yet"), "{dom}");

    let taken = run(vec![format!("--screenshot={}", screenshot.display()), url]).await;
    let taken = taken.expect("the browser ends in time");
    let said = String::from_utf8_lossy(&taken.stderr);
    assert!(!said.contains("Content Security Policy"), "the style was refused: {said}");
    let size = std::fs::metadata(&screenshot).expect("a screenshot").len();
    assert!(size > 20_000, "an empty page is smaller than {size} bytes");
}
