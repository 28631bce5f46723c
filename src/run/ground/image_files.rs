//! What a commit's files say of images and of who calls whom: Dockerfiles, and text that components mount.

use crate::build::dockerfile_text;
use crate::model::{ComponentName, EntryKind, MountSource, RepoPath, Stack, Tree};
use crate::plan::fronts::ImageFacts;
use std::collections::BTreeMap;

/// More of a mounted file, or more files of a folder, is not searched for names.
const MOST_TEXT: u64 = 256 * 1024;
const MOST_FILES: usize = 200;
const MOST_LOOKED: usize = 2_000;
/// Nor more than this of all components' files together.
const MOST_TEXT_IN_ALL: u64 = 16 << 20;

/// What can be known from the repository alone: Dockerfiles, and text that components mount.
pub fn of_files(stack: &Stack, tree: &dyn Tree) -> BTreeMap<ComponentName, ImageFacts> {
    let mut all = BTreeMap::new();
    let mut left = MOST_TEXT_IN_ALL;
    for (name, component) in &stack.components {
        let build = stack.build_of(component);
        // What is wrong with it, the build will say.
        let text = build.and_then(|build| Some((dockerfile_text(tree, build).ok()?, build.target.clone())));
        let facts = text.map(|(text, target)| {
            let (facts, base) = stages(&text, target.as_deref());
            ImageFacts { bases: base.into_iter().collect(), ..facts }
        });
        let mut facts = facts.unwrap_or_default();
        for mount in &component.container.mounts {
            if let MountSource::Repository { path, folder, .. } = &mount.source {
                let files = if *folder { files_below(tree, path) } else { vec![path.clone()] };
                facts.mounted.extend(files.iter().filter_map(|file| text_of(tree, file, &mut left)));
            }
        }
        all.insert(name.clone(), facts);
    }
    all
}

pub(super) fn files_below(tree: &dyn Tree, folder: &RepoPath) -> Vec<RepoPath> {
    let (mut files, mut folders, mut looked) = (Vec::new(), vec![folder.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in tree.list(&folder).unwrap_or_default() {
            match entry.kind {
                EntryKind::Directory => folders.push(entry.path),
                _ => files.push(entry.path),
            }
            looked += 1;
            // A tree of folders alone would be walked for ever.
            if files.len() >= MOST_FILES || looked >= MOST_LOOKED {
                return files;
            }
        }
    }
    files
}

fn text_of(tree: &dyn Tree, file: &RepoPath, left: &mut u64) -> Option<String> {
    let size = tree.size(file).ok().filter(|size| *size <= MOST_TEXT && *size <= *left)?;
    *left -= size;
    String::from_utf8(tree.read(file).ok()?).ok()
}

/// `8080`, `8080/tcp`; not `53/udp`, nor `$PORT`.
pub fn tcp_port(text: &str) -> Option<u16> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    port.parse().ok().filter(|port| protocol == "tcp" && *port != 0)
}

/// `EXPOSE` and `VOLUME` of the stage that is built: the last one, or the one that is named; with what the stages say that it
/// begins from. And the image that it begins from in the end, which only an engine knows.
fn stages(dockerfile: &str, target: Option<&str>) -> (ImageFacts, Option<String>) {
    let mut known: BTreeMap<String, (ImageFacts, Option<String>)> = BTreeMap::new();
    let mut now: (ImageFacts, Option<String>) = Default::default();
    let mut name: Option<String> = None;
    for line in dockerfile.replace("\\\n", " ").lines().map(str::trim) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.to_ascii_uppercase().as_str() {
            "FROM" => {
                if target.is_some() && name.as_deref() == target {
                    break;
                }
                if let Some(name) = name.take() {
                    known.insert(name, now);
                }
                let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                let base = words.first().copied().unwrap_or_default();
                now = match known.get(base) {
                    Some(stage) => stage.clone(),
                    // A variable in it only the build knows.
                    None => (ImageFacts::default(), Some(base.to_string()).filter(|base| !base.contains('$'))),
                };
                name = match words.as_slice() {
                    [_, word, name, ..] if word.eq_ignore_ascii_case("as") => Some(name.to_string()),
                    _ => None,
                };
            }
            "EXPOSE" => now.0.ports.extend(rest.split_whitespace().filter_map(tcp_port)),
            "VOLUME" => now.0.volumes.extend(paths(rest)),
            "ENV" => now.0.environment.push(rest.to_string()),
            _ => {}
        }
    }
    now
}

/// `["/a", "/b"]` or `/a /b`.
fn paths(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str, target: Option<&str>) -> String {
        let (facts, _) = stages(text, target);
        format!("{:?} {:?}", facts.ports, facts.volumes)
    }

    #[test]
    fn a_dockerfile_tells_ports_and_volumes_of_the_stage_that_is_built() {
        let text = "FROM rust AS build\nEXPOSE 1\nVOLUME /cache\nFROM debian AS run\nexpose 8080 \\\n 53/udp $PORT 9090/tcp\nVOLUME [\"/data\", \"/more\"]\n";
        assert_eq!(facts(text, None), r#"{8080, 9090} ["/data", "/more"]"#);
        assert_eq!(facts(text, Some("build")), r#"{1} ["/cache"]"#);
        assert_eq!(facts("FROM scratch\nVOLUME /a /b\n", None), r#"{} ["/a", "/b"]"#);
        // A stage says what the stage says that it begins from; what that begins from, an engine knows.
        let text = "FROM --platform=linux/amd64 postgres:16 AS base\nVOLUME /data\nFROM base\nEXPOSE 5432\n";
        assert_eq!(facts(text, None), r#"{5432} ["/data"]"#);
        assert_eq!(stages(text, None).1.as_deref(), Some("postgres:16"));
        assert_eq!(stages("ARG V\nFROM node:$V\n", None).1, None);
    }
}
