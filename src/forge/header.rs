//! Headers of which a delivery has at most one.

use super::invalid::InvalidDelivery;
use http::HeaderMap;

/// Why a header does not say one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It is there twice: two readers could each take another one for the true one.
    Doubled,
    /// Bytes that are no visible ASCII.
    NotText,
}

impl Unclear {
    pub(super) fn sentence(self, name: &str) -> String {
        match self {
            Unclear::Doubled => format!("the header {name} is there more than once"),
            Unclear::NotText => format!("the header {name} is not plain text"),
        }
    }
}

/// The only value of a header, blanks around it removed; `None` where it is not there.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Unclear> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Unclear::Doubled);
    }
    first.to_str().map(|text| Some(text.trim())).map_err(|_| Unclear::NotText)
}

/// The first of these headers that is there; a doubled one counts as a fault, never as absent.
pub(super) fn first_of<'h>(headers: &'h HeaderMap, names: &[&str]) -> Result<Option<&'h str>, InvalidDelivery> {
    for name in names {
        if let Some(text) = only(headers, name).map_err(|unclear| InvalidDelivery::new(unclear.sentence(name)))? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}
