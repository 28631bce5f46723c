//! Repositories are fetched by processes of their own, within bounds: what is too large, or kills whoever unpacks it, ends its own
//! delivery and nothing else.

use crate::support::app::write_quick;
use crate::support::git_http::GitHttp;
use crate::support::git_repository::{GitRepository, git};
use crate::support::mirror_world::{World as Mirrored, at, main, patience, remote};
use crate::support::world::{Settings, World};
use launchway::model::{CommitId, GitCredentials};
use launchway::source::{FetchError, MostFetched, Patience, WantedRefs};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Random bytes, which no pack makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes / 8).flat_map(|_| next()).collect()
}

fn within(repository_bytes: u64, memory_bytes: u64) -> Patience {
    patience().with(MostFetched { repository_bytes, memory_bytes })
}

const MEMORY: u64 = 2_000_000_000;

fn packs(mirrored: &Mirrored) -> Vec<String> {
    let folder = mirrored.folder.path().join("mirrors/shop.git/objects/pack");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Writes an object as git's plumbing does, and returns its id.
fn object(repository: &Path, kind: &str, content: &[u8]) -> String {
    let mut command = Command::new("git");
    command.args(["hash-object", "-t", kind, "-w", "--stdin", "--literally"]).current_dir(repository);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_string()
}

#[tokio::test]
async fn a_repository_that_is_larger_than_it_may_be_is_not_fetched_and_leaves_nothing() {
    let repository = GitRepository::new();
    let small = repository.publish("README", "one");
    repository.write("noise", noise(3_000_000));
    let large = repository.publish("README", "two");
    let server = GitHttp::serve(repository.root(), None).await;
    for remote in [at(&repository.bare()), remote(&server.url("shop.git"), GitCredentials::default())] {
        let mirrored = Mirrored::new();
        let only_main = || WantedRefs::Exactly(vec![main()]);
        let error = mirrored.fetch_refs(remote.clone(), only_main(), within(1_000_000, MEMORY)).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
        assert!(!error.is_worth_retrying());
        assert!(error.to_string().contains("limits.repository"), "{error}");
        assert_eq!(mirrored.tip("refs/heads/main"), None);
        assert_eq!(packs(&mirrored), Vec::<String>::new());
        // With more room it is fetched, and what is there counts the next time.
        let fetched = mirrored.fetch_refs(remote.clone(), only_main(), within(4_000_000, MEMORY)).await.unwrap();
        assert_eq!(fetched.tips[&main()], large);
        let error = mirrored.fetch_refs(remote, only_main(), within(2_000_000, MEMORY)).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
        assert!(mirrored.mirrors.contains(&mirrored.project, &main(), &small).unwrap());
    }
}

#[tokio::test]
async fn what_a_fetch_left_locked_that_was_killed_holds_up_no_other() {
    let (repository, mirrored) = (GitRepository::new(), Mirrored::new());
    repository.publish("README", "one");
    mirrored.fetch(at(&repository.bare())).await.unwrap();
    let mirror = mirrored.folder.path().join("mirrors/shop.git");
    for lock in ["refs/heads/main.lock", "packed-refs.lock"] {
        let file = std::fs::File::create(mirror.join(lock)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
    }
    let second = repository.publish("README", "two");
    assert_eq!(mirrored.fetch(at(&repository.bare())).await.unwrap().tips[&main()], second);
}

#[tokio::test]
async fn a_commit_or_tag_of_many_megabytes_is_refused_before_anybody_reads_it() {
    let repository = GitRepository::new();
    let good = repository.publish("README", "one");
    let bare = repository.bare();
    let tree = git(&bare, &["rev-parse", "main^{tree}"]);
    let message = "m".repeat(5 << 20);
    let who = "A <a@example.com> 1700000000 +0000";
    let commit = format!("tree {tree}\nparent {good}\nauthor {who}\ncommitter {who}\n\n{message}");
    let large = object(&bare, "commit", commit.as_bytes());
    let behind =
        git(&bare, &["-c", "user.name=a", "-c", "user.email=a@x", "commit-tree", "-p", &large, "-m", "x", &tree]);
    let tag = format!("object {good}\ntype commit\ntag large\ntagger {who}\n\n{message}");
    let tag = object(&bare, "tag", tag.as_bytes());
    let server = GitHttp::serve(repository.root(), None).await;
    let at = || remote(&server.url("shop.git"), GitCredentials::default());
    for (reference, end) in [("refs/heads/large", &large), ("refs/heads/behind", &behind), ("refs/tags/large", &tag)] {
        git(&bare, &["update-ref", reference, end]);
        let mirrored = Mirrored::new();
        mirrored.fetch(at()).await.unwrap();
        let before = packs(&mirrored).len();
        let wanted = WantedRefs::Exactly(vec![launchway::model::RefName::new(reference).unwrap()]);
        let error = mirrored.fetch_refs(at(), wanted, patience()).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { .. }), "{reference}: {error:?}");
        assert!(error.to_string().contains("commit-bytes"), "{error}");
        assert_eq!((mirrored.tip(reference), packs(&mirrored).len()), (None, before), "{reference}");
        let end = CommitId::new(end.clone()).unwrap();
        assert_eq!(mirrored.mirrors.peeled(&mirrored.project, &end).unwrap(), None, "{reference}");
        // What is good of the same repository is fetched all the same.
        assert_eq!(mirrored.fetch(at()).await.unwrap().tips[&main()], good);
    }
}

#[tokio::test]
async fn who_unpacks_what_takes_more_memory_than_it_may_dies_alone() {
    let repository = GitRepository::new();
    repository.git(&["config", "core.bigFileThreshold", "1g"]);
    repository.write("zeros", vec![0; 200 << 20]);
    repository.publish("README", "one");
    let mirrored = Mirrored::new();
    let refs = WantedRefs::Exactly(vec![main()]);
    let error = mirrored.fetch_refs(at(&repository.bare()), refs, within(1 << 30, 100 << 20)).await.unwrap_err();
    let is_of_memory = matches!(error, FetchError::Broke { .. });
    assert!(is_of_memory, "{error:?}");
    assert!(error.to_string().contains("limits.fetch-memory"), "{error}");
    assert_eq!(packs(&mirrored), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_kills_whoever_fetches_it_ends_its_delivery_and_the_next_push_goes_live() {
    let limits = "fetch-memory = \"100MB\"".to_string();
    let world = World::with(Settings { limits, ..Settings::default() }).await;
    let server = world.pid();
    write_quick(&world.repository, "one");
    let first = world.push("First");
    world.until_deployment(&first, &["succeeded"]).await;
    world.repository.git(&["config", "core.bigFileThreshold", "1g"]);
    world.repository.write("zeros", vec![0; 200 << 20]);
    world.push("Too much");
    world.until_store_says("SELECT outcome FROM deliveries ORDER BY number DESC LIMIT 1", "failed").await;
    let reason = world.query("SELECT reason FROM deliveries ORDER BY number DESC LIMIT 1");
    assert!(reason.contains("limits.fetch-memory"), "{reason}");
    world.repository.git(&["reset", "-q", "--hard", first.as_str()]);
    write_quick(&world.repository, "two");
    let next = world.repository.commit("Without it");
    world.repository.git(&["push", "-q", "-f", "origin", "HEAD:refs/heads/main"]);
    world.until_deployment(&next, &["succeeded"]).await;
    assert_eq!(world.pid(), server);
    world.end().await;
}
