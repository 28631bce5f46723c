//! The memory that all TCP connections of the machine share, of whatever process, container or network. The kernel has a
//! limit for it, and near it nobody's bytes go on: what a few leave unread, all others wait for.

use rustix::param::page_size;

/// When it is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpMemory {
    /// Below this, in bytes, the kernel gives everybody what they want.
    enough: u64,
}

impl TcpMemory {
    /// `None`: this kernel does not say how much there is.
    pub fn of_machine() -> Option<Self> {
        let said = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok().and_then(|text| lowest(&text));
        // It is the machine's alone: a container does not see it, and works out what the kernel does (tcp_init_mem).
        let pages = said.or_else(|| Some(super::memory::of_machine()? / page_size() as u64 / 16 / 4 * 3))?;
        used()?;
        Some(Self { enough: pages * page_size() as u64 })
    }

    /// From so many bytes on the kernel is short of memory for TCP.
    pub fn enough(&self) -> u64 {
        self.enough
    }

    /// Whether all TCP of the machine uses that much now.
    pub fn is_short(&self) -> bool {
        used().is_some_and(|used| used >= self.enough)
    }
}

/// In bytes. A container sees all of the machine's here.
fn used() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/net/sockstat").ok().and_then(|text| pages(&text))?;
    Some(pages * page_size() as u64)
}

/// Of `sockstat`: `TCP: inuse 4 orphan 0 tw 8 alloc 10 mem 3`.
fn pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()
}

/// Of `tcp_mem`, in pages: so much is enough, from so much on the kernel holds back, and this is all.
fn lowest(tcp_mem: &str) -> Option<u64> {
    tcp_mem.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_much_there_is_and_how_much_is_used() {
        assert_eq!(
            pages("sockets: used 39\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 139\nUDP: inuse 0 mem 7\n"),
            Some(139)
        );
        assert_eq!(pages("UDP: inuse 0 mem 7\n"), None);
        assert_eq!(lowest("287898\t383866\t575796\n"), Some(287_898));
        let memory = TcpMemory::of_machine().unwrap();
        assert!(memory.enough() > 1 << 20 && used().is_some());
        // What a container works out is what the machine says, unless somebody has set it.
        assert!(!TcpMemory { enough: u64::MAX }.is_short());
        assert!(TcpMemory { enough: 0 }.is_short());
    }
}
