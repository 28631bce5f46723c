//! What is put into a text is bounded by the text and the values, and a text without variables stays.
use launchway::fuzzing::compose::interpolated;
use std::collections::BTreeMap;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(16 * 1024)]);
    let values: BTreeMap<String, String> =
        [("A", "value"), ("B", ""), ("C", "$A"), ("LONG", "0123456789")].map(|(k, v)| (k.into(), v.into())).into();
    if let Some(out) = interpolated(&text, &values) {
        // `$A` is the shortest of all variables; what is put in is not looked at again.
        assert!(out.len() <= text.len() * 10, "{} from {}", out.len(), text.len());
        assert!(text.contains('$') || out == text);
    }
    let escaped = text.replace('$', "$$");
    assert_eq!(interpolated(&escaped, &values).as_deref(), Some(&*text));
}
