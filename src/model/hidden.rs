//! Which of an environment's values are secret, so that nothing shows them.
//!
//! Two kinds. What somebody declared is hidden always: `secrets` and `mask` of launchway.toml, `secrets` of the Compose file.
//! What only looks secret is a guess: a name with a whole word that says so, the password in a URL, a PEM private key. A guess
//! has at least 8 characters, and is no digest, commit, public key or name of ours. `plain` of launchway.toml takes it back.

mod found;
mod names;
mod of_stack;
mod pairs;

pub use names::looks_secret;

use super::{Mask, Secret};
use found::{passwords_in_urls, private_keys};
use names::{is_of_digest, is_of_place};
use pairs::{Pair, pairs, pairs_within};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What launchway.toml says of values by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskNames {
    /// Hidden always, whatever they look like.
    pub mask: BTreeSet<String>,
    /// Never taken for secret by a guess.
    pub plain: BTreeSet<String>,
}

/// By what a value was taken for secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looks {
    Name,
    /// The password in a URL, and in what else names it so.
    Password,
    PrivateKey,
}

/// A value that was taken for secret though nobody declared it. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Guess {
    /// The component that gets it, or the file that it stands in.
    pub of: String,
    /// The variable or key; empty for the file itself.
    pub name: String,
    pub looks: Looks,
}

/// What of all values is secret.
#[derive(Debug, Clone, Default)]
pub struct Hidden {
    declared: BTreeSet<String>,
    /// Pieces of text, each as it is.
    guessed: BTreeSet<String>,
    guesses: BTreeSet<Guess>,
}

impl Hidden {
    /// What hides all of it.
    pub fn mask(&self) -> Mask {
        let declared: Vec<Secret> = self.declared.iter().map(Secret::new).collect();
        Mask::new(&declared).and(&Mask::of_pieces(self.guessed.iter().cloned()))
    }

    /// What was guessed, by name and without any value.
    pub fn guesses(&self) -> impl Iterator<Item = &Guess> {
        self.guesses.iter()
    }

    /// The same as sentences, one for each component or file: `web: API_KEY, DATABASE_URL (the password in it)`.
    pub fn told(&self) -> Vec<String> {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for Guess { of, name, looks } in &self.guesses {
            let what = match (looks, name.is_empty()) {
                (Looks::Name, false) => name.clone(),
                (Looks::Name | Looks::Password, true) => "a password in it".to_string(),
                (Looks::Password, false) => format!("{name} (the password in it)"),
                (Looks::PrivateKey, true) => "the private key in it".to_string(),
                (Looks::PrivateKey, false) => format!("{name} (the private key in it)"),
            };
            match lines.last_mut().filter(|(last, _)| last == of) {
                Some((_, line)) => line.push_str(&format!(", {what}")),
                None => lines.push((of, what)),
            }
        }
        lines.into_iter().map(|(of, line)| format!("{of}: {line}")).collect()
    }

    /// Adds what another one hides. Whether anything was new.
    pub fn add(&mut self, other: &Hidden) -> bool {
        let before = (self.declared.len(), self.guessed.len());
        self.declared.extend(other.declared.iter().cloned());
        self.guessed.extend(other.guessed.iter().cloned());
        self.guesses.extend(other.guesses.iter().cloned());
        before != (self.declared.len(), self.guessed.len())
    }
}

/// Shorter values are not guessed to be secret: too much else reads so.
const SHORTEST_GUESS: usize = 8;
/// So many digits of a commit's id stand for it.
const SHORT_COMMIT: usize = 7;

/// Looks at values one after the other.
pub struct Sieve<'a> {
    names: &'a MaskNames,
    /// Names and ids of ours: whoever sets one as a password would hide it everywhere.
    ours: BTreeSet<String>,
    commits: BTreeSet<String>,
    hidden: Hidden,
    /// What stands under a name that is plain.
    plain: BTreeSet<String>,
}

impl<'a> Sieve<'a> {
    /// Nothing was looked through yet; `names` says what somebody decided.
    pub fn new(names: &'a MaskNames) -> Self {
        Self {
            names,
            ours: BTreeSet::new(),
            commits: BTreeSet::new(),
            hidden: Hidden::default(),
            plain: BTreeSet::new(),
        }
    }

    /// A name or id of ours, which is never guessed to be secret.
    pub fn ours(&mut self, name: impl Into<String>) {
        self.ours.insert(name.into());
    }

    /// The full id of a commit, which is never guessed to be secret, nor are its first digits.
    pub fn commit(&mut self, id: impl Into<String>) {
        self.commits.insert(id.into());
    }

    /// Something that is secret whatever it looks like.
    pub fn declared(&mut self, value: &str) {
        self.hidden.declared.insert(value.to_string());
    }

    fn is_plain(&self, name: &str) -> bool {
        self.names.plain.contains(name)
    }

    /// Something that is no secret, whatever it looks like.
    fn plain(&mut self, value: &str) {
        self.plain.insert(value.trim().to_string());
    }

    /// A value under its name. `of`: who gets it.
    pub fn value(&mut self, of: &str, name: &str, value: &str) {
        if self.names.mask.contains(name) {
            return self.declared(value);
        }
        if self.is_plain(name) {
            return self.plain(value);
        }
        let looks_so = looks_secret(name) && !self.is_no_secret(name, value);
        if looks_so {
            self.guess_whole(value);
            self.guessed_by(of, name, Looks::Name);
        }
        self.within(of, name, value);
        let mut last: Option<Pair<'_>> = None;
        for pair in pairs_within(value) {
            if last.is_some_and(|last| pair.is_within(&last)) || !self.is_secret(&pair) {
                continue;
            }
            last = Some(pair);
            if self.guess(pair.value()) && !looks_so {
                self.guessed_by(of, name, Looks::Password);
            }
        }
    }

    /// Values by name.
    pub fn values<'v>(&mut self, of: &str, values: impl IntoIterator<Item = (&'v String, &'v String)>) {
        for (name, value) in values {
            self.value(of, name, value);
        }
    }

    /// The text of a file, of whatever format. `of` is its path or key.
    pub fn file(&mut self, of: &str, text: &str) {
        if self.names.mask.contains(of) {
            return self.declared(text);
        }
        if self.is_plain(of) {
            return;
        }
        self.within(of, "", text);
        // What lies within a value that is hidden is hidden with it.
        let mut last: Option<Pair<'_>> = None;
        for pair in pairs(text) {
            if last.is_some_and(|last| pair.is_within(&last)) {
                continue;
            }
            if self.names.mask.contains(pair.name) {
                last = Some(pair);
                self.declared(pair.value());
            } else if self.is_plain(pair.name) {
                last = Some(pair);
                self.plain(pair.value());
            } else if self.is_secret(&pair) {
                last = Some(pair);
                self.guess_whole(pair.value());
                // What stands in the middle of a line may be a piece of a value instead of a name.
                let name = if pair.begins_line { pair.name } else { "" };
                self.guessed_by(of, name, Looks::Name);
            }
        }
    }

    /// What is secret in a text whatever its name: private keys, passwords in URLs.
    pub fn within(&mut self, of: &str, name: &str, text: &str) {
        for password in passwords_in_urls(text) {
            if self.guess(&password) {
                self.guessed_by(of, name, Looks::Password);
            }
        }
        let keys = private_keys(text);
        if !keys.is_empty() {
            self.guessed_by(of, name, Looks::PrivateKey);
        }
        // The last line of a key is as short as it happens to be.
        self.hidden.guessed.extend(keys);
    }

    /// What is to be hidden, once all was looked through.
    pub fn done(mut self) -> Hidden {
        self.hidden.guessed.retain(|piece| !self.plain.contains(piece));
        self.hidden
    }

    fn guessed_by(&mut self, of: &str, name: &str, looks: Looks) {
        self.hidden.guesses.insert(Guess { of: of.to_string(), name: name.to_string(), looks });
    }

    /// A bare `key` is the word for the name of anything.
    fn is_secret(&self, pair: &Pair<'_>) -> bool {
        let is_bare = pair.name.eq_ignore_ascii_case("key") || pair.name.eq_ignore_ascii_case("keys");
        looks_secret(pair.name) && !is_bare && !self.is_no_secret(pair.name, pair.value())
    }

    /// All of it, and each line.
    fn guess_whole(&mut self, value: &str) {
        self.guess(value);
        if value.trim().contains('\n') {
            for line in value.lines() {
                self.guess(line);
            }
        }
    }

    /// Whether it is long enough.
    fn guess(&mut self, piece: &str) -> bool {
        let piece = piece.trim();
        let is_guess = piece.chars().count() >= SHORTEST_GUESS && !self.is_ours(piece) && !piece.starts_with("-----");
        if is_guess {
            self.hidden.guessed.insert(piece.to_string());
        }
        is_guess
    }

    fn is_ours(&self, value: &str) -> bool {
        let is_of = |commit: &String| {
            value.len() >= SHORT_COMMIT
                && commit.get(..value.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(value))
        };
        self.ours.contains(value) || self.commits.iter().any(is_of)
    }

    fn is_no_secret(&self, name: &str, value: &str) -> bool {
        let value = value.trim();
        value.chars().count() < SHORTEST_GUESS
            || self.is_ours(value)
            || is_digest(value)
            || (is_of_digest(name) && value.chars().all(|c| c.is_ascii_hexdigit() || c == ':'))
            || (is_of_place(name) && value.starts_with(['/', '.', '~']) && !value.contains(char::is_whitespace))
            || is_public(value)
    }
}

/// `sha256:...`, alone or behind the name of an image.
fn is_digest(value: &str) -> bool {
    let digest = value.rsplit_once('@').map_or(value, |(_, digest)| digest);
    let Some((algorithm, digits)) = digest.split_once(':') else { return false };
    matches!(algorithm, "sha1" | "sha256" | "sha384" | "sha512")
        && digits.len() >= 40
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A public key or a certificate, by how they begin.
fn is_public(value: &str) -> bool {
    const BEGINNINGS: [&str; 8] =
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-", "age1", "pk_live_", "pk_test_", "-----BEGIN "];
    BEGINNINGS.iter().any(|begin| value.starts_with(begin)) && !value.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests;
