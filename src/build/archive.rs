//! Files of a commit as a tar stream, for the volumes of what components mount: never whole in memory.

use super::{BuildError, lfs};
use crate::model::budgets;
use crate::model::{Entry, EntryKind, MountPoint, RepoPath, Tree, TreeError, Walked};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A tar stream. It is written by a thread of its own, which waits while nobody reads and ends when this is dropped.
/// A problem (a file that is a Git LFS pointer, say) comes as an error in the stream.
pub struct Archive {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_AHEAD: usize = 8;

impl Stream for Archive {
    type Item = io::Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(context)
    }
}

/// Everything below a folder of the repository, named relative to it, and what is to be mounted on in it.
pub fn folder_archive(
    tree: Arc<dyn Tree>,
    folder: RepoPath,
    mount_points: Vec<MountPoint>,
) -> Result<Archive, BuildError> {
    match tree.entry(&folder)? {
        Some(Entry { kind: EntryKind::Directory, .. }) => {}
        Some(Entry { kind, .. }) => return Err(TreeError::WrongKind { path: folder, found: kind }.into()),
        None => return Err(TreeError::NotFound(folder).into()),
    }
    Ok(write_on_thread(move |tar| {
        write_folder(tar, &*tree, &folder, &folder, &mut Walked::default())?;
        mount_points.iter().try_for_each(|point| write_mount_point(tar, point, tree.time()))
    }))
}

/// One file of the repository under another name, symlinks followed.
pub fn file_archive(tree: Arc<dyn Tree>, path: RepoPath, name: String) -> Result<Archive, BuildError> {
    let entry = crate::model::follow(&*tree, &path)?.ok_or_else(|| TreeError::NotFound(path.clone()))?;
    if !matches!(entry.kind, EntryKind::File | EntryKind::Executable) {
        return Err(TreeError::WrongKind { path, found: entry.kind }.into());
    }
    Ok(write_on_thread(move |tar| write_entry(tar, &*tree, &entry, &name)))
}

/// One file with this text, for `configs` and `secrets` that are no files of the commit.
pub fn text_archive(name: &str, text: &str, uid: u64, gid: u64, mode: u32, time: i64) -> io::Result<Bytes> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = header(tar::EntryType::Regular, mode, time);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, name, text.as_bytes())?;
    Ok(Bytes::from(tar.into_inner()?))
}

type Tar = tar::Builder<Chunks>;

fn write_on_thread(work: impl FnOnce(&mut Tar) -> Result<(), BuildError> + Send + 'static) -> Archive {
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    let to_report = sender.clone();
    let spawned = std::thread::Builder::new().name("archive".to_string()).spawn(move || {
        let mut tar = tar::Builder::new(Chunks { sender: sender.clone(), buffer: BytesMut::new() });
        let written = work(&mut tar).and_then(|()| {
            let finish = || tar.into_inner()?.flush();
            finish().map_err(write_error)
        });
        if let Err(error) = written {
            // Nobody listens any more, or learns it this way.
            let _ = sender.blocking_send(Err(io::Error::other(error)));
        }
    });
    if let Err(error) = spawned {
        let _ = to_report.try_send(Err(error));
    }
    Archive { chunks }
}

fn write_folder(
    tar: &mut Tar,
    tree: &dyn Tree,
    root: &RepoPath,
    folder: &RepoPath,
    walked: &mut Walked,
) -> Result<(), BuildError> {
    let entries = tree.list(folder)?;
    walked.more(folder, entries.len())?;
    for entry in entries {
        let name = entry.path.relative_to(root).unwrap_or_default();
        if matches!(entry.kind, EntryKind::File | EntryKind::Executable) {
            walked.more_bytes(folder, tree.size(&entry.path)?)?;
        }
        write_entry(tar, tree, &entry, name)?;
        if entry.kind == EntryKind::Directory {
            write_folder(tar, tree, root, &entry.path, walked)?;
        }
    }
    Ok(())
}

fn write_entry(tar: &mut Tar, tree: &dyn Tree, entry: &Entry, name: &str) -> Result<(), BuildError> {
    let time = tree.time();
    match entry.kind {
        EntryKind::Directory | EntryKind::Submodule => {
            let mut header = header(tar::EntryType::Directory, 0o755, time);
            tar.append_data(&mut header, name, io::empty()).map_err(write_error)
        }
        EntryKind::Symlink => {
            let target = tree.read_small(&entry.path, &budgets::LINK_BYTES)?;
            let mut header = header(tar::EntryType::Symlink, 0o777, time);
            let target = std::os::unix::ffi::OsStringExt::from_vec(target);
            let target: std::ffi::OsString = target;
            tar.append_link(&mut header, name, target).map_err(write_error)
        }
        EntryKind::File | EntryKind::Executable => {
            let content = tree.read(&entry.path)?;
            if lfs::is_pointer(&content) {
                return Err(BuildError::MountedLfsPointer { file: entry.path.clone(), target: String::new() });
            }
            let mode = if entry.kind == EntryKind::Executable { 0o755 } else { 0o644 };
            let mut header = header(tar::EntryType::Regular, mode, time);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_slice()).map_err(write_error)
        }
    }
}

fn write_mount_point(tar: &mut Tar, point: &MountPoint, time: i64) -> Result<(), BuildError> {
    let (kind, mode) = if point.folder { (tar::EntryType::Directory, 0o755) } else { (tar::EntryType::Regular, 0o644) };
    tar.append_data(&mut header(kind, mode, time), &point.path, io::empty()).map_err(write_error)
}

fn header(kind: tar::EntryType, mode: u32, time: i64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_mtime(u64::try_from(time).unwrap_or(0));
    header
}

fn write_error(error: io::Error) -> BuildError {
    BuildError::Tree(TreeError::Read { path: RepoPath::root(), message: format!("writing it as an archive: {error}") })
}

/// Hands what is written to the reader in chunks of a good size.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
