//! Fronts on an engine: their image, which is made here and never pulled; their folder, which is reached through the engine
//! alone, wherever it runs; the way to their control socket.

use super::answer::in_path;
use super::connect::DockerEngine;
use super::program::{header, own};
use crate::engine::{EngineError, Outcome, Pipe};
use crate::model::Quoted;
use crate::plan::ContainerSpec;
use crate::plan::container::{FRONT_FOLDER, FRONT_IMAGE, FRONT_USER, FRONT_VOLUME};
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, KillContainerOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use std::collections::{BTreeSet, HashMap};
use std::io::Error;
use std::path::Path;
use std::time::Duration;
use tokio_util::io::StreamReader;

/// Where the program lies in the image.
const FOLDER: &str = "front";
/// A program of some ten megabytes may have to cross a network.
const PATIENT: Duration = Duration::from_secs(600);

/// What fronts are made of.
pub(super) struct Means {
    pub program: String,
    image: String,
    /// Without arguments.
    command: Vec<String>,
    /// It has to be imported where it is not there.
    is_made_here: bool,
}

impl DockerEngine {
    pub(super) async fn front_program(&self) -> Result<Option<String>, EngineError> {
        Ok(Some(self.means().await?.program.clone()))
    }

    /// As long as this process runs they are the same.
    async fn means(&self) -> Result<&Means, EngineError> {
        self.means.get_or_try_init(|| self.find_means()).await
    }

    /// Launchway's own image where it runs in a container of this engine, else one that is made of what runs here.
    async fn find_means(&self) -> Result<Means, EngineError> {
        if let Some(means) = self.own_image().await? {
            return Ok(means);
        }
        let program = own().map_err(|error| EngineError::Refused {
            attempted: "find the program that fronts run".into(),
            why: Quoted(error).to_string(),
        })?;
        Ok(Means {
            program: program.id.clone(),
            image: format!("{FRONT_IMAGE}:{}", program.id),
            command: program.command(&format!("/{FOLDER}")),
            is_made_here: true,
        })
    }

    async fn own_image(&self) -> Result<Option<Means>, EngineError> {
        if !Path::new("/.dockerenv").exists() {
            return Ok(None);
        }
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let Ok(name) = in_path(hostname.trim()) else { return Ok(None) };
        let Some(image) = self.look_up(name).await?.and_then(|container| container.image) else { return Ok(None) };
        let Ok(path) = std::env::current_exe() else { return Ok(None) };
        let short: String = image.trim_start_matches("sha256:").chars().take(12).collect();
        Ok(Some(Means {
            program: format!("{}-{short}", env!("CARGO_PKG_VERSION")),
            image,
            command: vec![path.display().to_string()],
            is_made_here: false,
        }))
    }

    pub(super) async fn create_front(&self, spec: &ContainerSpec) -> Result<Outcome, EngineError> {
        let means = self.means().await?;
        if means.is_made_here {
            self.front_image(&means.image).await?;
        }
        let mut spec = spec.clone();
        spec.image = means.image.clone();
        spec.settings.environment.insert("LAUNCHWAY_PROGRAM".into(), means.command.join(" "));
        // Without it the allocator takes some megabytes at once that a front never needs.
        spec.settings.environment.insert("MIMALLOC_ARENA_EAGER_COMMIT".into(), "0".into());
        // Memory goes back as soon as it is free: otherwise it waits for traffic to come again, which may be never.
        spec.settings.environment.insert("MIMALLOC_PURGE_DELAY".into(), "0".into());
        spec.settings.entrypoint = Some(means.command.clone());
        spec.settings.command = Some(arguments(&means.program));
        self.create_container(&spec).await
    }

    async fn front_image(&self, reference: &str) -> Result<(), EngineError> {
        let _held = self.hold(&format!("image {reference}")).await;
        if self.find_image(reference).await?.is_some() {
            return Ok(());
        }
        let program = own().map_err(|error| EngineError::Refused {
            attempted: format!("make the image {reference}"),
            why: Quoted(error).to_string(),
        })?;
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(FRONT_IMAGE)
            .tag(&program.id)
            .message("Launchway itself, for the fronts that own components' names")
            .build();
        let archive = bollard::body_try_stream(program.archive(FOLDER.into(), 0));
        let patient = self.docker().with_timeout(PATIENT);
        let imported = patient.create_image(Some(options), Some(archive), None);
        let imported = imported.try_for_each(|_| std::future::ready(Ok(())));
        self.within(PATIENT, format!("import the image {reference}"), imported).await?;
        self.forget_other_front_images(reference).await;
        Ok(())
    }

    /// Those of earlier programs. What a container uses the engine keeps.
    async fn forget_other_front_images(&self, own: &str) {
        let named = HashMap::from([("reference", vec![FRONT_IMAGE])]);
        let options = ListImagesOptionsBuilder::new().filters(&named).build();
        let Ok(found) = self.query("list the images of fronts", self.client().list_images(Some(options))).await else {
            return;
        };
        for tag in found.into_iter().flat_map(|image| image.repo_tags).filter(|tag| tag != own) {
            let options = RemoveImageOptionsBuilder::new().force(false).build();
            let _ = self.client().remove_image(&tag, Some(options), None).await;
        }
    }

    pub(super) async fn put_into_front(&self, container: &str, files: &[(&str, Vec<u8>)]) -> Result<(), EngineError> {
        let attempted = "tell a front what it serves";
        let refused =
            |error: Error| EngineError::Refused { attempted: attempted.into(), why: Quoted(error).to_string() };
        let archive = folder_archive(files).map_err(refused)?;
        let archive = futures_util::stream::once(std::future::ready(Ok(Bytes::from(archive))));
        self.upload_to_front(container, attempted, archive).await
    }

    async fn upload_to_front(
        &self,
        container: &str,
        attempted: &str,
        archive: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let archive = bollard::body_try_stream(archive);
        let options = UploadToContainerOptionsBuilder::new().path(FRONT_VOLUME).build();
        let patient = self.docker().with_timeout(PATIENT);
        let uploaded = patient.upload_to_container(in_path(container)?, Some(options), archive);
        Ok(self.within(PATIENT, attempted, uploaded).await?)
    }

    pub(super) async fn connect_to_front(&self, container: &str) -> Result<Box<dyn Pipe>, EngineError> {
        let attempted = "reach a front";
        let command = self.running_command(container).await?;
        let connect = ["front", "--state", FRONT_FOLDER, "--connect"].map(str::to_string);
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            cmd: Some(command.into_iter().chain(connect).collect::<Vec<String>>()),
            ..Default::default()
        };
        let exec = self.query(attempted, self.client().create_exec(in_path(container)?, options)).await?.id;
        match self.query(attempted, self.client().start_exec(&exec, None)).await? {
            StartExecResults::Attached { output, input } => {
                let bytes = output.map_ok(|piece| piece.into_bytes()).map_err(Error::other);
                Ok(Box::new(tokio::io::join(StreamReader::new(bytes), input)))
            }
            StartExecResults::Detached => {
                Err(EngineError::Refused { attempted: attempted.into(), why: "the engine attached nothing".into() })
            }
        }
    }

    /// What the image of the container has; a renewed program speaks the same over the socket.
    async fn running_command(&self, container: &str) -> Result<Vec<String>, EngineError> {
        let found = self.look_up(container).await?;
        let entrypoint = found.and_then(|found| found.config).and_then(|config| config.entrypoint);
        entrypoint.ok_or_else(|| EngineError::NotFound { what: format!("front {container}") })
    }

    /// Under a name of its own.
    pub(super) async fn put_program_into_front(&self, container: &str) -> Result<Vec<String>, EngineError> {
        let attempted = "give a front its new program";
        let refused =
            |error: Error| EngineError::Refused { attempted: attempted.into(), why: Quoted(error).to_string() };
        let program = own().map_err(refused)?;
        let folder = format!("{}/program-{}", front_folder(), program.id);
        let mut command = program.command(&format!("{FRONT_VOLUME}/{folder}"));
        self.upload_to_front(container, attempted, program.archive(folder, FRONT_USER)).await?;
        command.extend(arguments(&self.means().await?.program));
        command.push("--serve".into());
        Ok(command)
    }

    pub(super) async fn send_hangup_to_front(&self, container: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal("SIGHUP").build();
        let asked = self.client().kill_container(in_path(container)?, Some(options));
        Ok(self.change("have a front start its new program", asked).await?)
    }
}

/// The front's own folder, as its volume has it.
fn front_folder() -> &'static str {
    FRONT_FOLDER.trim_start_matches(FRONT_VOLUME).trim_start_matches('/')
}

fn arguments(program: &str) -> Vec<String> {
    ["front", "--state", FRONT_FOLDER, "--program", program].map(str::to_string).to_vec()
}

/// The front's folder with these files, as its user may write it.
fn folder_archive(files: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, Error> {
    let folder = front_folder();
    let mut tar = tar::Builder::new(Vec::new());
    let owned = |mut header: tar::Header| {
        header.set_uid(FRONT_USER);
        header.set_gid(FRONT_USER);
        header
    };
    let mut own = owned(header(0o700, tar::EntryType::Directory, 0));
    tar.append_data(&mut own, format!("{folder}/"), std::io::empty())?;
    let folders: BTreeSet<&str> = files.iter().filter_map(|(name, _)| Some(name.rsplit_once('/')?.0)).collect();
    for inner in folders {
        let mut own = owned(header(0o700, tar::EntryType::Directory, 0));
        tar.append_data(&mut own, format!("{folder}/{inner}/"), std::io::empty())?;
    }
    for (name, content) in files {
        let mut own = owned(header(0o600, tar::EntryType::Regular, content.len() as u64));
        tar.append_data(&mut own, format!("{folder}/{name}"), Bytes::from(content.clone()).as_ref())?;
    }
    tar.into_inner()
}
