//! A tree of a few files, for tests.

use crate::model::{Entry, EntryKind, RepoPath, Tree, TreeError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Files by path; folders are there because files lie in them.
#[derive(Default)]
pub struct MemoryTree {
    files: BTreeMap<String, (EntryKind, Vec<u8>)>,
}

impl MemoryTree {
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add(path, text.as_bytes());
        }
        tree
    }
    pub fn add(&mut self, path: &str, bytes: &[u8]) {
        self.files.insert(path.to_string(), (EntryKind::File, bytes.to_vec()));
    }
    /// One that was not brought along.
    pub fn submodule(&mut self, path: &str) {
        self.files.insert(path.to_string(), (EntryKind::Submodule, Vec::new()));
    }
    pub fn link(&mut self, path: &str, target: &str) {
        self.files.insert(path.to_string(), (EntryKind::Symlink, target.as_bytes().to_vec()));
    }
}

fn id(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))[..40].to_string()
}

impl Tree for MemoryTree {
    fn entry(&self, path: &RepoPath) -> Result<Option<Entry>, TreeError> {
        if let Some((kind, bytes)) = self.files.get(path.as_str()) {
            return Ok(Some(Entry { path: path.clone(), kind: *kind, id: id(bytes) }));
        }
        let inside = |name: &String| path.is_root() || name.starts_with(&format!("{}/", path.as_str()));
        let content: Vec<u8> = self
            .files
            .iter()
            .filter(|(name, _)| inside(name))
            .flat_map(|(name, file)| [name.as_bytes(), &file.1].concat())
            .collect();
        let is_folder = path.is_root() || self.files.keys().any(inside);
        Ok(is_folder.then(|| Entry { path: path.clone(), kind: EntryKind::Directory, id: id(&content) }))
    }
    fn list(&self, folder: &RepoPath) -> Result<Vec<Entry>, TreeError> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.files.keys() {
            let Ok(path) = RepoPath::new(name) else { continue };
            let inside = path.relative_to(folder).and_then(|rest| rest.split('/').next()).map(str::len);
            if let Some(length) = inside.filter(|length| *length > 0) {
                let start = name.len() - path.relative_to(folder).map_or(0, str::len);
                names.push(&name[..start + length]);
            }
        }
        names.dedup();
        names.iter().filter_map(|name| self.entry(&RepoPath::new(name).ok()?).transpose()).collect()
    }
    fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError> {
        self.files.get(path.as_str()).map(|file| file.1.clone()).ok_or_else(|| TreeError::NotFound(path.clone()))
    }
    fn time(&self) -> i64 {
        0
    }
}
