//! Whatever stands in an env file, its names are names.
use launchway::fuzzing::compose::dotenv;
use std::collections::BTreeMap;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * 1024)]);
    let outer: BTreeMap<String, String> = [("OUTER".to_string(), "x".to_string())].into();
    for raw in [false, true] {
        let Some(values) = dotenv(&text, raw, &outer) else { continue };
        for name in values.keys() {
            assert!(!name.is_empty() && !name.contains('=') && !name.contains(char::is_whitespace), "{name:?}");
        }
        // Behind a closing quote the next one may follow on the same line, as with Compose.
        assert!(values.len() <= text.matches(['=', ':', '\n']).count() + 1);
        if raw {
            assert!(values.values().map(String::len).sum::<usize>() <= text.len() + values.len());
        }
    }
}
