//! What a container has written itself, and what it has at a path.

use super::answer::in_path;
use super::connect::DockerEngine;
use super::observed::mounts;
use crate::engine::EngineError;
use crate::model::{Quoted, path_below};
use bollard::models::{ChangeType, FilesystemChange};
use bollard::query_parameters::ContainerArchiveInfoOptionsBuilder;

/// The bit that says folder in the modes of Go, which is what the engine answers with.
const IS_FOLDER: u32 = 1 << 31;

impl DockerEngine {
    /// Whether the container's own layer has something at the path, or below it, that its image has not. An empty folder at
    /// the path itself is nothing.
    pub(super) async fn has_layer_changed_at(&self, container: &str, path: &str) -> Result<bool, EngineError> {
        let Some(found) = self.look_up(container).await? else {
            return Err(EngineError::NotFound { what: format!("container {container}") });
        };
        let asked = self.client().container_changes(in_path(container)?);
        let changes = self.query(format!("see what container {container} has written"), asked).await?;
        let mounted = mounts(&found);
        let targets: Vec<&str> = mounted.iter().map(|mounted| mounted.target.as_str()).collect();
        Ok(match written_at(path, &changes.unwrap_or_default(), &targets) {
            Written::Nothing => false,
            Written::Below => true,
            Written::AtMost => self.path_mode(container, path).await?.is_some_and(|mode| mode & IS_FOLDER == 0),
        })
    }

    /// The mode of what is at the path, as Go has it; `None` where nothing is.
    pub(super) async fn path_mode(&self, container: &str, path: &str) -> Result<Option<u32>, EngineError> {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        let asked = self.client().get_container_archive_info(in_path(container)?, Some(options));
        match self.query(format!("look at {} in container {container}", Quoted(path)), asked).await {
            Ok(found) => Ok(Some(found.file_mode)),
            Err(denied) if denied.is_not_found() => Ok(None),
            Err(denied) => Err(denied.into()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    /// Something below it.
    Below,
    /// The path itself, which may be a file or an empty folder.
    AtMost,
}

/// `targets`: where something is mounted. The engine makes folders for that in the container's layer.
fn written_at(path: &str, changes: &[FilesystemChange], targets: &[&str]) -> Written {
    let is_for_a_mount = |changed: &str| targets.iter().any(|target| path_below(target, changed).is_some());
    let mut written = Written::Nothing;
    // What was deleted is no data.
    for change in changes.iter().filter(|change| change.kind != ChangeType::_2 && !is_for_a_mount(&change.path)) {
        match path_below(&change.path, path) {
            Some("") => written = Written::AtMost,
            Some(_) => return Written::Below,
            None => {}
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, changes: &[(u8, &str)], targets: &[&str]) -> Written {
        let kind = |kind| [ChangeType::_0, ChangeType::_1, ChangeType::_2][usize::from(kind)];
        let changes: Vec<FilesystemChange> = changes
            .iter()
            .map(|(number, path)| FilesystemChange { path: path.to_string(), kind: kind(*number) })
            .collect();
        written_at(path, &changes, targets)
    }

    #[test]
    fn only_what_the_container_wrote_itself_counts() {
        let wrote = [(0, "/var"), (1, "/var/data"), (1, "/var/data/file"), (2, "/etc/old"), (1, "/database")];
        assert_eq!(at("/var/data", &wrote, &[]), Written::Below);
        assert_eq!(at("/var", &wrote, &[]), Written::Below);
        assert_eq!(at("/var/data/file", &wrote, &[]), Written::AtMost);
        assert_eq!(at("/data", &wrote, &[]), Written::Nothing);
        assert_eq!(at("/etc", &wrote, &[]), Written::Nothing, "what was deleted is no data");
        // A mount point, and the folders above it, are the engine's.
        assert_eq!(at("/var", &wrote[..2], &["/var/data"]), Written::Nothing);
        assert_eq!(at("/var/data", &wrote[..2], &["/var/data/cache"]), Written::Nothing);
    }
}
