//! SQLite: a file per table. One writer that groups what waits into one durable commit, and readers beside it.

mod arrivals;
mod canaries;
mod degraded;
mod deliveries;
mod deployments;
mod environments;
mod figures;
mod hooks;
mod images;
mod open;
mod outbox;
mod pauses;
mod projects;
mod release_commands;
mod releases;
mod retention;
mod row;
mod stages;
mod tips;
mod usage;
mod work;
mod writer;

pub use canaries::CanaryRecord;
pub use degraded::*;
pub use deliveries::*;
pub use deployments::*;
pub use environments::*;
pub use figures::*;
pub use hooks::{HookOutcome, WaitingHook};
pub use images::*;
pub use open::{Store, StoreError};
pub use outbox::*;
pub use pauses::*;
pub use releases::NewRelease;
pub use stages::*;
pub use usage::Usage;
