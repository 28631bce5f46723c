//! Statuses of the plain forge: git notes, which every clone can fetch and `git log --notes=launchway` shows.
//!
//! One line for each context: `<context> <state> <RFC 3339 time> <url> <description>`, `-` where there is no URL.

use super::left_lock::LeftLock;
use super::status_client::StatusClient;
use super::target::shown;
use super::words::one_line;
use super::{Failed, PostError, notes_remote, notes_tree};
use crate::model::{CommitStatus, GitCredentials, Quoted, StatusState};
use anyhow::{Result, bail};
use git2::{ErrorCode, Oid, Repository, Signature};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where the notes are.
pub const NOTES_REF: &str = "refs/notes/launchway";

/// Writes notes into a repository on this machine, or pushes them to one elsewhere.
pub struct NotesClient {
    place: Place,
    timeout: Duration,
    /// One piece of git work at a time, also where an earlier one outlived its deadline.
    busy: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
enum Place {
    Local(PathBuf),
    Remote(Arc<notes_remote::Remote>),
}

/// When to stop: libgit2 cannot be interrupted but asks in its callbacks, and between tries we look ourselves.
#[derive(Clone)]
pub(super) struct Deadline {
    at: Instant,
    cancelled: Arc<AtomicBool>,
}

impl Deadline {
    /// Whether the time is over, or nobody waits any more.
    pub fn has_passed(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() >= self.at
    }
}

/// Sets the flag when the waiting future is dropped, so that the thread ends soon after.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl NotesClient {
    /// `repository` is a path or `file://` URL of a bare (or other) repository on this machine, or an https or ssh URL to
    /// push to. `timeout` bounds one status, all its tries together.
    pub fn new(repository: &str, credentials: GitCredentials, timeout: Duration) -> Result<Self> {
        let place = if let Some(path) = repository.strip_prefix("file://") {
            Place::Local(PathBuf::from(path))
        } else if repository.contains("://") || is_short_ssh(repository) {
            let known = ["https://", "http://", "ssh://"].iter().any(|scheme| repository.starts_with(scheme));
            if !known && !is_short_ssh(repository) {
                bail!("{} is no repository that notes can be pushed to: give a path, https or ssh", shown(repository));
            }
            Place::Remote(Arc::new(notes_remote::Remote::new(repository, credentials)?))
        } else {
            Place::Local(PathBuf::from(repository))
        };
        Ok(Self { place, timeout, busy: Arc::default() })
    }
}

/// `git@host:path`, but neither `/a:b` nor `./a:b`.
fn is_short_ssh(address: &str) -> bool {
    address
        .split_once(':')
        .is_some_and(|(host, path)| !host.is_empty() && !host.contains('/') && !path.starts_with("//"))
}

#[async_trait::async_trait]
impl StatusClient for NotesClient {
    async fn send(&self, status: &CommitStatus) -> Result<(), Failed> {
        let status = status.clone();
        self.carried_out(move |place, deadline| match place {
            Place::Local(path) => write_local(path, &status, deadline),
            Place::Remote(remote) => remote.write(&status, deadline),
        })
        .await
    }

    async fn shows(&self, status: &CommitStatus) -> Result<bool, PostError> {
        let status = status.clone();
        let shown = self.carried_out(move |place, deadline| match place {
            Place::Local(path) => is_written(path, &status),
            Place::Remote(remote) => remote.is_written(&status, deadline),
        });
        shown.await.map_err(|failed| failed.error)
    }

    fn describe(&self) -> String {
        let place = match &self.place {
            Place::Local(path) => path.display().to_string(),
            Place::Remote(remote) => remote.shown(),
        };
        format!("notes {NOTES_REF} of {place}")
    }
}

impl NotesClient {
    /// Git work on a thread of its own, one piece after the other. What is given up may still go on: libgit2 cannot be
    /// interrupted, and a remote may be about to take what was pushed.
    async fn carried_out<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place, &Deadline) -> Result<T, PostError> + Send + 'static,
    ) -> Result<T, Failed> {
        let late = |what: &str| PostError::Retry {
            after: None,
            why: format!("{} {what} within {} s; the note is written again", self.describe(), self.timeout.as_secs()),
        };
        let at = Instant::now() + self.timeout;
        let guard = tokio::time::timeout(self.timeout, self.busy.clone().lock_owned())
            .await
            .map_err(|_| late("did not become free"))?;

        let cancel = CancelOnDrop(Arc::default());
        let deadline = Deadline { at, cancelled: cancel.0.clone() };
        let place = self.place.clone();
        let (answer, result) = tokio::sync::oneshot::channel();
        // A thread of its own and not the runtime's pool: a server that hangs must not keep the process from ending.
        let work = move || {
            let _guard = guard;
            let _ = answer.send(work(&place, &deadline));
        };
        std::thread::Builder::new().name("status-notes".into()).spawn(work).map_err(|error| PostError::Retry {
            after: None,
            why: format!("cannot start a thread for git notes: {error}"),
        })?;
        let unknown = |error| Failed { error, may_arrive: true };
        match tokio::time::timeout_at(at.into(), result).await {
            // A push that broke off in the middle may have arrived.
            Ok(Ok(result)) => result.map_err(|error| Failed {
                may_arrive: matches!((&self.place, &error), (Place::Remote(_), PostError::Retry { .. })),
                error,
            }),
            Ok(Err(_)) => Err(unknown(PostError::Retry {
                after: None,
                why: format!("{}: the git work ended without a result; the note is written again", self.describe()),
            })),
            Err(_) => Err(unknown(late("did not take the note"))),
        }
    }
}

/// Whether the note says this already.
fn is_written(path: &std::path::Path, status: &CommitStatus) -> Result<bool, PostError> {
    let failed = |error: git2::Error| git_failure(&path.display().to_string(), &error);
    let repository = Repository::open(path).map_err(failed)?;
    is_said(&repository, tip(&repository).map_err(failed)?, status).map_err(failed)
}

/// Whether the notes commit `tip` holds this status.
pub(super) fn is_said(repository: &Repository, tip: Option<Oid>, status: &CommitStatus) -> Result<bool, git2::Error> {
    let tree = tip.map(|tip| repository.find_commit(tip)?.tree()).transpose()?;
    let note = notes_tree::read(repository, tree.as_ref(), status.commit.as_str())?;
    Ok(with_line(&note, status, Timestamp::now()).is_none())
}

fn write_local(path: &std::path::Path, status: &CommitStatus, deadline: &Deadline) -> Result<(), PostError> {
    let shown = path.display().to_string();
    let repository = Repository::open(path).map_err(|error| match error.code() {
        ErrorCode::NotFound => PostError::Denied {
            why: format!("{shown} is not there or is no git repository: check `repository` in launchway.toml"),
        },
        ErrorCode::Owner => PostError::Denied {
            why: format!("{shown} belongs to another user ({}): run Launchway as that user", Quoted(error.message())),
        },
        _ => git_failure(&shown, &error),
    })?;
    let commit = object_id(status)?;
    let mut left = LeftLock::of(repository.commondir(), NOTES_REF);
    if let Err(error) = repository.find_commit(commit) {
        return Err(match error.code() {
            ErrorCode::NotFound => PostError::Refused {
                why: format!("{shown} does not hold commit {}: it was replaced by a force push", status.commit.short()),
            },
            _ => git_failure(&shown, &error),
        });
    }
    loop {
        let old = tip(&repository).map_err(|error| git_failure(&shown, &error))?;
        let new = add(&repository, old, status).map_err(|error| git_failure(&shown, &error))?;
        let Some(new) = new else { return Ok(()) };
        // Nobody waits for it any more, and something newer may be said by now.
        if deadline.has_passed() {
            return Err(given_up(&shown));
        }
        // Compare and swap, under the ref's lock: it moves only from the tip that was read, zeros standing for none.
        // `Repository::reference` without force is no substitute: it looks before it takes the lock.
        let moved = repository.reference_matching(NOTES_REF, new, true, old.unwrap_or(Oid::ZERO_SHA1), "status");
        match moved {
            Ok(_) => return Ok(()),
            Err(error) if is_conflict(&error) && !deadline.has_passed() => {
                // Somebody else moved it, or holds its lock for an instant.
                left.look(Instant::now());
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(git_failure(&shown, &error)),
        }
    }
}

pub(super) fn given_up(shown: &str) -> PostError {
    PostError::Retry { after: None, why: format!("{shown} did not take the note in time; it is written again") }
}

fn is_conflict(error: &git2::Error) -> bool {
    matches!(error.code(), ErrorCode::Modified | ErrorCode::Exists | ErrorCode::Locked | ErrorCode::NotFound)
}

/// What the notes ref points at.
pub(super) fn tip(repository: &Repository) -> Result<Option<Oid>, git2::Error> {
    target(repository, NOTES_REF)
}

pub(super) fn target(repository: &Repository, reference: &str) -> Result<Option<Oid>, git2::Error> {
    match repository.find_reference(reference) {
        Ok(reference) => Ok(reference.target()),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A notes commit on top of `old` that holds the status, or `None` where `old` holds it already. Moves no ref.
pub(super) fn add(
    repository: &Repository,
    old: Option<Oid>,
    status: &CommitStatus,
) -> Result<Option<Oid>, git2::Error> {
    let parent = old.map(|old| repository.find_commit(old)).transpose()?;
    let tree = parent.as_ref().map(|parent| parent.tree()).transpose()?;
    let note = notes_tree::read(repository, tree.as_ref(), status.commit.as_str())?;
    let Some(note) = with_line(&note, status, Timestamp::now()) else { return Ok(None) };
    let tree = repository.find_tree(notes_tree::write(repository, tree.as_ref(), status.commit.as_str(), &note)?)?;
    let by = Signature::now("Launchway", "launchway@localhost")?;
    let message = format!("{}: {}\n", one_line(&status.context, 200), status.state.word());
    repository.commit(None, &by, &by, &message, &tree, &parent.iter().collect::<Vec<_>>()).map(Some)
}

pub(super) fn object_id(status: &CommitStatus) -> Result<Oid, PostError> {
    Oid::from_str(status.commit.as_str()).map_err(|_| PostError::Refused {
        why: format!("commit {} is of a SHA-256 repository, which notes are not written to yet", status.commit.short()),
    })
}

pub(super) fn git_failure(shown: &str, error: &git2::Error) -> PostError {
    let is_forbidden = error.message().to_ascii_lowercase().contains("permission denied");
    let message = Quoted(one_line(error.message(), 300));
    match error.code() {
        ErrorCode::Auth | ErrorCode::Certificate => PostError::Denied {
            why: format!("{shown} does not let Launchway in ({message}): check the project's credentials"),
        },
        _ if is_forbidden => PostError::Denied {
            why: format!("Launchway may not write to {shown} ({message}): give its user the right to"),
        },
        _ => PostError::Retry {
            after: None,
            why: format!("{shown} did not take the note ({message}); it is written again"),
        },
    }
}

/// The note with the line of the status's context replaced or added, other lines untouched; `None` where the same is
/// said already, whenever that was.
fn with_line(note: &str, status: &CommitStatus, now: Timestamp) -> Option<String> {
    let context = one_line(&status.context, 255);
    let url = status.target_url.as_deref().filter(|url| !url.contains(char::is_whitespace)).unwrap_or("-");
    let (state, said) = (status.state.word(), one_line(&status.description, 1000));
    let mut lines: Vec<String> = Vec::new();
    for line in note.lines() {
        match rest_of(line, &context) {
            // state, time, url, description
            Some(rest) => {
                let mut parts = rest.splitn(4, ' ');
                let same = parts.next() == Some(state)
                    && parts.next().is_some()
                    && parts.next() == Some(url)
                    && parts.next().unwrap_or_default() == said;
                if same {
                    return None;
                }
            }
            None => lines.push(line.to_string()),
        }
    }
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    lines.push(format!("{context} {state} {time} {url} {said}").trim_end().to_string());
    Some(lines.join("\n") + "\n")
}

/// What follows the context in a line of that context. A context may hold blanks, and one may begin like another
/// (`launchway/production (shop)`): what follows must be a state.
fn rest_of<'a>(line: &'a str, context: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(context)?.strip_prefix(' ')?;
    rest.split(' ').next()?.parse::<StatusState>().ok()?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CommitId;

    fn status(context: &str, state: StatusState, description: &str) -> CommitStatus {
        CommitStatus {
            commit: CommitId::new("a".repeat(40)).unwrap(),
            context: context.into(),
            state,
            description: description.into(),
            target_url: Some("http://deploy.example.com/d/1".into()),
            reference: None,
        }
    }

    fn noon() -> Timestamp {
        "2026-08-05T12:00:00.25Z".parse().unwrap()
    }

    #[test]
    fn the_line_of_a_context_is_replaced_and_others_stay() {
        let mut note = String::from("a line that somebody wrote\n");
        for (context, state, text) in [
            ("launchway/production", StatusState::Pending, "building 1 of 2"),
            ("launchway/production (shop)", StatusState::Pending, "waiting"),
            ("launchway/production", StatusState::Success, "release 42 is live"),
        ] {
            note = with_line(&note, &status(context, state, text), noon()).unwrap();
        }
        insta::assert_snapshot!(note, @"
        a line that somebody wrote
        launchway/production (shop) pending 2026-08-05T12:00:00Z http://deploy.example.com/d/1 waiting
        launchway/production success 2026-08-05T12:00:00Z http://deploy.example.com/d/1 release 42 is live
        ");
    }

    #[test]
    fn what_is_said_already_is_not_written_again() {
        let once = status("launchway/production", StatusState::Success, "release 42 is live");
        let note = with_line("", &once, noon()).unwrap();
        assert_eq!(with_line(&note, &once, Timestamp::now()), None);
    }

    #[test]
    fn a_description_cannot_forge_a_second_line() {
        let forged = status("launchway/production", StatusState::Failure, "x\nlaunchway/staging success now - y");
        assert_eq!(with_line("", &forged, noon()).unwrap().lines().count(), 1);
    }

    #[test]
    fn tells_paths_from_remotes() {
        assert!(is_short_ssh("git@host:shop.git"));
        assert!(!is_short_ssh("/srv/a:b"));
        assert!(!is_short_ssh("https://host/x"));
    }
}
