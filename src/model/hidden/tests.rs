use super::*;
use crate::model::Secret;

fn names(mask: &[&str], plain: &[&str]) -> MaskNames {
    let set = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    MaskNames { mask: set(mask), plain: set(plain) }
}

/// What is left of `text` once the values are hidden.
fn shown(values: &[(&str, &str)], text: &str) -> String {
    shown_by(&MaskNames::default(), values, text)
}

fn shown_by(names: &MaskNames, values: &[(&str, &str)], text: &str) -> String {
    let mut sieve = Sieve::new(names);
    sieve.ours("shop-db");
    sieve.commit("0123456789abcdef0123456789abcdef01234567");
    values.iter().for_each(|(name, value)| sieve.value("web", name, value));
    sieve.done().mask().apply(text)
}

fn file(text: &str) -> Hidden {
    let names = MaskNames::default();
    let mut sieve = Sieve::new(&names);
    sieve.file("app.conf", text);
    sieve.done()
}

#[test]
fn what_is_named_as_a_secret_is_hidden_from_eight_characters_on() {
    assert_eq!(shown(&[("API_KEY", "swordfish")], "the key swordfish"), "the key ***");
    assert_eq!(shown(&[("DB_PASSWORD", "pässwörd")], "pässwörd"), "***");
    assert_eq!(shown(&[("API_KEY", "seven77")], "seven77"), "seven77");
    assert_eq!(
        shown(&[("BYPASS_CACHE", "swordfish"), ("KEYCLOAK_URL", "https://key.cloak")], "swordfish"),
        "swordfish"
    );
    assert_eq!(shown(&[("TLS_KEY", "line-one\nline-two-two")], "only line-two-two"), "only ***");
}

#[test]
fn passwords_in_urls_and_connection_strings_are_hidden_whatever_the_name() {
    let text = "cannot reach postgres://shop:hunter22@db/shop";
    assert_eq!(
        shown(&[("DATABASE_URL", "postgres://shop:hunter22@db/shop")], text),
        "cannot reach postgres://shop:***@db/shop"
    );
    assert_eq!(shown(&[("DATABASE_URL", "postgres://shop:short@db/shop")], "short"), "short");
    assert_eq!(shown(&[("DB", "Server=db;User Id=shop;Password=hunter22;")], "hunter22 of shop"), "*** of shop");
    assert_eq!(shown(&[("JAVA_OPTS", "-Xmx1g -Djavax.net.ssl.keyStorePassword=changeit8")], "changeit8"), "***");
}

#[test]
fn private_keys_are_hidden_whole_and_line_by_line() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQ==\n-----END PRIVATE KEY-----";
    for value in [key.to_string(), key.replace('\n', "\\n")] {
        let values = [("TLS", value.as_str())];
        assert_eq!(shown(&values, "MIIEvQIBADANBgkqhkiG9w0B"), "***");
        assert_eq!(shown(&values, "AQ=="), "***");
        assert_eq!(shown(&values, &value), "***");
    }
}

#[test]
fn commits_digests_public_keys_and_names_of_ours_are_no_guess() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = format!("registry.example.com/shop@{digest}");
    for (name, value) in [
        ("CACHE_KEY", "0123456789abcdef0123456789abcdef01234567"),
        ("CACHE_KEY", "0123456789ab"),
        ("IMAGE_KEY", digest.as_str()),
        ("IMAGE_KEY", image.as_str()),
        ("KEY_SHA256", "00112233445566778899aabbccddeeff"),
        ("KEY_FINGERPRINT", "00:11:22:33:44:55:66:77"),
        ("SSH_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ada"),
        ("TLS_KEY", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\n-----END PUBLIC KEY-----"),
        ("STRIPE_KEY", "pk_live_0123456789"),
        ("VAPID_PUBLIC_KEY", "BDd3_hVL9fZi9Ybo2UUzA284WG5FZR30"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/db_password"),
        ("DB_PASSWORD", "shop-db"),
    ] {
        assert_eq!(shown(&[(name, value)], value), value, "{name}");
    }
    // What looks like a digest but for its name is a key of `openssl rand -hex 32`.
    let hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    assert_eq!(shown(&[("SECRET_KEY", hex)], hex), "***");
}

#[test]
fn mask_hides_a_plain_word_and_plain_takes_a_guess_back() {
    let values =
        [("GREETING", "ahoy"), ("SORT_KEY", "created_at"), ("DB_PASSWORD", "production"), ("STAGE", "production")];
    let text = "ahoy created_at production";
    assert_eq!(shown(&values, text), "ahoy *** ***");
    assert_eq!(shown_by(&names(&["GREETING"], &["SORT_KEY"]), &values, text), "*** created_at ***");
    assert_eq!(shown_by(&names(&[], &["STAGE"]), &values, text), "ahoy *** production");
}

#[test]
fn files_are_looked_through_in_the_usual_formats() {
    let env = file("# API_KEY=commented1\nexport API_KEY=\"swordfish\"\nPORT=80808080\nSHORT_KEY=abc\n");
    assert_eq!(env.mask().apply("swordfish 80808080 commented1 abc"), "*** 80808080 commented1 abc");
    let json =
        file(r#"{"key": "welcome-message", "db": {"password": "hunt\"er22"}, "url": "amqp://a:bunny-bunny@mq"}"#);
    assert_eq!(json.mask().apply(r#"welcome-message hunt\"er22 bunny-bunny"#), "welcome-message *** ***");
    let yaml = file("db:\n  password: hunter22 # ours\n  user: application\nclientSecret: 'swordfish'\n");
    assert_eq!(yaml.mask().apply("hunter22 application swordfish"), "*** application ***");
    let npmrc = file("//registry.npmjs.org/:_authToken=npm_0123456789\n");
    assert_eq!(npmrc.mask().apply("npm_0123456789"), "***");
}

#[test]
fn a_guess_says_where_and_by_what_and_never_the_value() {
    let names = MaskNames::default();
    let mut sieve = Sieve::new(&names);
    sieve.value("web", "API_KEY", "swordfish");
    sieve.value("web", "DATABASE_URL", "postgres://shop:hunter22@db/shop");
    sieve.value("web", "DSN", "seven77");
    sieve.file("app.conf", "x, swordToken=hunter2222\nclient_secret: hunter22\n");
    let hidden = sieve.done();
    let told: Vec<_> = hidden.guesses().map(|guess| (guess.of.as_str(), guess.name.as_str(), guess.looks)).collect();
    let expected = [
        ("app.conf", "", Looks::Name),
        ("app.conf", "client_secret", Looks::Name),
        ("web", "API_KEY", Looks::Name),
        ("web", "DATABASE_URL", Looks::Password),
    ];
    assert_eq!(told, expected);
    let lines = hidden.told();
    assert_eq!(lines, ["app.conf: a password in it, client_secret", "web: API_KEY, DATABASE_URL (the password in it)"]);
}

#[test]
fn a_secret_that_was_declared_is_hidden_although_a_guess_would_not_be() {
    let names = names(&[], &["BANK"]);
    let mut sieve = Sieve::new(&names);
    sieve.declared("word");
    sieve.value("web", "BANK", "word");
    assert_eq!(sieve.done().mask().apply("a word"), "a ***");
}

#[test]
fn the_same_again_adds_nothing() {
    let mut hidden = file("api_key: swordfish\n");
    assert!(!hidden.add(&file("api_key: swordfish\n")));
    assert!(hidden.add(&file("api_key: another-one\n")));
    let mask = hidden.mask();
    assert_eq!(mask.apply("swordfish another-one"), "*** ***");
    assert_eq!(mask.and(&Mask::new(&[Secret::new("third-one")])).apply("third-one swordfish"), "*** ***");
}

#[test]
fn a_text_of_values_within_values_costs_no_more_than_it_is_long() {
    // Each line is many times as long as what may stand within it.
    let lines = [("a:", ""), ("A_KEY=", ""), ("?A_KEY=", ""), ("://u:", "@h"), ("KEY_FILE=/", ""), ("{\"", "a:a:")];
    for (piece, end) in lines {
        let text = piece.repeat((80 << 10) / piece.len()) + &end.repeat(if end.len() > 2 { 20_000 } else { 1 });
        let hidden = file(&text);
        let kept: usize = hidden.guessed.iter().map(String::len).sum();
        assert!(kept <= 2 * text.len(), "{piece}: {kept} of {}", text.len());
        let names = MaskNames::default();
        let mut sieve = Sieve::new(&names);
        sieve.value("web", "JAVA_OPTS", &text);
        let kept: usize = sieve.done().guessed.iter().map(String::len).sum();
        assert!(kept <= 2 * text.len(), "{piece}: {kept} of {} in a variable", text.len());
    }
    let nested = file("password=token=hunter22;secret=hunter33\n");
    assert_eq!(nested.mask().apply("token=hunter22;secret=hunter33"), "***");
}
