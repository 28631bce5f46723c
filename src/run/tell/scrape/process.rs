//! This process, by the names that Prometheus' own clients give: read from `/proc`, and left out where there is none.

use crate::run::ground::metrics::exposition::Exposition;

/// Adds what the kernel says of this process.
pub fn put_process(out: &mut Exposition) {
    if let Ok(text) = std::fs::read_to_string("/proc/self/statm")
        && let Some(pages) = resident_pages(&text)
    {
        let bytes = pages.saturating_mul(rustix::param::page_size() as u64);
        out.gauge("process_resident_memory_bytes", "Resident memory size in bytes", bytes as f64);
    }
    if let Ok(folder) = std::fs::read_dir("/proc/self/fd") {
        // One of them is this folder.
        let open = folder.count().saturating_sub(1);
        out.gauge("process_open_fds", "Number of open file descriptors", open as f64);
    }
    if let Ok(text) = std::fs::read_to_string("/proc/self/stat")
        && let Some(ticks) = cpu_ticks(&text)
    {
        let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        out.counter("process_cpu_seconds", "Total user and system CPU time spent in seconds", seconds);
    }
}

/// The second number of `statm`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// User and system time of `stat`: fields 14 and 15. The second field is the command in brackets, and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_brackets_moves_no_field() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(100));
        assert_eq!(cpu_ticks("nonsense"), None);
        assert_eq!(resident_pages("500 123 4"), Some(123));
        assert_eq!(resident_pages(""), None);
    }
}
