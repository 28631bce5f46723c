//! A forge delivers, and so does everybody else who finds the address.

use crate::support::receiver::{Mood, Receiver, SECRET};
use hmac::{Hmac, KeyInit, Mac};
use launchway::model::EventKind;
use launchway::receive::{BodyLimits, Limits};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NEW: &str = "2222222222222222222222222222222222222222";

fn code(secret: &str, text: &[u8]) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(text);
    hex::encode(mac.finalize().into_bytes())
}

fn push() -> Vec<u8> {
    json!({"ref": "refs/heads/main", "before": "1".repeat(40), "after": NEW, "repository": {"full_name": "o/r", "id": 5}})
        .to_string()
        .into_bytes()
}

/// A delivery of GitHub's, signed with the secret.
fn github(receiver: &Receiver, event: &str, body: Vec<u8>) -> RequestBuilder {
    unsigned(receiver, "github", event, body.clone())
        .header("X-Hub-Signature-256", format!("sha256={}", code(SECRET, &body)))
        .header("X-GitHub-Delivery", format!("{event}-{}", &code("", &body)[..8]))
}

fn unsigned(receiver: &Receiver, project: &str, event: &str, body: Vec<u8>) -> RequestBuilder {
    receiver
        .client
        .post(receiver.url(project))
        .header("content-type", "application/json")
        .header("X-GitHub-Event", event)
        .body(body)
}

async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["x-request-id"].len(), 16);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_string();
    assert_eq!(content_type, if status < 300 { "application/json" } else { "application/problem+json" });
    (status, response.json().await.unwrap())
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    told(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_push_is_accepted_with_its_url_and_what_will_happen() {
    let receiver = Receiver::start().await;
    let (status, told) = answer(github(&receiver, "push", push())).await;
    assert_eq!(status, 202);
    insta::assert_json_snapshot!(told, @r#"
    {
      "delivery": "push-3b69e489",
      "outcome": "accepted",
      "message": "will deploy 222222222222",
      "url": "http://launchway.test/deliveries/push-3b69e489",
      "deployments": [
        {
          "id": 7,
          "environment": "production",
          "url": null
        }
      ]
    }
    "#);
    let [delivery] = &receiver.received()[..] else { panic!("not one delivery") };
    assert_eq!(delivery.event_name, "push");
    assert_eq!(delivery.kept.body, push());
    let event = delivery.event.as_ref().unwrap();
    assert_eq!(event.kind.change().unwrap().commit.as_str(), NEW);
    assert_eq!(event.repository.as_ref().unwrap().id, Some(5));
}

#[tokio::test]
async fn a_ping_an_uninteresting_event_and_a_redelivery_are_answered_with_200() {
    let receiver = Receiver::start().await;
    let (status, told) = answer(github(&receiver, "ping", b"{}".to_vec())).await;
    assert_eq!((status, &told["outcome"]), (200, &json!("pong")));
    let (status, told) = answer(github(&receiver, "ping", b"{}".to_vec())).await;
    assert_eq!((status, &told["outcome"]), (200, &json!("known")));
    let (status, told) = answer(github(&receiver, "issues", b"{}".to_vec())).await;
    assert_eq!((status, &told["message"]), (200, &json!("issues events deploy nothing")));
}

#[tokio::test]
async fn every_forge_proves_itself_in_its_own_way() {
    let receiver = Receiver::start().await;
    let gitlab = json!({"ref": "refs/heads/main", "after": NEW, "project": {"path_with_namespace": "g/p"}}).to_string();
    let sent = [
        (
            "plain",
            vec![
                ("X-GitHub-Event", "push".into()),
                ("X-Hub-Signature-256", format!("sha256={}", code(SECRET, &push()))),
            ],
            push(),
        ),
        ("gitea", vec![("X-Gitea-Event", "push".into()), ("X-Gitea-Signature", code(SECRET, &push()))], push()),
        ("forgejo", vec![("X-Forgejo-Event", "push".into()), ("X-Forgejo-Signature", code(SECRET, &push()))], push()),
        (
            "gitlab",
            vec![("X-Gitlab-Event", "Push Hook".into()), ("X-Gitlab-Token", SECRET.into())],
            gitlab.clone().into_bytes(),
        ),
        ("signing", standard_webhook(&gitlab), gitlab.into_bytes()),
    ];
    for (project, headers, body) in sent {
        let mut request =
            receiver.client.post(receiver.url(project)).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (status, told) = answer(request).await;
        assert_eq!(status, 202, "{project}: {told}");
    }
}

fn standard_webhook(body: &str) -> Vec<(&'static str, String)> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let now = jiff::Timestamp::now().as_second();
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap().chain_update(format!("msg_1.{now}.{body}"));
    let signature = format!("v1,{}", base64.encode(mac.finalize().into_bytes()));
    vec![
        ("X-Gitlab-Event", "Push Hook".into()),
        ("webhook-id", "msg_1".into()),
        ("webhook-timestamp", now.to_string()),
        ("webhook-signature", signature),
    ]
}

#[tokio::test]
async fn an_unknown_project_and_a_wrong_signature_get_the_same_answer() {
    let receiver = Receiver::start().await;
    let good = format!("sha256={}", code(SECRET, &push()));
    let hub = |project: &str| unsigned(&receiver, project, "push", push());
    let twice = hub("github").header("X-Hub-Signature-256", &good).header("X-Hub-Signature-256", &good);
    let query = receiver
        .client
        .post(format!("{}?secret={}&token={}", receiver.url("github"), "It%27s%20a%20Secret%20to%20Everybody", SECRET))
        .header("content-type", "application/json")
        .header("X-GitHub-Event", "push")
        .body(push());
    let requests = [
        ("unknown", hub("nothing-here").header("X-Hub-Signature-256", &good)),
        ("unknown, unsigned", hub("nothing-here")),
        ("no name", hub("%ff%00")),
        ("nobody", hub("nobody")),
        ("unsigned", hub("github")),
        ("wrong secret", hub("github").header("X-Hub-Signature-256", format!("sha256={}", code("wrong", &push())))),
        ("truncated", hub("github").header("X-Hub-Signature-256", &good[..good.len() - 1])),
        ("upper case", hub("github").header("X-Hub-Signature-256", format!("sha256={}", &good[7..].to_uppercase()))),
        ("empty", hub("github").header("X-Hub-Signature-256", "")),
        ("doubled", twice),
        ("sha1", hub("github").header("X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")),
        ("in the query", query),
        ("wrong token", hub("gitlab").header("X-Gitlab-Event", "Push Hook").header("X-Gitlab-Token", "x")),
        ("token instead of signature", hub("signing").header("X-Gitlab-Token", SECRET)),
        ("empty Gitea signature", hub("gitea").header("X-Gitea-Signature", "")),
        ("not even JSON", unsigned(&receiver, "github", "push", b"{".to_vec())),
    ];
    let mut seen: Option<(String, Vec<(String, String)>)> = None;
    for (what, request) in requests {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
        let mut headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .filter(|(name, _)| *name != "x-request-id" && *name != "date")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_string()))
            .collect();
        headers.sort();
        let this = (response.text().await.unwrap(), headers);
        match &seen {
            None => seen = Some(this),
            Some(first) => assert_eq!(*first, this, "{what} is told apart"),
        }
    }
    insta::assert_snapshot!(
        seen.unwrap().0,
        @r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"no project of this name, or the delivery's signature is missing or wrong: compare the secret on both sides"}"#
    );
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn an_unknown_project_takes_as_long_as_a_wrong_signature() {
    let receiver = Receiver::start().await;
    // Large enough that hashing it outweighs everything else: a check that was skipped would show.
    let body = vec![b'x'; 2 << 20];
    let mut medians = Vec::new();
    for (project, signature) in [
        ("nothing-here", Some("X-Hub-Signature-256")),
        ("nothing-here", None),
        // The only one whose signature is well formed, and so compared.
        ("github", Some("X-Hub-Signature-256")),
        ("github", None),
        ("gitlab", Some("X-Gitlab-Token")),
        ("signing", None),
        ("gitea", Some("X-Gitea-Signature")),
    ] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let mut request = unsigned(&receiver, project, "push", body.clone());
            if let Some(name) = signature {
                request = request.header(name, format!("sha256={}", "0".repeat(64)));
            }
            let start = Instant::now();
            assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
            times.push(start.elapsed());
        }
        times.sort();
        medians.push((times[2], project, signature));
    }
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(most.0 < least.0 * 3, "{most:?} takes much longer than {least:?}");
}

#[tokio::test]
async fn other_content_types_are_refused_with_415() {
    let receiver = Receiver::start().await;
    for content_type in ["text/plain", "multipart/form-data; boundary=x", "application/xml", ""] {
        let request = receiver.client.post(receiver.url("github")).header("content-type", content_type).body(push());
        assert_eq!(answer(request).await.0, 415, "{content_type}");
    }
    assert_eq!(answer(receiver.client.post(receiver.url("github")).body(push())).await.0, 415);
    assert_eq!(answer(github(&receiver, "push", push()).header("content-encoding", "gzip")).await.0, 415);
}

#[tokio::test]
async fn a_body_of_26_mb_is_refused_with_413_however_it_comes() {
    let receiver = Receiver::start().await;
    let body = vec![b'x'; 26 << 20];
    let (status, told) = answer(unsigned(&receiver, "github", "push", body.clone())).await;
    assert_eq!((status, &told["detail"]), (413, &json!("the body is larger than 25 MB, the most that is read")));
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = body.chunks(1 << 20).map(|chunk| Ok(chunk.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let chunked = unsigned(&receiver, "nothing-here", "push", Vec::new()).body(stream);
    assert_eq!(answer(chunked).await.0, 413);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let limits = BodyLimits { bytes: 1000, ..BodyLimits::default() };
    let receiver = Receiver::with(Limits { body: limits, ..Limits::default() }).await;
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2)).into_bytes();
    assert_eq!(answer(github(&receiver, "ping", padded(1000))).await.0, 200);
    assert_eq!(answer(github(&receiver, "ping", padded(1001))).await.0, 413);
}

#[tokio::test]
async fn a_signed_delivery_that_makes_no_sense_is_stored_and_refused_with_400() {
    let receiver = Receiver::start().await;
    let form = b"not-the-payload=1".to_vec();
    let (status, told) = answer(
        receiver
            .client
            .post(receiver.url("github"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("X-GitHub-Event", "push")
            .header("X-Hub-Signature-256", format!("sha256={}", code(SECRET, &form)))
            .body(form),
    )
    .await;
    assert_eq!((status, &told["detail"]), (400, &json!("the form has no field payload")));
    for (body, reason) in [
        (&b"not JSON"[..], "the payload cannot be read as JSON"),
        (br#"{"ref":"--upload-pack=touch x","after":"x"}"#, "ref is \"--upload-pack=touch x\""),
        (br#"{"ref":"refs/heads/a\nb","after":"x"}"#, "ref is \"refs/heads/a\\nb\""),
        (br#"{"ref":"refs/heads/../../etc","after":"x"}"#, "ref is \"refs/heads/../../etc\""),
    ] {
        let (status, told) = answer(github(&receiver, "push", body.to_vec())).await;
        assert_eq!(status, 400);
        assert!(told["detail"].as_str().unwrap().starts_with(reason), "{told}");
        assert!(told["url"].as_str().unwrap().starts_with("http://launchway.test/deliveries/"), "{told}");
    }
    let received = receiver.received();
    assert_eq!(received.len(), 5);
    assert!(received.iter().all(|delivery| delivery.event.is_err()));
}

#[tokio::test]
async fn what_cannot_be_stored_is_never_acknowledged() {
    let receiver = Receiver::with(Limits { stored_within: Duration::from_millis(300), ..Limits::default() }).await;
    for (mood, status, detail) in [
        (Mood::Fails, 503, "the delivery could not be stored: send it again"),
        (Mood::Hangs, 503, "storing the delivery took too long: send it again"),
        (Mood::Panics, 500, "Launchway failed on this request; its log says where"),
    ] {
        receiver.set_mood(mood);
        for body in [push(), b"not JSON".to_vec()] {
            let response = github(&receiver, "push", body).send().await.unwrap();
            assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{mood:?}");
            let (found, told) = told(response).await;
            assert_eq!((found, &told["detail"]), (status, &json!(detail)), "{mood:?}");
        }
    }
    receiver.set_mood(Mood::Stores);
    assert_eq!(answer(github(&receiver, "push", push())).await.0, 202);
}

#[tokio::test]
async fn other_methods_are_refused_with_405() {
    let receiver = Receiver::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let url = format!("{}?payload=%7B%7D", receiver.url("github"));
        let response = receiver.client.request(method.clone(), url).send().await.unwrap();
        assert_eq!(response.headers()["allow"], "POST", "{method}");
        assert_eq!(told(response).await.0, 405);
    }
}

#[tokio::test]
async fn a_body_that_trickles_in_is_given_up() {
    let limits = BodyLimits { within: Duration::from_millis(300), ..BodyLimits::default() };
    let receiver = Receiver::with(Limits { body: limits, ..Limits::default() }).await;
    let mut socket = tokio::net::TcpStream::connect(receiver.address).await.unwrap();
    let head =
        "POST /hooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("the body did not arrive within 0.3 s"), "{answer}");
}

/// Longer than any body may take that does not move, and at a pace that an honest sender with a slow line has.
#[tokio::test]
async fn a_large_body_that_keeps_coming_is_taken() {
    let limits = BodyLimits { within: Duration::from_millis(500), bytes_per_second: 100_000, ..BodyLimits::default() };
    let receiver = Receiver::with(Limits { body: limits, ..Limits::default() }).await;
    let body = format!("{{\"zen\": \"{}\"}}", "x".repeat(1_000_000)).into_bytes();
    let signature = code(SECRET, &body);
    let pieces: Vec<Vec<u8>> = body.chunks(20_000).map(<[u8]>::to_vec).collect();
    let began = Instant::now();
    let paced = futures_util::stream::unfold(pieces.into_iter(), |mut left| async {
        let piece = left.next()?;
        tokio::time::sleep(Duration::from_millis(40)).await;
        Some((Ok::<_, std::io::Error>(piece), left))
    });
    let request = unsigned(&receiver, "github", "ping", Vec::new())
        .header("X-Hub-Signature-256", format!("sha256={signature}"))
        .header("X-GitHub-Delivery", "slow")
        .body(reqwest::Body::wrap_stream(paced));
    assert_eq!(answer(request).await.0, 200);
    assert!(began.elapsed() > Duration::from_secs(1), "it was to take longer than what does not move may");
}

#[tokio::test]
async fn who_says_nothing_or_half_of_something_is_closed() {
    let receiver = Receiver::start().await;
    for said in ["", "P", "GET / HTTP/1.1\r\nHost: a\r\nX-A", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut socket = tokio::net::TcpStream::connect(receiver.address).await.unwrap();
        socket.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "{said:?} is waited for");
    }
}

#[tokio::test]
async fn bodies_that_together_are_too_large_are_asked_to_come_again() {
    let limits = BodyLimits { bytes_at_once: 4000, ..BodyLimits::default() };
    let receiver = Receiver::with(Limits { body: limits, ..Limits::default() }).await;
    let mut waiting = tokio::net::TcpStream::connect(receiver.address).await.unwrap();
    let head =
        "POST /hooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1900\r\n\r\n";
    waiting.write_all(format!("{head}{}", "x".repeat(1800)).as_bytes()).await.unwrap();
    let large = || github(&receiver, "ping", format!("{{{}}}", " ".repeat(500)).into_bytes());
    // Its bytes may take a moment to be read.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let response = large().send().await.unwrap();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.headers()["retry-after"], "10");
            break;
        }
        assert!(Instant::now() < deadline, "never refused");
    }
    waiting.write_all("x".repeat(100).as_bytes()).await.unwrap();
    let mut first_line = [0; 12];
    waiting.read_exact(&mut first_line).await.unwrap();
    assert_eq!(&first_line, b"HTTP/1.1 401");
    assert_eq!(answer(large()).await.0, 200, "the room was not given back");
}

#[tokio::test]
async fn the_hooks_secret_in_giteas_body_goes_no_further() {
    let receiver = Receiver::start().await;
    let body = json!({"secret": SECRET, "ref": "refs/heads/main", "after": NEW, "repository": {"full_name": "o/r"}});
    let body = body.to_string().into_bytes();
    let request = receiver
        .client
        .post(receiver.url("gitea"))
        .header("content-type", "application/json")
        .header("X-Gitea-Event", "push")
        .header("X-Gitea-Signature", code(SECRET, &body))
        .body(body);
    assert_eq!(answer(request).await.0, 202);
    let received = receiver.received();
    assert!(matches!(received[0].event.as_ref().unwrap().kind, EventKind::Push(_)));
    assert!(!format!("{received:?}").contains(SECRET), "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_deliveries_at_once_are_all_taken() {
    let receiver = Receiver::start().await;
    let requests = (0..200).map(|number| {
        let body = push();
        unsigned(&receiver, "github", "push", body.clone())
            .header("X-GitHub-Delivery", format!("n-{number}"))
            .header("X-Hub-Signature-256", format!("sha256={}", code(SECRET, &body)))
            .send()
    });
    for response in futures_util::future::join_all(requests).await {
        assert!(response.unwrap().status().is_success());
    }
    assert_eq!(receiver.received().len(), 200);
}
