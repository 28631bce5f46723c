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

/// A place at which tests end the process or hold it up; nothing elsewhere.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    let _ = fail::eval(name, |_| std::process::abort());
}

/// What a repository of a test makes its reader do, by this file of it: no input is known that does.
#[cfg(feature = "failpoints")]
pub fn reading(tree: &dyn crate::model::Tree, file: &str) {
    let Ok(path) = crate::model::RepoPath::new(file) else { return };
    let Ok(bytes) = tree.read(&path) else { return };
    match String::from_utf8_lossy(&bytes).trim() {
        "overflow" => drop(deeper(0)),
        "memory" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 1 << 20]);
            }
        }
        "forever" => loop {
            std::thread::park();
        },
        _ => {}
    }
}

#[cfg(feature = "failpoints")]
#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> [u64; 64] {
    let mut below = deeper(std::hint::black_box(depth + 1));
    below[0] += depth;
    std::hint::black_box(below)
}

/// As [`failpoint`], while a file of a commit is read.
#[cfg(not(feature = "failpoints"))]
pub fn reading(_tree: &dyn crate::model::Tree, _file: &str) {}

/// Reads which places are meant.
#[cfg(not(feature = "failpoints"))]
pub fn set_up() {}

#[cfg(not(feature = "failpoints"))]
pub fn failpoint(_name: &str) {}
