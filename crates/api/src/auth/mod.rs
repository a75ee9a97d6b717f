//! The door: who is asking, and may they pass.

mod credentials;

use axum::RequestExt;
use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams, Request};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use lazuli_core::links::SignedLink;
use lazuli_core::{Caller, Core, Error, RequestContext, Result};
use lazuli_spec::{ErrorCode, workspaces};

use crate::routing::{Dialect, Permission};

/// The request's id, set by the server's front on every request.
pub const REQUEST_ID: &str = "x-request-id";

/// MLflow's way to name a workspace.
pub const MLFLOW_WORKSPACE: &str = "x-mlflow-workspace";

/// The address of the peer, put into each request by the server's front.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub std::net::SocketAddr);

/// The workspace a request is about.
#[derive(Clone, Debug)]
pub struct RequestWorkspace(pub String);

/// Authenticates, checks the permission, and leaves the caller and the workspace in the request.
pub(crate) async fn admit(
    core: &Core,
    permission: Permission,
    request: &mut Request,
) -> Result<()> {
    match permission {
        // those that guard themselves never come here
        Permission::Public | Permission::EndpointKey | Permission::Loopback => return Ok(()),
        Permission::Signed => {
            let link = signed(core, request)?;
            request.extensions_mut().insert(link);
            return Ok(());
        }
        _ => {}
    }
    let context = context(request);
    let credentials = credentials::from_headers(request.headers())?;
    let caller = core.authenticate(credentials, context).await?;
    let workspace = workspace(request).await;
    match permission {
        Permission::Workspace(action) => {
            core.access(&caller, &workspace, action).await?;
        }
        Permission::Server(action) => {
            core.server_access(&caller, action).await?;
        }
        Permission::Runner if caller.job().is_none() => {
            return Err(Error::new(
                ErrorCode::PermissionDenied,
                "this path is for a running job's own token",
            ));
        }
        _ => {}
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(RequestWorkspace(workspace));
    Ok(())
}

/// Checks the signature in a request's own address, as it came.
fn signed(core: &Core, request: &Request) -> Result<SignedLink> {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    core.check_link(request.method().as_str(), uri.path(), query)
}

/// An error of the door, with the header that a browser and MLflow's client expect beside a 401.
pub(crate) fn refuse(dialect: Dialect, error: Error) -> Response {
    let unauthenticated = error.code == ErrorCode::Unauthenticated;
    let mut response = dialect.error(error);
    if unauthenticated {
        let challenge = HeaderValue::from_static("Bearer realm=\"lazuli\", Basic realm=\"lazuli\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn context(request: &Request) -> RequestContext {
    let peer = request.extensions().get::<PeerAddress>().map(|peer| peer.0);
    let connected = request
        .extensions()
        .get::<ConnectInfo<std::net::SocketAddr>>()
        .map(|peer| peer.0);
    RequestContext {
        request_id: header(request.headers(), REQUEST_ID)
            .unwrap_or_default()
            .to_owned(),
        address: peer
            .or(connected)
            .map(|address| address.ip().to_string())
            .unwrap_or_default(),
    }
}

/// The workspace that the path names, else the one of MLflow's header, else the default one.
async fn workspace(request: &mut Request) -> String {
    let in_path = match request.extract_parts::<RawPathParams>().await {
        Ok(params) => params
            .iter()
            .find(|(key, _)| *key == "workspace")
            .map(|(_, value)| value.to_owned()),
        Err(_) => None,
    };
    in_path
        .or_else(|| header(request.headers(), MLFLOW_WORKSPACE).map(ToOwned::to_owned))
        .unwrap_or_else(|| workspaces::DEFAULT.to_owned())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Extracts the authenticated caller.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = crate::rest::errors::Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // only a public route has none, and none of those asks for it
        let caller = parts.extensions.get::<Caller>().cloned();
        caller
            .map(Self)
            .ok_or_else(|| Error::internal("a public route asked for its caller").into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestWorkspace {
    type Rejection = crate::rest::errors::Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Error::internal("a public route asked for its workspace").into())
    }
}
