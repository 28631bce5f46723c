//! When a request is tried elsewhere, and when it must not be.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, client, name, until};
use std::sync::atomic::Ordering;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_made_to_another_replica_for_every_method() {
    let world = EdgeWorld::new().await;
    let (absent, there) = (App::absent("absent", world.port), world.app("there").await);
    world.serve(&[(1, 100, &[&absent, &there])]).await;
    let client = client();
    for number in 0..30 {
        let answer = client.post(world.url("/")).body(format!("order {number}")).send().await.unwrap();
        assert_eq!(name(&answer), "there");
        assert!(answer.text().await.unwrap().ends_with(&format!("order {number}")));
    }
    assert_eq!(there.requests().len(), 30);
}

#[tokio::test]
async fn a_request_that_may_have_been_sent_is_not_sent_again() {
    let world = EdgeWorld::new().await;
    // It takes the connection and the request, and dies.
    let dying = App::absent("dying", world.port);
    let listener = TcpListener::bind((dying.replica.address.unwrap(), world.port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 16]).await;
        }
    });
    let there = world.app("there").await;
    world.serve(&[(1, 100, &[&dying, &there])]).await;
    let client = client();
    let mut broke_off = 0;
    for _ in 0..30 {
        for request in [client.post(world.url("/")).body("order"), client.get(world.url("/"))] {
            let answer = request.send().await.unwrap();
            match answer.status().as_u16() {
                200 => assert_eq!(name(&answer), "there"),
                502 => broke_off += 1,
                other => panic!("{other}"),
            }
        }
    }
    assert!(broke_off > 5, "{broke_off}");
    assert_eq!(there.requests().len(), 60 - broke_off);
}

#[tokio::test]
async fn an_idle_connection_that_the_replica_closed_costs_no_request() {
    let world = EdgeWorld::new().await;
    // It answers once on a connection, and then closes it without having said so.
    let closing = App::absent("closing", world.port);
    let listener = TcpListener::bind((closing.replica.address.unwrap(), world.port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-App: closing\r\nContent-Length: 0\r\n\r\n").await;
            });
        }
    });
    world.serve(&[(1, 100, &[&closing])]).await;
    let client = client();
    for number in 0..50 {
        let answer = client.post(world.url("/")).body("order").send().await.unwrap();
        assert_eq!(name(&answer), "closing", "request {number}");
        // So that the end has arrived: a request that meets it on its way is lost, with every proxy.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
}

#[tokio::test]
async fn idle_connections_to_a_replica_are_closed_before_it_is_told_to_be_out_of_the_routes() {
    let world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    world.serve(&[(1, 100, &[&old])]).await;
    let all = (0..10).map(|_| client().get(world.url("/slow")).send());
    for answer in futures_util::future::join_all(all).await {
        answer.unwrap().bytes().await.unwrap();
    }
    until("the connections to be idle", || async { old.seen.open.load(Ordering::SeqCst) >= 2 }).await;
    world.serve(&[(2, 100, &[&new])]).await;
    until("the old ones to be closed", || async { old.seen.open.load(Ordering::SeqCst) == 0 }).await;
    assert_eq!(world.in_flight(&old).await, None);
    assert_eq!(world.who("/").await, "new");
}

#[tokio::test]
async fn an_idle_connection_lives_no_longer_than_four_seconds() {
    let world = EdgeWorld::new().await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    world.get("/").await.bytes().await.unwrap();
    assert_eq!(app.seen.open.load(Ordering::SeqCst), 1);
    let began = std::time::Instant::now();
    until("it to be closed", || async { app.seen.open.load(Ordering::SeqCst) == 0 }).await;
    assert!((3..=5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
