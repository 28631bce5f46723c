//! Commits are read by processes of their own: whoever writes a repository can make whoever reads it die or never end, and
//! that shall be nobody but the reader of that project.
//!
//! A reader is this program once more (`launchway read-commits`), one for each project: started when something is to be
//! read, kept for what comes next, and replaced after it was killed. It learns over its standard input where the mirror is,
//! which commit, and the environment's values, and answers over its standard output ([`wire`]). It has no variables, no
//! descriptors and no folder of the server's. What it may take of memory it limits itself ([`process`]).

mod process;
mod readers;
mod wire;

pub use process::serve as serve_reader;
pub use readers::{ReadError, Reader, Readers};
pub use wire::{Build, DockerfileOrder, DockerfileSays, ReadOrder};
