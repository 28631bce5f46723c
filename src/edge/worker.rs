//! What a worker has that its connections share.

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio_util::task::TaskTracker;

pub struct Worker {
    pub index: usize,
    /// Every connection of clients, upgraded ones too.
    pub connections: TaskTracker,
    pub http: auto::Builder<TokioExecutor>,
}
