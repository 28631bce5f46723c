//! Further measures of a verdict: what Prometheus answers about a new release.
//!
//! The server here speaks Prometheus' documented HTTP API for instant queries, and says what the story wants.

use super::moving_traffic::{canary, deployed, until_described, write};
use crate::support::app::write_quick;
use crate::support::load::Load;
use crate::support::world::{Settings, World, free_port};
use axum::extract::{Query, State};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What it answers, and what it was asked.
#[derive(Clone, Default)]
struct Prometheus {
    answers: Arc<Mutex<Vec<f64>>>,
    asked: Arc<Mutex<Vec<String>>>,
    url: String,
}

impl Prometheus {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let prometheus = Self { url, ..Self::default() };
        let routes = Router::new().route("/api/v1/query", get(query)).with_state(prometheus.clone());
        tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        prometheus
    }

    fn says(&self, values: &[f64]) {
        *self.answers.lock().unwrap() = values.to_vec();
    }

    /// A server that may ask it, and has an edge.
    async fn world(&self, environment: &str) -> World {
        let settings = Settings {
            project: format!("allow = {{ prometheus = [\"{}\"] }}", self.url),
            tables: format!("[edge]\nlisten = [\"127.0.0.1:{}\"]\n", free_port()),
            environment: Some(format!("branch = \"main\"\n{environment}")),
            ..Settings::default()
        };
        let mut world = World::not_serving(settings).await;
        world.start_edge().await;
        world.serve().await;
        world
    }
}

async fn query(State(prometheus): State<Prometheus>, Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    prometheus.asked.lock().unwrap().push(query["query"].clone());
    let values = prometheus.answers.lock().unwrap().clone();
    let result: Vec<Value> =
        values.iter().map(|value| json!({"metric": {}, "value": [1.5, value.to_string()]})).collect();
    Json(json!({"status": "success", "data": {"resultType": "vector", "result": result}}))
}

const MEASURE: &str = "prometheus: { name: queue length, query: 'max(queue{release=\"{{ release }}\"})', max: 100 }";

fn judged(extra: &str) -> String {
    canary(extra).replace("x-launchway: { ", &format!("x-launchway: {{ {MEASURE}, "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_whose_measure_is_over_its_maximum_is_put_back() {
    let prometheus = Prometheus::start().await;
    let world = prometheus.world("bake = \"0s\"").await;
    let lines = judged("on-little-traffic: promote").replace("hold: 2s", "hold: 20s");
    write(&world.repository, "one", &lines);
    deployed(&world, "First").await;
    prometheus.says(&[40.0, 250.0]);
    let load = Load::start(world.app_port);
    write(&world.repository, "two", &lines);
    let shown = world.ends(&world.push("Second")).await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    let why = "web: queue length is 250, over its maximum of 100 for 3 looks in a row: worse; release 1 is live again";
    assert_eq!(shown.description, why);
    assert!(load.end().await.failed.is_empty());
    assert!(prometheus.asked.lock().unwrap().contains(&"max(queue{release=\"2\"})".to_string()));
    world.end().await;
}

/// Nobody knows whether a measure without an answer speaks against the release.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_waits_for_a_measure_that_has_no_answer() {
    let prometheus = Prometheus::start().await;
    let world = prometheus.world("bake = \"0s\"").await;
    let lines = judged("on-little-traffic: wait").replace("steps: [20%, 50%]", "steps: [50%]");
    write(&world.repository, "one", &lines);
    deployed(&world, "First").await;
    let load = Load::start(world.app_port);
    write(&world.repository, "two", &lines);
    let second = world.push("Second");
    until_described(&world, &second, "Canary: web at 50 % of the traffic, waiting for an answer").await;
    world.until_log(&format!("queue length of {} has no answer: it has no value now", prometheus.url)).await;
    prometheus.says(&[3.0]);
    // Whether there was enough traffic besides is not what this story is about.
    world.until_log("waiting for more traffic").await;
    assert_eq!(world.launchway(&["promote"]).await.0, 0);
    assert_eq!(world.ends(&second).await.state, "success", "{}", world.deployment_logs());
    load.end().await;
    world.end().await;
}

/// A component that nothing leads to has no traffic to judge, but its measures.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_watched_by_its_measures() {
    let prometheus = Prometheus::start().await;
    let world = prometheus.world("bake = \"20s\"").await;
    let write = |version: &str| {
        write_quick(&world.repository, version);
        let compose = std::fs::read_to_string(world.repository.work().join("compose.yaml")).unwrap();
        let measure = format!("    x-launchway: {{ {MEASURE} }}\n");
        world.repository.write("compose.yaml", compose.trim_end().to_string() + "\n" + &measure);
    };
    prometheus.says(&[7.0]);
    write("one");
    let first = world.push("First");
    let shown = world.ends(&first).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert!(world.deployment_logs().contains("its measures are good"), "{}", world.deployment_logs());
    prometheus.says(&[700.0]);
    write("two");
    let shown = world.ends(&world.push("Second")).await;
    assert_eq!(shown.state, "failure", "{shown:?}\n{}", world.deployment_logs());
    assert!(shown.description.starts_with("web: queue length is 700, over its maximum of 100"), "{shown:?}");
    world.end().await;
}
