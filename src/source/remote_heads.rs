//! The refs that a remote says it has.

use git2::{Oid, RemoteConnection, RemoteHead};
use libgit2_sys::git_remote_head;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

/// So many are told of, over all remotes: a hostile one could have any number.
const MOST_TOLD: usize = 1000;

/// Of each remote, the refs that were told to be ignored: once in the life of the process.
static TOLD: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// What a remote says of its refs.
pub(super) struct Heads {
    pub known: Vec<(String, Oid)>,
    /// Names that are not UTF-8, escaped: no branch or tag of the settings can mean them.
    pub ignored: Vec<String>,
}

/// Names and objects of a remote's refs, as it has them now.
pub(super) fn heads(connection: &RemoteConnection<'_, '_, '_>) -> Result<Heads, git2::Error> {
    let mut heads = Heads { known: Vec::new(), ignored: Vec::new() };
    for head in connection.list()? {
        match std::str::from_utf8(name_of(head)) {
            Ok(name) => heads.known.push((name.to_string(), head.oid())),
            Err(_) if heads.ignored.len() < MOST_TOLD => heads.ignored.push(name_of(head).escape_ascii().to_string()),
            Err(_) => {}
        }
    }
    Ok(heads)
}

/// What `RemoteHead::name` says, which panics where that is not UTF-8.
fn name_of<'h>(head: &'h RemoteHead<'_>) -> &'h [u8] {
    const { assert!(size_of::<RemoteHead<'_>>() == size_of::<*const git_remote_head>()) };
    // SAFETY: git2 gives libgit2's array of pointers out as a slice of `RemoteHead` (`Remote::list` in its remote.rs), so each
    // is such a pointer. What it points at, and the name there, live as long as the connection, and so longer than `head`.
    unsafe {
        let raw = *std::ptr::from_ref(head).cast::<*const git_remote_head>();
        CStr::from_ptr((*raw).name).to_bytes()
    }
}

/// Tells the log which refs of a remote are ignored.
pub(super) fn tell(url: &str, ignored: &[String]) {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    for reference in ignored {
        if told.len() < MOST_TOLD && told.insert((url.to_string(), reference.clone())) {
            tracing::warn!(
                repository = url,
                reference,
                "A ref is ignored, as its name is not UTF-8: rename it where it is to deploy"
            );
        }
    }
}
