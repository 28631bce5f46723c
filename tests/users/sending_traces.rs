//! Traces of deployments at a receiver that speaks OTLP over HTTP.

use super::scraping::scrape_control;
use crate::support::app::{write_quick, write_ready_made_broken};
use crate::support::world::{Settings, World};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
struct Receiver {
    url: String,
    came: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Clone, Copy)]
enum Answers {
    With(StatusCode),
    Never,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            came: Arc::default(),
            answers: Arc::new(Mutex::new(Answers::With(StatusCode::OK))),
        };
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        receiver
    }

    async fn world(&self) -> World {
        let tables = format!("[telemetry]\notlp = \"{}\"\nheaders = {{ x-key = \"{KEY}\" }}", self.url);
        World::with(Settings { tables, ..Settings::default() }).await
    }

    fn answers(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    /// The spans of one deployment, once they came.
    async fn trace(&self, world: &World, deployment: &str) -> Vec<Span> {
        world
            .until(&format!("the trace of deployment {deployment}"), || async {
                let came = self.came.lock().unwrap().clone();
                came.iter().map(|(_, body)| spans(body)).find(|spans| text(root(spans), "deployment.id") == deployment)
            })
            .await
    }
}

const KEY: &str = "a-key-of-the-receiver";

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.came.lock().unwrap().push((headers, body));
    let answers = *receiver.answers.lock().unwrap();
    match answers {
        Answers::With(code) => code,
        Answers::Never => std::future::pending().await,
    }
}

fn spans(body: &Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body.clone()).expect("a request of OTLP");
    request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
}

fn root(spans: &[Span]) -> &Span {
    spans.iter().find(|span| span.parent_span_id.is_empty()).expect("a root")
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    let value = span.attributes.iter().find(|attribute| attribute.key == key).and_then(|a| a.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

fn status(span: &Span) -> (SpanStatus, &str) {
    span.status.as_ref().map_or((SpanStatus::Unset, ""), |status| (status.code(), status.message.as_str()))
}

/// Paths of names from the root, `deploy > build > web`; with a check that the spans are one tree.
fn paths(spans: &[Span], world: &World) -> BTreeSet<String> {
    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "each has an id of its own");
    let path = |span: &Span| {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert_eq!(span.trace_id, root(spans).trace_id);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano && span.start_time_unix_nano > 0);
        let (mut names, mut at) = (vec![span.name.clone()], span);
        while !at.parent_span_id.is_empty() {
            at = by_id[at.parent_span_id.as_slice()];
            names.push(at.name.clone());
        }
        names.reverse();
        names.join(" > ").replace(&world.project, "P")
    };
    spans.iter().map(path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deployment_that_ends_is_one_trace_with_its_stages_components_and_work() {
    let receiver = Receiver::start().await;
    let world = receiver.world().await;
    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    let first = receiver.trace(&world, "1").await;
    let (found, deploy) = (paths(&first, &world), "deploy P/production");
    for expected in [
        "",
        " > wait in the queue",
        " > prepare",
        " > deploy",
        " > deploy > web",
        " > deploy > web > ready web-1",
        " > monitor",
    ] {
        assert!(found.contains(&format!("{deploy}{expected}")), "{expected}: {found:#?}");
    }
    assert!(found.iter().any(|path| path.contains(" > fetch ")), "{found:#?}");
    assert_eq!(status(root(&first)), (SpanStatus::Ok, ""));
    assert_eq!(text(root(&first), "launchway.trigger"), "push");
    assert_eq!(text(root(&first), "vcs.ref.head.revision").len(), 40);
    let (headers, body) = receiver.came.lock().unwrap()[0].clone();
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["x-key"], KEY);
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    assert!(resource.attributes.iter().any(|a| a.key == "service.name"), "{resource:?}");

    // One that fails says why, without the secret that its own log line had.
    write_ready_made_broken(&world.repository, &format!("no bank at {KEY}"));
    assert_eq!(world.ends(&world.push("Broken")).await.state, "failure");
    let second = receiver.trace(&world, "2").await;
    let (code, why) = status(root(&second));
    assert_eq!(code, SpanStatus::Error);
    assert!(why.contains("no bank at ***"), "{why}");
    let failed: Vec<&str> =
        second.iter().filter(|span| status(span).0 == SpanStatus::Error).map(|span| span.name.as_str()).collect();
    assert!(failed.contains(&"web") && failed.contains(&"deploy"), "{failed:?}");
    assert!(paths(&second, &world).len() > 5);

    // One that never began: a root and its wait.
    world.launchway(&["pause", "production", "--reason", "moving house"]).await;
    write_quick(&world.repository, "three");
    let third = world.push("Third");
    world.until_deployment(&third, &["waiting"]).await;
    write_quick(&world.repository, "four");
    let fourth = world.push("Fourth");
    world.until_deployment(&fourth, &["waiting"]).await;
    assert_eq!(world.ends(&third).await.state, "error");
    let overtaken = receiver.trace(&world, "3").await;
    assert_eq!(text(root(&overtaken), "launchway.outcome"), "superseded");
    assert_eq!(status(root(&overtaken)).0, SpanStatus::Unset);
    world.launchway(&["resume", "production"]).await;
    assert_eq!(world.ends(&fourth).await.state, "success");
    receiver.trace(&world, "4").await;
    let all = receiver.came.lock().unwrap().clone();
    assert_eq!(all.len(), 4, "each is sent once");
    let ids: BTreeSet<Vec<u8>> = all.iter().map(|(_, body)| root(&spans(body)).trace_id.clone()).collect();
    assert_eq!(ids.len(), 4);
    assert!(all.iter().all(|(_, body)| !String::from_utf8_lossy(body).contains(KEY)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_or_hangs_holds_no_deployment_and_what_was_dropped_is_counted() {
    let receiver = Receiver::start().await;
    let mut world = receiver.world().await;
    receiver.answers(Answers::With(StatusCode::BAD_REQUEST));
    write_quick(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    world.until_said("The trace of a deployment could not be sent and is dropped").await;
    assert_eq!(receiver.came.lock().unwrap().len(), 1, "what is refused is not sent again");

    // 503 is tried again.
    receiver.answers(Answers::With(StatusCode::SERVICE_UNAVAILABLE));
    write_quick(&world.repository, "two");
    assert_eq!(world.ends(&world.push("Second")).await.state, "success");
    world.until("the second try", || async { (receiver.came.lock().unwrap().len() > 1).then_some(()) }).await;
    receiver.answers(Answers::With(StatusCode::OK));
    world
        .until("one to be counted as sent, and one as dropped", || async {
            let text = scrape_control(&world).await;
            let counted =
                |outcome: &str| text.contains(&format!("launchway_traces_total{{outcome=\"{outcome}\"}} 1\n"));
            (counted("sent") && counted("dropped")).then_some(())
        })
        .await;

    receiver.answers(Answers::Never);
    write_quick(&world.repository, "three");
    let third = world.push("Third");
    assert_eq!(world.ends(&third).await.state, "success");
    let before = receiver.came.lock().unwrap().len();
    world
        .until("the third trace to hang", || async { (receiver.came.lock().unwrap().len() > before).then_some(()) })
        .await;
    write_quick(&world.repository, "four");
    assert_eq!(world.ends(&world.push("Fourth")).await.state, "success");
    // The process ends beside one that hangs.
    world.terminate().await;
    assert!(!world.serve_log().contains("did not notice in time"), "{}", world.serve_log());
    world.serve().await;
    world.end().await;
}
