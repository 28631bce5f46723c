//! One file per command; the others are what they share.

pub mod abort;
pub mod backup;
pub mod cancel;
pub mod check;
pub mod client;
pub mod deliveries;
pub mod deploy;
pub mod edge;
pub mod exit;
pub mod gc;
pub mod health;
pub mod logs;
mod look;
pub mod pause;
pub mod plan;
mod plan_repository;
pub mod promote;
pub mod rollback;
pub mod serve;
pub mod settings_file;
pub mod start;
pub mod status;
pub mod up;
mod wait;
pub mod webhook_explain;
mod which;
mod who;
