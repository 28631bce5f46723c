//! What carries the steps of a plan out: an engine, what it is supplied with, and who leads traffic.

use crate::engine::{Engine, Supplies};
use crate::run::traffic::leading::Lead;
use std::sync::Arc;

/// What carries the steps out.
#[derive(Clone)]
pub struct Hands {
    pub engine: Arc<dyn Engine>,
    pub supplies: Arc<dyn Supplies>,
    /// What leads traffic.
    pub lead: Arc<dyn Lead>,
}
