//! An image that holds this binary and the libraries it is linked with, and nothing else.

use super::support::images::Engine;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the binary lies in the image.
pub const BINARY: &str = "/app";
/// Where this machine's nginx lies in the image, where it has one.
pub const NGINX: &str = "/nginx";

/// This machine's nginx.
pub fn nginx() -> Option<PathBuf> {
    ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().map(PathBuf::from).find(|path| path.exists())
}

/// Removed when dropped; by then nothing uses it any more.
pub struct Image(pub String);

pub async fn import(engine: &Engine, tag: &str) -> Image {
    let repository = "launchway-test/deployments";
    let archive = tokio::task::spawn_blocking(archive).await.expect("the archive");
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(repository).tag(tag).build();
    let made = engine.docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
    made.try_collect::<Vec<_>>().await.expect("the engine takes the image");
    Image(format!("{repository}:{tag}"))
}

impl Drop for Image {
    fn drop(&mut self) {
        let name = self.0.clone();
        // Drop is not async, and may run inside a runtime.
        let remove = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { Engine::here().await.remove(&name).await });
        });
        let _ = remove.join();
    }
}

fn archive() -> Vec<u8> {
    let this = std::env::current_exe().expect("this binary");
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |from: &Path, to: &str| {
        let bytes = std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, to.trim_start_matches('/'), bytes.as_slice()).expect("memory");
    };
    add(&this, BINARY);
    let mut all: BTreeSet<String> = libraries(&this).into_iter().collect();
    if let Some(nginx) = nginx() {
        add(&nginx, NGINX);
        all.extend(libraries(&nginx));
    }
    for library in all {
        add(Path::new(&library), &library);
    }
    tar.into_inner().expect("memory")
}

/// What the dynamic linker loads, itself too; nothing for a static binary.
fn libraries(binary: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(binary).output().expect("ldd runs");
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, or `/lib64/ld-linux-x86-64.so.2 (0x...)`.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(String::from)
        .collect()
}
