//! The world in which the tests' users live.

pub mod app;
pub mod base_image;
pub mod build_world;
pub mod crowd;
pub mod delivery;
pub mod edge_app;
pub mod edge_world;
pub mod engine;
pub mod engine_proxy;
pub mod engine_stub;
pub mod exposition;
pub mod filler;
pub mod forge;
pub mod git;
pub mod git_http;
pub mod git_repository;
pub mod images;
pub mod load;
pub mod mirror_world;
pub mod quiet_server;
pub mod receiver;
pub mod registry;
pub mod sshd;
pub mod statuses;
pub mod store;
pub mod world;
