//! The network that joins the edge and the replicas to which it leads.

/// The key, among a stack's networks, of the one over which the edge reaches the replicas. No key of a Compose file can
/// hold a colon: `compose::names` refuses it.
pub const EDGE_NETWORK: &str = "launchway:edge";
