//! `routes.json`: what is served, so that a restarted edge serves it at once, without being told again.

use super::live::Probed;
use crate::model::{ComponentRoutes, RouteKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const NAME: &str = "routes.json";
/// Another version of the file is not guessed at.
const VERSION: u32 = 1;

pub struct Disk {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    components: Vec<(RouteKey, ComponentRoutes)>,
    #[serde(default)]
    probed: Probed,
}

/// What was read at the start.
pub enum Read {
    Nothing,
    Routes(BTreeMap<RouteKey, ComponentRoutes>, Probed),
    /// The file is not understood, and lies aside now.
    Broken {
        why: String,
        aside: PathBuf,
    },
}

impl Disk {
    /// `folder` exists.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// An error means that the disk does not work, which is no reason to forget the routes.
    pub fn read(&self) -> Result<Read> {
        let path = self.path();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read::Nothing),
            Err(error) => return Err(Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))),
        };
        let why = match understood(&text) {
            Ok((table, probed)) => return Ok(Read::Routes(table, probed)),
            Err(why) => why,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let aside = self.folder.join(format!("{NAME}.broken-{now}"));
        std::fs::rename(&path, &aside)?;
        Ok(Read::Broken { why, aside })
    }

    /// On the disk when it returns, whatever happens then; before that, the old file is whole.
    pub fn write(&self, table: &BTreeMap<RouteKey, ComponentRoutes>, probed: &Probed) -> Result<()> {
        let text = written(table, probed)?;
        let (path, next) = (self.path(), self.folder.join(format!("{NAME}.next")));
        let done = write_durably(&next, &text)
            .and_then(|()| std::fs::rename(&next, &path))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        done.map_err(|error| Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))
    }
}

/// What the file says; else why it is not understood.
pub fn understood(text: &[u8]) -> std::result::Result<(BTreeMap<RouteKey, ComponentRoutes>, Probed), String> {
    match serde_json::from_slice::<Kept>(text) {
        Ok(kept) if kept.version == VERSION => Ok((kept.components.into_iter().collect(), kept.probed)),
        Ok(kept) => Err(format!("it is of version {}, and this edge reads version {VERSION}", kept.version)),
        Err(error) => Err(error.to_string()),
    }
}

pub fn written(table: &BTreeMap<RouteKey, ComponentRoutes>, probed: &Probed) -> Result<Vec<u8>> {
    let components = table.iter().map(|(key, routes)| (key.clone(), routes.clone())).collect();
    Ok(serde_json::to_vec_pretty(&Kept { version: VERSION, components, probed: probed.clone() })?)
}

/// Where a front that is not running yet finds what to serve, in its folder, and what has to stand there.
pub fn first_routes(components: Vec<(RouteKey, ComponentRoutes)>) -> Result<(&'static str, Vec<u8>)> {
    let text = serde_json::to_vec_pretty(&Kept { version: VERSION, components, probed: Probed::new() })?;
    Ok(("edge/routes.json", text))
}

fn write_durably(path: &Path, text: &[u8]) -> Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
