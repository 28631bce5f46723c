//! Makes the client for a project's forge.

use super::statuses::{Connections, StatusClient, StatusTarget};
use super::table;
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;

/// Makes clients. Those with the same API and token share their pace, since the forge counts by token.
pub struct StatusClients {
    connections: Connections,
}

impl StatusClients {
    /// Ten seconds to connect, thirty for a whole call. A rustls crypto provider must have been installed before.
    pub fn new() -> Result<Self> {
        Self::with_timeouts(Duration::from_secs(10), Duration::from_secs(30))
    }

    /// `connect` bounds one connection attempt, `whole` one call to an API; git work may take twice `whole`.
    pub fn with_timeouts(connect: Duration, whole: Duration) -> Result<Self> {
        Ok(Self { connections: Connections::new(connect, whole)? })
    }

    /// The client for a target; fails only where the settings cannot be right, naming the setting.
    pub fn client(&self, target: &StatusTarget) -> Result<Arc<dyn StatusClient>> {
        table::of(target.forge).status_client(target, &self.connections)
    }
}

/// A client that shares its pace with no other.
pub fn status_client(target: &StatusTarget) -> Result<Arc<dyn StatusClient>> {
    StatusClients::new()?.client(target)
}
