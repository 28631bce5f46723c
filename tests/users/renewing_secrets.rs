//! Somebody renews a token or a secret in its file: it is used from the next need on.

use crate::support::app::write_quick;
use crate::support::delivery::Delivery;
use crate::support::engine_stub::EngineStub;
use crate::support::forge::TOKEN;
use crate::support::git_http::GitHttp;
use crate::support::quiet_server::QuietServer;
use crate::support::world::{SECRET, Settings, World};
use launchway::config::Config;
use launchway::model::{CommitId, ForgeKind};
use std::path::Path;

/// A world whose settings take the token and the secret from files: the forge's token is the one that it accepts.
async fn of_files(forge: ForgeKind, repository: Option<String>) -> World {
    let mut world = World::not_serving(Settings { forge: Some(forge), repository, ..Settings::default() }).await;
    let file = world.folder().join("launchway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace(&format!("token = \"{TOKEN}\""), "token = { file = \"token\" }")
        .replace(&format!("secret = \"{SECRET}\""), "secret = { file = \"secret\" }");
    std::fs::write(&file, text).unwrap();
    renew(&world, "token", TOKEN);
    renew(&world, "secret", SECRET);
    world.serve().await;
    world
}

/// As tools do that renew a secret: the new file takes the old one's place.
fn renew(world: &World, name: &str, text: &str) {
    let path = world.folder().join(name);
    std::fs::write(path.with_extension("new"), format!("{text}\n")).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

async fn pushed(world: &World, version: &str) -> CommitId {
    write_quick(&world.repository, version);
    world.push(version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_s_new_secret_counts_for_the_first_delivery_that_is_signed_with_it() {
    let world = of_files(ForgeKind::GitHub, None).await;
    let first = pushed(&world, "one").await;
    assert_eq!(Delivery::push(&world, &first).send().await.0, 202);
    world.ends(&first).await;

    renew(&world, "secret", "another-secret-0815");
    let second = pushed(&world, "two").await;
    let signed = Delivery::push(&world, &second).signed_with("another-secret-0815");
    let (status, told) = signed.send().await;
    assert_eq!(status, 202, "{told}");
    world.ends(&second).await;
    assert_eq!(Delivery::push(&world, &second).send().await.0, 401, "the old one proves nothing any more");
    // Neither is ever shown.
    let log = world.serve_log() + &world.deployment_logs();
    assert!(!log.contains(SECRET) && !log.contains("another-secret-0815"), "{log}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_the_forge_denied_goes_out_with_the_new_token() {
    let world = of_files(ForgeKind::GitHub, None).await;
    renew(&world, "token", "tok-revoked");
    let commit = pushed(&world, "one").await;
    Delivery::push(&world, &commit).send().await;
    world.until_deployment(&commit, &["succeeded"]).await;
    world
        .until_store_says("SELECT state, last_error LIKE '%401%' FROM outbox WHERE settled IS NULL", "success|1")
        .await;
    renew(&world, "token", TOKEN);
    // Denied, it would have waited for a minute at least.
    assert_eq!(world.ends(&commit).await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_with_the_new_token_however_it_was_written() {
    let repository = crate::support::git_repository::GitRepository::new();
    let server = GitHttp::serve(repository.root(), Some("git-token-two")).await;
    let url = server.url("shop.git");
    let world = of_files(ForgeKind::GitHub, Some(url)).await;
    // The forge's API and its repositories take another token each here: only fetching is looked at.
    renew(&world, "token", "git-token-one");
    world.until_said("The settings were read again").await;
    write_quick(&repository, "one");
    let commit = repository.commit("One");
    repository.push("main");
    let file = world.folder().join("token");
    renew_unseen(&file, "git-token-two");
    let (status, told) = Delivery::push(&world, &commit).send().await;
    assert_eq!(status, 202, "{told}");
    world.until_deployment(&commit, &["succeeded"]).await;
    assert_eq!(world.query("SELECT outcome, attempts FROM deliveries").trim(), "deploys|0");
    world.break_off();
}

/// Written over in place: as long as before, with the time of its content set back.
fn renew_unseen(file: &Path, text: &str) {
    let modified = std::fs::metadata(file).unwrap().modified().unwrap();
    std::fs::write(file, format!("{text}\n")).unwrap();
    std::fs::File::options().write(true).open(file).unwrap().set_modified(modified).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_files_are_as_they_are_when_a_deployment_begins_and_a_file_that_is_gone_for_a_moment_changes_nothing()
{
    let environment = "branch = \"main\"\nbake = \"0s\"\nvariable-files = [\"values\"]\n";
    let mut world = World::not_serving(Settings { environment: Some(environment.into()), ..Settings::default() }).await;
    renew(&world, "values", "GREETING=hello");
    world.serve().await;
    write_quick(&world.repository, "${GREETING}");
    let first = world.push("First");
    assert_eq!(world.ends(&first).await.state, "success");
    let said = async || world.exec("web", &["sh", "-c", "echo $VERSION"]).await;
    assert_eq!(said().await, "hello");

    renew(&world, "values", "GREETING=good morning");
    let (code, told, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{told}{error}");
    assert_eq!(said().await, "good morning");

    std::fs::remove_file(world.folder().join("values")).unwrap();
    world.until_said("The settings were changed but are not right; the old ones stay").await;
    world.repository.write("README.md", "nothing");
    assert_eq!(world.ends(&world.push("Second")).await.state, "success");
    assert_eq!(said().await, "good morning");
    renew(&world, "values", "GREETING=good night");
    let (code, told, error) = world.launchway(&["deploy"]).await;
    assert_eq!(code, 0, "{told}{error}");
    assert_eq!(said().await, "good night");
    let wrong = world.serve_log().matches("are not right").count();
    assert_eq!(wrong, 1, "a mistake is told once");
    world.end().await;
}

/// A file that says something else each time it is read, and never looks as if it were another.
const ALWAYS_ANOTHER: &str = "/proc/sys/kernel/random/uuid";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_read_once_more_whatever_the_file_looks_like() {
    let lines = format!("token = {{ file = \"{ALWAYS_ANOTHER}\" }}");
    let server = QuietServer::with("/nowhere/shop.git", &lines, EngineStub::default()).await;
    let deployer = &server.deployer;
    let project = |config: &Config| config.projects.values().next().unwrap().clone();
    let first = project(&deployer.config());
    assert!(deployer.renewed(&first).await.is_none(), "where the settings are read from is not known");

    deployer.follow_settings(server.settings());
    assert_eq!(project(&*deployer.fresh_config().await).token, first.token, "nothing seems to have changed");
    let renewed = deployer.renewed(&first).await.expect("another token");
    assert_ne!(renewed.token, first.token);
    assert_eq!(project(&deployer.config()).token, renewed.token);
    // What it was stays hidden: it is in logs, and may be good for something still.
    let old = first.token.unwrap();
    assert_eq!(deployer.mask().apply(&format!("token {}", old.expose())), "token ***");
}
