//! Which frontend a Dockerfile wants to be read by.

use super::lines::directive;

/// What BuildKit would take for the name of a frontend, with its line: `# syntax=`, `// syntax=`, or the key of a JSON object.
/// It looks only at the lines before any other; here every comment at the top counts, as do both forms at once.
pub fn frontends(text: &str) -> Vec<(u32, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    for (line, number) in text.split('\n').zip(1_u32..) {
        let line = line.trim();
        let named = ["#", "//"].into_iter().find_map(|comment| directive(line, comment));
        if let Some((name, value)) = named
            && name == "syntax"
        {
            found.push((number, value.split_whitespace().next().unwrap_or_default().to_string()));
        }
        if !line.is_empty() && !line.starts_with('#') && !line.starts_with("//") {
            break;
        }
    }
    let without_shebang = match text.starts_with("#!") {
        true => text.split_once('\n').map_or("", |(_, rest)| rest),
        false => text,
    };
    for text in [text, without_shebang] {
        if let Ok(serde_json::Value::Object(keys)) = serde_json::from_str(text) {
            let named = keys.iter().filter(|(key, _)| key.to_lowercase() == "syntax");
            found.extend(named.filter_map(|(_, value)| Some((1, value.as_str()?.to_string()))));
        }
    }
    found.dedup();
    found
}
