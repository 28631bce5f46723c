//! Work side by side, one piece at a time for each key.

use std::collections::HashMap;
use std::future::Future;
use tokio::task::{Id, JoinSet};

/// Running pieces of work, each with what it keeps busy. Dropping it ends them.
pub struct KeyedTasks<K> {
    running: JoinSet<()>,
    keys: HashMap<Id, K>,
}

impl<K: PartialEq> KeyedTasks<K> {
    /// Nothing is under way.
    pub fn new() -> Self {
        Self { running: JoinSet::new(), keys: HashMap::new() }
    }

    /// Whether work for this key is under way.
    pub fn is_busy(&self, key: &K) -> bool {
        self.keys.values().any(|busy| busy == key)
    }

    /// What is kept busy.
    pub fn busy(&self) -> impl Iterator<Item = &K> {
        self.keys.values()
    }

    /// For how many keys work is under way.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Begins work for a key; the caller has seen that none is under way for it.
    pub fn begin(&mut self, key: K, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(work).id();
        self.keys.insert(id, key);
    }

    /// Waits until a piece of work ends, also by a panic, and frees its key; waits for ever where nothing runs.
    pub async fn ended(&mut self) {
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.keys.remove(&id)),
            Some(Err(error)) => {
                tracing::error!(%error, "Background work broke off");
                self.keys.remove(&error.id());
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing runs any more.
    pub async fn all_ended(&mut self) {
        while self.len() > 0 {
            self.ended().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_free_again_when_its_work_ends_also_by_a_panic() {
        let mut lanes = KeyedTasks::new();
        lanes.begin("quick", async {});
        lanes.begin("panics", async { panic!("on purpose") });
        lanes.begin("hangs", std::future::pending());
        assert!(lanes.is_busy(&"quick") && lanes.is_busy(&"panics"));
        lanes.ended().await;
        lanes.ended().await;
        assert!(!lanes.is_busy(&"quick") && !lanes.is_busy(&"panics") && lanes.is_busy(&"hangs"));
    }
}
