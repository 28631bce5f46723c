//! Files and folders of the commit that a component mounts.

use super::*;
use crate::model::{Mount, MountSource};
use insta::assert_snapshot;

fn mounts(request: &ReadRequest<'_>) -> Vec<Mount> {
    let stack = read(request).map(|reading| reading.stack).map_err(|problems| show(&problems)).unwrap();
    stack.components["web"].container.mounts.clone()
}

fn with_volumes(volumes: &str) -> String {
    format!("services:\n  web:\n    image: x\n    volumes: [{volumes}]\n")
}

#[test]
fn what_is_not_in_the_commit_is_refused_with_two_ways_out() {
    assert_snapshot!(messages(&with_volumes("\"./uploads:/uploads\", \"../up:/up\", \"dat:/data\""), &[]), @r#"
    compose.yaml:4: services.web.volumes[0].source: uploads is not in the commit, so nothing stands behind this mount; use a named volume for what the app writes, or name a path of the host in launchway.toml:
        binds = { "./uploads" = "/path/on/the/host" }
    compose.yaml:4: services.web.volumes[1].source: "../up" leaves the repository; use a named volume for what the app writes, or name a path of the host in launchway.toml:
        binds = { "../up" = "/path/on/the/host" }
    compose.yaml:4: services.web.volumes[2].source: there is no volume "dat"; declare it under top-level `volumes` (a folder of the repository is written "./dat")
    "#);
}

#[test]
fn a_file_or_folder_of_the_commit_is_read_only_whatever_is_written() {
    let compose = with_volumes("\"./conf:/conf\", \"./nginx.conf:/etc/nginx/nginx.conf:ro\"");
    assert_snapshot!(messages(&compose, &[("conf/a", "1"), ("nginx.conf", "2")]), @"note: compose.yaml:4: services.web.volumes[0]: this folder of the commit is mounted read-only, although it is not written `:ro`; what the app writes belongs in a named volume");
    let tree = MemoryTree::new([("compose.yaml", compose.as_str()), ("conf/a", "1"), ("nginx.conf", "2")]);
    let project = shop();
    for (mount, (name, is_folder)) in
        mounts(&request(&tree, &project)).iter().zip([("conf", true), ("nginx.conf", false)])
    {
        assert!(mount.read_only);
        let MountSource::Repository { path, folder, id, .. } = &mount.source else { panic!("{mount:?}") };
        assert_eq!((path.as_str(), *folder, id.len()), (name, is_folder, 40));
    }
}

#[test]
fn symbolic_links_are_followed_inside_and_refused_outside() {
    let compose = with_volumes("\"./link/a:/a:ro\", \"./out:/out:ro\", \"./circle:/c:ro\", \"./deep/up:/up:ro\"");
    let mut tree = MemoryTree::new([("compose.yaml", compose.as_str()), ("conf/a", "1"), ("deep/x", "")]);
    tree.link("link", "conf");
    tree.link("out", "../../etc/passwd");
    tree.link("circle", "circle");
    tree.link("deep/up", "/etc");
    let project = shop();
    assert_snapshot!(said(&request(&tree, &project)), @r#"
    compose.yaml:4: services.web.volumes[1].source: out leads outside the repository, through the symbolic link out to "../../etc/passwd"
    compose.yaml:4: services.web.volumes[2].source: circle leads in circles through its symbolic links
    compose.yaml:4: services.web.volumes[3].source: deep/up leads outside the repository, through the symbolic link deep/up to "/etc"
    "#);
    let fine = with_volumes("\"./link/a:/a:ro\"");
    tree.add("compose.yaml", fine.as_bytes());
    let found = mounts(&request(&tree, &project));
    assert!(matches!(&found[0].source, MountSource::Repository { path, .. } if path.as_str() == "conf/a"), "{found:?}");
}

#[test]
fn the_server_puts_a_path_of_the_host_in_place_of_a_source() {
    let compose = with_volumes("\"./uploads/:/uploads\"");
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose.as_str())]), shop());
    let binds = BTreeMap::from([("uploads".to_string(), "/srv/shop/uploads".to_string())]);
    let allowed = Permissions { binds, ..Permissions::default() };
    let found = mounts(&ReadRequest { allowed, ..request(&tree, &project) });
    assert!(!found[0].read_only);
    assert!(matches!(&found[0].source, MountSource::Host { path, .. } if path == "/srv/shop/uploads"), "{found:?}");
}

#[test]
fn a_file_that_the_server_gives_stands_in_for_one_that_the_commit_lacks() {
    let compose = with_volumes("\"./secret/key.pem:/key.pem:ro\"");
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose.as_str())]), shop());
    let outside_files = BTreeMap::from([("./secret/key.pem".to_string(), b"KEY".to_vec())]);
    let found = mounts(&ReadRequest { outside_files, ..request(&tree, &project) });
    assert!(matches!(&found[0].source, MountSource::Text { text, .. } if text.expose() == "KEY"), "{found:?}");
}

#[test]
fn configs_and_secrets_without_their_text_are_explained() {
    let compose = r#"
services:
  web: { image: x, configs: [gone, twice, nothing], secrets: [unset, file, tokne] }
configs: { gone: { file: ./gone }, twice: { file: a, content: b }, nothing: {} }
secrets: { unset: { environment: NOT_SET }, file: { file: ./key }, token: { content: no } }
"#;
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:3: services.web.secrets[2].source: there is no secret "tokne"; declare it under top-level `secrets`; did you mean "token"?
    compose.yaml:4: configs.gone.file: gone is not in the commit; give it to the environment in launchway.toml:
        files = { "gone" = "/path/on/the/server" }
    compose.yaml:4: configs.twice: needs exactly one of `file:`, `environment:` or `content:`
    compose.yaml:4: configs.nothing: needs exactly one of `file:`, `environment:` or `content:`
    compose.yaml:5: secrets.unset.environment: variable NOT_SET has no value; set it under the environment's `secrets` in launchway.toml
    compose.yaml:5: secrets.file.file: key is not in the commit; give it to the environment in launchway.toml:
        files = { "key" = "/path/on/the/server" }
    compose.yaml:5: secrets.token.content: "content" is not a key here; accepted: name, environment, file, external, labels, template_driver, driver, driver_opts
    "#);
}

#[test]
fn what_is_mounted_inside_a_folder_of_the_commit_has_a_place_there() {
    let volumes = r#""./app:/app", "/app/node_modules", "./app/bin:/app/bin", "data:/app/bin/data/", "./nginx.conf:/app/etc/conf", "/elsewhere""#;
    let compose = with_volumes(volumes) + "volumes: { data: {} }\n";
    let tree = MemoryTree::new([
        ("compose.yaml", compose.as_str()),
        ("app/etc/other", ""),
        ("app/bin/tool", ""),
        ("nginx.conf", "2"),
    ]);
    let project = shop();
    let found: Vec<String> = mounts(&request(&tree, &project))
        .iter()
        .filter_map(|mount| match &mount.source {
            MountSource::Repository { mount_points, folder: true, .. } => {
                let points = mount_points.iter().map(|point| format!("{} {}", point.path, point.folder));
                Some(format!("{}: {}", mount.target, points.collect::<Vec<_>>().join(", ")))
            }
            _ => None,
        })
        .collect();
    assert_eq!(found, ["/app: etc/conf false, node_modules true", "/app/bin: data true"]);
}

#[test]
fn what_another_service_mounts_is_mounted_under_the_same_paths() {
    let compose = "services:
  web: { image: x, volumes_from: [\"db:ro\", \"container:shop-production-files-1\"], volumes: [\"own:/own\", \"mine:/shared\"] }
  db: { image: x, volumes: [\"data:/data\", \"theirs:/shared\"], tmpfs: /tmp, volumes_from: [files] }
  files: { image: x, volumes: [\"./conf:/conf:ro\"] }
volumes: { own: , mine: , data: , theirs: }
";
    let tree = MemoryTree::new([("compose.yaml", compose), ("conf/a", "1")]);
    let project = shop();
    let found = mounts(&request(&tree, &project));
    let shown = |mount: &Mount| {
        let what = match &mount.source {
            MountSource::Volume { key, .. } => key.clone(),
            MountSource::Repository { path, .. } => path.to_string(),
            other => panic!("{other:?}"),
        };
        format!("{what} at {}{}", mount.target, if mount.read_only { ", read-only" } else { "" })
    };
    let found: Vec<String> = found.iter().map(shown).collect();
    assert_eq!(found, ["own at /own", "mine at /shared", "data at /data, read-only", "conf at /conf, read-only"]);
    let stack = read(&request(&tree, &project)).unwrap().stack;
    let waits: Vec<&str> = stack.components["web"].depends_on.keys().map(|name| name.as_str()).collect();
    assert_eq!(waits, ["db"]);
}

#[test]
fn what_cannot_be_taken_from_another_service_says_what_to_write() {
    let compose = "services:
  web: { image: x, volumes_from: [db, \"container:postgres\", gone, \"db:rx\"] }
  db: { image: x, volumes: [\"/data\"] }
  a: { image: x, volumes_from: [b] }
  b: { image: x, volumes_from: [a] }
";
    let said = messages(compose, &[]);
    for words in [
        "services.web.volumes_from[0]: db has a volume without a name at /data, and taking that one over is not supported",
        "services.web.volumes_from[1]: container \"postgres\" is none of this file's",
        "services.web.volumes_from[2]: there is no service \"gone\" to take volumes from",
        "services.web.volumes_from[3]: \"rx\" is not one of ro, rw",
        "these components wait for one another in a circle: a -> b -> a",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}

#[test]
fn a_volume_over_a_folder_of_the_repository_is_that_folder_of_the_commit() {
    let volume = |device: &str| {
        let mounts = "volumes: [\"site:/www\"]";
        let options = format!("{{ type: none, o: bind, device: {device} }}");
        format!("services:\n  web:\n    image: x\n    {mounts}\nvolumes:\n  site: {{ driver_opts: {options} }}\n")
    };
    let compose = volume("./conf");
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose.as_str()), ("conf/a", "1")]), shop());
    let request = request(&tree, &project);
    let found = mounts(&request);
    assert!(found[0].read_only);
    assert!(matches!(&found[0].source, MountSource::Repository { path, folder: true, .. } if path.as_str() == "conf"));
    assert!(read(&request).unwrap().stack.volumes.is_empty(), "no volume of its own stands behind it");
    let binds = BTreeMap::from([("./conf".to_string(), "/srv/shop/conf".to_string())]);
    let found = mounts(&ReadRequest { allowed: Permissions { binds, ..Permissions::default() }, ..request });
    assert!(matches!(&found[0].source, MountSource::Host { path, .. } if path == "/srv/shop/conf"), "{found:?}");
    for (device, words) in [
        ("../conf", "volumes.site.driver_opts.device: \"../conf\" leaves the repository"),
        ("./gone", "volumes.site.driver_opts.device: gone is not in the commit"),
        ("/etc", "/etc is a path of the host, so it is refused"),
    ] {
        let said = messages(&volume(device), &[]);
        assert!(said.contains(words), "{said}");
    }
}
