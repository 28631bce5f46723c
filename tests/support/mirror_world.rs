//! A folder of mirrors, and a project that is fetched into it.

use launchway::model::{CommitId, GitCredentials, ProjectName, RefName, RepoPath, Secret};
use launchway::source::{FetchError, FetchRequest, Fetched, Mirrors, Patience, Remote, RemoteUrl, WantedRefs};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub struct World {
    pub mirrors: Mirrors,
    pub project: ProjectName,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            mirrors: Mirrors::new(folder.path().join("mirrors"), env!("CARGO_BIN_EXE_launchway").into()),
            project: ProjectName::new("shop").unwrap(),
            folder,
        }
    }

    pub async fn fetch_refs(
        &self,
        remote: Remote,
        refs: WantedRefs,
        patience: Patience,
    ) -> Result<Fetched, FetchError> {
        let project = self.project.clone();
        self.mirrors.fetch(FetchRequest { project, remote, refs, patience, progress: None }).await
    }

    pub async fn fetch(&self, remote: Remote) -> Result<Fetched, FetchError> {
        self.fetch_refs(remote, WantedRefs::Exactly(vec![main()]), patience()).await
    }

    pub fn tip(&self, name: &str) -> Option<CommitId> {
        self.mirrors.tip(&self.project, &RefName::new(name).unwrap()).unwrap()
    }

    pub fn packs(&self) -> usize {
        let packs = self.folder.path().join("mirrors/shop.git/objects/pack");
        std::fs::read_dir(packs)
            .unwrap()
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|x| x == "pack"))
            .count()
    }
}

pub fn main() -> RefName {
    RefName::new("refs/heads/main").unwrap()
}

pub fn patience() -> Patience {
    Patience::new(CancellationToken::new(), Duration::from_secs(30))
}

pub fn at(path: &Path) -> Remote {
    remote(&path.display().to_string(), GitCredentials::default())
}

pub fn remote(url: &str, credentials: GitCredentials) -> Remote {
    Remote { url: RemoteUrl::parse(url, false).unwrap(), credentials }
}

pub fn with_token(token: &str) -> GitCredentials {
    GitCredentials { token: Some(Secret::new(token)), ..GitCredentials::default() }
}

pub fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}
