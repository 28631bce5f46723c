//! Which ports of a replica speak TLS, as far as it was asked.

use std::collections::HashMap;
use std::time::Instant;

/// By port: the answer, and when it came. Behind it those that ask the same wait for one answer.
#[derive(Default)]
pub struct KnownTls(pub(super) tokio::sync::Mutex<HashMap<u16, (Option<bool>, Instant)>>);
