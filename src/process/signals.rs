//! What the kernel tells this process to do.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP: read the settings again, or start the renewed program.
    Renew,
}

/// What tells a supervisor to end, and to leave what serves on to the next one.
pub const LEAVE: rustix::process::Signal = rustix::process::Signal::USR2;

/// Waits for [`LEAVE`], which ends this process no more from now on.
pub fn told_to_leave() -> std::io::Result<impl Future<Output = ()>> {
    let mut leave = signal(SignalKind::user_defined2())?;
    Ok(async move {
        leave.recv().await;
    })
}

/// Signals that this process takes for itself from now on: none of them ends it any more.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Fails where the kernel lets no more signals be listened to, or outside of a runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next thing that it is told. Loses nothing where it is dropped before it returns.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Renew,
        }
    }

    /// Until it is told to end: a terminal that closes (SIGHUP) is no reason to.
    pub async fn told_to_end(&mut self) {
        while self.next().await != Told::End {}
    }
}
