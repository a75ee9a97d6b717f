//! `/api/v1/audit`.

use axum::extract::State;
use lazuli_spec::Action;
use lazuli_spec::audit::AuditRecord;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Query};
use super::list_queries::AuditQuery;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A record of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditRecordView {
    sequence: i64,
    /// RFC 3339.
    at: String,
    principal_id: String,
    principal: String,
    #[schema(example = "Microsoft.MachineLearningServices/workspaces/jobs/write")]
    action: String,
    #[schema(example = "jobs/brave_fox_1a2b3c")]
    target: String,
    workspace: String,
    /// `allowed`, `denied` or `unauthenticated`.
    outcome: &'static str,
    request_id: String,
    address: String,
    hash: String,
}

impl From<AuditRecord> for AuditRecordView {
    fn from(record: AuditRecord) -> Self {
        Self {
            sequence: record.sequence,
            at: record.at.to_string(),
            principal_id: record.principal_id,
            principal: record.principal_name,
            action: record.action,
            target: record.target,
            workspace: record.workspace,
            outcome: record.outcome.as_str(),
            request_id: record.request_id,
            address: record.address,
            hash: record.hash,
        }
    }
}

/// A page of records, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditList {
    items: Vec<AuditRecordView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// How a verification of the trail ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditVerification {
    /// Whether every record is as it was written.
    sound: bool,
    /// How many records were found sound, counted from the first.
    checked: i64,
    /// The hash at the end; noted elsewhere, it proves later that nothing was rewritten.
    head: String,
    /// The place of the first break.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<i64>,
    /// What is wrong there.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Server(Action::AuditRead), routes!(list_audit));
    routes.rest(Permission::Server(Action::AuditRead), routes!(verify_audit));
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = AuditList), (status = "4XX", body = ProblemDetails)))]
async fn list_audit(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(query): Query<AuditQuery>,
) -> RestResult<Json<AuditList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_audit(&caller, filter, page)
        .await?
        .map(AuditRecordView::from);
    Ok(Json(AuditList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Walks the whole trail and finds the first changed, missing or reordered record.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit",
    responses((status = 200, body = AuditVerification), (status = "4XX", body = ProblemDetails)))]
async fn verify_audit(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> RestResult<Json<AuditVerification>> {
    let found = app.core.verify_audit(&caller).await?;
    let (broken_at, problem) = found
        .first_break
        .map_or((None, None), |b| (Some(b.sequence), Some(b.problem)));
    Ok(Json(AuditVerification {
        sound: found.sound,
        checked: found.checked,
        head: found.head,
        broken_at,
        problem,
    }))
}
