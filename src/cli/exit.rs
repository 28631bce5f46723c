//! What the exit codes mean; `launchway --help` prints it.

use super::client::ClientError;
use crate::model::{DeploymentState, plain};
use std::process::ExitCode;

/// A usage error is 2, which clap gives.
pub const HELP: &str = "\
Exit codes:
  0  done: what was asked for happened, or was shown
  1  it went wrong: the deployment failed or was put back, the request was refused, the check found errors
  2  the command line is wrong
  3  no server answers at the control socket
  4  the deployment that was waited for was cancelled, or superseded by a newer one";

const WENT_WRONG: u8 = 1;
const NO_SERVER: u8 = 3;
const NOT_CARRIED_OUT: u8 = 4;

/// How a deployment that was waited for ended.
pub fn of_state(state: DeploymentState) -> ExitCode {
    use DeploymentState::*;
    match state {
        Failed | RolledBack => ExitCode::from(WENT_WRONG),
        Cancelled | Superseded => ExitCode::from(NOT_CARRIED_OUT),
        Succeeded | Waiting | Preparing | Building | Deploying | Monitoring | PuttingBack => ExitCode::SUCCESS,
    }
}

/// Says why a command failed, on standard error, and what it exits with.
pub fn of_error(error: &anyhow::Error) -> ExitCode {
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<std::io::Error>().is_some_and(gone) {
        // Whoever read our output has seen enough.
        return ExitCode::SUCCESS;
    }
    eprintln!("launchway: {}", plain(&format!("{error:#}")));
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoServer { .. } | ClientError::Forbidden { .. }) => ExitCode::from(NO_SERVER),
        _ => ExitCode::from(WENT_WRONG),
    }
}
