//! A repository with very many components: each has a content key of its own, and the second look finds the same. What
//! it costs is a figure of `benches/planning`.

use crate::support::git_repository::{GitRepository, git};
use launchway::build::ContentKeys;
use launchway::model::{BuildSpec, CommitId, ContentKey, ProjectName, RepoPath};
use launchway::source::{FetchRequest, Mirrors, Patience, Remote, RemoteUrl, WantedRefs};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const COMPONENTS: usize = 200;
const FILES_EACH: usize = 20;

/// A commit with 200 folders of 20 files, a Dockerfile in each, and an ignore file in every fourth.
fn large() -> (GitRepository, CommitId) {
    let repository = GitRepository::new();
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(repository.bare())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text =
        String::from("commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 1\nx\n");
    let mut file = |path: String, content: String| {
        text.push_str(&format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len()));
    };
    for component in 0..COMPONENTS {
        let folder = format!("services/c{component}");
        file(format!("{folder}/Dockerfile"), format!("FROM x\nCOPY . /{component}\n"));
        if component % 4 == 0 {
            file(format!("{folder}/.dockerignore"), "**/*.md\n!README.md\n".to_string());
        }
        for number in 0..FILES_EACH - 1 {
            file(format!("{folder}/src/part{}/f{number}.go", number % 10), format!("{component} {number}"));
        }
    }
    import.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let commit = CommitId::new(git(&repository.bare(), &["rev-parse", "main"])).unwrap();
    (repository, commit)
}

#[tokio::test]
async fn each_of_200_components_has_a_content_key_of_its_own() {
    let (repository, commit) = large();
    let folder = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(folder.path().join("mirrors"), env!("CARGO_BIN_EXE_launchway").into());
    let project = ProjectName::new("shop").unwrap();
    let url = RemoteUrl::parse(&repository.bare().display().to_string(), false).unwrap();
    let request = FetchRequest {
        project: project.clone(),
        remote: Remote { url, credentials: Default::default() },
        refs: WantedRefs::BranchesAndTags,
        patience: Patience::new(CancellationToken::new(), Duration::from_secs(60)),
        progress: None,
    };
    mirrors.fetch(request).await.unwrap();
    let specs: Vec<BuildSpec> = (0..COMPONENTS)
        .map(|component| BuildSpec {
            context: RepoPath::new(&format!("services/c{component}")).unwrap(),
            dockerfile: RepoPath::new(&format!("services/c{component}/Dockerfile")).unwrap(),
            ..BuildSpec::default()
        })
        .collect();
    let memory = ContentKeys::default();
    let keys = || -> Vec<ContentKey> {
        let tree = mirrors.tree(&project, &commit).unwrap();
        specs.iter().map(|spec| memory.key(&tree, spec, "linux/amd64", &BTreeMap::new()).unwrap()).collect()
    };
    let first = keys();
    assert_eq!(keys(), first);
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), COMPONENTS);
}
