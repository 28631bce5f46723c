//! A folder on this machine, read as it would be committed.

use super::commit_tree::child;
use super::libgit2;
use crate::model::{Entry, EntryKind, RepoPath, Tree, TreeError};
use git2::{ObjectType, Oid, Repository, RepositoryOpenFlags};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A git working copy: what git ignores does not count, what is new and not ignored does. A folder that is no
/// repository is taken as it stands, without `.git`. Ids are those that git would give. Files are looked at once: the
/// folder is not expected to change while it is read.
pub struct WorkingCopy {
    root: PathBuf,
    git: Option<Mutex<Git>>,
    time: i64,
    /// Listings with their ids, by folder.
    listed: Mutex<BTreeMap<RepoPath, Vec<Entry>>>,
}

struct Git {
    repository: Repository,
    /// Where `root` lies in the repository's working folder.
    prefix: PathBuf,
    /// Files that git already knows count even where a pattern ignores them; relative to the working folder.
    tracked: HashMap<Vec<u8>, Tracked>,
    tracked_folders: HashSet<Vec<u8>>,
    submodules: HashSet<Vec<u8>>,
    /// Seconds and nanoseconds.
    index_written: (i64, u32),
}

/// What git's index says of a file, and how the file looked then.
struct Tracked {
    id: Oid,
    size: u32,
    /// Seconds and nanoseconds.
    modified: (i64, u32),
}

impl WorkingCopy {
    /// Reads the folder as it would be committed: without what git ignores, and all of it where there is no git.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let root = folder.canonicalize().with_context(|| format!("reading {}", folder.display()))?;
        anyhow::ensure!(root.is_dir(), "{} is not a folder", folder.display());
        // Read only, and named by the person who asks: who owns it does not matter.
        for path in root.ancestors() {
            libgit2::accept_any_owner(path).context("writing libgit2's settings")?;
        }
        let found = Repository::open_ext(&root, RepositoryOpenFlags::CROSS_FS, &[] as &[&Path]);
        let git = match found {
            Ok(repository) => {
                Git::new(repository, &root).with_context(|| format!("reading the git index of {}", root.display()))?
            }
            Err(error) if error.code() == git2::ErrorCode::NotFound => None,
            Err(error) => anyhow::bail!("opening the git repository at {}: {}", root.display(), error.message()),
        };
        let head_time = |git: &Git| Some(git.repository.head().ok()?.peel_to_commit().ok()?.time().seconds());
        let time = git.as_ref().and_then(head_time).unwrap_or(0);
        Ok(Self { root, git: git.map(Mutex::new), time, listed: Mutex::default() })
    }

    fn on_disk(&self, path: &RepoPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    fn failed(&self, path: &RepoPath, error: impl std::fmt::Display) -> TreeError {
        TreeError::Read { path: path.clone(), message: error.to_string() }
    }

    fn counts(&self, path: &RepoPath, is_folder: bool) -> Result<bool, TreeError> {
        let Some(git) = &self.git else { return Ok(true) };
        let git = git.lock().unwrap_or_else(PoisonError::into_inner);
        git.counts(path, is_folder).map_err(|error| self.failed(path, error.message()))
    }

    /// The entry for what lies on disk at `path`; `None` where it would not be committed.
    fn look_at(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        let disk = self.on_disk(path);
        let about = match std::fs::symlink_metadata(&disk) {
            Ok(about) => about,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(self.failed(path, error)),
        };
        let entry = |kind, id: String| Ok(Some(Entry { path: path.clone(), kind, id }));
        if !path.is_root() && !self.counts(path, about.is_dir())? {
            return Ok(None);
        }
        if about.is_dir() {
            if let Some(id) = self.submodule(path) {
                return entry(EntryKind::Submodule, id);
            }
            let listing = self.list_known(path)?;
            // git knows no empty folders.
            if listing.is_empty() && self.git.is_some() && !path.is_root() {
                return Ok(None);
            }
            let id = tree_id(&listing).map_err(|error| self.failed(path, error.message()))?;
            return entry(EntryKind::Directory, id);
        }
        let blob = |bytes: &[u8]| Oid::hash_object(ObjectType::Blob, bytes).map(|id| id.to_string());
        if about.is_symlink() {
            let target = std::fs::read_link(&disk).map_err(|error| self.failed(path, error))?;
            let id = blob(target.as_os_str().as_bytes()).map_err(|error| self.failed(path, error.message()))?;
            return entry(EntryKind::Symlink, id);
        }
        if !about.is_file() {
            // Sockets, pipes and devices are never committed.
            return Ok(None);
        }
        let id = match self.unchanged(path, &about) {
            Some(id) => id,
            None => Oid::hash_file(ObjectType::Blob, &disk).map_err(|error| self.failed(path, error.message()))?,
        };
        let is_executable = about.permissions().mode() & 0o100 != 0;
        entry(if is_executable { EntryKind::Executable } else { EntryKind::File }, id.to_string())
    }

    /// The id that the index has, where the file still looks as it did then: saves reading it.
    fn unchanged(&self, path: &RepoPath, about: &std::fs::Metadata) -> Option<Oid> {
        let git = self.git.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let known = git.tracked.get(git.prefix.join(path.as_str()).as_os_str().as_bytes())?;
        let modified = (about.mtime(), u32::try_from(about.mtime_nsec()).ok()?);
        let is_same = known.modified == modified && u64::from(known.size) == about.len();
        // A file written in the same moment as the index may have been changed after it (git's "racy" files).
        (is_same && modified < git.index_written).then_some(known.id)
    }

    /// The commit of a repository within the repository: git commits a reference to it, not its files.
    fn submodule(&self, path: &RepoPath) -> Option<String> {
        let git = self.git.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = self.on_disk(path);
        let is_known = git.submodules.contains(git.prefix.join(path.as_str()).as_os_str().as_bytes());
        if path.is_root() || !(is_known || disk.join(".git").exists()) {
            return None;
        }
        let head = Repository::open(&disk).ok().and_then(|inner| Some(inner.head().ok()?.target()?.to_string()));
        head.or_else(|| is_known.then(|| Oid::ZERO_SHA1.to_string()))
    }

    fn list_known(&self, folder: &RepoPath) -> Result<Vec<Entry>, TreeError> {
        if let Some(known) = self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return Ok(known.clone());
        }
        let mut entries = Vec::new();
        for found in std::fs::read_dir(self.on_disk(folder)).map_err(|error| self.failed(folder, error))? {
            let found = found.map_err(|error| self.failed(folder, error))?;
            let name = found.file_name();
            if name == ".git" {
                continue;
            }
            let path = match child(folder, name.as_bytes()) {
                Ok(path) => path,
                Err(error) => {
                    // Only a file that counts may fail the whole.
                    let shown = folder.join(&name.to_string_lossy()).map_err(|_| error)?;
                    if self.counts(&shown, false)? {
                        return Err(self
                            .failed(folder, format!("it holds a file whose name is not UTF-8: {name:?}; rename it")));
                    }
                    continue;
                }
            };
            entries.extend(self.look_at(&path)?);
        }
        entries.sort_by(|a, b| a.path.file_name().cmp(b.path.file_name()));
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.clone(), entries.clone());
        Ok(entries)
    }

    /// Whether every folder above `path` is a folder (and no symlink), and would be committed.
    fn is_reachable(&self, path: &RepoPath) -> Result<bool, TreeError> {
        let mut above = path.parent();
        while !above.is_root() {
            let is_folder = std::fs::symlink_metadata(self.on_disk(&above)).is_ok_and(|about| about.is_dir());
            if !is_folder || !self.counts(&above, true)? || self.submodule(&above).is_some() {
                return Ok(false);
            }
            above = above.parent();
        }
        Ok(path.as_str().split('/').all(|part| part != ".git"))
    }
}

impl Tree for WorkingCopy {
    fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        if !self.is_reachable(path)? {
            return Ok(None);
        }
        self.look_at(path)
    }

    fn list(&self, folder: &RepoPath) -> Result<Vec<Entry>, TreeError> {
        match self.entry(folder)? {
            Some(Entry { kind: EntryKind::Directory, .. }) => self.list_known(folder),
            Some(Entry { kind, .. }) => Err(TreeError::WrongKind { path: folder.clone(), found: kind }),
            None => Err(TreeError::NotFound(folder.clone())),
        }
    }

    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError> {
        let disk = self.on_disk(path);
        let bytes = match self.entry(path)? {
            Some(Entry { kind: EntryKind::Symlink, .. }) => {
                std::fs::read_link(&disk).map(|target| target.as_os_str().as_bytes().to_vec())
            }
            Some(Entry { kind: EntryKind::File | EntryKind::Executable, .. }) => std::fs::read(&disk),
            Some(Entry { kind, .. }) => return Err(TreeError::WrongKind { path: path.clone(), found: kind }),
            None => return Err(TreeError::NotFound(path.clone())),
        };
        bytes.map_err(|error| self.failed(path, error))
    }

    fn size(&self, path: &RepoPath) -> Result<u64, TreeError> {
        if self.entry(path)?.is_none() {
            return Err(TreeError::NotFound(path.clone()));
        }
        let about = std::fs::symlink_metadata(self.on_disk(path)).map_err(|error| self.failed(path, error))?;
        Ok(about.len())
    }

    fn time(&self) -> i64 {
        self.time
    }
}

impl Git {
    fn new(repository: Repository, root: &Path) -> Result<Option<Self>, git2::Error> {
        let Some(work) = repository.workdir().and_then(|work| work.canonicalize().ok()) else { return Ok(None) };
        let Ok(prefix) = root.strip_prefix(&work) else { return Ok(None) };
        let prefix = prefix.to_path_buf();
        let (mut tracked, mut tracked_folders, mut submodules) = (HashMap::new(), HashSet::new(), HashSet::new());
        let index = repository.index()?;
        let about = index.path().and_then(|path| std::fs::metadata(path).ok());
        let index_written = about.map(|about| (about.mtime(), u32::try_from(about.mtime_nsec()).unwrap_or(0)));
        for entry in index.iter() {
            let mut above = Path::new(std::ffi::OsStr::from_bytes(&entry.path)).parent();
            while let Some(folder) = above.filter(|folder| !folder.as_os_str().is_empty()) {
                tracked_folders.insert(folder.as_os_str().as_bytes().to_vec());
                above = folder.parent();
            }
            if entry.mode & 0o170_000 == 0o160_000 {
                submodules.insert(entry.path.clone());
            }
            let modified = (i64::from(entry.mtime.seconds()), entry.mtime.nanoseconds());
            tracked.insert(entry.path, Tracked { id: entry.id, size: entry.file_size, modified });
        }
        let index_written = index_written.unwrap_or_default();
        // A repository around this folder that ignores it as a whole (a home folder under git, say) is not its own.
        let git = Self { repository, prefix, tracked, tracked_folders, submodules, index_written };
        let is_ignored = !git.prefix.as_os_str().is_empty() && !git.counts(&RepoPath::root(), true)?;
        Ok((!is_ignored).then_some(git))
    }

    fn counts(&self, path: &RepoPath, is_folder: bool) -> Result<bool, git2::Error> {
        let mut full = if path.is_root() { self.prefix.clone() } else { self.prefix.join(path.as_str()) };
        let bytes = full.as_os_str().as_bytes();
        if self.tracked.contains_key(bytes) || (is_folder && self.tracked_folders.contains(bytes)) {
            return Ok(true);
        }
        if is_folder {
            // With the slash, patterns for folders only (`build/`) match.
            full.push("");
        }
        Ok(!self.repository.status_should_ignore(&full)?)
    }
}

/// git's id of a tree with these entries.
fn tree_id(entries: &[Entry]) -> Result<String, git2::Error> {
    let mut sorted: Vec<(Vec<u8>, &Entry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut key = entry.path.file_name().as_bytes().to_vec();
        if entry.kind == EntryKind::Directory {
            key.push(b'/');
        }
        sorted.push((key, entry));
    }
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut bytes = Vec::new();
    for (_, entry) in sorted {
        let mode = match entry.kind {
            EntryKind::File => "100644",
            EntryKind::Executable => "100755",
            EntryKind::Symlink => "120000",
            EntryKind::Directory => "40000",
            EntryKind::Submodule => "160000",
        };
        bytes.extend(format!("{mode} {}\0", entry.path.file_name()).into_bytes());
        bytes.extend(Oid::from_str(&entry.id)?.as_bytes());
    }
    Ok(Oid::hash_object(ObjectType::Tree, &bytes)?.to_string())
}
