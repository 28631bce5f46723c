//! Scalars: what a plain text of a YAML file means, by the rules of the YAML library that Compose uses
//! (go-yaml 3: YAML 1.2's core schema, with `0o17` and `017` both octal and `yes`/`no` plain text).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Null,
    /// `2026-12-20`: Compose takes it for a point in time, which none of its keys accepts.
    Date,
}

impl Kind {
    pub fn what(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Int => "a whole number",
            Kind::Float => "a number",
            Kind::Bool => "true or false",
            Kind::Null => "nothing",
            Kind::Date => "a date",
        }
    }
}

/// A scalar with the text that it has wherever a text is wanted: `0x10` is the number 16 and reads "16" in an
/// environment, as in Compose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub kind: Kind,
    pub text: String,
}

impl Scalar {
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text, text: text.into() }
    }
    pub fn null() -> Self {
        Self { kind: Kind::Null, text: String::new() }
    }
    pub fn bool(value: bool) -> Self {
        Self { kind: Kind::Bool, text: value.to_string() }
    }
    /// An unquoted scalar.
    pub fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::null(),
            "true" | "True" | "TRUE" => return Self::bool(true),
            "false" | "False" | "FALSE" => return Self::bool(false),
            _ => {}
        }
        if let Some(number) = integer(text) {
            return Self { kind: Kind::Int, text: number.to_string() };
        }
        if let Some(number) = float(text) {
            return Self { kind: Kind::Float, text: float_text(number) };
        }
        if is_date(text) {
            return Self { kind: Kind::Date, text: text.to_string() };
        }
        Self::text(text)
    }
}

/// `2026-12-20`, perhaps with a time behind it.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let mut number = |lengths: std::ops::RangeInclusive<usize>| {
        parts.next().is_some_and(|part| lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_date = number(4..=4) && number(1..=2) && number(1..=2) && parts.next().is_none();
    is_date && time.is_none_or(|time| time.contains(':') && time.starts_with(|c: char| c.is_ascii_digit()))
}

fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        b'0'..=b'9' => (1, text),
        _ => return None,
    };
    let digits = digits.replace('_', "");
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => i128::from_str_radix(&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => i128::from_str_radix(&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => i128::from_str_radix(&digits[2..], 2),
        [b'0', _, ..] => i128::from_str_radix(&digits[1..], 8),
        _ => digits.parse(),
    };
    // What does not fit 64 bits is a float there.
    number.ok().map(|number| sign * number).filter(|n| i64::try_from(*n).is_ok() || u64::try_from(*n).is_ok())
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = body.replace('_', "");
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa.to_string(), Some(exponent)),
        None => (digits.clone(), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && numeric(e)
    });
    if !numeric(whole) || !numeric(fraction) || (whole.is_empty() && fraction.is_empty()) || !exponent_fits {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// As Go prints a float (`%v`): the shortest form, with an exponent below 1e-4 and from 1e21 on.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_read_as_compose_reads_them() {
        let cases = [
            ("0x10", Kind::Int, "16"),
            ("010", Kind::Int, "8"),
            ("0o17", Kind::Int, "15"),
            ("-3", Kind::Int, "-3"),
            ("1_000", Kind::Int, "1000"),
            ("1.50", Kind::Float, "1.5"),
            ("1.0", Kind::Float, "1"),
            ("1e3", Kind::Float, "1000"),
            ("1e21", Kind::Float, "1e+21"),
            (".5", Kind::Float, "0.5"),
            ("3.12.1", Kind::Text, "3.12.1"),
            ("yes", Kind::Text, "yes"),
            ("True", Kind::Bool, "true"),
            ("~", Kind::Null, ""),
            ("08", Kind::Float, "8"),
            ("-", Kind::Text, "-"),
            ("1e", Kind::Text, "1e"),
            ("22:22", Kind::Text, "22:22"),
            ("2026-12-20", Kind::Date, "2026-12-20"),
            ("2026-12-20T10:00:00Z", Kind::Date, "2026-12-20T10:00:00Z"),
            ("2026-12-20-rc1", Kind::Text, "2026-12-20-rc1"),
        ];
        for (text, kind, value) in cases {
            assert_eq!(Scalar::plain(text), Scalar { kind, text: value.into() }, "{text}");
        }
    }
}
