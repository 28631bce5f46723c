//! Points at which a test ends the process as `kill -9` would. Without the cargo feature `failpoints`, which only tests
//! have, there are none.

/// Reads `FAILPOINTS` from the environment (`deploy.touched=return;step.ended=2*off->return`): a point that says
/// `return` is where the process ends, at once and without tidying up. `FINGERPRINTS_RAISED_BY` is by how
/// much the version of fingerprints is raised, as a later version of Launchway would. With `SEALS_NOTHING` it makes things on
/// the engine, and knows them, as versions did that had no seals.
#[cfg(feature = "failpoints")]
pub fn set_up() {
    if let Some(by) = std::env::var("FINGERPRINTS_RAISED_BY").ok().and_then(|text| text.parse().ok()) {
        crate::plan::fingerprint::RAISED_BY.store(by, std::sync::atomic::Ordering::Relaxed);
    }
    if std::env::var_os("SEALS_NOTHING").is_some() {
        crate::engine::SEALS_NOTHING.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    if std::env::var_os("FAILPOINTS").is_some() {
        // It holds for the whole life of the process.
        std::mem::forget(fail::FailScenario::setup());
    }
}

#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    let _ = fail::eval(name, |_| std::process::abort());
}

#[cfg(not(feature = "failpoints"))]
pub fn set_up() {}

#[cfg(not(feature = "failpoints"))]
pub fn failpoint(_name: &str) {}
