//! HTTP as it is spoken, byte for byte: what clients and apps send that a library would refuse, cut or answer by itself.

use crate::support::edge_app::App;
use crate::support::edge_world::{EdgeWorld, free_port, key, on_port, until};
use launchway::edge::FrontSettings;
use launchway::model::{EdgeSettings, EntryProtocol};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An app that answers each request with these bytes; `{n}` in them is how many requests came before. What it got it keeps.
struct Plain {
    got: Arc<Mutex<Vec<String>>>,
    app: App,
}

impl Plain {
    /// `answers_before_closing`: the connection ends when so many were answered and one more request has come.
    async fn start(world: &EdgeWorld, answer: &str, answers_before_closing: usize) -> Self {
        let app = App::absent("plain", world.port);
        let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
        let got: Arc<Mutex<Vec<String>>> = Arc::default();
        let (keep, answer) = (got.clone(), answer.to_string());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), keep.clone(), answers_before_closing));
            }
        });
        world.serve(&[(1, 100, &[&app])]).await;
        Self { got, app }
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, answer: String, keep: Arc<Mutex<Vec<String>>>, most: usize) {
    let mut stream = BufReader::new(stream);
    for _ in 0..=most {
        let Some(head) = head(&mut stream).await else { return };
        let number = keep.lock().unwrap().len();
        keep.lock().unwrap().push(head);
        if most > 0 && keep.lock().unwrap().len() > most && number % (most + 1) == most {
            return;
        }
        let _ = stream.write_all(answer.replace("{n}", &number.to_string()).as_bytes()).await;
    }
}

/// The next head, as it came: bytes above 127 as Latin-1.
async fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(bytes.iter().map(|byte| char::from(*byte)).collect())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn ask(world: &EdgeWorld, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the edge closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn an_answer_with_a_length_and_chunks_goes_by_its_chunks() {
    let world = EdgeWorld::new().await;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let _app = Plain::start(&world, answer, 0).await;
    let answer = world.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("content-length") && head.contains("transfer-encoding: chunked"), "{head}");
    assert!(body.contains("hello") && body.contains(" world"), "{body}");
}

#[tokio::test]
async fn a_target_passes_as_it_came() {
    let world = EdgeWorld::new().await;
    let app = Plain::start(&world, OK, 1000).await;
    for target in ["/a\"b<c>d`e", "/?q=\"<>`|^{}\\", "/caf\u{e9}/\u{ff}?\u{80}=\u{fe}", "/%3C%22"] {
        let mut request = b"GET ".to_vec();
        request.extend(target.chars().map(|c| u8::try_from(u32::from(c)).unwrap()));
        request.extend(b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = ask(&world, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        let got = app.got().pop().unwrap();
        assert_eq!(got.lines().next().unwrap(), format!("GET {target} HTTP/1.1"));
    }
    // A kept connection goes on behind one.
    let two = b"GET /<1> HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(&world, two).await.matches("200 OK").count(), 2);
    let lines: Vec<String> = app.got().iter().rev().take(2).map(|got| got.lines().next().unwrap().into()).collect();
    assert_eq!(lines, ["POST /2 HTTP/1.1", "GET /<1> HTTP/1.1"]);
}

#[tokio::test]
async fn a_request_that_is_refused_says_why_in_its_body_and_in_the_log() {
    let world = EdgeWorld::new().await;
    let app = Plain::start(&world, OK, 1000).await;
    for (request, status, why) in [
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "A line of the request's head is not a header"),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "first line"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "Content-Length"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400, "CONNECT is not served here"),
    ] {
        let answer = world.raw(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(why), "{request}: {answer}");
    }
    // What came before it is answered first, and nothing behind it is looked at.
    let answer = world.raw("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.matches("HTTP/1.1 400").count() == 1, "{answer}");
    assert_eq!(app.got().len(), 1);
    assert!(
        world.log().contains("A request is refused: A line of the request's head is not a header"),
        "{}",
        world.log()
    );
}

#[tokio::test]
async fn large_heads_many_headers_and_continued_lines_pass_within_limits() {
    let world = EdgeWorld::new().await;
    let many: String = (0..400).map(|number| format!("X-{number}: {}\r\n", "v".repeat(200))).collect();
    let answer = format!("HTTP/1.1 200 OK\r\n{many}Folded: a\r\n  b\r\nContent-Length: 2\r\n\r\nok");
    let app = Plain::start(&world, &answer, 1000).await;
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}Folded: a\r\n\tb\r\nConnection: close\r\n\r\n");
    assert!(request.len() > 80_000);
    let answer = world.raw(&request).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"),
        "{}",
        &answer[..answer.len().min(300)]
    );
    assert!(answer.contains("x-399: vvv") && answer.contains("folded: a"), "{}", &answer[answer.len() - 300..]);
    let got = app.got().pop().unwrap();
    assert!(got.contains("x-399: vvv") && got.contains("folded: a b\r\n"), "{}", &got[got.len() - 300..]);
    let too_many: String = (0..600).map(|number| format!("x-{number}: 1\r\n")).collect();
    let answer = world.raw(&format!("GET / HTTP/1.1\r\nHost: a\r\n{too_many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") && answer.contains("more than 500 headers"), "{answer}");
    let answer = world.raw(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") && answer.contains("more than 128 kB"), "{answer}");
}

#[tokio::test]
async fn http2_has_the_same_limits() {
    let world = EdgeWorld::new().await;
    let app = Plain::start(&world, OK, 1000).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let ask = async |count: usize, length: usize| {
        let mut request = client.get(world.url("/"));
        for number in 0..count {
            request = request.header(format!("x-{number}"), "v".repeat(length));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask(300, 300).await, (200, "ok".into()));
    assert!(app.got().pop().unwrap().contains("x-299: vvv"));
    let (status, body) = ask(450, 300).await;
    assert_eq!((status, body.as_str()), (431, "The request's headers have more than 128 kB.\n"));
}

#[tokio::test]
async fn a_question_that_met_the_end_of_a_kept_connection_is_asked_again_and_nothing_else() {
    for (method, again) in [("GET", true), ("HEAD", true), ("OPTIONS", true), ("POST", false), ("DELETE", false)] {
        let world = EdgeWorld::new().await;
        let answer = if method == "HEAD" { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" } else { OK };
        // It answers one request on each connection, reads the next one, and is gone.
        let app = Plain::start(&world, answer, 1).await;
        let (first, second) = twice(&world, &format!("{method} /1"), &format!("{method} /2"), "").await;
        assert!(first.starts_with("HTTP/1.1 200 "), "{method}: {first}");
        assert_eq!(second.starts_with("HTTP/1.1 200 "), again, "{method}: {second}");
        assert_eq!(app.got().len(), if again { 3 } else { 2 }, "{method}: {:?}", app.got());
    }
}

/// The heads of two answers, one after the other over one connection: so the edge has one to the app, too.
async fn twice(world: &EdgeWorld, first: &str, second: &str, body: &str) -> (String, String) {
    let mut stream = BufReader::new(TcpStream::connect(world.address).await.unwrap());
    stream.write_all(format!("{first} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let answered = head(&mut stream).await.unwrap();
    if !first.starts_with("HEAD") {
        stream.read_exact(&mut [0; 2]).await.unwrap();
    }
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{second} HTTP/1.1\r\nHost: a\r\n{length}Connection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    (answered, head(&mut stream).await.unwrap_or_default())
}

#[tokio::test]
async fn a_get_with_a_body_is_not_asked_again() {
    let world = EdgeWorld::new().await;
    let app = Plain::start(&world, OK, 1).await;
    let (_, second) = twice(&world, "GET /1", "GET /2", "x").await;
    assert!(second.starts_with("HTTP/1.1 502 "), "{second}");
    assert_eq!(app.got().len(), 2);
}

#[tokio::test]
async fn early_hints_reach_the_client_before_the_answer() {
    let world = EdgeWorld::new().await;
    let app = App::absent("hinting", world.port);
    let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        head(&mut stream).await.unwrap();
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n";
        stream.write_all(hints.as_bytes()).await.unwrap();
        wait.await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
        head(&mut stream).await;
    });
    world.serve(&[(1, 100, &[&app])]).await;
    let mut stream = BufReader::new(TcpStream::connect(world.address).await.unwrap());
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let hints = tokio::time::timeout(Duration::from_secs(5), head(&mut stream)).await.expect("hints").unwrap();
    assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
    go.send(()).unwrap();
    let answer = head(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

/// An app that says what it thinks of a head before it reads the body, where `says` is something.
async fn hesitating(world: &EdgeWorld, says: &'static str) -> (App, Arc<Mutex<String>>) {
    let app = App::absent("hesitating", world.port);
    let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
    let got: Arc<Mutex<String>> = Arc::default();
    let keep = got.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let head = head(&mut stream).await.unwrap();
            keep.lock().unwrap().push_str(&head);
            stream.write_all(says.as_bytes()).await.unwrap();
            if says.contains(" 4") {
                continue;
            }
            let mut body = [0; 5];
            stream.read_exact(&mut body).await.unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    });
    world.serve(&[(1, 100, &[&app])]).await;
    (app, got)
}

const EXPECTS: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_app_says_whether_a_body_is_to_be_sent() {
    for (says, asked) in
        [("HTTP/1.1 100 Continue\r\n\r\n", true), ("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", false)]
    {
        let world = EdgeWorld::new().await;
        let (_app, got) = hesitating(&world, says).await;
        let mut stream = BufReader::new(TcpStream::connect(world.address).await.unwrap());
        stream.write_all(EXPECTS.as_bytes()).await.unwrap();
        let first = tokio::time::timeout(Duration::from_millis(900), head(&mut stream)).await.expect("a word").unwrap();
        assert!(got.lock().unwrap().contains("expect: 100-continue"), "{}", got.lock().unwrap());
        if !asked {
            assert!(first.starts_with("HTTP/1.1 413 "), "{first}");
            continue;
        }
        assert!(first.starts_with("HTTP/1.1 100 "), "{first}");
        stream.write_all(b"hello").await.unwrap();
        assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn an_app_that_knows_nothing_of_it_gets_the_body_after_a_second() {
    let world = EdgeWorld::new().await;
    let (_app, _) = hesitating(&world, "").await;
    let mut stream = BufReader::new(TcpStream::connect(world.address).await.unwrap());
    let began = Instant::now();
    stream.write_all(EXPECTS.as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 100 "));
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    stream.write_all(b"hello").await.unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_named_in_the_log_at_once_and_not_a_thousand_times() {
    let world = EdgeWorld::new().await;
    let app = Plain::start(&world, "HTTP/1.1 200 OK\r\nBad Header\r\n\r\n", 0).await;
    for _ in 0..3 {
        let answer = world.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains("is not HTTP that can be passed on"),
            "{answer}"
        );
    }
    let said = "An application's answer is not HTTP that can be passed on";
    until("the log to name it", || async { world.log().contains(said) }).await;
    let log = world.log();
    assert_eq!(log.matches(said).count(), 1, "{log}");
    assert!(log.contains(&app.app.replica.id), "{log}");
}

#[tokio::test]
async fn a_front_passes_the_same() {
    let world = EdgeWorld::front(&FrontSettings::of(&EdgeSettings::default())).await;
    let app = App::absent("plain", world.port);
    let listener = TcpListener::bind((app.replica.address.unwrap(), world.port)).await.unwrap();
    let got: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = got.clone();
    let answer = format!("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n{OK}");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer.clone(), keep.clone(), 1000));
        }
    });
    let port = free_port();
    let routes = world.routed(on_port(port, EntryProtocol::Http), &[(1, 100, &[&app])]);
    world.client.put(&key("web"), &routes).await.unwrap();
    let ask = async |request: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    };
    let answer = ask("GET /<a>?\"b\" HTTP/1.1\r\nHost: a\r\nA: 1\r\n 2\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    let first = got.lock().unwrap()[0].clone();
    assert!(first.starts_with("GET /<a>?\"b\" HTTP/1.1\r\n") && first.contains("a: 1 2\r\n"), "{first}");
    let answer = ask("GET / HTTP/1.1\r\nno colon\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("is not a header"), "{answer}");
}
