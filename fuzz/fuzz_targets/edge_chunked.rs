//! Bodies in chunks: sizes, extensions and trailers as a client likes, behind a head that is right.
#![no_main]
use launchway::fuzzing::edge::pass;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let head = b"POST /a?b HTTP/1.1\r\nHost: shop.example\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut request = head.to_vec();
    request.extend_from_slice(&bytes[..bytes.len().min(16 * 1024)]);
    pass(&request);
});
