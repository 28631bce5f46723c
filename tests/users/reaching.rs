//! How a repository is reached: by path, over http with a token, over ssh with a key; and when it is not.

use crate::support::git_http::GitHttp;
use crate::support::git_repository::GitRepository;
use crate::support::mirror_world::{World, at, main, remote, with_token};
use crate::support::sshd::{HostKey, Sshd};
use launchway::model::GitCredentials;
use launchway::source::{FetchError, FetchRequest, Patience, WantedRefs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn over_http_the_token_lets_in_and_a_wrong_one_says_what_to_do() {
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    let server = GitHttp::serve(repository.root(), Some("s3cret-token")).await;
    let url = server.url("shop.git");
    let fetched = world.fetch(remote(&url, with_token("s3cret-token"))).await.unwrap();
    assert_eq!(fetched.tips[&main()], commit);
    let shown = |error: FetchError| error.to_string().replace(&server.address.to_string(), "ADDRESS");
    let wrong = world.fetch(remote(&url, with_token("wr0ng-token"))).await.unwrap_err();
    assert!(matches!(wrong, FetchError::Authentication { .. }), "{wrong:?}");
    insta::assert_snapshot!(shown(wrong), @"fetching http://ADDRESS/shop.git: access was refused: the token is wrong, has expired, or may not read this repository. Put a new one where launchway.toml says the project's token comes from");
    let none = world.fetch(remote(&url, GitCredentials::default())).await.unwrap_err();
    insta::assert_snapshot!(shown(none), @"fetching http://ADDRESS/shop.git: access was refused: the repository asks for a token, and none is configured for the project in launchway.toml (`token`)");
    let absent = world.fetch(remote(&server.url("other.git"), with_token("s3cret-token"))).await.unwrap_err();
    assert!(matches!(absent, FetchError::NotFound { .. }), "{absent:?}");
    let in_url = format!("http://oauth2:s3cret-token@{}/shop.git", server.address);
    world.fetch(remote(&in_url, GitCredentials::default())).await.unwrap();
}

#[tokio::test]
async fn over_ssh_the_key_lets_in_and_only_a_known_host_is_spoken_to() {
    let Some(sshd) = Sshd::start() else { return };
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    let url = sshd.url(&repository.bare());
    let with = |key, host| GitCredentials {
        ssh_key: Some(key),
        known_hosts: Some(sshd.known_hosts(host)),
        ..GitCredentials::default()
    };
    let fetched = world.fetch(remote(&url, with(sshd.user_key(), HostKey::Right))).await;
    assert_eq!(fetched.unwrap_or_else(|error| panic!("{error}\n{}", sshd.log())).tips[&main()], commit);
    let stranger = world.fetch(remote(&url, with(sshd.strangers_key(), HostKey::Right))).await.unwrap_err();
    assert!(matches!(stranger, FetchError::Authentication { .. }), "{stranger:?}");
    for (key, words) in [(HostKey::Wrong, "shows another ssh-ed25519 key"), (HostKey::None, "is not in")] {
        let error = world.fetch(remote(&url, with(sshd.user_key(), key))).await.unwrap_err();
        assert!(matches!(error, FetchError::HostRefused { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let unknown = GitCredentials { ssh_key: Some(sshd.user_key()), ..GitCredentials::default() };
    let error = world.fetch(remote(&url, unknown)).await.unwrap_err();
    assert!(matches!(error, FetchError::HostRefused { .. }), "{error:?}");
    let absent = sshd.url(Path::new("/nowhere/shop.git"));
    let error = world.fetch(remote(&absent, with(sshd.user_key(), HostKey::Right))).await.unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_said_at_once() {
    let world = World::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{port}/shop.git"), format!("ssh://git@127.0.0.1:{port}/shop.git")] {
        let before = Instant::now();
        let error = world.fetch(remote(&url, with_token("token"))).await.unwrap_err();
        assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
        assert!(before.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_on_cancellation_and_at_the_deadline() {
    let world = World::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{port}/shop.git"), format!("ssh://git@127.0.0.1:{port}/shop.git")] {
        let cancel = CancellationToken::new();
        let asked = Patience::new(cancel.clone(), Duration::from_secs(60));
        let fetch = world.mirrors.remote_tips(remote(&url, GitCredentials::default()), &asked);
        let listener = silent.try_clone().unwrap();
        let cancelling = async {
            let connection = tokio::task::spawn_blocking(move || listener.accept().unwrap()).await.unwrap();
            cancel.cancel();
            connection
        };
        let before = Instant::now();
        let (result, _connection) = tokio::join!(fetch, cancelling);
        assert!(matches!(result, Err(FetchError::Cancelled { .. })), "{result:?}");
        let soon = Patience::new(CancellationToken::new(), Duration::from_millis(200));
        let result = world.mirrors.remote_tips(remote(&url, GitCredentials::default()), &soon).await;
        assert!(matches!(result, Err(FetchError::Deadline { .. })), "{result:?}");
        assert!(before.elapsed() < Duration::from_secs(30));
        // Meet the second connection, so that the next round accepts its own.
        let listener = silent.try_clone().unwrap();
        tokio::task::spawn_blocking(move || listener.accept().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_fetch_is_cancelled_in_the_middle_and_the_next_one_succeeds() {
    let (repository, world) = (GitRepository::new(), World::new());
    for number in 0..2_000 {
        repository.write(&format!("folder-{}/file-{number}", number % 40), format!("{number}").repeat(50));
    }
    let commit = repository.publish("a", "1");
    let server = GitHttp::serve(repository.root(), None).await;
    let cancel = CancellationToken::new();
    let in_progress = cancel.clone();
    let result = world
        .mirrors
        .fetch(FetchRequest {
            project: world.project.clone(),
            remote: remote(&server.url("shop.git"), GitCredentials::default()),
            refs: WantedRefs::BranchesAndTags,
            patience: Patience::new(cancel, Duration::from_secs(60)),
            progress: Some(Arc::new(move |progress| {
                if progress.received_objects > 10 {
                    in_progress.cancel();
                }
            })),
        })
        .await;
    assert!(matches!(result, Err(FetchError::Cancelled { .. })), "{result:?}");
    assert_eq!(world.tip("refs/heads/main"), None);
    let fetched = world.fetch(remote(&server.url("shop.git"), GitCredentials::default())).await.unwrap();
    assert_eq!(fetched.tips[&main()], commit);
}

#[tokio::test]
async fn two_fetches_of_one_project_at_once_both_end_well() {
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    let (first, second) = tokio::join!(world.fetch(at(&repository.bare())), world.fetch(at(&repository.bare())));
    assert_eq!(first.unwrap().tips[&main()], commit);
    assert_eq!(second.unwrap().tips[&main()], commit);
}

#[tokio::test]
async fn a_sha256_repository_is_named_as_such() {
    let (repository, world) = (GitRepository::with_format("sha256"), World::new());
    repository.publish("a", "1");
    let server = GitHttp::serve(repository.root(), None).await;
    for remote in [at(&repository.bare()), remote(&server.url("shop.git"), GitCredentials::default())] {
        let error = world.fetch(remote.clone()).await.unwrap_err();
        assert!(matches!(error, FetchError::ObjectFormat { .. }), "{remote:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_repository_that_another_account_owns_is_read_because_the_settings_name_it() {
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    let owned =
        std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(repository.bare()).status().unwrap();
    if !owned.success() {
        eprintln!("skipped: only root can give a repository to another account");
        return;
    }
    let fetched = world.fetch(at(&repository.bare())).await.unwrap();
    assert_eq!(fetched.tips[&main()], commit);
}
