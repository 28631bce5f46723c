//! Statuses of the plain forge: git notes, written beside others that write, and read with plain git.

use crate::support::git::{bare_repository, git};
use crate::support::git_http::{GitHttp, PASSWORD, USER};
use crate::support::statuses::{CONTEXT, commit, status};
use launchway::forge::statuses::{NotesClient, StatusClient};
use launchway::model::{CommitId, GitCredentials, PostError, Secret, StatusState};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn client(repository: &str) -> NotesClient {
    NotesClient::new(repository, GitCredentials::default(), TIMEOUT).unwrap()
}

fn over_http(url: &str, password: &str) -> NotesClient {
    let credentials =
        GitCredentials { username: Some(USER.into()), token: Some(Secret::new(password)), ..GitCredentials::default() };
    NotesClient::new(url, credentials, TIMEOUT).unwrap()
}

/// The note of a commit as `git log --notes=launchway` shows it, times hidden.
fn note(repository: &Path, commit: &CommitId) -> String {
    let text = git(repository, &["log", "-1", "--format=%N", "--notes=launchway", commit.as_str()]);
    let time = |word: &&str| word.parse::<jiff::Timestamp>().is_ok() && word.ends_with('Z');
    let hide =
        |line: &str| line.split(' ').map(|word| if time(&word) { "TIME" } else { word }).collect::<Vec<_>>().join(" ");
    text.lines().map(hide).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_status_is_read_with_git_log() {
    let folder = tempfile::tempdir().unwrap();
    let commits = bare_repository(folder.path(), 2);
    let client = client(folder.path().to_str().unwrap());
    for (state, text) in [(StatusState::Pending, "building 1 of 2"), (StatusState::Success, "release 1 is live")] {
        client.post(&status(&commits[1], state, text)).await.unwrap();
    }
    let mut staging = status(&commits[1], StatusState::Failure, "api exited");
    staging.context = "launchway/staging".into();
    staging.target_url = None;
    client.post(&staging).await.unwrap();
    insta::assert_snapshot!(note(folder.path(), &commits[1]), @"
    launchway/production success TIME http://deploy.example.com/d/7f3a release 1 is live
    launchway/staging failure TIME - api exited
    ");
    assert_eq!(note(folder.path(), &commits[0]), "");
    git(folder.path(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn the_same_status_twice_is_one_note() {
    let folder = tempfile::tempdir().unwrap();
    let commits = bare_repository(folder.path(), 1);
    let client = client(&format!("file://{}", folder.path().display()));
    for _ in 0..2 {
        client.post(&status(&commits[0], StatusState::Success, "live")).await.unwrap();
    }
    assert_eq!(git(folder.path(), &["rev-list", "--count", "refs/notes/launchway"]), "1");
}

#[tokio::test]
async fn writers_beside_each_other_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let commits = bare_repository(folder.path(), 3);
    let address = folder.path().to_str().unwrap();
    write_side_by_side(vec![client(address), client(address), client(address)], &commits).await;
    assert_all_there(folder.path(), &commits, 3);
}

/// The first note makes the ref: the instant at which no old tip is there to compare with.
#[tokio::test]
async fn two_first_notes_at_once_are_both_kept() {
    for _ in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let commits = bare_repository(folder.path(), 1);
        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(4));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let (client, barrier) = (client(folder.path().to_str().unwrap()), barrier.clone());
            let mut status = status(&commits[0], StatusState::Success, "first");
            status.context = format!("launchway/w{writer}");
            writers.spawn(async move {
                barrier.wait().await;
                client.post(&status).await.unwrap();
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        assert_eq!(note(folder.path(), &commits[0]).lines().count(), 4);
    }
}

#[tokio::test]
async fn writers_over_http_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let shop = root.path().join("shop.git");
    let commits = bare_repository(&shop, 2);
    let server = GitHttp::start(root.path()).await;
    let url = server.url("shop.git");
    write_side_by_side(vec![over_http(&url, PASSWORD), over_http(&url, PASSWORD)], &commits).await;
    assert_all_there(&shop, &commits, 2);
}

/// Each writer sends five statuses, of a context of its own each, for each commit.
async fn write_side_by_side(clients: Vec<NotesClient>, commits: &[CommitId]) {
    let mut writers = tokio::task::JoinSet::new();
    for (writer, client) in clients.into_iter().enumerate() {
        let commits = commits.to_vec();
        writers.spawn(async move {
            for number in 0..5 {
                for commit in &commits {
                    let mut status = status(commit, StatusState::Success, &format!("by {writer}"));
                    status.context = format!("launchway/w{writer}-{number}");
                    client.post(&status).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
}

fn assert_all_there(repository: &Path, commits: &[CommitId], writers: usize) {
    for commit in commits {
        let note = note(repository, commit);
        for writer in 0..writers {
            for number in 0..5 {
                let begins = format!("launchway/w{writer}-{number} success TIME ");
                assert_eq!(note.lines().filter(|line| line.starts_with(&begins)).count(), 1, "{begins} in {note}");
            }
        }
    }
    git(repository, &["fsck", "--strict"]);
}

#[tokio::test]
async fn a_lock_that_a_killed_writer_left_does_not_keep_a_commit_pending_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let commits = bare_repository(folder.path(), 1);
    let client = client(folder.path().to_str().unwrap());
    client.post(&status(&commits[0], StatusState::Pending, "building")).await.unwrap();
    let lock = folder.path().join("refs/notes/launchway.lock");
    std::fs::write(&lock, "half a li").unwrap();
    client.post(&status(&commits[0], StatusState::Success, "live")).await.unwrap();
    assert!(note(folder.path(), &commits[0]).contains("success"));
    assert!(!lock.exists());
    git(folder.path(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn notes_that_git_wrote_stay_and_git_can_go_on_writing() {
    let folder = tempfile::tempdir().unwrap();
    let commits = bare_repository(folder.path(), 2);
    git(folder.path(), &["notes", "--ref=launchway", "add", "-m", "looked at by hand", commits[0].as_str()]);
    let client = client(folder.path().to_str().unwrap());
    for commit in &commits {
        client.post(&status(commit, StatusState::Success, "live")).await.unwrap();
    }
    git(folder.path(), &["notes", "--ref=launchway", "append", "-m", "and again", commits[1].as_str()]);
    client.post(&status(&commits[1], StatusState::Failure, "went down")).await.unwrap();
    insta::assert_snapshot!(note(folder.path(), &commits[0]), @"
    looked at by hand
    launchway/production success TIME http://deploy.example.com/d/7f3a live
    ");
    insta::assert_snapshot!(note(folder.path(), &commits[1]), @"

    and again
    launchway/production failure TIME http://deploy.example.com/d/7f3a went down
    ");
}

#[tokio::test]
async fn a_clone_fetches_the_notes_of_a_remote_that_was_written_over_http() {
    let root = tempfile::tempdir().unwrap();
    let shop = root.path().join("shop.git");
    let commits = bare_repository(&shop, 1);
    let server = GitHttp::start(root.path()).await;
    let client = over_http(&server.url("shop.git"), PASSWORD);
    client.post(&status(&commits[0], StatusState::Pending, "waiting")).await.unwrap();
    // Somebody rewrites the notes; the client goes on from what is there now.
    git(&shop, &["update-ref", "-d", "refs/notes/launchway"]);
    client.post(&status(&commits[0], StatusState::Success, "live")).await.unwrap();

    let clone = root.path().join("clone");
    git(root.path(), &["clone", "--quiet", shop.to_str().unwrap(), "clone"]);
    git(&clone, &["fetch", "--quiet", "origin", "refs/notes/*:refs/notes/*"]);
    insta::assert_snapshot!(note(&clone, &commits[0]), @"launchway/production success TIME http://deploy.example.com/d/7f3a live");
}

#[tokio::test]
async fn a_remote_with_a_ref_whose_name_is_not_utf_8_gets_its_notes() {
    let root = tempfile::tempdir().unwrap();
    let bare = root.path().join("shop.git");
    let commits = bare_repository(&bare, 1);
    git(&bare, &["config", "http.receivepack", "true"]);
    std::fs::write(bare.join(OsStr::from_bytes(b"refs/heads/caf\xe9")), format!("{}\n", commits[0])).unwrap();
    let server = GitHttp::start(root.path()).await;
    let client = over_http(&server.url("shop.git"), PASSWORD);
    for (state, text) in [(StatusState::Pending, "building"), (StatusState::Success, "release 1 is live")] {
        client.post(&status(&commits[0], state, text)).await.unwrap();
    }
    insta::assert_snapshot!(note(&bare, &commits[0]), @"launchway/production success TIME http://deploy.example.com/d/7f3a release 1 is live");
    // Notes that somebody took away are gone here too, and begin anew.
    git(&bare, &["update-ref", "-d", "refs/notes/launchway"]);
    client.post(&status(&commits[0], StatusState::Failure, "anew")).await.unwrap();
    assert_eq!(git(&bare, &["rev-list", "--count", "refs/notes/launchway"]), "1");
}

#[tokio::test]
async fn trouble_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let shop = root.path().join("shop.git");
    let commits = bare_repository(&shop, 1);
    let server = GitHttp::start(root.path()).await;
    let success = status(&commits[0], StatusState::Success, "live");

    let gone = client(shop.to_str().unwrap()).post(&status(&commit('b'), StatusState::Success, "x")).await;
    assert!(matches!(&gone, Err(PostError::Refused { why }) if why.contains("force push")), "{gone:?}");

    let nowhere = client(root.path().join("other.git").to_str().unwrap()).post(&success).await;
    assert!(matches!(&nowhere, Err(PostError::Denied { why }) if why.contains("check `repository`")), "{nowhere:?}");

    let url = server.url("shop.git");
    let wrong = over_http(&url, "pw-of-last-year").post(&success).await;
    let Err(PostError::Denied { why }) = &wrong else { panic!("{wrong:?}") };
    assert!(why.contains("check the project's credentials") && !why.contains("pw-of-last-year"), "{why}");

    let none = client(&url).post(&success).await;
    assert!(matches!(&none, Err(PostError::Denied { .. })), "{none:?}");

    drop(server);
    let away = over_http(&url, PASSWORD).post(&success).await;
    assert!(matches!(&away, Err(PostError::Retry { .. })), "{away:?}");
    assert_eq!(git(&shop, &["for-each-ref", "refs/notes"]), "");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/shop.git", silent.local_addr().unwrap());
    let client = NotesClient::new(&url, GitCredentials::default(), Duration::from_millis(300)).unwrap();
    for _ in 0..2 {
        let status = status(&commit('a'), StatusState::Success, "live");
        let given_up = tokio::time::timeout(Duration::from_secs(30), client.post(&status)).await.unwrap();
        assert!(matches!(given_up, Err(PostError::Retry { .. })), "{given_up:?}");
    }
}

#[tokio::test]
async fn a_status_names_its_context_even_when_another_begins_alike() {
    let folder = tempfile::tempdir().unwrap();
    let commits = bare_repository(folder.path(), 1);
    let client = client(folder.path().to_str().unwrap());
    for context in [CONTEXT, "launchway/production (shop)", CONTEXT] {
        let mut status = status(&commits[0], StatusState::Success, context);
        status.context = context.into();
        client.post(&status).await.unwrap();
    }
    assert_eq!(note(folder.path(), &commits[0]).lines().count(), 2);
}

#[tokio::test]
async fn a_note_is_read_back_and_a_push_without_an_answer_may_have_arrived() {
    let root = tempfile::tempdir().unwrap();
    let bare = root.path().join("shop.git");
    let commits = bare_repository(&bare, 1);
    git(&bare, &["config", "http.receivepack", "true"]);
    let server = GitHttp::start(root.path()).await;
    let (here, there) = (client(bare.to_str().unwrap()), over_http(&server.url("shop.git"), PASSWORD));
    let (pending, last) =
        (status(&commits[0], StatusState::Pending, "building"), status(&commits[0], StatusState::Success, "live"));
    for (writer, reader) in [(&here, &there), (&there, &here)] {
        writer.post(&pending).await.unwrap();
        assert_eq!((reader.shows(&pending).await, reader.shows(&last).await), (Ok(true), Ok(false)));
        writer.post(&last).await.unwrap();
        assert_eq!((reader.shows(&pending).await, reader.shows(&last).await), (Ok(false), Ok(true)));
    }
    let gone = over_http(&server.url("shop.git"), PASSWORD);
    drop(server);
    assert!(gone.send(&pending).await.unwrap_err().may_arrive);
}
