//! What passes through the edge, and how.

use crate::support::edge_world::{EdgeWorld, client, name, until};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

async fn world() -> (EdgeWorld, crate::support::edge_app::App) {
    let world = EdgeWorld::new().await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    (world, app)
}

#[tokio::test]
async fn path_query_and_host_arrive_as_they_were_sent() {
    let (world, _app) = world().await;
    let answer = world
        .raw("POST /a//b%2f..%2F?q=%20+&&x#no HTTP/1.1\r\nHost: Shop.test:80\r\nX-Request-Id: id-1\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    insta::assert_snapshot!(body, @r"
    POST /a//b%2f..%2F?q=%20+&&x HTTP/1.1
    content-length: 5
    host: Shop.test:80
    x-forwarded-for: 127.0.0.1
    x-forwarded-host: Shop.test:80
    x-forwarded-proto: http
    x-request-id: id-1

    hello
    ");
}

#[tokio::test]
async fn who_asked_is_believed_only_from_a_trusted_proxy() {
    let ask = async |settings: &str| {
        let world = EdgeWorld::with(settings).await;
        let app = world.app("web").await;
        world.serve(&[(1, 100, &[&app])]).await;
        let request = client().get(world.url("/")).header("host", "shop.test");
        let request = request.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-proto", "https");
        let answer = request.header("forwarded", "for=203.0.113.9").send().await.unwrap().text().await.unwrap();
        let lines = answer.lines().filter(|line| line.contains("forwarded"));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(ask("").await, @r"
    x-forwarded-for: 127.0.0.1
    x-forwarded-host: shop.test
    x-forwarded-proto: http
    ");
    insta::assert_snapshot!(ask("trusted-proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]").await, @r"
    forwarded: for=203.0.113.9
    x-forwarded-for: 203.0.113.9, 127.0.0.1
    x-forwarded-host: shop.test
    x-forwarded-proto: https
    ");
}

#[tokio::test]
async fn a_client_that_says_two_lengths_smuggles_nothing() {
    let (world, app) = world().await;
    for lengths in
        ["Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 6"]
    {
        let answer = world
            .raw(&format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lengths}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        assert!(!answer.contains("content-length: 6"), "{answer}");
    }
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    ] {
        let answer = world.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
    }
    assert!(!app.requests().iter().any(|request| request.contains("smuggled")), "{:?}", app.requests());
}

#[tokio::test]
async fn an_event_arrives_before_the_body_ends() {
    let (world, app) = world().await;
    let mut answer = world.get("/events").await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first\n");
    world.until_in_flight(&app, 1, 0).await;
    app.open_gate(1);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "last\n");
    assert_eq!(answer.chunk().await.unwrap(), None);
    world.until_in_flight(&app, 0, 0).await;
}

#[tokio::test]
async fn an_upload_arrives_while_it_is_sent() {
    let (world, app) = world().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let answer = tokio::spawn(client().post(world.url("/upload")).body(body).send());
    for total in [5, 10] {
        sender.send(Ok(Bytes::from("bytes"))).await.unwrap();
        until("the bytes to arrive", || async { app.seen.uploaded.load(Ordering::SeqCst) == total }).await;
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap().text().await.unwrap(), "10 bytes");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_continue() {
    let (world, _app) = world().await;
    let mut stream = BufReader::new(TcpStream::connect(world.address).await.unwrap());
    let head =
        "POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("5 bytes"), "{answer}");
}

#[tokio::test]
async fn head_keep_alive_and_old_clients_are_served() {
    let (world, app) = world().await;
    let client = client();
    for _ in 0..5 {
        let answer = client.head(world.url("/")).send().await.unwrap();
        assert!(answer.headers()["content-length"].to_str().unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
        client.get(world.url("/")).send().await.unwrap().bytes().await.unwrap();
    }
    // One connection to the application, or one of each worker.
    let connections = app.seen.connections.load(Ordering::SeqCst);
    assert!(connections <= 2, "{connections} connections for 10 requests of one client");
    let answer = world.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("\n\nGET") || answer.contains("GET / HTTP/1.1"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_web_socket_speaks_both_ways_and_counts_as_a_connection() {
    let (world, app) = world().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", world.address)).await.unwrap();
    world.until_in_flight(&app, 0, 1).await;
    for message in ["one", "two"] {
        socket.send(message.into()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), format!("web: {message}"));
    }
    socket.close(None).await.unwrap();
    drop(socket);
    world.until_in_flight(&app, 0, 0).await;
    assert_eq!(world.traffic().await.releases.values().map(|release| release.status_classes[0]).sum::<u64>(), 1);
}

#[tokio::test]
async fn http2_without_tls_is_served() {
    let (world, _app) = world().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let all = (0..20).map(|number| client.get(world.url(&format!("/slow?{number}"))).send());
    for answer in futures_util::future::join_all(all).await {
        let answer = answer.unwrap();
        assert_eq!((answer.version(), name(&answer).as_str()), (reqwest::Version::HTTP_2, "web"));
        // The application is asked over HTTP/1.1.
        assert!(answer.text().await.unwrap().contains(" HTTP/1.1\n"));
    }
}

#[tokio::test]
async fn grpc_keeps_its_trailers_and_its_http2_to_the_application() {
    let (world, app) = world().await;
    let io = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..3 {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("checksum", "abc".parse().unwrap());
        let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from("message"))), Ok(Frame::trailers(trailers))];
        let request = http::Request::post(format!("http://{}/trailers", world.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(StreamBody::new(futures_util::stream::iter(frames)))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap();
        let trailers = body.trailers().unwrap().clone();
        assert_eq!((trailers["grpc-status"].to_str().unwrap(), trailers["checksum"].to_str().unwrap()), ("0", "abc"));
        assert_eq!(body.to_bytes(), "message");
    }
    assert_eq!(app.seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn trailers_pass_over_http1_too() {
    let (world, _app) = world().await;
    let answer = world
        .raw("POST /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\nTrailer: checksum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nchecksum: abc\r\n\r\n")
        .await;
    assert!(answer.contains("checksum: abc"), "{answer}");
}

#[tokio::test]
async fn an_application_that_breaks_off_or_hangs_is_said_to() {
    let world = EdgeWorld::with("answer-timeout = \"300ms\"").await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    let broke = world.get("/break").await;
    assert_eq!(broke.status(), 502);
    let id = broke.headers()["x-request-id"].to_str().unwrap().to_string();
    assert_eq!(broke.text().await.unwrap(), format!("The application broke off before it answered.\nRequest: {id}\n"));
    let hung = world.get("/never").await;
    assert_eq!(hung.status(), 504);
    assert!(hung.text().await.unwrap().starts_with("The application did not answer in time.\n"));
    // Half an answer is not passed off as a whole one.
    assert!(world.get("/half").await.bytes().await.is_err());
    until("three failures to be counted", || async {
        world.traffic().await.releases.values().map(|release| release.failed).sum::<u64>() == 3
    })
    .await;
    world.until_in_flight(&app, 0, 0).await;
}

#[tokio::test]
async fn a_slow_upload_is_no_slow_answer() {
    let world = EdgeWorld::with("answer-timeout = \"400ms\"").await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    let chunks = futures_util::stream::unfold(0, |sent| async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        (sent < 6).then(|| (Ok::<_, std::io::Error>(Bytes::from("x")), sent + 1))
    });
    let answer = client().post(world.url("/upload")).body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "6 bytes");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_in_flight() {
    let (world, app) = world().await;
    for path in ["/never", "/events"] {
        let request = tokio::spawn(client().get(world.url(path)).send());
        world.until_in_flight(&app, 1, 0).await;
        request.abort();
        drop(request.await);
        world.until_in_flight(&app, 0, 0).await;
    }
    until("the connections to the application to be closed", || async { app.seen.open.load(Ordering::SeqCst) == 0 })
        .await;
    assert_eq!(world.traffic().await.releases.values().map(|release| release.failed).sum::<u64>(), 0);
}
