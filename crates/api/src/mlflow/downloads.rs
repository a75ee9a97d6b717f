//! What MLflow's UI downloads from: a file by its run, its model version or its logged model.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use lazuli_spec::Action;

use super::Call;
use super::artifacts::sent;
use super::errors::MlflowResult;
use super::json::invalid;
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

async fn by_run(call: Call) -> MlflowResult<Response> {
    let (run_id, file) = (call.fields.run_id()?, call.fields.required("path")?);
    let path = call
        .core
        .run_artifact_path(&call.caller, &call.workspace, run_id, file)
        .await?;
    download(&call, &path).await
}

async fn by_version(call: Call) -> MlflowResult<Response> {
    let named = (
        call.fields.required("name")?,
        call.fields.required("version")?,
    );
    let file = call.fields.required("path")?;
    let path = call
        .core
        .model_file_path(&call.caller, &call.workspace, named, file)
        .await?;
    download(&call, &path).await
}

async fn by_logged_model(Path(model_id): Path<String>, call: Call) -> MlflowResult<Response> {
    let file = call.fields.text_or_empty("artifact_file_path")?;
    if file.is_empty() {
        let words = "Request must include the \"artifact_file_path\" query parameter.";
        return Err(invalid(words));
    }
    let path = call
        .core
        .logged_model_file_path(&call.caller, &call.workspace, &model_id, file)
        .await?;
    download(&call, &path).await
}

async fn download(call: &Call, path: &str) -> MlflowResult<Response> {
    let read = call
        .core
        .get_artifact(&call.caller, &call.workspace, path, None)
        .await?;
    Ok(sent(path, read, false))
}
