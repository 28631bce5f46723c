//! WebSocket connections as far as the edge has to know them: where one frame from a replica ends, so that a connection
//! which has to end can be closed as RFC 6455 has it, instead of being cut in the middle.

use std::io::Result;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// A close frame with code 1001, "going away" (RFC 6455, 7.4.1): clients connect again.
const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xE9];
/// How long the client may take to answer it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
const BUFFER: usize = 16 * 1024;

/// Follows a stream of frames (RFC 6455, 5.2) from its first byte.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; 14],
    has: usize,
    /// Bytes of the frame's payload that are still to come.
    left: u64,
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let now = self.left.min(bytes.len() as u64);
                self.left -= now;
                bytes = &bytes[now as usize..];
                continue;
            }
            self.head[self.has] = bytes[0];
            self.has += 1;
            bytes = &bytes[1..];
            if let Some(payload) = self.payload() {
                (self.has, self.left) = (0, payload);
            }
        }
    }

    /// Once the whole head is there.
    fn payload(&self) -> Option<u64> {
        let second = *self.head[..self.has].get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (length, size) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(self.head[2..4].try_into().ok()?)), 2),
            127 => (u64::from_be_bytes(self.head[2..10].try_into().ok()?), 8),
            short => (u64::from(short), 0),
        };
        (self.has == 2 + size + mask).then_some(length)
    }

    /// A frame has ended, and the next has not begun.
    fn is_between(&self) -> bool {
        self.has == 0 && self.left == 0
    }
}

/// Bytes both ways until both sides have ended, or, once it is `goodbye`, until the client has answered that it closes.
pub async fn relay<C, R>(client: C, replica: R, goodbye: &CancellationToken) -> Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    R: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_replica, mut to_replica) = tokio::io::split(replica);
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_replica).await?;
        to_replica.shutdown().await
    };
    let down = async {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; BUFFER]);
        loop {
            let read = tokio::select! {
                read = from_replica.read(&mut buffer) => read?,
                () = goodbye.cancelled(), if frames.is_between() => {
                    to_client.write_all(&GOING_AWAY).await?;
                    // So that the client need not wait for our end of the connection either.
                    to_client.shutdown().await?;
                    return Ok(true);
                }
            };
            if read == 0 {
                to_client.shutdown().await?;
                return Ok::<bool, std::io::Error>(false);
            }
            frames.follow(&buffer[..read]);
            to_client.write_all(&buffer[..read]).await?;
        }
    };
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    let closed = tokio::select! {
        closed = &mut down => closed?,
        ended = &mut up => {
            ended?;
            return down.await.map(drop);
        }
    };
    match closed {
        true => tokio::time::timeout(ANSWERED_WITHIN, up).await.unwrap_or(Ok(())),
        false => up.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::duplex;

    fn frame(payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match payload {
            0..=125 => frame.push(mask | payload as u8),
            126..=0xFFFF => {
                frame.push(mask | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend(if masked { &[1, 2, 3, 4][..] } else { &[] });
        frame.extend(vec![0x88; payload]);
        frame
    }

    proptest! {
        /// However the bytes come, it is between two frames exactly where one has ended.
        #[test]
        fn the_ends_of_frames_are_found(
            payloads in proptest::collection::vec((prop_oneof![0usize..200, 65_000usize..66_000], any::<bool>()), 1..5),
            piece in 1usize..70_000,
        ) {
            let (mut all, mut ends) = (Vec::new(), vec![0]);
            for (payload, masked) in payloads {
                all.extend(frame(payload, masked));
                ends.push(all.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for bytes in all.chunks(piece) {
                prop_assert_eq!(frames.is_between(), ends.contains(&at));
                frames.follow(bytes);
                at += bytes.len();
            }
            prop_assert!(frames.is_between());
        }
    }

    #[tokio::test]
    async fn the_close_frame_comes_after_the_frame_that_is_under_way() {
        let (mut client, edge_client) = duplex(1024);
        let (mut replica, edge_replica) = duplex(1024);
        let goodbye = CancellationToken::new();
        let relayed = tokio::spawn({
            let goodbye = goodbye.clone();
            async move { relay(edge_client, edge_replica, &goodbye).await }
        });
        let whole = frame(10, false);
        replica.write_all(&whole[..5]).await.unwrap();
        let mut read = vec![0; 5];
        client.read_exact(&mut read).await.unwrap();
        goodbye.cancel();
        tokio::task::yield_now().await;
        replica.write_all(&whole[5..]).await.unwrap();
        let mut rest = vec![0; whole.len() - 5 + GOING_AWAY.len()];
        client.read_exact(&mut rest).await.unwrap();
        assert_eq!([read, rest].concat(), [&whole[..], &GOING_AWAY].concat());
        // The client's own close goes on to the replica.
        client.write_all(&frame(2, true)).await.unwrap();
        let mut answer = vec![0; frame(2, true).len()];
        replica.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, frame(2, true));
        drop(client);
        relayed.await.unwrap().unwrap();
    }
}
