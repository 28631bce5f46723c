//! What is fuzzed: a function for each place that reads what a stranger wrote, which panics where something does not hold.
//! `fuzz/main.rs` runs one of them with libFuzzer, `tests/fuzz.rs` all of them over their seeds and what is near these.

mod compose;
mod contexts;
mod deliveries;
mod dockerfiles;
mod dotenv;
pub mod edge_chunked;
mod edge_requests;
mod edge_routes;
mod edge_wire;
mod ignore_patterns;
mod interpolation;
mod mask;
mod plain;
mod request;
mod signatures;

/// Takes an input, whatever it is.
pub type Target = fn(&[u8]);

/// By the name of their seeds and of their dictionary.
pub const ALL: [(&str, Target); 14] = [
    ("compose", compose::run),
    ("contexts", contexts::run),
    ("deliveries", deliveries::run),
    ("dockerfiles", dockerfiles::run),
    ("dotenv", dotenv::run),
    ("edge_chunked", edge_chunked::run),
    ("edge_requests", edge_requests::run),
    ("edge_routes", edge_routes::run),
    ("edge_wire", edge_wire::run),
    ("ignore_patterns", ignore_patterns::run),
    ("interpolation", interpolation::run),
    ("mask", mask::run),
    ("plain", plain::run),
    ("signatures", signatures::run),
];
