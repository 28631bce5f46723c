//! What edges, fronts and the server say to each other: what is understood is said again the same. The first byte chooses.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((first, rest)) = bytes.split_first() {
        launchway::fuzzing::edge::wire(*first, rest);
    }
});
