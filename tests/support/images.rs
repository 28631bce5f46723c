//! The engine of this machine, and a base image for it that needs no registry.

use super::base_image::base;
use bollard::Docker;
use bollard::query_parameters::RemoveImageOptionsBuilder;
use launchway::build::EngineAddress;

/// The base of everything that tests build: `/bin/busybox` with a link for each of its commands.
pub const BASE: &str = "launchway-test/base:1";

pub struct Engine {
    pub docker: Docker,
    pub address: EngineAddress,
}

impl Engine {
    /// The engine that `DOCKER_HOST` names, else the local one, with the base image.
    pub async fn here() -> Self {
        let address = EngineAddress::from_env().unwrap();
        let docker = match &address {
            EngineAddress::Unix(path) => {
                Docker::connect_with_unix(&path.display().to_string(), 120, bollard::API_DEFAULT_VERSION)
            }
            EngineAddress::Tcp(address) => {
                Docker::connect_with_http(&format!("tcp://{address}"), 120, bollard::API_DEFAULT_VERSION)
            }
        };
        let docker = docker.unwrap().negotiate_version().await.unwrap();
        let engine = Self { docker, address };
        assert_eq!(base(&engine.docker).await, BASE);
        engine
    }

    /// Removes a name, or an image that has none (any more); that it is gone already is fine.
    pub async fn remove(&self, image: &str) {
        let options = RemoveImageOptionsBuilder::new().build();
        let _ = self.docker.remove_image(image, Some(options), None).await;
    }
}
