//! The session of one build: what the engine may ask us while it builds. It calls us, over a connection that we open.

use super::EngineAddress;
use super::file_sync::Folders;
use crate::model::{RegistryCredentials, Secret, registry_name};
use bollard::grpc::export::health::health_check_response::ServingStatus;
use bollard::grpc::export::health::health_server::{Health, HealthServer};
use bollard::grpc::export::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard::grpc::export::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::grpc::export::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::grpc::export::moby::filesync::packet::file_sync_server::FileSyncServer;
use bollard::grpc::export::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::grpc::export::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::StreamExt;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

/// Who knows the accounts of registries. Asked only once a registry wants one.
#[tonic::async_trait]
pub trait Accounts: Send + Sync {
    /// The account for a registry by its host; `docker.io` for Docker Hub.
    async fn of(&self, registry: &str) -> Option<RegistryCredentials>;
}

#[tonic::async_trait]
impl Accounts for BTreeMap<String, RegistryCredentials> {
    async fn of(&self, registry: &str) -> Option<RegistryCredentials> {
        self.get(registry).cloned()
    }
}

/// An open session; dropping it closes it.
pub(super) struct Session {
    pub(super) id: String,
    _open: DropGuard,
}

/// What the engine is told that it may call. Token requests are not among them: the engine then asks for the
/// credentials and fetches tokens itself.
const METHODS: [&str; 3] = [
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
];

impl Session {
    /// Opens a session. `shared_key` tells the engine which copy of earlier files it may bring up to date, instead of
    /// beginning (and keeping) a new one; it compares files by size and time.
    pub(super) async fn open(
        engine: &EngineAddress,
        shared_key: &str,
        folders: Folders,
        secrets: BTreeMap<String, Secret>,
        registries: Arc<dyn Accounts>,
    ) -> Result<Self, String> {
        let id = random_id()?;
        let mut headers = vec![
            ("X-Docker-Expose-Session-Uuid", id.clone()),
            ("X-Docker-Expose-Session-Name", "launchway".to_string()),
            ("X-Docker-Expose-Session-Sharedkey", shared_key.to_string()),
        ];
        headers.extend(METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method.to_string())));
        let stream = SessionStream(TokioIo::new(engine.upgrade("/session", &headers).await?));
        let closed = CancellationToken::new();
        let closing = closed.clone().cancelled_owned();
        let server = tonic::transport::Server::builder()
            .add_service(HealthServer::new(AlwaysServing))
            .add_service(FileSyncServer::new(folders))
            .add_service(SecretsServer::new(BuildSecrets(secrets)))
            .add_service(AuthServer::new(Registries(registries)));
        // One connection, and no other will come; the server waits for it to end, or for the session to be dropped.
        let incoming = tokio_stream::once(Ok::<_, io::Error>(stream)).chain(tokio_stream::pending());
        tokio::spawn(async move {
            if let Err(error) = server.serve_with_incoming_shutdown(incoming, closing).await {
                tracing::debug!(%error, "a build session ended");
            }
        });
        Ok(Self { id, _open: closed.drop_guard() })
    }
}

/// 25 characters that no other session has.
pub(super) fn random_id() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(hex::encode(bytes)[..25].to_string())
}

struct BuildSecrets(BTreeMap<String, Secret>);

#[tonic::async_trait]
impl Secrets for BuildSecrets {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.get(&id) {
            Some(secret) => Ok(Response::new(GetSecretResponse { data: secret.expose().as_bytes().to_vec() })),
            None => Err(Status::not_found(format!("build.secrets in the Compose file has no secret {id:?}"))),
        }
    }
}

struct Registries(Arc<dyn Accounts>);

#[tonic::async_trait]
impl Auth for Registries {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let found = self.0.of(registry_name(&host)).await.map(|account| CredentialsResponse {
            username: account.username,
            secret: account.password.expose().to_string(),
        });
        Ok(Response::new(found.unwrap_or_default()))
    }
    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }
    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }
    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }
}

/// The engine looks every few seconds whether the session is still alive.
struct AlwaysServing;

#[tonic::async_trait]
impl Health for AlwaysServing {
    type WatchStream = tokio_stream::Pending<Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }
    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse { statuses: HashMap::new() }))
    }
    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask by Check"))
    }
}

/// The connection, as tonic's server wants it.
struct SessionStream(TokioIo<Upgraded>);

impl Connected for SessionStream {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for SessionStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for SessionStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
