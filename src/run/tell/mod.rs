//! Telling others: statuses, hooks, measures, traces, and an environment's history.

pub mod announce;
pub mod history;
pub mod hook_process;
pub mod hooks;
pub mod reporter;
pub mod scrape;
pub mod traces;
