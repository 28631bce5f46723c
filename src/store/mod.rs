//! SQLite: a file per table. One writer that groups what waits into one durable commit, and readers beside it.

mod deliveries;
mod deployments;
mod environments;
mod images;
mod open;
mod outbox;
mod projects;
mod releases;
mod row;
mod stages;
mod tips;
mod writer;

pub use deliveries::*;
pub use deployments::*;
pub use environments::*;
pub use images::*;
pub use open::{Store, StoreError};
pub use outbox::*;
pub use releases::NewRelease;
pub use stages::*;
