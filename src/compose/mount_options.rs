//! Options of a mount, as `mount -o` takes them.

const FLAGS: &[&str] = &[
    "ro",
    "rw",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "defaults",
];
const KEYS: &[&str] = &["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
/// What makes a mount of something else than what is named, or lets mounts out of the container.
const MOVES: &[&str] = &[
    "bind",
    "rbind",
    "move",
    "remount",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "private",
    "rprivate",
    "unbindable",
    "runbindable",
];

/// For messages.
pub const ACCEPTED: &str =
    "ro, noexec, nosuid, nodev, noatime and their opposites; size=, mode=, uid=, gid=, nr_inodes=";

/// Whether an option (`size=64m`, `noexec`) concerns the mounted file system alone.
pub fn is_harmless(option: &str) -> bool {
    match option.split_once('=') {
        Some((key, _)) => KEYS.contains(&key),
        None => FLAGS.contains(&option),
    }
}

/// Whether it is about other mounts.
pub fn moves(option: &str) -> bool {
    MOVES.contains(&option.to_ascii_lowercase().as_str())
}
