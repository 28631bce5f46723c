//! Thousands of connections of strangers, in a process of their own: this one could not have so many files open beside those
//! of its other stories, and neither would it be fair to measure what they share.

use futures_util::StreamExt as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// What the process is told to do: what each says, how many, where.
const TOLD: &str = "LAUNCHWAY_CROWD";
/// Addresses of theirs, 127.0.1.1 and on: one has not enough ports for all, and not everybody has one address.
const ADDRESSES: usize = 8;

/// A crowd, until it is dropped.
pub struct Crowd {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// So many could connect.
    pub came: usize,
}

impl Crowd {
    /// Each says this, and reads nothing. From the addresses 127.0.`net`.x.
    pub fn of(count: usize, says: &str, at: SocketAddr, net: u8) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["support::crowd::the_crowd_itself", "--exact", "--ignored", "--nocapture"])
            .env(TOLD, serde_json::to_string(&(says, count, at, net)).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (ask, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut crowd = Self { process, ask, answers, came: 0 };
        crowd.came = crowd.said("came");
        crowd
    }

    /// How many of them are still connected.
    pub fn still_here(&mut self) -> usize {
        writeln!(self.ask, "?").unwrap();
        self.said("here")
    }

    fn said(&mut self, word: &str) -> usize {
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the crowd has gone");
            // The test harness says things, too.
            if let Some(number) = line.trim().strip_prefix(&format!("CROWD {word} ")) {
                return number.parse().unwrap();
            }
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// No test: the process of a crowd.
#[tokio::test(flavor = "current_thread")]
#[ignore = "stories start it"]
async fn the_crowd_itself() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let (says, count, at, net): (String, usize, SocketAddr, u8) = serde_json::from_str(&told).unwrap();
    launchway::process::raise_file_limit();
    let connecting = futures_util::stream::iter(0..count).map(|number| connect(number, at, net, says.as_bytes()));
    let mut here: Vec<TcpStream> = connecting.buffer_unordered(64).filter_map(std::future::ready).collect().await;
    println!("CROWD came {}", here.len());
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(_)) = lines.next() {
        // An answer that waits to be read is no end. What the kernel has heard, the sockets know.
        tokio::task::yield_now().await;
        here.retain(|stream| !has_ended(stream));
        println!("CROWD here {}", here.len());
    }
}

async fn connect(number: usize, at: SocketAddr, net: u8, says: &[u8]) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    // It keeps little of what it does not read.
    socket.set_recv_buffer_size(4096).unwrap();
    let own = Ipv4Addr::new(127, 0, net, 1 + (number % ADDRESSES) as u8);
    socket.bind((own, 0).into()).ok()?;
    let mut stream = tokio::time::timeout(Duration::from_secs(20), socket.connect(at)).await.ok()?.ok()?;
    stream.write_all(says).await.ok()?;
    Some(stream)
}

fn has_ended(stream: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut asked = [PollFd::new(stream, PollFlags::RDHUP)];
    poll(&mut asked, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ended| ended > 0)
}
