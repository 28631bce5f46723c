//! Text with its escapes undone, so that what stands in it is found however it was escaped; and the way back to the text.

use std::ops::Range;

/// The ways to escape that are undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// `\n`, `\"`, `\x41`, `\u0041`, `\101`: JSON, shells, YAML, programs that quote what they print.
    Backslash,
    /// `%41`
    Percent,
    /// `&amp;`, `&#39;`
    Entity,
    /// A quote within quotes: `'\''` and `'"'"'` of shells, `''` of YAML.
    Quote,
}

const ALL: [Escape; 4] = [Escape::Backslash, Escape::Percent, Escape::Entity, Escape::Quote];

/// Text after escapes were undone.
pub struct View {
    bytes: Vec<u8>,
    /// Where each byte comes from in the source, and at last the source's length.
    places: Vec<u32>,
}

impl View {
    /// What is looked through.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part of the source that the range of this view came from.
    pub fn of_source(&self, range: Range<usize>) -> Range<usize> {
        self.places[range.start] as usize..self.places[range.end] as usize
    }
}

/// Gives each view of the text that differs from it: one way of escaping undone, or two after each other (JSON in JSON, an
/// address in HTML).
pub fn each_view(text: &[u8], with_quotes: bool, tell: &mut dyn FnMut(&View)) {
    if text.len() >= u32::MAX as usize {
        return;
    }
    let escapes = || ALL.into_iter().filter(|escape| with_quotes || *escape != Escape::Quote);
    for escape in escapes() {
        let Some(view) = escape.undone(text, None) else { continue };
        tell(&view);
        for escape in escapes() {
            if let Some(view) = escape.undone(&view.bytes, Some(&view.places)) {
                tell(&view);
            }
        }
    }
}

impl Escape {
    fn begins(self) -> u8 {
        match self {
            Escape::Backslash => b'\\',
            Escape::Percent => b'%',
            Escape::Entity => b'&',
            Escape::Quote => b'\'',
        }
    }

    /// `None` where nothing is escaped so.
    fn undone(self, text: &[u8], places: Option<&[u32]>) -> Option<View> {
        let begins = self.begins();
        let mut view: Option<View> = None;
        let mut copied = 0;
        let mut at = 0;
        let place = |at: usize| places.map_or(at as u32, |places| places[at]);
        while let Some(next) = position(&text[at..], begins) {
            at += next;
            let Some((length, byte)) = self.one(&text[at..]) else {
                at += 1;
                continue;
            };
            let view = view.get_or_insert_with(|| View {
                bytes: Vec::with_capacity(text.len()),
                places: Vec::with_capacity(text.len() + 1),
            });
            view.bytes.extend_from_slice(&text[copied..at]);
            view.places.extend((copied..at).map(place));
            for byte in byte.as_slice() {
                view.bytes.push(*byte);
                view.places.push(place(at));
            }
            at += length;
            copied = at;
        }
        let mut view = view?;
        view.bytes.extend_from_slice(&text[copied..]);
        view.places.extend((copied..=text.len()).map(place));
        Some(view)
    }

    /// The escape that the text begins with: its length, and what it stands for.
    fn one(self, text: &[u8]) -> Option<(usize, Meant)> {
        match self {
            Escape::Percent => Some((3, Meant::byte(number(text.get(1..3)?, 16)? as u8))),
            Escape::Quote => [&b"'\\''"[..], b"'\"'\"'", b"''"]
                .into_iter()
                .find(|quote| text.starts_with(quote))
                .map(|quote| (quote.len(), Meant::byte(b'\''))),
            Escape::Entity => entity(text),
            Escape::Backslash => backslash(text),
        }
    }
}

fn position(text: &[u8], byte: u8) -> Option<usize> {
    text.iter().position(|b| *b == byte)
}

/// One byte, or a character of several.
struct Meant {
    bytes: [u8; 4],
    length: usize,
}

impl Meant {
    fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1 }
    }

    fn character(c: char) -> Self {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| sum.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?))
}

fn entity(text: &[u8]) -> Option<(usize, Meant)> {
    let end = text.iter().take(10).position(|byte| *byte == b';')?;
    let meant = match &text[1..end] {
        b"amp" => Meant::byte(b'&'),
        b"lt" => Meant::byte(b'<'),
        b"gt" => Meant::byte(b'>'),
        b"quot" => Meant::byte(b'"'),
        b"apos" => Meant::byte(b'\''),
        [b'#', b'x' | b'X', digits @ ..] if !digits.is_empty() => {
            Meant::character(char::from_u32(number(digits, 16)?)?)
        }
        [b'#', digits @ ..] if !digits.is_empty() => Meant::character(char::from_u32(number(digits, 10)?)?),
        _ => return None,
    };
    Some((end + 1, meant))
}

fn backslash(text: &[u8]) -> Option<(usize, Meant)> {
    let digits = |from: usize, count: usize| text.get(from..from + count).and_then(|digits| number(digits, 16));
    let simple = |byte: u8| Some((2, Meant::byte(byte)));
    match *text.get(1)? {
        b'n' => simple(b'\n'),
        b't' => simple(b'\t'),
        b'r' => simple(b'\r'),
        b'a' => simple(7),
        b'b' => simple(8),
        b'v' => simple(0xb),
        b'f' => simple(0xc),
        b'e' => simple(0x1b),
        b'x' => match digits(2, 2) {
            Some(byte) => Some((4, Meant::byte(byte as u8))),
            None => simple(b'x'),
        },
        b'u' if text.get(2) == Some(&b'{') => {
            let end = text.iter().take(10).position(|byte| *byte == b'}')?;
            Some((end + 1, Meant::character(char::from_u32(number(text.get(3..end)?, 16)?)?)))
        }
        b'u' => {
            let first = digits(2, 4)?;
            match char::from_u32(first) {
                Some(c) => Some((6, Meant::character(c))),
                // Half of a character beyond U+FFFF.
                None if text.get(6..8) == Some(br"\u") => {
                    let low = digits(8, 4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    let high = first.checked_sub(0xd800).filter(|high| *high < 0x400)?;
                    Some((12, Meant::character(char::from_u32(0x10000 + (high << 10) + low)?)))
                }
                None => None,
            }
        }
        b'U' => Some((10, Meant::character(char::from_u32(digits(2, 8)?)?))),
        b'0'..=b'7' => {
            let count = text[1..].iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte)).count();
            Some((1 + count, Meant::byte(number(&text[1..=count], 8)? as u8)))
        }
        // The first byte of a character stands for all of it: the others follow as they are.
        byte => simple(byte),
    }
}
