//! Base64 that is broken over lines (`base64` does it after 76 characters): a line knows nothing of the next one, so what is
//! looked for is a line that ends with the beginning of a secret, begins with the end of one, or is the middle.

use super::forms::is_base64;
use std::ops::Range;

/// As many characters tell a piece from chance.
const SURELY: usize = 8;
/// As many do in a line that is long and nothing but base64.
const LIKELY: usize = 4;
/// Nobody breaks base64 into shorter lines.
const SHORTEST_LINE: usize = 40;
/// Characters after a secret's own, of which some bits may be its own, and padding.
const BEHIND: usize = 3;

/// Finds secrets in base64 that is broken over lines.
#[derive(Default)]
pub struct Wrapped {
    forms: Vec<Vec<u8>>,
    /// Every four characters of every form, where they stand in which: sorted.
    fours: Vec<([u8; 4], u32, u32)>,
}

impl Wrapped {
    /// `forms`: the secrets in base64, each in every way in which it may begin.
    pub fn new(forms: Vec<Vec<u8>>) -> Self {
        let mut fours = Vec::new();
        for (number, form) in forms.iter().enumerate() {
            // What is longer is a file, and each of its lines a secret by itself.
            for (at, four) in form.windows(4).enumerate().take(64 * 1024) {
                fours.push(([four[0], four[1], four[2], four[3]], number as u32, at as u32));
            }
        }
        fours.sort_unstable();
        Self { forms, fours }
    }

    /// Tells where in `bytes` they are.
    pub fn find(&self, bytes: &[u8], tell: &mut dyn FnMut(Range<usize>)) {
        if self.fours.is_empty() {
            return;
        }
        let mut begins = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            self.in_line(line, begins, tell);
            begins += line.len() + 1;
        }
    }

    fn in_line(&self, line: &[u8], begins: usize, tell: &mut dyn FnMut(Range<usize>)) {
        let Some(first) = line.iter().position(|byte| !byte.is_ascii_whitespace()) else { return };
        let end = line.len() - line.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
        let line = &line[first..end];
        let begins = begins + first;
        if line.len() < LIKELY {
            return;
        }
        let is_of_it = |byte: &&u8| is_base64(**byte);
        let unpadded = line.len() - line.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
        let head = line[..unpadded].iter().take_while(is_of_it).count();
        if head >= LIKELY {
            let run = &line[..head];
            for (form, at) in self.places(&run[..4]) {
                let rest = &form[at..];
                let is_inside = head >= SURELY && head <= rest.len() && rest.starts_with(run) && head == unpadded;
                let is_end = run.starts_with(rest) && self.counts(rest.len(), head, unpadded);
                if is_inside {
                    tell(begins..begins + line.len());
                } else if is_end {
                    let behind = if head - rest.len() < BEHIND { line.len() } else { rest.len() + 1 };
                    tell(begins..begins + behind.min(line.len()));
                }
            }
        }
        if unpadded < line.len() {
            return;
        }
        let tail = line.iter().rev().take_while(is_of_it).count();
        if tail >= LIKELY {
            let run = &line[line.len() - tail..];
            for (form, at) in self.places(&run[tail - 4..]) {
                let begun = &form[..at + 4];
                if run.ends_with(begun) && (begun.len() >= SURELY || tail >= SHORTEST_LINE) {
                    let before = usize::from(begun.len() < tail);
                    tell(begins + line.len() - begun.len() - before..begins + line.len());
                } else if tail >= SURELY && tail < begun.len() && begun.ends_with(run) {
                    // All of it is from the middle; what stands before it on the line is none of it.
                    tell(begins + line.len() - tail..begins + line.len());
                }
            }
        }
    }

    /// Whether so much of a secret's end, at the beginning of a line, is no chance.
    fn counts(&self, length: usize, run: usize, line: usize) -> bool {
        let is_last_line = run == line && run - length <= BEHIND;
        length >= SURELY || run >= SHORTEST_LINE || is_last_line
    }

    fn places(&self, four: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
        let from = self.fours.partition_point(|(known, ..)| known.as_slice() < four);
        let known = self.fours[from..].iter().take_while(move |(known, ..)| known.as_slice() == four);
        known.map(|(_, form, at)| (self.forms[*form as usize].as_slice(), *at as usize))
    }
}
