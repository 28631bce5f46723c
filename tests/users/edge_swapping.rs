//! Routes that change while requests run.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, client, key, name};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// What one client does again and again until told to stop; each failure is a panic.
async fn load(world: Arc<EdgeWorld>, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>, kind: usize) {
    let (keeping, mut number) = (client(), 0);
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        match kind {
            0 => {
                let answer = keeping.get(world.url("/a")).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
            }
            1 => {
                // A new connection each time.
                let body = format!("order {number}");
                let answer = client().post(world.url("/b")).body(body.clone()).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                assert!(answer.text().await.unwrap().ends_with(&body));
            }
            2 => {
                let answer = keeping.get(world.url("/trickle")).send().await.unwrap();
                assert_eq!(answer.text().await.unwrap(), "first\nlast\n");
            }
            _ => {
                let (mut socket, _) =
                    tokio_tungstenite::connect_async(format!("ws://{}/ws", world.address)).await.unwrap();
                for _ in 0..5 {
                    socket.send("hello".into()).await.unwrap();
                    assert!(socket.next().await.unwrap().unwrap().to_text().unwrap().ends_with(": hello"));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let _ = socket.close(None).await;
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_replicas_are_replaced_one_after_the_other() {
    let world = Arc::new(EdgeWorld::new().await);
    let mut old = world.app("0").await;
    world.serve(&[(0, 100, &[&old])]).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> =
        (0..8).map(|kind| tokio::spawn(load(world.clone(), stop.clone(), done.clone(), kind % 4))).collect();
    for number in 1..=20 {
        let new = world.app(&number.to_string()).await;
        // In between both get requests, and sometimes all are held.
        world.serve(&[(number - 1, 50, &[&old]), (number, 50, &[&new])]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if number % 5 == 0 {
            world.hold().await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        world.serve(&[(number, 100, &[&new])]).await;
        // Drained, as the server does it: gone from the counts, then killed.
        crate::support::edge_world::until("the old one to be drained", || async {
            world.in_flight(&old).await.is_none()
        })
        .await;
        old.kill().await;
        old = new;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let done = done.load(Ordering::SeqCst);
    assert!(done > 100, "only {done} requests");
    let failed: u64 = world.traffic().await.releases.values().map(|release| release.failed).sum();
    assert_eq!(failed, 0);
}

#[tokio::test]
async fn a_replica_out_of_the_routes_is_counted_until_its_last_body_has_ended() {
    let world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    world.serve(&[(1, 100, &[&old])]).await;
    let mut events = world.get("/events").await;
    let gate = tokio::spawn(client().get(world.url("/gate")).send());
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", world.address)).await.unwrap();
    world.until_in_flight(&old, 2, 1).await;
    world.serve(&[(2, 100, &[&new])]).await;
    assert_eq!(world.who("/").await, "new");
    world.until_in_flight(&old, 2, 1).await;
    // Everything that was begun goes on.
    assert_eq!(events.chunk().await.unwrap().unwrap(), "first\n");
    socket.send("still there".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "old: still there");
    old.open_gate(2);
    assert_eq!(name(&gate.await.unwrap().unwrap()), "old");
    assert_eq!(events.chunk().await.unwrap().unwrap(), "last\n");
    assert_eq!(events.chunk().await.unwrap(), None);
    world.until_in_flight(&old, 0, 1).await;
    socket.close(None).await.unwrap();
    drop(socket);
    crate::support::edge_world::until("nothing of it to be left", || async { world.in_flight(&old).await.is_none() })
        .await;
}

/// What has to end is closed as clients expect it, so that they connect again, and land on the new release.
#[tokio::test]
async fn web_sockets_of_a_replica_that_is_to_stop_are_closed_as_going_away() {
    let world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    world.serve(&[(1, 100, &[&old])]).await;
    let url = format!("ws://{}/ws", world.address);
    let (mut leaving, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    world.until_in_flight(&old, 0, 1).await;
    // It still gets new requests: nobody means it.
    world.client.say_goodbye(&old.replica.id).await.unwrap();
    world.serve(&[(2, 100, &[&new])]).await;
    let (mut staying, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    leaving.send("still there".into()).await.unwrap();
    assert_eq!(leaving.next().await.unwrap().unwrap().to_text().unwrap(), "old: still there");
    world.client.say_goodbye(&old.replica.id).await.unwrap();
    let Message::Close(Some(frame)) = leaving.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1001);
    while leaving.next().await.is_some() {}
    crate::support::edge_world::until("the old one to be idle", || async { world.in_flight(&old).await.is_none() })
        .await;
    staying.send("and I".into()).await.unwrap();
    assert_eq!(staying.next().await.unwrap().unwrap().to_text().unwrap(), "new: and I");
}

#[tokio::test]
async fn a_component_that_is_removed_is_counted_until_it_is_done() {
    let world = EdgeWorld::new().await;
    let app: App = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    let gate = tokio::spawn(client().get(world.url("/gate")).send());
    world.until_in_flight(&app, 1, 0).await;
    world.client.remove(&key("web")).await.unwrap();
    assert_eq!(world.get("/").await.status(), 404);
    world.until_in_flight(&app, 1, 0).await;
    app.open_gate(1);
    assert_eq!(name(&gate.await.unwrap().unwrap()), "web");
    crate::support::edge_world::until("it to be forgotten", || async {
        world.client.traffic().await.unwrap().components.is_empty()
    })
    .await;
}
