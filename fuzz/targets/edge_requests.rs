//! What a client sends, read by hyper as the edge reads it, sent on, and read by a replica: one request there for each one
//! here, the same path and body, and of its head only what may pass.
use launchway::fuzzing::edge::pass;

pub fn run(bytes: &[u8]) {
    pass(&bytes[..bytes.len().min(16 * 1024)]);
}
