//! Bringing a project's refs into its mirror.

use super::connection::{Connection, Progress};
use super::libgit2::{self, Patience, Stop};
use super::mirrors::{Mirror, remove_leftovers};
use super::remote_heads::heads;
use super::{FetchError, Mirrors, RemoteUrl, one_commit, rebuild};
use crate::model::{CommitId, GitCredentials, ProjectName, RefName};
use git2::{
    AutotagOption, Direction, FetchOptions, FetchPrune, ObjectFormat, ProxyOptions, RemoteRedirect, Repository,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A repository, and how to get in.
#[derive(Debug, Clone)]
pub struct Remote {
    pub url: RemoteUrl,
    pub credentials: GitCredentials,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedRefs {
    /// These and no others.
    Exactly(Vec<RefName>),
    BranchesAndTags,
    /// One commit by its id, though no branch or tag leads to it (any more): most hosts give whatever they have. It is kept.
    Commit(CommitId),
}

pub struct FetchRequest {
    pub project: ProjectName,
    pub remote: Remote,
    pub refs: WantedRefs,
    pub patience: Patience,
    /// Called from the fetching thread, many times a second.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// What a fetch found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Where the wanted refs are now: the commits, annotated tags peeled.
    pub tips: BTreeMap<RefName, CommitId>,
    /// Wanted, but not there (any more).
    pub missing: Vec<RefName>,
    pub received_objects: usize,
    pub received_bytes: usize,
}

impl Mirrors {
    /// Fetches what is new of the wanted refs; a force-push is simply the new tip, and refs that the remote no longer
    /// has are removed. One fetch at a time for each mirror: a second one waits for the first.
    pub async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let mirror = self.mirror(request.project.as_str());
        fetch_into(mirror, request.remote, request.refs, &request.patience, request.progress).await
    }

    /// The tips of all branches and tags as the remote has them now, without fetching: annotated tags peeled.
    pub async fn remote_tips(
        &self,
        remote: Remote,
        patience: &Patience,
    ) -> Result<BTreeMap<RefName, CommitId>, FetchError> {
        const DOING: &str = "asking for the branches of";
        let url = remote.url.to_string();
        libgit2::on_thread(patience, DOING, &url, move |stop| {
            accept_local_path(&remote.url, DOING)?;
            let connection = Connection::new(remote.url, remote.credentials, DOING);
            let mut git = git2::Remote::create_detached(connection.url.as_str()).map_err(|e| connection.error(e))?;
            let open = git
                .connect_auth(Direction::Fetch, Some(connection.callbacks(stop, None)), Some(proxy()))
                .map_err(|error| connection.error(error))?;
            let heads = heads(&open, connection.url.as_str()).map_err(|error| connection.error(error))?;
            Ok(tips(heads.iter().map(|(name, oid)| (name.as_str(), *oid))))
        })
        .await
    }
}

pub(super) async fn fetch_into(
    mirror: Arc<Mirror>,
    remote: Remote,
    refs: WantedRefs,
    patience: &Patience,
    progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
) -> Result<Fetched, FetchError> {
    const DOING: &str = "fetching";
    let url = remote.url.to_string();
    let writing = Arc::clone(&mirror.writing).lock_owned();
    let writing = patience.wait(writing).await.map_err(|impatience| impatience.error(DOING, &url))?;
    libgit2::on_thread(patience, DOING, &url, move |stop| {
        // Released when the thread ends, not when its caller gives up: libgit2 may still be writing.
        let _writing = writing;
        accept_local_path(&remote.url, DOING)?;
        let connection = Connection::new(remote.url, remote.credentials, DOING);
        let other = |why: String| FetchError::Other { doing: DOING, url: connection.url.to_string(), why };
        let repository = mirror.open_or_create().map_err(other)?;
        remove_leftovers(&mirror.path);
        let fetched = fetch_refs(&repository, &connection, &refs, stop, progress.as_deref())?;
        drop(repository);
        if let Err(error) = rebuild::rebuild_if_scattered(&mirror, stop) {
            // What was fetched is there; only the next reads are slower than they could be.
            tracing::warn!(mirror = %mirror.path.display(), %error, "the mirror could not be repacked");
        }
        Ok(fetched)
    })
    .await
}

fn fetch_refs(
    repository: &Repository,
    connection: &Connection,
    refs: &WantedRefs,
    stop: &Stop,
    progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
) -> Result<Fetched, FetchError> {
    let failed = |error| connection.error(error);
    let mut remote = repository.remote_anonymous(connection.url.as_str()).map_err(failed)?;
    let mut open =
        remote.connect_auth(Direction::Fetch, Some(connection.callbacks(stop, None)), Some(proxy())).map_err(failed)?;
    if open.remote().object_format().is_ok_and(|format| format != ObjectFormat::Sha1) {
        return Err(FetchError::ObjectFormat { doing: connection.doing, url: connection.url.to_string() });
    }
    let heads = heads(&open, connection.url.as_str()).map_err(failed)?;
    let all = tips(heads.iter().map(|(name, oid)| (name.as_str(), *oid)));
    let (wanted, missing): (Vec<RefName>, Vec<RefName>) = match refs {
        WantedRefs::Exactly(refs) => refs.iter().cloned().partition(|name| all.contains_key(name)),
        WantedRefs::BranchesAndTags => (all.keys().cloned().collect(), Vec::new()),
        WantedRefs::Commit(_) => (Vec::new(), Vec::new()),
    };
    // Before the fetch, because `refs/heads/a` in our way would make `refs/heads/a/b` impossible.
    remove_gone(repository, &heads).map_err(failed)?;
    let mut fetched = Fetched { missing, ..Fetched::default() };
    let mut specs: Vec<String> = wanted.iter().map(|name| format!("+{name}:{name}")).collect();
    if let WantedRefs::Commit(commit) = refs {
        let name = format!("refs/launchway/commits/{commit}");
        match connection.url.local_path() {
            Some(path) => one_commit::copy(&path, repository, commit, &name, stop).map_err(failed)?,
            None => specs.push(format!("+{commit}:{name}")),
        }
    }
    if !specs.is_empty() {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(connection.callbacks(stop, progress))
            .proxy_options(proxy())
            .prune(FetchPrune::Off)
            .update_fetchhead(false)
            .download_tags(AutotagOption::None)
            .follow_redirects(RemoteRedirect::Initial);
        open.remote().fetch(&specs, Some(&mut options), None).map_err(failed)?;
        let stats = open.remote().stats();
        (fetched.received_objects, fetched.received_bytes) = (stats.received_objects(), stats.received_bytes());
    }
    if stop.is_asked() {
        return Err(FetchError::Cancelled { doing: connection.doing, url: connection.url.to_string() });
    }
    for name in wanted {
        if let Some(tip) = super::history::tip_in(repository, &name).map_err(failed)? {
            fetched.tips.insert(name, tip);
        }
    }
    Ok(fetched)
}

/// Removes branches and tags of the mirror that the remote no longer has. Kept commits stay.
fn remove_gone(repository: &Repository, heads: &[(String, git2::Oid)]) -> Result<(), git2::Error> {
    let there: std::collections::HashSet<&str> = heads.iter().map(|(name, _)| name.as_str()).collect();
    let mut gone = Vec::new();
    for name in repository.references()?.names() {
        match name {
            Ok(name) if name.starts_with("refs/launchway/") || there.contains(name) => {}
            Ok(name) => gone.push(name.to_string()),
            Err(error) => return Err(error),
        }
    }
    for name in gone {
        if let Ok(mut reference) = repository.find_reference(&name) {
            reference.delete()?;
        }
    }
    Ok(())
}

/// Branches and tags of an advertisement. `refs/tags/v1^{}` is what the annotated tag `v1` points at.
fn tips<'a>(heads: impl Iterator<Item = (&'a str, git2::Oid)>) -> BTreeMap<RefName, CommitId> {
    let mut tips = BTreeMap::new();
    for (name, oid) in heads {
        let (name, peeled) = match name.strip_suffix("^{}") {
            Some(name) => (name, true),
            None => (name, false),
        };
        if !name.starts_with("refs/heads/") && !name.starts_with("refs/tags/") {
            continue;
        }
        // A name that `git check-ref-format` refuses can only come from a hostile server.
        let (Ok(name), Ok(id)) = (RefName::new(name), CommitId::new(oid.to_string())) else { continue };
        if peeled {
            tips.insert(name, id);
        } else {
            tips.entry(name).or_insert(id);
        }
    }
    tips
}

fn proxy<'a>() -> ProxyOptions<'a> {
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    proxy
}

fn accept_local_path(url: &RemoteUrl, doing: &'static str) -> Result<(), FetchError> {
    let Some(path) = url.local_path() else { return Ok(()) };
    let failed = |why: String| FetchError::Other { doing, url: url.to_string(), why };
    if !path.exists() {
        return Err(FetchError::NotFound { doing, url: url.to_string(), why: "the folder does not exist".into() });
    }
    let resolved = path.canonicalize().map_err(|error| failed(error.to_string()))?;
    for path in [path.join(".git"), resolved.join(".git"), resolved, path] {
        libgit2::accept_any_owner(&path).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}
