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

/// `more`: what the image has besides.
pub async fn import(engine: &Engine, tag: &str, more: Vec<Part>) -> Image {
    let repository = "launchway-test/deployments";
    let archive = tokio::task::spawn_blocking(|| archive(more)).await.expect("the archive");
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

/// What the image has of this machine.
pub enum Part {
    /// With the libraries that it is linked with.
    Program {
        from: PathBuf,
        to: PathBuf,
    },
    /// At the same place.
    Folder(PathBuf),
    Text {
        to: PathBuf,
        text: String,
    },
    /// An empty folder of a user's own.
    Owned {
        to: PathBuf,
        by: u32,
    },
}

fn archive(more: Vec<Part>) -> Vec<u8> {
    let this = std::env::current_exe().expect("this binary");
    let mut parts = vec![Part::Program { from: this, to: BINARY.into() }];
    parts.extend(nginx().map(|from| Part::Program { from, to: NGINX.into() }));
    parts.extend(more);
    let mut tar = tar::Builder::new(Vec::new());
    let mut all: BTreeSet<PathBuf> = BTreeSet::new();
    for part in parts {
        match part {
            Part::Program { from, to } => {
                add(&mut tar, &from, &to);
                all.extend(libraries(&from));
            }
            Part::Folder(folder) => {
                for file in files_below(&folder) {
                    add(&mut tar, &file, &file);
                    if file.extension().is_some_and(|end| end == "so") {
                        all.extend(libraries(&file));
                    }
                }
            }
            Part::Text { to, text } => put(&mut tar, header(tar::EntryType::Regular, 0o644), &to, text.as_bytes()),
            Part::Owned { to, by } => {
                let mut header = header(tar::EntryType::Directory, 0o755);
                header.set_uid(by.into());
                header.set_gid(by.into());
                put(&mut tar, header, &to, &[]);
            }
        }
    }
    for library in all {
        add(&mut tar, &library, &library);
    }
    tar.into_inner().expect("memory")
}

fn add(tar: &mut tar::Builder<Vec<u8>>, from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    put(tar, header(tar::EntryType::Regular, 0o755), to, &bytes);
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header
}

fn put(tar: &mut tar::Builder<Vec<u8>>, mut header: tar::Header, to: &Path, bytes: &[u8]) {
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, to.strip_prefix("/").expect("an absolute path"), bytes).expect("memory");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        // PostgreSQL goes without its compiler, which is larger than all else.
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("llvmjit") || name == "bitcode") {
            continue;
        }
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

/// What the dynamic linker loads, itself too; nothing for a static binary.
fn libraries(binary: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(binary).output().expect("ldd runs");
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, or `/lib64/ld-linux-x86-64.so.2 (0x...)`.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(|word| PathBuf::from(word.trim_end_matches(':')))
        .filter(|path| path.exists())
        .collect()
}
