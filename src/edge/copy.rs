//! Bytes from one connection to another, both ways, each side's end passed on.
//!
//! A connection that lies idle takes no memory for it: all of a worker's connections read into one buffer, and only what
//! the other side does not take at once is kept.

use crate::connections::{Watch, Wire};
use std::cell::RefCell;
use std::io::{Error, ErrorKind, Result};
use tokio::net::TcpStream;

/// At most so much is kept of a connection that is not read.
const MOST: usize = 48 * 1024;

thread_local! {
    /// Never used over an `await`.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a piece of work with the buffer came to.
enum Moved {
    /// Everything, or nothing was there.
    All,
    /// This is left to be written.
    Rest(Vec<u8>),
    End,
}

/// Ends when both sides have ended, or one breaks off.
pub async fn both_ways(client: &Wire, replica: &TcpStream) -> Result<()> {
    let watch = client.watch();
    let (up, down) = (one_way(client.stream(), replica, None), one_way(replica, client.stream(), Some(&watch)));
    tokio::try_join!(up, down).map(drop)
}

/// `watch`: of the reader, where it matters for how long it takes nothing.
async fn one_way(from: &TcpStream, to: &TcpStream, watch: Option<&Watch>) -> Result<()> {
    loop {
        // A connection that always has something to read lets others come, too.
        tokio::task::coop::consume_budget().await;
        from.readable().await?;
        match move_some(from, to) {
            Ok(Moved::All) => {}
            Ok(Moved::Rest(rest)) => write_all(to, &rest, watch).await?,
            Ok(Moved::End) => return shut_down(to),
            // Readiness was wrong, which only the next time tells.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn move_some(from: &TcpStream, to: &TcpStream) -> Result<Moved> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(MOST, 0);
        let count = from.try_read(buffer)?;
        if count == 0 {
            return Ok(Moved::End);
        }
        let mut written = 0;
        while written < count {
            match to.try_write(&buffer[written..count]) {
                Ok(0) => return Err(Error::from(ErrorKind::WriteZero)),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Moved::Rest(buffer[written..count].to_vec()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Moved::All)
    })
}

async fn write_all(to: &TcpStream, mut rest: &[u8], watch: Option<&Watch>) -> Result<()> {
    while !rest.is_empty() {
        watch.inspect(|watch| watch.write_waits());
        to.writable().await?;
        match to.try_write(rest) {
            Ok(0) => return Err(Error::from(ErrorKind::WriteZero)),
            Ok(count) => {
                watch.inspect(|watch| watch.write_went_on());
                rest = &rest[count..];
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Its reader hears of the end; the other direction goes on.
fn shut_down(to: &TcpStream) -> Result<()> {
    match socket2::SockRef::from(to).shutdown(std::net::Shutdown::Write) {
        // It has ended already.
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// More than all buffers on the way hold, to a reader that comes late; and the end of one side does not end the other.
    #[tokio::test]
    async fn everything_arrives_and_each_end_is_passed_on() {
        let ((mut client, near), (far, mut replica)) = (pair().await, pair().await);
        let copying = tokio::spawn(async move { both_ways(&Wire::new(near).0, &far).await });
        let sent: Vec<u8> = (0..20_000_000u32).map(|number| (number % 251) as u8).collect();
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let mut got = Vec::new();
        replica.read_to_end(&mut got).await.unwrap();
        assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
        replica.write_all(b"all of it").await.unwrap();
        drop(replica);
        assert_eq!(writing.await.unwrap(), b"all of it");
        copying.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_side_that_breaks_off_ends_it() {
        let ((client, near), (far, mut replica)) = (pair().await, pair().await);
        let copying = tokio::spawn(async move { both_ways(&Wire::new(near).0, &far).await });
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        assert!(copying.await.unwrap().is_err());
        assert_eq!(replica.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
}
