//! What this process asks of the kernel for itself: who may read its files, and how many it may have open.

mod children;
mod file_limit;
mod memory;
mod private_files;

pub use children::{as_it_was, note_start};
pub use file_limit::raise_file_limit;
pub use memory::{give_memory_back, memory_bytes};
pub use private_files::{PutRight, put_right};
