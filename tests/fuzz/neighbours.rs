//! Inputs that differ a little from seeds: the same ones at each run.

const LONGEST: usize = 16 * 1024;
/// Where something may turn: ends, signs, the last of a size.
const BYTES: &[u8] = b"\0\t\n\r \"$'*+-./0:;=?[\\]{}\x7f\x80\xc2\xff";
const NUMBERS: [&str; 8] = ["0", "-1", "1", "255", "65536", "2147483648", "18446744073709551616", "1e400"];

pub struct Neighbours {
    chance: fastrand::Rng,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Neighbours {
    /// `dictionary` as libFuzzer has it: a word in quotes on each line, with `\xNN` for bytes.
    pub fn new(name: &str, seeds: Vec<Vec<u8>>, dictionary: &str) -> Self {
        let chance =
            fastrand::Rng::with_seed(name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte)));
        let words = dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"')).map(bytes_of);
        let words = words.chain(NUMBERS.map(|number| number.as_bytes().to_vec())).collect();
        Self { chance, seeds, words }
    }

    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.any_seed();
        for _ in 0..self.chance.usize(1..=4) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn any_seed(&mut self) -> Vec<u8> {
        self.seeds[self.chance.usize(..self.seeds.len())].clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.usize(..=input.len());
        let end = (at + self.chance.usize(1..=32)).min(input.len());
        match self.chance.u8(..8) {
            0 if at < input.len() => input[at] ^= 1 << self.chance.u8(..8),
            1 if at < input.len() => input[at] = BYTES[self.chance.usize(..BYTES.len())],
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].repeat(self.chance.usize(1..=8));
                input.splice(at..at, piece);
            }
            4 => {
                let other = self.any_seed();
                let from = self.chance.usize(..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
            5 => {
                let word = self.words[self.chance.usize(..self.words.len())].clone();
                input.splice(at..end, word);
            }
            _ => {
                let word = self.words[self.chance.usize(..self.words.len())].clone();
                input.splice(at..at, word);
            }
        }
    }
}

fn bytes_of(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap());
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                bytes.push(*escaped);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}
