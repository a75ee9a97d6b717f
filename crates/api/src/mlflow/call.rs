//! What a handler of MLflow's dialect is given: who asks, about which workspace, and the fields of the request.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use lazuli_core::{Caller, Core, Error};

use super::errors::{MlflowError, MlflowResult};
use super::json::Message;
use crate::AppState;
use crate::auth::RequestWorkspace;

/// A request whose fields are in its query or in a JSON body.
#[derive(Debug)]
pub struct Call {
    /// The product.
    pub core: Core,
    /// The authenticated caller.
    pub caller: Caller,
    /// The workspace's name.
    pub workspace: String,
    /// The fields.
    pub fields: Message,
}

impl FromRequest<AppState> for Call {
    type Rejection = MlflowError;

    async fn from_request(request: Request, state: &AppState) -> MlflowResult<Self> {
        let (mut parts, body) = request.into_parts();
        let MlflowCaller { caller, workspace } =
            MlflowCaller::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        Ok(Self {
            core: state.core.clone(),
            caller,
            workspace,
            fields: Message::from_request(request, state).await?,
        })
    }
}

/// Who asks, and about which workspace.
#[derive(Clone, Debug)]
pub struct MlflowCaller {
    /// The authenticated caller.
    pub caller: Caller,
    /// The workspace's name.
    pub workspace: String,
}

impl<S: Send + Sync> FromRequestParts<S> for MlflowCaller {
    type Rejection = MlflowError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let extensions = &parts.extensions;
        match (
            extensions.get::<Caller>(),
            extensions.get::<RequestWorkspace>(),
        ) {
            (Some(caller), Some(RequestWorkspace(workspace))) => Ok(Self {
                caller: caller.clone(),
                workspace: workspace.clone(),
            }),
            _ => Err(Error::internal("a public route asked for its caller").into()),
        }
    }
}
