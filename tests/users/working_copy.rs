//! `launchway check` reads a working copy as it would be committed.

use crate::support::git_repository::GitRepository;
use launchway::model::{EntryKind, RepoPath, Tree};
use launchway::source::WorkingCopy;

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn names(tree: &dyn Tree, folder: &str) -> Vec<String> {
    tree.list(&path(folder)).unwrap().into_iter().map(|entry| entry.path.to_string()).collect()
}

#[test]
fn what_git_ignores_does_not_count_and_what_is_new_does() {
    let repository = GitRepository::new();
    repository.write(".gitignore", "*.log\nbuild/\n/secret\n!kept.log\n").write("tracked.log", "before the pattern");
    repository.git(&["add", "-f", "tracked.log"]);
    repository.write("a.b/x", "1").write("a/x", "2").write("a0", "3").write("gone", "4");
    repository.commit("first");
    repository.write("new/file", "new").write("new/debug.log", "no").write("build/out", "no").write("kept.log", "yes");
    repository.write("secret", "no").write("deep/secret", "yes").write("run.sh", "#!/bin/sh\n");
    std::fs::remove_file(repository.work().join("gone")).unwrap();
    std::fs::create_dir_all(repository.work().join("empty/folder")).unwrap();
    std::os::unix::fs::symlink("a/x", repository.work().join("link")).unwrap();
    std::fs::set_permissions(repository.work().join("run.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let tree = WorkingCopy::open(&repository.work()).unwrap();
    let expected = [".gitignore", "a", "a.b", "a0", "deep", "kept.log", "link", "new", "run.sh", "tracked.log"];
    assert_eq!(names(&tree, ""), expected);
    assert_eq!(names(&tree, "new"), ["new/file"]);
    for ignored in ["secret", "build", "build/out", "new/debug.log", "empty", "gone", ".git/config"] {
        assert!(tree.entry(&path(ignored)).unwrap().is_none(), "{ignored}");
        assert!(tree.read(&path(ignored)).is_err(), "{ignored}");
    }
    assert_eq!(tree.entry(&path("link")).unwrap().unwrap().kind, EntryKind::Symlink);
    assert_eq!(tree.read(&path("link")).unwrap(), b"a/x");
    // git says the same, to the last byte.
    repository.git(&["add", "-A"]);
    let root = tree.entry(&RepoPath::root()).unwrap().unwrap();
    assert_eq!(root.id, repository.git(&["write-tree"]));
}

#[test]
fn a_change_is_seen_whatever_the_index_remembers() {
    let repository = GitRepository::new();
    repository.write("a", "one").commit("first");
    let id = || WorkingCopy::open(&repository.work()).unwrap().entry(&path("a")).unwrap().unwrap().id;
    let before = id();
    assert_eq!(before, repository.git(&["rev-parse", "HEAD:a"]));
    // Of the same size, and at once.
    repository.write("a", "two");
    assert_eq!(id(), repository.git(&["hash-object", "a"]));
    assert_ne!(id(), before);
}

#[test]
fn a_part_of_a_repository_is_read_with_the_repositorys_rules() {
    let repository = GitRepository::new();
    repository.write(".gitignore", "/shop/*.log\n").write("shop/api/main.go", "x").write("shop/a.log", "no");
    repository.commit("first");
    let tree = WorkingCopy::open(&repository.work().join("shop")).unwrap();
    assert_eq!(names(&tree, ""), ["api"]);
    assert_eq!(tree.entry(&RepoPath::root()).unwrap().unwrap().id, repository.git(&["rev-parse", "HEAD:shop"]));
}

#[test]
fn a_folder_that_is_no_repository_is_taken_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
    std::fs::write(folder.path().join(".gitignore"), "x\n").unwrap();
    std::fs::write(folder.path().join("x"), "x").unwrap();
    let tree = WorkingCopy::open(folder.path()).unwrap();
    assert_eq!(names(&tree, ""), [".gitignore", "a", "x"]);
    assert_eq!(names(&tree, "a"), ["a/b"]);
}

#[test]
fn a_repository_in_the_repository_is_a_submodule() {
    let (repository, inner) = (GitRepository::new(), GitRepository::new());
    repository.publish("a", "1");
    let commit = inner.publish("b", "2");
    std::fs::rename(inner.work(), repository.work().join("inner")).unwrap();
    let tree = WorkingCopy::open(&repository.work()).unwrap();
    let entry = tree.entry(&path("inner")).unwrap().unwrap();
    assert_eq!((entry.kind, entry.id.as_str()), (EntryKind::Submodule, commit.as_str()));
    assert!(tree.entry(&path("inner/b")).unwrap().is_none());
}

#[test]
fn a_symlink_is_never_walked_through() {
    let repository = GitRepository::new();
    repository.write("a/x", "1");
    std::os::unix::fs::symlink("/etc", repository.work().join("etc")).unwrap();
    let tree = WorkingCopy::open(&repository.work()).unwrap();
    assert!(tree.entry(&path("etc/passwd")).unwrap().is_none());
    assert!(tree.read(&path("etc/passwd")).is_err());
    assert!(tree.list(&path("etc")).is_err());
}
