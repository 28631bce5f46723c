//! What waits for guests that do not read lies in the kernel, on both sides of us: hundreds of kilobytes for each, of a memory
//! that all TCP of the machine shares. Before it is short, they leave.

use super::{Gate, Guests, Present, UNREAD, waited};
use crate::process::TcpMemory;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What one that does not read keeps of it at least: what we send to it, and what a replica sends to us.
const EACH: u64 = 128 * 1024;
/// Where all of them together keep less than this part of it, somebody else has the rest, and gets no more for their leaving.
const PART_THAT_MATTERS: u64 = 8;

/// For ever.
pub async fn relieve(gate: Arc<Gate>) {
    let Some(memory) = TcpMemory::of_machine() else { return std::future::pending().await };
    let least = usize::try_from(memory.enough() / PART_THAT_MATTERS / EACH).unwrap_or(usize::MAX);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Few take no look at all.
        if gate.count() < least || !memory.is_short() {
            continue;
        }
        let left = gate.lock().show_out_unread(least);
        if left > 0 {
            tracing::warn!(
                connections = left,
                "The machine's memory for TCP is nearly used up: connections of clients that do not read are cut"
            );
        }
    }
}

impl Guests {
    /// Half of those for whom bytes have waited for a while: first those of the addresses that have most of them, and of these
    /// who has waited longest. Where there are fewer than `least`, nobody. Returns how many.
    pub(super) fn show_out_unread(&mut self, least: usize) -> usize {
        let does_not_read = |present: &Present| {
            let waited = waited(&present.guest, &present.watch)?;
            (!present.leaves && waited >= UNREAD).then_some(waited)
        };
        let mut of_address: HashMap<Option<IpAddr>, usize> = HashMap::new();
        let mut waiting = Vec::new();
        for (number, present) in &self.present {
            if let Some(waited) = does_not_read(present) {
                *of_address.entry(present.address).or_default() += 1;
                waiting.push((present.address, waited, *number));
            }
        }
        if waiting.len() < least.max(1) {
            return 0;
        }
        // Those of a proxy may be anybody's.
        of_address.insert(None, 1);
        waiting.sort_unstable_by_key(|(address, waited, _)| std::cmp::Reverse((of_address[address], *waited)));
        let leave = waiting.len().div_ceil(2);
        for (_, _, number) in &waiting[..leave] {
            self.lead_out(*number);
        }
        leave
    }
}
