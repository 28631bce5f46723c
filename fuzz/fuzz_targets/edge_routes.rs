//! `routes.json`: what is read can be checked, served and written, and is read again as it was.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| launchway::fuzzing::edge::routes(bytes));
