//! Whose something on the engine is. A label is a claim that an image, a Dockerfile or anybody with the engine can make;
//! a seal is a label that only this store can have written.

use super::label;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;

/// What a label stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Container,
    Network,
    Volume,
}

impl Kind {
    /// The word in the store and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Network => "network",
            Kind::Volume => "volume",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Kind::Container, Kind::Network, Kind::Volume].into_iter().find(|kind| kind.word() == word)
    }
}

/// Labels by which anything is decided. The name is not among them, as containers are renamed, nor are addresses, which
/// the engine itself knows.
const SEALED: [&str; 17] = [
    label::PROJECT,
    label::ENVIRONMENT,
    label::COMPONENT,
    label::ROLE,
    label::RELEASE,
    label::DEPLOYMENT,
    label::FINGERPRINT,
    label::FRONTED,
    label::CONTENT,
    label::FILLS,
    label::COMPOSE_PROJECT,
    label::COMPOSE_SERVICE,
    label::COMPOSE_NUMBER,
    label::COMPOSE_ONEOFF,
    label::COMPOSE_CONFIG_HASH,
    label::COMPOSE_NETWORK,
    label::COMPOSE_VOLUME,
];

/// Something on the engine that a store recorded as its own by the engine's id: made by an earlier version, which had no
/// seals, or adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub kind: Kind,
    /// The engine's id of a container or network; of a volume its name and when it was created.
    pub id: String,
    pub name: String,
    /// The labels that are true of it. They are believed in the place of those that it carries, which cannot be changed.
    pub labels: BTreeMap<String, String>,
}

/// The first part of a seal, so that another form can follow one day.
const VERSION: &str = "v1";
const NONCE_BYTES: usize = 12;

/// Who a store is, and what it seals with. Both are made once, at random, and kept in the store.
#[derive(Clone)]
pub struct SealKey {
    store: String,
    key: [u8; 32],
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("store", &self.store).finish_non_exhaustive()
    }
}

impl SealKey {
    /// `store` is the store's id: letters and digits.
    pub fn new(store: impl Into<String>, key: [u8; 32]) -> Self {
        Self { store: store.into(), key }
    }

    /// The id of the store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The value of [`label::SEAL`] for a thing with these labels: `v1:<store id>:<nonce>:<64 hex digits>`.
    pub fn seal(&self, kind: Kind, labels: &BTreeMap<String, String>, nonce: [u8; NONCE_BYTES]) -> String {
        let nonce = hex::encode(nonce);
        let mac = self.mac(kind, labels, &nonce).finalize().into_bytes();
        format!("{VERSION}:{}:{nonce}:{}", self.store, hex::encode(mac))
    }

    /// Whether this store sealed exactly these labels. Compared in constant time.
    pub fn is_own(&self, kind: Kind, labels: &BTreeMap<String, String>) -> bool {
        let Some(seal) = labels.get(label::SEAL) else { return false };
        let parts: Vec<&str> = seal.split(':').collect();
        let [VERSION, store, nonce, mac] = parts[..] else { return false };
        let Ok(mac) = hex::decode(mac) else { return false };
        store == self.store && self.mac(kind, labels, nonce).verify_slice(&mac).is_ok()
    }

    /// A name that nobody can guess who has not this key: the first 16 hex digits of a MAC over `text`.
    pub fn secret_name(&self, text: &str) -> String {
        let mut mac = self.keyed();
        part(&mut mac, "name");
        part(&mut mac, text);
        hex::encode(&mac.finalize().into_bytes()[..8])
    }

    fn keyed(&self) -> Hmac<Sha256> {
        // HMAC takes a key of any length (RFC 2104), so this cannot fail.
        Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| unreachable!("HMAC takes any key"))
    }

    /// Every part with its length before it, so that no two lists of parts are one text. What is absent counts as empty.
    fn mac(&self, kind: Kind, labels: &BTreeMap<String, String>, nonce: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed();
        for text in ["seal", VERSION, self.store.as_str(), kind.word(), nonce] {
            part(&mut mac, text);
        }
        for key in SEALED {
            part(&mut mac, key);
            part(&mut mac, labels.get(key).map(String::as_str).unwrap_or_default());
        }
        mac
    }
}

fn part(mac: &mut Hmac<Sha256>, text: &str) {
    mac.update(&(text.len() as u64).to_be_bytes());
    mac.update(text.as_bytes());
}

/// The id of the store that a seal claims to be of.
pub fn store_of(seal: &str) -> Option<&str> {
    let mut parts = seal.split(':');
    let store = parts.next().filter(|version| *version == VERSION).and(parts.next())?;
    let is_id = !store.is_empty() && store.len() <= 64 && store.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> SealKey {
        SealKey::new("abc1", [7; 32])
    }

    fn labels() -> BTreeMap<String, String> {
        let pairs = [(label::PROJECT, "shop"), (label::FINGERPRINT, "v1:00"), ("color", "blue")];
        pairs.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn sealed(kind: Kind) -> BTreeMap<String, String> {
        let mut labels = labels();
        labels.insert(label::SEAL.into(), key().seal(kind, &labels, [1; 12]));
        labels
    }

    #[test]
    fn a_seal_holds_for_its_store_its_kind_and_its_labels_alone() {
        let sealed = sealed(Kind::Container);
        assert!(key().is_own(Kind::Container, &sealed));
        assert!(!key().is_own(Kind::Volume, &sealed));
        assert!(!SealKey::new("abc1", [8; 32]).is_own(Kind::Container, &sealed));
        assert!(!SealKey::new("abc2", [7; 32]).is_own(Kind::Container, &sealed));
        let mut another = sealed.clone();
        another.insert("color".into(), "red".into());
        assert!(key().is_own(Kind::Container, &another), "by what nothing is decided may differ");
        another.insert(label::ROLE.into(), String::new());
        assert!(key().is_own(Kind::Container, &another), "an empty label says nothing");
        for key_of_label in SEALED {
            let mut forged = sealed.clone();
            forged.insert(key_of_label.into(), "forged".into());
            assert!(!key().is_own(Kind::Container, &forged), "{key_of_label}");
        }
    }

    #[test]
    fn a_seal_says_of_which_store_it_is() {
        assert_eq!(store_of(&sealed(Kind::Volume)[label::SEAL]), Some("abc1"));
        for wrong in ["", "v1", "v1:", "v2:abc1:0:0", "v1:a b:0:0", "v1:\u{1b}[31m:0:0"] {
            assert_eq!(store_of(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_the_seal_itself_is_one(text in "\\PC{0,120}") {
            let mut labels = labels();
            labels.insert(label::SEAL.into(), text);
            prop_assert!(!key().is_own(Kind::Container, &labels));
        }
    }
}
