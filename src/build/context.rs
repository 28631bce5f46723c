//! What of the commit goes into a build.

use super::dockerignore::{Dockerignore, FolderMatch};
use super::{BuildError, lfs};
use crate::model::budgets;
use crate::model::{BuildSpec, Entry, EntryKind, RepoPath, Tree, Walked, follow};
use sha2::{Digest, Sha256};

/// One thing in a build context, in the order in which BuildKit wants them: by name, folders before what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextEntry {
    /// Relative to the context, `/`-separated.
    pub path: String,
    /// Where it lies in the repository.
    pub source: RepoPath,
    pub kind: EntryKind,
    /// git's id; empty for folders, which are what is in them.
    pub id: String,
}

/// The folder of a build with its ignore file.
pub struct Context {
    pub root: RepoPath,
    /// git's id of the whole folder, before anything is ignored.
    pub tree_id: String,
    pub ignore: Dockerignore,
    /// SHA-256 of the ignore file.
    pub ignore_digest: [u8; 32],
}

/// The Dockerfile of a build.
pub struct Dockerfile {
    /// For messages, and the name under which BuildKit sees it.
    pub name: String,
    pub text: Vec<u8>,
}

impl Context {
    /// The context of `spec`. `<Dockerfile>.dockerignore` beside the Dockerfile counts before the context's own.
    pub fn of(tree: &dyn Tree, spec: &BuildSpec) -> Result<Self, BuildError> {
        let beside = match &spec.dockerfile_inline {
            Some(_) => None,
            None => Some(RepoPath::new(&format!("{}.dockerignore", spec.dockerfile.as_str()))).and_then(Result::ok),
        };
        Self::open(tree, &spec.context, beside)
    }

    /// A folder of the repository as a further context: only its own ignore file counts.
    pub fn additional(tree: &dyn Tree, folder: &RepoPath) -> Result<Self, BuildError> {
        Self::open(tree, folder, None)
    }

    fn open(tree: &dyn Tree, folder: &RepoPath, ignore: Option<RepoPath>) -> Result<Self, BuildError> {
        let found = follow(tree, folder)?.filter(|entry| entry.kind == EntryKind::Directory);
        let Some(Entry { path: root, id: tree_id, .. }) = found else {
            return Err(BuildError::NoContext(folder.clone()));
        };
        let own = root.join(".dockerignore").ok();
        for file in [ignore, own].into_iter().flatten() {
            if let Some(entry) = follow(tree, &file)?.filter(|entry| is_file(entry.kind)) {
                let text = String::from_utf8_lossy(&tree.read_small(&entry.path, &budgets::FILE_BYTES)?).into_owned();
                let ignore = Dockerignore::parse(&text).map_err(|problem| BuildError::Ignore { file, problem })?;
                let ignore_digest = Sha256::digest(text.as_bytes()).into();
                return Ok(Self { root, tree_id, ignore, ignore_digest });
            }
        }
        Ok(Self { root, tree_id, ignore: Dockerignore::default(), ignore_digest: [0; 32] })
    }

    /// Everything that is sent, after the ignore file. Symlinks stay symlinks wherever they point; a submodule that was
    /// not brought along is an empty folder, as git leaves it.
    pub fn listing(&self, tree: &dyn Tree) -> Result<Vec<ContextEntry>, BuildError> {
        let mut found = Vec::new();
        self.walk(tree, &self.root, &FolderMatch::default(), &mut found, &mut Walked::default())?;
        Ok(found)
    }

    fn walk(
        &self,
        tree: &dyn Tree,
        folder: &RepoPath,
        above: &FolderMatch,
        found: &mut Vec<ContextEntry>,
        walked: &mut Walked,
    ) -> Result<(), BuildError> {
        let entries = tree.list(folder)?;
        walked.more(folder, entries.len())?;
        for Entry { path: source, kind, id } in entries {
            let path = source.relative_to(&self.root).unwrap_or_default().to_string();
            let (ignored, matched) = self.ignore.is_ignored(&path, above);
            let is_folder = matches!(kind, EntryKind::Directory | EntryKind::Submodule);
            if !is_folder {
                if !ignored {
                    found.push(ContextEntry { path, source, kind, id });
                }
                continue;
            }
            if ignored && !self.ignore.may_except_below(&path) {
                continue;
            }
            let before = found.len();
            let entry = ContextEntry { path, source: source.clone(), kind, id: String::new() };
            found.push(entry);
            if kind == EntryKind::Directory {
                self.walk(tree, &source, &matched, found, walked)?;
            }
            // An ignored folder is there only for the sake of what an exception brought back from it.
            if ignored && found.len() == before + 1 {
                found.pop();
            }
        }
        Ok(())
    }
}

impl Dockerfile {
    /// The files of a build, without those that its ignore file leaves out.
    ///
    /// # Errors
    /// A folder or Dockerfile that is not there, or cannot be read.
    pub fn of(tree: &dyn Tree, spec: &BuildSpec) -> Result<Self, BuildError> {
        if let Some(text) = &spec.dockerfile_inline {
            return Ok(Self { name: "Dockerfile".to_string(), text: text.clone().into_bytes() });
        }
        let entry = Self::entry(tree, spec)?;
        lfs::refuse_pointer(tree, &entry.path, tree.size(&entry.path)?)?;
        Ok(Self {
            name: spec.dockerfile.file_name().to_string(),
            text: tree.read_small(&entry.path, &budgets::FILE_BYTES)?,
        })
    }

    /// Where the Dockerfile lies, symlinks followed.
    pub(super) fn entry(tree: &dyn Tree, spec: &BuildSpec) -> Result<Entry, BuildError> {
        follow(tree, &spec.dockerfile)?.filter(|entry| is_file(entry.kind)).ok_or_else(|| {
            BuildError::MissingDockerfile { dockerfile: spec.dockerfile.clone(), context: spec.context.clone() }
        })
    }
}

/// The Dockerfile of `spec`, as text.
pub fn dockerfile_text(tree: &dyn Tree, spec: &BuildSpec) -> Result<String, BuildError> {
    Ok(String::from_utf8_lossy(&Dockerfile::of(tree, spec)?.text).into_owned())
}

/// What is sent for a build, after its ignore file.
pub fn listing(tree: &dyn Tree, spec: &BuildSpec) -> Result<Vec<ContextEntry>, BuildError> {
    Context::of(tree, spec)?.listing(tree)
}

fn is_file(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::File | EntryKind::Executable)
}
