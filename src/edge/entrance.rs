//! Where connections come in.

use crate::model::EdgeAddress;

/// Where a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// The edge's own addresses.
    Shared,
    /// A component's port.
    Port(EdgeAddress),
}
