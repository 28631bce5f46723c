use super::*;
use proptest::prelude::*;

#[test]
fn colours_and_links_are_dropped_whole() {
    assert_eq!(plain("\x1b[1;31merror\x1b[0m: no\x1b[K"), "error: no");
    assert_eq!(plain("\u{9b}31mred\u{9b}m"), "red");
    assert_eq!(plain("\x1b]8;;https://x.example\x1b\\a link\x1b]8;;\x1b\\"), "a link");
    assert_eq!(plain("\x1b]0;a title\x07text \x1b(B"), "text ");
    assert_eq!(plain("\x1bP1$q\x1b\\\x1b_hidden\u{9c}seen"), "seen");
}

#[test]
fn what_steers_or_hides_is_shown_by_its_name() {
    assert_eq!(plain("fix\x1bc\u{7}\u{8}\0\u{7f}"), "fix␛c␇␈␀␡");
    assert_eq!(plain("a\rb\r\nc\td\u{b}"), "a␍b\nc\td␋");
    assert_eq!(plain("user\u{202e}nimda\u{2066}\u{2069}"), "user<U+202E>nimda<U+2066><U+2069>");
    assert_eq!(plain("pay\u{200b}pal\u{feff} \u{ad}\u{2028}\u{85}"), "pay<U+200B>pal<U+FEFF> <U+00AD><U+2028><U+0085>");
    assert_eq!(plain("\u{e0041}\u{3164}"), "<U+E0041><U+3164>");
}

#[test]
fn ordinary_text_of_any_language_stays() {
    for text in [
        "",
        "release 41 is live\n\tstill",
        "Größe übernommen – ✓",
        "修复价格",
        "می\u{200c}خواهم",
        "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}",
    ] {
        assert!(matches!(plain(text), Cow::Borrowed(same) if same == text), "{text:?}");
    }
}

#[test]
fn an_unfinished_sequence_is_shown() {
    assert_eq!(plain("\x1b[31"), "␛[31");
    assert_eq!(plain("\x1b]0;no end\nnext"), "␛]0;no end\nnext");
    assert_eq!(plain(&format!("\x1b[{}m", "1;".repeat(100))), format!("␛[{}m", "1;".repeat(100)));
}

#[test]
fn no_sequence_comes_together_by_dropping_another() {
    assert_eq!(plain("\x1b\x1b[0m[31mred"), "␛[31mred");
    assert_eq!(plain("a\r\x1b[0m\nb"), "a␍\nb");
}

#[test]
fn one_line_is_one_line() {
    assert_eq!(plain_line("a\nb\tc\n"), "a b c");
}

#[test]
fn our_own_colours_can_stay_alone() {
    assert_eq!(
        plain_but_colours("\x1b[38;5;10mok\x1b[0m \x1b[2J\x1b]0;x\x07\u{202e}"),
        "\x1b[38;5;10mok\x1b[0m <U+202E>"
    );
}

#[test]
fn json_says_the_same() {
    let value = serde_json::json!({ "a\u{202e}": "x\u{1b}[31m\u{9b}\u{7f}\u{e0041} ü" });
    let text = serde_json::to_string(&value).unwrap();
    let safe = plain_json(&text);
    assert!(!safe.contains(is_suspicious), "{safe}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    assert_eq!(plain_json(&format!("\"{}\"", super::super::Quoted("x"))), "\"x\"");
    let mut strings = value;
    plain_strings(&mut strings);
    assert_eq!(strings, serde_json::json!({ "a<U+202E>": "x<U+009B>␡<U+E0041> ü" }));
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\x1b",
        "[",
        "31m",
        "]",
        "0;x",
        "\x07",
        "\\",
        "\u{9b}",
        "\u{9c}",
        "\r",
        "\n",
        "\t",
        "(",
        "B",
        "P",
        "a",
        "ü",
        "👩",
        "\u{200d}",
        "\u{202e}",
        "\u{2028}",
        "\u{7f}",
        "\0",
        "\u{e0001}",
        "م",
    ]);
    prop::collection::vec(prop_oneof![4 => pieces.prop_map(str::to_string), 1 => ".{0,3}"], 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_that_steers_is_left_and_twice_is_once(text in hostile()) {
        let once = plain(&text).into_owned();
        prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{once:?}");
        prop_assert!(!once.chars().any(|c| is_hidden(c) && !matches!(c, '\u{200c}' | '\u{200d}')), "{once:?}");
        prop_assert_eq!(plain(&once), once.as_str());
        prop_assert!(!plain_line(&text).contains(['\n', '\t']));
        let coloured = plain_but_colours(&text);
        prop_assert!(!coloured.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\x1b')), "{coloured:?}");
    }
}
