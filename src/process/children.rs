//! What this process changes for itself at its start, and what those that it starts for others get back.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use std::sync::OnceLock;
use tokio::process::Command;

/// As this process found it.
struct Start {
    umask: Mode,
    files: Rlimit,
}

static START: OnceLock<Start> = OnceLock::new();

/// From now on what this process makes is for its own user alone, whatever library makes it. Called first of all: there
/// is one umask for all threads.
pub fn note_start() {
    let before = umask(Mode::RWXG | Mode::RWXO);
    let files = getrlimit(Resource::Nofile);
    // Called again, it would note its own.
    let _ = START.set(Start { umask: before, files });
}

/// Somebody else's program starts with the umask and the file limit that this process was started with: a hook may make
/// files for others, and some programs still take a high limit badly (`select`, or a loop over every possible number).
pub fn as_it_was(command: &mut Command) -> &mut Command {
    let Some(Start { umask: mask, files }) = START.get() else { return command };
    let (mask, files) = (*mask, *files);
    // SAFETY: between fork and exec only two system calls are made, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            umask(mask);
            // The hard limit stays where it was raised: who may raise it may lower it, and nobody else has raised it.
            let hard = getrlimit(Resource::Nofile).maximum;
            Ok(setrlimit(Resource::Nofile, Rlimit { current: files.current, maximum: hard })?)
        })
    }
}
