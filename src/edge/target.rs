//! The target of a request of HTTP/1, byte for byte. The library that holds requests takes no `<`, `>` or `` ` `` there, no `"` in
//! a query, and no bytes that are not UTF-8. Clients send them all the same: they are written otherwise for as long as it holds
//! them. Pure.

use bytes::Bytes;
use http::uri::PathAndQuery;
use std::borrow::Cow;

/// A byte is written as the character with this number and the byte's. No client can send one: each byte above 127 is written so.
const SHIFT: u32 = 0x100;

/// What a request's target is, where the library cannot hold it. Goes with the request until it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTarget(pub Bytes);

fn is_shifted(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`' | 0x80..)
}

/// The target as the library takes it.
pub fn held(target: &[u8]) -> Cow<'_, [u8]> {
    if !target.iter().copied().any(is_shifted) {
        return Cow::Borrowed(target);
    }
    let mut held = Vec::with_capacity(target.len() * 2);
    for &byte in target {
        match is_shifted(byte).then(|| char::from_u32(SHIFT + u32::from(byte))).flatten() {
            Some(shifted) => held.extend_from_slice(shifted.encode_utf8(&mut [0; 4]).as_bytes()),
            None => held.push(byte),
        }
    }
    Cow::Owned(held)
}

/// What [`held`] was made of; `None`: it is as it came.
pub fn original(held: &str) -> Option<Vec<u8>> {
    if held.is_ascii() {
        return None;
    }
    let mut original = Vec::with_capacity(held.len());
    for char in held.chars() {
        let byte = u32::from(char).checked_sub(SHIFT).and_then(|byte| u8::try_from(byte).ok());
        match byte.filter(|byte| is_shifted(*byte)) {
            Some(byte) => original.push(byte),
            None => original.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(original)
}

/// The path as it is compared with those of routes.
pub fn path(held: &str) -> Cow<'_, str> {
    match original(held) {
        Some(original) => Cow::Owned(String::from_utf8_lossy(&original).into_owned()),
        None => Cow::Borrowed(held),
    }
}

/// What the replica is to be asked, where that is not what the library holds.
pub fn raw(held: &PathAndQuery) -> Option<RawTarget> {
    original(held.as_str()).map(|bytes| RawTarget(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_usual_stays_as_it_is() {
        assert_eq!(held(b"/a%2f?x={}|^"), Cow::Borrowed(b"/a%2f?x={}|^"));
        assert_eq!(original("/a%2f?x={}|^"), None);
        assert_eq!(path("/shop"), "/shop");
        assert_eq!(path(std::str::from_utf8(&held("/café".as_bytes())).unwrap()), "/café");
    }

    proptest! {
        #[test]
        fn every_target_is_held_and_comes_out_as_it_came(rest in proptest::collection::vec(0x21u8..=255, 0..40)) {
            let target: Vec<u8> = [b"/".to_vec(), rest].concat().into_iter().filter(|byte| ![0x7f, b'#'].contains(byte)).collect();
            let held = held(&target).into_owned();
            let uri = http::Uri::try_from(held.as_slice()).unwrap();
            let as_held = uri.path_and_query().unwrap();
            prop_assert_eq!(original(as_held.as_str()).unwrap_or_else(|| as_held.as_str().as_bytes().to_vec()), target);
        }
    }
}
