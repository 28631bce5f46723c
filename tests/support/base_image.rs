//! A base image for containers of tests, which no registry has to give.

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

/// `/bin/busybox` of Debian's busybox-static, with a link for each of its commands; made when the engine has none yet.
pub async fn base(docker: &Docker) -> String {
    imported(docker, "launchway-test/base", &[], || busybox(&[])).await
}

/// The same, which waits to be stopped whatever it is started with, for users that stacks name.
pub async fn waiting(docker: &Docker) -> String {
    let line = "trap 'exit 0' TERM INT QUIT; tail -f /dev/null & wait";
    let entrypoint = format!("ENTRYPOINT {}", serde_json::json!(["sh", "-c", line]));
    let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70::/:/bin/false\nvalkey:x:999:999::/:/bin/false\n";
    imported(docker, "launchway-test/waiting", &[&entrypoint], || busybox(&[("etc/passwd", accounts)])).await
}

/// The same with this machine's own `getent`, which looks names up: a static busybox cannot.
pub async fn resolving(docker: &Docker) -> String {
    imported(docker, "launchway-test/resolving", &[], || {
        let listed = std::process::Command::new("ldd").arg(GETENT).output().unwrap().stdout;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let paths = listed.split_whitespace().filter(|word| word.starts_with('/'));
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for path in paths.chain([GETENT]) {
            files.push((path.trim_start_matches('/').to_string(), std::fs::read(path).unwrap()));
        }
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        archive(&files, 0o755)
    })
    .await
}

const GETENT: &str = "/usr/bin/getent";

async fn imported(docker: &Docker, repository: &str, changes: &[&str], archive: impl FnOnce() -> Vec<u8>) -> String {
    let reference = format!("{repository}:1");
    if docker.inspect_image(&reference).await.is_err() {
        // Tests run in many processes at once; one of them imports.
        let lock = std::fs::File::create(std::env::temp_dir().join("launchway-test-base.lock")).unwrap();
        lock.lock().unwrap();
        if docker.inspect_image(&reference).await.is_err() {
            let options = CreateImageOptionsBuilder::new().from_src("-").repo(repository).tag("1");
            let options = options.changes(changes.iter().map(ToString::to_string).collect()).build();
            let archive = bollard::body_full(archive().into());
            docker.create_image(Some(options), Some(archive), None).try_collect::<Vec<_>>().await.unwrap();
        }
    }
    reference
}

/// The archive, with further files at its root.
pub fn busybox(more: &[(&str, &str)]) -> Vec<u8> {
    let more: Vec<(&str, &[u8])> = more.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    archive(&more, 0o644)
}

fn archive(more: &[(&str, &[u8])], mode_of_more: u32) -> Vec<u8> {
    let paths = ["/bin/busybox", "/usr/bin/busybox"];
    let path = paths.into_iter().find(|path| std::path::Path::new(path).exists());
    let path = path.expect("tests need a static busybox: apt-get install busybox-static");
    let commands = std::process::Command::new(path).arg("--list").output().unwrap().stdout;
    let mut tar = tar::Builder::new(Vec::new());
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header
    };
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("root", 0o700)] {
        tar.append_data(&mut header(tar::EntryType::Directory, mode, 0), folder, std::io::empty()).unwrap();
    }
    let binary = std::fs::read(path).unwrap();
    let mut file = header(tar::EntryType::Regular, 0o755, binary.len() as u64);
    tar.append_data(&mut file, "bin/busybox", binary.as_slice()).unwrap();
    for command in String::from_utf8_lossy(&commands).lines().filter(|command| *command != "busybox") {
        tar.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), format!("bin/{command}"), "busybox").unwrap();
    }
    let accounts =
        ("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n".as_slice());
    let has_others = more.iter().any(|(path, _)| *path == accounts.0);
    for (path, bytes) in more.iter().chain((!has_others).then_some(&accounts)) {
        let mode = if *path == accounts.0 { 0o644 } else { mode_of_more };
        let mut file = header(tar::EntryType::Regular, mode, bytes.len() as u64);
        tar.append_data(&mut file, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}
