//! What is said of a delivery that cannot be understood.

/// A delivery that cannot be understood, and why, as a sentence for the person who set up the hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidDelivery {
    /// The sentence; what it quotes of the payload is bounded and escaped.
    pub reason: String,
}

impl InvalidDelivery {
    /// An invalid delivery for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
