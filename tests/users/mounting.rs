//! Files of the commit, packed for the volumes of what components mount.

use crate::support::git_repository::GitRepository;
use futures_util::StreamExt;
use launchway::build::{Archive, BuildError, file_archive, folder_archive, text_archive};
use launchway::model::{RepoPath, Tree};
use launchway::source::WorkingCopy;
use std::io::Read;
use std::sync::Arc;

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn tree(repository: &GitRepository) -> Arc<dyn Tree> {
    Arc::new(WorkingCopy::open(&repository.work()).unwrap())
}

async fn all(mut archive: Archive) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = archive.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

/// `mode path [-> target] [content]`, a line for each.
fn entries(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let line = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut text = format!("{:o} {}", entry.header().mode().unwrap(), entry.path().unwrap().display());
        if let Some(target) = entry.link_name().unwrap() {
            text.push_str(&format!(" -> {}", target.display()));
        }
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        if content.len() > 40 {
            format!("{text} ({} bytes)", content.len())
        } else {
            format!("{text} {content}").trim().into()
        }
    };
    archive.entries().unwrap().map(line).collect()
}

#[tokio::test]
async fn a_folder_is_packed_with_modes_symlinks_and_long_names() {
    let repository = GitRepository::new();
    let long = "n".repeat(200);
    repository.write("conf/nginx.conf", "events {}").write(&format!("conf/deep/{long}/x"), "1").write("other", "no");
    repository.write("conf/large", "x".repeat(1_000_000)).write("conf/new\nline", "2").write("conf/run.sh", "#!");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(repository.work().join("conf/run.sh"), mode).unwrap();
    std::os::unix::fs::symlink(format!("../{long}"), repository.work().join("conf/link")).unwrap();
    repository.commit("x");
    let bytes = all(folder_archive(tree(&repository), path("conf"), Vec::new()).unwrap()).await.unwrap();
    let expected = [
        "755 deep/".to_string(),
        format!("755 deep/{long}/"),
        format!("644 deep/{long}/x 1"),
        "644 large (1000000 bytes)".to_string(),
        format!("777 link -> ../{long}"),
        "644 new\nline 2".to_string(),
        "644 nginx.conf events {}".to_string(),
        "755 run.sh #!".to_string(),
    ];
    let without_slash =
        |lines: Vec<String>| lines.iter().map(|line| line.trim_end_matches('/').to_string()).collect::<Vec<_>>();
    assert_eq!(without_slash(entries(&bytes)), without_slash(expected.to_vec()));
    let time = repository.git(&["log", "-1", "--format=%ct"]);
    let mut archive = tar::Archive::new(&bytes[..]);
    let times = archive.entries().unwrap().map(|entry| entry.unwrap().header().mtime().unwrap().to_string());
    assert!(times.into_iter().all(|found| found == time));
}

#[tokio::test]
async fn a_file_is_packed_under_the_name_it_gets_and_symlinks_to_it_are_followed() {
    let repository = GitRepository::new();
    repository.write("conf/real.conf", "x");
    std::os::unix::fs::symlink("conf/real.conf", repository.work().join("link.conf")).unwrap();
    repository.commit("x");
    let packed = |at: &str| file_archive(tree(&repository), path(at), "nginx.conf".to_string());
    for at in ["conf/real.conf", "link.conf"] {
        assert_eq!(entries(&all(packed(at).unwrap()).await.unwrap()), ["644 nginx.conf x"]);
    }
    assert!(packed("conf").is_err() && packed("absent").is_err());
    let text = text_archive("token", "s3cret", 1000, 1001, 0o400, 1_700_000_000).unwrap();
    assert_eq!(entries(&text), ["400 token s3cret"]);
    let mut archive = tar::Archive::new(&text[..]);
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (1000, 1001));
}

#[tokio::test]
async fn an_lfs_pointer_is_never_mounted() {
    let repository = GitRepository::new();
    repository.write("models/net.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    let error = all(folder_archive(tree(&repository), path("models"), Vec::new()).unwrap()).await.unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<BuildError>());
    let is_it = |cause: &BuildError| matches!(cause, BuildError::MountedLfsPointer { file, .. } if file.as_str() == "models/net.bin");
    assert!(cause.is_some_and(is_it), "{error}");
}

#[tokio::test]
async fn an_archive_that_nobody_reads_ends_its_thread() {
    let repository = GitRepository::new();
    repository.write("conf/large", "x".repeat(5_000_000));
    let tree = tree(&repository);
    let archive = folder_archive(Arc::clone(&tree), path("conf"), Vec::new()).unwrap();
    drop(archive);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while Arc::strong_count(&tree) > 1 {
        assert!(std::time::Instant::now() < deadline, "the thread still holds the tree");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
