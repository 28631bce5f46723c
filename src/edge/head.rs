//! The heads of requests and answers: what is taken off and what is added on the way through.

use crate::model::EdgeSettings;
use http::Version;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, Entry, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use std::net::IpAddr;

/// By which a request is found in logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What `Expect` may say.
pub const CONTINUE: &str = "100-continue";

/// What a request is sent on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Http1,
    /// gRPC, which needs it.
    Http2,
}

/// Whether the client sends its body only once it is told to (RFC 9110, 10.1.1).
pub fn expects_continue(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.headers.get(EXPECT).is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(CONTINUE.as_bytes()))
}

/// The host that a request is for: the URI's, where it has one, goes before the header.
pub fn host(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        // Without a user, which nobody should send.
        Some(authority) => authority.as_str().rsplit('@').next(),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()),
    }
}

/// HTTP/2 to the replica where the request is gRPC, which came over HTTP/2.
pub fn speaks(parts: &Parts) -> Speaks {
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    match parts.version {
        Version::HTTP_2 if parts.headers.get(CONTENT_TYPE).is_some_and(is_grpc) => Speaks::Http2,
        _ => Speaks::Http1,
    }
}

/// The protocol that an HTTP/1.1 request wants to change to; h2c has its own way in.
pub fn upgrade(parts: &Parts) -> Option<HeaderValue> {
    if parts.version != Version::HTTP_11 || !has_word(&parts.headers, &CONNECTION, "upgrade") {
        return None;
    }
    parts.headers.get(UPGRADE).filter(|wanted| !wanted.as_bytes().eq_ignore_ascii_case(b"h2c")).cloned()
}

/// The request's id, given where it has none that can be written into a log; `tell`: the replica is told it.
pub fn request_id(headers: &mut HeaderMap, tell: bool) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(byte))
    };
    if let Some(id) = headers.get(REQUEST_ID).filter(sane) {
        return id.clone();
    }
    let text = format!("{:032x}", fastrand::u128(..));
    let id = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("none"));
    if tell {
        headers.insert(REQUEST_ID, id.clone());
    }
    id
}

/// Makes of a client's head what a replica gets. The path and the query stay as they are, byte for byte.
pub fn for_replica(
    parts: &mut Parts,
    peer: IpAddr,
    settings: &EdgeSettings,
    speaks: Speaks,
    upgrade: Option<HeaderValue>,
) {
    drop_other_spellings(&mut parts.headers, settings.inside);
    let takes_trailers = has_word(&parts.headers, &TE, "trailers");
    take_hop_by_hop(&mut parts.headers);
    parts.headers.remove(EXPECT);
    parts.headers.remove(HTTP2_SETTINGS);
    let host = host(parts).and_then(|host| HeaderValue::from_str(host).ok());
    // Who asks inside is known, and what it says of its own clients is passed on.
    if !settings.inside {
        say_who_asks(&mut parts.headers, peer, host.as_ref(), settings);
    }
    match speaks {
        Speaks::Http1 => {
            if parts.uri.authority().is_some() {
                parts.uri = origin_form(&parts.uri);
                if let Some(host) = host {
                    parts.headers.insert(HOST, host);
                }
            }
            if parts.version == Version::HTTP_2 {
                join_cookies(&mut parts.headers);
            }
            parts.version = Version::HTTP_11;
            if takes_trailers {
                parts.headers.insert(TE, HeaderValue::from_static("trailers"));
                parts.headers.insert(CONNECTION, HeaderValue::from_static("te"));
            }
            if let Some(upgrade) = upgrade {
                parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                parts.headers.insert(UPGRADE, upgrade);
            }
        }
        Speaks::Http2 => {
            parts.headers.remove(HOST);
            parts.headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Takes off an answer's head what concerns only the connection to the replica. A length beside `Transfer-Encoding` is none
/// (RFC 9112, 6.3): the body was read by its chunks.
pub fn for_client(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    take_hop_by_hop(headers);
}

/// Who asks, at which host, and how, told once. From a peer that is not trusted nothing of it is believed.
fn say_who_asks(headers: &mut HeaderMap, peer: IpAddr, host: Option<&HeaderValue>, settings: &EdgeSettings) {
    let trusted = settings.trusted_proxies.iter().any(|range| range.contains(&peer));
    let mut chain = String::new();
    if trusted {
        let before = headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        for value in before {
            chain.push_str(value);
            chain.push_str(", ");
        }
    } else {
        // The usual request has none of them.
        let others: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned().collect();
        for name in others.iter().chain([&FORWARDED, &REAL_IP]) {
            headers.remove(name);
        }
    }
    chain.push_str(&peer.to_string());
    if let Ok(chain) = HeaderValue::try_from(chain) {
        headers.insert(FORWARDED_FOR, chain);
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let (Entry::Vacant(place), Some(host)) = (headers.entry(FORWARDED_HOST), host) {
        place.insert(host.clone());
    }
}

/// Programs behind CGI, WSGI and their like see a header's name with `_` for whatever is no letter and no digit:
/// `X_Forwarded_For` there is `X-Forwarded-For`, and `Content_Length` the length. So what is spelled otherwise than a header
/// that decides something is dropped, whoever sends it: a proxy that is believed for its own headers passes these on unseen. And
/// `Proxy` is there the variable that says where requests of the program's own go.
fn drop_other_spellings(headers: &mut HeaderMap, inside: bool) {
    let is_other = |name: &HeaderName| {
        let name = name.as_str();
        // The usual request has neither.
        if name == "proxy" {
            return true;
        }
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return false;
        }
        let folded = folded(name);
        decides_framing(&folded) || (!inside && says_who_asks(&folded))
    };
    let others: Vec<HeaderName> = headers.keys().filter(|name| is_other(name)).cloned().collect();
    for name in others {
        headers.remove(name);
    }
}

fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// What the edge says of a request, in any of the usual words.
fn says_who_asks(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip" | "x-request-id")
}

/// Where a request ends, whom it is for, and who may ask it.
fn decides_framing(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "content-type"
            | "transfer-encoding"
            | "connection"
            | "upgrade"
            | "te"
            | "trailer"
            | "expect"
            | "cookie"
            | "authorization"
            | "proxy"
    )
}

/// RFC 9110, 7.6.1: what concerns one connection, and what `Connection` names. `Trailer` stays: it says what follows
/// the body, and trailers are passed on.
fn take_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            // A client must not take these off: one without them means another request, or hides who asks.
            .filter(|name: &HeaderName| !decides_framing(name.as_str()) && !says_who_asks(name.as_str()))
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE]
    {
        headers.remove(name);
    }
}

/// Whether a header that is a list has this word.
fn has_word(headers: &HeaderMap, header: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|named| named.trim().eq_ignore_ascii_case(word))
}

/// Path and query alone; `http://host` asks for `/`.
fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into()
}

/// HTTP/2 may split cookies over several headers, HTTP/1.1 knows one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            headers.insert(COOKIE, joined);
        }
    }
}

#[cfg(test)]
mod tests;
