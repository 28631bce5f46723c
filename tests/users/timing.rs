//! The right time: windows, freezes, somebody's yes, and whose turn it is.

use crate::support::app::{write_gated, write_quick};
use crate::support::world::{Settings, Shown, World, get};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use launchway::model::CommitId;

fn environment(lines: &str) -> Settings {
    let environment = format!("branch = \"main\"\nbake = \"0s\"\n{lines}");
    Settings { environment: Some(environment), ..Settings::default() }
}

/// A daily window that opens at a time, for three hours; as a line of the settings.
fn window_from(opens: Timestamp) -> String {
    let time = |at: Timestamp| at.strftime("%H:%M:%S").to_string();
    let closes = opens + SignedDuration::from_hours(3);
    format!("windows = [{{ from = \"{}\", to = \"{}\" }}]\n", time(opens), time(closes))
}

/// The whole second that is so many seconds away.
fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

async fn says(world: &World, commit: &CommitId, sentence: &str) -> Shown {
    world
        .until(&format!("the status {sentence:?}"), || async {
            let is_it = |shown: &Shown| shown.state == "pending" && shown.description == sentence;
            world.shown(commit).into_iter().find(is_it)
        })
        .await
}

async fn told(world: &World, arguments: &[&str]) -> String {
    let (code, told, error) = world.launchway(arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {told}{error}");
    told
}

async fn refused(world: &World, arguments: &[&str]) -> String {
    let (code, told, error) = world.launchway(arguments).await;
    assert_ne!(code, 0, "{arguments:?}: {told}");
    error
}

/// `compose.yaml` of the quick app with lines of the top level `x-launchway`.
fn write_with_rules(world: &World, version: &str, rules: &str) {
    write_quick(&world.repository, version);
    let path = world.repository.work().join("compose.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    world.repository.write("compose.yaml", format!("{text}x-launchway:\n{rules}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_outside_the_window_waits_says_until_when_and_goes_live_once_it_opens() {
    let opens = in_seconds(25);
    let world = World::with(environment(&window_from(opens))).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    says(&world, &commit, &format!("Waiting for the window {} UTC", opens.strftime("%a %H:%M:%S"))).await;
    // Once the window is open it says nothing of waiting.
    let plan = told(&world, &["plan"]).await;
    if Timestamp::now() < opens {
        assert!(plan.contains("A push now: Waiting for the window"), "{plan}");
    }
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{}", shown.description);
    let began: i64 = world.query("SELECT started_at FROM deployments").trim().parse().unwrap();
    assert!(began >= opens.as_millisecond(), "{began} {opens}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_window_can_be_cancelled_overtaken_and_waits_on_over_a_restart() {
    let opens = in_seconds(6 * 3600);
    let sentence = format!("Waiting for the window {} UTC", opens.strftime("%a %H:%M:%S"));
    let mut world = World::with(environment(&window_from(opens))).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    says(&world, &first, &sentence).await;
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    let shown = world.ends(&first).await;
    assert_eq!(shown.description, format!("Superseded by {}; nothing is live yet", second.short()));
    says(&world, &second, &sentence).await;
    world.kill();
    world.serve().await;
    world.until_said_again("Launchway is ready", 2).await;
    let queue = told(&world, &["queue"]).await;
    assert!(queue.contains(&sentence) && queue.contains("0 of 4 deployments"), "{queue}");
    told(&world, &["cancel", "2"]).await;
    let shown = world.ends(&second).await;
    assert!(shown.description.contains("while it waited; nothing is live yet"), "{}", shown.description);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_touched_nothing_when_the_server_ended_does_not_go_live_in_a_freeze() {
    let mut world = World::with(environment("")).await;
    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    let before = world.running().await;
    world.terminate().await;
    world.serve_with(&[("FAILPOINTS", "prepare.planned=return")]).await;
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    world.until_died().await;

    let today = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let last = today.saturating_add(3.days());
    world.configure(&environment(&format!(
        "freeze = [{{ from = \"{today}\", to = \"{last}\", reason = \"a fair\" }}]\n"
    )));
    world.serve().await;
    world.until_log("nothing else is in the way, but: Waiting until").await;
    assert_eq!(world.running().await, before, "nothing was touched");
    world.configure(&environment(""));
    crate::support::world::signal(world.pid(), "HUP");
    assert_eq!(world.ends(&second).await.state, "success");
    assert_ne!(world.running().await["web"], before["web"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_push_lifts_the_freeze_of_what_is_live_but_a_person_may_say_now_and_going_back_asks_nobody() {
    let world = World::with(environment("")).await;
    write_quick(&world.repository, "zero");
    let zero = world.push("Zero");
    assert_eq!(world.ends(&zero).await.state, "success");

    let today = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let last = today.saturating_add(3.days());
    let freeze = format!("  freeze: [{{ from: {today}, to: {last}, reason: a fair }}]\n");
    write_with_rules(&world, "one", &freeze);
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "success", "the live release has no freeze");

    // Without the freeze, or with a window that is open: what is live decides.
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    let until = last.saturating_add(1.day()).strftime("%a 00:00 UTC");
    says(&world, &second, &format!("Waiting until {until}: frozen for a fair")).await;

    let error = refused(&world, &["deploy", "--now"]).await;
    assert!(error.contains("--reason"), "{error}");
    told(&world, &["deploy", "--now", "--reason", "the shop shows no prices"]).await;
    assert_eq!(world.ends(&second).await.state, "success");
    let audit = told(&world, &["audit", "--json"]).await;
    let audit: serde_json::Value = serde_json::from_str(&audit).unwrap();
    assert_eq!(audit[0]["action"], "deploy-now");
    assert_eq!(audit[0]["reason"], "the shop shows no prices");
    assert_eq!(audit[0]["deployment"], 4);
    assert!(audit[0]["by"].as_str().unwrap().ends_with("at the command line"), "{audit}");

    // Release 2 has the freeze: going back to it, and from it, waits for nothing.
    told(&world, &["rollback"]).await;
    write_quick(&world.repository, "three");
    let third = world.push("Third");
    says(&world, &third, &format!("Waiting until {until}: frozen for a fair")).await;
    told(&world, &["rollback"]).await;
    // What has no freeze is live again, and the rollback overtook what waited.
    assert!(world.ends(&third).await.description.starts_with("Superseded by"));
    assert_eq!(world.query("SELECT live FROM environments").trim(), "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_asks_for_a_yes_for_each_commit_at_the_command_line_or_on_the_page() {
    let rules = "approval = true\napprovers = { anna = \"annas-long-code\", bob = \"bobs-longer-code\" }\n";
    let mut world = World::with(environment(rules)).await;
    let waits = "Waiting for somebody's yes: `launchway approve`";
    write_quick(&world.repository, "one");
    let first = world.push("First");
    says(&world, &first, waits).await;
    world.kill();
    world.serve().await;
    world.until_said_again("Launchway is ready", 2).await;
    assert_eq!(world.query("SELECT state FROM deployments").trim(), "waiting");
    let list = told(&world, &["approve"]).await;
    assert!(list.starts_with("`launchway approve 1`: ") && list.contains("First"), "{list}");

    let key = world.query("SELECT page_key FROM deployments WHERE id = 1");
    let path = format!("/deployments/{}", key.trim());
    let address = format!("http://127.0.0.1:{}{path}", world.port);
    let page = get(&address).await.unwrap();
    assert!(page.contains(&format!("<form method=\"post\" action=\"{path}/approve\"")), "{page}");
    let send = async |code: &str| {
        let form = format!("code={code}");
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = client.post(format!("{address}/approve")).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = send("annas-other-code").await;
    assert_eq!(status, 403);
    assert!(text.contains("Nothing was changed: that is nobody&#39;s code"), "{text}");
    assert_eq!(send("annas-long-code").await.0, 303);
    assert_eq!(world.ends(&first).await.state, "success");
    let page = get(&address).await.unwrap();
    assert!(page.contains("yes from anna on the page") && !page.contains("<form"), "{page}");

    // A yes is for one commit.
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    says(&world, &second, waits).await;
    write_quick(&world.repository, "three");
    let third = world.push("Third");
    says(&world, &third, waits).await;
    let error = refused(&world, &["approve", "2"]).await;
    assert!(
        error.contains("deployment 2 (production#2) has ended already (superseded): there is nothing to say yes to"),
        "{error}"
    );
    told(&world, &["approve", "3"]).await;
    assert_eq!(world.ends(&third).await.state, "success");
    assert!(refused(&world, &["approve", "3"]).await.contains("said yes to deployment 3 (production#3) already"));
    let audit = told(&world, &["audit"]).await;
    assert!(audit.contains("anna on the page") && audit.matches("approve").count() == 2, "{audit}");
    assert!(!world.serve_log().contains("long-code"), "codes are secrets");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn production_has_its_turn_before_what_waited_longer_and_the_queue_says_so() {
    let of = |name: &str| format!("[projects.PROJECT.environments.{name}]\nbranch = \"{name}\"\nbake = \"0s\"\n");
    let world = World::with(Settings {
        limits: "deployments = 1".into(),
        tables: [of("demo"), of("staging")].concat(),
        ..Settings::default()
    })
    .await;
    let push_to = |branch: &str, version: &str| {
        write_quick(&world.repository, version);
        let commit = world.repository.commit(version);
        world.repository.push(&format!("HEAD:{branch}"));
        commit
    };
    write_gated(&world.repository, "busy");
    let busy = world.repository.commit("Busy");
    world.repository.push("HEAD:demo");
    world.until_deployment(&busy, &["deploying"]).await;
    world.until_log("waiting for its health check to succeed").await;
    let staging = push_to("staging", "for staging");
    let waits = "Waiting for its turn: 1 deployment runs already";
    world
        .until("staging to say what it waits for", || async {
            world.shown(&staging).into_iter().find(|s| s.context == "launchway/staging" && s.description == waits)
        })
        .await;
    let production = push_to("main", "for production");
    world.until_deployment(&production, &["waiting"]).await;
    let queue: serde_json::Value = serde_json::from_str(&told(&world, &["queue", "--json"]).await).unwrap();
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["environment"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(names(&queue["begun"]), ["demo"]);
    assert_eq!(names(&queue["ready"]), ["production", "staging"]);
    assert_eq!((&queue["slots"], &queue["ready"][0]["priority"]), (&1.into(), &10.into()));
    world.open_gates().await;
    assert_eq!(world.ends(&production).await.state, "success");
    assert_eq!(world.ends_in(&staging, "launchway/staging").await.state, "success");
    let order = "SELECT environment FROM deployments ORDER BY started_at";
    assert_eq!(world.query(order).split_whitespace().collect::<Vec<_>>(), ["demo", "production", "staging"]);
    world.end().await;
}
