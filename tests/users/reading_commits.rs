//! Commits are read by processes of their own. What kills its reader is set aside, and nobody else notices.
//!
//! The test's build does what a repository's file `test-reader` says, as no input is known that does it by itself.

use crate::support::app::write_quick;
use crate::support::world::{SECRET, Settings, World};
use launchway::model::CommitId;
use std::path::PathBuf;

const STATE: &str = "SELECT state || ' ' || deaths FROM deployments ORDER BY id";

/// A second project of the repository, whose branch is `other`.
async fn with_another_project(limits: &str) -> World {
    let mut world = World::not_serving(Settings::default()).await;
    let tables = format!(
        "[projects.PROJECT-other]\nforge = \"plain\"\nrepository = \"{}\"\nname = \"octo/shop\"\nsecret = \"{SECRET}\"\n\
         [projects.PROJECT-other.environments.production]\nbranch = \"other\"\nbake = \"0s\"\n",
        world.repository.bare().display()
    );
    world.configure(&Settings { tables, limits: limits.into(), ..Settings::default() });
    world.serve().await;
    world
}

fn push_what(world: &World, does: &str) -> CommitId {
    write_quick(&world.repository, "one");
    world.repository.write("test-reader", does);
    world.push("What its reader dies of")
}

/// A commit of the other project, that is as it should be.
fn push_other(world: &World, version: &str) -> CommitId {
    world.repository.git(&["checkout", "-q", "--orphan", &format!("other-{version}")]);
    world.repository.git(&["rm", "-rqf", "."]);
    write_quick(&world.repository, version);
    let commit = world.repository.commit("Fine");
    world.repository.git(&["push", "-q", "-f", "origin", "HEAD:refs/heads/other"]);
    world.repository.git(&["checkout", "-q", "main"]);
    commit
}

/// Processes that read commits for this server.
fn readers(world: &World) -> Vec<u32> {
    let parent = world.pid().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_one = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let words = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let of_it = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(parent.as_str()));
        of_it && words.contains("read-commits")
    };
    ids.filter(is_one).collect()
}

/// Whether the process is there; one that has ended and that nobody has asked about yet has no words.
fn reads(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|words| words.contains("read-commits"))
}

async fn until_read(world: &World) -> u32 {
    world.until_store_says("SELECT count(*) FROM deployments WHERE reading = 1", "1").await;
    world.until("a reader", || async { readers(world).first().copied() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_kills_its_reader_is_set_aside_while_another_project_goes_live() {
    for (does, how) in [("overflow", "signal 6"), ("memory", "signal 6")] {
        let world = with_another_project("").await;
        let server = world.pid();
        let killer = push_what(&world, does);
        let other = push_other(&world, "two");
        world.until_deployment(&other, &["succeeded"]).await;
        world.until_deployment(&killer, &["failed"]).await;
        let why = world.query(&format!("SELECT description FROM deployments WHERE commit_id = '{killer}'"));
        assert!(why.starts_with("set aside: "), "{does}: {why}");
        assert!(world.deployment_logs().contains(how), "{does}: {}", world.deployment_logs());
        assert_eq!(world.query(STATE).trim(), "failed 2\nsucceeded 0");
        assert_eq!(world.pid(), server);
        let (_, status, _) = world.launchway(&["status"]).await;
        assert!(status.contains("set aside"), "{status}");
        // The next commit of the same project is read again.
        std::fs::remove_file(world.repository.work().join("test-reader")).unwrap();
        let next = world.push("Without it");
        world.until_deployment(&next, &["succeeded"]).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_ends_is_killed_at_the_limit() {
    let world = with_another_project("prepare = \"3s\"").await;
    let killer = push_what(&world, "forever");
    let reader = until_read(&world).await;
    let other = push_other(&world, "two");
    world.until_deployment(&other, &["succeeded"]).await;
    world.until_deployment(&killer, &["failed"]).await;
    let why = world.query(&format!("SELECT description FROM deployments WHERE commit_id = '{killer}'"));
    assert!(why.contains("preparing took longer than 3 s"), "{why}");
    world.until("its reader to be gone", || async { (!reads(reader)).then_some(()) }).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_server_that_reads_and_blames_nobody() {
    let mut world = with_another_project("").await;
    push_what(&world, "forever");
    let reader = until_read(&world).await;
    world.terminate().await;
    world.until("its reader to be gone", || async { (!reads(reader)).then_some(()) }).await;
    assert_eq!(world.query(STATE).trim(), "preparing 0");
    assert_eq!(world.query("SELECT reading FROM deployments").trim(), "0");
    world.serve().await;
    until_read(&world).await;
    let (code, _, error) = world.launchway(&["cancel", "1"]).await;
    assert_eq!(code, 0, "{error}");
    world.until_store_says("SELECT state FROM deployments", "cancelled").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_marked_at_two_deaths_of_the_server_is_set_aside_and_nothing_else() {
    let mut world = with_another_project("").await;
    write_quick(&world.repository, "zero");
    let first = world.push("First");
    world.until_deployment(&first, &["succeeded"]).await;
    let killer = push_what(&world, "forever");
    for deaths in 1..=2 {
        let reader = until_read(&world).await;
        world.kill();
        world.serve().await;
        // The mark of before has been counted: the next one that stands is of this process.
        world.until_store_says("SELECT max(deaths) FROM deployments", &deaths.to_string()).await;
        assert!(!readers(&world).contains(&reader));
    }
    world.until_deployment(&killer, &["failed"]).await;
    assert_eq!(world.query(STATE).trim(), "succeeded 0\nfailed 2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_has_nothing_of_the_server_but_its_pipes() {
    let world = with_another_project("").await;
    push_what(&world, "forever");
    let reader = until_read(&world).await;
    let of = |what: &str| PathBuf::from(format!("/proc/{reader}/{what}"));
    let variables = std::fs::read_to_string(of("environ")).unwrap();
    assert_eq!(variables.trim_matches('\0'), "MIMALLOC_ARENA_EAGER_COMMIT=0");
    assert_eq!(
        std::fs::read_link(of("cwd")).unwrap(),
        world.data().canonicalize().unwrap().join("readers").join(&world.project)
    );
    let mirror = world.data().canonicalize().unwrap().join("mirrors").join(format!("{}.git", world.project));
    let others = || -> Vec<PathBuf> {
        let open = std::fs::read_dir(of("fd")).unwrap().flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
        // libgit2 looks at the certificates of the system when it is first used.
        let known = |target: &PathBuf| {
            let text = target.to_string_lossy();
            text.starts_with("pipe:") || target.starts_with(&mirror) || text.starts_with("/etc/ssl/certs/")
        };
        open.filter(|target| !known(target)).collect()
    };
    // What it inherits it closes when it begins.
    world.until("its descriptors to be its own", || async { others().is_empty().then_some(()) }).await;
    world
        .until("its memory to be limited", || async {
            let limits = std::fs::read_to_string(of("limits")).ok()?;
            let data = limits.lines().find(|line| line.starts_with("Max data size"))?;
            data.contains("1073741824").then_some(())
        })
        .await;
    world.launchway(&["cancel", "1"]).await;
    world.until_store_says("SELECT state FROM deployments", "cancelled").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dockerfile_that_kills_its_reader_once_its_bases_are_known_is_a_failure_of_its_commit() {
    let world = with_another_project("").await;
    let (server, base) = (world.pid(), crate::support::images::BASE);
    write_quick(&world.repository, "one");
    let compose = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
    world
        .repository
        .write("compose.yaml", compose.replace(&format!("image: {base}"), "build: ."))
        .write("Dockerfile", format!("FROM {base}\n"))
        .write("test-reader-of-dockerfiles", "overflow");
    let killer = world.push("What its reader dies of");
    let other = push_other(&world, "two");
    world.until_deployment(&other, &["succeeded"]).await;
    world.until_deployment(&killer, &["failed"]).await;
    let why = world.query(&format!("SELECT description FROM deployments WHERE commit_id = '{killer}'"));
    assert!(why.contains("web: what reads its Dockerfile ended twice in the middle of it"), "{why}");
    assert_eq!(world.deployment_logs().matches(" web the process that read it was ended by signal 6").count(), 2);
    assert_eq!(world.pid(), server);
    world.end().await;
}
