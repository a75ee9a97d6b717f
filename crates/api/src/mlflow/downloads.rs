//! What MLflow's UI downloads from: a file by its run, its model version or its logged model.

use axum::extract::{Path, State};
use axum::http::Method;
use axum::response::Response;
use lazuli_spec::Action;

use super::MlflowCaller;
use super::artifacts::sent;
use super::errors::MlflowResult;
use super::json::{Message, invalid};
use crate::AppState;
use crate::routing::{Dialect, Permission, Routes};

pub(crate) fn add_routes(routes: &mut Routes) {
    let runs = Permission::Workspace(Action::RunsRead);
    let models = Permission::Workspace(Action::ModelsRead);
    let (dialect, get) = (Dialect::Mlflow, Method::GET);
    // who puts these behind a server's address that ends with a slash asks with two
    for root in ["/", "//"] {
        let of_run = format!("{root}get-artifact");
        routes.raw(dialect, get.clone(), &of_run, runs, by_run);
        let of_version = format!("{root}model-versions/get-artifact");
        routes.raw(dialect, get.clone(), &of_version, models, by_version);
    }
    let of_model = "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files";
    routes.raw(dialect, get, of_model, runs, by_logged_model);
}

async fn by_run(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Response> {
    let (run_id, file) = (message.run_id()?, message.required("path")?);
    let path = state
        .core
        .run_artifact_path(&who.caller, &who.workspace, run_id, file)
        .await?;
    download(&state, &who, &path).await
}

async fn by_version(
    State(state): State<AppState>,
    who: MlflowCaller,
    message: Message,
) -> MlflowResult<Response> {
    let named = (message.required("name")?, message.required("version")?);
    let file = message.required("path")?;
    let path = state
        .core
        .model_file_path(&who.caller, &who.workspace, named, file)
        .await?;
    download(&state, &who, &path).await
}

async fn by_logged_model(
    State(state): State<AppState>,
    who: MlflowCaller,
    Path(model_id): Path<String>,
    message: Message,
) -> MlflowResult<Response> {
    let file = message.text_or_empty("artifact_file_path")?;
    if file.is_empty() {
        let words = "Request must include the \"artifact_file_path\" query parameter.";
        return Err(invalid(words));
    }
    let path = state
        .core
        .logged_model_file_path(&who.caller, &who.workspace, &model_id, file)
        .await?;
    download(&state, &who, &path).await
}

async fn download(state: &AppState, who: &MlflowCaller, path: &str) -> MlflowResult<Response> {
    let read = state
        .core
        .get_artifact(&who.caller, &who.workspace, path, None)
        .await?;
    Ok(sent(path, read, false))
}
