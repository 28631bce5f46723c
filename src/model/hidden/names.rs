//! Whether a value's name says that it is a secret.

/// Words of a name that say so, wherever they stand in it.
const ANYWHERE: [&str; 14] = [
    "KEY",
    "KEYS",
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "DSN",
    "CREDENTIALS",
    "APIKEY",
    // Of PostgreSQL's own tools.
    "PGPASSWORD",
];
/// Words that say so at the end of a name, and something else at its beginning.
const AT_THE_END: [&str; 4] = ["PASS", "PWD", "PAT", "CREDENTIAL"];
/// What is made for everybody's eyes says so.
const PUBLIC: [&str; 2] = ["PUBLIC", "PUBLISHABLE"];
/// Names of a digest or of a commit, which are no secret where they look like one.
const DIGESTS: [&str; 6] = ["SHA", "DIGEST", "CHECKSUM", "FINGERPRINT", "COMMIT", "REVISION"];
/// Names of a place where a secret lies (`POSTGRES_PASSWORD_FILE`).
const PLACES: [&str; 4] = ["FILE", "PATH", "DIR", "FOLDER"];

/// Whether a name has a whole word that says so: `DB_PASSWORD` and `secretKey` do, `BYPASS_CACHE` and `KEYCLOAK_URL` do not.
/// Words end at anything that is no letter or digit, where small letters turn into capitals, and before a number at the end
/// (`API_KEY2`).
pub fn looks_secret(name: &str) -> bool {
    let words = words(name);
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    if words.iter().any(|word| is(&PUBLIC, word)) {
        return false;
    }
    // `PWD` alone is the folder that a program runs in.
    let ends = words.len() > 1 && words.last().is_some_and(|last| is(&AT_THE_END, last));
    ends || words.iter().any(|word| is(&ANYWHERE, word))
}

/// Whether a name says that its value is a digest or a commit.
pub(super) fn is_of_digest(name: &str) -> bool {
    words(name).last().is_some_and(|last| DIGESTS.contains(&last.as_str()))
}

/// Whether a name says that its value is where a file lies.
pub(super) fn is_of_place(name: &str) -> bool {
    words(name).last().is_some_and(|last| PLACES.contains(&last.as_str()))
}

/// In capitals, without a number at the end of each.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = before.is_lowercase() && c.is_uppercase();
        if (begins || !c.is_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_uppercase());
        }
        before = c;
    }
    for word in &mut words {
        word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_of_a_name_say_that_it_is_a_secret() {
        for name in [
            "KEY",
            "API_KEY",
            "SECRET_KEY_BASE",
            "API_KEY2",
            "GITHUB_TOKEN",
            "db_password",
            "DB_PASS",
            "MYSQL_PWD",
            "GITHUB_PAT",
            "SENTRY_DSN",
            "AWS_SECRET_ACCESS_KEY",
            "PGPASSWORD",
            "Jwt__SecretKey",
            "client-secret",
            "spring.datasource.password",
            "apiKey",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in [
            "",
            "BYPASS_CACHE",
            "KEYCLOAK_URL",
            "PWD",
            "PASS_THROUGH",
            "PATH",
            "KEYBOARD",
            "TOKENIZER_MODEL",
            "MONKEY",
            "VAPID_PUBLIC_KEY",
            "STRIPE_PUBLISHABLE_KEY",
            "NEXT_PUBLIC_TOKEN",
            "DATABASE_URL",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn names_of_digests_and_places_say_so() {
        assert!(is_of_digest("IMAGE_KEY_SHA256") && is_of_digest("KEY_FINGERPRINT") && !is_of_digest("API_KEY"));
        assert!(is_of_place("POSTGRES_PASSWORD_FILE") && is_of_place("KEY_PATH") && !is_of_place("FILE_KEY"));
    }
}
