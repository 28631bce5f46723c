//! Connections from outside: how many at once and whose, and how long each may be silent.
//!
//! Whoever connects is a *guest* until it leaves. A [`Gate`] counts guests, in all and, while places are scarce, by address;
//! who only waits gives its place to who comes. [`Patience`] says how long a guest may be silent. The receiver and the edge
//! stand on these.

mod answer;
mod body_pace;
mod caller;
mod gate;
mod guest;
mod moments;
mod patience;
mod serve;
mod wire;

pub use answer::Answer;
pub use body_pace::{Pace, TooSlow};
pub use caller::{Caller, Trusted};
pub use gate::{Gate, Kind, More, NoPlace, Place, Room, network_of, relieve};
pub use guest::{Guest, Serving};
pub use patience::{Overdue, Patience};
pub use serve::{Public, serve};
pub use wire::{Watch, Wire};
