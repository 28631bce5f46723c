//! Whose the things on the engine are: by this store's seal, or by what this store recorded of them.

use crate::model::{AnotherStore, Kind, Recorded, SealKey, label};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Labels as the engine has them, by their names.
pub type Labels = BTreeMap<String, String>;

/// As versions without seals did: what it makes is not sealed, and labels alone say what is its own. Only tests have it.
#[cfg(feature = "failpoints")]
pub static SEALS_NOTHING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[cfg(feature = "failpoints")]
fn seals_nothing() -> bool {
    SEALS_NOTHING.load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(not(feature = "failpoints"))]
fn seals_nothing() -> bool {
    false
}

/// A volume has no id: its name and when the engine made it, so that one that is made anew under the name is another.
pub fn volume_id(name: &str, created_at: Option<&str>) -> String {
    format!("{name} {}", created_at.unwrap_or_default())
}

/// What is known of something on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// This store's, with labels that are true.
    Ours(Labels),
    /// It has Launchway's labels, and this store does not know it.
    AnotherStores(AnotherStore),
    /// It has none of Launchway's labels; these are its own, as it has them.
    Others(Labels),
}

impl Whose {
    /// The labels that may decide something: none of what another store's thing says.
    pub fn into_labels(self) -> (Labels, Option<AnotherStore>) {
        match self {
            Whose::Ours(labels) | Whose::Others(labels) => (labels, None),
            Whose::AnotherStores(another) => (Labels::new(), Some(another)),
        }
    }
}

/// Shared by all that ask.
#[derive(Debug, Clone)]
pub struct Ownership {
    key: Arc<SealKey>,
    recorded: Arc<RwLock<HashMap<(Kind, String), Labels>>>,
}

impl Ownership {
    /// Nothing is recorded yet. `key` is the store's own.
    pub fn new(key: SealKey) -> Self {
        Self { key: Arc::new(key), recorded: Arc::default() }
    }

    /// Of a process without a store: what it seals nobody else recognises.
    pub fn of_nobody() -> Self {
        let mut key = [0; 32];
        let mut id = [0; 8];
        // Without randomness its seals could be guessed, and it would still find what it made itself.
        let _ = getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut id));
        Self::new(SealKey::new(hex::encode(id), key))
    }

    /// The key by which this store seals.
    pub fn key(&self) -> &SealKey {
        &self.key
    }

    /// These are this store's: it made them, or took them over.
    pub fn record(&self, things: impl IntoIterator<Item = Recorded>) {
        let mut recorded = self.recorded.write().unwrap_or_else(PoisonError::into_inner);
        recorded.extend(things.into_iter().map(|thing| ((thing.kind, thing.id), thing.labels)));
    }

    /// The labels, and the seal over them.
    pub fn sealed(&self, kind: Kind, mut labels: Labels) -> Labels {
        labels.remove(label::SEAL);
        if seals_nothing() {
            return labels;
        }
        let mut nonce = [0; 12];
        // A nonce that is not random only makes two seals of the same labels alike.
        let _ = getrandom::fill(&mut nonce);
        let seal = self.key.seal(kind, &labels, nonce);
        labels.insert(label::SEAL.into(), seal);
        labels
    }

    /// Whose a thing with these labels is. `id` as in [`Recorded`].
    pub fn whose(&self, kind: Kind, id: &str, labels: Labels) -> Whose {
        if self.key.is_own(kind, &labels) || seals_nothing() && AnotherStore::of_labels(&labels).is_some() {
            return Whose::Ours(said(labels));
        }
        let recorded = self.recorded.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(labels) = recorded.get(&(kind, id.to_string())) {
            return Whose::Ours(labels.clone());
        }
        match AnotherStore::of_labels(&labels) {
            Some(another) => Whose::AnotherStores(another),
            None => Whose::Others(labels.into_iter().filter(|(key, _)| !key.starts_with(label::OWN)).collect()),
        }
    }
}

/// A label of ours that is empty says nothing: so labels of an image are taken back at create.
fn said(labels: Labels) -> Labels {
    let is_ours = |key: &str| key.starts_with(label::OWN) || key.starts_with(label::COMPOSES);
    labels.into_iter().filter(|(key, value)| !(is_ours(key) && value.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn only_what_this_store_sealed_or_recorded_is_its_own() {
        let ours = Ownership::of_nobody();
        let wanted = labels(&[(label::PROJECT, "shop"), ("color", "blue")]);
        let sealed = ours.sealed(Kind::Container, wanted.clone());
        assert!(
            matches!(ours.whose(Kind::Container, "1", sealed.clone()), Whose::Ours(found) if found["color"] == "blue")
        );
        let theirs = Ownership::of_nobody().whose(Kind::Container, "1", sealed);
        let store = Some(ours.key().store().to_string());
        assert!(matches!(theirs, Whose::AnotherStores(another) if another.id == store && another.project == "shop"));

        assert!(matches!(ours.whose(Kind::Network, "2", wanted.clone()), Whose::AnotherStores(_)));
        let name = "n".to_string();
        ours.record([Recorded { kind: Kind::Network, id: "2".into(), name, labels: labels(&[(label::PROJECT, "a")]) }]);
        let Whose::Ours(found) = ours.whose(Kind::Network, "2", wanted.clone()) else { panic!() };
        assert_eq!(found, labels(&[(label::PROJECT, "a")]), "what was recorded is true, not what it says");
        assert!(matches!(ours.whose(Kind::Volume, "2", wanted), Whose::AnotherStores(_)));
    }

    #[test]
    fn a_label_in_our_namespace_alone_makes_nothing_anybodys() {
        let found = Ownership::of_nobody().whose(
            Kind::Container,
            "1",
            labels(&[(label::EDGE_ADDRESS_6, "::1"), (label::COMPOSE_PROJECT, "blog")]),
        );
        assert_eq!(found, Whose::Others(labels(&[(label::COMPOSE_PROJECT, "blog")])));
    }
}
