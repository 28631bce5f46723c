//! Where the body of a request of HTTP/1 ends, so that the head behind it is known for one. Pure.

/// How a body ends (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// After so many bytes.
    After(u64),
    Chunks,
}

/// A body on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLeft {
    Left(u64),
    Chunk(Chunk),
}

/// What comes next of a body in chunks; as strict as hyper, which reads the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// Digits of a size, so many of them.
    Size {
        so_far: u64,
        digits: u8,
    },
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk.
    Trailer,
    InTrailer,
    TrailerLf,
    EndLf,
}

/// What a look at some bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySeen {
    /// All are the body's, and it goes on.
    More(BodyLeft),
    /// So many are; what follows is a head.
    End(usize),
    /// It is malformed, and where it ends nobody knows.
    Lost,
}

impl BodyLeft {
    /// `None`: there is none.
    pub fn of(end: BodyEnd) -> Option<Self> {
        match end {
            BodyEnd::After(0) => None,
            BodyEnd::After(bytes) => Some(Self::Left(bytes)),
            BodyEnd::Chunks => Some(Self::Chunk(Chunk::Size { so_far: 0, digits: 0 })),
        }
    }

    /// Looks at the bytes that come next.
    pub fn see(self, bytes: &[u8]) -> BodySeen {
        match self {
            Self::Left(left) => match u64::try_from(bytes.len()).ok().and_then(|count| left.checked_sub(count)) {
                Some(0) => BodySeen::End(bytes.len()),
                Some(left) => BodySeen::More(Self::Left(left)),
                None => BodySeen::End(usize::try_from(left).unwrap_or(bytes.len())),
            },
            Self::Chunk(chunk) => see_chunks(chunk, bytes),
        }
    }
}

fn see_chunks(mut chunk: Chunk, bytes: &[u8]) -> BodySeen {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let Chunk::Data(left) = chunk {
            let here = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
            at += here;
            let left = left - here as u64;
            chunk = if left == 0 { Chunk::DataCr } else { Chunk::Data(left) };
            continue;
        }
        at += 1;
        if chunk == Chunk::EndLf {
            return if byte == b'\n' { BodySeen::End(at) } else { BodySeen::Lost };
        }
        match chunk.next(byte) {
            Some(next) => chunk = next,
            None => return BodySeen::Lost,
        }
    }
    BodySeen::More(BodyLeft::Chunk(chunk))
}

impl Chunk {
    fn next(self, byte: u8) -> Option<Self> {
        let first = Self::Size { so_far: 0, digits: 0 };
        match (self, byte) {
            (Self::Size { digits: 1.., so_far }, b'\r') => Some(Self::SizeLf(so_far)),
            (Self::Size { digits: 1.., so_far }, b';' | b' ' | b'\t') => Some(Self::Extension(so_far)),
            (Self::Size { so_far, digits }, digit) => {
                let digit = char::from(digit).to_digit(16)?;
                let so_far = so_far.checked_mul(16)?.checked_add(u64::from(digit))?;
                Some(Self::Size { so_far, digits: digits.saturating_add(1) })
            }
            (Self::Extension(size), b'\r') => Some(Self::SizeLf(size)),
            (Self::Extension(_), b'\n') => None,
            (Self::Extension(size), _) => Some(Self::Extension(size)),
            (Self::SizeLf(0), b'\n') => Some(Self::Trailer),
            (Self::SizeLf(size), b'\n') => Some(Self::Data(size)),
            (Self::DataCr, b'\r') => Some(Self::DataLf),
            (Self::DataLf, b'\n') => Some(first),
            (Self::Trailer, b'\r') => Some(Self::EndLf),
            (Self::InTrailer, b'\r') => Some(Self::TrailerLf),
            (Self::Trailer | Self::InTrailer, _) => Some(Self::InTrailer),
            (Self::TrailerLf, b'\n') => Some(Self::Trailer),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end_of(end: BodyEnd, pieces: &[&[u8]]) -> Option<usize> {
        let mut body = BodyLeft::of(end)?;
        let mut before = 0;
        for piece in pieces {
            match body.see(piece) {
                BodySeen::More(more) => body = more,
                BodySeen::End(at) => return Some(before + at),
                BodySeen::Lost => return None,
            }
            before += piece.len();
        }
        None
    }

    #[test]
    fn what_is_malformed_is_lost() {
        for bytes in
            ["\r\n", "x\r\n", "1\n", "1\r\nab", "1\r\na\r\r", "0\r\n\rx", "1;a\nb\r\n", "11111111111111111\r\n"]
        {
            let body = BodyLeft::of(BodyEnd::Chunks).unwrap();
            assert_eq!(body.see(bytes.as_bytes()), BodySeen::Lost, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_found_however_it_comes(
            chunks in proptest::collection::vec((1usize..40, "(;[a-z]{0,3})?"), 0..4),
            trailers in proptest::collection::vec("[a-z]{1,3}: [a-z]{0,3}", 0..3),
            cut in 0usize..200,
        ) {
            let mut text = String::new();
            for (size, extension) in &chunks {
                text.push_str(&format!("{size:X}{extension}\r\n{}\r\n", "\r\n0".repeat(size.div_ceil(3)).get(..*size).unwrap()));
            }
            text.push_str("0\r\n");
            trailers.iter().for_each(|trailer| text.push_str(&format!("{trailer}\r\n")));
            text.push_str("\r\n");
            let length = text.len();
            text.push_str("GET / HTTP/1.1\r\n");
            let (one, two) = text.as_bytes().split_at(cut.min(text.len()));
            prop_assert_eq!(end_of(BodyEnd::Chunks, &[one, two]), Some(length));
            prop_assert_eq!(end_of(BodyEnd::After(length as u64), &[one, two]), Some(length));
        }
    }
}
