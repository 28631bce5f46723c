//! Bodies in chunks: sizes, extensions and trailers as a client likes, behind a head that is right.
use launchway::fuzzing::edge::pass;

pub const HEAD: &[u8] =
    b"POST /a?b HTTP/1.1\r\nHost: shop.example\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n";

pub fn run(bytes: &[u8]) {
    pass(&[HEAD, &bytes[..bytes.len().min(16 * 1024)]].concat());
}
