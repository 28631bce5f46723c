//! What this process changes for itself at its start, and what those that it starts for others get back.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};
use std::sync::OnceLock;
use tokio::process::Command;

/// As this process found it.
struct Start {
    umask: Mode,
    files: Rlimit,
    /// `None`: the kernel does not say.
    without_huge_pages: Option<bool>,
}

static START: OnceLock<Start> = OnceLock::new();

/// From now on what this process makes is for its own user alone, whatever library makes it. Called first of all: there
/// is one umask for all threads.
///
/// And its memory comes in small pages. In a huge one, of which a few kilobytes are used, all 2 MB count as used, and none of
/// them goes back while one is: buffers of which only the first page is ever written cost as much as full ones.
pub fn note_start() {
    let before = umask(Mode::RWXG | Mode::RWXO);
    let files = getrlimit(Resource::Nofile);
    let without_huge_pages = transparent_huge_pages_are_disabled().ok();
    // A kernel that knows no huge pages gives none.
    let _ = disable_transparent_huge_pages(true);
    // Called again, it would note its own.
    let _ = START.set(Start { umask: before, files, without_huge_pages });
}

/// Somebody else's program starts with the umask and the file limit that this process was started with: a hook may make
/// files for others, and some programs still take a high limit badly (`select`, or a loop over every possible number). It has
/// huge pages, if this process could have had them: a build that a hook starts may be slower without.
pub fn as_it_was(command: &mut Command) -> &mut Command {
    let Some(Start { umask: mask, files, without_huge_pages }) = START.get() else { return command };
    let (mask, files, without_huge_pages) = (*mask, *files, *without_huge_pages);
    // SAFETY: between fork and exec only system calls are made, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            umask(mask);
            if without_huge_pages == Some(false) {
                let _ = disable_transparent_huge_pages(false);
            }
            // The hard limit stays where it was raised: who may raise it may lower it, and nobody else has raised it.
            let hard = getrlimit(Resource::Nofile).maximum;
            Ok(setrlimit(Resource::Nofile, Rlimit { current: files.current, maximum: hard })?)
        })
    }
}
