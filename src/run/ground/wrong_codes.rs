//! How many wrong codes were given on each page that asks for a yes: after a few, no more are looked at for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many wrong codes are looked at on one page in [`WITHIN`]; the next are not.
const WRONG_CODES: usize = 5;
const WITHIN: Duration = Duration::from_secs(600);

/// When a wrong code was given on each page.
#[derive(Default)]
pub struct WrongCodes(Mutex<HashMap<String, Vec<Instant>>>);

impl WrongCodes {
    /// Whether no further code is tried on this page for now.
    pub fn too_many(&self, page_key: &str, now: Instant) -> bool {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|_, wrong| {
            wrong.retain(|at| now.duration_since(*at) < WITHIN);
            !wrong.is_empty()
        });
        pages.get(page_key).is_some_and(|wrong| wrong.len() >= WRONG_CODES)
    }

    /// A code was wrong.
    pub fn note(&self, page_key: &str, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(page_key.into()).or_default().push(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_wrong_codes_no_more_are_looked_at_for_ten_minutes() {
        let (codes, now) = (WrongCodes::default(), Instant::now());
        for _ in 0..WRONG_CODES {
            assert!(!codes.too_many("a", now));
            codes.note("a", now);
        }
        assert!(codes.too_many("a", now));
        assert!(!codes.too_many("b", now), "another page is not meant");
        assert!(!codes.too_many("a", now + WITHIN));
    }
}
