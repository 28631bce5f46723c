use super::*;
use crate::connections::{Serving, Wire};
use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};

/// A client's end, and its place.
struct Here {
    place: Place,
    _client: TcpStream,
    _wire: Wire,
}

struct World {
    listener: TcpListener,
    gate: Arc<Gate>,
}

impl World {
    async fn new(room: Room, trusted: &[&str]) -> Self {
        let ranges: Vec<ipnet::IpNet> = trusted.iter().map(|range| range.parse().unwrap()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, gate: Gate::new(room, Trusted::new(&ranges)) }
    }

    async fn enter_as(&self, kind: Kind, last: u8) -> Result<Here, NoPlace> {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (wire, watch) = Wire::of_stranger(self.listener.accept().await.unwrap().0);
        let place = self.gate.enter([192, 0, 2, last].into(), kind, watch)?;
        Ok(Here { place, _client: client, _wire: wire })
    }

    async fn enter(&self, last: u8) -> Result<Here, NoPlace> {
        self.enter_as(Kind::Asks, last).await
    }
}

impl Here {
    fn is_shown_out(&self) -> bool {
        self.place.guest.shown_out().now_or_never().is_some()
    }

    fn served(&self) -> Serving {
        self.place.guest.serving()
    }
}

const ROOM: Room = Room { most: 8, scarce_from: 4, each: 2 };

#[tokio::test]
async fn while_there_is_room_an_address_may_have_as_many_as_it_likes() {
    let world = World::new(ROOM, &[]).await;
    let mut here = Vec::new();
    for _ in 0..4 {
        here.push(world.enter(1).await.unwrap());
    }
    assert!(here.iter().all(|one| !one.is_shown_out()));
    // From here on its next one takes the place of its first.
    let next = world.enter(1).await.unwrap();
    assert!(here[0].is_shown_out() && !here[1].is_shown_out() && !next.is_shown_out());
    here.remove(0);
    // Somebody else's comes beside them.
    let other = world.enter(2).await.unwrap();
    assert!(!other.is_shown_out() && here.iter().all(|one| !one.is_shown_out()));
}

#[tokio::test]
async fn who_is_served_stays_and_an_address_with_enough_of_those_gets_no_more() {
    let world = World::new(ROOM, &[]).await;
    let mut here = Vec::new();
    for _ in 0..4 {
        let one = world.enter(1).await.unwrap();
        let serving = one.served();
        here.push((one, serving));
    }
    assert!(world.enter(1).await.is_err());
    assert!(here.iter().all(|(one, _)| !one.is_shown_out()));
    assert!(world.enter(2).await.is_ok());
    assert_eq!(world.gate.refused(), 1);
}

#[tokio::test]
async fn all_forges_behind_one_proxy_have_more_than_one_address_share() {
    let world = World::new(ROOM, &["192.0.2.1/32"]).await;
    let mut here = Vec::new();
    for _ in 0..8 {
        let one = world.enter(1).await.unwrap();
        let serving = one.served();
        here.push((one, serving));
    }
    assert!(here.iter().all(|(one, _)| !one.is_shown_out()));
}

#[tokio::test]
async fn when_all_places_are_taken_who_says_nothing_makes_room_for_whoever_comes() {
    let world = World::new(ROOM, &[]).await;
    let mut here = Vec::new();
    for address in 1..=8 {
        here.push(world.enter(address).await.unwrap());
    }
    let serving = here[0].served();
    let next = world.enter(9).await.unwrap();
    assert!(!here[0].is_shown_out() && here[1].is_shown_out() && !next.is_shown_out());
    drop(serving);
    here.remove(1);
    // A request beside another one on the same connection takes as much.
    let more = world.gate.more();
    assert!(more.is_ok());
    assert_eq!(world.gate.count(), 9);
    drop((more, here, next));
    assert_eq!(world.gate.count(), 0);
    assert!(world.gate.lock().by_address.is_empty());
}

#[tokio::test]
async fn connections_whose_silence_says_nothing_leave_half_of_the_places_to_the_others() {
    let world = World::new(ROOM, &[]).await;
    let mut here = Vec::new();
    for address in 1..=4 {
        here.push(world.enter_as(Kind::Open, address).await.unwrap());
    }
    assert!(world.enter_as(Kind::Open, 5).await.is_err());
    let asking = world.enter(6).await.unwrap();
    assert!(asking.place.stays_open().is_err());
    here.pop();
    assert!(asking.place.stays_open().is_ok());
    assert!(here.iter().all(|one| !one.is_shown_out()));
}

/// Somebody whose download stands still for a moment is not one of a crowd.
#[tokio::test]
async fn who_does_not_read_leaves_where_memory_is_short_and_first_where_most_of_them_come_from() {
    let world = World::new(Room::of(FEWEST), &[]).await;
    let mut here = Vec::new();
    for address in [1, 2, 2, 2, 3] {
        let one = world.enter(address).await.unwrap();
        let serving = one.served();
        one._wire.watch().write_waits();
        here.push((one, serving));
    }
    let reads = world.enter(2).await.unwrap();
    let serving = reads.served();
    let show_out = |least: usize| world.gate.lock().show_out_unread(least);
    let began = std::time::Instant::now();
    while show_out(5) == 0 {
        assert_eq!(show_out(6), 0, "so few keep nothing that is missed");
        assert!(began.elapsed() < Duration::from_secs(20), "nobody leaves");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let shown: Vec<bool> = here.iter().map(|(one, _)| one.is_shown_out()).collect();
    assert_eq!(shown, [false, true, true, true, false]);
    assert!(!reads.is_shown_out());
    // Nobody is told twice.
    assert_eq!(show_out(1), 1);
    assert_eq!(here.iter().filter(|(one, _)| one.is_shown_out()).count(), 1);
    drop(serving);
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let of = |text: &str| network_of(text.parse().unwrap()).to_string();
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
}

#[test]
fn there_are_as_many_places_as_files_and_memory_allow() {
    assert_eq!(Room::within(20_000, 2, None).most, 8750);
    assert_eq!(Room::within(1024, 2, None).most, 256);
    assert_eq!(Room::within(1 << 20, 1, Some(1 << 30)).most, 8192);
    assert_eq!(Room::within(1 << 20, 1, None).most, MOST);
    assert_eq!(Room::within(100, 2, None).most, FEWEST);
}
