//! What the kernel lets this process do.

/// `CAP_NET_BIND_SERVICE` (include/uapi/linux/capability.h).
const BINDS_ANY_PORT: u64 = 1 << 10;
/// Where the kernel says nothing else.
const USUAL: u16 = 1024;

/// The lowest port that it may open; `None`: not known.
pub fn lowest_port() -> Option<u16> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    lowest(&status, &start)
}

fn lowest(status: &str, start: &str) -> Option<u16> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(effective.trim(), 16).ok()?;
    match effective & BINDS_ANY_PORT {
        0 => Some(start.trim().parse().unwrap_or(USUAL)),
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_bind_any_port_and_what_the_host_lets_everybody_bind() {
        let root = "Name:\tlaunchway\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n";
        let nobody = "CapEff:\t0000000000000000\n";
        assert_eq!(lowest(root, "1024\n"), Some(1));
        assert_eq!(lowest(nobody, "1024\n"), Some(1024));
        assert_eq!(lowest(nobody, "80\n"), Some(80));
        assert_eq!(lowest(nobody, ""), Some(1024));
        assert_eq!(lowest("CapEff:\twhat\n", "80\n"), None);
        assert!(lowest_port().is_some());
    }
}
