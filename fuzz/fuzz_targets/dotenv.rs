//! Whatever stands in an env file, its names are names.
#![no_main]
use launchway::fuzzing::compose::dotenv;
use std::collections::BTreeMap;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * 1024)]);
    let outer: BTreeMap<String, String> = [("OUTER".to_string(), "x".to_string())].into();
    for raw in [false, true] {
        let Some(values) = dotenv(&text, raw, &outer) else { continue };
        for name in values.keys() {
            assert!(!name.is_empty() && !name.contains('=') && !name.contains(char::is_whitespace), "{name:?}");
        }
        assert!(values.len() <= text.lines().count() + text.matches('\r').count() + 1);
        if raw {
            assert!(values.values().map(String::len).sum::<usize>() <= text.len() + values.len());
        }
    }
});
