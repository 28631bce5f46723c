//! Strangers at the edge: they say nothing, read nothing, or say what another one would have to say.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, client, free_port, is_closed, key, on_port, until};
use crate::support::not_reading::cost_little_and_end;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use launchway::model::EntryProtocol;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn world(settings: &str) -> (EdgeWorld, App) {
    let world = EdgeWorld::with(settings).await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    (world, app)
}

#[tokio::test]
async fn who_says_nothing_or_only_its_beginning_is_closed_and_who_may_be_silent_is_not() {
    let (world, app) = world("head-timeout = \"1s\"\nunread-timeout = \"1s\"").await;
    // At a port of a component, too, and at one of plain TCP, where it is no sign of anything.
    let (http, tcp) = (free_port(), free_port());
    world
        .client
        .put(&key("api"), &world.routed(on_port(http, EntryProtocol::Http), &[(1, 100, &[&app])]))
        .await
        .unwrap();
    let db = App::absent("db", world.port);
    let listener = TcpListener::bind((db.replica.address.unwrap(), world.port)).await.unwrap();
    world.client.put(&key("db"), &world.routed(on_port(tcp, EntryProtocol::Tcp), &[(1, 100, &[&db])])).await.unwrap();
    let mut to_db = TcpStream::connect(("127.0.0.1", tcp)).await.unwrap();
    let (mut from_edge, _) = listener.accept().await.unwrap();
    let url = format!("ws://{}/ws", world.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut events = world.get("/events").await;
    assert_eq!(events.chunk().await.unwrap().unwrap(), "first\n");
    let kept = client();
    assert_eq!(
        kept.get(world.url("/")).send().await.unwrap().text().await.unwrap().lines().next(),
        Some("GET / HTTP/1.1")
    );
    let upload = tokio::spawn(client().get(world.url("/gate")).send());
    until("a request that waits for its answer", || async { app.requests().contains(&"GET /gate".into()) }).await;

    for at in [world.address, ([127, 0, 0, 1], http).into()] {
        for said in
            ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-A", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
        {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            assert!(is_closed(&mut stream).await, "{said:?} is waited for at {at}");
        }
    }

    // All of these said nothing for longer than that.
    from_edge.write_all(b"5.7 I am a database").await.unwrap();
    let mut greeting = [0; 19];
    to_db.read_exact(&mut greeting).await.unwrap();
    socket.send("still there".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "web: still there");
    app.open_gate(2);
    assert_eq!(events.chunk().await.unwrap().unwrap(), "last\n");
    assert_eq!(upload.await.unwrap().unwrap().status(), 200);
    let before = app.requests().len();
    assert_eq!(kept.get(world.url("/")).send().await.unwrap().status(), 200);
    assert_eq!(app.requests().len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_what_it_asked_for_costs_little_and_not_for_long() {
    let (world, app) = world("unread-timeout = \"8s\"").await;
    let tcp = free_port();
    world.client.put(&key("tcp"), &world.routed(on_port(tcp, EntryProtocol::Tcp), &[(1, 100, &[&app])])).await.unwrap();
    // Where the edge passes on bytes, they have five times as long.
    cost_little_and_end(&world, world.address, 4, Duration::from_secs(30)).await;
    cost_little_and_end(&world, ([127, 0, 0, 1], tcp).into(), 4, Duration::from_secs(90)).await;
    // Several answers over one connection, whose socket takes what there is for others.
    let stream = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..50 {
        let request = hyper::Request::get(world.url("/large")).body(Empty::<Bytes>::new()).unwrap();
        answers.push(sender.clone().send_request(request).await.unwrap());
    }
    world.until_in_flight(&app, 50, 0).await;
    world.until_in_flight(&app, 0, 0).await;
    drop(answers);
}

#[tokio::test]
async fn what_says_who_asks_is_said_by_the_edge_alone() {
    let (world, _app) = world("").await;
    let answer = world
        .raw("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close, X-Forwarded-For, X-Request-Id\r\nX_Forwarded_For: 203.0.113.9\r\nX-Forwarded_Proto: https\r\nX-Real_IP: 203.0.113.9\r\nX.Forwarded.Host: evil.test\r\nContent_Length: 7\r\nProxy: http://evil.test\r\nX-Request-Id: id-1\r\nmy_own: stays\r\n\r\n")
        .await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    insta::assert_snapshot!(body.trim_end(), @r"
    GET / HTTP/1.1
    host: shop.test
    my_own: stays
    x-forwarded-for: 127.0.0.1
    x-forwarded-host: shop.test
    x-forwarded-proto: http
    x-request-id: id-1
    ");
}

/// To what speaks plain HTTP it would be a way past the edge.
#[tokio::test]
async fn tls_leads_nowhere_where_no_replica_speaks_it() {
    let (world, app) = world("").await;
    for protocol in [EntryProtocol::Http, EntryProtocol::Probe] {
        let port = free_port();
        world.client.put(&key("api"), &world.routed(on_port(port, protocol), &[(1, 100, &[&app])])).await.unwrap();
        let answer = client().get(format!("http://127.0.0.1:{port}/seen")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"\x16\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert!(is_closed(&mut stream).await);
    }
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"\x16\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(is_closed(&mut stream).await);
    let requests = app.requests();
    assert!(!requests.iter().any(|request| request.contains("smuggled")), "{requests:?}");
}
