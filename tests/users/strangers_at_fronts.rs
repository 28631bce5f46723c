//! Strangers inside: a component that somebody has got into, or that is broken, says nothing to another one's front, reads
//! nothing, or says what another one would have to say.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, client, free_port, is_closed, key, on_port, until};
use crate::support::not_reading::cost_little_and_end;
use launchway::edge::FrontSettings;
use launchway::model::{EdgeSettings, EntryProtocol};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A front of `web`, and where it is reached over HTTP and over plain TCP.
struct Front {
    world: EdgeWorld,
    app: App,
    http: SocketAddr,
    tcp: SocketAddr,
}

/// Callers may be silent for so long.
async fn front(silent: Duration) -> Front {
    let settings =
        FrontSettings { silent_ms: silent.as_millis() as u64, ..FrontSettings::of(&EdgeSettings::default()) };
    let world = EdgeWorld::front(&settings).await;
    let app = world.app("web").await;
    let [http, tcp] = [EntryProtocol::Http, EntryProtocol::Tcp].map(|protocol| (free_port(), protocol));
    for (name, (port, protocol)) in [("web", http), ("bytes", tcp)] {
        world.client.put(&key(name), &world.routed(on_port(port, protocol), &[(1, 100, &[&app])])).await.unwrap();
    }
    let at = |(port, _)| SocketAddr::from(([127, 0, 0, 1], port));
    Front { world, app, http: at(http), tcp: at(tcp) }
}

/// The first line of the answer.
async fn ask(connection: &mut TcpStream) -> String {
    connection.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap().lines().next().unwrap().to_string()
}

#[tokio::test]
async fn a_caller_that_says_nothing_or_only_its_beginning_is_closed_and_one_that_may_be_silent_is_not() {
    let front = front(Duration::from_secs(1)).await;
    // A caller keeps its connections for as long as it likes.
    let mut kept = TcpStream::connect(front.http).await.unwrap();
    assert_eq!(ask(&mut kept).await, "HTTP/1.1 200 OK");
    // Plain TCP: the app's own clients begin when they like.
    let mut bytes = TcpStream::connect(front.tcp).await.unwrap();
    until("it to be passed on", || async { front.world.all_in_flight().await == 1 }).await;
    let waits = tokio::spawn(client().get(format!("http://{}/gate", front.http)).send());
    until("a request that waits for its answer", || async { front.app.requests().contains(&"GET /gate".into()) }).await;

    for said in ["", "P", "GET", "GET / HTTP/1.1\r\nHost: a\r\nX-A"] {
        let mut stream = TcpStream::connect(front.http).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        assert!(is_closed(&mut stream).await, "{said:?} is waited for");
    }

    // All of these said nothing for longer than that.
    bytes.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    bytes.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    front.app.open_gate(1);
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
    assert_eq!(ask(&mut kept).await, "HTTP/1.1 200 OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_what_it_asked_for_costs_little_and_not_for_ever() {
    let front = front(Duration::from_secs(8)).await;
    cost_little_and_end(&front.world, front.http, 6, Duration::from_secs(30)).await;
    // Where bytes are passed on, it has five times as long.
    cost_little_and_end(&front.world, front.tcp, 6, Duration::from_secs(90)).await;
}

/// Whoever speaks HTTP there has its requests looked at; what begins like TLS would be a way past that.
#[tokio::test]
async fn tls_is_passed_on_to_who_speaks_it_and_to_nobody_else() {
    const SMUGGLES: &[u8] = b"\x16\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let front = front(Duration::from_secs(8)).await;
    let probed = free_port();
    let routes = front.world.routed(on_port(probed, EntryProtocol::Probe), &[(1, 100, &[&front.app])]);
    front.world.client.put(&key("probed"), &routes).await.unwrap();
    for at in [front.http, ([127, 0, 0, 1], probed).into()] {
        assert_eq!(client().get(format!("http://{at}/seen")).send().await.unwrap().status(), 200);
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(SMUGGLES).await.unwrap();
        assert!(is_closed(&mut stream).await);
    }
    let requests = front.app.requests();
    assert!(!requests.iter().any(|request| request.contains("smuggled")), "{requests:?}");

    // It answers a handshake with one, and all else in plain words.
    let speaks = App::absent("speaks", front.world.port);
    let listener = TcpListener::bind((speaks.replica.address.unwrap(), front.world.port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut said = [0; 64];
            let length = stream.read(&mut said).await.unwrap();
            let answer: &[u8] =
                if said[0] == 22 { &said[..length] } else { b"HTTP/1.0 400 Bad Request\r\n\r\nHTTPS.\n" };
            let _ = stream.write_all(answer).await;
        }
    });
    let port = free_port();
    let routes = front.world.routed(on_port(port, EntryProtocol::Http), &[(1, 100, &[&speaks])]);
    front.world.client.put(&key("speaks"), &routes).await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(SMUGGLES).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, SMUGGLES);
}
