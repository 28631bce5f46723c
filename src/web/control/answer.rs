//! How a request is answered: JSON, or a problem document (RFC 9457) with secrets masked.

use crate::receive::{Problem, Said};
use crate::run::{Deployer, Refusal};
use axum::http::{StatusCode, Uri};

pub type Answer<T> = Result<Said<T>, Problem>;

pub fn refused(deployer: &Deployer, refusal: impl Into<Refusal>) -> Problem {
    let refusal = refusal.into();
    let status = match &refusal {
        Refusal::NotFound(_) => StatusCode::NOT_FOUND,
        Refusal::Impossible(_) => StatusCode::CONFLICT,
        Refusal::Failed(error) => {
            tracing::error!(error = format!("{error:#}"), "A request at the control socket failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Problem::new(status, deployer.mask_of_all().sentence(&refusal.to_string()))
}

pub fn answer<T>(deployer: &Deployer, result: Result<T, Refusal>) -> Answer<T> {
    result.map(Said).map_err(|refusal| refused(deployer, refusal))
}

/// After a panic, which the log has.
pub fn broke() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Launchway failed on this request; its log says where")
}

pub async fn unknown(uri: Uri) -> Problem {
    let detail = format!("{} is not a path of this API: is the command of another version?", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail)
}
