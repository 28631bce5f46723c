//! The control API on the edge's Unix socket: routes in, traffic out.

use super::check::Refusal;
use super::hand_over::{Offer, offer};
use super::keeper::{Changes, Keeper};
use super::probe::{ask_at, knock_at};
use super::state::Edge;
use super::succession::Succession;
use super::wire_format::{Health, Heard, Knock, Knocked, Listener, Problem, Question};
use crate::model::{RouteTable, Traffic};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tokio::net::UnixListener;

pub struct Control {
    pub edge: Arc<Edge>,
    pub keeper: Arc<Keeper>,
    /// Unix time of the start, in milliseconds.
    pub since: i64,
    pub succession: Succession,
    /// Of a front.
    pub program: Option<String>,
    /// Of a front: when it lost an address of its own, Unix time in milliseconds.
    pub moved_ms: Option<i64>,
}

pub fn routes(control: Arc<Control>) -> Router {
    Router::new()
        .route("/v1/routes", get(table).patch(change))
        .route("/v1/follow", patch(follow))
        .route("/v1/traffic", get(traffic))
        .route("/v1/goodbye/{container}", post(goodbye))
        .route("/v1/ask", post(ask))
        .route("/v1/knock", post(knock))
        .route("/v1/health", get(health))
        .route("/v1/hand-over", post(hand_over))
        .fallback(unknown)
        .with_state(control)
}

async fn table(State(control): State<Arc<Control>>) -> Json<RouteTable> {
    Json(control.keeper.table().await)
}

/// The change is on the disk and served before it is answered.
async fn change(State(control): State<Arc<Control>>, body: Bytes) -> Result<StatusCode, Problem> {
    changed(control, &body, false).await
}

/// The same from the one that has taken over.
async fn follow(State(control): State<Arc<Control>>, body: Bytes) -> Result<StatusCode, Problem> {
    changed(control, &body, true).await
}

async fn changed(control: Arc<Control>, body: &[u8], follows: bool) -> Result<StatusCode, Problem> {
    let changes: Changes =
        serde_json::from_slice(body).map_err(|error| Problem::new(400, format!("these are no routes: {error}")))?;
    // To its end, also when whoever asked goes away in the middle.
    let done = tokio::spawn(async move {
        control.keeper.change(&changes, follows).await?;
        control.succession.pass_on(&changes).await;
        for (key, _) in &changes {
            tracing::debug!(component = %key, "The routes were changed");
        }
        Ok(())
    });
    refused(done.await.unwrap_or_else(|error| Err(Refusal::Failed(error.to_string()))))?;
    Ok(StatusCode::NO_CONTENT)
}

/// WebSockets to a container that gets nothing new are closed.
async fn goodbye(State(control): State<Arc<Control>>, Path(container): Path<String>) -> StatusCode {
    control.edge.say_goodbye(Some(&container));
    control.succession.say_goodbye(&container).await;
    StatusCode::NO_CONTENT
}

/// Asks a container what it speaks, for a server that cannot reach it.
async fn ask(Json(question): Json<Question>) -> Json<Heard> {
    Json(ask_at(&question.addresses, question.port).await)
}

/// Connects to ports of a replica as a request would, whether it is led to yet or not.
async fn knock(State(control): State<Arc<Control>>, Json(at): Json<Knock>) -> Json<Vec<Knocked>> {
    Json(knock_at(&at.replica, &at.ports, control.edge.settings.connect_timeout).await)
}

async fn traffic(State(control): State<Arc<Control>>) -> Json<Traffic> {
    let mut traffic = control.edge.traffic();
    control.succession.add_in_flight(&mut traffic).await;
    Json(traffic)
}

/// A new edge asks for the sockets. When this is answered, it has them.
async fn hand_over(State(control): State<Arc<Control>>) -> Result<StatusCode, Problem> {
    let handed = tokio::spawn(give_sockets(control)).await;
    match handed {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => Err(Problem::new(500, format!("the sockets could not be handed over: {error}"))),
        Err(error) => Err(Problem::new(500, error.to_string())),
    }
}

/// Sends the sockets to the edge that asks for them; then this one ends. While it is under way nothing changes.
async fn give_sockets(control: Arc<Control>) -> std::io::Result<()> {
    let succession = &control.succession;
    let path = succession.control_path();
    let mut kept = control.keeper.kept().await;
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    let asked = control.clone();
    let server = tokio::spawn(async move { axum::serve(listener, routes(asked)).await });
    let (addresses, sockets) = (kept.listeners.addresses(), kept.listeners.sockets()?);
    let (folder, offered) = (succession.folder().to_path_buf(), Offer { addresses, control: path.clone() });
    let taken = tokio::task::spawn_blocking(move || offer(&folder, &offered, &sockets)).await?;
    if let Err(error) = taken {
        server.abort();
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    kept.listeners.hand_over();
    kept.handed_over = true;
    succession.has_handed_over();
    Ok(())
}

async fn health(State(control): State<Arc<Control>>) -> Json<Health> {
    let kept = control.keeper.kept().await;
    let open = kept.listeners.addresses().into_iter().map(|address| Listener { address, problem: None });
    let closed = kept.closed.iter().map(|(address, why)| Listener { address: *address, problem: Some(why.clone()) });
    Json(Health {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        since: control.since,
        ending: control.edge.ending.is_cancelled(),
        listeners: open.chain(closed).collect(),
        program: control.program.clone(),
        moved_ms: control.moved_ms,
        host_routes: super::host_routes::host_routes(),
        lowest_port: super::rights::lowest_port(),
    })
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(404, format!("{} is not a path of this API: are edge and server of the same version?", uri.path()))
}

fn refused<T>(done: Result<T, Refusal>) -> Result<T, Problem> {
    done.map_err(|refusal| {
        let status = match refusal {
            Refusal::Wrong(_) => 400,
            Refusal::Taken(_) => 409,
            Refusal::Failed(_) => 500,
            Refusal::Ending => 503,
        };
        Problem::new(status, refusal.to_string())
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self)).into_response()
    }
}
