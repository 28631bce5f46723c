//! `POST /v1/gc`: takes away what is not needed any more, or says what would go.

use super::answer::answer;
use super::ask::carried_out;
use crate::model::{EnvironmentName, ProjectName};
use crate::plan::storage::LeftVolume;
use crate::receive::Said;
use crate::run::{Collected, Deployer, LeftVolumes, Progress, Refusal, Room};
use crate::web::wire::{CollectLine, CollectReport, CollectRequest, CollectedReport, DiskReport};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::sync::Arc;
use tokio_stream::wrappers::UnboundedReceiverStream;

pub async fn collect(State(deployer): State<Arc<Deployer>>, Json(asked): Json<CollectRequest>) -> Response {
    if asked.follow {
        return followed(deployer, asked.dry_run);
    }
    carried_out(deployer, move |deployer| async move { work(&deployer, asked.dry_run, &|_| {}).await })
        .await
        .into_response()
}

/// Carried out to its end, also when whoever follows goes away.
fn followed(deployer: Arc<Deployer>, dry_run: bool) -> Response {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    deployer.tasks.clone().spawn(async move {
        let doing = |line: &str| {
            let _ = tell.send(CollectLine::Doing(deployer.mask().sentence(line)));
        };
        let last = match answer(&deployer, work(&deployer, dry_run, &doing).await) {
            Ok(Said(report)) => CollectLine::Report(report),
            Err(problem) => CollectLine::Failed(problem.detail),
        };
        let _ = tell.send(last);
    });
    let lines = UnboundedReceiverStream::new(told).map(|line| {
        let mut text = Said(line).text()?;
        text.push('\n');
        Ok::<_, serde_json::Error>(text)
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn work(deployer: &Deployer, dry_run: bool, doing: &Progress<'_>) -> Result<CollectReport, Refusal> {
    let collected = match dry_run {
        true => deployer.collect_nothing().await,
        false => {
            // What is taken away stands in the server's log, too.
            let progress = |line: &str| {
                tracing::info!(what = line, "Collecting");
                doing(line);
            };
            tokio::select! {
                () = deployer.stop.cancelled() => Err(anyhow::anyhow!("Launchway ends; the next start goes on")),
                collected = deployer.collect(&progress) => collected,
            }
        }
    };
    let Collected { gone, stays, mut problems, build_cache_bytes, rooms } = collected.map_err(Refusal::Failed)?;
    let build_cache_bytes = match (build_cache_bytes, deployer.config().keep.build_cache) {
        (None, None) => {
            doing("measuring the engine's build cache");
            deployer.engine.build_cache_bytes().await.unwrap_or_else(|error| {
                problems.push(error.to_string());
                None
            })
        }
        (known, _) => known,
    };
    doing("looking for volumes that no live release names");
    let LeftVolumes { left, problems: unseen } = deployer.left_volumes().await;
    problems.extend(unseen);
    let mask = deployer.mask();
    let left = left.iter().map(|(place, left)| left_volume(place, left));
    Ok(CollectReport {
        dry_run,
        removed_bytes: gone.iter().filter_map(|gone| gone.size_bytes).sum(),
        removed: gone
            .into_iter()
            .map(|gone| CollectedReport {
                what: mask.sentence(&gone.what),
                why: mask.sentence(&gone.why),
                size_bytes: gone.size_bytes,
            })
            .collect(),
        kept: stays
            .into_iter()
            .map(|stays| CollectedReport {
                what: mask.sentence(&stays.what),
                why: mask.sentence(&stays.why),
                size_bytes: stays.size_bytes,
            })
            .chain(left.map(|left| CollectedReport {
                what: mask.sentence(&left.what),
                why: mask.sentence(&left.why),
                size_bytes: None,
            }))
            .collect(),
        problems: problems.iter().map(|why| mask.sentence(why)).collect(),
        disks: rooms.into_iter().map(disk).collect(),
        build_cache_bytes,
        build_cache_most_bytes: deployer.config().keep.build_cache,
    })
}

/// Data stays, whoever wrote it there: only a person takes it away.
fn left_volume((project, environment): &(ProjectName, EnvironmentName), left: &LeftVolume) -> CollectedReport {
    let was = if left.was.is_empty() { String::new() } else { format!(" (once of {})", left.was.join(" and ")) };
    let (name, whose) = (&left.name, format!("{project}/{environment}"));
    CollectedReport {
        what: format!("volume {name} of {whose}{was}"),
        why: format!("no live release names it, and it may hold data; `docker volume rm {name}` removes it"),
        size_bytes: None,
    }
}

fn disk(room: Room) -> DiskReport {
    let Room { whose, folder, free_bytes, total_bytes } = room;
    DiskReport { of: whose.to_string(), folder, free_bytes, total_bytes }
}
