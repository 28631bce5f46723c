//! Strangers connect to the server in thousands, and say nothing, or only half of something. Nobody else notices.

use crate::support::app::write_quick;
use crate::support::crowd::Crowd;
use crate::support::delivery::Delivery;
use crate::support::world::{Settings, World};
use launchway::model::ForgeKind;
use serde_json::json;
use std::time::{Duration, Instant};

/// As many as came in the attack that this was made after, and more than the usual limit of files.
const STRANGERS: usize = 10_000;

/// How long signed deliveries take: the quickest, the middle one and the slowest, in milliseconds.
async fn deliveries(world: &World) -> [f64; 3] {
    let mut took = Vec::new();
    for _ in 0..15 {
        let ping = Delivery::new(world, "ping", json!({ "zen": "Keep it logically awesome." }));
        let began = Instant::now();
        let (status, told) = ping.send().await;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(status, 200, "{told}");
    }
    took.sort_by(f64::total_cmp);
    [took[0], took[took.len() / 2], took[took.len() - 1]]
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_who_say_nothing_keep_no_delivery_out() {
    let mut world = World::not_serving(Settings { forge: Some(ForgeKind::GitHub), ..Settings::default() }).await;
    // What servers often start with.
    world.serve_with_files(1024).await;
    let before = deliveries(&world).await;
    let at = ([127, 0, 0, 1], world.port).into();
    let half_a_head = "POST /hooks/shop HTTP/1.1\r\nHost: a\r\nX-Hub-Sig";
    let mut silent = Crowd::of(STRANGERS, "", at, 1);
    let mut slow = Crowd::of(STRANGERS / 10, half_a_head, at, 2);
    let half_a_body =
        "POST /hooks/shop HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{";
    let mut slower = Crowd::of(STRANGERS / 10, half_a_body, at, 3);
    let with_them = deliveries(&world).await;
    println!(
        "{} silent, {} with half a head, {} with half a body came. A delivery took (lowest, middle, highest, ms): alone {before:.1?}, with them {with_them:.1?}",
        silent.came, slow.came, slower.came
    );
    // Far more than it takes, and far less than anybody here is waited for.
    assert!(with_them[2] < 2000.0, "{with_them:?}");

    // The control API, the forge and the engine are reached.
    let (code, said, error) = world.launchway(&["status"]).await;
    assert_eq!(code, 0, "{said}{error}");
    write_quick(&world.repository, "one");
    let commit = world.push("With ten thousand at the door");
    assert_eq!(Delivery::push(&world, &commit).send().await.0, 202);
    assert_eq!(world.ends(&commit).await.state, "success");

    // And each of them is closed.
    let began = Instant::now();
    for (crowd, what) in [(&mut silent, "silent"), (&mut slow, "half a head"), (&mut slower, "half a body")] {
        while crowd.still_here() > 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: {} are still here", crowd.still_here());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    world.end().await;
}
