//! Why a request is refused before anybody is asked: it is malformed, too large, or could mean different things to the edge and to
//! the replica.

use http::header::HOST;
use http::request::Parts;
use http::{Method, StatusCode, Version};
use std::fmt;

/// A request's head may have so many bytes, and an answer's.
pub const LONGEST_HEAD: usize = 128 * 1024;
/// And so many headers.
pub const MOST_HEADERS: usize = 500;
/// A target may have so many bytes: more no library takes.
pub const LONGEST_TARGET: usize = 65_534;

/// The reason; as a text, the sentence that the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Line,
    Target,
    TargetTooLong,
    HeadTooLong,
    TooManyHeaders,
    HeaderName,
    HeaderValue,
    /// A continued line before any header.
    Continued,
    Length,
    TransferEncoding,
    Connect,
    NoPath,
    Hosts,
    NoHost,
}

impl Refusal {
    /// What it is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLong | Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => {
                f.write_str("The request's first line is not a method, a target and HTTP/1.1, one space between each.")
            }
            Self::Target => f.write_str("The request's target is not a path or a URL, or holds a control character."),
            Self::TargetTooLong => write!(f, "The request's target is longer than {LONGEST_TARGET} bytes."),
            Self::HeadTooLong => write!(f, "The request's headers have more than {} kB.", LONGEST_HEAD / 1024),
            Self::TooManyHeaders => write!(f, "The request has more than {MOST_HEADERS} headers."),
            Self::HeaderName => {
                f.write_str("A line of the request's head is not a header: NAME, a colon, and a value.")
            }
            Self::HeaderValue => f.write_str("A header of the request holds a control character."),
            Self::Continued => f.write_str("The first header of the request begins with a space."),
            Self::Length => f.write_str("The request's Content-Length is not one number."),
            Self::TransferEncoding => {
                f.write_str("The request's Transfer-Encoding does not end in `chunked`, or is of HTTP/1.0.")
            }
            Self::Connect => f.write_str("CONNECT is not served here."),
            // `GET shop.test HTTP/1.1`: a host in the path's place, which is for CONNECT alone (RFC 9112, 3.2.3).
            Self::NoPath => f.write_str("The request names a host where its path should be."),
            Self::Hosts => f.write_str("The request has more than one Host."),
            Self::NoHost => f.write_str("The request has no Host."),
        }
    }
}

/// Why a request is refused before it is looked at.
pub fn objection(parts: &Parts) -> Option<Refusal> {
    if parts.method == Method::CONNECT {
        return Some(Refusal::Connect);
    }
    if parts.uri.path_and_query().is_none() {
        return Some(Refusal::NoPath);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return Some(Refusal::Hosts);
    }
    if first.is_none() && parts.version == Version::HTTP_11 && parts.uri.authority().is_none() {
        return Some(Refusal::NoHost);
    }
    // Of HTTP/1 the head was measured before it was read.
    (parts.version == Version::HTTP_2).then(|| too_much(parts)).flatten()
}

/// What HTTP/1 may not have either.
fn too_much(parts: &Parts) -> Option<Refusal> {
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if parts.headers.len() > MOST_HEADERS {
        return Some(Refusal::TooManyHeaders);
    }
    (bytes > LONGEST_HEAD).then_some(Refusal::HeadTooLong)
}
