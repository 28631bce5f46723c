//! BuildKit asks for the files of a build, folder by folder; this answers from the commit's tree.
//!
//! The exchange (https://github.com/tonistiigi/fsutil, `send.go` and `receive.go`): we send a STAT for every entry, in
//! order, numbered from 0, and an empty STAT as the end; meanwhile the engine sends a REQ with the number of each file
//! whose content it lacks, which we answer by DATA packets and an empty one; at last FIN from it, and FIN from us.

use super::context::{ContextEntry, Dockerfile};
use super::{BuildError, lfs};
use crate::model::{EntryKind, Tree, Walked};
use bollard::grpc::export::fsutil::types::packet::PacketType;
use bollard::grpc::export::fsutil::types::{Packet, Stat};
use bollard::grpc::export::moby::filesync::packet::file_sync_server::FileSync;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The folders that a build may ask for, by the names under which it knows them.
#[derive(Clone)]
pub(super) struct Folders {
    pub(super) folders: Arc<HashMap<String, Folder>>,
    /// What went wrong on our side, which BuildKit would only repeat as text.
    pub(super) problem: Arc<Mutex<Option<BuildError>>>,
}

pub(super) enum Folder {
    Context {
        tree: Arc<dyn Tree>,
        entries: Vec<ContextEntry>,
    },
    /// A folder with nothing but the Dockerfile.
    Dockerfile {
        file: Dockerfile,
        time: i64,
    },
}

/// Far below the 16 MiB that a message may have; BuildKit's own clients send 32 KiB.
const DATA_BYTES: usize = 32 * 1024;
const PACKETS_AHEAD: usize = 64;
/// Go's `fs.FileMode`.
const GO_FOLDER: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;

type Packets = mpsc::Sender<Result<Packet, Status>>;

#[tonic::async_trait]
impl FileSync for Folders {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = ReceiverStream<Result<Packet, Status>>;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let metadata = request.metadata();
        let values = |name: &str| -> Vec<String> {
            // What is not ASCII comes encoded as in a query, and says so (BuildKit 0.12 and newer).
            let is_encoded = metadata.contains_key(format!("{name}-encoded"));
            let text = metadata.get_all(name).iter().filter_map(|value| value.to_str().ok());
            text.map(|text| if is_encoded { decoded(text) } else { text.to_string() }).collect()
        };
        let name = values("dir-name").into_iter().next().unwrap_or_default();
        let wanted: Vec<String> = values("followpaths").into_iter().chain(values("include-patterns")).collect();
        if !self.folders.contains_key(&name) {
            return Err(Status::not_found(format!("there is no folder {name:?} in this build")));
        }
        let (packets, stream) = mpsc::channel(PACKETS_AHEAD);
        // Never more than one for each file; unbounded, because the engine asks while it is still being told.
        let (ask, asked) = mpsc::unbounded_channel();
        let mut incoming = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(packet)) = incoming.next().await {
                if ask.send(packet).is_err() {
                    break;
                }
            }
        });
        let folders = self.clone();
        // Reading the commit blocks.
        let spawned = std::thread::Builder::new().name("build context".to_string()).spawn(move || {
            if let Err(error) = folders.send(&name, &wanted, &packets, asked) {
                let _ = packets.blocking_send(Err(Status::aborted(error.to_string())));
                folders.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        });
        spawned.map_err(|error| Status::resource_exhausted(error.to_string()))?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn tar_stream(&self, _: Request<Streaming<Packet>>) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("folders are sent by DiffCopy"))
    }
}

impl Folders {
    /// Blocks until the exchange is over or the other side is gone.
    fn send(
        &self,
        name: &str,
        wanted: &[String],
        packets: &Packets,
        mut asked: mpsc::UnboundedReceiver<Packet>,
    ) -> Result<(), BuildError> {
        let Some(folder) = self.folders.get(name) else { return Ok(()) };
        let sent = |packet: Packet| packets.blocking_send(Ok(packet)).is_ok();
        let numbered = match folder {
            Folder::Dockerfile { file, time } => {
                let stat = stat(&file.name, 0o644, file.text.len() as u64, told_time(*time, &file.text));
                if !sent(stat_packet(Some(stat))) {
                    return Ok(());
                }
                Vec::new()
            }
            Folder::Context { tree, entries } => {
                let numbered = wanted_of(entries, wanted);
                let mut walked = Walked::default();
                for entry in &numbered {
                    let stat = entry_stat(&**tree, entry)?;
                    walked.more_bytes(&entry.source.parent(), u64::try_from(stat.size).unwrap_or(u64::MAX))?;
                    if !sent(stat_packet(Some(stat))) {
                        return Ok(());
                    }
                }
                numbered
            }
        };
        if !sent(stat_packet(None)) {
            return Ok(());
        }
        while let Some(packet) = asked.blocking_recv() {
            match PacketType::try_from(packet.r#type) {
                Ok(PacketType::PacketReq) => {
                    let content = match folder {
                        Folder::Dockerfile { file, .. } => file.text.clone(),
                        Folder::Context { tree, .. } => match numbered.get(packet.id as usize) {
                            Some(entry) => tree.read(&entry.source)?,
                            None => return Ok(()),
                        },
                    };
                    // The empty packet at the end says that the file is complete.
                    for chunk in content.chunks(DATA_BYTES).chain([&[] as &[u8]]) {
                        let kind = PacketType::PacketData.into();
                        if !sent(Packet { r#type: kind, stat: None, id: packet.id, data: chunk.to_vec() }) {
                            return Ok(());
                        }
                    }
                }
                Ok(PacketType::PacketFin) => {
                    sent(Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() });
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn stat_packet(stat: Option<Stat>) -> Packet {
    Packet { r#type: PacketType::PacketStat.into(), stat, ..Packet::default() }
}

/// The time of a file in nanoseconds: the commit's second, and a fraction that the content gives.
///
/// The engine keeps the folder of the build before and takes a file from there when size and time are the same; two
/// commits of one second can differ in a file of equal size. The fraction tells them apart (but for one pair in a
/// thousand million), and is lost where an image is pushed, so nothing is built anew for it.
fn told_time(time: i64, content: &[u8]) -> i64 {
    let digest = Sha256::digest(content);
    let fraction = digest.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes) % NANOSECONDS).unwrap_or_default();
    time.saturating_mul(NANOSECONDS as i64).saturating_add(fraction as i64)
}

const NANOSECONDS: u64 = 1_000_000_000;

fn stat(path: &str, mode: u32, size: u64, nanoseconds: i64) -> Stat {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    Stat { path: path.to_string(), mode, size, mod_time: nanoseconds, ..Stat::default() }
}

fn entry_stat(tree: &dyn Tree, entry: &ContextEntry) -> Result<Stat, BuildError> {
    let time = told_time(tree.time(), entry.id.as_bytes());
    Ok(match entry.kind {
        EntryKind::Directory | EntryKind::Submodule => stat(&entry.path, GO_FOLDER | 0o755, 0, time),
        EntryKind::Symlink => {
            let target = tree.link(&entry.source)?;
            Stat { linkname: target, ..stat(&entry.path, GO_SYMLINK | 0o777, 0, time) }
        }
        EntryKind::File | EntryKind::Executable => {
            let size = tree.size(&entry.source)?;
            lfs::refuse_pointer(tree, &entry.source, size)?;
            stat(&entry.path, if entry.kind == EntryKind::Executable { 0o755 } else { 0o644 }, size, time)
        }
    })
}

/// The entries that a request is about: those at or below one of the wanted paths, with the folders above them.
/// More than was asked for is right too, so whatever is not a plain path (a pattern, a symlink on the way) gets all.
fn wanted_of<'a>(entries: &'a [ContextEntry], wanted: &[String]) -> Vec<&'a ContextEntry> {
    let mut paths = Vec::new();
    for path in wanted {
        let path = path.trim_start_matches('/').trim_end_matches('/');
        if path.is_empty()
            || path.contains(['*', '?', '[', '\\'])
            || path.split('/').any(|part| part == ".." || part == ".")
        {
            return entries.iter().collect();
        }
        paths.push(path);
    }
    let is_at_or_below = |path: &str, folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_wanted = |entry: &ContextEntry| {
        paths.iter().any(|path| is_at_or_below(&entry.path, path) || is_at_or_below(path, &entry.path))
    };
    if paths.is_empty() || entries.iter().any(|entry| entry.kind == EntryKind::Symlink && is_wanted(entry)) {
        return entries.iter().collect();
    }
    entries.iter().filter(|entry| is_wanted(entry)).collect()
}
