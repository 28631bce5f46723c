use super::*;
use crate::model::Quoted;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

const SECRET: &str = "s3cr3t/Pass+w0rd?&<\"'\\$ü";

fn mask(secrets: &[&str]) -> Mask {
    let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
    Mask::new(&secrets)
}

#[test]
fn masks_whole_secrets_and_lines_of_them() {
    let mask = mask(&["hunter2", "hunter2-long", "line-one\nline-two", "ab"]);
    let more = mask.and(&Mask::new(&[Secret::new("swordfish")]));
    assert_eq!(more.apply("swordfish hunter2"), "*** ***");
    assert_eq!(mask.apply("x hunter2-long y hunter2 ab line-two"), "x *** y *** ab ***");
}

#[test]
fn two_secrets_that_overlap_are_both_hidden() {
    assert_eq!(mask(&["abcdef", "defghij"]).apply("xabcdefghijx"), "x***x");
}

#[test]
fn what_is_short_or_says_nothing_is_left_alone() {
    let mask = mask(&[
        "ab",
        "",
        "true",
        "False",
        "null",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n}\n-----END PRIVATE KEY-----",
    ]);
    assert_eq!(
        mask.apply("true false null ab } -----BEGIN PRIVATE KEY-----"),
        "true false null ab } -----BEGIN PRIVATE KEY-----"
    );
    assert_eq!(mask.apply("MIIEvQIBADANBg"), "***");
}

#[test]
fn base64_anywhere_in_what_was_encoded_is_hidden() {
    for secret in ["hunter2", "hunt3", SECRET, "a?>~longer~>?>?>"] {
        let mask = mask(&[secret]);
        for (before, after) in
            [("", ""), ("x", ""), ("xy", "z"), ("xyz", "ab"), ("user:", "\n"), ("{\"password\":\"", "\"}")]
        {
            let whole = format!("{before}{secret}{after}");
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                let encoded = engine.encode(&whole);
                let shown = mask.apply(&format!("Authorization: Basic {encoded}, next"));
                assert!(shown.starts_with("Authorization: Basic ") && shown.ends_with(", next"), "{shown}");
                // At most what stood before and after it is left.
                let left = shown.len() - "Authorization: Basic ***, next".len();
                assert!(
                    shown.contains("***") && left <= (before.len() + after.len()) * 4 / 3 + 5,
                    "{encoded}: {shown}"
                );
            }
        }
    }
    assert_eq!(mask(&["pass"]).apply("cGFzcw== cGFzcw"), "***== ***");
}

#[test]
fn base64_that_is_broken_over_lines_is_hidden_line_by_line() {
    let secret: String = ('a'..='z').chain('A'..='Z').cycle().step_by(7).take(100).collect();
    let mask = mask(&[&secret]);
    for before in 0..200 {
        let whole = format!("{}{secret}{}", "-".repeat(before), "-".repeat(90));
        let encoded = STANDARD.encode(&whole);
        let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let shown: Vec<String> = lines.iter().map(|line| mask.apply(line)).collect();
        // Each line by itself, or all of them at once: it is the same.
        assert_eq!(mask.apply(&lines.join("\n")), shown.join("\n"));
        // No more than three characters of base64 (two bytes) beside a line's end.
        let dashes = STANDARD.encode("-".repeat(300));
        let left: String = shown.concat().split("***").flat_map(|part| part.chars()).collect();
        let own = left.chars().filter(|c| !dashes.contains(*c)).count();
        assert!(own <= 6, "{before}: {own} left in {shown:#?}");
    }
}

#[test]
fn the_last_short_line_of_broken_base64_is_hidden() {
    let secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let encoded = STANDARD.encode(format!("{secret}\n"));
    assert_eq!(mask(&[secret]).apply(&format!("{}\n{}", &encoded[..76], &encoded[76..])), "***\n***");
}

#[test]
fn percent_signs_backslashes_entities_hex_and_quotes_hide_nothing() {
    let mask = mask(&[SECRET, "it's a pass phrase", "zwölf Boxkämpfer\njagen"]);
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let ascii = |text: &str| {
        text.chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04X}", c as u32) })
            .collect::<String>()
    };
    let percent = |text: &str, upper: bool| {
        let one = |b: &u8| match b {
            b if b.is_ascii_alphanumeric() => char::from(*b).to_string(),
            b if upper => format!("%{b:02X}"),
            b => format!("%{b:02x}"),
        };
        text.as_bytes().iter().map(one).collect::<String>()
    };
    let html =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;");
    let mut written = Vec::new();
    for secret in [SECRET, "it's a pass phrase"] {
        written.extend([
            json(secret),
            json(&json(secret)),
            ascii(&json(secret)),
            json(secret).replace('/', "\\/"),
            format!("{secret:?}"),
            percent(secret, true),
            percent(secret, false),
            percent(secret, true).replace("%20", "+"),
            json(&percent(secret, true)),
            percent(&percent(secret, true), true),
            hex::encode(secret),
            hex::encode_upper(secret),
            html(secret),
            html(secret).replace("&#39;", "&#x27;"),
            html(&percent(secret, true)),
            shlex::try_quote(secret).unwrap().into_owned(),
            format!("'{}'", secret.replace('\'', "'\\''")),
            format!("'{}'", secret.replace('\'', "''")),
            secret.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") }).collect(),
            secret.bytes().map(|b| format!("\\{b:03o}")).collect(),
            secret.bytes().map(|b| format!("\\x{b:02x}")).collect(),
            format!("{}\x1b[1m{}", &secret[..4], &secret[4..]),
        ]);
    }
    written.extend([json("zwölf Boxkämpfer\njagen"), ascii(&json("zwölf Boxkämpfer\njagen")), "zw\\366lf".into()]);
    written.pop();
    for text in written {
        let shown = mask.apply(&format!("before {text} after"));
        let rest = shown.trim_start_matches("before ").trim_end_matches(" after").trim_matches(['"', '\'', '\\']);
        assert_eq!(rest, "***", "{text}");
    }
}

#[test]
fn a_stream_is_not_cut_within_a_secret() {
    let mask = mask(&["hunter2-hunter2", "0123456789"]);
    for at in 0..60 {
        for secret in ["hunter2-hunter2", "aHVudGVyMi1odW50ZXIy", "%30123456789", "ü", "\u{20ac}"] {
            let text = format!("{}{secret}{}", "ü".repeat(at), "y".repeat(500));
            let cut = mask.cut(text.as_bytes(), 60, false).unwrap();
            let (one, two) = (&text[..cut], &text[cut..]);
            let shown = mask.apply(one) + &mask.apply(two);
            // Beside base64 one more character is hidden, which may be in the other piece.
            assert_eq!(shown.replace('y', ""), mask.apply(&text).replace('y', ""), "{at}");
            assert!((57..120).contains(&cut), "{cut}");
        }
    }
    assert_eq!(mask.cut(b"too little", 60, false), None);
    assert_eq!(Mask::default().cut(b"0123456789", 5, false), Some(5));
}

#[test]
fn text_without_secrets_stays_as_it_is() {
    let mask = mask(&[SECRET, "hunter2", "0123456789abcdefghijklmnopqrstuvwxyz"]);
    let text = [include_str!("wrapped.rs"), include_str!("views.rs"), include_str!("../../../Cargo.lock")].concat();
    assert_eq!(mask.apply(&text), text);
}

proptest! {
    #[test]
    fn no_form_of_a_secret_is_left(
        secret in "[ -~]{6,40}", before in "[a-z ]{0,20}", after in "[a-z ]{0,20}", width in 40usize..80,
    ) {
        let secret = secret.trim().to_string();
        prop_assume!(secret.len() >= 6);
        let mask = mask(&[&secret]);
        let whole = format!("{before}{secret}{after}");
        let json = serde_json::to_string(&whole).unwrap();
        let url = percent_encoding::utf8_percent_encode(&whole, percent_encoding::NON_ALPHANUMERIC).to_string();
        for text in [whole.clone(), json.clone(), url, hex::encode(&whole), serde_json::to_string(&json).unwrap()] {
            let shown = mask.apply(&text);
            prop_assert!(shown.contains("***"), "{shown}");
            prop_assert!(!shown.contains(&secret), "{shown}");
        }
        let encoded = STANDARD.encode(&whole);
        prop_assert!(mask.apply(&encoded).contains("***"), "{encoded}");
        let _ = mask.apply(&encoded.as_bytes().chunks(width).map(|l| String::from_utf8_lossy(l)).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn nothing_makes_it_fail(secret in ".{4,20}", text in any::<String>()) {
        let mask = mask(&[&secret]);
        let shown = mask.apply(&format!("{text}{secret}{text}"));
        prop_assert!(!secret.chars().all(|c| c.is_alphanumeric()) || TRIVIAL.contains(&secret.as_str()) || shown.contains("***"));
        let _ = mask.cut(text.as_bytes(), 7, true);
    }
}

#[test]
fn our_own_words_are_no_secret_and_what_we_quote_may_be_one() {
    let mask = mask(&["wrong", "release", "hunter2-hunter2"]);
    let sentence = format!("the token is wrong; the forge says {:?}; release 41 is live", Quoted("wrong release"));
    let expected = "the token is wrong; the forge says \"*** ***\"; release 41 is live";
    assert_eq!(mask.sentence(&sentence), expected);
    assert_eq!(mask.sentence(expected), expected, "what has left is not masked again");
    // Text from elsewhere that nobody marked.
    assert_eq!(mask.sentence("web: hunter2-hunter2, release 41"), "web: ***, release 41");
    assert_eq!(Mask::default().sentence(&Quoted("a\x1b[1mb").to_string()), "ab");
    assert_eq!(mask.apply(&Quoted("wro").to_string().replace("wro", "wro\u{fdd1}ng")), "***");
}

#[test]
fn a_secret_that_is_a_large_file_is_hidden_as_it_is() {
    let line = |number: usize| format!("{number:06}-line-of-a-secret-file");
    let file: Vec<String> = (0..6_000).map(line).collect();
    let mask = mask(&[&file.join("\n"), "swordfish"]);
    assert_eq!(mask.apply(&line(5_999)), "***");
    assert_eq!(mask.apply(&STANDARD.encode("swordfish")), "***");
}
