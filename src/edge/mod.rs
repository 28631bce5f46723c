//! The reverse proxy in front of components: a process of its own, so that restarting the server cuts nothing.
//!
//! A request comes in at a socket (`listening`), is accepted by a `worker`, passes `serve_http` and `forward`, is let
//! through to a replica by `admit`, and its answer comes back through `body`. What is served (`live`) is swapped as a
//! whole by the `keeper`, which the `control` API tells.

mod accept;
mod admit;
mod answer_body;
mod answers;
mod aside;
mod check;
mod choice;
mod client;
mod client_wire;
mod control;
mod copy;
mod counts;
mod disk;
mod entrance;
mod exchange;
mod forward;
mod framing;
mod front;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guard;
mod hand_over;
mod head;
mod hold;
mod host_routes;
mod interim;
mod keeper;
mod known_tls;
mod listening;
mod live;
mod own_addresses;
mod pace;
mod probe;
mod process;
mod refusal;
mod replica;
mod replica_wire;
mod request_body;
mod request_head;
mod requests;
mod resolver;
mod rights;
mod router;
mod serve_http;
mod serve_tcp;
mod standing;
mod state;
mod succession;
mod target;
mod tls;
mod turns;
mod upgrade;
mod upstream;
mod visit;
mod websocket;
mod wire_format;
mod worker;

pub use client::{ByteStream, Dial, EdgeClient, EdgeError, SOCKET};
pub use disk::first_routes;
pub use front::{FrontSettings, SETTINGS as FRONT_SETTINGS, connect as connect_front, run as run_front};
pub use guard::{RENEWED as FRONT_RENEWED, Renewed, guard as guard_front};
pub use probe::ask_at;
pub use process::run;
pub use wire_format::{Health, Heard, Knocked, Listener};
