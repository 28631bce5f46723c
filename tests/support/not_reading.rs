//! A crowd that asks for more than anybody keeps, and reads nothing of it: what each of them costs the edge (or a front),
//! whether they end, and whether others notice.

use super::crowd::Crowd;
use super::edge_world::{EdgeWorld, until};
use super::load::Load;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CLIENTS: usize = 1_000;
/// In kB, what is the process's own.
const MOST_EACH: u64 = 64;

/// All of them are served at `at`, cost little, and have been cut off within `end_within`. Whoever else asks there meanwhile
/// is answered. Nothing else may be under way.
pub async fn cost_little_and_end(world: &EdgeWorld, at: SocketAddr, net: u8, end_within: Duration) {
    let load = Load::start(at.port());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = world.memory_kb();
    let crowd = RefCell::new(Crowd::of(CLIENTS, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n", at, net));
    assert_eq!(crowd.borrow().came, CLIENTS);
    // Beside those of the load, of which there are two.
    let all_are_here = |count: u64| count >= CLIENTS as u64;
    // What they took in coming is given back within a second or two.
    let least = Cell::new(u64::MAX);
    let in_flight = async || {
        let count = world.all_in_flight().await;
        if all_are_here(count) {
            least.set(least.get().min(world.memory_kb()));
        }
        count
    };
    until("all of them to be answered", || async { all_are_here(in_flight().await) }).await;
    let began = Instant::now();
    while in_flight().await > 2 {
        assert!(began.elapsed() < end_within, "{} are in flight", in_flight().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until("all of them to be cut off", || std::future::ready(crowd.borrow_mut().still_here() == 0)).await;
    let told = load.end().await;
    assert_eq!(told.failed, Vec::<String>::new(), "of {}", told.answered);
    assert!(told.answered > 10, "{told:?}");
    let each = least.get().saturating_sub(before) / CLIENTS as u64;
    println!(
        "{at}: {each} kB for each of {CLIENTS} that do not read, {} answered beside them; before {before} kB, afterwards {} kB",
        told.answered,
        world.memory_kb()
    );
    assert!(each <= MOST_EACH, "{each} kB for each");
    until("their memory to be given back", || std::future::ready(world.memory_kb() < before + 8 * CLIENTS as u64))
        .await;
}
