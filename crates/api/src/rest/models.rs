//! `/api/v1/workspaces/{workspace}/models`: registered models and their versions.

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::assets::LATEST;
use lazuli_core::models::{ModelSummary, NewModel, Which};
use lazuli_spec::Action;
use lazuli_spec::models::ModelVersion;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged, put_status};
use super::list_queries::{ModelQuery, ModelVersionQuery};
use super::model_views::{
    CreateModel, ModelList, ModelNameList, ModelNameView, ModelView, SetAlias, UpdateModel,
};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

fn tagged(model: ModelVersion) -> Tagged<ModelView> {
    Tagged(model.updated_at, model.into())
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let read = Permission::Workspace(Action::ModelsRead);
    let write = Permission::Workspace(Action::ModelsWrite);
    let delete = Permission::Workspace(Action::ModelsDelete);
    routes.rest(read, routes!(list_models));
    routes.rest(write, routes!(create_model));
    routes.rest(read, routes!(get_newest_model));
    routes.rest(read, routes!(list_model_versions));
    routes.rest(read, routes!(get_model));
    routes.rest(write, routes!(put_model));
    routes.rest(write, routes!(update_model));
    routes.rest(delete, routes!(delete_model_version));
    routes.rest(read, routes!(get_labelled_model));
    routes.rest(write, routes!(set_model_alias));
    routes.rest(write, routes!(delete_model_alias));
    routes.rest(write, routes!(archive_model_version));
    routes.rest(write, routes!(restore_model_version));
    routes.rest(write, routes!(archive_model));
    routes.rest(write, routes!(restore_model));
}

/// Models by name, each with its newest version.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/models", tag = "models", params(("workspace" = String, Path), ModelQuery),
    responses((status = 200, body = ModelNameList), (status = "4XX", body = ProblemDetails)))]
async fn list_models(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<ModelQuery>,
) -> RestResult<Json<ModelNameList>> {
    let (filter, page) = query.read()?;
    Ok(Json(
        app.core
            .list_models(&caller, &workspace, filter, page)
            .await?
            .into(),
    ))
}

/// Registers a version of a model. The same version with the same content is answered with 200, with other content with 409.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/models", tag = "models", params(("workspace" = String, Path)),
    request_body = CreateModel,
    responses((status = 201, body = ModelView), (status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn create_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<CreateModel>,
) -> RestResult<(StatusCode, Tagged<ModelView>)> {
    register(&app, &caller, &workspace, body.read()?).await
}

/// Registers the version that the path names.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/models/{name}/versions/{version}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)), request_body = CreateModel,
    responses((status = 201, body = ModelView), (status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn put_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    Json(body): Json<CreateModel>,
) -> RestResult<(StatusCode, Tagged<ModelView>)> {
    register(
        &app,
        &caller,
        &workspace,
        body.named(name, version)?.read()?,
    )
    .await
}

async fn register(
    app: &AppState,
    caller: &lazuli_core::Caller,
    workspace: &str,
    new: NewModel,
) -> RestResult<(StatusCode, Tagged<ModelView>)> {
    let (model, created) = app.core.register_model(caller, workspace, new).await?;
    let status = put_status(created);
    Ok((status, tagged(model)))
}

/// The newest version of a model that is not archived.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/models/{name}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn get_newest_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Tagged<ModelView>> {
    let which = Which::Label(LATEST.to_owned());
    Ok(tagged(
        app.core
            .find_model_version(&caller, &workspace, &name, which)
            .await?,
    ))
}

/// The versions of a model, the greatest number first.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/models/{name}/versions", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ModelVersionQuery),
    responses((status = 200, body = ModelList), (status = "4XX", body = ProblemDetails)))]
async fn list_model_versions(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    Query(query): Query<ModelVersionQuery>,
) -> RestResult<Json<ModelList>> {
    let (filter, page) = query.read()?;
    Ok(Json(
        app.core
            .list_model_versions(&caller, &workspace, &name, filter, page)
            .await?
            .into(),
    ))
}

/// One version with its files as a tree; `latest` stands for the newest that is not archived.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/models/{name}/versions/{version}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn get_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<ModelView>> {
    let which = if version == LATEST {
        Which::Label(version)
    } else {
        Which::Version(version)
    };
    Ok(tagged(
        app.core
            .find_model_version(&caller, &workspace, &name, which)
            .await?,
    ))
}

/// The version that an alias points to; `latest` is always there.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/models/{name}/labels/{label}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    responses((status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn get_labelled_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, label)): Path<(String, String, String)>,
) -> RestResult<Tagged<ModelView>> {
    Ok(tagged(
        app.core
            .find_model_version(&caller, &workspace, &name, Which::Label(label))
            .await?,
    ))
}

/// Changes a version's description, stage, tags or properties. Its content never changes.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/models/{name}/versions/{version}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UpdateModel, responses((status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn update_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateModel>,
) -> RestResult<Tagged<ModelView>> {
    let change = body.into();
    Ok(tagged(
        app.core
            .update_model(&caller, &workspace, &name, &version, change, etag)
            .await?,
    ))
}

/// Deletes a version; its number is not given out again.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/models/{name}/versions/{version}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn delete_model_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<StatusCode> {
    app.core
        .delete_model_version(&caller, &workspace, &name, &version)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Points an alias to a version.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/models/{name}/labels/{label}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)), request_body = SetAlias,
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn set_model_alias(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, label)): Path<(String, String, String)>,
    Json(body): Json<SetAlias>,
) -> RestResult<StatusCode> {
    app.core
        .set_model_alias(&caller, &workspace, &name, &label, body.version())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes an alias.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/models/{name}/labels/{label}", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemDetails)))]
async fn delete_model_alias(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, label)): Path<(String, String, String)>,
) -> RestResult<StatusCode> {
    app.core
        .delete_model_alias(&caller, &workspace, &name, &label)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Archives one version. It goes on working for whoever names it.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/models/{name}/versions/{version}/archive", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn archive_model_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<ModelView>> {
    Ok(tagged(
        app.core
            .archive_model_version(&caller, &workspace, &name, &version, true)
            .await?,
    ))
}

/// Restores one version. Lists show it again.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/models/{name}/versions/{version}/restore", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = ModelView), (status = "4XX", body = ProblemDetails)))]
async fn restore_model_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<ModelView>> {
    Ok(tagged(
        app.core
            .archive_model_version(&caller, &workspace, &name, &version, false)
            .await?,
    ))
}

/// Archives a whole model, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/models/{name}/archive", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ModelNameView), (status = "4XX", body = ProblemDetails)))]
async fn archive_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<ModelNameView>> {
    let model = app
        .core
        .archive_registered_model(&caller, &workspace, &name, true)
        .await?;
    Ok(Json(ModelSummary::from(model).into()))
}

/// Restores a whole model, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/models/{name}/restore", tag = "models",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ModelNameView), (status = "4XX", body = ProblemDetails)))]
async fn restore_model(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<ModelNameView>> {
    let model = app
        .core
        .archive_registered_model(&caller, &workspace, &name, false)
        .await?;
    Ok(Json(ModelSummary::from(model).into()))
}
