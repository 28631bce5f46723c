//! Where the settings are.

use std::path::{Path, PathBuf};

const HERE: &str = "launchway.toml";
const OF_THE_MACHINE: &str = "/etc/launchway/launchway.toml";

/// The file that `--config` or `LAUNCHWAY_CONFIG` names, else `./launchway.toml`, else the machine's. Where there is
/// none, the first of them, so that the error names it.
pub fn settings_file(named: Option<PathBuf>) -> PathBuf {
    let found = || [HERE, OF_THE_MACHINE].into_iter().find(|path| Path::new(path).is_file());
    named.unwrap_or_else(|| PathBuf::from(found().unwrap_or(HERE)))
}
