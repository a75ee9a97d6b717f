//! Where an MLflow client says that a version's files are, checked and resolved.
//!
//! A source on this server must lie inside the run or logged model that is named beside it, in the same workspace:
//! otherwise a version would be a way to read other people's files. A local path is one of the client's machine and
//! means nothing here.

use lazuli_spec::logged_models::LoggedModel;
use lazuli_spec::models::{PROMPT_SOURCES, is_prompt};
use lazuli_spec::{ErrorCode, experiments::Lifecycle};
use lazuli_store::{Tx, logged_models, models, runs};

use super::{NewVersion, find_model, find_version};
use crate::{Error, Result};

/// A source, resolved.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) source: String,
    pub(super) location: String,
    pub(super) tree: Option<String>,
    pub(super) job: Option<String>,
    pub(super) run_id: Option<String>,
    pub(super) model_id: Option<String>,
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

/// What can be said of a source without looking anything up.
pub(super) fn check(source: &str, prompt: bool) -> Result<()> {
    if source.trim().is_empty() {
        return Err(invalid(
            "Missing value for required parameter 'source'.".to_owned(),
        ));
    }
    if prompt {
        if PROMPT_SOURCES.contains(&source) {
            return Ok(());
        }
        return Err(invalid(format!(
            "Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder."
        )));
    }
    let plain = unquoted(source);
    if plain.contains('\0') || plain.split(['/', '\\']).any(|step| step == "..") {
        return Err(invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path."
        )));
    }
    if is_local(&plain) {
        return Err(invalid(format!(
            "Invalid model version source: '{source}'. To use a local path as a model version source, the run_id request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the run_id."
        )));
    }
    Ok(())
}

fn is_local(source: &str) -> bool {
    let scheme = source.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("file") || scheme.len() == 1 => true,
        Some(scheme) => !scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')),
        None => true,
    }
}

/// Undoes percent-encoding until there is none.
fn unquoted(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..8 {
        let next = percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Looks up what the source names.
pub(super) fn resolve(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    new: &NewVersion,
    prompt: bool,
) -> Result<Resolved> {
    let mut from = Resolved {
        source: new.source.clone(),
        location: new.source.clone(),
        run_id: new.run_id.clone(),
        model_id: new.model_id.clone(),
        ..Resolved::default()
    };
    if prompt {
        return Ok(from);
    }
    if let Some(rest) = new.source.strip_prefix("models:/") {
        return from_models(tx, workspace_id, from, rest.trim_start_matches('/'));
    }
    if let Some(model_id) = &new.model_id {
        let model = owner_model(tx, workspace_id, model_id, &new.source)?;
        if on_this_server(&new.source) && !is_within(&new.source, &model.artifact_location) {
            return Err(not_owned(&new.source, "model_id"));
        }
        from.run_id = from.run_id.or(model.source_run_id);
        return Ok(from);
    }
    if let Some(rest) = new.source.strip_prefix("runs:/") {
        let (run, path) = rest
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((rest.trim_start_matches('/'), ""));
        if from.run_id.as_deref().is_some_and(|given| given != run) {
            return Err(not_owned(&new.source, "run_id"));
        }
        match runs::info(tx, workspace_id, run)? {
            Some(info) => from.location = join(&info.artifact_uri, path),
            // a run of another server, says its maker: the address stays as it is and leads nowhere here
            None if new.run_id.is_some() => {}
            None => return Err(not_owned(&new.source, "run_id")),
        }
        from.run_id = Some(run.to_owned());
        return Ok(from);
    }
    if on_this_server(&new.source) {
        let run_id = new
            .run_id
            .as_deref()
            .ok_or_else(|| not_owned(&new.source, "run_id"))?;
        let info = runs::info(tx, workspace_id, run_id)?
            .ok_or_else(|| not_owned(&new.source, "run_id"))?;
        if !is_within(&new.source, &info.artifact_uri) {
            return Err(not_owned(&new.source, "run_id"));
        }
    }
    Ok(from)
}

/// `m-<id>`, `<name>/<version>`, `<name>@<alias>`.
fn from_models(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    mut from: Resolved,
    rest: &str,
) -> Result<Resolved> {
    let (first, second) = rest.split_once('/').unwrap_or((rest, ""));
    if first.starts_with("m-") && second.is_empty() && !first.contains('@') {
        if from.model_id.as_deref().is_some_and(|given| given != first) {
            return Err(not_owned(&from.source, "model_id"));
        }
        let model = owner_model(tx, workspace_id, first, &from.source)?;
        from.location = model.artifact_location;
        from.run_id = from.run_id.or(model.source_run_id);
        from.model_id = Some(model.model_id);
        return Ok(from);
    }
    let unknown = || not_owned(&from.source, "model_id");
    let row = match rest.split_once('@') {
        Some((name, alias)) => {
            let model = find_model(tx, workspace_id, name)?;
            let version = models::alias_target(tx, model.model_no, alias)?.ok_or_else(unknown)?;
            find_version(tx, workspace_id, name, &version)?
        }
        None if second.is_empty() => return Err(unknown()),
        None => find_version(tx, workspace_id, first, second)?,
    };
    if is_prompt_model(tx, workspace_id, &row.version.name)? {
        return Err(invalid(format!(
            "Invalid model version source: '{}'. Prompt versions cannot be used as model version sources.",
            from.source
        )));
    }
    let differs = |given: &Option<String>, own: &Option<String>| given.is_some() && given != own;
    if differs(&from.run_id, &row.version.run_id) || differs(&from.model_id, &row.version.model_id)
    {
        return Err(invalid(format!(
            "Invalid model version source: '{}'. The run_id and model_id request parameters must match the referenced model version.",
            from.source
        )));
    }
    let version = row.version;
    Ok(Resolved {
        source: format!("models:/{}/{}", version.name, version.version),
        location: version.location,
        tree: version.tree,
        job: version.job,
        run_id: version.run_id,
        model_id: version.model_id,
    })
}

fn is_prompt_model(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<bool> {
    let mut rows = [find_model(tx, workspace_id, name)?];
    models::complete(tx, &mut rows)?;
    Ok(rows
        .iter()
        .any(|row| row.is_prompt || is_prompt(&row.model.tags)))
}

fn owner_model(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    model_id: &str,
    source: &str,
) -> Result<LoggedModel> {
    let found = logged_models::find(tx, workspace_id, model_id)?;
    let active = found.filter(|model| model.lifecycle_stage == Lifecycle::Active);
    active.ok_or_else(|| not_owned(source, "model_id"))
}

fn not_owned(source: &str, parameter: &str) -> Error {
    invalid(format!(
        "Invalid model version source: '{source}'. The {parameter} request parameter must identify the resource that contains the source."
    ))
}

/// Whether the source names files behind the artifact proxy.
pub(super) fn on_this_server(source: &str) -> bool {
    let plain = unquoted(source);
    plain.starts_with("mlflow-artifacts:") || plain.contains("/api/2.0/mlflow-artifacts/artifacts")
}

/// Whether `source` is `root` or below it. Both are addresses of the artifact proxy.
fn is_within(source: &str, root: &str) -> bool {
    let (source, root) = (proxied_path(source), proxied_path(root));
    match (source, root) {
        (Some(source), Some(root)) => source
            .strip_prefix(root.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        _ => false,
    }
}

/// The path behind the proxy: `mlflow-artifacts:/0/run/artifacts/model` is `0/run/artifacts/model`.
pub(crate) fn proxied_path(address: &str) -> Option<String> {
    let plain = unquoted(address);
    let path = if let Some(rest) = plain.strip_prefix("mlflow-artifacts:") {
        match rest.strip_prefix("//") {
            Some(with_host) => with_host.split_once('/').map(|(_, path)| path)?,
            None => rest,
        }
        .to_owned()
    } else {
        plain
            .split_once("/api/2.0/mlflow-artifacts/artifacts")
            .map(|(_, path)| path.to_owned())?
    };
    let steps: Vec<&str> = path
        .split('/')
        .filter(|step| !step.is_empty() && *step != ".")
        .collect();
    (!steps.is_empty() && !steps.contains(&"..")).then(|| steps.join("/"))
}

fn join(root: &str, path: &str) -> String {
    if path.is_empty() {
        root.to_owned()
    } else {
        format!("{}/{path}", root.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_reach_out_are_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "file:///etc",
            "./model",
            "C:\\model",
            "mlflow-artifacts:/0/../../x",
            "mlflow-artifacts:/0/%2e%2e/x",
            "mlflow-artifacts:/0/%252e%252e/x",
            "s3://bucket/../other",
            "http://h/a%00",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        for good in [
            "s3://bucket/model",
            "runs:/abc/model",
            "models:/m-1",
            "mlflow-artifacts:/0/r/artifacts/model",
        ] {
            check(good, false).unwrap();
        }
        check("prompt-template", true).unwrap();
        assert!(check("s3://x", true).is_err());
    }

    #[test]
    fn a_source_must_lie_within_its_owner() {
        let root = "mlflow-artifacts:/0/run/artifacts";
        assert!(is_within("mlflow-artifacts:/0/run/artifacts/model", root));
        assert!(is_within("mlflow-artifacts://host:1/0/run/artifacts", root));
        assert!(is_within(
            "http://h/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/m",
            root
        ));
        assert!(!is_within("mlflow-artifacts:/0/run/artifacts2/model", root));
        assert!(!is_within(
            "mlflow-artifacts:/0/other/artifacts/model",
            root
        ));
        assert!(!is_within("s3://0/run/artifacts/model", root));
    }
}
