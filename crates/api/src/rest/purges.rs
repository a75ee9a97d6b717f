//! `/api/v1/workspaces/{workspace}/purge`: removes for good what was deleted.

use std::time::Duration;

use axum::extract::State;
use lazuli_core::purges::{Dead, Purged};
use lazuli_spec::Action;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// What to remove.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// Only what was deleted at least so long ago.
    #[schema(example = 2_592_000)]
    older_than_seconds: u64,
    /// Only say what would go.
    #[serde(default)]
    dry_run: bool,
}

/// Something that is gone, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurgedItem {
    /// `run`, `logged_model` or `experiment`.
    kind: &'static str,
    #[schema(example = "4d5c1f0e7c2b4f0e9b8d6a5c3e2f1a0b")]
    id: String,
    /// Where its files were.
    location: String,
}

/// What a purge did, or would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurgeReport {
    items: Vec<PurgedItem>,
    /// Whether there is more: ask again.
    more: bool,
}

impl From<Dead> for PurgedItem {
    fn from(dead: Dead) -> Self {
        Self {
            kind: dead.kind.as_str(),
            id: dead.id,
            location: dead.location,
        }
    }
}

impl From<Purged> for PurgeReport {
    fn from(purged: Purged) -> Self {
        Self {
            items: purged.items.into_iter().map(PurgedItem::from).collect(),
            more: purged.more,
        }
    }
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Workspace(Action::TrackingPurge), routes!(purge));
}

/// Removes runs, logged models and experiments for good, with their files. This cannot be undone. Runs of jobs that are
/// still there, and what holds the files of a registered version, are kept.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/purge", tag = "experiments", params(("workspace" = String, Path)),
    request_body = PurgeRequest, responses((status = 200, body = PurgeReport), (status = "4XX", body = ProblemDetails)))]
async fn purge(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<PurgeRequest>,
) -> RestResult<Json<PurgeReport>> {
    let older_than = Duration::from_secs(body.older_than_seconds);
    let purged = app
        .core
        .purge(&caller, &workspace, older_than, body.dry_run)
        .await?;
    Ok(Json(purged.into()))
}
