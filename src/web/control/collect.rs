//! `POST /v1/gc`: takes away what is not needed any more, or says what would go.

use super::answer::Answer;
use super::ask::carried_out;
use crate::run::{Collected, Deployer, Refusal, Room};
use crate::web::wire::{CollectReport, CollectRequest, CollectedReport, DiskReport};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

pub async fn collect(
    State(deployer): State<Arc<Deployer>>,
    Json(asked): Json<CollectRequest>,
) -> Answer<CollectReport> {
    carried_out(deployer, move |deployer| async move {
        let collected = match asked.dry_run {
            true => deployer.collect_nothing().await,
            false => {
                // What is taken away stands in the server's log, too.
                let progress = |line: &str| tracing::info!(what = line, "Collecting");
                tokio::select! {
                    () = deployer.stop.cancelled() => Err(anyhow::anyhow!("Launchway ends; the next start goes on")),
                    collected = deployer.collect(&progress) => collected,
                }
            }
        };
        let Collected { gone, stays, mut problems, build_cache_bytes, rooms } = collected.map_err(Refusal::Failed)?;
        let build_cache_bytes = match (build_cache_bytes, deployer.config().keep.build_cache) {
            (None, None) => deployer.engine.build_cache_bytes().await.unwrap_or_else(|error| {
                problems.push(error.to_string());
                None
            }),
            (known, _) => known,
        };
        let mask = deployer.mask();
        Ok(CollectReport {
            dry_run: asked.dry_run,
            removed_bytes: gone.iter().filter_map(|gone| gone.size_bytes).sum(),
            removed: gone
                .into_iter()
                .map(|gone| CollectedReport { what: gone.what, why: gone.why, size_bytes: gone.size_bytes })
                .collect(),
            kept: stays
                .into_iter()
                .map(|stays| CollectedReport { what: stays.what, why: stays.why, size_bytes: stays.size_bytes })
                .collect(),
            problems: problems.iter().map(|why| mask.apply(why)).collect(),
            disks: rooms.into_iter().map(disk).collect(),
            build_cache_bytes,
            build_cache_most_bytes: deployer.config().keep.build_cache,
        })
    })
    .await
}

fn disk(room: Room) -> DiskReport {
    let Room { whose, folder, free_bytes, total_bytes } = room;
    DiskReport { of: whose.to_string(), folder, free_bytes, total_bytes }
}
