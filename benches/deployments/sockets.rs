//! WebSockets that stay open and exchange a message now and then; opened again when the other side closes them.

use super::app::ON_PURPOSE;
use super::load::{Book, Class, Outcome, PATIENCE, chain};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

/// Open at once, to each environment.
pub const SOCKETS: usize = 4;
/// How often each sends a message.
pub const EVERY: Duration = Duration::from_secs(1);
/// An echo comes within this time, unless the socket ends.
const ECHO: Duration = Duration::from_secs(10);
const FAREWELL: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TcpStream>;

struct Sitter {
    method: usize,
    port: u16,
    book: Arc<Book>,
}

/// How a socket came to its end.
enum End {
    /// By a close frame with such a code.
    Closed(CloseCode),
    Cut(String),
}

pub async fn stay(method: usize, port: u16, number: usize, book: Arc<Book>, stop: CancellationToken) {
    let sitter = Sitter { method, port, book };
    let mut due = Instant::now() + EVERY.mul_f64((number as f64 + 0.5) / SOCKETS as f64);
    let mut socket: Option<Socket> = None;
    let mut count = 0u64;
    loop {
        // Whoever is closed comes again at once, like a page does.
        let Some(open) = &mut socket else {
            tokio::select! {
                opened = sitter.open(due) => socket = opened,
                () = stop.cancelled() => return,
            }
            if socket.is_none() {
                // One failure is told for each message that was due.
                due = due.max(Instant::now()) + EVERY;
                tokio::select! {
                    () = sleep_until(due - EVERY / 2) => {}
                    () = stop.cancelled() => return,
                }
            }
            continue;
        };
        let end = tokio::select! {
            () = stop.cancelled() => {
                let _ = timeout(FAREWELL, open.close(None)).await;
                return;
            }
            () = sleep_until(due) => {
                count += 1;
                match timeout(ECHO, echo(open, count)).await {
                    Ok(Ok(())) => {
                        sitter.book.note(Class::WebSocket, method, due, Outcome::Good);
                        due += EVERY;
                        continue;
                    }
                    // The message goes through the next socket, and has waited since it was due.
                    Ok(Err(end)) => end,
                    Err(_) => {
                        let why = format!("no echo within {ECHO:?}");
                        sitter.book.note(Class::WebSocket, method, due, Outcome::Failed(why.clone()));
                        due += EVERY;
                        End::Cut(why)
                    }
                }
            }
            end = listen(open) => end,
        };
        if let Some(mut ended) = socket.take() {
            sitter.note(&end);
            let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = ended.next().await {} }).await;
        }
    }
}

impl Sitter {
    /// `None` after a failure, which is noted.
    async fn open(&self, due: Instant) -> Option<Socket> {
        let opening = async {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| error.to_string())?;
            let _ = stream.set_nodelay(true);
            let url = format!("ws://127.0.0.1:{}/ws", self.port);
            match tokio_tungstenite::client_async(url, stream).await {
                Ok((socket, _)) => Ok(Some(socket)),
                Err(tungstenite::Error::Http(answer)) if answer.headers().contains_key(ON_PURPOSE) => Ok(None),
                Err(tungstenite::Error::Http(answer)) => Err(answer.status().to_string()),
                Err(error) => Err(chain(&error)),
            }
        };
        // What is not due yet has not failed before it is.
        let noted = due.min(Instant::now());
        let outcome = match timeout_at(Instant::now() + PATIENCE, opening).await {
            Ok(Ok(Some(socket))) => {
                self.book.sockets(|sockets| sockets.opened += 1);
                return Some(socket);
            }
            Ok(Ok(None)) => Outcome::OnPurpose,
            Ok(Err(why)) => Outcome::Failed(format!("not opened: {why}")),
            Err(_) => Outcome::Failed(format!("not opened within {PATIENCE:?}")),
        };
        self.book.note(Class::WebSocket, self.method, noted, outcome);
        None
    }

    fn note(&self, end: &End) {
        self.book.sockets(|sockets| match end {
            End::Closed(CloseCode::Away | CloseCode::Normal) => sockets.closed += 1,
            End::Closed(code) => sockets.cut.push((self.method, Instant::now(), format!("closed with {code}"))),
            End::Cut(why) => sockets.cut.push((self.method, Instant::now(), why.clone())),
        });
    }
}

async fn echo(socket: &mut Socket, count: u64) -> Result<(), End> {
    let text = format!("message {count}");
    if let Err(error) = socket.send(Message::text(text.clone())).await {
        // What had been sent before it broke is still to be read, a close frame too.
        return match listen(socket).await {
            End::Cut(_) => Err(End::Cut(format!("not sent: {}", chain(&error)))),
            closed => Err(closed),
        };
    }
    match next(socket).await? {
        answer if answer == text => Ok(()),
        other => Err(End::Cut(format!("{text:?} came back as {other:?}"))),
    }
}

/// Returns when the socket ends; nothing comes unasked.
async fn listen(socket: &mut Socket) -> End {
    match next(socket).await {
        Err(end) => end,
        Ok(text) => End::Cut(format!("said {text:?} unasked")),
    }
}

async fn next(socket: &mut Socket) -> Result<String, End> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Close(frame))) => {
                return Err(End::Closed(frame.map_or(CloseCode::Status, |frame| frame.code)));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(End::Cut(chain(&error))),
            None => return Err(End::Cut("ended without a close frame".into())),
        }
    }
}
