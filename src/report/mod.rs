//! What goes back to people: the outbox's decisions and the texts of statuses. Pure: the clock and chance come in.

pub mod confirming;
pub mod outbox;
pub mod texts;
