//! Names of which one piece of work at a time makes something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Names that somebody works with: whoever wants one of them waits until it is let go.
#[derive(Default)]
pub struct HeldNames(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl HeldNames {
    /// Once nobody else has it. It is held until dropped.
    pub async fn hold(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|_, held| held.strong_count() > 0);
            let held = names.get(name).and_then(Weak::upgrade);
            held.unwrap_or_else(|| {
                let fresh = Arc::new(tokio::sync::Mutex::new(()));
                names.insert(name.to_string(), Arc::downgrade(&fresh));
                fresh
            })
        };
        lock.lock_owned().await
    }

    /// The same of several, in the same order for everybody, so that no two wait for each other.
    pub async fn hold_all(&self, mut names: Vec<String>) -> Vec<OwnedMutexGuard<()>> {
        names.sort();
        names.dedup();
        let mut held = Vec::new();
        for name in names {
            held.push(self.hold(&name).await);
        }
        held
    }
}
