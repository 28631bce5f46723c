//! Names on the engine that are Launchway's own.

/// Content volumes, volumes for paths of the host, and whatever else is made for no single component.
pub const PREFIX: &str = "launchway-";
/// Of the network over which the edge reaches an environment: after the Compose project's name.
pub const EDGE_NETWORK: &str = "_launchway";
/// Stands for a folder of the host, of which what lies below is mounted.
pub const PATH_VOLUME: &str = "launchway-path-";

/// Whether a file may not use the name, whatever it is for.
pub fn is_own(name: &str) -> bool {
    name.starts_with(PREFIX) || name.ends_with(EDGE_NETWORK)
}
