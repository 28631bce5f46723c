//! A bare git repository whose `hooks/post-receive` signs and posts each push, in GitHub's form.

use super::{InvalidDelivery, github};
use crate::model::Event;

/// Reads the JSON text that the hook makes. `repository.full_name` is what `git config launchway.repository` says
/// there, else the last two parts of the repository's path without `.git`.
pub(super) fn read(event: &str, text: &[u8]) -> Result<Event, InvalidDelivery> {
    github::read(event, text)
}
