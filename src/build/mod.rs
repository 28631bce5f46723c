//! Build contexts, content keys, BuildKit.
//!
//! A build reads its files from a commit's tree and nothing else. What goes in is decided here (`context`,
//! `dockerignore`), named by a content key, and sent to the engine's BuildKit as it asks for it.

mod archive;
mod attributes;
mod buildkit;
mod content_key;
mod context;
mod dockerignore;
mod engine_address;
mod error;
mod file_sync;
mod host_gateway;
mod left_out;
mod lfs;
mod limits;
mod pattern;
mod progress;
mod request;
mod session;
mod solve_request;
mod source_policy;

pub use archive::{Archive, file_archive, folder_archive, text_archive};
pub use attributes::{Attributes, NotApplied};
pub use buildkit::{Builder, BuiltImage};
pub use content_key::{ContentKeys, content_key};
pub use context::{Context, ContextEntry, Dockerfile, dockerfile_text, listing};
pub use dockerignore::{Dockerignore, FolderMatch, InvalidPattern};
pub use engine_address::EngineAddress;
pub use error::BuildError;
pub use left_out::{LeftOut, left_out_of_mount, submodules_in_build};
pub use limits::{BuildLimits, Limited};
pub use progress::{BuildLine, BuildLineKind};
pub use request::BuildRequest;
pub use session::Accounts;
pub use source_policy::Sources;
