//! Traces of deployments for OpenTelemetry: made of what the store holds once a deployment has ended, and sent over HTTP
//! (OTLP, protobuf). Nothing of a deployment waits for it, and what cannot be sent is dropped and counted.
//!
//! The messages are the official ones (`opentelemetry-proto`). They are sent by the HTTP client that the forges' APIs
//! are asked with: `opentelemetry-otlp` would bring a second one, and its spans live in the process, while a deployment
//! outlives it.
//!
//! What ended within the last seconds before a crash is in no trace; the store has it all the same.

mod spans;

use crate::config::Telemetry;
use crate::model::DeploymentId;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::ids::now_ms;
use crate::run::ground::read_so_far::ReadSoFar;
use crate::store::StoreError;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;

/// What has ended is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The last work of a deployment is noted about when it ends: by then it is there.
const SETTLED_AFTER_MS: i64 = 1000;
/// A receiver that takes longer counts as away.
const WITHIN: Duration = Duration::from_secs(5);
/// How often it is tried, and what is waited in between.
const TRIES: u32 = 3;
const AGAIN: Duration = Duration::from_secs(2);

/// Runs until the process ends.
pub async fn send_traces(deployer: Arc<Deployer>) {
    let client = reqwest::Client::builder().timeout(WITHIN).redirect(reqwest::redirect::Policy::none()).build();
    let http = match client {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(error = %error, "Traces cannot be sent: no HTTP client could be made");
            return;
        }
    };
    // What ended before anybody was to be told is nobody's news.
    let mut seen: Option<ReadSoFar> = None;
    loop {
        let telemetry = deployer.config().telemetry.clone();
        let rounds = async {
            match &telemetry {
                None => seen = None,
                Some(telemetry) => {
                    if let Err(error) = round(&deployer, &http, telemetry, &mut seen).await {
                        tracing::error!(error = %error, "What deployments did cannot be read for their traces");
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = deployer.stop.cancelled() => return,
            () = rounds => {}
        }
    }
}

async fn round(
    deployer: &Deployer,
    http: &reqwest::Client,
    telemetry: &Telemetry,
    seen: &mut Option<ReadSoFar>,
) -> Result<(), StoreError> {
    let seen = match seen {
        Some(seen) => seen,
        None => {
            let mut begun = ReadSoFar::default();
            for newest in deployer.store.deployments(None, None, 1).await? {
                begun.note(newest.id.0, true);
            }
            for open in deployer.store.open_deployments().await? {
                begun.note(open.id.0, false);
            }
            seen.insert(begun)
        }
    };
    for row in deployer.store.deployment_figures(seen.up_to(), &seen.open()).await? {
        let is_settled = row.ended_ms.is_some_and(|ended| now_ms() >= ended + SETTLED_AFTER_MS);
        if is_settled {
            send_one(deployer, http, telemetry, row.id).await?;
        }
        seen.note(row.id, is_settled);
    }
    Ok(())
}

async fn send_one(
    deployer: &Deployer,
    http: &reqwest::Client,
    telemetry: &Telemetry,
    id: i64,
) -> Result<(), StoreError> {
    let id = DeploymentId(id);
    let Some(deployment) = deployer.store.deployment(id).await? else { return Ok(()) };
    let (stages, work) = (deployer.store.stages(id).await?, deployer.store.work_of(id).await?);
    let mask = deployer.mask_of_deployment(&deployment).await;
    let body = spans::request(&deployment, &stages, &work, &mask).encode_to_vec();
    let mut why = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(AGAIN).await;
        }
        match post(http, telemetry, body.clone()).await {
            Ok(()) => {
                deployer.metrics.traces.sent();
                return Ok(());
            }
            Err(refused) => {
                why = refused.why;
                if !refused.may_be_tried_again {
                    break;
                }
            }
        }
    }
    deployer.metrics.traces.dropped();
    tracing::warn!(
        deployment.id = %id, host = telemetry.endpoint.host_str().unwrap_or_default(), error = why,
        "The trace of a deployment could not be sent and is dropped (`telemetry.otlp`)"
    );
    Ok(())
}

struct Refused {
    why: String,
    may_be_tried_again: bool,
}

async fn post(http: &reqwest::Client, telemetry: &Telemetry, body: Vec<u8>) -> Result<(), Refused> {
    let mut request = http.post(telemetry.endpoint.clone()).body(body);
    for (name, value) in &telemetry.headers {
        let Ok(mut value) = HeaderValue::from_str(value.expose()) else { continue };
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    match request.header(CONTENT_TYPE, "application/x-protobuf").send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(Refused {
            why: format!("it answered {}", answer.status()),
            // By OTLP, only after these.
            may_be_tried_again: matches!(answer.status().as_u16(), 429 | 502..=504),
        }),
        Err(error) => {
            let error = error.without_url();
            let whole = anyhow::Error::from(error);
            Err(Refused { why: format!("{whole:#}"), may_be_tried_again: true })
        }
    }
}
