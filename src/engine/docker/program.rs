//! The program that runs here, as something that can run elsewhere: its executable and the libraries that it has loaded.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tokio_util::io::{ReaderStream, SyncIoBridge};

/// Also when the file of the executable was replaced meanwhile, it leads to what runs.
const OWN: &str = "/proc/self/exe";
const EXECUTABLE: &str = "launchway";
/// The archive is read by the engine while it is written.
const PIECE: usize = 256 * 1024;

/// A program that is run in a container, and what it says.
pub struct Program {
    /// Changes with the executable.
    pub id: String,
    /// Name in one folder -> path here.
    files: BTreeMap<String, PathBuf>,
    /// The dynamic linker, which has to be called by its path where it may lie anywhere.
    linker: Option<String>,
}

/// This process's own.
pub fn own() -> Result<&'static Program> {
    static OWN: OnceLock<Program> = OnceLock::new();
    if let Some(program) = OWN.get() {
        return Ok(program);
    }
    let program = Program::find()?;
    Ok(OWN.get_or_init(|| program))
}

impl Program {
    fn find() -> Result<Self> {
        let there = std::fs::metadata(OWN)?;
        let told = format!("{} {} {} {}", there.size(), there.mtime(), there.mtime_nsec(), there.ino());
        let id = format!("{}-{}", env!("CARGO_PKG_VERSION"), &hex::encode(Sha256::digest(told))[..12]);
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in loaded(&std::fs::read_to_string("/proc/self/maps")?) {
            files.extend(names_of(&path).into_iter().map(|name| (name, path.clone())));
        }
        let linker = files.keys().find(|name| name.starts_with("ld-") || name.starts_with("ld.")).cloned();
        files.insert(EXECUTABLE.to_string(), PathBuf::from(OWN));
        Ok(Self { id, files, linker })
    }

    /// How to run it where its files lie in `folder`.
    pub fn command(&self, folder: &str) -> Vec<String> {
        let at = |name: &str| format!("{folder}/{name}");
        match &self.linker {
            Some(linker) => vec![at(linker), "--library-path".into(), folder.into(), at(EXECUTABLE)],
            None => vec![at(EXECUTABLE)],
        }
    }

    /// A tar archive with its files in `folder`, which everybody may read and run, and which belongs to `owner`.
    pub fn archive(&'static self, folder: String, owner: u64) -> BoxStream<'static, Result<Bytes>> {
        let (written, read) = tokio::io::duplex(PIECE);
        let writing = tokio::task::spawn_blocking(move || -> Result<()> {
            let mut tar = tar::Builder::new(SyncIoBridge::new(written));
            let header = |kind, size| {
                let mut header = header(0o755, kind, size);
                header.set_uid(owner);
                header.set_gid(owner);
                header
            };
            tar.append_data(&mut header(tar::EntryType::Directory, 0), format!("{folder}/"), std::io::empty())?;
            for (name, path) in &self.files {
                let file = File::open(path)
                    .map_err(|error| Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))?;
                let mut header = header(tar::EntryType::Regular, file.metadata()?.len());
                tar.append_data(&mut header, format!("{folder}/{name}"), file)?;
            }
            tar.into_inner()?;
            Ok(())
        });
        // What went wrong while it was written comes after what was written.
        let told = futures_util::stream::once(async move {
            match writing.await {
                Ok(Ok(())) => Ok(Bytes::new()),
                Ok(Err(error)) => Err(error),
                Err(error) => Err(Error::other(error)),
            }
        });
        ReaderStream::with_capacity(read, PIECE).chain(told).boxed()
    }
}

pub(super) fn header(mode: u32, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_entry_type(kind);
    header.set_size(size);
    header
}

/// The names under which a library may be asked for: its own, and those of links to it in the same folder.
fn names_of(path: &Path) -> Vec<String> {
    let own = path.file_name().and_then(|name| name.to_str()).map(str::to_string);
    let beside = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let links = beside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let links = links.filter(|entry| entry.path().canonicalize().is_ok_and(|leads_to| leads_to == path));
    own.into_iter().chain(links.filter_map(|entry| entry.file_name().into_string().ok())).collect()
}

/// Files out of which a process has loaded code, its executable apart: `... r-xp 00000000 08:01 1234 /lib/libc.so.6`.
fn loaded(maps: &str) -> Vec<PathBuf> {
    let paths = maps.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let path = words.nth(5)?;
        let name = Path::new(path).file_name()?.to_str()?;
        (path.starts_with('/') && (name.contains(".so.") || name.ends_with(".so"))).then(|| PathBuf::from(path))
    });
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    #[test]
    fn libraries_are_found_among_all_that_is_mapped() {
        let maps = "55d0 r--p 00000000 08:01 77 /usr/bin/launchway\n7f01 r-xp 00026000 08:01 12 /usr/lib/libc.so.6\n7f02 r--p 00000000 08:01 12 /usr/lib/libc.so.6\n7f03 r-xp 00001000 08:01 13 /usr/lib/ld-linux-x86-64.so.2\n7f04 rw-p 00000000 00:00 0 [heap]\n7f05 rw-p 00000000 00:00 0\n";
        let names: Vec<String> = loaded(maps).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(names, ["/usr/lib/ld-linux-x86-64.so.2", "/usr/lib/libc.so.6"]);
    }

    /// Packed and unpacked, it runs out of a folder of its own.
    #[tokio::test]
    async fn what_runs_here_runs_elsewhere() {
        let program = own().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let archive: Vec<Bytes> = program.archive("front".into(), 0).try_collect().await.unwrap();
        tar::Archive::new(&archive.concat()[..]).unpack(folder.path()).unwrap();
        let at = folder.path().join("front");
        let command = program.command(at.to_str().unwrap());
        // It is this test's own executable.
        let said =
            std::process::Command::new(&command[0]).args(&command[1..]).arg("--help").env_clear().output().unwrap();
        assert!(said.status.success(), "{said:?}");
    }
}
