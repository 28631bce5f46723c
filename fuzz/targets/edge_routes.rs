//! `routes.json`: what is read can be checked, served and written, and is read again as it was.
pub fn run(bytes: &[u8]) {
    launchway::fuzzing::edge::routes(bytes);
}
