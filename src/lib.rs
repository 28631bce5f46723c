//! Launchway, room by room, in the order in which a push meets them. ARCHITECTURE.md says what each must not do.

/// What things are: ids, components, releases, deployments, what was observed. Pure.
pub mod model;

/// `launchway.toml`: parsed and validated, every error with its line.
pub mod config;

/// What this process asks of the kernel for itself: who may read its files, and how many it may have open.
pub mod process;

/// Connections from outside: how many at once and whose, and how long each may be silent.
pub mod connections;

/// The `/hooks` routes: verify, dedupe, store, answer.
pub mod receive;

/// GitHub, GitLab, Gitea, Forgejo, plain git: deliveries in (one event type out), statuses out.
pub mod forge;

/// git2: mirrors, trees of commits and working copies.
pub mod source;

/// The Compose file and `x-launchway` become components, every error with its place. Pure but for the given tree.
pub mod compose;

/// What to do: changes, order, method, steps. Pure.
pub mod plan;

/// Build contexts, content keys, BuildKit.
pub mod build;

/// What runs containers: the engine trait (observe, act) and Docker.
pub mod engine;

/// The reverse proxy process: routes, weights, holding, draining, counters, and its control socket.
pub mod edge;

/// The flow of one deployment, a file per stage, and the executor that walks a plan.
pub mod run;

/// What goes back to people: the outbox's decisions and the texts of statuses.
pub mod report;

/// SQLite: a file per table.
pub mod store;

/// Pages and API.
pub mod web;

/// One file per command.
pub mod cli;

/// What `fuzz/` reaches of rooms' insides.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::compose::fuzzing as compose;
    pub use crate::edge::fuzzing as edge;
}
