//! A panic, of a library or of ours, ends the piece of work that it was in and nothing else: whoever waits for that work
//! hears of it as of any other failure, and what goes on for ever begins again.
//!
//! Locks are never lost to it: whoever takes one takes it poisoned or not, and what it guards is changed in one step.

use crate::model::{Quoted, last_words};
use futures_util::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long work that goes on for ever rests after it broke off.
const REST: Duration = Duration::from_secs(1);

/// A piece of work broke off in the middle. What exactly it met stands in the server's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Launchway itself failed at it ({}); its log says where", Quoted(.0))]
pub struct Broke(pub String);

/// Carries a piece of work out; a panic in it is its failure. What the work has changed in memory is not looked at again:
/// whoever goes on reads the store.
///
/// # Errors
/// The work panicked.
pub fn contained<'w, T: 'w>(
    work: impl Future<Output = T> + Send + 'w,
) -> impl Future<Output = Result<T, Broke>> + Send + 'w {
    // Boxed before it is waited for: a deployment's whole flow would be moved from stack to stack otherwise.
    let work = work.boxed();
    async move { AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| Broke(last_words(panic.as_ref()).to_string())) }
}

/// Carries work out that goes on until the process ends, and begins it anew where it broke off.
pub async fn going_on<W: Future<Output = ()> + Send>(
    stop: CancellationToken,
    what: &'static str,
    begin: impl Fn() -> W,
) {
    while let Err(broke) = contained(begin()).await {
        tracing::error!(error = %broke, "{what}: it broke off, and begins again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(REST) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plain;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_panic_is_the_failure_of_the_work_that_it_was_in() {
        assert_eq!(contained(async { 7 }).await, Ok(7));
        let broke = contained(async { "no".parse::<u8>().map(drop).unwrap() }).await.unwrap_err();
        let broke = plain(&broke.to_string()).into_owned();
        assert!(broke.starts_with("Launchway itself failed at it (called `Result::unwrap()`"), "{broke}");
    }

    #[tokio::test]
    async fn work_that_goes_on_for_ever_begins_again() {
        let begun = AtomicU32::new(0);
        let work = || async {
            assert!(begun.fetch_add(1, Ordering::Relaxed) == 1, "on purpose");
        };
        going_on(CancellationToken::new(), "a test", work).await;
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_does_not_begin_again_where_the_process_ends() {
        let stop = CancellationToken::new();
        stop.cancel();
        going_on(stop, "a test", || async { panic!("on purpose") }).await;
    }
}
