//! One edge takes over from another without a moment in which nobody listens: the sockets themselves go from process
//! to process. The old one then serves what it has to its end, and the new one passes changes of the routes on to it.

use crate::model::EdgeAddress;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{Error, IoSlice, IoSliceMut, Read, Result, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the new edge waits for the sockets, in the edge's folder.
const SOCKET: &str = "hand-over.sock";
/// Each step of it is done within this time, or it does not take place.
const WITHIN: Duration = Duration::from_secs(10);
/// No edge has so many.
const LONGEST_OFFER: u32 = 1 << 20;
/// The new one serves.
const TAKEN: u8 = b'T';

/// What the old edge says before it sends the sockets, in this order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub addresses: Vec<EdgeAddress>,
    /// Where the old one can be asked from now on, until it has ended.
    pub control: PathBuf,
}

/// The new edge's side, while the old one still accepts.
pub struct Offered {
    pub sockets: Vec<(EdgeAddress, TcpListener)>,
    pub control: PathBuf,
    stream: UnixStream,
}

/// Where the new edge listens for the old one's offer.
pub fn wait_at(folder: &Path) -> Result<UnixListener> {
    wait_at_path(&folder.join(SOCKET))
}

pub fn wait_at_path(path: &Path) -> Result<UnixListener> {
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

impl Offered {
    /// Blocks until the old edge has sent its sockets over the connection that it made.
    pub fn receive(mut stream: UnixStream) -> Result<Self> {
        stream.set_nonblocking(false)?;
        limit(&stream)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > LONGEST_OFFER {
            return Err(Error::other("what it offers is not understood"));
        }
        let mut text = vec![0; length as usize];
        stream.read_exact(&mut text)?;
        let offer: Offer = serde_json::from_slice(&text)?;
        let mut sockets = Vec::new();
        for address in offer.addresses {
            sockets.push((address, receive_socket(&stream)?.into()));
        }
        Ok(Self { sockets, control: offer.control, stream })
    }

    /// From here on the old one accepts no more.
    pub fn taken(mut self) -> Result<()> {
        self.stream.write_all(&[TAKEN])
    }
}

/// The old edge's side: blocks until the new one serves. An error: it does not, and nothing has changed.
pub fn offer(folder: &Path, offer: &Offer, sockets: &[TcpListener]) -> Result<()> {
    offer_at(&folder.join(SOCKET), offer, sockets)
}

pub fn offer_at(path: &Path, offer: &Offer, sockets: &[TcpListener]) -> Result<()> {
    let mut stream = UnixStream::connect(path)?;
    limit(&stream)?;
    let text = serde_json::to_vec(offer)?;
    stream.write_all(&(text.len() as u32).to_be_bytes())?;
    stream.write_all(&text)?;
    for socket in sockets {
        send_socket(&stream, socket)?;
    }
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer == [TAKEN] { Ok(()) } else { Err(Error::other("the new edge's answer is not understood")) }
}

fn limit(stream: &UnixStream) -> Result<()> {
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))
}

/// A byte that carries the socket: reading a byte at a time, each comes with its own.
fn send_socket(stream: &UnixStream, socket: &TcpListener) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket.as_fd()];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(Error::other("a socket does not fit into its message"));
    }
    sendmsg(stream, &[IoSlice::new(b"S")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn receive_socket(stream: &UnixStream) -> Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut found = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    found.next().ok_or_else(|| Error::other("a socket did not arrive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_go_over_and_still_listen() {
        let folder = tempfile::tempdir().unwrap();
        let listener = wait_at(folder.path()).unwrap();
        let sockets: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<EdgeAddress> =
            sockets.iter().map(|socket| socket.local_addr().unwrap().to_string().parse().unwrap()).collect();
        let (path, offered) =
            (folder.path().to_path_buf(), Offer { addresses: addresses.clone(), control: "x".into() });
        let old = std::thread::spawn(move || offer(&path, &offered, &sockets));
        let taken = Offered::receive(listener.accept().unwrap().0).unwrap();
        for ((address, socket), expected) in taken.sockets.iter().zip(&addresses) {
            assert_eq!(address, expected);
            let client = std::net::TcpStream::connect(address.to_string()).unwrap();
            assert_eq!(socket.accept().unwrap().1, client.local_addr().unwrap());
        }
        taken.taken().unwrap();
        old.join().unwrap().unwrap();
    }

    #[test]
    fn an_edge_that_dies_in_the_middle_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let listener = wait_at(folder.path()).unwrap();
        let path = folder.path().to_path_buf();
        let old = std::thread::spawn(move || offer(&path, &Offer { addresses: vec![], control: "x".into() }, &[]));
        drop(Offered::receive(listener.accept().unwrap().0).unwrap());
        assert!(old.join().unwrap().is_err());
    }
}
