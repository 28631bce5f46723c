//! What comes in: deliveries, what people ask for, and what a comparison with the repository finds.

pub mod already;
pub mod catch_up;
mod fresh_volumes;
pub mod intake;
pub mod judge;
pub mod places;
pub mod preview;
pub mod requests;
pub mod revision;
pub mod rollback;
pub mod skip;
