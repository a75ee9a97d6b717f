//! `/api/v1/tokens`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::tokens::NewToken;
use lazuli_spec::tokens::Token;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path, Query};
use super::list_queries::TokenQuery;
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// A token as listed: never its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    id: String,
    name: String,
    principal_id: String,
    /// Action patterns it is limited to.
    scopes: Vec<String>,
    /// RFC 3339.
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            principal_id: token.principal_id,
            scopes: token.scopes,
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A new token with its text, which is shown this once.
#[derive(Serialize, ToSchema)]
pub struct CreatedToken {
    /// To be sent as `Authorization: Bearer <token>`.
    token: String,
    #[serde(flatten)]
    details: TokenView,
}

/// A page of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenList {
    items: Vec<TokenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What a new token is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    #[schema(example = "nightly training")]
    name: String,
    /// Action patterns such as `*/read`; everything its owner may do when absent.
    #[serde(default)]
    scopes: Vec<String>,
    /// How long it works, in seconds; for good when absent.
    expires_in_seconds: Option<u64>,
    /// For whom, by name; for the caller when absent.
    principal: Option<String>,
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    routes.rest(Permission::Authenticated, routes!(list_tokens));
    routes.rest(Permission::Authenticated, routes!(create_token));
    routes.rest(Permission::Authenticated, routes!(revoke_token));
}

/// One's own tokens, or everybody's.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "identity", params(TokenQuery),
    responses((status = 200, body = TokenList), (status = "4XX", body = ProblemDetails)))]
async fn list_tokens(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Query(query): Query<TokenQuery>,
) -> RestResult<Json<TokenList>> {
    let (wanted, filter, page) = query.read()?;
    let page = app
        .core
        .list_tokens(&caller, wanted, filter, page)
        .await?
        .map(TokenView::from);
    Ok(Json(TokenList {
        items: page.items,
        next_page_token: page.next_page_token,
    }))
}

/// Makes a token. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "identity", request_body = CreateToken,
    responses((status = 201, body = CreatedToken), (status = "4XX", body = ProblemDetails)))]
async fn create_token(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateToken>,
) -> RestResult<(StatusCode, Json<CreatedToken>)> {
    let new = NewToken {
        name: body.name,
        scopes: body.scopes,
        lifetime: body.expires_in_seconds.map(Duration::from_secs),
        principal: body.principal,
    };
    let (token, text) = app.core.create_token(&caller, new).await?;
    let created = CreatedToken {
        token: text.reveal(),
        details: token.into(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Takes a token back at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "identity", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn revoke_token(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> RestResult<StatusCode> {
    app.core.revoke_token(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
