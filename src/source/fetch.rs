//! Bringing a project's refs into its mirror.

use super::bring::{ASKING, FETCHING, Fetched, Remote, WantedRefs};
use super::connection::{Progress, more_than_may_be};
use super::fetcher::{Brought, Errand, Fetcher, What};
use super::libgit2::Patience;
use super::mirror::{Mirror, remove_leftovers};
use super::{FetchError, Mirrors, rebuild, sizes};
use crate::model::{CommitId, ProjectName, RefName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be fetched, and how long it may take.
pub struct FetchRequest {
    pub project: ProjectName,
    pub remote: Remote,
    pub refs: WantedRefs,
    pub patience: Patience,
    /// Called many times a second.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Mirrors {
    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher { program: self.program() }
    }

    /// Fetches what is new of the wanted refs; a force-push is simply the new tip, and refs that the remote no longer
    /// has are removed. One fetch at a time for each mirror: a second one waits for the first.
    pub async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let mirror = self.mirror(request.project.as_str());
        self.fetch_into(mirror, request.remote, request.refs, &request.patience, request.progress).await
    }

    /// The tips of all branches and tags as the remote has them now, without fetching: annotated tags peeled.
    pub async fn remote_tips(
        &self,
        remote: Remote,
        patience: &Patience,
    ) -> Result<BTreeMap<RefName, CommitId>, FetchError> {
        let url = remote.url.to_string();
        let errand = Errand { most_memory: patience.most.memory_bytes, what: What::Tips { remote } };
        match self.fetcher().send(&self.errands_of(&url), errand, (ASKING, &url), patience, None).await? {
            Brought::Tips(tips) => Ok(tips),
            _ => Err(said_something_else(ASKING, url)),
        }
    }

    pub(super) async fn fetch_into(
        &self,
        mirror: Arc<Mirror>,
        remote: Remote,
        refs: WantedRefs,
        patience: &Patience,
        progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    ) -> Result<Fetched, FetchError> {
        let url = remote.url.to_string();
        let writing = Arc::clone(&mirror.writing).lock_owned();
        let writing = patience.wait(writing).await.map_err(|impatience| impatience.error(FETCHING, &url))?;
        let used = sizes::of_project(self.folder(), &mirror.name);
        let Some(most_bytes) = patience.most.repository_bytes.checked_sub(used) else {
            return Err(FetchError::TooLarge { doing: FETCHING, url, why: more_than_may_be() });
        };
        let what = What::Fetch { mirror: mirror.path.clone(), remote, refs, most_bytes };
        let errand = Errand { most_memory: patience.most.memory_bytes, what };
        let folder = self.errands_of(&mirror.name);
        let sent = self.fetcher().send(&folder, errand, (FETCHING, &url), patience, progress.as_deref()).await;
        if sent.is_err() {
            remove_leftovers(&mirror.path);
        }
        let Brought::Fetched(fetched) = sent? else { return Err(said_something_else(FETCHING, url)) };
        self.rebuild_if_scattered(&mirror, patience).await;
        drop(writing);
        Ok(fetched)
    }

    /// Rebuilds a mirror that has gathered too many packs. The caller holds its lock.
    async fn rebuild_if_scattered(&self, mirror: &Mirror, patience: &Patience) {
        if !rebuild::is_scattered(mirror) {
            return;
        }
        let rebuilt = async {
            let to = rebuild::room_for_new(mirror)?;
            let what = What::WriteAnew { mirror: mirror.path.clone(), to: to.clone() };
            let errand = Errand { most_memory: patience.most.memory_bytes, what };
            let folder = self.errands_of(&mirror.name);
            let shown = mirror.path.display().to_string();
            self.fetcher().send(&folder, errand, ("repacking", &shown), patience, None).await?;
            rebuild::exchange(mirror, &to)
        };
        let rebuilt: anyhow::Result<()> = rebuilt.await;
        if let Err(error) = rebuilt {
            // What was fetched is there; only the next reads are slower than they could be.
            tracing::warn!(mirror = %mirror.path.display(), %error, "the mirror could not be repacked");
        }
    }
}

fn said_something_else(doing: &'static str, url: String) -> FetchError {
    FetchError::Other { doing, url, why: "the process that fetches answered something else than it was asked".into() }
}
