//! The `/hooks` routes: verify, dedupe, store, answer.
//!
//! This room verifies and answers; what becomes of a delivery is decided behind [`Intake`], which must have stored it
//! durably before it returns. The server that carries these routes sets the deadline for a request's headers.

mod body;
mod hooks;
mod intake;
mod problem;
mod request_id;
mod room;
mod said;

pub use body::BodyLimits;
pub use hooks::{Limits, routes};
pub use intake::{Answer, Expected, Intake, Outcome, Started, Verified};
pub use problem::Problem;
pub use said::Said;
