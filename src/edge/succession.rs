//! The edges before and after this one: who took over from whom, and what those that drain are still told.

use super::client::{EdgeClient, EdgeError};
use super::keeper::Changes;
use crate::model::Traffic;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

pub struct Succession {
    /// The edge's folder.
    folder: PathBuf,
    /// Edges that drain, from which this one took over.
    before: Mutex<Vec<EdgeClient>>,
    handed_over: Notify,
}

impl Succession {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, before: Mutex::default(), handed_over: Notify::new() }
    }

    /// Ends when another edge has taken over from this one.
    pub async fn handed_over(&self) {
        self.handed_over.notified().await;
    }

    /// This edge took over from the one that answers at `control`.
    pub fn follows(&self, control: PathBuf) {
        self.before().push(EdgeClient::at(control));
    }

    /// Where this edge can be asked when it has handed over.
    pub fn control_path(&self) -> PathBuf {
        self.folder.join(format!("before-{}.sock", std::process::id()))
    }

    /// Those that drain follow the routes too: what waits there goes on, and what left gets nothing more.
    pub async fn pass_on(&self, changes: &Changes) {
        for client in self.all_before() {
            let told = client.follow(changes).await;
            self.note(&client, told);
        }
    }

    pub async fn say_goodbye(&self, container: &str) {
        for client in self.all_before() {
            let told = client.say_goodbye(container).await;
            self.note(&client, told);
        }
    }

    /// What those that drain still have, so that nobody takes a replica for idle that is not.
    pub async fn add_in_flight(&self, traffic: &mut Traffic) {
        for client in self.all_before() {
            let told = client.traffic().await;
            let Ok(theirs) = &told else {
                self.note(&client, told.map(drop));
                continue;
            };
            for (key, component) in &theirs.components {
                let index = traffic.components.iter().position(|(of, _)| of == key).unwrap_or_else(|| {
                    traffic.components.push((key.clone(), Default::default()));
                    traffic.components.len() - 1
                });
                let mine = &mut traffic.components[index].1;
                mine.held += component.held;
                for (id, theirs) in component.in_flight.iter().filter(|(_, theirs)| !theirs.is_idle()) {
                    mine.in_flight.entry(id.clone()).or_default().add(*theirs);
                }
            }
        }
    }

    /// Another edge has taken over.
    pub fn has_handed_over(&self) {
        self.handed_over.notify_one();
    }

    /// The edge's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn note(&self, client: &EdgeClient, told: Result<(), EdgeError>) {
        if let Err(EdgeError::Away { .. }) = told {
            // It has ended.
            self.before().retain(|other| other.socket() != client.socket());
        }
    }

    fn all_before(&self) -> Vec<EdgeClient> {
        self.before().clone()
    }

    fn before(&self) -> MutexGuard<'_, Vec<EdgeClient>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
