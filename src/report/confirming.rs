//! A forge that hung serves a request that got no answer when it goes on, maybe after the final that was sent since: the
//! commit would stay pending for ever. So a final that is sent while such a request is open is made sure of: it is sent once
//! more, which comes after whatever the forge was holding back, and then what the forge shows is read a few times. Where that
//! is something else, it is sent again.

use std::time::Duration;

/// How long after it was sent, and after each look, the next look comes. What a forge holds back it serves within the time
/// that its own workers and proxies give a request, a minute as a rule (nginx's `proxy_read_timeout`, gunicorn, puma).
const LOOKS: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

/// It is sent so often at most: two who go on setting the same status would never come to an end.
const MOST_SENT: u32 = 12;

/// What is to be done for it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirming {
    SendAgain,
    ReadBack,
}

impl Confirming {
    /// `done`: how much of it is done, beginning with 0.
    pub fn after(done: u32) -> Self {
        if done == 0 { Self::SendAgain } else { Self::ReadBack }
    }
}

/// How long to wait after what was done; `None` where it stands.
pub fn next(done: u32) -> Option<Duration> {
    match usize::try_from(done) {
        Ok(0) => Some(Duration::ZERO),
        Ok(done) => LOOKS.get(done - 1).copied(),
        Err(_) => None,
    }
}

/// Whether it may be sent once more, after so many times.
pub fn may_be_sent_again(sent: u32) -> bool {
    sent < MOST_SENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sent_again_and_then_looked_at_until_nothing_can_come_late() {
        let mut steps = Vec::new();
        let (mut done, mut waited) = (0, Duration::ZERO);
        while let Some(wait) = next(done) {
            waited += wait;
            steps.push((Confirming::after(done), waited.as_secs()));
            done += 1;
        }
        use Confirming::{ReadBack, SendAgain};
        assert_eq!(steps, [(SendAgain, 0), (ReadBack, 2), (ReadBack, 12), (ReadBack, 72)]);
    }
}
