//! One deployment from its commit to its end: prepare, build, deploy, watch, and back where something goes wrong.

pub mod admission;
pub mod asking;
pub mod baking;
pub mod bases;
pub mod build;
pub mod build_lines;
pub mod checkout;
pub mod condition;
pub mod deploy;
pub mod deploying;
pub mod engine_away;
pub mod executor;
pub mod further_names;
pub mod go_back;
pub mod grants;
pub mod image_facts;
pub mod images;
pub mod make_room;
pub mod monitor;
pub mod outlook;
pub mod prepare;
pub mod pulling;
pub mod read_back;
pub mod set_aside;
pub mod stages;
pub mod storage;
pub mod supplies;
#[cfg(test)]
mod tests;
pub mod watch;
