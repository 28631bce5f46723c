//! The tree behind a notes ref: a blob for each commit that has a note, named by the commit's id, whose digits may be
//! spread over folders (`ab/cdef...`). Git reads any spread (git-notes(1), notes.c); here every note is written two
//! digits deep, so that a tree of thousands stays quick to write.

use git2::{ErrorCode, ObjectType, Oid, Repository, Tree};

const BLOB: i32 = 0o100644;
const FOLDER: i32 = 0o040000;

/// The note of a commit, empty where it has none. Notes of the same commit at several depths are one, as git reads them.
pub(super) fn read(repository: &Repository, tree: Option<&Tree<'_>>, commit: &str) -> Result<String, git2::Error> {
    let mut text = String::new();
    if let Some(tree) = tree {
        collect(repository, tree, commit, &mut text)?;
    }
    Ok(text)
}

fn collect(repository: &Repository, tree: &Tree<'_>, rest: &str, text: &mut String) -> Result<(), git2::Error> {
    if let Some(entry) = tree.get_name(rest)
        && entry.kind() == Some(ObjectType::Blob)
    {
        let blob = repository.find_blob(entry.id())?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&String::from_utf8_lossy(blob.content()));
    }
    if let Some((folder, rest)) = rest.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())
        && let Some(below) = subtree(repository, Some(tree), folder)?
    {
        collect(repository, &below, rest, text)?;
    }
    Ok(())
}

/// The tree with a commit's note replaced, all other notes as they were.
pub(super) fn write(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    commit: &str,
    text: &str,
) -> Result<Oid, git2::Error> {
    let (folder, rest) = commit.split_at(2);
    let blob = repository.blob(text.as_bytes())?;

    let below = subtree(repository, tree, folder)?;
    let mut lower = repository.treebuilder(below.as_ref())?;
    // What was spread deeper is in `text` now.
    if let Some((deeper, last)) = rest.split_at_checked(2)
        && let Some(id) = without(repository, below.as_ref(), deeper, last)?
    {
        put_folder(repository, &mut lower, deeper, id)?;
    }
    lower.insert(rest, blob, BLOB)?;

    let mut upper = repository.treebuilder(tree)?;
    if upper.get(commit)?.is_some() {
        upper.remove(commit)?;
    }
    upper.insert(folder, lower.write()?, FOLDER)?;
    upper.write()
}

/// The subtree `folder` without the note `rest` at any depth, or `None` where there is nothing to take out.
fn without(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    folder: &str,
    rest: &str,
) -> Result<Option<Oid>, git2::Error> {
    let Some(below) = subtree(repository, tree, folder)? else { return Ok(None) };
    let mut builder = repository.treebuilder(Some(&below))?;
    let mut touched = false;
    if builder.get(rest)?.is_some() {
        builder.remove(rest)?;
        touched = true;
    }
    if let Some((deeper, last)) = rest.split_at_checked(2).filter(|(_, last)| !last.is_empty())
        && let Some(id) = without(repository, Some(&below), deeper, last)?
    {
        put_folder(repository, &mut builder, deeper, id)?;
        touched = true;
    }
    if touched { builder.write().map(Some) } else { Ok(None) }
}

/// Git has no empty folders: one that became empty goes.
fn put_folder(
    repository: &Repository,
    builder: &mut git2::TreeBuilder<'_>,
    name: &str,
    id: Oid,
) -> Result<(), git2::Error> {
    if repository.find_tree(id)?.is_empty() {
        builder.remove(name)
    } else {
        builder.insert(name, id, FOLDER).map(|_| ())
    }
}

fn subtree<'r>(
    repository: &'r Repository,
    tree: Option<&Tree<'_>>,
    name: &str,
) -> Result<Option<Tree<'r>>, git2::Error> {
    let Some(id) = tree.and_then(|tree| Some(tree.get_name(name)?.id())) else { return Ok(None) };
    match repository.find_tree(id) {
        Ok(tree) => Ok(Some(tree)),
        // A file of two letters, put there by hand: no folder of notes.
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        (folder, repository)
    }

    fn nested(repository: &Repository, parts: &[&str], text: &str) -> Oid {
        let (first, rest) = parts.split_first().unwrap();
        let mut builder = repository.treebuilder(None).unwrap();
        if rest.is_empty() {
            builder.insert(first, repository.blob(text.as_bytes()).unwrap(), BLOB).unwrap();
        } else {
            builder.insert(first, nested(repository, rest, text), FOLDER).unwrap();
        }
        builder.write().unwrap()
    }

    #[test]
    fn a_note_is_found_and_replaced_at_whatever_depth_git_put_it() {
        let (_folder, repository) = repository();
        for parts in [
            &[COMMIT][..],
            &[&COMMIT[..2], &COMMIT[2..]],
            &[&COMMIT[..2], &COMMIT[2..4], &COMMIT[4..]],
            &[&COMMIT[..2], &COMMIT[2..4], &COMMIT[4..6], &COMMIT[6..]],
        ] {
            let tree = repository.find_tree(nested(&repository, parts, "old\n")).unwrap();
            assert_eq!(read(&repository, Some(&tree), COMMIT).unwrap(), "old\n", "{parts:?}");

            let tree = repository.find_tree(write(&repository, Some(&tree), COMMIT, "new\n").unwrap()).unwrap();
            assert_eq!(read(&repository, Some(&tree), COMMIT).unwrap(), "new\n", "{parts:?}");
            let mut paths = Vec::new();
            tree.walk(git2::TreeWalkMode::PreOrder, |root, entry| {
                paths.push(format!("{root}{}", entry.name().unwrap()));
                git2::TreeWalkResult::Ok
            })
            .unwrap();
            assert_eq!(paths, [&COMMIT[..2], &format!("{}/{}", &COMMIT[..2], &COMMIT[2..])], "{parts:?}");
        }
    }

    #[test]
    fn other_notes_stay() {
        let (_folder, repository) = repository();
        let others = ["0123", "01ff", "abcd"].map(|start| format!("{start}{}", "0".repeat(36)));
        let mut tree: Option<Tree<'_>> = None;
        for other in &others {
            let id = write(&repository, tree.as_ref(), other, other).unwrap();
            tree = Some(repository.find_tree(id).unwrap());
        }
        let id = write(&repository, tree.as_ref(), COMMIT, "mine").unwrap();
        let tree = repository.find_tree(id).unwrap();
        for other in &others {
            assert_eq!(&read(&repository, Some(&tree), other).unwrap(), other);
        }
        assert_eq!(read(&repository, Some(&tree), COMMIT).unwrap(), "mine");
    }
}
