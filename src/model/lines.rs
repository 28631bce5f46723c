//! Lines of what a program writes, from bytes that come in pieces.

use super::Mask;

/// Bytes of a stream that have no line break yet. A line that has none for long is told in pieces.
#[derive(Debug)]
pub struct Lines {
    rest: Vec<u8>,
    /// Bytes of `rest` that are known to hold no line break.
    seen: usize,
    most: usize,
}

impl Lines {
    /// Of a longer line than `most` bytes pieces are told; no secret is in two of them.
    pub fn new(most: usize) -> Self {
        Self { rest: Vec::new(), seen: 0, most }
    }

    /// Tells each line that has come to its end, without its line break. What is no UTF-8 is replaced.
    pub fn push(&mut self, bytes: &[u8], mask: &Mask, mut tell: impl FnMut(&str)) {
        self.rest.extend_from_slice(bytes);
        let mut told = 0;
        loop {
            let rest = &self.rest[told..];
            let new = self.seen.min(rest.len());
            let end = rest[new..].iter().position(|byte| *byte == b'\n').map(|at| new + at);
            match end {
                Some(length) if length <= self.most => {
                    tell(text(&rest[..length]).as_ref());
                    told += length + 1;
                    self.seen = 0;
                }
                Some(length) => {
                    let cut = mask.cut(&rest[..length], self.most, true).unwrap_or(length);
                    tell(text(&rest[..cut]).as_ref());
                    told += cut + usize::from(cut == length);
                    self.seen = 0;
                }
                None => match mask.cut(rest, self.most, false) {
                    Some(cut) => {
                        tell(text(&rest[..cut]).as_ref());
                        told += cut;
                        self.seen = 0;
                    }
                    None => {
                        self.seen = rest.len();
                        break;
                    }
                },
            }
        }
        self.rest.drain(..told);
    }

    /// Tells what has no line break at the end.
    pub fn end(&mut self, mut tell: impl FnMut(&str)) {
        let rest = std::mem::take(&mut self.rest);
        self.seen = 0;
        if !rest.is_empty() {
            tell(text(&rest).as_ref());
        }
    }
}

fn text(line: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn told(pieces: &[&[u8]], mask: &Mask) -> Vec<String> {
        let mut lines = Lines::new(20);
        let mut told = Vec::new();
        for piece in pieces {
            lines.push(piece, mask, &mut |line: &str| told.push(line.to_string()));
        }
        lines.end(&mut |line: &str| told.push(line.to_string()));
        told
    }

    #[test]
    fn lines_are_told_when_they_end_and_a_long_one_in_pieces() {
        let mask = Mask::default();
        assert_eq!(told(&[b"a\r\nb", b"c\n\nd"], &mask), ["a", "bc", "", "d"]);
        assert_eq!(told(&[&[b'x'; 45]], &mask), ["x".repeat(20), "x".repeat(20), "x".repeat(5)]);
        assert_eq!(
            told(&["ü".repeat(11).as_bytes(), b"\n\xff"], &mask),
            ["ü".repeat(10), "ü".into(), "\u{fffd}".into()]
        );
        assert_eq!(told(&[b"12345678901234567890\nx"], &mask), ["12345678901234567890", "x"]);
    }

    #[test]
    fn a_secret_is_whole_in_one_piece_wherever_the_stream_is_cut() {
        let mask = Mask::new(&[Secret::new("hunter2-hunter2")]);
        for before in 0..50 {
            let text = format!("{}hunter2-hunter2{}\nend", "x".repeat(before), "y".repeat(300));
            for at in 1..text.len() {
                let (one, two) = text.as_bytes().split_at(at);
                let shown: Vec<String> = told(&[one, two], &mask).iter().map(|line| mask.apply(line)).collect();
                assert!(
                    shown.concat().contains("***") && !shown.concat().contains("hunter"),
                    "{before}, {at}: {shown:?}"
                );
                assert_eq!(shown.last().map(String::as_str), Some("end"));
            }
        }
    }
}
