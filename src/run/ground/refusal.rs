//! Why what somebody asks for is not carried out.

/// Why a request is not carried out: what is wrong and what to do, for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Impossible(String),
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        Refusal::Failed(error.into())
    }
}
