//! The log of one deployment: a file that grows line by line, masked before it is written.
//!
//! A line is `2026-11-24T01:02:03.123Z build   api  text`: time (UTC), stage, component or `-`, text.

use crate::model::{ComponentName, DeploymentId, Mask, Quoted, Stage};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// No line is longer: build tools draw progress bars without an end.
const LONGEST_LINE: usize = 4_000;
/// What components say (builds, release commands, apps) is kept as far as this, in bytes of the file: whoever writes a repository
/// writes it, without an end if he likes, and the store is on the same disk. What Launchway says itself is always kept.
const MOST_OF_COMPONENTS: u64 = 64 << 20;

/// Where deployments' logs lie: `<data>/logs/<id>.log`.
#[derive(Clone)]
pub struct Logs {
    folder: PathBuf,
}

impl Logs {
    /// Keeps logs below the data directory.
    ///
    /// # Errors
    /// Their folder cannot be made.
    pub fn new(data: &Path) -> std::io::Result<Self> {
        let folder = data.join("logs");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    fn path(&self, id: DeploymentId) -> PathBuf {
        self.folder.join(format!("{id}.log"))
    }

    /// Opens a deployment's log to go on where it ends.
    pub fn open(&self, id: DeploymentId, mask: Mask) -> std::io::Result<DeploymentLog> {
        self.open_with(id, mask, MOST_OF_COMPONENTS)
    }

    fn open_with(&self, id: DeploymentId, mask: Mask, most: u64) -> std::io::Result<DeploymentLog> {
        let file = File::options().create(true).append(true).open(self.path(id))?;
        let written = AtomicU64::new(file.metadata()?.len());
        let (mask, stage) = (RwLock::new(mask), Mutex::new(Stage::Prepare));
        let inner = Inner { file: Mutex::new(file), mask, stage, written, most };
        Ok(DeploymentLog { inner: Arc::new(inner) })
    }

    /// The deployments that have a log.
    pub fn all(&self) -> std::io::Result<Vec<DeploymentId>> {
        let files = std::fs::read_dir(&self.folder)?;
        let id = |file: std::fs::DirEntry| file.file_name().to_str()?.strip_suffix(".log")?.parse().ok();
        Ok(files.flatten().filter_map(id).map(DeploymentId).collect())
    }

    /// In bytes.
    pub fn size(&self, id: DeploymentId) -> u64 {
        std::fs::metadata(self.path(id)).map_or(0, |metadata| metadata.len())
    }

    /// Removes a log; one that is not there is no error.
    pub fn remove(&self, id: DeploymentId) -> std::io::Result<()> {
        match std::fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// At most `most` bytes from `offset` on, cut after the last whole line, and the offset after them.
    pub fn read(&self, id: DeploymentId, offset: u64, most: usize) -> std::io::Result<(String, u64)> {
        let mut file = match File::open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((String::new(), offset)),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        Ok((String::from_utf8_lossy(&bytes).into_owned(), offset + whole as u64))
    }

    /// The last whole lines, at most `most` bytes of them, and whether something stands before them.
    pub fn tail(&self, id: DeploymentId, most: usize) -> std::io::Result<(String, bool)> {
        let length = match std::fs::metadata(self.path(id)) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((String::new(), false)),
            Err(error) => return Err(error),
        };
        let Some(start) = length.checked_sub(most as u64).filter(|start| *start > 0) else {
            return Ok((self.read(id, 0, most)?.0, false));
        };
        // From one byte before, so that a line which begins exactly there is kept whole.
        let (text, _) = self.read(id, start - 1, most + 1)?;
        Ok((text.split_once('\n').map(|(_, whole)| whole.to_string()).unwrap_or_default(), true))
    }
}

/// Cheap to clone; every clone writes to the same file.
#[derive(Clone)]
pub struct DeploymentLog {
    inner: Arc<Inner>,
}

struct Inner {
    /// A hook of the server may write to the same file: each line is appended by one call.
    file: Mutex<File>,
    mask: RwLock<Mask>,
    stage: Mutex<Stage>,
    /// How large the file is, as far as this process knows.
    written: AtomicU64,
    most: u64,
}

impl DeploymentLog {
    /// The stage that lines belong to from now on. Returns where it begins, in bytes.
    pub fn enter(&self, stage: Stage) -> u64 {
        *lock(&self.inner.stage) = stage;
        lock(&self.inner.file).metadata().map_or(0, |metadata| metadata.len())
    }

    /// More to mask, from now on.
    pub fn set_mask(&self, mask: Mask) {
        *self.inner.mask.write().unwrap_or_else(PoisonError::into_inner) = mask;
    }

    /// What is masked now.
    pub fn mask(&self) -> Mask {
        self.inner.mask.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A sentence of ours as it may leave the process.
    pub fn masked(&self, sentence: &str) -> String {
        self.mask().sentence(sentence)
    }

    /// Writes a line that somebody else wrote.
    pub fn quote(&self, component: Option<&ComponentName>, line: &str) {
        self.line(component, &Quoted(line).to_string());
    }

    /// Writes one line for each line of our text, without what a terminal would obey. What it has from elsewhere is
    /// [`Quoted`] in it.
    pub fn line(&self, component: Option<&ComponentName>, text: &str) {
        let Inner { written, most, .. } = &*self.inner;
        if component.is_some() && written.load(Ordering::Relaxed) >= *most {
            return;
        }
        let lines = self.stamped(component, &self.masked(text));
        let length = lines.len() as u64;
        let before = written.fetch_add(length, Ordering::Relaxed);
        self.append(&lines);
        if component.is_some() && before < *most && before + length >= *most {
            let why = format!("the log has {} bytes: no more of what components say is kept", before + length);
            self.append(&self.stamped(None, &why));
        }
    }

    fn stamped(&self, component: Option<&ComponentName>, text: &str) -> String {
        let stage = *lock(&self.inner.stage);
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let component = component.map_or("-", ComponentName::as_str);
        let mut lines = String::new();
        for line in text.lines() {
            let line: String = line.chars().take(LONGEST_LINE).collect();
            lines.push_str(&format!("{now} {:<7} {component} {line}\n", stage.word()));
        }
        lines
    }

    fn append(&self, lines: &str) {
        // A full disk must not stop a deployment; the store still has its states.
        if let Err(error) = lock(&self.inner.file).write_all(lines.as_bytes()) {
            tracing::warn!(error = %error, "A line of a deployment's log could not be written");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn lines_are_masked_and_read_back_from_an_offset() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path()).unwrap();
        let log = logs.open(DeploymentId(7), Mask::new(&[Secret::new("hunter2")])).unwrap();
        log.quote(None, "the password is hunter2");
        let offset = log.enter(Stage::Build);
        log.line(ComponentName::new("api").ok().as_ref(), "one\ntwo\x1b[1m");
        let (whole, end) = logs.read(DeploymentId(7), 0, 1 << 20).unwrap();
        assert_eq!(whole.lines().count(), 3);
        assert!(!whole.contains("hunter2"), "{whole}");
        let (rest, same_end) = logs.read(DeploymentId(7), offset, 1 << 20).unwrap();
        assert_eq!((rest.lines().count(), same_end), (2, end));
        assert!(rest.lines().all(|line| line.contains(" build   api ")), "{rest}");
        assert!(!rest.contains('\x1b'));
    }

    #[test]
    fn the_tail_is_whole_lines_and_says_whether_it_is_all() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path()).unwrap();
        assert_eq!(logs.tail(DeploymentId(1), 100).unwrap(), (String::new(), false));
        let log = logs.open(DeploymentId(1), Mask::default()).unwrap();
        log.line(None, "one");
        log.line(None, "two");
        let (all, cut) = logs.tail(DeploymentId(1), 1 << 20).unwrap();
        assert_eq!((all.lines().count(), cut), (2, false));
        let line = all.lines().next().unwrap().len() + 1;
        for most in [line, line + 1, 2 * line - 1] {
            let (last, cut) = logs.tail(DeploymentId(1), most).unwrap();
            assert!(last.ends_with("two\n") && !last.contains("one") && cut, "{most}: {last}");
        }
        assert_eq!(logs.tail(DeploymentId(1), line - 1).unwrap(), (String::new(), true));
    }

    #[test]
    fn what_components_say_without_an_end_fills_no_disk_and_launchways_own_words_stay() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path()).unwrap();
        let api = ComponentName::new("api").ok();
        for _ in 0..2 {
            // Opened again, it goes on where it was.
            let log = logs.open_with(DeploymentId(1), Mask::default(), 1_000).unwrap();
            for _ in 0..1_000 {
                log.line(api.as_ref(), "yes");
            }
            log.line(None, "the build failed");
        }
        let (all, _) = logs.read(DeploymentId(1), 0, 1 << 20).unwrap();
        assert!((1_000..1_500).contains(&all.len()), "{all}");
        assert_eq!(all.matches("no more of what components say is kept").count(), 1, "{all}");
        assert_eq!(all.matches("the build failed").count(), 2, "{all}");
    }
}
