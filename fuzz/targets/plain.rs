//! Text made plain steers nothing, twice is once, and JSON says the same.
use launchway::model::{plain, plain_but_colours, plain_json, plain_line};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let once = plain(&text);
    assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    assert!(
        !once
            .contains(['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}'])
    );
    assert_eq!(plain(&once), once);
    // The longest name, `<U+E0FFF>`, stands for four bytes; the shortest of such for two.
    assert!(once.len() <= text.len() * 5);
    assert!(!plain_line(&text).contains(['\n', '\t']));
    let coloured = plain_but_colours(&text);
    for (at, _) in coloured.match_indices('\u{1b}') {
        let rest = coloured[at..].strip_prefix("\u{1b}[").unwrap();
        assert!(rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
    }
    let json = serde_json::to_string(&text).unwrap();
    let safe = plain_json(&json);
    assert!(!safe.chars().any(char::is_control));
    assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
}
