//! `volumes` (in their long form), `tmpfs`, `configs` and `secrets` of a service.

use super::component::Context;
use crate::compose::host_paths::{self, HostPath};
use crate::compose::mount_options;
use crate::compose::suggest;
use crate::compose::texts;
use crate::compose::view::View;
use crate::compose::volume_driver;
use crate::model::{EntryKind, Mount, MountPoint, MountSource, RepoPath, Secret};
use crate::model::{Quoted, budgets};
use std::collections::BTreeMap;

const KEYS: &[&str] = &["type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs", "image"];

pub fn read(context: &Context<'_>, view: &View<'_>) -> Vec<Mount> {
    let lists = ["tmpfs", "volumes", "configs", "secrets"];
    let count: usize = lists.iter().filter_map(|key| view.get(key)).map(|list| list.length()).sum();
    if let Err(error) = budgets::MOUNTS.check(count as u64, format_args!("{count} mounts")) {
        view.error(error.to_string());
        return Vec::new();
    }
    let mut mounts: Vec<(View<'_>, Mount)> = Vec::new();
    for item in view.get("tmpfs").map(|v| v.items()).unwrap_or_default() {
        mounts.extend(tmpfs(&item).map(|mount| (item, mount)));
    }
    let volumes = view.get("volumes").map(|v| v.items()).unwrap_or_default();
    for item in volumes.into_iter().filter(|item| !item.node.is_null()) {
        mounts.extend(mount(context, &item).map(|mount| (item, mount)));
    }
    for section in ["configs", "secrets"] {
        for item in view.get(section).map(|v| v.items()).unwrap_or_default() {
            mounts.extend(texts::mount(context, section, &item).map(|mount| (item, mount)));
        }
    }
    report_doubles(&mounts);
    let mut mounts: Vec<Mount> = mounts.into_iter().map(|(_, mount)| mount).collect();
    add_mount_points(context, &mut mounts);
    mounts
}

/// Notes what is mounted below a folder of the commit and is not in it (`./app:/app` and `/app/node_modules`).
pub fn add_mount_points(context: &Context<'_>, mounts: &mut [Mount]) {
    for mount in mounts.iter_mut() {
        if let MountSource::Repository { mount_points, .. } = &mut mount.source {
            mount_points.clear();
        }
    }
    let below = |target: &str, folder: &str| {
        let rest = target.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/')?;
        (!rest.is_empty()).then(|| rest.to_string())
    };
    for index in 0..mounts.len() {
        let target = &mounts[index].target;
        let around =
            mounts.iter().enumerate().filter_map(|(other, mount)| Some((other, below(target, &mount.target)?)));
        // The innermost: the least is left below it.
        let Some((around, rest)) = around.min_by_key(|(_, rest)| rest.len()) else { continue };
        let is_file = match &mounts[index].source {
            MountSource::Repository { folder, .. } => !folder,
            MountSource::Text { .. } => true,
            _ => false,
        };
        if let MountSource::Repository { path, folder: true, mount_points, .. } = &mut mounts[around].source
            && path.join(&rest).is_ok_and(|inside| matches!(context.loader.files.find(&inside), Ok(None)))
        {
            mount_points.push(MountPoint { path: rest, folder: !is_file });
            mount_points.sort();
        }
    }
}

fn report_doubles(mounts: &[(View<'_>, Mount)]) {
    let mut targets: BTreeMap<&str, &View<'_>> = BTreeMap::new();
    for (view, mount) in mounts {
        if let Some(first) = targets.insert(&mount.target, view) {
            view.error(format!("{} is already mounted by {}", mount.target, first.path));
        }
    }
}

/// `/run` or `/run:size=64m,uid=1000`.
fn tmpfs(view: &View<'_>) -> Option<Mount> {
    let text = view.text()?;
    let (target, options) = match text.split_once(':') {
        Some((target, options)) => (target, Some(options.to_string())),
        None => (text.as_str(), None),
    };
    for option in options.iter().flat_map(|options| options.split(',')).filter(|option| !option.is_empty()) {
        if !mount_options::is_harmless(option) {
            view.error(format!(
                "{option:?} is no option of a tmpfs; accepted: {}",
                mount_options::ACCEPTED,
                option = Quoted(&option)
            ));
        }
    }
    let source = MountSource::Tmpfs { size_bytes: None, mode: None, options };
    Some(Mount { target: absolute(view, target)?, source, read_only: false })
}

/// A target without `.` and `..`, as the engine would name it.
pub fn absolute(view: &View<'_>, target: &str) -> Option<String> {
    if !target.starts_with('/') {
        view.error(format!("{target:?} is not an absolute path in the container", target = Quoted(&target)));
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

fn mount(context: &Context<'_>, view: &View<'_>) -> Option<Mount> {
    if view.node.entries().is_none() {
        view.error("is not a mount; accepted: \"source:target\", or a mapping with `type:` and `target:`");
        return None;
    }
    view.only(KEYS);
    let Some(kind) = view.get("type") else {
        view.error("needs `type:`: volume, bind or tmpfs");
        return None;
    };
    let kind_word = kind.word(&["volume", "bind", "tmpfs", "image", "npipe", "cluster"])?;
    let Some(target) = view.get("target") else {
        view.error("needs `target:`, the path in the container");
        return None;
    };
    let target = absolute(&target, &target.text()?)?;
    let mut read_only = view.get("read_only").and_then(|v| v.bool()).unwrap_or(false);
    let source = match kind_word.as_str() {
        "volume" => volume(context, view, &mut read_only)?,
        "bind" => bind(context, view, &mut read_only)?,
        "tmpfs" => tmpfs_source(view),
        other => {
            kind.error(format!("`type: {other}` is understood but not supported; accepted: volume, bind, tmpfs"));
            return None;
        }
    };
    Some(Mount { target, source, read_only })
}

fn volume(context: &Context<'_>, view: &View<'_>, read_only: &mut bool) -> Option<MountSource> {
    let options = view.get("volume").filter(|v| v.only(&["labels", "nocopy", "subpath"]));
    if let Some(labels) = options.as_ref().and_then(|o| o.get("labels")) {
        labels.error("labels of a mount are not supported; write them under top-level `volumes`");
    }
    let source = view.get("source").and_then(|v| Some((v.text()?, v)));
    let Some((key, at)) = source.filter(|(key, _)| !key.is_empty()) else { return Some(MountSource::Anonymous) };
    let section = context.file.get("volumes");
    let declared: Vec<&str> =
        section.iter().filter_map(|s| s.node.entries()).flatten().map(|entry| entry.key.as_str()).collect();
    if !declared.contains(&key.as_str()) {
        let hint = suggest::hint(&key, declared.iter().copied());
        let path = if hint.is_empty() { format!(" (a folder of the repository is written \"./{key}\")") } else { hint };
        at.error(format!("there is no volume {key:?}; declare it under top-level `volumes`{path}", key = Quoted(&key)));
        return None;
    }
    let flag = |key: &str| options.as_ref().and_then(|o| o.get(key));
    if let Some(device) = section.and_then(|s| s.get(&key)).and_then(|v| volume_driver::folder_of_the_commit(&v)) {
        if let Some(subpath) = flag("subpath") {
            subpath.error("is not supported for a volume over a folder of the repository; mount the folder itself");
        }
        return of_the_commit(context, view, &device, read_only, &|HostPath { path, below }| MountSource::Host {
            path,
            below,
            propagation: None,
            create: false,
        });
    }
    Some(MountSource::Volume {
        key,
        no_copy: flag("nocopy").and_then(|v| v.bool()).unwrap_or(false),
        subpath: flag("subpath").and_then(|v| v.text()),
    })
}

fn tmpfs_source(view: &View<'_>) -> MountSource {
    let options = view.get("tmpfs").filter(|v| v.only(&["size", "mode"]));
    let option = |key: &str| options.as_ref().and_then(|o| o.get(key));
    MountSource::Tmpfs {
        size_bytes: option("size").and_then(|v| v.bytes()).filter(|bytes| *bytes > 0),
        mode: option("mode").and_then(|v| tmpfs_mode(&v)),
        options: None,
    }
}

/// A number: Compose refuses a text here, also one that a variable gives, though it reads one as octal for secrets.
fn tmpfs_mode(view: &View<'_>) -> Option<u32> {
    if let Some(text) = view.node.text() {
        view.error(format!(
            "{text:?} is a text, which Compose refuses here; write the bits without quotes and variables, such as 0o1777",
            text = Quoted(text)
        ));
        return None;
    }
    view.number("permission bits, such as 0o1777")
}

/// A path: of the commit, or of the engine's host where the settings say so.
fn bind(context: &Context<'_>, view: &View<'_>, read_only: &mut bool) -> Option<MountSource> {
    let options = view.get("bind").filter(|v| v.only(&["propagation", "create_host_path", "recursive", "selinux"]));
    let option = |key: &str| options.as_ref().and_then(|o| o.get(key));
    if let Some(recursive) = option("recursive").filter(|v| v.node.text() != Some("enabled")) {
        recursive.error("only `recursive: enabled` is supported");
    }
    if let Some(selinux) = option("selinux") {
        selinux.note("SELinux labels are ignored: files of the commit come from a volume, which the engine labels");
    }
    let Some(source) = view.get("source") else {
        view.error("a bind mount needs `source:`");
        return None;
    };
    let written = source.text()?;
    let allowed = &context.request.allowed;
    let host = |HostPath { path, below }: HostPath| {
        let propagation = option("propagation").and_then(|at| propagation(context, &at, below.is_some()));
        let create = option("create_host_path").and_then(|v| v.bool()).unwrap_or(false);
        MountSource::Host { path, below, propagation, create }
    };
    if written.starts_with('/') && bound_elsewhere(context, &written).is_none() {
        return host_paths::mountable(allowed, &source, &written).map(host);
    }
    of_the_commit(context, view, &source, read_only, &host)
}

/// A path that starts in the repository, or what `binds` of launchway.toml puts in its place.
fn of_the_commit(
    context: &Context<'_>,
    view: &View<'_>,
    source: &View<'_>,
    read_only: &mut bool,
    host: &dyn Fn(HostPath) -> MountSource,
) -> Option<MountSource> {
    let written = source.text()?;
    if let Some(path) = bound_elsewhere(context, &written) {
        return Some(host(host_paths::given(&context.request.allowed, &path)));
    }
    if written.starts_with('~') || written.contains('\\') || written.as_bytes().get(1) == Some(&b':') {
        source.error(format!(
            "{written:?} is a path of somebody's machine, and the server has no home folder that is meant; {ways_out}",
            ways_out = ways_out(&written),
            written = Quoted(&written)
        ));
        return None;
    }
    let was_read_only = std::mem::replace(read_only, true);
    let source = from_commit(context, source, &written)?;
    if !was_read_only {
        let what = if matches!(source, MountSource::Repository { folder: true, .. }) { "folder" } else { "file" };
        view.note(format!(
            "this {what} of the commit is mounted read-only, although it is not written `:ro`; what the app writes \
             belongs in a named volume"
        ));
    }
    Some(source)
}

/// Mounts that are made later on the host come into the container by `slave`; by `shared` those of the container go to
/// the host, too.
fn propagation(context: &Context<'_>, view: &View<'_>, is_below: bool) -> Option<String> {
    let word = view.word(&["private", "rprivate", "shared", "rshared", "slave", "rslave"])?;
    if word.ends_with("shared") && !context.request.allowed.privileged {
        let why = format!("by `{word}`, what the container mounts would be mounted on the host, so it is refused;");
        view.refuse(&why, "privileged = true");
    }
    if is_below && !word.ends_with("private") {
        view.error(format!(
            "`{word}` is possible only for a path that `allow.host-paths` lists itself, not for what lies below it"
        ));
    }
    Some(word)
}

/// `binds` of launchway.toml: by the source as written, however it is dotted.
fn bound_elsewhere(context: &Context<'_>, written: &str) -> Option<String> {
    let plain = |text: &str| text.trim_start_matches("./").trim_end_matches('/').to_string();
    let binds = &context.request.allowed.binds;
    binds.get(written).or_else(|| binds.iter().find(|(key, _)| plain(key) == plain(written)).map(|(_, to)| to)).cloned()
}

fn from_commit(context: &Context<'_>, view: &View<'_>, written: &str) -> Option<MountSource> {
    let path = match view.node.source.folder.join(written) {
        Ok(path) => path,
        Err(error) => {
            view.error(format!("{error}; {}", ways_out(written)));
            return None;
        }
    };
    repository(context, view, &path).unwrap_or_else(|| {
        view.error(format!("{path} is not in the commit, so nothing stands behind this mount; {}", ways_out(written)));
        None
    })
}

fn ways_out(written: &str) -> String {
    format!(
        "use a named volume for what the app writes, or name a path of the host in launchway.toml:\n    \
         binds = {{ {written:?} = \"/path/on/the/host\" }}",
        written = Quoted(&written)
    )
}

/// What mounts a file or folder of the commit, or a file that the settings give. `None` where nothing is there;
/// `Some(None)` where it was reported.
pub fn repository(context: &Context<'_>, view: &View<'_>, path: &RepoPath) -> Option<Option<MountSource>> {
    match context.loader.files.find(path) {
        Ok(Some(entry)) if entry.kind == EntryKind::Submodule => {
            view.error(format!(
                "{path} is a submodule that was not brought along; set `submodules = true` for the project in \
                 launchway.toml"
            ));
            Some(None)
        }
        Ok(Some(entry)) => {
            let folder = entry.kind == EntryKind::Directory;
            Some(Some(MountSource::Repository { path: entry.path, folder, id: entry.id, mount_points: Vec::new() }))
        }
        Ok(None) => {
            let bytes = context.loader.files.outside_bytes(path)?;
            let Ok(text) = std::str::from_utf8(bytes) else {
                view.error(format!("{path}, which launchway.toml gives under `files`, is not text in UTF-8"));
                return Some(None);
            };
            if let Err(error) = context.loader.spent().expanded(text.len()) {
                view.error(error.to_string());
                return Some(None);
            }
            let (key, text) = (path.to_string(), Secret::new(text));
            Some(Some(MountSource::Text { key, text, uid: None, gid: None, mode: None }))
        }
        Err(error) => {
            view.error(error.to_string());
            Some(None)
        }
    }
}
