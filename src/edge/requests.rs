//! What a client of HTTP/1 sends, on its way to hyper: heads, which are looked at, and bodies, which pass. Pure.

use super::aside::{Aside, CHANGED, UNDECIDED};
use super::framing::{BodyLeft, BodySeen};
use super::refusal::{LONGEST_HEAD, Refusal};
use super::request_head::{self, TakenHead};
use tokio::io::ReadBuf;

/// HTTP/2 without TLS begins so.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// In place of a head that is refused. No client can send this target (`target`), and it asks for nothing.
const REFUSED: &[u8] = b"GET /\xc4\x80 HTTP/1.1\r\nhost: refused\r\n\r\n";
/// hyper is given at most so much at once: it makes its buffer larger for whoever fills it.
pub(super) const AT_ONCE: usize = 32 * 1024 - 1;
/// What a client sends, on its way to hyper.
pub(super) struct Requests {
    pub(super) expects: Expects,
    /// What came and has not been looked at: the beginning of a head, mostly empty.
    pub(super) came: Vec<u8>,
    /// So much of it holds no end of a head.
    seen: usize,
    /// What hyper gets next.
    pub(super) given: Vec<u8>,
    /// A request is under way that asks to change the protocol: what follows is not looked at until it is answered.
    asks_to_upgrade: bool,
    pub(super) discarded: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    Beginning,
    Head,
    Body(BodyLeft),
    /// The answer to a request that asks to change the protocol.
    Answer,
    /// Whatever comes passes.
    Anything,
    /// Nothing more: the last head was refused.
    Nothing,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            expects: Expects::Beginning,
            came: Vec::new(),
            seen: 0,
            given: Vec::new(),
            asks_to_upgrade: false,
            discarded: 0,
        }
    }

    /// Looks at what came, until there is something to give or more is needed.
    pub(super) fn look(&mut self, aside: &Aside) {
        while self.given.is_empty() && !self.came.is_empty() {
            match self.expects {
                Expects::Beginning if PREFACE.starts_with(&self.came) && self.came.len() < PREFACE.len() => return,
                Expects::Beginning if self.came.starts_with(PREFACE) => self.expects = Expects::Anything,
                Expects::Beginning => self.expects = Expects::Head,
                Expects::Head => {
                    if !self.look_at_head(aside) {
                        return;
                    }
                }
                Expects::Body(body) => {
                    let came = std::mem::take(&mut self.came);
                    let count = self.see(body, &came);
                    self.came = came;
                    self.give(count);
                }
                Expects::Answer => match aside.became() {
                    UNDECIDED => return,
                    CHANGED => self.expects = Expects::Anything,
                    _ => self.expects = Expects::Head,
                },
                Expects::Anything => self.give(self.came.len()),
                Expects::Nothing => self.came = Vec::new(),
            }
        }
    }

    fn give(&mut self, count: usize) {
        match count >= self.came.len() {
            true => self.given = std::mem::take(&mut self.came),
            false => self.given = self.came.drain(..count).collect(),
        }
    }

    /// `false`: it is not all there.
    fn look_at_head(&mut self, aside: &Aside) -> bool {
        let blank = self.came.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            self.came.drain(..blank);
            self.seen = 0;
        }
        let read = match request_head::end(&self.came, self.seen) {
            Some(end) => request_head::read(&self.came[..end]).map(|head| (head, end)),
            None if self.came.len() > LONGEST_HEAD => Err(Refusal::HeadTooLong),
            None => {
                self.seen = self.came.len();
                return false;
            }
        };
        self.seen = 0;
        match read {
            Ok((TakenHead { bytes, body, asks_to_upgrade }, end)) => {
                self.given = bytes.into_owned();
                self.came.drain(..end);
                self.begin(BodyLeft::of(body), asks_to_upgrade, aside);
            }
            Err(refusal) => {
                aside.refuse(refusal);
                self.given = REFUSED.to_vec();
                self.came = Vec::new();
                self.expects = Expects::Nothing;
            }
        }
        true
    }

    fn begin(&mut self, body: Option<BodyLeft>, asks_to_upgrade: bool, aside: &Aside) {
        self.asks_to_upgrade = asks_to_upgrade;
        if asks_to_upgrade {
            aside.await_answer();
        }
        self.expects = match body {
            Some(body) => Expects::Body(body),
            None => self.behind_body(),
        };
    }

    fn behind_body(&self) -> Expects {
        if self.asks_to_upgrade { Expects::Answer } else { Expects::Head }
    }

    /// How many of these bytes are the body's.
    pub(super) fn see(&mut self, body: BodyLeft, bytes: &[u8]) -> usize {
        match body.see(bytes) {
            BodySeen::More(more) => self.expects = Expects::Body(more),
            BodySeen::End(count) => {
                self.expects = self.behind_body();
                return count;
            }
            // hyper finds the same, and ends the connection.
            BodySeen::Lost => self.expects = Expects::Anything,
        }
        bytes.len()
    }

    /// Hands over what there is to give.
    pub(super) fn fill(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.given.len().min(buf.remaining()).min(AT_ONCE);
        buf.put_slice(&self.given[..count]);
        match count == self.given.len() {
            true => self.given = Vec::new(),
            false => drop(self.given.drain(..count)),
        }
    }
}
