//! An environment leaves launchway.toml while something of it is live.

use crate::support::app::write_ready_made;
use crate::support::quiet_server::{EIGHT, QuietServer, new_deployment};
use crate::support::world::{Settings, World, signal};
use launchway::store::{Live, Sentences};

/// Staging deploys `dev`.
fn with_staging(world_port: u16) -> Settings {
    let tables = format!(
        "[projects.PROJECT.environments.staging]\nbranch = \"dev\"\nbake = \"0s\"\nvariables = {{ PORT = \"{world_port}\" }}\n"
    );
    Settings { tables, ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_settings_is_listed_keeps_its_port_and_goes_but_for_its_volumes() {
    let mut world = World::not_serving(Settings::default()).await;
    world.configure(&with_staging(world.app_port));
    world.serve().await;
    write_ready_made(&world.repository, "staging");
    let commit = world.repository.commit("Staging");
    world.repository.git(&["branch", "-f", "dev"]);
    world.repository.push("dev");
    assert_eq!(world.ends_in(&commit, "launchway/staging").await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("staging"));

    world.configure(&Settings::default());
    signal(world.pid(), "HUP");
    world.until_said("The settings were read again").await;
    let (_, status, _) = world.launchway(&["status"]).await;
    let name = format!("{}/staging", world.project);
    assert!(status.contains(&format!("{name} is not in launchway.toml any more; release 1 of it is live")), "{status}");
    assert!(status.contains(&format!("{}-staging-web-1", world.project)), "{status}");
    assert!(status.contains(&format!("127.0.0.1:{}/tcp", world.app_port)), "{status}");

    write_ready_made(&world.repository, "production");
    let shown = world.ends(&world.push("Production")).await;
    assert_eq!(shown.state, "failure", "{shown:?}");
    let way_out = format!("`launchway remove {name} --keep-volumes` frees it");
    assert!(
        world.query("SELECT description FROM deployments ORDER BY id DESC LIMIT 1").contains(&way_out),
        "{shown:?}"
    );

    let (code, told, error) = world.launchway(&["remove", &name]).await;
    assert!(code == 2 && error.contains("--keep-volumes"), "{told}{error}");
    let (code, told, error) = world.launchway(&["remove", "production", "--keep-volumes"]).await;
    assert!(code == 1 && error.contains("take it out of the file first"), "{told}{error}");
    let (code, told, error) = world.launchway(&["remove", &name, "--keep-volumes"]).await;
    assert_eq!(code, 0, "{told}{error}");
    let volume = format!("{}-staging_data", world.project);
    assert!(told.contains(&format!("Its volumes stay: {volume}")), "{told}");
    let left = world.on_the_engine().await;
    assert!(left.iter().any(|line| *line == format!("volume {volume}")), "{left:?}");
    assert!(!left.iter().any(|line| line.contains("staging") && !line.starts_with("volume ")), "{left:?}");
    let (_, status, _) = world.launchway(&["status"]).await;
    assert!(!status.contains("is not in launchway.toml"), "{status}");
    let (_, audit, _) = world.launchway(&["audit"]).await;
    assert!(audit.contains("remove"), "{audit}");

    assert_eq!(world.ends(&world.push("Again")).await.state, "success", "{}", world.deployment_logs());
    assert_eq!(world.get("/").await.as_deref(), Some("production"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_settings_and_runs_no_more_is_listed_until_it_is_removed() {
    let server = QuietServer::new().await;
    let release = server.release('a').await;
    let mut new = new_deployment('a', "Long ago");
    new.environment = "old".parse().unwrap();
    let (deployment, _) = server.store().add_deployment(new, Sentences::default(), EIGHT).await.unwrap();
    let live = Live { release, deployment: deployment.id };
    server.store().set_live(&deployment.project, &deployment.environment, live).await.unwrap();
    let says = async |arguments: &[&str]| {
        let output = server.launchway(arguments).await;
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert!(says(&["status"]).await.contains("shop/old is not in launchway.toml any more; release 1 of it is live"));
    let told = says(&["remove", "shop/other", "--keep-volumes"]).await;
    assert!(told.ends_with("only what has left launchway.toml can be meant; that is shop/old\n"), "{told}");
    let told = says(&["remove", "old", "--keep-volumes"]).await;
    assert_eq!(told, "Nothing of shop/old ran any more; it is forgotten\n");
    assert!(!says(&["status"]).await.contains("shop/old"));
}
