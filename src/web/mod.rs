//! Pages that people reach by the links in commit statuses, and the control API of the command line.

mod control;
mod delivery_page;
mod deployment_page;
mod health;
mod look;
mod metrics;
mod plain_html;
mod plain_page;
mod public;
pub mod wire;

pub use control::{control, plan_report};
pub use metrics::metrics_routes;
pub use plain_html::PlainHtml;
pub use public::routes;
