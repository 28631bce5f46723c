//! How much memory there is for this process, the machine's or less where its control group has a limit; and what it gives
//! back.

/// In bytes; `None`: not known.
pub fn memory_bytes() -> Option<u64> {
    let machine = of_machine();
    // In a container, its own group is the root of what it sees: version 2, then 1.
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

/// In bytes, whatever limits this process has.
pub(super) fn of_machine() -> Option<u64> {
    std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text))
}

/// Returns what this thread has freed to the kernel. It takes as long as there is to return.
pub fn give_memory_back() {
    // SAFETY: it may be called at any time, by any thread, and does nothing where another allocator is used.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_known() {
        assert_eq!(total("MemTotal:       24563024 kB\nMemFree: 1 kB\n"), Some(24_563_024 * 1024));
        assert_eq!(total("nothing"), None);
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
