//! git2: mirrors, trees of commits and working copies.
//!
//! A project's repository is mirrored into one bare repository; whatever is deployed is read from there, by commit.
//! libgit2 blocks, so everything that talks to a remote runs on a thread of its own and is waited for with a deadline
//! and a cancellation token. What only reads a mirror is quick and synchronous.

mod bring;
mod commit_tree;
mod connection;
mod fetch;
mod fetch_error;
mod fetcher;
mod history;
mod known_hosts;
mod left_mirrors;
mod libgit2;
mod local_repository;
mod mirror;
mod mirrors;
mod one_commit;
mod rebuild;
mod remote_heads;
mod remote_url;
mod sizes;
mod ssh_key;
mod submodules;
mod unchecked;
mod working_copy;

pub use bring::{Fetched, Remote, WantedRefs};
pub use commit_tree::{GitTree, open_tree};
pub use connection::Progress;
pub use fetch::FetchRequest;
pub use fetch_error::{FetchError, MirrorError};
pub use fetcher::serve_fetch;
pub use history::{CommitInfo, Named};
pub use left_mirrors::LeftMirror;
pub use libgit2::{MostFetched, Patience};
pub use local_repository::LocalRepository;
pub use mirrors::Mirrors;
pub use remote_url::{RefusedUrl, RemoteKind, RemoteUrl};
pub use submodules::SubmoduleSettings;
pub use working_copy::WorkingCopy;
