//! What edges, fronts and the server say to each other: what is understood is said again the same. The first byte chooses.
pub fn run(bytes: &[u8]) {
    if let Some((first, rest)) = bytes.split_first() {
        launchway::fuzzing::edge::wire(*first, rest);
    }
}
