//! What an environment's past tells: where the time goes, what fails, and what to change. Pure: the past comes in.

mod causes;
mod dora;
pub mod findings;
mod history;
mod insights_of;
mod longest_path;
mod parts;
#[cfg(test)]
mod sample;
mod spread;
mod weeks;
mod words;

pub use causes::{Cause, Failure};
pub use dora::Dora;
pub use findings::Finding;
pub use history::{History, Past, Usage};
pub use insights_of::{Cache, Holder, Insights, Outcomes, Resources, insights};
pub use parts::{Part, PartTime};
pub use spread::Spread;
pub use weeks::Week;
