//! What `.dockerignore` leaves is what `docker build` would send. The real docker command is the measure: with the old
//! builder it talks to a listener that only notes what arrives, with buildx to the engine.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use launchway::build::listing;
use launchway::compose::{ReadRequest, read};
use launchway::model::{BuildSpec, ProjectName, RepoPath};
use launchway::source::WorkingCopy;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

type Sent = Arc<Mutex<BTreeSet<String>>>;

async fn engine_that_notes(sent: Sent) -> std::net::SocketAddr {
    let build = |State(sent): State<Sent>, body: Bytes| async move {
        let mut archive = tar::Archive::new(&body[..]);
        let paths = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        *sent.lock().unwrap() = paths.map(|path| path.trim_end_matches('/').to_string()).collect();
        "{\"stream\":\"Successfully built 1\\n\"}\n"
    };
    let anything = || async {
        let headers = [("Api-Version", "1.41"), ("Builder-Version", "1"), ("Ostype", "linux")];
        (StatusCode::OK, headers, [(header::CONTENT_TYPE, "application/json")], "{}").into_response()
    };
    let limit = axum::extract::DefaultBodyLimit::disable();
    let build = axum::routing::post(build).layer(limit);
    let app = axum::Router::new().route("/v1.41/build", build).fallback(anything).with_state(sent);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// `None` where the docker command refuses the ignore file.
async fn docker_sends(address: std::net::SocketAddr, folder: &Path, sent: &Sent) -> Option<BTreeSet<String>> {
    sent.lock().unwrap().clear();
    let build = tokio::process::Command::new("docker")
        .args(["build", "--quiet", "."])
        .current_dir(folder)
        .env("DOCKER_HOST", format!("tcp://{address}"))
        .env("DOCKER_BUILDKIT", "0")
        .env("DOCKER_CONFIG", "/nowhere")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), build).await.unwrap().unwrap();
    let paths = sent.lock().unwrap().clone();
    output.status.success().then_some(paths)
}

fn launchway_sends(folder: &Path) -> Option<BTreeSet<String>> {
    let spec = BuildSpec { dockerfile: RepoPath::new("Dockerfile").unwrap(), ..BuildSpec::default() };
    let entries = listing(&WorkingCopy::open(folder).unwrap(), &spec).ok()?;
    Some(entries.into_iter().map(|entry| entry.path).collect())
}

const FILES: [&str; 14] =
    ["a", "ab", "b.md", "b", "c/a", "c/b.md", "c/d/a", "c/d/b", "c/d/e/a", "f/a", "f/ab/a", "f/d/a", "[x]", "#a"];

fn ignore_files() -> impl Strategy<Value = String> {
    let parts =
        ["a", "b", "c", "d", "e", "f", "ab", "*", "**", "?", "*.md", "[a-c]", "[^a]", "a*", "**b", "\\[x]", ".", ".."];
    let pattern = prop::collection::vec(prop::sample::select(parts.to_vec()), 1..4).prop_map(|parts| parts.join("/"));
    let marks = prop::sample::select(vec!["", "", "", "!", "!", "/", "!/", "#", " ", "./"]);
    let ends = prop::sample::select(vec!["", "", "/", " ", "/**"]);
    let line = (marks, pattern, ends).prop_map(|(mark, pattern, end)| format!("{mark}{pattern}{end}"));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

const KNOWN: [&str; 24] = [
    "c/d\n!c",
    "c\n!c/d",
    "c\n!**/a",
    "*\n!c/d/a",
    "*\n!*/a",
    "**\n!**/*.md",
    "f\n!f/ab/\nf/ab/a",
    "*/*/a",
    "!a\na",
    "c/*\n!c/d",
    "**/d/\n!c/d/e",
    "**/",
    "/",
    ".",
    "!",
    "!/",
    "[",
    "a\\",
    "*\n!Dockerfile",
    "..",
    "../a",
    "\\#a",
    "!.",
    "c/**\n!c/d/*",
];

/// Known cases, and some that nobody thought of.
fn cases(random: usize) -> Vec<String> {
    let mut runner = TestRunner::default();
    let random = (0..random).map(|_| ignore_files().new_tree(&mut runner).unwrap().current());
    KNOWN.iter().map(|text| text.to_string()).chain(random).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in FILES.iter().chain(&["Dockerfile"]) {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "FROM scratch\nCOPY . /\n").unwrap();
    }
    folder
}

/// The paths with the folders above them, which the old builder does not always name.
fn with_folders(paths: BTreeSet<String>) -> BTreeSet<String> {
    let above = |path: &String| path.match_indices('/').map(|(end, _)| path[..end].to_string()).collect::<Vec<_>>();
    paths.iter().flat_map(above).chain(paths.clone()).collect()
}

/// Exceptions with wildcards bring nothing back from an ignored folder with the old builder, but do with BuildKit,
/// which we follow.
fn is_plain(ignore: &str) -> bool {
    ignore.lines().filter(|line| line.trim().starts_with('!')).all(|line| !line.contains(['*', '?', '[', '\\']))
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn the_same_files_are_sent_as_by_docker_build() {
    if std::process::Command::new("docker").arg("--version").output().is_err() {
        eprintln!("skipped: there is no docker command on this machine (apt-get install docker-cli)");
        return;
    }
    let sent = Sent::default();
    let address = engine_that_notes(Arc::clone(&sent)).await;
    let folder = folder();
    let mut wrong = Vec::new();
    for case in cases(200).into_iter().filter(|case| is_plain(case)) {
        std::fs::write(folder.path().join(".dockerignore"), &case).unwrap();
        let mut theirs = docker_sends(address, folder.path(), &sent).await;
        let mut ours = launchway_sends(folder.path());
        for paths in [&mut theirs, &mut ours].into_iter().flatten() {
            // The old builder needs them in any case, and throws them away itself.
            paths.retain(|path| path != "Dockerfile" && path != ".dockerignore");
        }
        let (theirs, ours) = (theirs.map(with_folders), ours.map(with_folders));
        if theirs != ours {
            wrong.push(format!("{case:?}\n  docker {theirs:?}\n  ours   {ours:?}"));
        }
    }
    report(&wrong);
}

#[tokio::test]
async fn the_same_files_are_copied_as_by_buildx() {
    let version = std::process::Command::new("docker").args(["buildx", "version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no buildx on this machine (apt-get install docker-buildx)");
        return;
    }
    let folder = folder();
    let mut wrong = Vec::new();
    for case in cases(20) {
        std::fs::write(folder.path().join(".dockerignore"), &case).unwrap();
        let build = tokio::process::Command::new("docker")
            .args(["buildx", "build", "--quiet", "--output", "type=tar,dest=-", "--file", "Dockerfile", "."])
            .current_dir(folder.path())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(std::time::Duration::from_secs(60), build).await.unwrap().unwrap();
        let mut archive = tar::Archive::new(&output.stdout[..]);
        let path = |entry: std::io::Result<tar::Entry<'_, _>>| entry.unwrap().path().unwrap().display().to_string();
        let theirs = output.status.success().then(|| {
            let paths = archive.entries().unwrap().map(path);
            paths.map(|path| path.trim_end_matches('/').to_string()).collect::<BTreeSet<_>>()
        });
        let ours = launchway_sends(folder.path());
        if theirs != ours {
            let error = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{case:?}\n  buildx {theirs:?}\n  ours   {ours:?}\n  {error}"));
        }
    }
    report(&wrong);
}

/// What is sent for the service `web` of the folder's Compose file.
fn sent_for_web(folder: &Path) -> BTreeSet<String> {
    let (tree, project) = (WorkingCopy::open(folder).unwrap(), ProjectName::new("shop").unwrap());
    let stack = read(&ReadRequest::of(&tree, &project)).unwrap().stack;
    let build = stack.components["web"].build.clone().unwrap();
    listing(&tree, &build).unwrap().into_iter().map(|entry| entry.path).collect()
}

#[test]
fn of_a_dockerfile_that_is_a_link_the_ignore_file_that_is_called_after_the_link_counts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (path, text) in [
        ("docker/web.Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("docker/web.Dockerfile.dockerignore", "of-the-target\n"),
        ("web/.dockerignore", "of-the-context\n"),
        ("web/of-the-link", "x"),
        ("web/of-the-target", "x"),
        ("web/of-the-context", "x"),
        ("compose.yaml", "services: { web: { build: { context: web, dockerfile: link } } }\n"),
    ] {
        write(path, text);
    }
    std::os::unix::fs::symlink("../docker/web.Dockerfile", folder.path().join("web/link")).unwrap();
    let left_out = || {
        let sent = sent_for_web(folder.path());
        let all = ["of-the-context", "of-the-link", "of-the-target"];
        all.into_iter().filter(|name| !sent.contains(*name)).collect::<Vec<_>>()
    };
    // There is none beside the link: the context's own counts, never the target's.
    assert_eq!(left_out(), ["of-the-context"]);
    write("web/link.dockerignore", "of-the-link\n");
    assert_eq!(left_out(), ["of-the-link"]);
    // Which may be a link itself.
    std::fs::remove_file(folder.path().join("web/link.dockerignore")).unwrap();
    std::os::unix::fs::symlink("../docker/web.Dockerfile.dockerignore", folder.path().join("web/link.dockerignore"))
        .unwrap();
    assert_eq!(left_out(), ["of-the-target"]);
}
