//! Where a reading collects what it finds wrong, so that a person sees all of it at once.

use crate::model::{Mask, Place, Problem, Severity};
use std::cell::RefCell;

#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn error(&self, place: Option<Place>, key: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Error, place, key.into(), message.into());
    }
    pub fn warning(&self, place: Option<Place>, key: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Warning, place, key.into(), message.into());
    }
    pub fn note(&self, place: Option<Place>, key: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Note, place, key.into(), message.into());
    }

    /// An error only because launchway.toml does not allow it: see [`Problem::refusal`].
    pub fn refusal(&self, place: Option<Place>, key: impl Into<String>, why: &str, allow: impl Into<String>) {
        self.push(Problem::refusal(place, key, why, allow));
    }

    /// The same sentence about the same key is kept once: a config is read for each service that mounts it.
    fn add(&self, severity: Severity, place: Option<Place>, key: String, message: String) {
        let key = Some(key).filter(|key| !key.is_empty());
        self.push(Problem { severity, place, key, message, allow: None });
    }

    pub fn push(&self, problem: Problem) {
        let mut problems = self.0.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(Problem::is_error)
    }

    /// Everything that was found, by file and line, without the secrets that a message may quote.
    pub fn into_sorted(self, mask: &Mask) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        for problem in &mut problems {
            problem.message = mask.apply(&problem.message);
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems
    }
}
