//! A commit as people name it.

use crate::config::Project;
use crate::model::CommitId;
use crate::run::ground::deployer::Deployer;
use crate::run::ground::refusal::Refusal;
use crate::source::Named;

/// Fewer digits are too easily those of another commit tomorrow.
const FEWEST_DIGITS: usize = 7;

impl Deployer {
    /// The commit of a full id, or of its first digits. It has to be fetched already.
    pub(in crate::run) fn commit_named(&self, project: &Project, text: &str) -> Result<CommitId, Refusal> {
        let text = text.trim().to_ascii_lowercase();
        if let Ok(full) = CommitId::new(text.as_str()) {
            return Ok(full);
        }
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || text.len() < FEWEST_DIGITS || text.len() > 64 {
            return Err(Refusal::NotFound(format!(
                "{text:?} names no commit: give its full id, or at least its first {FEWEST_DIGITS} digits"
            )));
        }
        match self.mirrors.commit_by_prefix(&project.name, &text).map_err(|error| Refusal::Failed(error.into()))? {
            Named::One(commit) => Ok(commit),
            Named::Several => Err(Refusal::NotFound(format!("several objects begin with {text}; give more digits"))),
            Named::Nothing => {
                let name = &project.full_name;
                Err(Refusal::NotFound(format!("no commit of {name} that was fetched begins with {text}")))
            }
        }
    }
}
