//! Where a reading collects what it finds wrong, so that a person sees all of it at once.

use crate::model::budgets::{MOST_MESSAGE, MOST_PROBLEMS};
use crate::model::{Mask, Place, Problem, Severity};
use std::cell::{Cell, RefCell};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Problems {
    /// What a deployment waits for may take so long, as the file has it; `None`: any time.
    pub longest: Option<Duration>,
    kept: RefCell<Vec<Problem>>,
    /// How many more there were than anybody reads.
    left_out: Cell<usize>,
    left_out_an_error: Cell<bool>,
}

impl Problems {
    /// Of a file that may say no longer time that a deployment waits for.
    pub fn of_times_up_to(longest: Duration) -> Self {
        Self { longest: Some(longest), ..Self::default() }
    }
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

    pub fn push(&self, mut problem: Problem) {
        // Its secrets are masked later: what is cut here, in the middle of one perhaps, is cut once more after that.
        shorten(&mut problem.message, 4 * MOST_MESSAGE);
        if let Some(key) = &mut problem.key {
            shorten(key, MOST_MESSAGE);
        }
        let mut problems = self.kept.borrow_mut();
        if problems.len() >= MOST_PROBLEMS {
            self.left_out.set(self.left_out.get() + 1);
            self.left_out_an_error.set(self.left_out_an_error.get() || problem.is_error());
        } else if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Whether what is found from now on is only counted.
    pub fn is_full(&self) -> bool {
        self.kept.borrow().len() >= MOST_PROBLEMS
    }

    pub fn has_errors(&self) -> bool {
        self.left_out_an_error.get() || self.kept.borrow().iter().any(Problem::is_error)
    }

    /// Everything that was found, by file and line, without the secrets that a message may quote.
    pub fn into_sorted(self, mask: &Mask) -> Vec<Problem> {
        let mut problems = self.kept.into_inner();
        let left_out = self.left_out.get();
        if left_out > 0 {
            let message = format!("more is wrong than is shown: {left_out} further problems");
            let severity = if self.left_out_an_error.get() { Severity::Error } else { Severity::Warning };
            problems.push(Problem { severity, place: None, key: None, message, allow: None });
        }
        for problem in &mut problems {
            problem.message = mask.sentence(&problem.message);
            shorten(&mut problem.message, MOST_MESSAGE);
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems
    }
}

/// A message may quote what a stranger wrote, whatever its length.
fn shorten(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str("...");
    }
}
