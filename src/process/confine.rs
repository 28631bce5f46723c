//! Bounds that a process sets for itself before it takes in what a stranger wrote.

use rustix::process::{Resource, Rlimit, setrlimit};
use std::io;
use std::path::Path;

/// Closes every descriptor but the standard ones, and ends the process where it asks for more than `most_bytes` of memory that
/// it may write to (what it maps of files to read does not count). To be called first, while there is one thread.
///
/// # Errors
/// Where the kernel refuses a bound.
pub fn confine(most_bytes: u64) -> io::Result<()> {
    close_what_was_inherited()?;
    limit_memory(most_bytes)
}

/// Whoever started the server may have left descriptors open for all that comes after.
fn close_what_was_inherited() -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    // The list was read by one that is among them, and is closed by now.
    let is_open = |number: &i32| std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
    for number in open.into_iter().filter(is_open) {
        // SAFETY: the process has just begun: it has one thread, and nothing in it has opened a file yet but the list above,
        // which is closed.
        unsafe { rustix::io::close(number) }
    }
    Ok(())
}

/// Where more is asked for, the process ends. Nothing of the rest of the host is to go first, and no core is left: it would
/// hold secrets.
fn limit_memory(most_bytes: u64) -> io::Result<()> {
    let most = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Data, most(most_bytes))?;
    setrlimit(Resource::Core, most(0))?;
    if Path::new("/proc/self/oom_score_adj").exists() {
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    Ok(())
}
