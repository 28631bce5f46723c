//! What a process does that fetches: refs of a remote, into a mirror.

use super::connection::{Connection, Progress};
use super::libgit2::{self, Stop};
use super::mirror::{Mirror, remove_leftovers};
use super::remote_heads::{Heads, heads};
use super::{FetchError, RemoteUrl, one_commit, sizes, unchecked};
use crate::model::budgets::TooMuch;
use crate::model::{CommitId, GitCredentials, RefName};
use git2::{
    AutotagOption, Direction, FetchOptions, FetchPrune, ObjectFormat, Oid, ProxyOptions, RemoteRedirect, Repository,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A repository, and how to get in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remote {
    pub url: RemoteUrl,
    pub credentials: GitCredentials,
}

/// Which refs a fetch brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WantedRefs {
    /// These and no others.
    Exactly(Vec<RefName>),
    BranchesAndTags,
    /// One commit by its id, though no branch or tag leads to it (any more): most hosts give whatever they have. It is kept.
    Commit(CommitId),
}

/// What a fetch found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Where the wanted refs are now: the commits, annotated tags peeled.
    pub tips: BTreeMap<RefName, CommitId>,
    /// Wanted, but not there (any more).
    pub missing: Vec<RefName>,
    pub received_objects: usize,
    pub received_bytes: usize,
}

pub(super) const FETCHING: &str = "fetching";
pub(super) const ASKING: &str = "asking for the branches of";

/// The tips of a remote's branches and tags, and refs that are ignored.
pub(super) fn tips_of(remote: Remote, stop: &Stop) -> Result<(BTreeMap<RefName, CommitId>, Vec<String>), FetchError> {
    accept_local_path(&remote.url, ASKING)?;
    let connection = Connection::new(remote.url, remote.credentials, ASKING);
    let mut git = git2::Remote::create_detached(connection.url.as_str()).map_err(|e| connection.error(e))?;
    let open = git
        .connect_auth(Direction::Fetch, Some(connection.callbacks(stop, u64::MAX, None)), Some(proxy()))
        .map_err(|error| connection.error(error))?;
    let Heads { known, ignored } = heads(&open).map_err(|error| connection.error(error))?;
    let tips = tips(known.iter().map(|(name, oid)| (name.as_str(), *oid)));
    sizes::REFS
        .check(tips.len() as u64, format_args!("{} branches and tags", tips.len()))
        .map_err(|why| FetchError::TooLarge { doing: ASKING, url: connection.url.to_string(), why: why.to_string() })?;
    Ok((tips, ignored))
}

/// Fetches into a mirror. The second part: refs that are ignored.
pub(super) fn bring(
    mirror: &Mirror,
    remote: Remote,
    refs: &WantedRefs,
    most_bytes: u64,
    stop: &Stop,
    progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
) -> Result<(Fetched, Vec<String>), FetchError> {
    accept_local_path(&remote.url, FETCHING)?;
    let connection = Connection::new(remote.url, remote.credentials, FETCHING);
    let other = |why: String| FetchError::Other { doing: FETCHING, url: connection.url.to_string(), why };
    let repository = mirror.open_or_create().map_err(other)?;
    remove_leftovers(&mirror.path);
    unchecked::begin(&mirror.path).map_err(|error| other(error.to_string()))?;
    let fetched = fetch_refs(&repository, &connection, refs, most_bytes, stop, progress)?;
    unchecked::end(&mirror.path).map_err(|error| other(error.to_string()))?;
    Ok(fetched)
}

fn fetch_refs(
    repository: &Repository,
    connection: &Connection,
    refs: &WantedRefs,
    most_bytes: u64,
    stop: &Stop,
    progress: Option<&(dyn Fn(Progress) + Send + Sync)>,
) -> Result<(Fetched, Vec<String>), FetchError> {
    let failed = |error| connection.error(error);
    let mut remote = repository.remote_anonymous(connection.url.as_str()).map_err(failed)?;
    let mut open = remote
        .connect_auth(Direction::Fetch, Some(connection.callbacks(stop, most_bytes, None)), Some(proxy()))
        .map_err(failed)?;
    if open.remote().object_format().is_ok_and(|format| format != ObjectFormat::Sha1) {
        return Err(FetchError::ObjectFormat { doing: connection.doing, url: connection.url.to_string() });
    }
    let Heads { known, ignored } = heads(&open).map_err(failed)?;
    let all = tips(known.iter().map(|(name, oid)| (name.as_str(), *oid)));
    let (wanted, missing): (Vec<RefName>, Vec<RefName>) = match refs {
        WantedRefs::Exactly(refs) => refs.iter().cloned().partition(|name| all.contains_key(name)),
        WantedRefs::BranchesAndTags => (all.keys().cloned().collect(), Vec::new()),
        WantedRefs::Commit(_) => (Vec::new(), Vec::new()),
    };
    // Before the fetch, because `refs/heads/a` in our way would make `refs/heads/a/b` impossible.
    remove_gone(repository, &known).map_err(failed)?;
    let mut fetched = Fetched { missing, ..Fetched::default() };
    // Where each of our refs is to point once what came has been looked at.
    let mut ends: Vec<(String, Oid)> =
        known.iter().filter(|(name, _)| wanted.iter().any(|wanted| wanted.as_str() == name)).cloned().collect();
    let mut specs: Vec<String> = ends.iter().map(|(name, _)| format!("+{name}:{name}")).collect();
    if let WantedRefs::Commit(commit) = refs {
        let name = format!("refs/launchway/commits/{commit}");
        match connection.url.local_path() {
            Some(path) => one_commit::copy(&path, repository, commit, stop).map_err(failed)?,
            None => specs.push(format!("+{commit}:{name}")),
        }
        ends.push((name, Oid::from_str(commit.as_str()).map_err(failed)?));
    }
    if !specs.is_empty() {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(connection.callbacks(stop, most_bytes, progress))
            .proxy_options(proxy())
            .prune(FetchPrune::Off)
            .update_fetchhead(false)
            .download_tags(AutotagOption::None)
            .follow_redirects(RemoteRedirect::Initial);
        open.remote().download(&specs, Some(&mut options)).map_err(failed)?;
        let stats = open.remote().stats();
        (fetched.received_objects, fetched.received_bytes) = (stats.received_objects(), stats.received_bytes());
    }
    if stop.is_asked() {
        return Err(FetchError::Cancelled { doing: connection.doing, url: connection.url.to_string() });
    }
    // libgit2's transport for paths brings what all refs lead to.
    let come = if connection.url.local_path().is_some() { &known } else { &ends };
    let new: Vec<Oid> = come.iter().chain(&ends).map(|(_, end)| *end).collect();
    let too_large = |why: TooMuch| FetchError::TooLarge {
        doing: connection.doing,
        url: connection.url.to_string(),
        why: why.to_string(),
    };
    sizes::check(repository, &new).map_err(failed)?.map_err(too_large)?;
    for (name, end) in &ends {
        repository.reference(name, *end, true, "fetched").map_err(failed)?;
    }
    for name in wanted {
        if let Some(tip) = super::history::tip_in(repository, &name).map_err(failed)? {
            fetched.tips.insert(name, tip);
        }
    }
    Ok((fetched, ignored))
}

/// Removes branches and tags of the mirror that the remote no longer has. Kept commits stay.
fn remove_gone(repository: &Repository, heads: &[(String, Oid)]) -> Result<(), git2::Error> {
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
fn tips<'a>(heads: impl Iterator<Item = (&'a str, Oid)>) -> BTreeMap<RefName, CommitId> {
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
