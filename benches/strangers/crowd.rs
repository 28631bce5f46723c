//! The strangers, in a process of their own.

use futures_util::StreamExt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// Addresses of theirs: 127.0.1.1 and on. One has not enough ports for all.
const ADDRESSES: usize = 16;

/// A crowd, until it is dropped.
pub struct Crowd {
    process: Child,
    /// So many could connect.
    pub came: usize,
    _stdin: ChildStdin,
}

impl Crowd {
    /// Each says this, and reads nothing. Returns when all have come.
    pub fn of(count: usize, says: &[u8], at: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this binary"))
            .args(["crowd", &count.to_string(), at])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the crowd starts");
        let mut stdin = process.stdin.take().expect("its input");
        stdin.write_all(&[says.len() as u8]).and_then(|()| stdin.write_all(says)).expect("it hears what to say");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut line).expect("it says how many came");
        Self { process, came: line.trim().parse().unwrap_or_default(), _stdin: stdin }
    }
}

impl Crowd {
    /// All at once. How many they were stays known.
    pub fn leave(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leave();
    }
}

/// This process is the crowd, until its input ends.
pub fn be_one() {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments[2].parse().expect("a number");
    let at: SocketAddr = arguments[3].parse().expect("an address");
    let mut stdin = std::io::stdin().lock();
    let mut length = [0];
    stdin.read_exact(&mut length).expect("a length");
    let mut says = vec![0; length[0].into()];
    stdin.read_exact(&mut says).expect("what to say");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let connecting = futures_util::stream::iter(0..count).map(|number| connect(number, at, &says));
        let here: Vec<TcpStream> = connecting.buffer_unordered(64).filter_map(std::future::ready).collect().await;
        println!("{}", here.len());
        let _ = stdin.read_exact(&mut length);
        drop(here);
    });
}

async fn connect(number: usize, at: SocketAddr, says: &[u8]) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(4096).ok()?;
    socket.bind((Ipv4Addr::new(127, 0, 1, 1 + (number % ADDRESSES) as u8), 0).into()).ok()?;
    let mut stream = socket.connect(at).await.ok()?;
    stream.write_all(says).await.ok()?;
    Some(stream)
}
