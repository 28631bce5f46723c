//! libgit2's process-wide settings, made once before its first use, and threads for what blocks.

use super::FetchError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connected server may stay silent. libgit2's own default is to wait for ever.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// libgit2 keeps no tree of more than 4 KiB, and unpacks those of large repositories again for every path.
const CACHED_TREE_BYTES: usize = 1 << 20;

static CONFIG_FOLDER: OnceLock<PathBuf> = OnceLock::new();
static OWN_PATHS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Sets time-outs and gives libgit2 a "global" git configuration of our own below `folder`, which only we write.
/// The first call in a process decides; later ones do nothing.
pub(super) fn set_up(folder: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let milliseconds = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        let config = folder.join("libgit2");
        // SAFETY: nothing else uses libgit2 yet: `source` calls this before its first use, once in a process, and nothing
        // changes these settings afterwards.
        let result = unsafe {
            git2::opts::set_server_connect_timeout_in_milliseconds(milliseconds(CONNECT_TIMEOUT))
                .and_then(|()| git2::opts::set_server_timeout_in_milliseconds(milliseconds(SILENCE_TIMEOUT)))
                .and_then(|()| git2::opts::set_search_path(git2::ConfigLevel::Global, &config))
                .and_then(|()| git2::opts::set_cache_object_limit(git2::ObjectType::Tree, CACHED_TREE_BYTES))
        };
        if let Err(error) = result {
            tracing::error!(%error, "libgit2 did not take its settings: an unreachable repository may block for long");
        }
        let _ = CONFIG_FOLDER.set(config);
    });
}

/// libgit2 refuses repositories that another account owns, and its switch for that is process-wide. `safe.directory`
/// is not: exactly the paths that the settings name (and our mirrors) are accepted, whoever owns them.
pub(super) fn accept_any_owner(path: &Path) -> std::io::Result<()> {
    let Some(folder) = CONFIG_FOLDER.get() else { return Ok(()) };
    let mut paths = OWN_PATHS.lock().unwrap_or_else(PoisonError::into_inner);
    let file = folder.join(".gitconfig");
    if !paths.insert(path.to_path_buf()) && file.exists() {
        return Ok(());
    }
    let mut text = String::new();
    // The account's own configuration (a proxy, say) stays in force.
    if let Some(home) = std::env::var_os("HOME") {
        let own = Path::new(&home).join(".gitconfig");
        if own.exists() {
            text.push_str(&format!("[include]\n\tpath = {}\n", quoted(&own)));
        }
    }
    text.push_str("[safe]\n");
    for path in paths.iter() {
        text.push_str(&format!("\tdirectory = {}\n", quoted(path)));
    }
    std::fs::create_dir_all(folder)?;
    let new = folder.join(".gitconfig.new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, file)
}

fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}

/// Tells a blocking call that nobody waits for it any more.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What an operation on a remote waits for besides its own end.
#[derive(Clone)]
pub struct Patience {
    pub cancel: CancellationToken,
    pub deadline: Instant,
    pub most: MostFetched,
}

/// How much a project may take while it is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostFetched {
    /// Bytes that its mirror may have on the disk, with those of its submodules.
    pub repository_bytes: u64,
    /// Bytes of memory that the process that fetches may take.
    pub memory_bytes: u64,
}

impl Default for MostFetched {
    fn default() -> Self {
        Self { repository_bytes: 10_000_000_000, memory_bytes: 2_000_000_000 }
    }
}

impl Patience {
    /// Until then, with the usual bounds.
    pub fn new(cancel: CancellationToken, timeout: Duration) -> Self {
        Self { cancel, deadline: Instant::now() + timeout, most: MostFetched::default() }
    }

    /// The same with other bounds.
    pub fn with(self, most: MostFetched) -> Self {
        Self { most, ..self }
    }

    /// Waits for `work`, unless cancellation or the deadline comes first.
    pub(super) async fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Impatience> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Impatience::Cancelled),
            value = work => Ok(value),
            () = tokio::time::sleep_until(self.deadline) => Err(Impatience::Deadline),
        }
    }
}

pub(super) enum Impatience {
    Cancelled,
    Deadline,
}

impl Impatience {
    pub(super) fn error(self, doing: &'static str, url: &str) -> FetchError {
        let url = url.to_string();
        match self {
            Impatience::Cancelled => FetchError::Cancelled { doing, url },
            Impatience::Deadline => FetchError::Deadline { doing, url },
        }
    }
}
