//! `/api/v1/workspaces/{workspace}/environments`: environments, as definitions.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use lazuli_core::Error;
use lazuli_core::assets::Labels;
use lazuli_core::environments::NewEnvironment;
use lazuli_spec::Page;
use lazuli_spec::assets::{Asset, AssetContent, AssetKind};
use lazuli_spec::environments::EnvironmentDefinition;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::assets::{AssetNameView, AssetQuery, UpdateAsset, VersionQuery, agree, made, tagged};
use super::errors::{ProblemDetails, RestResult};
use super::extract::{IfMatch, Json, Path, Query, Tagged};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

const KIND: AssetKind = AssetKind::Environment;

/// A version of an environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentView {
    #[schema(example = "train")]
    name: String,
    #[schema(example = "1")]
    version: String,
    /// An image's name, or a curated environment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The text of the conda file.
    #[serde(skip_serializing_if = "Option::is_none")]
    conda_file: Option<String>,
    /// The text of the requirements file.
    #[serde(skip_serializing_if = "Option::is_none")]
    requirements: Option<String>,
    /// Equal definitions have equal hashes.
    content_hash: String,
    #[schema(example = "Measurements of three kinds of iris")]
    description: String,
    tags: BTreeMap<String, String>,
    properties: BTreeMap<String, String>,
    /// Whether it, or its whole name, is hidden from lists and `latest`.
    archived: bool,
    /// RFC 3339.
    #[schema(example = "2026-01-31T12:00:00Z")]
    created_at: String,
    /// The principal's id.
    created_by: String,
    /// RFC 3339.
    updated_at: String,
}

impl From<Asset> for EnvironmentView {
    fn from(asset: Asset) -> Self {
        let definition = match asset.content {
            AssetContent::Environment(definition) => definition,
            // the store keeps kinds apart
            AssetContent::Data(_) | AssetContent::Code(_) => EnvironmentDefinition::default(),
        };
        Self {
            name: asset.name,
            version: asset.version,
            image: definition.image,
            conda_file: definition.conda_file,
            requirements: definition.requirements,
            content_hash: asset.content_hash.into(),
            description: asset.description,
            tags: asset.tags,
            properties: asset.properties,
            archived: asset.archived,
            created_at: asset.created_at.to_string(),
            created_by: asset.created_by,
            updated_at: asset.updated_at.to_string(),
        }
    }
}

/// A page of environments.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentList {
    items: Vec<EnvironmentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl From<Page<Asset>> for EnvironmentList {
    fn from(page: Page<Asset>) -> Self {
        let page = page.map(EnvironmentView::from);
        Self {
            items: page.items,
            next_page_token: page.next_page_token,
        }
    }
}

/// An environment to be made: `image`, `conda_file`, `requirements`, or several of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEnvironment {
    #[schema(example = "train")]
    name: Option<String>,
    /// The next number when absent.
    #[schema(example = "1")]
    version: Option<String>,
    image: Option<String>,
    /// The conda file: its text, or the mapping itself.
    #[schema(value_type = Option<String>, example = "dependencies:\n- python=3.11\n- pip:\n  - scikit-learn\n")]
    conda_file: Option<serde_json::Value>,
    /// The requirements: their text.
    requirements: Option<String>,
    /// `linux`, the only one there is.
    os_type: Option<String>,
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    properties: Option<BTreeMap<String, String>>,
}

impl CreateEnvironment {
    /// The name and version of the path; those of the body, if any, must be the same.
    fn named(mut self, name: String, version: String) -> Result<Self, Error> {
        agree("name", self.name.as_deref(), &name)?;
        agree("version", self.version.as_deref(), &version)?;
        (self.name, self.version) = (Some(name), Some(version));
        Ok(self)
    }

    fn read(self) -> Result<NewEnvironment, Error> {
        if let Some(system) = self
            .os_type
            .as_deref()
            .filter(|system| !system.eq_ignore_ascii_case("linux"))
        {
            return Err(Error::invalid(
                "os_type",
                format!("`{system}` is not supported; environments are for `linux`"),
            ));
        }
        let conda_file = self.conda_file.map(|conda| match conda {
            serde_json::Value::String(text) => text,
            // JSON is YAML
            mapping => mapping.to_string(),
        });
        Ok(NewEnvironment {
            name: self
                .name
                .ok_or_else(|| Error::invalid("name", "an environment has a name"))?,
            version: self.version,
            definition: EnvironmentDefinition {
                image: self.image,
                conda_file,
                requirements: self.requirements,
            },
            labels: Labels {
                description: self.description,
                tags: self.tags,
                properties: self.properties,
            },
        })
    }
}

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let (read, write) = (
        Permission::Workspace(KIND.read_action()),
        Permission::Workspace(KIND.write_action()),
    );
    routes.rest(read, routes!(list_environments));
    routes.rest(write, routes!(create_environment));
    routes.rest(read, routes!(list_environment_versions));
    routes.rest(write, routes!(put_environment));
    routes.rest(read, routes!(get_environment));
    routes.rest(read, routes!(get_labelled_environment));
    routes.rest(write, routes!(update_environment));
    routes.rest(write, routes!(archive_environment_version));
    routes.rest(write, routes!(restore_environment_version));
    routes.rest(write, routes!(archive_environment));
    routes.rest(write, routes!(restore_environment));
}

/// Makes a version of an environment. The same version with the same content is answered with 200, with other content with 409.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/environments", tag = "environments",
    params(("workspace" = String, Path)), request_body = CreateEnvironment,
    responses((status = 201, body = EnvironmentView), (status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn create_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<CreateEnvironment>,
) -> RestResult<(StatusCode, Tagged<EnvironmentView>)> {
    Ok(made(
        app.core
            .create_environment(&caller, &workspace, body.read()?)
            .await?,
    ))
}

/// Makes the version that the path names.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/environments/{name}/versions/{version}", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)), request_body = CreateEnvironment,
    responses((status = 201, body = EnvironmentView), (status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn put_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    Json(body): Json<CreateEnvironment>,
) -> RestResult<(StatusCode, Tagged<EnvironmentView>)> {
    let new = body.named(name, version)?.read()?;
    Ok(made(
        app.core
            .create_environment(&caller, &workspace, new)
            .await?,
    ))
}

/// Environments by name, each with its newest version.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/environments", tag = "environments",
    params(("workspace" = String, Path), AssetQuery),
    responses((status = 200, body = EnvironmentList), (status = "4XX", body = ProblemDetails)))]
async fn list_environments(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Query(query): Query<AssetQuery>,
) -> RestResult<Json<EnvironmentList>> {
    let (filter, page) = query.read()?;
    let page = app
        .core
        .list_assets(&caller, &workspace, KIND, filter, page)
        .await?;
    Ok(Json(page.into()))
}

/// The versions of an environment, the newest first.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/environments/{name}/versions", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), VersionQuery),
    responses((status = 200, body = EnvironmentList), (status = "4XX", body = ProblemDetails)))]
async fn list_environment_versions(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
) -> RestResult<Json<EnvironmentList>> {
    let (view, page) = query.read()?;
    let page = app
        .core
        .list_asset_versions(&caller, &workspace, KIND, &name, view, page)
        .await?;
    Ok(Json(page.into()))
}

/// One version; `latest` stands for the one made last that is not archived.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/environments/{name}/versions/{version}", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn get_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<EnvironmentView>> {
    let found = app
        .core
        .get_asset(&caller, &workspace, KIND, &name, &version)
        .await?;
    Ok(tagged(found))
}

/// The version that a label stands for; the one label there is is `latest`.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/environments/{name}/labels/{label}", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)),
    responses((status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn get_labelled_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, label)): Path<(String, String, String)>,
) -> RestResult<Tagged<EnvironmentView>> {
    let found = app
        .core
        .get_labelled_asset(&caller, &workspace, KIND, &name, &label)
        .await?;
    Ok(tagged(found))
}

/// Changes a version's description, tags or properties. Its content never changes.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/environments/{name}/versions/{version}", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UpdateAsset, responses((status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn update_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
    IfMatch(etag): IfMatch,
    Json(body): Json<UpdateAsset>,
) -> RestResult<Tagged<EnvironmentView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .update_asset(&caller, &workspace, KIND, named, body.into(), etag)
        .await?;
    Ok(tagged(changed))
}

/// Archives one version. It goes on working for whoever names it.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/environments/{name}/versions/{version}/archive", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn archive_environment_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<EnvironmentView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .archive_asset(&caller, &workspace, KIND, named, true)
        .await?;
    Ok(tagged(changed))
}

/// Archives a whole name, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/environments/{name}/archive", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
async fn archive_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<AssetNameView>> {
    app.core
        .archive_asset_name(&caller, &workspace, KIND, &name, true)
        .await?;
    Ok(Json(AssetNameView::new(name, true)))
}

/// Restores one version. Lists show it again.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/environments/{name}/versions/{version}/restore", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = EnvironmentView), (status = "4XX", body = ProblemDetails)))]
async fn restore_environment_version(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name, version)): Path<(String, String, String)>,
) -> RestResult<Tagged<EnvironmentView>> {
    let named = (name.as_str(), version.as_str());
    let changed = app
        .core
        .archive_asset(&caller, &workspace, KIND, named, false)
        .await?;
    Ok(tagged(changed))
}

/// Restores a whole name, with all its versions.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/environments/{name}/restore", tag = "environments",
    params(("workspace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
async fn restore_environment(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, name)): Path<(String, String)>,
) -> RestResult<Json<AssetNameView>> {
    app.core
        .archive_asset_name(&caller, &workspace, KIND, &name, false)
        .await?;
    Ok(Json(AssetNameView::new(name, false)))
}
