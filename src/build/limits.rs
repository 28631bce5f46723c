//! What builds may take of the machine. BuildKit has no limit for a build, and ignores the engine's. But every step of a
//! Dockerfile runs in a control group below one parent: a group of our own where a build can name it (Docker 23 and
//! newer), else the one that the engine has for all its builds. That parent gets the limits, by the files of the kernel
//! (https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html), so
//! only where the engine runs on this machine and this process may write them.
//!
//! The parent's name is a part of each step's key in BuildKit's cache: it never changes.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The group of our own builds.
const OWN: &str = "launchway-builds";
/// The group of all builds of an engine that knows no other, below that of its containers.
const OF_THE_ENGINE: &str = "docker/buildkit";
/// Beside 1024 of every container: builds get what is left, and never nothing.
const SHARES: &str = "128";
/// The same of version 2, beside 100.
const WEIGHT: &str = "12";
/// In microseconds, of which a quota is a part.
const PERIOD: u64 = 100_000;

/// What is set for all builds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildLimits {
    /// In bytes; absent: half of the machine's, where the group is our own.
    pub memory_bytes: Option<u64>,
    /// In thousandths of a core; absent: whatever nobody else wants.
    pub cpu_millis: Option<u64>,
}

/// A build's limits, in force.
#[derive(Debug)]
pub struct Limited {
    /// For the build's request; `None` where the engine takes its own.
    pub parent: Option<String>,
    pub memory_bytes: Option<u64>,
    /// Whether the settings name that much.
    pub is_set: bool,
    ends: Ends,
    share: Share,
}

impl Limited {
    /// Builds give way no longer, but have a small share of the cores again: nothing waits for ever for a machine that
    /// is always busy.
    pub(super) fn want_their_share(&self) -> io::Result<()> {
        let Share { group, file, small, .. } = &self.share;
        match write(group, "cpu.idle", "0") {
            // A kernel that knows no such thing: they have it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => write(group, file, small),
        }
    }

    /// Whether, since the limits were put in force, the kernel ended something in a build for its memory.
    pub fn ran_out(&self) -> bool {
        match &self.ends {
            Ends::Unknown => false,
            Ends::Told(counter) => rustix::io::read(counter, &mut [0; 8]).is_ok(),
            Ends::Counted { file, before } => kills(file).is_some_and(|now| now > *before),
        }
    }
}

impl Drop for Limited {
    /// In an old engine's one group there are also the builds of others: they keep their share.
    fn drop(&mut self) {
        if !self.share.is_own {
            let _ = self.want_their_share();
        }
    }
}

/// What builds have of the cores where others want them too.
#[derive(Debug, Clone)]
struct Share {
    group: PathBuf,
    file: &'static str,
    small: &'static str,
    is_own: bool,
}

impl Share {
    /// Whatever else wants a core has it at once, where the kernel knows that (Linux 5.15); else there is a small share.
    fn give_way(&self) -> io::Result<()> {
        match write(&self.group, "cpu.idle", "1") {
            Ok(()) => Ok(()),
            Err(_) => write(&self.group, self.file, self.small),
        }
    }
}

/// How it is known that the kernel ended something.
#[derive(Debug)]
enum Ends {
    Unknown,
    /// Version 1: an eventfd that is told.
    Told(OwnedFd),
    /// Version 2: `memory.events` of a group counts those of all groups below it.
    Counted {
        file: PathBuf,
        before: u64,
    },
}

/// Puts the limits in force below `root` (`/sys/fs/cgroup`). `names_parent`: the engine can be told the group. Fails with
/// the reason why builds are not limited.
pub(super) fn put_in_force(root: &Path, limits: BuildLimits, names_parent: bool) -> Result<Limited, String> {
    let name = if names_parent { OWN } else { OF_THE_ENGINE };
    let half = || memory_of_the_machine().map(|bytes| bytes / 2);
    let memory_bytes = if names_parent { limits.memory_bytes.or_else(half) } else { limits.memory_bytes };
    let put = match root.join("cgroup.controllers").exists() {
        true => version_2(root, name, memory_bytes, limits.cpu_millis),
        false => version_1(root, name, memory_bytes, limits.cpu_millis),
    };
    let (ends, share) = put.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            format!("{} may not be written from here", root.display())
        }
        _ => format!("{}: {error}", root.join(name).display()),
    })?;
    let parent = names_parent.then(|| format!("/{OWN}"));
    Ok(Limited { parent, memory_bytes, is_set: limits.memory_bytes.is_some(), ends, share })
}

fn version_1(root: &Path, name: &str, memory: Option<u64>, cpus: Option<u64>) -> io::Result<(Ends, Share)> {
    let cpu = group(root, "cpu", name)?;
    let share = Share { group: cpu.clone(), file: "cpu.shares", small: SHARES, is_own: name == OWN };
    share.give_way()?;
    if let Some(millis) = cpus {
        write(&cpu, "cpu.cfs_period_us", &PERIOD.to_string())?;
        write(&cpu, "cpu.cfs_quota_us", &quota(millis).to_string())?;
    } else if name == OWN {
        write(&cpu, "cpu.cfs_quota_us", "-1")?;
    }
    let Some(bytes) = memory else { return Ok((Ends::Unknown, share)) };
    let group = group(root, "memory", name)?;
    let text = bytes.to_string();
    // The limit with swap is never below the one without: it goes first on the way up, and last on the way down.
    let first = write(&group, "memory.limit_in_bytes", &text);
    match write(&group, "memory.memsw.limit_in_bytes", &text) {
        // A kernel that does not count swap.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => other?,
    }
    if first.is_err() {
        write(&group, "memory.limit_in_bytes", &text)?;
    }
    let told = rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK | rustix::event::EventfdFlags::CLOEXEC)?;
    let control = fs::File::open(group.join("memory.oom_control"))?;
    let asked = format!("{} {}", told.as_raw_fd(), control.as_raw_fd());
    write(&group, "cgroup.event_control", &asked)?;
    Ok((Ends::Told(told), share))
}

fn version_2(root: &Path, name: &str, memory: Option<u64>, cpus: Option<u64>) -> io::Result<(Ends, Share)> {
    // Usually they are on already, and what is missing shows when a limit is written.
    let _ = write(root, "cgroup.subtree_control", "+cpu +memory");
    let group = group(root, "", name)?;
    if let Some((above, _)) = name.rsplit_once('/') {
        let _ = write(&root.join(above), "cgroup.subtree_control", "+cpu +memory");
    }
    let share = Share { group: group.clone(), file: "cpu.weight", small: WEIGHT, is_own: name == OWN };
    share.give_way()?;
    let most = cpus.map_or("max".to_string(), |millis| quota(millis).to_string());
    write(&group, "cpu.max", &format!("{most} {PERIOD}"))?;
    let Some(bytes) = memory else { return Ok((Ends::Unknown, share)) };
    write(&group, "memory.max", &bytes.to_string())?;
    match write(&group, "memory.swap.max", "0") {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => other?,
    }
    let file = group.join("memory.events");
    let before = kills(&file).unwrap_or_default();
    Ok((Ends::Counted { file, before }, share))
}

fn group(root: &Path, hierarchy: &str, name: &str) -> io::Result<PathBuf> {
    let folder = root.join(hierarchy);
    if !folder.is_dir() {
        return Err(io::Error::new(
            ErrorKind::NotFound,
            format!("there are no control groups in {}", folder.display()),
        ));
    }
    let group = folder.join(name);
    fs::create_dir_all(&group)?;
    Ok(group)
}

fn write(group: &Path, file: &str, text: &str) -> io::Result<()> {
    // Not created where it is missing: these are the kernel's.
    use std::io::Write;
    let path = group.join(file);
    let mut file = fs::File::options().write(true).open(&path)?;
    file.write_all(text.as_bytes())
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn quota(millis: u64) -> u64 {
    // The kernel takes no less than a millisecond.
    millis.saturating_mul(PERIOD / 1000).max(1000)
}

/// `oom_kill` of a group's `memory.events`.
fn kills(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// proc_meminfo(5), in bytes.
fn memory_of_the_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as the kernel has them in a group, in an ordinary folder.
    fn files(group: &Path, names: &[&str]) {
        fs::create_dir_all(group).unwrap();
        for name in names {
            fs::write(group.join(name), "").unwrap();
        }
    }

    fn read(root: &Path, file: &str) -> String {
        fs::read_to_string(root.join(file)).unwrap()
    }

    const TWO_GB: BuildLimits = BuildLimits { memory_bytes: Some(2_000_000_000), cpu_millis: Some(1500) };

    #[test]
    fn the_own_group_gets_the_limits_in_version_2_and_counts_what_was_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (root, group) = (folder.path(), folder.path().join("launchway-builds"));
        files(root, &["cgroup.controllers", "cgroup.subtree_control"]);
        files(&group, &["cpu.weight", "cpu.max", "memory.max", "memory.swap.max"]);
        fs::write(group.join("memory.events"), "oom 3\noom_kill 3\n").unwrap();
        let limited = put_in_force(root, TWO_GB, true).unwrap();
        assert_eq!((limited.parent.as_deref(), limited.memory_bytes), (Some("/launchway-builds"), Some(2_000_000_000)));
        assert_eq!(read(&group, "memory.max"), "2000000000");
        assert_eq!(read(&group, "memory.swap.max"), "0");
        assert_eq!(read(&group, "cpu.max"), "150000 100000");
        assert_eq!(read(&group, "cpu.weight"), "12");
        assert!(!limited.ran_out());
        fs::write(group.join("memory.events"), "oom 4\noom_kill 4\n").unwrap();
        assert!(limited.ran_out());
    }

    #[test]
    fn without_settings_half_of_the_memory_and_no_quota_of_cpu() {
        let folder = tempfile::tempdir().unwrap();
        let (root, group) = (folder.path(), folder.path().join("launchway-builds"));
        files(root, &["cgroup.controllers", "cgroup.subtree_control"]);
        files(&group, &["cpu.weight", "cpu.max", "memory.max", "memory.events"]);
        let limited = put_in_force(root, BuildLimits::default(), true).unwrap();
        assert_eq!(limited.memory_bytes, memory_of_the_machine().map(|bytes| bytes / 2));
        assert!(!limited.is_set);
        assert_eq!(read(&group, "cpu.max"), "max 100000");
    }

    #[test]
    fn an_old_engines_group_for_all_builds_is_limited_only_as_the_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        files(&root.join("cpu/docker/buildkit"), &["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"]);
        files(&root.join("memory/docker/buildkit"), &["memory.limit_in_bytes"]);
        let limited = put_in_force(root, BuildLimits::default(), false).unwrap();
        assert_eq!((limited.parent.as_deref(), limited.memory_bytes), (None, None));
        assert_eq!(read(root, "cpu/docker/buildkit/cpu.shares"), "128");
        assert_eq!(read(root, "cpu/docker/buildkit/cpu.cfs_quota_us"), "");
        assert_eq!(read(root, "memory/docker/buildkit/memory.limit_in_bytes"), "");
    }

    #[test]
    fn a_build_gives_way_until_it_wants_its_share() {
        let folder = tempfile::tempdir().unwrap();
        let (root, group) = (folder.path(), folder.path().join("launchway-builds"));
        files(root, &["cgroup.controllers", "cgroup.subtree_control"]);
        files(&group, &["cpu.idle", "cpu.weight", "cpu.max", "memory.max", "memory.events"]);
        let limited = put_in_force(root, BuildLimits::default(), true).unwrap();
        assert_eq!((read(&group, "cpu.idle"), read(&group, "cpu.weight")), ("1".to_string(), String::new()));
        limited.want_their_share().unwrap();
        assert_eq!((read(&group, "cpu.idle"), read(&group, "cpu.weight")), ("0".to_string(), "12".to_string()));

        fs::remove_file(group.join("cpu.idle")).unwrap();
        fs::write(group.join("cpu.weight"), "").unwrap();
        put_in_force(root, BuildLimits::default(), true).unwrap().want_their_share().unwrap();
        assert_eq!(read(&group, "cpu.weight"), "12", "an older kernel");
    }

    #[test]
    fn where_there_are_no_control_groups_the_reason_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let why = put_in_force(folder.path(), TWO_GB, true).unwrap_err();
        assert!(why.contains("there are no control groups in"), "{why}");
    }
}
