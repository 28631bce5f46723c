//! Docker: the [`Engine`](super::Engine) trait over one Docker Engine, from API 1.41 on.

mod answer;
mod connect;
mod containers;
mod content;
mod credentials;
mod differences;
mod endpoints;
#[cfg(test)]
mod fields;
mod fronts;
mod happenings;
mod holdings;
mod host_load;
mod host_ports;
mod images;
mod lines;
mod listeners;
mod mounts;
mod networks;
mod observe;
mod observed;
mod own_container;
mod ports;
mod probe;
mod program;
mod ready;
mod request;
mod rewrite;
mod service;
mod settings;
mod stop;
mod unsealed;
mod upload;
mod volumes;
mod watch;
mod written;

pub use connect::DockerEngine;
