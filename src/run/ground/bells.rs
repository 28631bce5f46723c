//! What wakes the loops of the server.

use tokio::sync::Notify;

/// A bell that is rung while nobody listens is heard by the next one that does.
#[derive(Default)]
pub struct Bells {
    /// Deliveries wait to be judged.
    pub to_judge: Notify,
    /// Deployments wait to be begun.
    pub to_begin: Notify,
    /// Statuses wait to be sent.
    pub to_send: Notify,
    /// Hooks on the server wait to be told of something.
    pub to_run_hooks: Notify,
    /// Tips are to be compared with what was received.
    pub to_compare: Notify,
    /// Somebody promoted a canary.
    pub to_promote: Notify,
}
