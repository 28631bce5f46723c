//! What happens between a delivery and its end: rooms from the ground up, and on top of them what begins deployments
//! (`queue`) and all background work (`start`).

mod collect;
mod flow;
mod ground;
mod incoming;
mod keep;
mod queue;
mod start;
mod tell;
mod traffic;
mod turn;

pub use collect::{Collected, Gone, Progress};
pub use flow::condition::{ComponentCondition, ConditionDetail, ConditionReport, LeftVolumes};
pub use flow::images::{Anew, Resolve, Settling, settle};
pub use ground::beyonds::Beyond;
pub use ground::deployer::{Deployer, Parts};
pub use ground::disk_space::Room;
pub use ground::failpoint::set_up as set_up_failpoints;
pub use ground::ids::now_ms;
pub use ground::image_files::of_files;
pub use ground::image_names::ImageNames;
pub use ground::left_out::left_out;
pub use ground::log::Logs;
pub use ground::metrics::CONTENT_TYPE;
pub use ground::occupancy::Control;
pub use ground::reading::{ReadError, ReadOrder, Reader, Readers, serve_reader};
pub use ground::refusal::Refusal;
pub use incoming::intake::Deliveries;
pub use incoming::preview::{Comparison, Preview, compare, read_tree};
pub use incoming::requests::AskedAnew;
pub use incoming::rollback::Rollback;
pub use keep::orphans::{Orphan, Remains};
pub use keep::wake::Woken;
pub use queue::Queue;
pub use tell::history::MOST_INSIGHT_DAYS;
