//! Requests that wait for a replica.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, client, free_port, key, name, on_port, until};
use launchway::edge::Knocked;
use launchway::model::{ComponentRoutes, EntryProtocol, ReleaseId, RouteEntry};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn held_requests_go_on_in_order_once_a_replica_comes() {
    let world = EdgeWorld::new().await;
    // It takes one connection after the other, in the order in which they were made.
    let app = App::absent("web", world.port);
    let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
    world.hold().await;
    let mut waiting = Vec::new();
    for number in 0..20 {
        let request = client().post(world.url(&format!("/{number}"))).body("a body");
        waiting.push(tokio::spawn(request.send()));
        world.until_held(number + 1).await;
    }
    world.serve(&[(1, 100, &[&app])]).await;
    for number in 0..20 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        while !request.ends_with("a body") {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.unwrap();
            request.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        assert!(request.starts_with(&format!("POST /{number} HTTP/1.1\r\n")), "{number}: {request}");
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    }
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    world.until_held(0).await;
}

#[tokio::test]
async fn who_waits_for_too_long_or_comes_when_too_many_do_is_told_to_come_back() {
    let world = EdgeWorld::with("hold = \"5s\"\nhold-most = 2").await;
    world.hold().await;
    let began = Instant::now();
    let two = [tokio::spawn(client().get(world.url("/")).send()), tokio::spawn(client().get(world.url("/")).send())];
    world.until_held(2).await;
    let third = world.get("/").await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((third.status().as_u16(), third.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    assert!(third.text().await.unwrap().starts_with("The application is not there at the moment, and too many"));
    for answer in two {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "5"));
        assert!(answer.text().await.unwrap().starts_with("The application is not there at the moment.\n"));
    }
    assert!(began.elapsed() >= Duration::from_secs(5));
    world.until_held(0).await;
}

#[tokio::test]
async fn a_client_that_goes_leaves_the_line() {
    let world = EdgeWorld::new().await;
    world.hold().await;
    let leaving = tokio::spawn(client().get(world.url("/first")).send());
    world.until_held(1).await;
    // One whose body nobody has read.
    let mut upload = TcpStream::connect(world.address).await.unwrap();
    upload.write_all(b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome of it").await.unwrap();
    world.until_held(2).await;
    let staying = tokio::spawn(client().get(world.url("/third")).send());
    world.until_held(3).await;
    leaving.abort();
    world.until_held(2).await;
    drop(upload);
    world.until_held(1).await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    assert_eq!(name(&staying.await.unwrap().unwrap()), "web");
    assert_eq!(app.requests(), ["GET /third"]);
}

#[tokio::test]
async fn a_component_without_a_reachable_replica_is_waited_for() {
    let world = EdgeWorld::new().await;
    let app = App::absent("web", world.port);
    world.serve(&[(1, 100, &[&app])]).await;
    let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(client().post(world.url("/")).body("x").send())).collect();
    world.until_held(10).await;
    app.listen().await;
    let began = Instant::now();
    for answer in waiting {
        assert_eq!(name(&answer.await.unwrap().unwrap()), "web");
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn plain_tcp_connections_wait_too() {
    let world = EdgeWorld::new().await;
    let port = free_port();
    let routes = world.routed(on_port(port, EntryProtocol::Tcp), &[]);
    world.client.put(&key("web"), &ComponentRoutes { held: true, ..routes }).await.unwrap();
    let mut waiting = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    waiting.write_all(b"GET /waited HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let leaving = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    world.until_held(2).await;
    drop(leaving);
    world.until_held(1).await;
    let app = world.app("web").await;
    world
        .client
        .put(&key("web"), &world.routed(on_port(port, EntryProtocol::Tcp), &[(1, 100, &[&app])]))
        .await
        .unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("GET /waited HTTP/1.1"), "{answer}");
    until("nothing to be held", || async { world.traffic().await.held == 0 }).await;
}

#[tokio::test]
async fn a_way_in_at_which_nobody_listens_stalls_no_other() {
    let world = EdgeWorld::new().await;
    let (app, port) = (world.app("web").await, free_port());
    let mut routes = world.routes(&[(1, 100, &[&app])]);
    routes.entries.push(RouteEntry { listen: on_port(port, EntryProtocol::Tcp), target: free_port() });
    world.client.put(&key("web"), &routes).await.unwrap();
    let waits = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    world.until_held(1).await;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(world.who("/").await, "web");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let traffic = world.traffic().await;
    assert_eq!((traffic.held, traffic.held_before), (1, 0), "only who came to the dead port waits");
    drop(waits);
    world.until_held(0).await;
}

#[tokio::test]
async fn who_waits_because_replicas_refuse_counts_as_a_failure_and_who_waits_for_a_replacement_does_not() {
    let world = EdgeWorld::with("hold = \"3s\"").await;
    let of = async |release: i64| world.traffic().await.releases.get(&ReleaseId(release)).cloned().unwrap_or_default();
    world.hold().await;
    let waiting = tokio::spawn(client().get(world.url("/")).send());
    world.until_held(1).await;
    let well = world.app("one").await;
    world.serve(&[(1, 100, &[&well])]).await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!((of(1).await.requests, of(1).await.failed), (1, 0));

    let late = App::absent("two", world.port);
    world.serve(&[(2, 100, &[&late])]).await;
    let given_up = [client().get(world.url("/")).send(), client().get(world.url("/")).send()].map(tokio::spawn);
    for answer in given_up {
        assert_eq!(answer.await.unwrap().unwrap().status(), 503);
    }
    assert_eq!(
        (of(2).await.requests, of(2).await.failed),
        (2, 2),
        "whoever stood in the line behind the first as well"
    );
    let waiting = tokio::spawn(client().get(world.url("/")).send());
    world.until_held(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    late.listen().await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!((of(2).await.requests, of(2).await.failed), (3, 3));
    assert_eq!(world.who("/").await, "two");
    assert_eq!((of(2).await.requests, of(2).await.failed), (4, 3));
}

#[tokio::test]
async fn the_edge_says_which_ports_of_a_replica_take_connections() {
    let world = EdgeWorld::new().await;
    let (app, nobody) = (world.app("web").await, free_port());
    let knocked = world.client.knock(app.replica.clone(), vec![world.port, nobody]).await.unwrap();
    assert_eq!(knocked[0], Knocked::Accepts);
    assert!(matches!(&knocked[1], Knocked::Not(why) if why.contains("refused")), "{knocked:?}");
    assert_eq!(app.requests(), Vec::<String>::new(), "it is only connected to");
}
