//! Starts, ends and deaths of the edge.

use crate::support::edge_world::{EdgeWorld, client, free_port, key, name, on_port, until};
use futures_util::{SinkExt, StreamExt};
use launchway::model::EntryProtocol;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn what_was_served_is_served_again_without_anybody_telling_it() {
    let mut world = EdgeWorld::new().await;
    let app = world.app("web").await;
    let port = free_port();
    world.serve(&[(1, 100, &[&app])]).await;
    world
        .client
        .put(&key("port"), &world.routed(on_port(port, EntryProtocol::Http), &[(7, 100, &[&app])]))
        .await
        .unwrap();
    let before = world.client.routes().await.unwrap();
    world.tell_to_end();
    assert!(world.ended().await.success());
    world.start().await;
    assert_eq!(world.who("/").await, "web");
    world.kill().await;
    world.start().await;
    assert_eq!(world.who("/").await, "web");
    let answer = client().get(format!("http://127.0.0.1:{port}/")).send().await.unwrap();
    assert_eq!(name(&answer), "web");
    assert_eq!(world.client.routes().await.unwrap(), before);
    let health = world.client.health().await.unwrap();
    assert_eq!(health.listeners.iter().filter(|listener| listener.problem.is_none()).count(), 2);
}

#[tokio::test]
async fn a_file_that_is_not_understood_lies_aside_and_is_named() {
    let mut world = EdgeWorld::new().await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    world.kill().await;
    let file = world.data().join("edge/routes.json");
    std::fs::write(&file, "{\"version\": 1, \"compo").unwrap();
    world.start().await;
    assert_eq!(world.get("/").await.status(), 404);
    let log = world.log();
    assert!(log.contains("The routes of before are not understood and lie aside"), "{log}");
    assert!(log.contains(&format!("file={}", file.display())), "{log}");
    let aside = std::fs::read_dir(world.data().join("edge")).unwrap();
    assert!(aside.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("routes.json.broken-")));
    world.serve(&[(1, 100, &[&app])]).await;
    assert_eq!(world.who("/").await, "web");
}

#[tokio::test]
async fn a_port_that_is_taken_at_the_start_is_opened_when_it_is_free() {
    let mut world = EdgeWorld::new().await;
    let app = world.app("web").await;
    let port = free_port();
    world
        .client
        .put(&key("web"), &world.routed(on_port(port, EntryProtocol::Http), &[(1, 100, &[&app])]))
        .await
        .unwrap();
    world.serve(&[(1, 100, &[&app])]).await;
    world
        .client
        .put(&key("port"), &world.routed(on_port(port, EntryProtocol::Http), &[(1, 100, &[&app])]))
        .await
        .unwrap();
    world.kill().await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    world.start().await;
    // The others serve.
    assert_eq!(world.who("/").await, "web");
    let health = world.client.health().await.unwrap();
    let problems: Vec<_> = health.listeners.iter().filter_map(|listener| listener.problem.as_deref()).collect();
    assert!(problems.len() == 1 && problems[0].contains("Address already in use"), "{problems:?}");
    drop(taken);
    let url = format!("http://127.0.0.1:{port}/");
    until("the port to be opened", || async { client().get(&url).send().await.is_ok() }).await;
}

#[tokio::test]
async fn an_edge_that_is_told_to_end_finishes_what_it_has() {
    let mut world = EdgeWorld::new().await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    let mut events = world.get("/events").await;
    let gate = tokio::spawn(client().get(world.url("/gate")).send());
    let keeping = client();
    keeping.get(world.url("/")).send().await.unwrap().bytes().await.unwrap();
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", world.address)).await.unwrap();
    world.until_in_flight(&app, 2, 1).await;
    world.tell_to_end();
    until("it to accept no more", || async { TcpStream::connect(world.address).await.is_err() }).await;
    // A connection that was kept gets one more answer, which says that it is the last.
    let last = keeping.get(world.url("/")).send().await.unwrap();
    assert_eq!((last.status().as_u16(), last.headers()["connection"].to_str().unwrap()), (200, "close"));
    socket.send("still".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "web: still");
    app.open_gate(2);
    assert_eq!(name(&gate.await.unwrap().unwrap()), "web");
    assert_eq!(events.chunk().await.unwrap().unwrap(), "first\n");
    assert_eq!(events.chunk().await.unwrap().unwrap(), "last\n");
    socket.close(None).await.unwrap();
    drop((socket, events));
    let began = Instant::now();
    assert!(world.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_drain_is_the_longest_that_a_connection_keeps_the_edge() {
    let mut world = EdgeWorld::with("drain = \"500ms\"").await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", world.address)).await.unwrap();
    world.until_in_flight(&app, 0, 1).await;
    world.tell_to_end();
    let began = Instant::now();
    assert!(world.ended().await.success());
    assert!(began.elapsed() >= Duration::from_millis(500) && began.elapsed() < Duration::from_secs(20));
    assert!(socket.next().await.is_none_or(|message| message.is_err() || message.is_ok_and(|one| one.is_close())));
}

#[tokio::test]
async fn settings_without_an_edge_are_refused_with_a_sentence() {
    let world = EdgeWorld::new().await;
    let file = world.folder.path().join("launchway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let without: String =
        text.lines().filter(|line| !line.contains("[edge]")).map(|line| line.to_string() + "\n").collect();
    let without = without.replacen(&format!("listen = \"{}\"\n", world.address), "", 1);
    std::fs::write(&file, without).unwrap();
    let none = world.command("edge").stderr(std::process::Stdio::piped()).output().await.unwrap();
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(!none.status.success() && said.contains("sets no edge. Add a table [edge]"), "{said}");
}

#[tokio::test]
async fn a_new_edge_takes_the_sockets_over_and_no_connection_is_refused() {
    let mut world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    let port = free_port();
    world.serve(&[(1, 100, &[&old])]).await;
    let on_a_port = world.routed(on_port(port, EntryProtocol::Tcp), &[(1, 100, &[&old])]);
    world.client.put(&key("port"), &on_a_port).await.unwrap();
    let mut events = world.get("/events").await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", world.address)).await.unwrap();
    world.until_in_flight(&old, 1, 1).await;
    let before = world.client.health().await.unwrap().pid;

    let stop = tokio_util::sync::CancellationToken::new();
    let connecting = asking(vec![world.address, ([127, 0, 0, 1], port).into()], stop.clone());
    let mut replaced = world.replace();
    let client = world.client.clone();
    until("the new one to answer", || async { client.health().await.is_ok_and(|health| health.pid != before) }).await;
    // What the old one still has is told by the new one, and it follows the routes to the end.
    world.until_in_flight(&old, 1, 1).await;
    world.serve(&[(2, 100, &[&new])]).await;
    world
        .client
        .put(&key("port"), &world.routed(on_port(port, EntryProtocol::Tcp), &[(2, 100, &[&new])]))
        .await
        .unwrap();
    assert_eq!(world.who("/").await, "new");
    assert_eq!(world.in_flight(&old).await, Some(launchway::model::InFlight { requests: 1, connections: 1 }));
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.cancel();
    assert!(connecting.await.unwrap() > 10);
    old.open_gate(1);
    assert_eq!(events.chunk().await.unwrap().unwrap(), "first\n");
    assert_eq!(events.chunk().await.unwrap().unwrap(), "last\n");
    assert_eq!(events.chunk().await.unwrap(), None);
    socket.send("bye".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "old: bye");
    drop((socket, events));
    let ended =
        tokio::time::timeout(Duration::from_secs(20), replaced.wait()).await.expect("the old one ends").unwrap();
    assert!(ended.success());
    until("nothing to be left of the old", || async { world.in_flight(&old).await.is_none() }).await;
}

#[tokio::test]
async fn up_runs_server_and_edge_and_starts_again_what_died() {
    let mut world = EdgeWorld::not_started("");
    let mut up = world.command("up").spawn().unwrap();
    let client = world.client.clone();
    until("the edge to answer", || async { client.health().await.is_ok() }).await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    let first = client.health().await.unwrap().pid;
    let killed = std::process::Command::new("kill").args(["-s", "KILL", &first.to_string()]).status().unwrap();
    assert!(killed.success());
    until("another edge to answer", || async { client.health().await.is_ok_and(|health| health.pid != first) }).await;
    assert_eq!(world.who("/").await, "web");
    let log = world.log();
    assert!(log.contains("A process ended; it is started again") && log.contains("signal: 9 (SIGKILL)"), "{log}");
    until("the server to be ready", || async { world.log().contains("Launchway is ready") }).await;
    crate::support::edge_world::signal(&up, "TERM");
    assert!(tokio::time::timeout(Duration::from_secs(20), up.wait()).await.expect("it ends").unwrap().success());
    assert!(client.health().await.is_err());

    // An edge that runs already is left alone, also at the end.
    world.start().await;
    let own = client.health().await.unwrap().pid;
    let mut up = world.command("up").spawn().unwrap();
    until("up to see it", || async { world.log().contains("An edge runs already; it is left alone") }).await;
    crate::support::edge_world::signal(&up, "TERM");
    assert!(tokio::time::timeout(Duration::from_secs(20), up.wait()).await.expect("it ends").unwrap().success());
    assert_eq!(client.health().await.unwrap().pid, own);
    assert_eq!(world.who("/").await, "web");
}

#[tokio::test]
async fn a_second_up_ends_at_once_and_so_does_one_beside_a_server() {
    let world = EdgeWorld::not_started("");
    let mut up = world.command("up").spawn().unwrap();
    until("the server to be ready", || async { world.log().contains("Launchway is ready") }).await;
    let began = Instant::now();
    let second = world.command("up").status().await.unwrap();
    assert!(!second.success() && began.elapsed() < Duration::from_secs(5), "{second} {:?}", began.elapsed());
    assert!(world.log().contains("another `launchway up` runs on the data directory"), "{}", world.log());
    crate::support::edge_world::signal(&up, "TERM");
    assert!(tokio::time::timeout(Duration::from_secs(20), up.wait()).await.expect("it ends").unwrap().success());

    let mut server = world.command("serve").spawn().unwrap();
    until("it to be ready", || async { world.log().matches("Launchway is ready").count() == 2 }).await;
    let began = Instant::now();
    let beside = world.command("up").status().await.unwrap();
    assert!(!beside.success() && began.elapsed() < Duration::from_secs(5), "{beside} {:?}", began.elapsed());
    assert!(world.log().contains("another Launchway serves the data directory"), "{}", world.log());
    server.kill().await.unwrap();
}

/// Asks each address for a page over a new connection, over and over, until told to stop. Returns how many were answered; one that is not
/// fails the story.
fn asking(
    addresses: Vec<std::net::SocketAddr>,
    stop: tokio_util::sync::CancellationToken,
) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut answered = 0;
        while !stop.is_cancelled() {
            for address in &addresses {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
                answered += 1;
            }
        }
        answered
    })
}

#[tokio::test]
async fn up_is_restarted_several_times_and_refuses_no_request() {
    let world = EdgeWorld::not_started("");
    let mut up = world.command("up").arg("--replace").spawn().unwrap();
    let client = world.client.clone();
    until("the edge to answer", || async { client.health().await.is_ok() }).await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    until("the server to be ready", || async { world.log().contains("Launchway is ready") }).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let askers: Vec<_> = (0..3).map(|_| asking(vec![world.address], stop.clone())).collect();

    for restart in 1..=3 {
        let before = client.health().await.unwrap().pid;
        let mut next = world.command("up").arg("--replace").spawn().unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), up.wait()).await.expect("it makes way").unwrap();
        assert!(ended.success(), "{ended}\n{}", world.log());
        let is_another = || async { client.health().await.is_ok_and(|health| health.pid != before) };
        until("another edge to answer", is_another).await;
        until("another server", || async { world.log().matches("Launchway is ready").count() == restart + 1 }).await;
        assert!(next.try_wait().unwrap().is_none(), "{}", world.log());
        up = next;
    }
    // By hand, as systemd does with `KillSignal=SIGUSR2`: nobody is there for a moment, and the edge serves on.
    crate::support::edge_world::signal(&up, "USR2");
    assert!(tokio::time::timeout(Duration::from_secs(60), up.wait()).await.expect("it ends").unwrap().success());
    assert_eq!(world.who("/").await, "web");
    let mut up = world.command("up").spawn().unwrap();
    until("another server", || async { world.log().matches("Launchway is ready").count() == 5 }).await;
    until("the edge to be its own", || async { world.log().matches("The edge is ready").count() == 5 }).await;
    stop.cancel();
    for asker in askers {
        assert!(asker.await.unwrap() > 10);
    }
    crate::support::edge_world::signal(&up, "TERM");
    assert!(tokio::time::timeout(Duration::from_secs(20), up.wait()).await.expect("it ends").unwrap().success());
    assert!(client.health().await.is_err(), "told to end, it ends its edge as well");
}

#[tokio::test]
async fn an_edge_whose_supervisor_was_killed_serves_on_until_the_next_one_takes_it_over() {
    let world = EdgeWorld::not_started("");
    let mut up = world.command("up").spawn().unwrap();
    let client = world.client.clone();
    until("the edge to answer", || async { client.health().await.is_ok() }).await;
    let app = world.app("web").await;
    world.serve(&[(1, 100, &[&app])]).await;
    until("the server to be ready", || async { world.log().contains("Launchway is ready") }).await;
    let left = client.health().await.unwrap().pid;
    up.kill().await.unwrap();
    until("the server to end with it", || async { world.log().contains("which runs this server, has ended") }).await;
    assert_eq!((world.who("/").await.as_str(), client.health().await.unwrap().pid), ("web", left));

    let mut up = world.command("up").spawn().unwrap();
    let mut asked = 0;
    while client.health().await.is_ok_and(|health| health.pid == left) {
        assert_eq!(world.who("/").await, "web");
        asked += 1;
    }
    for _ in 0..20 {
        assert_eq!(world.who("/").await, "web");
    }
    assert!(asked > 0);
    until("another edge to answer", || async { client.health().await.is_ok_and(|health| health.pid != left) }).await;
    until("another server", || async { world.log().matches("Launchway is ready").count() == 2 }).await;
    crate::support::edge_world::signal(&up, "TERM");
    assert!(tokio::time::timeout(Duration::from_secs(20), up.wait()).await.expect("it ends").unwrap().success());
    until("the one that was left to be gone", || async { !std::path::Path::new(&format!("/proc/{left}")).exists() })
        .await;
}
