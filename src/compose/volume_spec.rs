//! The short form of a mount: `[source:]target[:options]`.

use super::problems::Problems;
use super::scalar::Scalar;
use super::yaml::{Node, Value};
use crate::model::Quoted;

const FORM: &str =
    "[source:]target[:options], such as \"data:/var/lib/data\" or \"./nginx.conf:/etc/nginx/nginx.conf:ro\"";
const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// The long form of one item. What is no text stays as it is; what is wrong becomes null, so that the others keep their
/// index, and readers pass over it.
pub fn long(item: Node, path: &str, problems: &Problems) -> Node {
    let Some(text) = item.text() else { return item };
    let wrong = |why: &str| {
        problems.error(
            Some(item.place()),
            path,
            format!("{text:?} is not a mount: {why}; accepted: {FORM}", text = Quoted(&text)),
        );
        item.null_beside()
    };
    let sections = split(text);
    if sections.iter().any(|section| section.is_empty()) {
        return wrong("a part between its colons is empty");
    }
    if sections.iter().any(|section| is_windows(section)) {
        return wrong("a single letter before a colon is read as a drive letter, in Compose too; use a longer name");
    }
    let (source, target, options) = match sections.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return wrong("it has too many colons"),
    };
    let truth = || item.beside(Value::Scalar(Scalar::bool(true)));
    let is_path = source.is_some_and(|source| source.starts_with(['.', '/', '~']) || is_windows(source));
    let mut entries =
        vec![("type", item.text_beside(if is_path { "bind" } else { "volume" })), ("target", item.text_beside(target))];
    entries.extend(source.map(|source| ("source", item.text_beside(source))));
    let mut bind = if is_path { vec![("create_host_path", truth())] } else { Vec::new() };
    let mut volume = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => entries.push(("read_only", truth())),
            "rw" | "cached" | "delegated" | "consistent" => {}
            "nocopy" => volume.push(("nocopy", truth())),
            "z" | "Z" => bind.push(("selinux", item.text_beside(option))),
            option if PROPAGATIONS.contains(&option) => bind.push(("propagation", item.text_beside(option))),
            unknown => {
                let message = format!(
                    "{unknown:?} is not an option of a mount and does nothing; accepted: ro, rw, nocopy, z, Z, {}",
                    PROPAGATIONS.join(", "),
                    unknown = Quoted(&unknown)
                );
                problems.warning(Some(item.place()), path, message);
            }
        }
    }
    if !bind.is_empty() {
        entries.push(("bind", item.map_beside(bind)));
    }
    if !volume.is_empty() {
        entries.push(("volume", item.map_beside(volume)));
    }
    item.map_beside(entries)
}

/// Parts between colons; the colon after a drive letter does not count.
fn split(text: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(':') {
        let so_far = &text[start..at];
        if so_far.len() == 1 && so_far.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        sections.push(so_far);
        start = at + 1;
    }
    sections.push(&text[start..]);
    sections
}

fn is_windows(source: &str) -> bool {
    source.starts_with(r"\\") || (source.as_bytes().get(1) == Some(&b':') && source.as_bytes()[0].is_ascii_alphabetic())
}
