//! The files of one commit, read from its mirror.

use super::MirrorError;
use super::libgit2;
use super::mirror::Mirror;
use crate::model::budgets;
use crate::model::{CommitId, Entry, EntryKind, RepoPath, Tree, TreeError, TreeSource};
use git2::{ErrorCode, ObjectType, Oid, Repository};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A commit's files. Cheap to clone, and may be read from many threads at once.
#[derive(Clone)]
pub struct GitTree {
    inner: Arc<Inner>,
}

struct Inner {
    mirror: Arc<Mirror>,
    commit: CommitId,
    root: Oid,
    time: i64,
    /// Submodules that were brought along, by where they lie.
    modules: BTreeMap<RepoPath, GitTree>,
}

/// What libgit2 gave, or why a tree cannot be used as it is.
enum Failure {
    Git(git2::Error),
    Tree(TreeError),
}

impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        Failure::Git(error)
    }
}

impl GitTree {
    pub(super) fn open(mirror: Arc<Mirror>, commit: &CommitId) -> Result<Self, MirrorError> {
        let oid = mirror.oid(commit)?;
        if !mirror.exists() {
            return Err(mirror.unknown(commit));
        }
        let found = mirror.read(|repository| match repository.find_commit(oid) {
            Ok(found) => Ok(Some((found.tree_id(), found.time().seconds()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        })?;
        let (root, time) = found.ok_or_else(|| mirror.unknown(commit))?;
        let inner = Inner { mirror, commit: commit.clone(), root, time, modules: BTreeMap::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same commit with submodules in their places.
    pub(super) fn with_modules(&self, modules: BTreeMap<RepoPath, GitTree>) -> Self {
        let Inner { mirror, commit, root, time, .. } = &*self.inner;
        let (mirror, commit) = (Arc::clone(mirror), commit.clone());
        Self { inner: Arc::new(Inner { mirror, commit, root: *root, time: *time, modules }) }
    }

    /// The commit whose files these are.
    pub fn commit(&self) -> &CommitId {
        &self.inner.commit
    }

    fn git<T>(&self, path: &RepoPath, work: impl FnOnce(&Repository) -> Result<T, Failure>) -> Result<T, TreeError> {
        let mut refused = None;
        let result = self.inner.mirror.read(|repository| match work(repository) {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Git(error)) => Err(error),
            Err(Failure::Tree(error)) => {
                refused = Some(error);
                Ok(None)
            }
        });
        match (result, refused) {
            (Ok(Some(value)), _) => Ok(value),
            (Ok(None), Some(error)) => Err(error),
            (Ok(None), None) => Err(TreeError::NotFound(path.clone())),
            (Err(error), _) => Err(TreeError::Read { path: path.clone(), message: error.to_string() }),
        }
    }

    /// The submodule in which `path` lies, and the path there.
    fn module_of(&self, path: &RepoPath) -> Option<(&RepoPath, &GitTree, RepoPath)> {
        self.inner.modules.iter().find_map(|(at, tree)| {
            let inside = path.relative_to(at)?;
            Some((at, tree, RepoPath::new(inside).ok()?))
        })
    }

    /// Ids say "equal content". A folder that holds a submodule has the same id in git whether the submodule was
    /// brought along or not, so here it gets one of its own.
    fn id_with_modules(&self, path: &RepoPath, id: Oid) -> Result<String, TreeError> {
        let mut text = String::new();
        for (at, module) in &self.inner.modules {
            if at.relative_to(path).is_some() {
                let entry = module.entry(&RepoPath::root())?.map(|entry| entry.id).unwrap_or_default();
                text.push_str(&format!("{at}\0{entry}\0"));
            }
        }
        if text.is_empty() {
            return Ok(id.to_string());
        }
        text.push_str(&id.to_string());
        let read = |error: git2::Error| TreeError::Read { path: path.clone(), message: error.message().to_string() };
        Ok(Oid::hash_object(ObjectType::Blob, text.as_bytes()).map_err(read)?.to_string())
    }

    /// Kind and id at `path` in this commit's own tree.
    fn look_up(&self, path: &RepoPath) -> Result<Option<(EntryKind, Oid)>, TreeError> {
        if path.is_root() {
            return Ok(Some((EntryKind::Directory, self.inner.root)));
        }
        check_path(path)?;
        self.git(path, |repository| {
            let mut folder = self.inner.root;
            let mut parts = path.as_str().split('/').peekable();
            while let Some(part) = parts.next() {
                check_folder(repository, folder, path)?;
                let tree = repository.find_tree(folder)?;
                let Some(entry) = tree.get_name_bytes(part.as_bytes()) else { return Ok(None) };
                let kind = kind(entry.filemode_raw());
                match parts.peek() {
                    None => return Ok(Some((kind, entry.id()))),
                    Some(_) if kind == EntryKind::Directory => folder = entry.id(),
                    Some(_) => return Ok(None),
                }
            }
            Ok(None)
        })
    }
}

/// The files of a commit that another process named, by its own handles.
///
/// # Errors
/// Where the repository cannot be read, or does not have the commit.
pub fn open_tree(source: &TreeSource) -> Result<GitTree, MirrorError> {
    let TreeSource { repository, commit, modules } = source;
    // This process's own folder: it has nothing of the server's to write to.
    libgit2::set_up(Path::new("."));
    let tree = GitTree::open(Arc::new(Mirror::at_path(repository.clone())), commit)?;
    let modules: Result<BTreeMap<_, _>, MirrorError> =
        modules.iter().map(|(path, module)| Ok((path.clone(), open_tree(module)?))).collect();
    let modules = modules?;
    Ok(if modules.is_empty() { tree } else { tree.with_modules(modules) })
}

/// What walks a tree goes as deep into its own stack as folders lie in one another; git itself has no limit.
fn check_path(path: &RepoPath) -> Result<(), TreeError> {
    let text = path.as_str();
    let (bytes, depth) = (text.len(), text.split('/').count());
    let small = budgets::PATH_BYTES.check(bytes as u64, format_args!("a path of {bytes} bytes"));
    let small =
        small.and_then(|()| budgets::FOLDER_DEPTH.check(depth as u64, format_args!("{depth} folders in one another")));
    small.map_err(|why| {
        let shown = RepoPath::new(text.get(..text.floor_char_boundary(80)).unwrap_or_default()).unwrap_or_default();
        TreeError::TooMuch { path: shown, why }
    })
}

/// A folder is one object of git, whatever number of names it has.
fn check_folder(repository: &Repository, id: Oid, path: &RepoPath) -> Result<(), Failure> {
    let bytes = repository.odb()?.read_header(id)?.0 as u64;
    let small = budgets::FOLDER_BYTES.check(bytes, format_args!("a folder whose list has {bytes} bytes"));
    small.map_err(|why| Failure::Tree(TreeError::TooMuch { path: path.clone(), why }))
}

impl Tree for GitTree {
    fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        if let Some((_, module, inside)) = self.module_of(path) {
            let entry = module.entry(&inside)?;
            return Ok(entry.map(|entry| Entry { path: path.clone(), ..entry }));
        }
        let Some((kind, id)) = self.look_up(path)? else { return Ok(None) };
        let id = match kind {
            EntryKind::Directory => self.id_with_modules(path, id)?,
            _ => id.to_string(),
        };
        Ok(Some(Entry { path: path.clone(), kind, id }))
    }

    fn list(&self, folder: &RepoPath) -> Result<Vec<Entry>, TreeError> {
        if let Some((at, module, inside)) = self.module_of(folder) {
            let rebased = |entry: Entry| -> Result<Entry, TreeError> {
                let path = at.join(entry.path.as_str()).map_err(|error| unusable(folder, error.to_string()))?;
                Ok(Entry { path, ..entry })
            };
            return module.list(&inside)?.into_iter().map(rebased).collect();
        }
        let id = match self.look_up(folder)? {
            Some((EntryKind::Directory, id)) => id,
            Some((found, _)) => return Err(TreeError::WrongKind { path: folder.clone(), found }),
            None => return Err(TreeError::NotFound(folder.clone())),
        };
        let mut entries = self.git(folder, |repository| {
            check_folder(repository, id, folder)?;
            let tree = repository.find_tree(id)?;
            let mut entries = Vec::with_capacity(tree.len());
            for entry in &tree {
                let path = child(folder, entry.name_bytes()).map_err(Failure::Tree)?;
                entries.push(Entry { path, kind: kind(entry.filemode_raw()), id: entry.id().to_string() });
            }
            Ok(entries)
        })?;
        if !self.inner.modules.is_empty() {
            for entry in &mut entries {
                if matches!(entry.kind, EntryKind::Directory | EntryKind::Submodule)
                    && let Some(found) = self.entry(&entry.path)?
                {
                    *entry = found;
                }
            }
        }
        // git sorts folders as if their names ended in a slash.
        entries.sort_by(|a, b| a.path.file_name().cmp(b.path.file_name()));
        Ok(entries)
    }

    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError> {
        if let Some((_, module, inside)) = self.module_of(path) {
            return module.read(&inside);
        }
        match self.look_up(path)? {
            Some((EntryKind::File | EntryKind::Executable | EntryKind::Symlink, id)) => {
                self.git(path, |repository| {
                    // Before it is unpacked: a file of zeros takes next to nothing in a pack.
                    let bytes = repository.odb()?.read_header(id)?.0 as u64;
                    let small = budgets::BLOB_BYTES.check(bytes, format_args!("{bytes} bytes"));
                    small.map_err(|why| TreeError::TooMuch { path: path.clone(), why }).map_err(Failure::Tree)?;
                    Ok(repository.find_blob(id)?.content().to_vec())
                })
            }
            Some((found, _)) => Err(TreeError::WrongKind { path: path.clone(), found }),
            None => Err(TreeError::NotFound(path.clone())),
        }
    }

    fn size(&self, path: &RepoPath) -> Result<u64, TreeError> {
        if let Some((_, module, inside)) = self.module_of(path) {
            return module.size(&inside);
        }
        match self.look_up(path)? {
            Some((EntryKind::File | EntryKind::Executable | EntryKind::Symlink, id)) => {
                self.git(path, |repository| Ok(repository.odb()?.read_header(id)?.0 as u64))
            }
            Some((found, _)) => Err(TreeError::WrongKind { path: path.clone(), found }),
            None => Err(TreeError::NotFound(path.clone())),
        }
    }

    fn source(&self) -> Option<TreeSource> {
        let modules = self.inner.modules.iter();
        let modules: Option<Vec<_>> = modules.map(|(path, module)| Some((path.clone(), module.source()?))).collect();
        let Inner { mirror, commit, .. } = &*self.inner;
        Some(TreeSource { repository: mirror.path.clone(), commit: commit.clone(), modules: modules? })
    }

    fn time(&self) -> i64 {
        self.inner.time
    }
}

/// The path of a tree's entry. git's own tools never write `..` or a slash into a tree; a hostile repository may.
pub(super) fn child(folder: &RepoPath, name: &[u8]) -> Result<RepoPath, TreeError> {
    let shown = String::from_utf8_lossy(name);
    let text = std::str::from_utf8(name)
        .map_err(|_| unusable(folder, format!("it holds a file whose name is not UTF-8: {shown:?}; rename it")))?;
    let path = folder.child(text).filter(|_| !text.eq_ignore_ascii_case(".git"));
    path.ok_or_else(|| unusable(folder, format!("it holds an entry with the forbidden name {text:?}")))
}

fn unusable(path: &RepoPath, message: String) -> TreeError {
    TreeError::Read { path: path.clone(), message }
}

/// What git's modes mean (0o100664 is an old form of 0o100644).
pub(super) fn kind(mode: i32) -> EntryKind {
    match mode & 0o170_000 {
        0o040_000 => EntryKind::Directory,
        0o120_000 => EntryKind::Symlink,
        0o160_000 => EntryKind::Submodule,
        _ if mode & 0o111 != 0 => EntryKind::Executable,
        _ => EntryKind::File,
    }
}
