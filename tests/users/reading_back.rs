//! Success is said only after the engine has said what runs.

use crate::support::app::{write_ready_made, write_shop};
use crate::support::images::BASE;
use crate::support::world::World;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};

async fn remove_image(world: &World, name: &str) {
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    world.engine.docker.remove_image(name, Some(options), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_runs_another_image_than_its_labels_say_is_no_success() {
    let mut world = World::new().await;
    write_ready_made(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    let docker = world.engine.docker.clone();
    // Somebody puts another container in its place, with everything by which it is known, while nobody looks after it.
    let store = world.running().await["store"].clone();
    world.terminate().await;
    let found = docker.inspect_container(&store, None).await.unwrap();
    let labels = found.config.unwrap().labels;
    let name = found.name.unwrap().trim_start_matches('/').to_string();
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&name, Some(options)).await.unwrap();
    let other = format!("launchway-test/{}:other", world.project);
    let body = ContainerCreateBody {
        image: Some(BASE.into()),
        cmd: Some(vec!["touch".into(), "/other".into()]),
        ..Default::default()
    };
    let made = docker.create_container(None, body.clone()).await.unwrap().id;
    let options = bollard::query_parameters::CommitContainerOptionsBuilder::new()
        .container(&made)
        .repo(&format!("launchway-test/{}", world.project))
        .tag("other")
        .build();
    docker.commit_container(options, bollard::models::ContainerConfig::default()).await.unwrap();
    docker.remove_container(&made, None).await.unwrap();
    let network = format!("{}-production_default", world.project);
    let body = ContainerCreateBody {
        image: Some(other.clone()),
        cmd: Some(vec!["sleep".into(), "600".into()]),
        labels,
        host_config: Some(HostConfig { init: Some(true), network_mode: Some(network), ..Default::default() }),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let id = docker.create_container(Some(options), body).await.unwrap().id;
    docker.start_container(&id, None).await.unwrap();
    world.serve().await;

    world.repository.write("README.md", "hello");
    let shown = world.ends(&world.push("Second")).await;
    remove_image(&world, &other).await;
    assert_eq!(shown.state, "error", "{shown:?}\n{}", world.deployment_logs());
    assert!(shown.description.contains("store-1 runs image sha256:"), "{shown:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_images_name_is_gone_or_has_moved_on_is_still_what_it_was() {
    let world = World::new().await;
    write_shop(&world.repository, "one");
    assert_eq!(world.ends(&world.push("First")).await.state, "success");
    let running = world.running().await;
    let tag = world.query("SELECT json_extract(parts, '$.web.image.tag') FROM releases");
    remove_image(&world, tag.trim()).await;
    world.repository.write("README.md", "hello");
    let shown = world.ends(&world.push("Its name is gone")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    // The image is there by its id, and has its name again.
    assert!(shown.description.contains("nothing had to change"), "{shown:?}");
    assert_eq!(world.running().await, running);
    world.engine.docker.inspect_image(tag.trim()).await.unwrap();

    // Somebody else's image has its name now.
    let (repository, name) = tag.trim().split_once(':').unwrap();
    let options = TagImageOptionsBuilder::new().repo(repository).tag(name).build();
    world.engine.docker.tag_image(BASE, Some(options)).await.unwrap();
    world.repository.write("README.md", "hello again");
    let shown = world.ends(&world.push("It has moved on")).await;
    assert_eq!(shown.state, "success", "{shown:?}\n{}", world.deployment_logs());
    assert_eq!(world.running().await, running);
    remove_image(&world, tag.trim()).await;
    world.end().await;
}
