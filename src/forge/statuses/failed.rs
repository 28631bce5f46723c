//! A status that did not arrive, as far as is known.

use super::PostError;

/// What became of a call that did not succeed, and whether it is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    pub error: PostError,
    /// The request left, and nobody knows what became of it: a forge that hung may serve it later than what is sent after it.
    pub may_arrive: bool,
}

/// What was answered, or never left, is over.
impl From<PostError> for Failed {
    fn from(error: PostError) -> Self {
        Self { error, may_arrive: false }
    }
}
