//! `allow.host-paths` means that path, and nothing that an app can make of it.

use super::*;
use crate::model::MountSource;
use insta::assert_snapshot;

/// The path and the folder that it is reached from, for each mount; or what is wrong.
fn mounts(allowed: &Permissions, volumes: &[&str]) -> String {
    let items: String = volumes.iter().map(|volume| format!("      - {volume}\n")).collect();
    let compose = format!("services:\n  a:\n    image: x\n    volumes:\n{items}");
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose.as_str())]), shop());
    let stack = match read(&ReadRequest { allowed: allowed.clone(), ..request(&tree, &project) }) {
        Ok(reading) => reading.stack,
        Err(problems) => return show(&problems),
    };
    let line = |mount: &crate::model::Mount| match &mount.source {
        MountSource::Host { path, below: Some(folder), .. } => format!("{path} from {folder}"),
        MountSource::Host { path, .. } => path.clone(),
        other => format!("{other:?}"),
    };
    stack.components["a"].container.mounts.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn allowing(paths: &[&str]) -> Permissions {
    Permissions { host_paths: paths.iter().map(|path| path.to_string()).collect(), ..Permissions::default() }
}

#[test]
fn what_lies_below_a_listed_path_is_reached_from_there() {
    let allowed = allowing(&["/srv/app/"]);
    assert_snapshot!(mounts(&allowed, &["/srv/app:/a", "/srv/app/data:/b", "/srv/app/x/../y:/c"]), @r#"
    /srv/app
    /srv/app/data from /srv/app
    /srv/app/y from /srv/app
    "#);
}

#[test]
fn a_listed_path_below_another_one_is_reached_from_the_outermost() {
    let allowed = allowing(&["/srv/app", "/srv"]);
    assert_snapshot!(mounts(&allowed, &["/srv/app:/a", "/srv:/b"]), @r#"
    /srv/app from /srv
    /srv
    "#);
}

#[test]
fn what_another_project_may_write_to_counts_as_well() {
    let others = vec!["/srv".to_string(), "/".to_string()];
    let allowed = Permissions { mountable: others, ..allowing(&["/srv/app"]) };
    assert_snapshot!(mounts(&allowed, &["/srv/app:/a"]), @"/srv/app from /srv");
    assert_snapshot!(mounts(&allowed, &["/srv/app/link:/a"]), @"compose.yaml:5: services.a.volumes[0].source: /srv/app/link lies below /srv/app, and that below /srv, which may be mounted, too: who writes there can lead either elsewhere by a symbolic link. Mount /srv/app itself, or list /srv/app/link under `allow.host-paths` in place of /srv/app");
}

#[test]
fn what_launchway_toml_puts_in_a_sources_place_counts_as_well() {
    let binds = BTreeMap::from([("./uploads".to_string(), "/srv/app/uploads".to_string())]);
    let allowed = Permissions { binds: binds.clone(), ..allowing(&["/srv/app"]) };
    assert_snapshot!(mounts(&allowed, &["./uploads:/a"]), @"/srv/app/uploads from /srv/app");
    assert_snapshot!(mounts(&Permissions { binds, ..Permissions::default() }, &["./uploads:/a"]), @"/srv/app/uploads");
}

#[test]
fn all_of_the_host_is_all_of_the_host() {
    assert_snapshot!(mounts(&allowing(&["/"]), &["/srv/app:/a"]), @"/srv/app");
}

#[test]
fn mounts_of_a_container_do_not_come_to_the_host() {
    let volumes = ["/srv/app:/a:rshared", "/srv/app/b:/b:rslave", "/srv/app:/c:slave", "/srv/app:/d:rprivate"];
    assert_snapshot!(mounts(&allowing(&["/srv/app"]), &volumes), @r#"
    compose.yaml:5: services.a.volumes[0].bind.propagation: by `rshared`, what the container mounts would be mounted on the host, so it is refused; `allow.privileged = true` of the project in launchway.toml allows it
    compose.yaml:6: services.a.volumes[1].bind.propagation: `rslave` is possible only for a path that `allow.host-paths` lists itself, not for what lies below it
    "#);
}

#[test]
fn a_volume_of_the_local_driver_mounts_no_more_than_that() {
    let compose = r#"
services:
  a: { image: x, volumes: ["va:/a", "vb:/b", "vc:/c", "vd:/d", "ve:/e", "vf:/f", "vg:/g", "vh:/h", "vi:/i", "vj:/j", "vk:/k"] }
volumes:
  va: { driver_opts: { type: none, o: bind, device: /srv/app } }
  vb: { driver_opts: { type: none, o: "bind,rw", device: /srv/app/below } }
  vc: { driver_opts: { type: overlay, o: "lowerdir=/,upperdir=/srv/app/u,workdir=/srv/app/w", device: overlay } }
  vd: { driver_opts: { type: ext4, device: /dev/sda1 } }
  ve: { driver_opts: { type: none, o: "bind,rshared", device: /srv/app } }
  vf: { driver_opts: { type: overlay, o: "bind,lowerdir=/", device: /srv/app } }
  vg: { driver_opts: { type: tmpfs, o: "size=1m,uid=1000,remount", device: tmpfs } }
  vh: { driver_opts: { type: none, device: /srv/app } }
  vi: { driver_opts: { type: tmpfs, o: "rbind", device: /root } }
  vj: { driver: local, driver_opts: { type: none, o: bind, device: ./data } }
  vk: { driver_opts: { type: proc, device: proc, mountpoint: /x } }
"#;
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let allowed = allowing(&["/srv/app", "/dev/sda1"]);
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @r#"
    compose.yaml:6: volumes.vb.driver_opts.device: /srv/app/below lies below /srv/app, which containers may write to: a symbolic link there would lead the engine anywhere, and only under `volumes` of a service is there a way that follows none. Use /srv/app itself
    compose.yaml:7: volumes.vc.driver_opts.type: a volume of the local driver may be a tmpfs, a share of a server (nfs, nfs4, cifs, smb3) or a folder of the host (`type: none`, `o: bind`), not "overlay": mount it on the host, and let the volume bind the folder
    compose.yaml:8: volumes.vd.driver_opts.type: a volume of the local driver may be a tmpfs, a share of a server (nfs, nfs4, cifs, smb3) or a folder of the host (`type: none`, `o: bind`), not "ext4": mount it on the host, and let the volume bind the folder
    compose.yaml:9: volumes.ve.driver_opts.o: "rshared" is no option that a volume may have; accepted: ro, noexec, nosuid, nodev, noatime and their opposites; size=, mode=, uid=, gid=, nr_inodes=
    compose.yaml:10: volumes.vf.driver_opts.o: "lowerdir=/" is no option that a volume may have; accepted: ro, noexec, nosuid, nodev, noatime and their opposites; size=, mode=, uid=, gid=, nr_inodes=
    compose.yaml:11: volumes.vg.driver_opts.o: "remount" is no option that a volume may have; accepted: ro, noexec, nosuid, nodev, noatime and their opposites; size=, mode=, uid=, gid=, nr_inodes=
    compose.yaml:12: volumes.vh.driver_opts.type: a volume of the local driver may be a tmpfs, a share of a server (nfs, nfs4, cifs, smb3) or a folder of the host (`type: none`, `o: bind`), not "none": mount it on the host, and let the volume bind the folder
    compose.yaml:13: volumes.vi.driver_opts.device: /root is a path of the host, so it is refused; use a named volume, or `allow.host-paths = ["/root"]` of the project in launchway.toml allows it
    compose.yaml:14: volumes.vj.driver_opts.device: data is not in the commit, so nothing stands behind this mount; use a named volume for what the app writes, or name a path of the host in launchway.toml:
        binds = { "./data" = "/path/on/the/host" }
    compose.yaml:15: volumes.vk.driver_opts.mountpoint: "mountpoint" is no option of the local driver; accepted: type, o, device, size
    compose.yaml:15: volumes.vk.driver_opts.type: a volume of the local driver may be a tmpfs, a share of a server (nfs, nfs4, cifs, smb3) or a folder of the host (`type: none`, `o: bind`), not "proc": mount it on the host, and let the volume bind the folder
    "#);
}

#[test]
fn a_share_of_a_server_is_allowed_by_the_server() {
    let compose = r#"
services: { a: { image: x, volumes: ["va:/a", "vb:/b", "vc:/c", "vd:/d", "ve:/e"] } }
volumes:
  va: { driver_opts: { type: nfs, o: "addr=nas.example.com,rw,nfsvers=4", device: ":/data" } }
  vb: { driver_opts: { type: nfs4, o: "addr=nas.example.com,addr=10.0.0.9", device: "nas.example.com:/data" } }
  vc: { driver_opts: { type: cifs, o: "username=u,password=p", device: "//files.example.com/share" } }
  vd: { driver_opts: { type: nfs, o: "addr=nas.example.com,remount,mountaddr=10.0.0.8", device: ":/data" } }
  ve: { driver_opts: { type: nfs, o: rw, device: "/data" } }
"#;
    let (tree, project) = (MemoryTree::new([("compose.yaml", compose)]), shop());
    let allowed = Permissions { remote_volumes: vec!["NAS.example.com".into()], ..Permissions::default() };
    assert_snapshot!(said(&ReadRequest { allowed, ..request(&tree, &project) }), @r#"
    compose.yaml:5: volumes.vb.driver_opts.o: a share of 10.0.0.9 would be mounted with the host's address and identity, so it is refused; `allow.remote-volumes = ["10.0.0.9"]` of the project in launchway.toml allows it
    compose.yaml:6: volumes.vc.driver_opts.o: a share of files.example.com would be mounted with the host's address and identity, so it is refused; `allow.remote-volumes = ["files.example.com"]` of the project in launchway.toml allows it
    compose.yaml:7: volumes.vd.driver_opts.o: "remount" is no option that a volume may have: it is about other mounts of the host
    compose.yaml:7: volumes.vd.driver_opts.o: a share of 10.0.0.8 would be mounted with the host's address and identity, so it is refused; `allow.remote-volumes = ["10.0.0.8"]` of the project in launchway.toml allows it
    compose.yaml:8: volumes.ve.driver_opts.device: which server? Name it in `o` (`addr=nas.example.com`) or in the device (`//nas.example.com/data`)
    "#);
}

#[test]
fn a_tmpfs_is_nothing_else() {
    let compose =
        "services: {a: {image: x, tmpfs: [\"/run:size=64m,uid=1000,exec\", \"/x:bind\", \"/y:rshared,mode=1777\"]}}";
    assert_snapshot!(messages(compose, &[]), @r#"
    compose.yaml:1: services.a.tmpfs[1]: "bind" is no option of a tmpfs; accepted: ro, noexec, nosuid, nodev, noatime and their opposites; size=, mode=, uid=, gid=, nr_inodes=
    compose.yaml:1: services.a.tmpfs[2]: "rshared" is no option of a tmpfs; accepted: ro, noexec, nosuid, nodev, noatime and their opposites; size=, mode=, uid=, gid=, nr_inodes=
    "#);
}
