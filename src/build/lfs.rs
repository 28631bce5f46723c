//! Git LFS keeps a small text in git where the file should be; an image built from it would hold that text.

use super::BuildError;
use crate::model::{RepoPath, Tree};

/// By the specification a pointer is shorter (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
const MAX_POINTER_BYTES: u64 = 1024;

pub(super) fn is_pointer(content: &[u8]) -> bool {
    content.len() as u64 <= MAX_POINTER_BYTES
        && content.starts_with(b"version https://git-lfs.github.com/spec/v1\n")
        && content.windows(12).any(|window| window == b"\noid sha256:")
}

/// Its size tells most files apart without reading them.
pub(super) fn is_pointer_at(tree: &dyn Tree, path: &RepoPath, size: u64) -> Result<bool, BuildError> {
    Ok((1..=MAX_POINTER_BYTES).contains(&size) && is_pointer(&tree.read(path)?))
}

/// Refuses the file if it is a pointer.
pub(super) fn refuse_pointer(tree: &dyn Tree, path: &RepoPath, size: u64) -> Result<(), BuildError> {
    if is_pointer_at(tree, path, size)? {
        return Err(BuildError::LfsPointer(path.clone()));
    }
    Ok(())
}
