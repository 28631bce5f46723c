//! A forge delivers a push, and everything else that forges deliver.

use crate::support::app::write_quick;
use crate::support::delivery::{Delivery, REPOSITORY_ID};
use crate::support::forge::TOKEN;
use crate::support::world::{SECRET, Settings, World};
use launchway::model::{CommitId, ForgeKind};
use serde_json::{Value, json};

const SIGNING_TOKEN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CONTEXT: &str = "launchway/production";

async fn on(forge: ForgeKind) -> World {
    World::with(Settings { forge: Some(forge), ..Settings::default() }).await
}

/// What became of the newest delivery of that id: outcome and reason.
fn became(world: &World, delivery: &Delivery) -> (String, String) {
    let sql = format!("SELECT outcome, reason FROM deliveries WHERE delivery_id = '{}'", delivery.id);
    let text = world.query(&sql);
    let (outcome, reason) = text.trim_end().split_once('|').unwrap_or_default();
    (outcome.into(), reason.into())
}

/// The same once it is judged.
async fn judged(world: &World, delivery: &Delivery) -> (String, String) {
    world
        .until("the delivery to be judged", || async {
            Some(became(world, delivery)).filter(|(outcome, _)| !outcome.is_empty() && outcome != "received")
        })
        .await
}

fn deployments(world: &World) -> String {
    world.query("SELECT count(*) FROM deployments").trim().to_string()
}

async fn page(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// One signed push from delivery to the last status, as this forge shows it.
async fn a_push_goes_live(world: World, finish: impl Fn(Delivery) -> Delivery) {
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    let delivery = finish(Delivery::push(&world, &commit));
    let (status, told) = delivery.send().await;
    assert_eq!((status, &told["outcome"]), (202, &json!("accepted")), "{told}");
    assert_eq!(told["delivery"], json!(delivery.id));
    let (short, project) = (commit.short(), &world.project);
    assert_eq!(told["message"], json!(format!("main {short} of {project} will be deployed to production")));
    assert_eq!(page(told["url"].as_str().unwrap()).await.0, 200, "{told}");

    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    assert!(shown.description.contains("Release 1: web started"), "{}", shown.description);
    let kept = world.forge.as_ref().unwrap().kept_of(&commit);
    assert!(matches!(kept[0].state.as_str(), "pending" | "running"), "{kept:?}");
    assert!(kept.iter().all(|kept| kept.context == CONTEXT), "{kept:?}");
    let url = kept.last().unwrap().target_url.clone().unwrap();
    assert!(url.starts_with(&format!("http://127.0.0.1:{}/deployments/", world.port)), "{url}");
    assert_eq!(page(&url).await.0, 200);
    assert_eq!(judged(&world, &delivery).await, ("deploys".into(), format!("production: deployment 1 of {short}")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_on_github_goes_live() {
    a_push_goes_live(on(ForgeKind::GitHub).await, |delivery| delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_github_sends_as_a_form_goes_live() {
    a_push_goes_live(on(ForgeKind::GitHub).await, Delivery::form).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_on_gitlab_goes_live() {
    a_push_goes_live(on(ForgeKind::GitLab).await, |delivery| delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_gitlab_signs_goes_live_and_the_plain_token_does_not_count_any_more() {
    let project = format!("signing-token = \"{SIGNING_TOKEN}\"");
    let world = World::with(Settings { forge: Some(ForgeKind::GitLab), project, ..Settings::default() }).await;
    let nothing = CommitId::new("1".repeat(40)).unwrap();
    assert_eq!(Delivery::push(&world, &nothing).send().await.0, 401);
    a_push_goes_live(world, |delivery| delivery.signing_token(SIGNING_TOKEN)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_on_gitea_goes_live() {
    a_push_goes_live(on(ForgeKind::Gitea).await, Delivery::form).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_on_forgejo_goes_live() {
    a_push_goes_live(on(ForgeKind::Forgejo).await, |delivery| delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_or_cannot_be_understood_is_answered_and_noted_but_deploys_nothing() {
    let world = on(ForgeKind::GitHub).await;
    let commit = CommitId::new("1".repeat(40)).unwrap();
    let push = || Delivery::push(&world, &commit);

    let (status, wrong_secret) = push().signed_with("guessed").send().await;
    let (unknown, no_project) = push().at(&world, "nobody").send().await;
    assert_eq!((status, unknown), (401, 401));
    assert_eq!(wrong_secret["detail"], no_project["detail"], "nobody learns which projects exist");
    world.until_store_says("SELECT kind, outcome FROM deliveries", "refused|refused").await;

    let mut hostile = push();
    hostile.body["ref"] = json!("--upload-pack=touch /tmp/x");
    let (status, told) = hostile.send().await;
    assert_eq!(status, 400, "{told}");
    assert_eq!(became(&world, &hostile).0, "invalid");
    assert_eq!(told["detail"], json!(became(&world, &hostile).1));

    assert_eq!(push().content_type("text/plain").send().await.0, 415);
    assert_eq!(deployments(&world), "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_greeted_and_the_repository_is_known_by_its_id_from_then_on() {
    let world = on(ForgeKind::GitHub).await;
    let body = json!({ "zen": "Design for failure.", "hook_id": 1,
        "repository": { "id": 4711, "full_name": "octo/shop" } });
    let (status, told) = Delivery::new(&world, "ping", body).send().await;
    assert_eq!((status, &told["outcome"]), (200, &json!("pong")));
    let project = &world.project;
    assert_eq!(
        told["message"],
        json!(format!(
            "The hook of project {project} works: main deploys to production. The next push deploys; `launchway deploy` deploys what is there now."
        ))
    );
    assert_eq!(
        world.query("SELECT name, repository_id FROM projects WHERE repository_id").trim(),
        format!("{project}|4711")
    );

    // Renamed on the forge: the same id, another name.
    write_quick(&world.repository, "one");
    let commit = world.push("After the rename");
    let mut renamed = Delivery::push(&world, &commit);
    renamed.body["repository"]["full_name"] = json!("octo/shop-of-all-shops");
    assert_eq!(renamed.send().await.0, 202);
    assert_eq!(world.ends(&commit).await.state, "success");

    // Made anew under the old name, and signed with the project's secret: it is what the settings name.
    let anew = world.push("Made anew");
    let delivery = |commit: &CommitId, id: i64, name: &str| {
        let mut delivery = Delivery::push(&world, commit);
        delivery.body["repository"] = json!({ "id": id, "full_name": name });
        delivery
    };
    assert_eq!(delivery(&anew, 4712, "Octo/Shop").send().await.0, 202);
    assert_eq!(world.ends(&anew).await.state, "success");
    assert_eq!(world.query("SELECT repository_id FROM projects").trim(), "4712");
    // What had the number before is another one from now on.
    let (status, told) = delivery(&anew, 4711, "octo/shop-of-all-shops").send().await;
    let reason = format!(
        "it is for octo/shop-of-all-shops (number 4711), and project {} deploys octo/shop (number 4712)",
        world.project
    );
    assert_eq!((status, &told["message"]), (200, &json!(reason)), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_whose_repository_is_changed_in_the_settings_hears_of_the_new_one_and_no_more_of_the_old() {
    let mut world = on(ForgeKind::GitHub).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    Delivery::push(&world, &first).send().await;
    assert_eq!(world.ends(&first).await.state, "success");

    // It moved to another owner, where it has another number; the old one is still there, with its hook.
    world.terminate().await;
    let settings = std::fs::read_to_string(world.folder().join("launchway.toml")).unwrap();
    let settings = settings.replace("name = \"octo/shop\"", "name = \"acme/shop\"");
    std::fs::write(world.folder().join("launchway.toml"), settings).unwrap();
    world.serve().await;
    let of = |commit: &CommitId, id: i64, name: &str| {
        let mut delivery = Delivery::push(&world, commit);
        delivery.body["repository"] = json!({ "id": id, "full_name": name });
        delivery
    };
    let (status, told) = of(&first, REPOSITORY_ID, "octo/shop").send().await;
    let reason = |ours: &str| {
        format!("it is for octo/shop (number 4711), and project {} deploys acme/shop ({ours})", world.project)
    };
    let not_yet = reason("whose number is not known yet: 4711 was that of octo/shop");
    assert_eq!((status, &told["message"]), (200, &json!(not_yet)), "{told}");
    let (status, told) = of(&first, 815, "acme/shop").send().await;
    assert_eq!((status, &told["outcome"]), (200, &json!("known")), "{told}");
    assert_eq!(world.query("SELECT repository_id, repository_name FROM projects").trim(), "815|acme/shop");
    let (_, told) = of(&first, REPOSITORY_ID, "octo/shop").send().await;
    assert_eq!(told["message"], json!(reason("number 815")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_for_another_repository_is_200_with_the_reason() {
    let world = on(ForgeKind::GitLab).await;
    let mut other = Delivery::push(&world, &CommitId::new("1".repeat(40)).unwrap());
    other.body["project"]["path_with_namespace"] = json!("octo/blog");
    let (status, told) = other.send().await;
    let reason = format!("it is for octo/blog, and project {} deploys octo/teams/shop", world.project);
    assert_eq!((status, &told["message"]), (200, &json!(reason)));
    assert_eq!(became(&world, &other), ("ignored".into(), reason));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_environment_wants_is_200_with_the_reason() {
    let world = on(ForgeKind::GitHub).await;
    let commit = CommitId::new("1".repeat(40)).unwrap();
    let repository = json!({ "id": 4711, "full_name": "octo/shop" });
    let mut deleted = Delivery::push(&world, &commit);
    deleted.body["after"] = json!("0".repeat(40));
    deleted.body["deleted"] = json!(true);
    deleted.body["head_commit"] = Value::Null;
    let cases = [
        (Delivery::push_to(&world, "refs/heads/feature/x", &commit), "no environment wants feature/x"),
        (Delivery::push_to(&world, "refs/tags/v1", &commit), "no environment wants v1"),
        (
            Delivery::new(&world, "pull_request", json!({ "action": "opened", "repository": repository })),
            "pull_request events deploy nothing",
        ),
        (
            Delivery::new(&world, "issue_comment", json!({ "action": "created", "repository": repository })),
            "issue_comment events deploy nothing",
        ),
        (deleted, "main was deleted: nothing is deployed for that"),
    ];
    for (delivery, reason) in cases {
        let (status, told) = delivery.send().await;
        assert_eq!((status, &told["outcome"], &told["message"]), (200, &json!("ignored"), &json!(reason)));
        assert_eq!(became(&world, &delivery), ("ignored".into(), reason.into()));
    }
    assert_eq!(deployments(&world), "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delivery_again_starts_nothing_while_what_it_asked_for_stands() {
    let world = on(ForgeKind::GitHub).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    let delivery = Delivery::push(&world, &commit);
    assert_eq!(delivery.send().await.0, 202);
    world.ends(&commit).await;
    let (status, told) = delivery.send().await;
    assert_eq!((status, &told["outcome"]), (200, &json!("known")), "{told}");
    assert_eq!(told["message"], json!("this delivery came before: deployment 1 is succeeded"));
    assert_eq!(told["deployments"][0]["id"], json!(1));
    let url = told["url"].as_str().unwrap();
    assert!(url.contains("/deployments/"), "{url}");
    assert_eq!(page(url).await.0, 200);

    // A replay under another id: its signature is as valid.
    let replay = delivery.clone().id("replayed");
    let (status, told) = replay.send().await;
    assert_eq!((status, &told["outcome"]), (200, &json!("known")), "{told}");
    let reason = format!("{} is live already in production (release 1)", commit.short());
    assert_eq!(told["message"], json!(reason));
    assert_eq!(
        judged(&world, &replay).await,
        ("known".into(), format!("production: {} is live already (release 1)", commit.short()))
    );
    assert_eq!(deployments(&world), "1");
    assert_eq!(world.shown(&commit).len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_commit_that_is_delivered_again_is_superseded_by_what_is_live() {
    let world = on(ForgeKind::GitHub).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    let old = Delivery::push(&world, &first);
    old.send().await;
    world.ends(&first).await;
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    Delivery::push(&world, &second).from(&first).send().await;
    world.ends(&second).await;
    write_quick(&world.repository, "three");
    let third = world.push("Third");
    Delivery::push(&world, &third).from(&second).send().await;
    world.ends(&third).await;

    let replay = Delivery::push(&world, &second).from(&first);
    let (status, told) = replay.send().await;
    let (short, live) = (second.short(), third.short());
    let reason = format!("{short} is older than {live}, which is live in production (release 3)");
    assert_eq!((status, &told["outcome"], &told["message"]), (200, &json!("known"), &json!(reason)));
    assert_eq!(
        judged(&world, &replay).await,
        ("superseded".into(), format!("production: {live} is live already (release 3)"))
    );
    assert_eq!(deployments(&world), "3");
    assert_eq!(world.ends(&second).await.state, "success", "what it shows is not changed");

    // A force push back to it is another thing: then it is the newest.
    world.repository.git(&["reset", "-q", "--hard", second.as_str()]);
    world.repository.push("main");
    let (status, told) = Delivery::push(&world, &second).from(&third).send().await;
    assert_eq!(status, 202, "{told}");
    world.until_store_says("SELECT count(*) FROM deployments WHERE state = 'succeeded'", "4").await;
    world
        .until_store_says("SELECT commit_id FROM releases WHERE id = (SELECT live FROM environments)", second.as_str())
        .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_tries_again_what_failed() {
    let settings = || Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() };
    let world = World::with(settings()).await;
    world.repository.write("compose.yaml", "services: { web: { image: \"${IMAGE:?set it for the environment}\" } }\n");
    let broken = world.push("Needs a value");
    let delivery = Delivery::push(&world, &broken);
    assert_eq!(delivery.send().await.0, 202);
    let shown = world.ends(&broken).await;
    assert_eq!(shown.state, "failure");
    assert!(shown.description.contains("set it for the environment"), "{}", shown.description);
    assert!(shown.description.ends_with("; nothing is live yet"), "{}", shown.description);

    // By hand, and nothing was put right.
    let (code, told, error) = world.launchway(&["deliveries", "--redeliver", &delivery.id]).await;
    assert_eq!(code, 0, "{told}{error}");
    world.until_store_says("SELECT trigger, state FROM deployments WHERE id = 2", "redelivery|failed").await;

    let tables = "IMAGE = \"launchway-test/base:1\"".to_string();
    world.configure(&Settings { tables, ..settings() });
    crate::support::world::signal(world.pid(), "HUP");
    world
        .until("the settings to be read again", || async {
            world.serve_log().contains("The settings were read again").then_some(())
        })
        .await;
    let (status, told) = delivery.send().await;
    assert_eq!((status, &told["outcome"]), (202, &json!("accepted")), "{told}");
    world.until_store_says("SELECT trigger FROM deployments ORDER BY id", "push\nredelivery\nredelivery").await;
    world.until_deployment(&broken, &["succeeded", "failed", "rolled_back"]).await;
    assert_eq!(became(&world, &delivery).0, "deploys");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_tries_again_what_was_live_and_was_left_by_a_rollback() {
    let world = on(ForgeKind::GitHub).await;
    write_quick(&world.repository, "one");
    let first = world.push("First");
    Delivery::push(&world, &first).send().await;
    world.ends(&first).await;
    write_quick(&world.repository, "two");
    let second = world.push("Second");
    let delivery = Delivery::push(&world, &second).from(&first);
    delivery.send().await;
    world.ends(&second).await;
    let (status, told) = delivery.send().await;
    assert_eq!((status, &told["outcome"]), (200, &json!("known")), "while it is live: {told}");

    let (code, told, error) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{told}{error}");
    let (status, told) = delivery.send().await;
    assert_eq!((status, &told["outcome"]), (202, &json!("accepted")), "{told}");
    let live = "SELECT commit_id FROM releases WHERE id = (SELECT live FROM environments)";
    world.until_store_says(live, second.as_str()).await;
    assert_eq!(world.query("SELECT trigger FROM deployments ORDER BY id").trim(), "push\npush\nrollback\nredelivery");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hook_reaches_every_project_of_the_repository_that_has_the_same_secret() {
    let repository = |world: &World| world.repository.bare().display().to_string();
    let mut world = World::not_serving(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    let (repository, api) = (repository(&world), world.forge.as_ref().unwrap().api());
    let second = |name: &str, secret: &str| {
        format!(
            "[projects.PROJECT-{name}]\nforge = \"github\"\nrepository = \"{repository}\"\nname = \"octo/shop\"\n\
             api = \"{api}\"\ntoken = \"{TOKEN}\"\nsecret = \"{secret}\"\npath = \"{name}\"\n\
             [projects.PROJECT-{name}.environments.production]\nbranch = \"main\"\nbake = \"0s\"\n"
        )
    };
    let tables = second("shares", SECRET) + &second("other", "another-secret-99");
    world.configure(&Settings { forge: Some(ForgeKind::GitHub), tables, ..Settings::default() });
    world.serve().await;
    write_quick(&world.repository, "one");
    let compose = std::fs::read(world.repository.work().join("compose.yaml")).unwrap();
    world.repository.write("shares/compose.yaml", &compose).write("other/compose.yaml", &compose);
    let commit = world.push("First");
    let project = world.project.clone();

    let delivery = Delivery::push(&world, &commit);
    let (status, told) = delivery.send().await;
    assert_eq!(status, 202);
    let short = commit.short();
    let both = [project.clone(), format!("{project}-shares")]
        .map(|p| format!("main {short} of {p} will be deployed to production"));
    assert_eq!(told["message"], json!(both.join("; ")));
    for name in [project.clone(), format!("{project}-shares")] {
        let shown = world.ends_in(&commit, &format!("{CONTEXT} ({name})")).await;
        assert_eq!(shown.state, "success", "{shown:?}");
    }
    assert_eq!(deployments(&world), "2");
    assert_eq!(world.shown(&commit).len(), 2);

    // GitHub gives one event the same id at every hook that hears it: at the other project's it is new.
    let other = format!("{project}-other");
    let same_id = Delivery::push(&world, &commit).id(&delivery.id).at(&world, &other).signed_with("another-secret-99");
    let (status, told) = same_id.send().await;
    assert_eq!(status, 202, "{told}");
    assert_eq!(told["message"], json!(format!("main {short} of {other} will be deployed to production")));
    let shown = world.ends_in(&commit, &format!("{CONTEXT} ({other})")).await;
    assert_eq!(shown.state, "success", "{shown:?}");
    // A second hook with the shared secret brings nothing new.
    let (status, told) = delivery.clone().at(&world, &format!("{project}-shares")).send().await;
    assert_eq!((status, &told["outcome"]), (200, &json!("known")), "{told}");
    assert_eq!(deployments(&world), "3");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_cannot_make_a_commit_go_live_that_is_not_on_the_branch() {
    let world = on(ForgeKind::GitHub).await;
    write_quick(&world.repository, "one");
    let main = world.push("First");
    world.repository.git(&["checkout", "-q", "-b", "side"]);
    write_quick(&world.repository, "sneaked in");
    let side = world.repository.commit("Not reviewed");
    world.forge.as_ref().unwrap().knows(&side);
    world.repository.push("side");

    let delivery = Delivery::push(&world, &side);
    assert_eq!(delivery.send().await.0, 202);
    assert_eq!(world.ends(&main).await.state, "success");
    let (main_short, side_short) = (main.short(), side.short());
    assert_eq!(
        judged(&world, &delivery).await,
        (
            "deploys".into(),
            format!("production: deployment 1 of {main_short} (the tip of main; {side_short} is not on it)")
        )
    );
    let again = Delivery::push(&world, &side);
    again.send().await;
    assert_eq!(
        judged(&world, &again).await,
        (
            "superseded".into(),
            format!("{side_short} is not on main; production: {main_short} is live already (release 1)")
        )
    );
    // Nor one that nobody has.
    let unknown = Delivery::push(&world, &CommitId::new("dead".repeat(10)).unwrap());
    unknown.send().await;
    assert_eq!(judged(&world, &unknown).await.0, "superseded");
    assert_eq!(
        world.query("SELECT DISTINCT commit_id FROM deployments UNION SELECT commit_id FROM releases").trim(),
        main.as_str()
    );
    assert_eq!(world.shown(&side), []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_neither_stored_nor_logged() {
    let tables = "[projects.PROJECT.environments.production.secrets]\nAPI_KEY = \"key-8c1d5e\"\n".to_string();
    let environment = Some("branch = \"main\"\nbake = \"0s\"".to_string());
    let settings = Settings { forge: Some(ForgeKind::GitLab), environment, tables, ..Settings::default() };
    let mut world = World::with(settings).await;
    write_quick(&world.repository, "one");
    let commit = world.push("First");
    let mut delivery = Delivery::push(&world, &commit);
    // A forge or a proxy may put them anywhere.
    delivery.body["user_username"] = json!(format!("ada {SECRET}"));
    delivery.body["project"]["git_http_url"] =
        json!(format!("https://oauth2:{TOKEN}@gitlab.example.com/octo/shop.git"));
    delivery.body["commits"][0]["message"] = json!(format!("rotate {TOKEN} and key-8c1d5e"));
    delivery.send().await;
    world.ends(&commit).await;
    Delivery::push(&world, &commit).signed_with(&format!("{SECRET}x")).send().await;
    Delivery::new(&world, SECRET, json!({})).send().await;
    world.until_store_says("SELECT count(*) FROM deliveries", "3").await;
    world.terminate().await;
    for secret in [SECRET, TOKEN, "key-8c1d5e"] {
        let found = std::process::Command::new("grep")
            .args(["-rlaF", "--exclude=launchway.toml", secret])
            .arg(world.data())
            .arg(world.folder().join("serve.log"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{secret} is in these files");
    }
    world.end().await;
}
