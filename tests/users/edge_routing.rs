//! Which component, which release and which replica a request reaches.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, at, by_cookie, client, free_port, key, name, on_port, refusal, until};
use launchway::edge::Heard;
use launchway::model::{ComponentRoutes, EntryProtocol, Sticky};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn hosts_and_the_longest_path_prefix_lead_to_components() {
    let world = EdgeWorld::new().await;
    let (web, api, any) = (world.app("web").await, world.app("api").await, world.app("any").await);
    for (component, listen, app) in [
        ("web", at(Some("shop.test"), None), &web),
        ("api", at(Some("shop.test"), Some("/api")), &api),
        ("any", at(None, Some("/api/health")), &any),
    ] {
        world.client.put(&key(component), &world.routed(listen, &[(1, 100, &[app])])).await.unwrap();
    }
    for (host, path, expected) in [
        ("shop.test", "/", "web"),
        ("SHOP.test:80", "/apis", "web"),
        ("shop.test", "/api", "api"),
        ("shop.test", "/api/health", "api"),
        ("other.test", "/api/health", "any"),
        ("other.test", "/", "404 Not Found"),
    ] {
        let answer = client().get(world.url(path)).header("host", host).send().await.unwrap();
        assert_eq!(name(&answer), expected, "{host}{path}");
    }
    let nowhere = client().get(world.url("/")).header("host", "other.test").send().await.unwrap();
    let id = nowhere.headers()["x-request-id"].to_str().unwrap().to_string();
    assert_eq!(nowhere.text().await.unwrap(), format!("Nothing is served at this address.\nRequest: {id}\n"));
    world.client.remove(&key("api")).await.unwrap();
    let answer = client().get(world.url("/api")).header("host", "shop.test").send().await.unwrap();
    assert_eq!(name(&answer), "web");
}

#[tokio::test]
async fn all_hosts_below_one_lead_to_a_component_but_those_with_routes_of_their_own() {
    let world = EdgeWorld::new().await;
    let (all, own) = (world.app("all").await, world.app("own").await);
    for (component, host, path, app) in [("all", "*.a.test", None, &all), ("own", "own.a.test", Some("/x"), &own)] {
        world.client.put(&key(component), &world.routed(at(Some(host), path), &[(1, 100, &[app])])).await.unwrap();
    }
    for (host, path, expected) in [
        ("x.a.test", "/", "all"),
        ("X.y.A.test:80", "/", "all"),
        ("own.a.test", "/x", "own"),
        ("own.a.test", "/", "404 Not Found"),
        ("a.test", "/", "404 Not Found"),
    ] {
        let answer = client().get(world.url(path)).header("host", host).send().await.unwrap();
        assert_eq!(name(&answer), expected, "{host}{path}");
    }
    let taken = world.client.put(&key("other"), &world.routed(at(Some("*.a.test"), None), &[(1, 100, &[&own])])).await;
    assert_eq!(refusal(taken), (409, format!("*.a.test/ leads to {} already", key("all"))));
}

#[tokio::test]
async fn releases_get_requests_by_their_weight_and_the_edge_counts_them() {
    let world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    world.serve(&[(1, 80, &[&old]), (2, 20, &[&new])]).await;
    let client = client();
    let mut counted = 0;
    for _ in 0..500 {
        counted += usize::from(name(&client.get(world.url("/")).send().await.unwrap()) == "new");
    }
    assert!((60..140).contains(&counted), "{counted} of 500 by weight 20");
    client.get(world.url("/status/503")).send().await.unwrap();
    let traffic = world.traffic().await;
    let all: Vec<_> = traffic.releases.values().collect();
    assert_eq!(all.iter().map(|release| release.requests).sum::<u64>(), 501);
    assert_eq!(all.iter().map(|release| release.status_classes[1]).sum::<u64>(), 500);
    assert_eq!(all.iter().map(|release| release.status_classes[4]).sum::<u64>(), 1);
    assert_eq!(all.iter().map(|release| release.failed).sum::<u64>(), 0);
    let measured = all.iter().flat_map(|release| &release.latency_us);
    assert_eq!(measured.map(|(_, count)| count).sum::<u64>(), 501);
}

#[tokio::test]
async fn a_visitor_stays_with_the_release_that_the_cookie_names() {
    let world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    let routes = by_cookie(world.routes(&[(1, 50, &[&old]), (2, 50, &[&new])]), "visit");
    world.client.put(&key("web"), &routes).await.unwrap();
    let first = world.get("/").await;
    let (stays_with, cookie) = (name(&first), first.headers()["set-cookie"].to_str().unwrap().to_string());
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(pair, if stays_with == "old" { "visit=1" } else { "visit=2" });
    let client = client();
    for _ in 0..30 {
        let again = client.get(world.url("/")).header("cookie", format!("other=1; {pair}")).send().await.unwrap();
        assert_eq!(name(&again), stays_with);
        assert!(again.headers().get("set-cookie").is_none());
    }
    // A release that is gone is nobody's any more, and where there is no choice there is no cookie.
    let routes = by_cookie(world.routes(&[(3, 100, &[&new])]), "visit");
    world.client.put(&key("web"), &routes).await.unwrap();
    let after = client.get(world.url("/")).header("cookie", pair).send().await.unwrap();
    assert_eq!((name(&after).as_str(), after.headers().get("set-cookie")), ("new", None));
}

#[tokio::test]
async fn a_header_decides_where_its_value_goes() {
    let world = EdgeWorld::new().await;
    let (old, new) = (world.app("old").await, world.app("new").await);
    let routes = ComponentRoutes {
        sticky: Some(Sticky::Header("X-User".into())),
        ..world.routes(&[(1, 50, &[&old]), (2, 50, &[&new])])
    };
    world.client.put(&key("web"), &routes).await.unwrap();
    let client = client();
    let mut to_new = 0;
    for user in 0..40 {
        let ask = || client.get(world.url("/")).header("x-user", user.to_string()).send();
        let first = name(&ask().await.unwrap());
        assert_eq!(name(&ask().await.unwrap()), first, "user {user}");
        to_new += usize::from(first == "new");
    }
    assert!((8..32).contains(&to_new), "{to_new} of 40");
}

#[tokio::test]
async fn a_published_port_speaks_http_or_plain_tcp() {
    let world = EdgeWorld::new().await;
    let app = world.app("web").await;
    let (http, tcp) = (free_port(), free_port());
    let put = async |component: &str, port, protocol| {
        world.client.put(&key(component), &world.routed(on_port(port, protocol), &[(1, 100, &[&app])])).await.unwrap();
    };
    put("web", http, EntryProtocol::Http).await;
    put("raw", tcp, EntryProtocol::Tcp).await;
    let text = client().get(format!("http://127.0.0.1:{http}/x")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("x-forwarded-for: 127.0.0.1"), "{text}");
    let text = client().get(format!("http://127.0.0.1:{tcp}/x")).send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("GET /x HTTP/1.1") && !text.contains("x-forwarded-for"), "{text}");
    world.client.remove(&key("raw")).await.unwrap();
    until("the port to be closed", || async { TcpStream::connect(("127.0.0.1", tcp)).await.is_err() }).await;
}

#[tokio::test]
async fn plain_tcp_passes_each_sides_end_on() {
    let world = EdgeWorld::new().await;
    let (port, app) = (free_port(), App::absent("db", world.port));
    let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
    world
        .client
        .put(&key("web"), &world.routed(on_port(port, EntryProtocol::Tcp), &[(1, 100, &[&app])]))
        .await
        .unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    world.until_in_flight(&app, 0, 1).await;
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    world.until_in_flight(&app, 0, 0).await;
}

/// What speaks TLS says no to plain HTTP, in HTTP.
#[tokio::test]
async fn tls_is_passed_on_as_it_is_where_plain_http_is_answered_too() {
    let world = EdgeWorld::new().await;
    let app = App::absent("web", world.port);
    let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut said = [0; 64];
            let length = stream.read(&mut said).await.unwrap();
            if said[0] == 22 {
                stream.write_all(&said[..length]).await.unwrap();
            } else {
                stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nThis is HTTPS.\n").await.unwrap();
            }
        }
    });
    for protocol in [EntryProtocol::Http, EntryProtocol::Probe] {
        let port = free_port();
        world.client.put(&key("web"), &world.routed(on_port(port, protocol), &[(1, 100, &[&app])])).await.unwrap();
        let answer = client().get(format!("http://127.0.0.1:{port}/")).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{protocol:?}: what is asked in HTTP is answered in HTTP");
        let hello = [22, 3, 1, 0, 2, 1, 0];
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        client.write_all(&hello).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, hello, "{protocol:?}");
    }
}

/// A server in a network of its own does not reach the containers; the edge does.
#[tokio::test]
async fn the_edge_is_asked_what_a_container_speaks_and_which_ports_it_may_open() {
    let world = EdgeWorld::new().await;
    let app = world.app("web").await;
    let at = [app.replica.address.unwrap()];
    assert_eq!(world.client.ask_at(&at, world.port).await.unwrap(), Heard::Http);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let speaking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        listener
    });
    assert_eq!(world.client.ask_at(&["127.0.0.1".parse().unwrap()], port).await.unwrap(), Heard::Other);
    let listener = speaking.await.unwrap();
    let closing = tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        listener
    });
    let at_once = world.client.ask_at(&["127.0.0.1".parse().unwrap()], port).await.unwrap();
    assert_eq!(at_once, Heard::Nothing, "it may be on its way down");
    drop(closing.await.unwrap());
    assert_eq!(world.client.ask_at(&["127.0.0.1".parse().unwrap()], port).await.unwrap(), Heard::Nothing);
    assert!(world.client.health().await.unwrap().lowest_port.is_some());
}

#[tokio::test]
async fn a_port_of_which_nothing_is_known_is_asked_once_its_first_replica_is_there() {
    let mut world = EdgeWorld::new().await;
    let (http, tcp) = (free_port(), free_port());
    let (app, db) = (App::absent("web", world.port), App::absent("db", world.port));
    let routed = |port, app: &App| world.routed(on_port(port, EntryProtocol::Probe), &[(1, 100, &[app])]);
    world.client.put(&key("web"), &routed(http, &app)).await.unwrap();
    world.client.put(&key("db"), &routed(tcp, &db)).await.unwrap();
    // Somebody connects before it is known.
    let early = tokio::spawn(client().get(format!("http://127.0.0.1:{http}/")).send());
    app.listen().await;
    assert!(early.await.unwrap().unwrap().text().await.unwrap().contains("x-forwarded-for"));
    assert_eq!(app.requests()[0], "HEAD /");

    let greeting = TcpListener::bind((db.replica.address.unwrap(), world.port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = greeting.accept().await {
            let _ = stream.write_all(b"+OK at your service\r\n").await;
        }
    });
    let greeted = async |world: &EdgeWorld| {
        let mut answer = String::new();
        let _ = world;
        let mut client = TcpStream::connect(("127.0.0.1", tcp)).await.unwrap();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert_eq!(greeted(&world).await, "+OK at your service\r\n");
    // What was learned outlives the edge, and the entry stays as it was told.
    world.kill().await;
    world.start().await;
    assert_eq!(greeted(&world).await, "+OK at your service\r\n");
    let asked = app.requests().iter().filter(|request| *request == "HEAD /").count();
    assert_eq!(asked, 1);
    let table = world.client.routes().await.unwrap();
    assert_eq!(
        table.components.iter().find(|(of, _)| *of == key("web")).unwrap().1.entries[0].listen,
        on_port(http, EntryProtocol::Probe)
    );
}

#[tokio::test]
async fn what_another_component_has_is_a_conflict_and_changes_nothing() {
    let world = EdgeWorld::new().await;
    let (web, other) = (world.app("web").await, world.app("other").await);
    let port = free_port();
    let mut routes = world.routed(at(Some("shop.test"), Some("/api")), &[(1, 100, &[&web])]);
    routes
        .entries
        .push(launchway::model::RouteEntry { listen: on_port(port, EntryProtocol::Http), target: world.port });
    world.client.put(&key("web"), &routes).await.unwrap();
    let put =
        async |listen| refusal(world.client.put(&key("other"), &world.routed(listen, &[(1, 100, &[&other])])).await);
    assert_eq!(
        put(at(Some("shop.test"), Some("/api/"))).await,
        (409, "shop.test/api/ leads to shop/production/web already".into())
    );
    assert_eq!(
        put(on_port(port, EntryProtocol::Tcp)).await,
        (409, format!("shop/production/web has the port {port} already (127.0.0.1:{port})"))
    );
    let (status, detail) = put(on_port(world.address.port(), EntryProtocol::Tcp)).await;
    assert_eq!(status, 409, "{detail}");
    // A port of somebody outside.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (status, detail) = put(on_port(taken.local_addr().unwrap().port(), EntryProtocol::Tcp)).await;
    assert!(status == 409 && detail.contains("Address already in use"), "{status} {detail}");
    let (status, detail) = refusal(world.client.put(&key("web"), &world.routes(&[(1, 99, &[&web])])).await);
    assert_eq!((status, detail.as_str()), (400, "the weights of the releases add up to 99 and not to 100"));
    assert_eq!(world.client.routes().await.unwrap().components, vec![(key("web"), routes)]);
}
