//! Who leads traffic: the edge, the fronts, canaries and what they are judged by.

pub mod answered;
pub mod canary;
pub mod hands;
pub mod leading;
pub mod measures;
pub mod reach;
