//! Room on the host: what can never fit is said at once, what does not fit now waits, and going back never does.

use crate::support::app::write_quick;
use crate::support::images::BASE;
use crate::support::world::{Settings, Shown, World, signal};
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use launchway::model::CommitId;
use launchway::plan::admission::size;
use std::collections::HashMap;

/// Shares of the host's memory, in percent. What others on this machine really use meanwhile, up to a quarter of it, makes
/// no difference. A [`Holder`] reserves so much:
const HELD: i64 = 33;
/// Fits once beside a [`Holder`], and not twice.
const ONCE: i64 = 36;
/// Fits the host, and not beside a [`Holder`].
const TOO_MUCH: i64 = 70;

/// In bytes, whole megabytes.
async fn share(world: &World, percent: i64) -> i64 {
    let total = world.engine.docker.info().await.unwrap().mem_total.unwrap();
    ((total / 100 * percent) >> 20) << 20
}

/// A container of somebody else's that has a third of the host's memory reserved, and takes none of it.
struct Holder<'a> {
    world: &'a World,
    id: String,
}

impl<'a> Holder<'a> {
    async fn of_a_third(world: &'a World) -> Self {
        let docker = &world.engine.docker;
        let host = HostConfig { memory_reservation: Some(share(world, HELD).await), ..HostConfig::default() };
        // By this label the world removes it, should the story break off.
        let labels = HashMap::from([("launchway.project".to_string(), format!("{}-holder", world.project))]);
        let body = ContainerCreateBody {
            image: Some(BASE.to_string()),
            cmd: Some(vec!["tail".to_string(), "-f".into(), "/dev/null".into()]),
            labels: Some(labels),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let id = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
        docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
        Self { world, id }
    }

    async fn lets_go(self) {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        self.world.engine.docker.remove_container(&self.id, Some(options)).await.unwrap();
    }
}

/// The service `web` that runs at once, with these reservations.
fn write_reserving(world: &World, version: &str, reservations: &str) {
    world.repository.write(
        "compose.yaml",
        format!(
            r#"
services:
  web:
    image: {BASE}
    init: true
    stop_grace_period: 1s
    command: ["tail", "-f", "/dev/null"]
    environment: {{ VERSION: "{version}" }}
    deploy: {{ resources: {reservations} }}
"#
        ),
    );
}

/// The same, with a reservation of this share of the host's memory.
async fn write_sized(world: &World, version: &str, percent: i64) {
    let megabytes = share(world, percent).await >> 20;
    write_reserving(world, version, &format!("{{ reservations: {{ memory: {megabytes}M }} }}"));
}

async fn deployed(world: &World, message: &str) -> CommitId {
    let commit = world.push(message);
    let shown = world.ends(&commit).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    commit
}

/// Waits until the commit says that it waits for memory, and returns what it says.
async fn waits(world: &World, commit: &CommitId) -> String {
    let is_it = |shown: &Shown| shown.state == "pending" && shown.description.starts_with("Waiting for memory");
    let waiting =
        world.until("the commit to wait for memory", || async { world.shown(commit).into_iter().find(is_it) });
    waiting.await.description
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_fit_the_host_fails_at_once_with_the_figures() {
    let world = World::new().await;
    let info = world.engine.docker.info().await.unwrap();
    let cpus = info.ncpu.unwrap();
    for (what, expected) in [
        (
            "{ reservations: { memory: 9000G } }".to_string(),
            "web reserves 9000 GB of memory, and the host has ".to_string(),
        ),
        (
            format!("{{ limits: {{ cpus: \"{}\" }} }}", cpus + 1),
            format!("web has a limit of {} CPUs, and the host has {cpus}", cpus + 1),
        ),
    ] {
        write_reserving(&world, "never", &what);
        let shown = world.ends(&world.push(&what)).await;
        assert_eq!(shown.state, "failure");
        assert!(shown.description.starts_with(&expected), "{}", shown.description);
        assert!(shown.description.ends_with("nothing is live yet"), "{}", shown.description);
    }
    assert_eq!(world.on_the_engine().await, Vec::<String>::new(), "nothing was begun");
    // A limit is no promise: hosts give more of them than they have.
    write_reserving(&world, "limited", "{ limits: { memory: 9000G } }");
    deployed(&world, "Limited").await;
    assert!(world.deployment_logs().contains("its memory limit is larger than the host's memory"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_waits_for_memory_also_over_a_restart_and_goes_on_when_it_is_free() {
    let mut world = World::with(Settings { limits: "deployments = 1".into(), ..both_from("dev") }).await;
    write_quick(&world.repository, "one");
    deployed(&world, "First").await;
    let before = world.running().await;

    // Of another user, who tells nobody.
    let holder = Holder::of_a_third(&world).await.id;
    write_sized(&world, "two", TOO_MUCH).await;
    let second = world.push("Second");
    let says = waits(&world, &second).await;
    let needs = size(share(&world, TOO_MUCH).await);
    assert!(says.starts_with(&format!("Waiting for memory: needs {needs} beside what runs, ")), "{says}");
    assert!(says.ends_with(" are free"), "{says}");
    assert_eq!(world.running().await, before, "what runs was not touched");

    // It needs no slot to wait: there is but one.
    write_quick(&world.repository, "staged");
    let staged = world.repository.commit("Staged");
    world.repository.git(&["branch", "-f", "dev"]);
    world.repository.push("dev");
    assert_eq!(world.ends_in(&staged, "launchway/staging").await.state, "success");

    world.kill();
    world.serve().await;
    world
        .until("it to wait again", || async {
            (world.deployment_logs().matches("waits for memory").count() > 1).then_some(())
        })
        .await;
    Holder { world: &world, id: holder }.lets_go().await;
    assert_eq!(world.ends(&second).await.state, "success");
    assert!(world.deployment_logs().contains("there is room now; it waited for "));
    assert_ne!(world.running().await["web"], before["web"]);
    world.end().await;
}

/// Version one is live, beside a holder, and the second push waits for memory. Returns what runs, too.
async fn second_waits(world: &World) -> (HashMap<String, String>, Holder<'_>, CommitId) {
    write_quick(&world.repository, "one");
    deployed(world, "First").await;
    let before = world.running().await;
    let holder = Holder::of_a_third(world).await;
    write_sized(world, "two", TOO_MUCH).await;
    let second = world.push("Second");
    waits(world, &second).await;
    (before, holder, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_memory_does_not_go_live_in_a_freeze_that_began_meanwhile() {
    let world = World::new().await;
    let (before, holder, second) = second_waits(&world).await;
    let today = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let last = today.saturating_add(3.days());
    let freeze = format!("freeze = [{{ from = \"{today}\", to = \"{last}\", reason = \"a fair\" }}]\n");
    let frozen =
        Settings { environment: Some(format!("branch = \"main\"\nbake = \"0s\"\n{freeze}")), ..Settings::default() };
    world.configure(&frozen);
    signal(world.pid(), "HUP");
    world.until_said("The settings were read again").await;
    holder.lets_go().await;
    world.until_log("nothing else is in the way, but: Waiting until").await;
    world
        .until("the commit to say that it waits for the end of the freeze", || async {
            world.shown(&second).into_iter().find(|shown| shown.description.ends_with("frozen for a fair"))
        })
        .await;
    assert_eq!(world.running().await, before, "nothing was touched");

    world.configure(&Settings::default());
    signal(world.pid(), "HUP");
    assert_eq!(world.ends(&second).await.state, "success");
    assert_ne!(world.running().await["web"], before["web"]);
    world.end().await;
}

/// A second environment, from this branch.
fn both_from(branch: &str) -> Settings {
    let tables = format!("[projects.PROJECT.environments.staging]\nbranch = \"{branch}\"\nbake = \"0s\"\n");
    Settings { tables, ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_memory_can_be_cancelled_and_is_superseded_by_a_newer_push() {
    let world = World::new().await;
    let (before, holder, second) = second_waits(&world).await;
    let (code, told, error) = world.launchway(&["cancel", "2"]).await;
    assert_eq!(code, 0, "{told}{error}");
    let shown = world.ends(&second).await;
    assert!(shown.description.starts_with("Cancelled by "), "{}", shown.description);
    assert!(shown.description.ends_with("; release 1 is live"), "{}", shown.description);

    write_sized(&world, "three", TOO_MUCH).await;
    let third = world.push("Third");
    waits(&world, &third).await;
    write_quick(&world.repository, "four");
    let fourth = deployed(&world, "Fourth").await;
    let shown = world.ends(&third).await;
    assert_eq!(shown.description, format!("Superseded by {}; release 1 is live", fourth.short()));
    assert_ne!(world.running().await, before, "the fourth needs no memory of its own, and waits for nobody");
    holder.lets_go().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_after_its_limit_and_says_for_what_it_waited() {
    let world = World::with(Settings { limits: "wait = \"1s\"".into(), ..Settings::default() }).await;
    let holder = Holder::of_a_third(&world).await;
    write_sized(&world, "one", TOO_MUCH).await;
    let shown = world.ends(&world.push("First")).await;
    assert_eq!(shown.state, "error");
    let needs = size(share(&world, TOO_MUCH).await);
    let waited = format!("it waited 1 s for memory: needs {needs} beside what runs, ");
    assert!(shown.description.starts_with(&waited), "{shown:?}");
    holder.lets_go().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_waits_for_no_memory() {
    let world = World::new().await;
    write_sized(&world, "one", TOO_MUCH).await;
    deployed(&world, "First").await;
    write_quick(&world.repository, "two");
    deployed(&world, "Second").await;
    let holder = Holder::of_a_third(&world).await;
    let (code, told, error) = world.launchway(&["rollback"]).await;
    assert_eq!(code, 0, "{told}{error}\n{}", world.deployment_logs());
    let reserved = "SELECT live FROM environments";
    assert_eq!(world.query(reserved).trim(), "1");
    holder.lets_go().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_begin_at_once_are_not_given_the_same_memory() {
    let world = World::with(both_from("main")).await;
    let holder = Holder::of_a_third(&world).await;
    write_sized(&world, "one", ONCE).await;
    let commit = world.push("Both");
    waits(&world, &commit).await;
    let live = |shown: &Shown| shown.state == "success";
    world.until("the other one to be live", || async { world.shown(&commit).into_iter().find(live) }).await;
    assert_eq!(world.containers().await.len(), 1, "one of both");
    let why = format!("web each replica needs {}: it reserves that much", size(share(&world, ONCE).await));
    assert!(world.deployment_logs().contains(&why), "{}", world.deployment_logs());
    holder.lets_go().await;
    for environment in ["production", "staging"] {
        assert_eq!(world.ends_in(&commit, &format!("launchway/{environment}")).await.state, "success");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_had_begun_has_its_memory_before_anybody_else() {
    let mut world = World::not_serving(both_from("dev")).await;
    world.serve_with(&[("FAILPOINTS", "deploy.touched=return")]).await;
    let holder = Holder::of_a_third(&world).await.id;
    write_sized(&world, "one", ONCE).await;
    let first = world.push("First");
    world.until_died().await;
    world.serve().await;
    write_sized(&world, "two", ONCE).await;
    let second = world.repository.commit("Second");
    world.repository.git(&["branch", "-f", "dev"]);
    world.repository.push("dev");
    assert_eq!(world.ends(&first).await.state, "success");
    waits(&world, &second).await;
    Holder { world: &world, id: holder }.lets_go().await;
    assert_eq!(world.ends_in(&second, "launchway/staging").await.state, "success");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_wait_the_one_that_has_waited_longer_is_let_in_first() {
    let world = World::with(both_from("dev")).await;
    let holder = Holder::of_a_third(&world).await;
    write_sized(&world, "one", TOO_MUCH).await;
    let first = world.push("First");
    waits(&world, &first).await;
    write_sized(&world, "two", TOO_MUCH).await;
    let second = world.repository.commit("Second");
    world.repository.git(&["branch", "-f", "dev"]);
    world.repository.push("dev");
    waits(&world, &second).await;
    let measures = super::scraping::scrape_control(&world).await;
    assert!(measures.contains("launchway_room_waiting{for=\"memory\"} 2.0\n"), "{measures}");
    holder.lets_go().await;
    assert_eq!(world.ends(&first).await.state, "success");
    waits(&world, &second).await;
    let (code, told, error) = world.launchway(&["cancel", "2"]).await;
    assert_eq!(code, 0, "{told}{error}");
    assert_eq!(world.ends_in(&second, "launchway/staging").await.state, "cancelled");
    world.end().await;
}
