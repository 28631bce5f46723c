//! What this process asks of the kernel for itself: who may read its files, how many it may have open, in which
//! pages its memory comes, how much there is of what all share, and what it is told to do.

mod children;
mod confine;
mod file_limit;
mod helper;
mod memory;
mod messages;
mod private_files;
mod signals;
mod tcp_memory;

pub use children::{as_it_was, note_start};
pub use confine::confine;
pub use file_limit::raise_file_limit;
pub use helper::{Helper, HelperEnded};
pub use memory::{give_memory_back, memory_bytes};
pub use messages::{read_message, write_message};
pub use private_files::{PutRight, put_right};
pub use signals::{LEAVE, Signals, Told, told_to_leave};
pub use tcp_memory::TcpMemory;
