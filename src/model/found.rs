//! What stood in an environment before a deployment changed it.

/// A container that no deployment of this store had made, as it stood before a deployment changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundContainer {
    /// The engine's.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// It ran, was paused, or was about to be restarted.
    pub is_up: bool,
}
