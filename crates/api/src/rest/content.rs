//! `/api/v1/workspaces/{workspace}/content` and `/trees`: the bytes behind assets and outputs.
//!
//! A client asks `content/missing`, PUTs what is missing, PUTs the tree, then makes the asset that names the tree.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use lazuli_core::Error;
use lazuli_spec::Action;
use lazuli_spec::trees::{ContentHash, Tree, TreeDocument, TreeEntry};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::errors::{ProblemDetails, RestResult};
use super::extract::{Json, Path};
use super::streams::{self, Wanted};
use crate::AppState;
use crate::auth::Authenticated;
use crate::routing::{Permission, Routes};

/// Content that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContentView {
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    sha256: String,
    #[schema(example = 0)]
    size: u64,
}

/// A list of hashes: those asked about, or those of them that are missing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    /// SHA-256, 64 lower-case hexadecimal digits each; at most 10,000.
    sha256s: Vec<String>,
}

/// One file of a tree.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeFile {
    /// Relative, with `/` between segments.
    #[schema(example = "data/iris.csv")]
    path: String,
    #[schema(example = 4551)]
    size: u64,
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    sha256: String,
}

/// The files of a folder.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeView {
    files: Vec<TreeFile>,
}

impl From<Tree> for TreeView {
    fn from(tree: Tree) -> Self {
        let file = |entry: TreeEntry| TreeFile {
            path: entry.path,
            size: entry.size,
            sha256: entry.sha256.into(),
        };
        let files = TreeDocument::from(tree).files;
        Self {
            files: files.into_iter().map(file).collect(),
        }
    }
}

impl TreeView {
    fn read(self) -> Result<Tree, Error> {
        let entry = |file: TreeFile| {
            Ok(TreeEntry {
                path: file.path,
                size: file.size,
                sha256: hash("files", &file.sha256)?,
            })
        };
        let entries: Result<Vec<_>, Error> = self.files.into_iter().map(entry).collect();
        Tree::new(entries?).map_err(|error| Error::invalid("files", error.to_string()))
    }
}

/// Bytes.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct FileBytes(#[expect(dead_code, reason = "only described, never made")] Vec<u8>);

/// The routes of this noun.
pub(crate) fn add_routes(routes: &mut Routes) {
    let (read, write) = (
        Permission::Workspace(Action::ContentRead),
        Permission::Workspace(Action::ContentWrite),
    );
    routes.rest(read, routes!(missing_content));
    routes.rest(write, routes!(put_content));
    routes.rest(read, routes!(get_content));
    routes.rest(write, routes!(put_tree));
    routes.rest(read, routes!(get_tree));
}

/// Which of these contents are not stored yet.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/content/missing", tag = "content",
    params(("workspace" = String, Path)), request_body = Hashes,
    responses((status = 200, body = Hashes), (status = "4XX", body = ProblemDetails)))]
async fn missing_content(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<String>,
    Json(body): Json<Hashes>,
) -> RestResult<Json<Hashes>> {
    let hashes: Result<Vec<_>, _> = body
        .sha256s
        .iter()
        .map(|text| hash("sha256s", text))
        .collect();
    let missing = app
        .core
        .missing_content(&caller, &workspace, hashes?)
        .await?;
    let sha256s = missing.into_iter().map(String::from).collect();
    Ok(Json(Hashes { sha256s }))
}

/// Stores content under its hash. Bytes with another hash, and uploads that are cut off, leave nothing.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/content/{sha256}", tag = "content",
    params(("workspace" = String, Path), ("sha256" = String, Path)),
    request_body(content = FileBytes, content_type = "application/octet-stream"),
    responses((status = 200, body = ContentView), (status = "4XX", body = ProblemDetails)))]
async fn put_content(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, sha256)): Path<(String, String)>,
    body: Body,
) -> RestResult<Json<ContentView>> {
    let (sha256, limit) = (hash("sha256", &sha256)?, app.limits.upload);
    let stream = body.into_data_stream();
    let stored = app
        .core
        .put_content(&caller, &workspace, &sha256, limit, stream)
        .await?;
    Ok(Json(ContentView {
        sha256: stored.sha256.into(),
        size: stored.size,
    }))
}

/// Reads content; `Range` is honoured.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/content/{sha256}", tag = "content",
    params(("workspace" = String, Path), ("sha256" = String, Path)),
    responses((status = 200, body = FileBytes, content_type = "application/octet-stream"),
        (status = 206, body = FileBytes, content_type = "application/octet-stream"), (status = "4XX", body = ProblemDetails)))]
async fn get_content(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, sha256)): Path<(String, String)>,
    headers: HeaderMap,
) -> RestResult<Response> {
    let sha256 = hash("sha256", &sha256)?;
    let wanted = Wanted::read(&headers, sha256.as_str());
    let read = app
        .core
        .open_content(&caller, &workspace, &sha256, wanted.range)
        .await?;
    if wanted.not_modified {
        return Ok(streams::not_modified(sha256.as_str()));
    }
    Ok(streams::respond(
        read,
        sha256.as_str(),
        sha256.as_str(),
        wanted.range.is_some(),
    ))
}

/// Stores a tree. All its content must be stored before, and its id must be the one in the path.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/trees/{tree}", tag = "content",
    params(("workspace" = String, Path), ("tree" = String, Path)), request_body = TreeView,
    responses((status = 200, body = TreeView), (status = "4XX", body = ProblemDetails)))]
async fn put_tree(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, id)): Path<(String, String)>,
    Json(body): Json<TreeView>,
) -> RestResult<Json<TreeView>> {
    let tree = app
        .core
        .put_tree(&caller, &workspace, &hash("tree", &id)?, body.read()?)
        .await?;
    Ok(Json(tree.into()))
}

/// The files of a tree.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/trees/{tree}", tag = "content",
    params(("workspace" = String, Path), ("tree" = String, Path)),
    responses((status = 200, body = TreeView), (status = "4XX", body = ProblemDetails)))]
async fn get_tree(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Path((workspace, id)): Path<(String, String)>,
) -> RestResult<Json<TreeView>> {
    let tree = app
        .core
        .get_tree(&caller, &workspace, &hash("tree", &id)?)
        .await?;
    Ok(Json(tree.into()))
}

fn hash(field: &str, text: &str) -> Result<ContentHash, Error> {
    ContentHash::parse(text).map_err(|error| Error::invalid(field, error.to_string()))
}
