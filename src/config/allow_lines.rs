//! The lines to add to launchway.toml, so that it allows what is refused: each key whole, with what it allows already.

use super::{Environment, Project};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Tables of launchway.toml, each with the lines that it has to have afterwards. `asked` are [`crate::model::Problem`]'s
/// `allow`: lines of `[projects.<name>.allow]`, or a table's name and lines of it.
pub fn allow_lines(project: &Project, environment: &Environment, asked: &[&str]) -> Vec<String> {
    let own = format!("[projects.{}.allow]", project.name);
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for text in asked {
        let (table, line) = match text.split_once('\n') {
            Some((table, line)) if table.starts_with('[') => (table.to_string(), line),
            _ => (own.clone(), *text),
        };
        let Ok(wanted) = line.parse::<Table>() else { continue };
        let there = match table == own {
            true => Table::try_from(&project.allow).unwrap_or_default(),
            false => {
                let hosts = environment.hosts.iter().map(|host| Value::String(host.to_string())).collect();
                Table::from_iter([("hosts".to_string(), Value::Array(hosts))])
            }
        };
        let lines = tables.entry(table).or_default();
        for (key, value) in wanted {
            let before = lines.remove(&key).or_else(|| there.get(&key).cloned());
            lines.insert(key, added(before, value));
        }
    }
    let written = |(table, lines): (String, Table)| {
        let lines = lines.into_iter().map(|(key, value)| format!("{key} = {}", inline(&value)));
        [table].into_iter().chain(lines).collect::<Vec<String>>()
    };
    tables.into_iter().flat_map(written).collect()
}

fn added(before: Option<Value>, wanted: Value) -> Value {
    match (before, wanted) {
        (Some(Value::Array(mut all)), Value::Array(more)) => {
            for one in more {
                match all.iter().position(|held| name_of(held) == name_of(&one)) {
                    Some(at) => {
                        let held = all.remove(at);
                        all.push(both(held, one));
                    }
                    None => all.push(one),
                }
            }
            Value::Array(all)
        }
        // Of a number that several ask for, the highest is enough for all.
        (Some(Value::Integer(held)), Value::Integer(wanted)) => Value::Integer(held.max(wanted)),
        (_, wanted) => wanted,
    }
}

/// `"x"` and `{ name = "x", write = true }` are about the same thing.
fn name_of(value: &Value) -> String {
    value.get("name").unwrap_or(value).to_string()
}

/// What either allows of one thing.
fn both(held: Value, wanted: Value) -> Value {
    match (held, wanted) {
        (Value::Table(mut held), Value::Table(wanted)) => {
            let is_set = |value: &Value| value.as_bool() != Some(false);
            held.retain(|_, value| is_set(value));
            held.extend(wanted.into_iter().filter(|(_, value)| is_set(value)));
            Value::Table(held)
        }
        (table @ Value::Table(_), _) | (_, table @ Value::Table(_)) => table,
        (held, _) => held,
    }
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(all) => format!("[{}]", all.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn lines_hold_what_is_allowed_already_and_each_key_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("launchway.toml");
        let text = r#"
            [projects.shop]
            forge = "plain"
            repository = "/srv/shop.git"
            secret = "s3cret-s3cret"
            [projects.shop.allow]
            external = ["traefik_default", "uploads"]
            devices = ["/dev/fuse"]
            [projects.shop.environments.production]
            branch = "main"
            hosts = ["shop.example.com"]
        "#;
        std::fs::write(&file, text).unwrap();
        let config = load(&file).unwrap();
        let project = config.projects.values().next().unwrap();
        let environment = project.environments.values().next().unwrap();
        let asked = [
            "external = [\"backups\"]",
            "external = [{ name = \"uploads\", write = true }]",
            "external = [\"uploads\"]",
            "privileged = true",
            "ports = [80]",
            "networks = 12",
            "networks = 11",
            "[projects.shop.environments.production]\nhosts = [\"*\"]",
        ];
        insta::assert_snapshot!(allow_lines(project, environment, &asked).join("\n"), @r#"
        [projects.shop.allow]
        external = ["traefik_default", "backups", { name = "uploads", write = true }]
        networks = 12
        ports = [80]
        privileged = true
        [projects.shop.environments.production]
        hosts = ["shop.example.com", "*"]
        "#);
    }
}
