//! How far a table that only grows has been read.

use std::collections::BTreeSet;

/// Up to which row a table was read, and which of those rows may still change.
#[derive(Default)]
pub struct ReadSoFar {
    /// The highest number that was looked at.
    up_to: i64,
    /// Of those, the ones that had not come to their end.
    open: BTreeSet<i64>,
}

impl ReadSoFar {
    /// A row was read; `is_over`: it will not change any more.
    pub fn note(&mut self, number: i64, is_over: bool) {
        self.up_to = self.up_to.max(number);
        match is_over {
            true => self.open.remove(&number),
            false => self.open.insert(number),
        };
    }

    /// The highest number that was looked at.
    pub fn up_to(&self) -> i64 {
        self.up_to
    }

    /// Of those that were looked at, the ones that had not come to their end.
    pub fn open(&self) -> Vec<i64> {
        self.open.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_asked_for_again_until_it_is_over() {
        let mut seen = ReadSoFar::default();
        seen.note(1, true);
        seen.note(2, false);
        seen.note(3, true);
        assert_eq!((seen.up_to(), seen.open()), (3, vec![2]));
        seen.note(2, true);
        assert_eq!((seen.up_to(), seen.open()), (3, vec![]));
    }
}
