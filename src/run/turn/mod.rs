//! Whose turn it is: timing, approvals, pauses, and room on the host.

pub mod approval;
pub mod booking;
pub mod pause;
pub mod timing;
pub mod usage;
