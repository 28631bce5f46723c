//! The payload of a delivery, read so that nothing a forge or a stranger sends can hurt: bounded memory, no deep
//! recursion, no key read twice, and a value of the wrong type is a finding instead of a panic.

use super::invalid::InvalidDelivery;
use crate::model::Quoted;
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// How the payload stands in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`: the body is the payload.
    Json,
    /// `application/x-www-form-urlencoded`: the payload is the field `payload`.
    Form,
}

/// What the content type says; `None` for one that no forge sends, and where there is none or several.
pub fn content_type(headers: &HeaderMap) -> Option<ContentType> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    match value.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "application/json" => Some(ContentType::Json),
        "application/x-www-form-urlencoded" => Some(ContentType::Form),
        _ => None,
    }
}

/// The JSON text of a body. A body without a content type counts as JSON: what the receiver lets in has one.
pub(super) fn json_text<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Cow<'b, [u8]>, InvalidDelivery> {
    match content_type(headers) {
        Some(ContentType::Form) => form_payload(body).map(Cow::Owned),
        Some(ContentType::Json) => Ok(Cow::Borrowed(body)),
        None if !headers.contains_key(CONTENT_TYPE) => Ok(Cow::Borrowed(body)),
        None => Err(InvalidDelivery::new(
            "the content type is neither application/json nor application/x-www-form-urlencoded",
        )),
    }
}

/// The bytes of the form's field `payload`, which must be there exactly once. Invalid UTF-8 is kept, so that it is
/// refused later instead of being replaced by something that looks valid.
fn form_payload(body: &[u8]) -> Result<Vec<u8>, InvalidDelivery> {
    let mut found = None;
    for field in body.split(|byte| *byte == b'&') {
        let Some(value) = field.strip_prefix(b"payload=") else { continue };
        if found.replace(value).is_some() {
            return Err(InvalidDelivery::new("the form has the field payload more than once"));
        }
    }
    let value = found.ok_or_else(|| InvalidDelivery::new("the form has no field payload"))?;
    let spaced: Vec<u8> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Ok(percent_encoding::percent_decode(&spaced).collect())
}

/// Reads a JSON text whose top level must be an object.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<T, InvalidDelivery> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(InvalidDelivery::new("the payload is empty"));
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| InvalidDelivery::new(format!("the payload is not UTF-8 text: {error}")))?;
    let object: Object<T> = serde_json::from_str(text)
        .map_err(|error| InvalidDelivery::new(format!("the payload cannot be read as JSON: {}", Quoted(error))))?;
    object.0.ok_or_else(|| InvalidDelivery::new("the payload is JSON, but not an object"))
}

/// A value that should be text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Text {
    /// Not there, or null.
    #[default]
    Absent,
    Value(String),
    /// There, but a number, a list, ...
    Other,
}

impl Text {
    /// The text where it is one and holds something.
    pub(super) fn filled(self) -> Option<String> {
        match self {
            Text::Value(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// An object, or `None` for whatever else stands there.
#[derive(Debug, Clone)]
pub(super) struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The first objects of a list, [`LIST_KEPT`] at most; empty for whatever else stands there.
#[derive(Debug, Clone)]
pub(super) struct List<T>(pub Vec<T>);

/// GitHub cuts a push at as many commits, the others sooner (webhook documentation).
const LIST_KEPT: usize = 2048;

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A whole number, or `None` for whatever else stands there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Number(pub Option<i64>);

/// True only where `true` stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flag(pub bool);

/// What each of the types above makes of each kind of JSON value; what it has no use for is skipped without recursion.
trait Loose<'de>: Default {
    fn other() -> Self {
        Self::default()
    }
    fn text(_: &str) -> Self {
        Self::other()
    }
    fn number(_: Option<i64>) -> Self {
        Self::other()
    }
    fn flag(_: bool) -> Self {
        Self::other()
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }
    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }
}

impl<'de> Loose<'de> for Text {
    fn other() -> Self {
        Text::Other
    }
    fn text(text: &str) -> Self {
        Text::Value(text.to_string())
    }
}

impl<'de> Loose<'de> for Number {
    fn number(number: Option<i64>) -> Self {
        Number(number)
    }
}

impl<'de> Loose<'de> for Flag {
    fn flag(flag: bool) -> Self {
        Flag(flag)
    }
}

impl<'de, T: Deserialize<'de>> Loose<'de> for Object<T> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Loose<'de> for List<T> {
    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < LIST_KEPT {
            match seq.next_element::<Object<T>>()? {
                Some(element) => kept.extend(element.0),
                None => return Ok(List(kept)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(kept))
    }
}

struct LooseVisitor<L>(PhantomData<L>);

impl<'de, L: Loose<'de>> Visitor<'de> for LooseVisitor<L> {
    type Value = L;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<L, E> {
        Ok(L::default())
    }
    fn visit_str<E>(self, text: &str) -> Result<L, E> {
        Ok(L::text(text))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<L, E> {
        Ok(L::flag(flag))
    }
    fn visit_i64<E>(self, number: i64) -> Result<L, E> {
        Ok(L::number(Some(number)))
    }
    fn visit_u64<E>(self, number: u64) -> Result<L, E> {
        Ok(L::number(i64::try_from(number).ok()))
    }
    fn visit_f64<E>(self, _: f64) -> Result<L, E> {
        Ok(L::number(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<L, A::Error> {
        L::map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<L, A::Error> {
        L::seq(seq)
    }
}

macro_rules! loose {
    ($($type:ty $(, $of:ident)?;)*) => {$(
        impl<'de $(, $of: Deserialize<'de>)?> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(LooseVisitor(PhantomData))
            }
        }
    )*};
}
loose! { Text; Number; Flag; Object<T>, T; List<T>, T; }

#[cfg(test)]
mod tests;
