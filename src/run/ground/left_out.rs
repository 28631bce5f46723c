//! Says before anything is built or started that files are not in the commit, or not as a checkout would have them: submodules
//! that were not brought along, mounted files that Git LFS keeps elsewhere, and attributes that are not applied.

use crate::build::{Attributes, BuildError, ContextEntry, NotApplied, left_out_of_mount, listing, submodules_in_build};
use crate::model::{
    AdditionalContext, BuildSpec, Component, EntryKind, MountSource, Place, Problem, RepoPath, Stack, Tree,
};
use crate::run::ground::image_files::files_below;
use std::collections::{BTreeMap, BTreeSet};

const BRING: &str = "set `submodules = true` for the project in launchway.toml";

/// What a stack's builds and mounts would lack. What cannot be read, the build or the mount says.
pub fn left_out(stack: &Stack, tree: &dyn Tree) -> Vec<Problem> {
    // Git can bring only what stands in that file.
    let has_submodules = RepoPath::new(".gitmodules").is_ok_and(|path| matches!(tree.entry(&path), Ok(Some(_))));
    let (mut problems, mut builds, mut mounted) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for component in stack.components.values() {
        // What is one folder to many of them is looked at once.
        if let Some(build) = &component.build
            && has_submodules
            && builds.insert((&build.context, &build.dockerfile, folders(build)))
        {
            problems.extend(of_build(component, build, tree));
        }
        for mount in &component.container.mounts {
            if let MountSource::Repository { path, folder, .. } = &mount.source
                && mounted.insert(path)
            {
                of_mount(component, &mount.target, (path, *folder), tree, &mut problems);
            }
        }
    }
    problems.extend(not_applied(stack, tree));
    problems
}

/// One warning for each line of a `.gitattributes` that a build or a mount has a file of.
fn not_applied(stack: &Stack, tree: &dyn Tree) -> Vec<Problem> {
    let mut attributes = Attributes::new(tree);
    let mut found: BTreeMap<(RepoPath, u32, String), BTreeSet<RepoPath>> = BTreeMap::new();
    let mut looked_at = BTreeSet::new();
    for component in stack.components.values() {
        let mut files = Vec::new();
        if let Some(build) = &component.build
            && looked_at.insert((&build.context, Some(&build.dockerfile)))
            && attributes.may_tell(&build.context).unwrap_or_default()
        {
            files
                .extend(listing(tree, build).unwrap_or_default().into_iter().filter(is_file).map(|entry| entry.source));
        }
        for mount in &component.container.mounts {
            let MountSource::Repository { path, folder, .. } = &mount.source else { continue };
            if looked_at.insert((path, None)) && attributes.may_tell(path).unwrap_or_default() {
                files.extend(if *folder { files_below(tree, path) } else { vec![path.clone()] });
            }
        }
        for file in files {
            if let Ok(Some(NotApplied { attributes, line, attribute, file })) = attributes.not_applied(&file) {
                found.entry((attributes, line, attribute)).or_default().insert(file);
            }
        }
    }
    let warnings = found.iter().filter_map(|((attributes, line, attribute), files)| {
        let place = Place { file: attributes.to_string(), line: *line };
        Some(Problem::warning(Some(place), "", words(attribute, files.first()?, files.len() - 1)))
    });
    warnings.collect()
}

fn is_file(entry: &ContextEntry) -> bool {
    matches!(entry.kind, EntryKind::File | EntryKind::Executable)
}

fn words(attribute: &str, file: &RepoPath, more: usize) -> String {
    let files = match more {
        0 => format!("{file} is"),
        more => format!("{file} and {more} more are"),
    };
    let way = match attribute.split('=').next() {
        Some("eol") => "store them with these line breaks (`-text`), or let the Dockerfile make them",
        Some("working-tree-encoding") => "store them in this encoding (`-text`)",
        Some("ident") => "take the commit from the variable LAUNCHWAY_COMMIT instead",
        _ => "what a filter keeps from git can be given by launchway.toml (`secrets`, `files`, `binds`)",
    };
    format!(
        "`{attribute}` is not applied: builds and mounts get files as git stores them, so {files} not as a checkout has it; {way}"
    )
}

/// The folders of the repository that are further contexts.
fn folders(build: &BuildSpec) -> Vec<&RepoPath> {
    let contexts = build.additional_contexts.values();
    contexts
        .filter_map(|context| if let AdditionalContext::Folder(folder) = context { Some(folder) } else { None })
        .collect()
}

fn of_build(component: &Component, build: &BuildSpec, tree: &dyn Tree) -> Vec<Problem> {
    let warning = |path: RepoPath| {
        let message = format!(
            "{path} is a submodule that was not brought along, so it is an empty folder in the build; {BRING}, or name \
             the folder in .dockerignore"
        );
        Problem::warning(Some(component.place.clone()), format!("services.{}.build", component.name), message)
    };
    submodules_in_build(tree, build).unwrap_or_default().into_iter().map(warning).collect()
}

fn of_mount(
    component: &Component,
    target: &str,
    (path, is_folder): (&RepoPath, bool),
    tree: &dyn Tree,
    problems: &mut Vec<Problem>,
) {
    let (place, key) = (Some(component.place.clone()), format!("services.{}.volumes", component.name));
    let Ok(found) = left_out_of_mount(tree, path, is_folder) else { return };
    for submodule in found.submodules {
        let message = format!(
            "{submodule} is a submodule that was not brought along, so it is an empty folder in what is mounted at \
             {target}; {BRING}"
        );
        problems.push(Problem::warning(place.clone(), key.clone(), message));
    }
    if let Some(pointer) = found.pointer {
        let error = BuildError::MountedLfsPointer { file: pointer, target: target.to_string() };
        problems.push(Problem::error(place, key, error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::memory_tree::MemoryTree;
    use crate::compose::{ReadRequest, read};
    use crate::model::ProjectName;

    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 5\n";

    fn said(tree: &MemoryTree) -> Vec<String> {
        let project = ProjectName::new("shop").unwrap();
        let request = ReadRequest { longest: std::time::Duration::MAX, ..ReadRequest::of(tree, &project) };
        let stack = read(&request).unwrap().stack;
        left_out(&stack, tree).iter().map(|problem| format!("{:?} {problem}", problem.severity)).collect()
    }

    #[test]
    fn a_submodule_that_was_not_brought_along_is_a_warning_unless_it_is_ignored() {
        let compose = "services:\n  web: { build: { context: web, additional_contexts: { docs: docs } } }\n  \
                       cron: { build: web, volumes: ['./conf:/conf:ro'] }\n";
        let mut tree = MemoryTree::new([
            ("compose.yaml", compose),
            ("web/Dockerfile", "FROM x"),
            ("web/.dockerignore", "vendor\n"),
            ("docs/index", "x"),
            ("conf/a", "x"),
            (".gitmodules", "x"),
        ]);
        for path in ["web/lib", "web/vendor", "docs/theme", "conf/rules", "elsewhere"] {
            tree.submodule(path);
        }
        let way = "set `submodules = true` for the project in launchway.toml";
        let in_build = |service: &str, line: u32, path: &str| {
            format!(
                "Warning compose.yaml:{line}: services.{service}.build: {path} is a submodule that was not brought along, so it is an empty folder in the build; {way}, or name the folder in .dockerignore"
            )
        };
        assert_eq!(
            said(&tree),
            [
                in_build("cron", 3, "web/lib"),
                format!(
                    "Warning compose.yaml:3: services.cron.volumes: conf/rules is a submodule that was not brought along, so it is an empty folder in what is mounted at /conf; {way}"
                ),
                in_build("web", 2, "web/lib"),
                in_build("web", 2, "docs/theme"),
            ]
        );
        let compose = "services: { web: { build: { context: web, additional_contexts: { docs: docs } } } }\n";
        tree.add("compose.yaml", compose.as_bytes());
        assert_eq!(said(&tree), [in_build("web", 1, "web/lib"), in_build("web", 1, "docs/theme")]);
    }

    #[test]
    fn a_mounted_pointer_of_git_lfs_is_found_before_anything_starts() {
        let compose = "services: { web: { image: x, volumes: ['./model.bin:/model.bin:ro', './data:/data:ro'] } }\n";
        let mut tree = MemoryTree::new([("compose.yaml", compose), ("model.bin", "small"), ("data/deep/a", "small")]);
        assert!(said(&tree).is_empty());
        tree.add("data/deep/b", POINTER.as_bytes());
        let said_of = |file: &str, target: &str| {
            format!(
                "Error compose.yaml:1: services.web.volumes: {file}, which is mounted at {target}, is a Git LFS pointer, not the file itself, and Launchway does not fetch from LFS. Put it into git itself (git lfs migrate export), or mount it from the server by `binds` of the environment in launchway.toml"
            )
        };
        assert_eq!(said(&tree), [said_of("data/deep/b", "/data")]);
        tree.add("model.bin", POINTER.as_bytes());
        assert_eq!(said(&tree), [said_of("model.bin", "/model.bin"), said_of("data/deep/b", "/data")]);
    }

    #[test]
    fn what_a_checkout_would_write_otherwise_is_found_with_its_line() {
        let tree = MemoryTree::new([
            (
                ".gitattributes",
                "# all\n* text=auto eol=lf\n*.cmd eol=crlf\n*.bin binary eol=crlf\n/win/*.txt working-tree-encoding=UTF-16LE\n\
                 *.c ident\nsecret/** filter=git-crypt diff=x\nold/** export-ignore\n\"a b.cmd\" -text\n*.dat filter=lfs\n",
            ),
            ("sub/.gitattributes", "run.cmd !eol\n"),
            ("id.c", "/* $Id$ */"),
            ("no.c", "/* */"),
        ]);
        let mut attributes = Attributes::new(&tree);
        let mut of = |file: &str| {
            let found = attributes.not_applied(&RepoPath::new(file).unwrap()).unwrap();
            found.map(|found| format!("{}:{}: {}", found.attributes, found.line, found.attribute))
        };
        let line = |line: u32, attribute: &str| Some(format!(".gitattributes:{line}: {attribute}"));
        assert_eq!(of("deep/down/run.cmd"), line(3, "eol=crlf"));
        assert_eq!(of("win/a.txt"), line(5, "working-tree-encoding=UTF-16LE"));
        assert_eq!(of("id.c"), line(6, "ident"));
        assert_eq!(of("secret/deep/key"), line(7, "filter=git-crypt"));
        for fine in ["a.sh", "x.bin", "win/deep/a.txt", "no.c", "old/a", "a b.cmd", "x.dat", "sub/run.cmd"] {
            assert_eq!(of(fine), None, "{fine}");
        }
    }

    #[test]
    fn an_attribute_that_is_not_applied_is_a_warning_where_a_file_is_used() {
        let compose = "services: { web: { build: web, volumes: ['./win:/win:ro'] } }\n";
        let mut tree = MemoryTree::new([
            ("compose.yaml", compose),
            ("web/Dockerfile", "FROM x"),
            ("web/run.cmd", "x"),
            ("web/.dockerignore", "ignored.cmd"),
            ("web/ignored.cmd", "x"),
            ("win/a.cmd", "x"),
            ("other/b.cmd", "x"),
            (".gitattributes", "*.cmd eol=crlf\n"),
        ]);
        let way = "store them with these line breaks (`-text`), or let the Dockerfile make them";
        let not = "is not applied: builds and mounts get files as git stores them, so";
        assert_eq!(
            said(&tree),
            [format!(
                "Warning .gitattributes:1: `eol=crlf` {not} web/run.cmd and 1 more are not as a checkout has it; {way}"
            )]
        );
        tree.add(".gitattributes", b"* text=auto eol=lf\n*.cmd -text\n");
        assert!(said(&tree).is_empty());
    }
}
