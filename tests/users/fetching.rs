//! Launchway fetches a project's repository: what arrives, and what is made of it.

use crate::support::git_http::GitHttp;
use crate::support::git_repository::{GitRepository, git};
use crate::support::mirror_world::{World, at, main, path, patience, remote};
use launchway::model::{CommitId, EntryKind, GitCredentials, RefName, RepoPath, Tree};
use launchway::source::{FetchError, Mirrors, SubmoduleSettings, WantedRefs};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[tokio::test]
async fn a_second_fetch_brings_only_what_is_new() {
    let (repository, world) = (GitRepository::new(), World::new());
    for number in 0..20 {
        repository.write(&format!("file-{number}"), format!("content {number}"));
    }
    let first = repository.publish("README", "one");
    let fetched = world.fetch(at(&repository.bare())).await.unwrap();
    assert_eq!(fetched.tips[&main()], first);
    assert!(fetched.received_objects > 20, "{fetched:?}");
    let second = repository.publish("README", "two");
    let fetched = world.fetch(at(&repository.bare())).await.unwrap();
    assert_eq!((&fetched.tips[&main()], fetched.received_objects), (&second, 3));
    assert!(world.mirrors.contains(&world.project, &main(), &first).unwrap());
    let unchanged = world.fetch(at(&repository.bare())).await.unwrap();
    assert_eq!(unchanged.tips[&main()], second);
}

#[tokio::test]
async fn a_force_push_is_simply_the_new_tip_and_the_old_commit_is_no_longer_on_the_branch() {
    let (repository, world) = (GitRepository::new(), World::new());
    let base = repository.publish("a", "1");
    let old = repository.publish("a", "2");
    world.fetch(at(&repository.bare())).await.unwrap();
    repository.git(&["reset", "-q", "--hard", base.as_str()]);
    let new = repository.publish("a", "3");
    world.fetch(at(&repository.bare())).await.unwrap();
    assert_eq!(world.tip("refs/heads/main"), Some(new));
    assert!(!world.mirrors.contains(&world.project, &main(), &old).unwrap());
    assert!(world.mirrors.contains(&world.project, &main(), &base).unwrap());
}

#[tokio::test]
async fn a_commit_that_is_not_on_the_branch_is_not_on_it_whoever_says_so() {
    let (repository, world) = (GitRepository::new(), World::new());
    repository.publish("a", "1");
    repository.git(&["checkout", "-q", "-b", "elsewhere"]);
    let elsewhere = repository.write("a", "2").commit("elsewhere");
    repository.push("HEAD:refs/heads/elsewhere");
    world.fetch_refs(at(&repository.bare()), WantedRefs::BranchesAndTags, patience()).await.unwrap();
    let never = CommitId::new("1".repeat(40)).unwrap();
    let of_another_format = CommitId::new("1".repeat(64)).unwrap();
    for commit in [&elsewhere, &never, &of_another_format] {
        assert!(!world.mirrors.contains(&world.project, &main(), commit).unwrap());
    }
    assert!(world.mirrors.tree(&world.project, &never).is_err());
    assert!(world.mirrors.commit(&world.project, &of_another_format).is_err());
}

#[tokio::test]
async fn an_annotated_tag_means_its_commit() {
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    repository.git(&["tag", "-a", "v1", "-m", "one"]);
    repository.git(&["tag", "-a", "v1-again", "-m", "of a tag", "v1"]);
    repository.push("refs/tags/v1").push("refs/tags/v1-again");
    let fetched = world.fetch_refs(at(&repository.bare()), WantedRefs::BranchesAndTags, patience()).await.unwrap();
    for tag in ["refs/tags/v1", "refs/tags/v1-again"] {
        assert_eq!(fetched.tips[&RefName::new(tag).unwrap()], commit);
        assert_eq!(world.tip(tag), Some(commit.clone()));
    }
    let asked = world.mirrors.remote_tips(at(&repository.bare()), &patience()).await.unwrap();
    assert_eq!(asked, fetched.tips);
}

#[tokio::test]
async fn a_branch_that_is_gone_leaves_the_mirror_and_is_named_as_missing() {
    let (repository, world) = (GitRepository::new(), World::new());
    repository.publish("a", "1");
    repository.push("HEAD:refs/heads/a");
    world.fetch_refs(at(&repository.bare()), WantedRefs::BranchesAndTags, patience()).await.unwrap();
    // `a/b` can only exist once `a` is gone, in the mirror too.
    repository.push(":refs/heads/a").push("HEAD:refs/heads/a/b");
    let wanted = ["refs/heads/a", "refs/heads/a/b"].map(|name| RefName::new(name).unwrap());
    let fetched =
        world.fetch_refs(at(&repository.bare()), WantedRefs::Exactly(wanted.to_vec()), patience()).await.unwrap();
    assert_eq!(fetched.missing, [wanted[0].clone()]);
    assert_eq!(world.tip("refs/heads/a"), None);
    assert!(world.tip("refs/heads/a/b").is_some());
}

#[tokio::test]
async fn hostile_names_of_refs_and_files_are_only_names() {
    let (repository, world) = (GitRepository::new(), World::new());
    let canary = world.folder.path().join("canary");
    let names = [
        "--upload-pack=touch".to_string(),
        "a\nb".to_string(),
        "back\\slash".to_string(),
        "ünïcode 🚢".to_string(),
        format!("$(touch {})", canary.display()).replace('/', "_"),
        "x".repeat(255),
    ];
    for name in &names {
        repository.write(&format!("folder/{name}"), name);
    }
    repository.write("run.sh", "#!/bin/sh\n");
    repository.git(&["add", "-A"]);
    repository.git(&["update-index", "--chmod=+x", "run.sh"]);
    std::os::unix::fs::symlink("../../etc/passwd", repository.work().join("link")).unwrap();
    repository.git(&["add", "link"]);
    repository.git(&["commit", "-q", "-m", "names"]);
    let reference = "refs/heads/--upload-pack=touch$(id)";
    repository.push(&format!("HEAD:{reference}"));
    let wanted = vec![RefName::new(reference).unwrap()];
    world.fetch_refs(at(&repository.bare()), WantedRefs::Exactly(wanted), patience()).await.unwrap();
    let tree = world.mirrors.tree(&world.project, &world.tip(reference).unwrap()).unwrap();
    for name in &names {
        assert_eq!(tree.read(&path("folder").join(name).unwrap()).unwrap(), name.as_bytes());
    }
    assert_eq!(tree.list(&path("folder")).unwrap().len(), names.len());
    assert_eq!(tree.entry(&path("run.sh")).unwrap().unwrap().kind, EntryKind::Executable);
    assert_eq!(tree.entry(&path("link")).unwrap().unwrap().kind, EntryKind::Symlink);
    assert_eq!(tree.read(&path("link")).unwrap(), b"../../etc/passwd");
    assert!(!canary.exists());
}

#[tokio::test]
async fn a_ref_whose_name_is_not_utf_8_is_nobody_else_s_trouble() {
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    for name in [&b"refs/heads/caf\xe9"[..], b"refs/tags/\xff"] {
        std::fs::write(repository.bare().join(OsStr::from_bytes(name)), format!("{commit}\n")).unwrap();
    }
    let server = GitHttp::serve(repository.root(), None).await;
    for remote in [at(&repository.bare()), remote(&server.url("shop.git"), GitCredentials::default())] {
        let fetched = world.fetch(remote.clone()).await.unwrap();
        assert_eq!(fetched.tips[&main()], commit);
        let all = world.fetch_refs(remote.clone(), WantedRefs::BranchesAndTags, patience()).await.unwrap();
        let tips = world.mirrors.remote_tips(remote, &patience()).await.unwrap();
        assert_eq!(
            (all.tips.keys().collect::<Vec<_>>(), tips.keys().collect::<Vec<_>>()),
            (vec![&main()], vec![&main()])
        );
    }
}

#[tokio::test]
async fn a_tree_that_would_leave_the_repository_is_refused() {
    let (repository, world) = (GitRepository::new(), World::new());
    repository.publish("a", "1");
    let blob = repository.git(&["rev-parse", "HEAD:a"]);
    // git itself would never write such a tree.
    let raw = |name: &str| {
        let mut bytes = format!("100644 {name}\0").into_bytes();
        bytes.extend(hex::decode(&blob).unwrap());
        std::fs::write(repository.root().join("tree"), bytes).unwrap();
        repository.git(&["hash-object", "--literally", "-t", "tree", "-w", "../tree"])
    };
    for name in ["..", ".git", "a/b", "."] {
        let commit = repository.git(&["commit-tree", "-m", "x", &raw(name)]);
        repository.push(&format!("{commit}:refs/heads/hostile"));
        world.fetch_refs(at(&repository.bare()), WantedRefs::BranchesAndTags, patience()).await.unwrap();
        let tree = world.mirrors.tree(&world.project, &CommitId::new(commit).unwrap()).unwrap();
        let error = tree.list(&RepoPath::root()).unwrap_err().to_string();
        assert!(error.contains("forbidden name"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_mirror_with_many_packs_is_rebuilt_and_keeps_what_releases_need() {
    let (repository, world) = (GitRepository::new(), World::new());
    let server = GitHttp::serve(repository.root(), None).await;
    let first = repository.publish("a", "1");
    repository.git(&["tag", "-a", "v1", "-m", "one"]);
    repository.push("refs/tags/v1");
    repository.git(&["checkout", "-q", "--orphan", "released"]);
    let released = repository.publish("a", "a release that was force-pushed away");
    let fetch = || {
        world.fetch_refs(
            remote(&server.url("shop.git"), GitCredentials::default()),
            WantedRefs::BranchesAndTags,
            patience(),
        )
    };
    fetch().await.unwrap();
    world.mirrors.keep(&world.project, &released).unwrap();
    repository.git(&["checkout", "-q", "-B", "main", first.as_str()]);
    let before = world.mirrors.tree(&world.project, &released).unwrap();
    let mut most = 0;
    for number in 0..55 {
        repository.publish("a", &format!("content {number}"));
        fetch().await.unwrap();
        most = most.max(world.packs());
    }
    assert!(most == 50 && world.packs() < 20, "{most} packs at most, {} at the end", world.packs());
    assert_eq!(before.read(&path("a")).unwrap(), b"a release that was force-pushed away");
    let after = world.mirrors.tree(&world.project, &released).unwrap();
    assert_eq!(after.read(&path("a")).unwrap(), b"a release that was force-pushed away");
    assert!(world.mirrors.contains(&world.project, &main(), &first).unwrap());
    assert_eq!(world.tip("refs/tags/v1"), Some(first));
    git(&world.mirrors.path(&world.project), &["fsck", "--strict"]);
}

#[tokio::test]
async fn a_mirror_whose_exchange_was_interrupted_is_found_again() {
    let (repository, world) = (GitRepository::new(), World::new());
    let commit = repository.publish("a", "1");
    world.fetch(at(&repository.bare())).await.unwrap();
    let place = world.mirrors.path(&world.project);
    std::fs::rename(&place, place.with_extension("git.old")).unwrap();
    let restarted = Mirrors::new(world.folder.path().join("mirrors"), env!("CARGO_BIN_EXE_launchway").into());
    assert_eq!(restarted.tip(&world.project, &main()).unwrap(), Some(commit));
}

#[tokio::test]
async fn a_skipped_tip_does_not_swallow_the_push_before_it() {
    let (repository, world) = (GitRepository::new(), World::new());
    let first = repository.write("a", "1").commit("one");
    let second = repository.write("a", "2").commit("two");
    let third = repository.write("a", "3").commit("three [skip ci]");
    repository.push("HEAD:refs/heads/main");
    world.fetch(at(&repository.bare())).await.unwrap();
    let newest = |since: Option<&CommitId>| {
        let is_marked = |message: &str| message.contains("[skip ci]");
        world.mirrors.newest_not_skipped(&world.project, &main(), is_marked, since).unwrap().map(|commit| commit.id)
    };
    assert_eq!(newest(None), Some(second.clone()));
    assert_eq!(newest(Some(&first)), Some(second.clone()));
    assert_eq!(newest(Some(&second)), None);
    assert_eq!(newest(Some(&third)), None);
    let info = world.mirrors.commit(&world.project, &second).unwrap();
    assert_eq!(
        (info.subject(), info.author.as_str(), info.parents.clone()),
        ("two", "Ada <ada@example.com>", vec![first])
    );
}

#[tokio::test]
async fn submodules_come_along_only_where_they_are_asked_for() {
    let (library, repository, world) = (GitRepository::new(), GitRepository::new(), World::new());
    library.publish("src/lib.c", "int main;");
    let url = library.bare().display().to_string();
    repository.git(&["submodule", "--quiet", "add", &url, "vendor/lib"]);
    let commit = repository.publish("a", "1");
    world.fetch(at(&repository.bare())).await.unwrap();
    let plain = world.mirrors.tree(&world.project, &commit).unwrap();
    assert_eq!(plain.entry(&path("vendor/lib")).unwrap().unwrap().kind, EntryKind::Submodule);
    let settings = SubmoduleSettings::default();
    let full = world
        .mirrors
        .with_submodules(&world.project, &plain, &at(&repository.bare()), &settings, &patience())
        .await
        .unwrap();
    assert_eq!(full.read(&path("vendor/lib/src/lib.c")).unwrap(), b"int main;");
    assert_eq!(full.entry(&path("vendor/lib")).unwrap().unwrap().kind, EntryKind::Directory);
    let names: Vec<String> = full.list(&path("vendor/lib/src")).unwrap().iter().map(|e| e.path.to_string()).collect();
    assert_eq!(names, ["vendor/lib/src/lib.c"]);
    let id = |tree: &dyn Tree, at: &str| tree.entry(&path(at)).unwrap().unwrap().id;
    assert_ne!(id(&plain, "vendor"), id(&full, "vendor"));
    assert_ne!(id(&plain, ""), id(&full, ""));
    assert_eq!(id(&plain, "a"), id(&full, "a"));
}

#[tokio::test]
async fn a_submodule_may_be_pinned_to_a_commit_that_is_on_no_branch_where_its_host_gives_it() {
    for over_http in [false, true] {
        let (library, repository, world) = (GitRepository::new(), GitRepository::new(), World::new());
        library.publish("src/lib.c", "int main;");
        let http = GitHttp::serve(library.root(), None).await;
        let name = library.bare().file_name().unwrap().to_string_lossy().into_owned();
        let url = if over_http { http.url(&name) } else { library.bare().display().to_string() };
        // A change that was never merged: the host has it, and no branch or tag leads to it.
        let pinned = library.write("src/lib.c", "int other;").commit("a change");
        library.push("HEAD:refs/changes/1");
        repository.git(&["submodule", "--quiet", "add", &library.bare().display().to_string(), "vendor/lib"]);
        let lib = repository.work().join("vendor/lib");
        git(&lib, &["fetch", "-q", "origin", "refs/changes/1"]);
        git(&lib, &["checkout", "-q", pinned.as_str()]);
        let modules = std::fs::read_to_string(repository.work().join(".gitmodules")).unwrap();
        repository.write(".gitmodules", modules.replace(&library.bare().display().to_string(), &url));
        let commit = repository.publish("a", "1");
        // As it is once the change is closed: only the object is there.
        git(&library.bare(), &["update-ref", "-d", "refs/changes/1"]);
        world.fetch(at(&repository.bare())).await.unwrap();
        let plain = world.mirrors.tree(&world.project, &commit).unwrap();
        let settings = SubmoduleSettings { allowed_hosts: vec!["127.0.0.1".into()], allow_plain_http: true };
        let full = || async {
            let from = at(&repository.bare());
            world.mirrors.with_submodules(&world.project, &plain, &from, &settings, &patience()).await
        };
        if over_http {
            // As git itself is set: it gives what its branches and tags lead to.
            let refused = full().await.err().unwrap();
            assert!(matches!(refused, FetchError::MissingModule { .. }) && !refused.is_worth_retrying(), "{refused}");
            let refused = refused.to_string();
            assert!(refused.contains("is on none of its branches and tags, and is not given by its id ("), "{refused}");
            assert!(refused.contains("Push it to a branch or tag there"), "{refused}");
            git(&library.bare(), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        }
        assert_eq!(full().await.unwrap().read(&path("vendor/lib/src/lib.c")).unwrap(), b"int other;");
        // It is there from now on.
        std::fs::remove_dir_all(library.bare()).unwrap();
        assert_eq!(full().await.unwrap().read(&path("vendor/lib/src/lib.c")).unwrap(), b"int other;");
    }
}
