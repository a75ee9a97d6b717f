//! A run's artifacts, through the same routes that mlflow uses.

use std::path::Path;

use lazuli_spec::trees::check_path;
use reqwest::Method;
use serde_json::Value;

use super::{Fetched, progress, write};
use crate::client::{Client, push_segments};
use crate::error::{CliError, CliResult};

/// Downloads a run's artifacts below `prefix` (empty for all) into a folder.
pub(crate) async fn artifacts(
    client: &Client,
    run_id: &str,
    prefix: &str,
    into: &Path,
) -> CliResult<Fetched> {
    let run = client
        .get_with("/api/2.0/mlflow/runs/get", &[("run_id", run_id)])
        .await?;
    let info = &run["run"]["info"];
    let experiment = info["experiment_id"]
        .as_str()
        .ok_or_else(|| CliError::new(format!("the run `{run_id}` has no experiment")))?;
    let mut fetched = Fetched::default();
    let mut folders = vec![prefix.to_owned()];
    while let Some(folder) = folders.pop() {
        for (path, is_folder, size) in list(client, run_id, &folder).await? {
            if is_folder {
                folders.push(path);
                continue;
            }
            check_path(&path).map_err(|error| CliError::new(error.to_string()))?;
            fetched.bytes += fetch(client, experiment, run_id, &path, size, into).await?;
            fetched.files += 1;
        }
    }
    Ok(fetched)
}

async fn list(client: &Client, run_id: &str, folder: &str) -> CliResult<Vec<(String, bool, u64)>> {
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let mut query = vec![("run_id", run_id)];
        query.extend((!folder.is_empty()).then_some(("path", folder)));
        query.extend((!token.is_empty()).then_some(("page_token", token.as_str())));
        let page = client
            .get_with("/api/2.0/mlflow/artifacts/list", &query)
            .await?;
        for file in page["files"].as_array().into_iter().flatten() {
            let path = file["path"].as_str().unwrap_or_default().to_owned();
            found.push((
                path,
                file["is_dir"].as_bool().unwrap_or(false),
                size_of(&file["file_size"]),
            ));
        }
        match page["next_page_token"].as_str() {
            Some(next) if !next.is_empty() => next.clone_into(&mut token),
            _ => return Ok(found),
        }
    }
}

/// MLflow writes 64-bit numbers as text.
fn size_of(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or(0)
}

async fn fetch(
    client: &Client,
    experiment: &str,
    run_id: &str,
    path: &str,
    size: u64,
    into: &Path,
) -> CliResult<u64> {
    let mut url = "/api/2.0/mlflow-artifacts/artifacts".to_owned();
    push_segments(&mut url, &[experiment, run_id, "artifacts"]);
    push_segments(&mut url, &path.split('/').collect::<Vec<_>>());
    let body = client
        .send(client.request(Method::GET, &url))
        .await?
        .stream();
    let bar = progress(size);
    let written = write(&into.join(path), body, &bar).await?;
    bar.finish_and_clear();
    let bytes = written.bytes;
    written.keep().await?;
    Ok(bytes)
}
