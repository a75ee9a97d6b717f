//! Inputs, made available as local paths or passed on as addresses.
//!
//! `ro_mount` (Azure's default) and `rw_mount` read in place: a tree from the shared cache, where everything is read-only; a local
//! file or folder where it stands. `download` copies beside the job. `direct` passes the address on.

use std::path::{Path, PathBuf};

use lazuli_spec::runner::{InputMode, PlanInput};

use super::content::{TreeCache, blocking, copy_out};
use super::folders::Folders;

/// Makes one input available; answers what stands for it in the command. Literals are the plan's own business.
pub(super) async fn stage(
    name: &str,
    input: &PlanInput,
    trees: &TreeCache,
    folders: &Folders,
) -> Result<String, String> {
    let staged = match input {
        PlanInput::Literal { value } => return Ok(value.clone()),
        PlanInput::Tree { tree, file, mode } => {
            stage_tree(name, tree, file.as_deref(), *mode, trees, folders).await
        }
        PlanInput::Uri { uri, file, mode } => stage_uri(name, uri, *file, *mode, folders).await,
    };
    staged.map_err(|why| format!("input `{name}` is not available: {why}"))
}

async fn stage_tree(
    name: &str,
    tree: &str,
    file: Option<&str>,
    mode: InputMode,
    trees: &TreeCache,
    folders: &Folders,
) -> Result<String, String> {
    let shared = trees.ensure(tree).await?;
    let place = match mode {
        InputMode::Download => {
            let own = folders.inputs().join(name);
            let (from, to) = match file {
                Some(file) => (shared.join(file), own.join(file)),
                None => (shared, own),
            };
            copied(from, to).await?
        }
        InputMode::RoMount | InputMode::RwMount | InputMode::Direct => {
            file.map_or_else(|| shared.clone(), |file| shared.join(file))
        }
    };
    if !place.exists() {
        return Err(format!("there is no `{}` in it", file.unwrap_or_default()));
    }
    Ok(place.display().to_string())
}

async fn copied(from: PathBuf, to: PathBuf) -> Result<PathBuf, String> {
    let target = to.clone();
    let shown = from.display().to_string();
    blocking(move || copy_out(&from, &target))
        .await
        .map_err(|error| format!("{shown}: {error}"))?;
    Ok(to)
}

async fn stage_uri(
    name: &str,
    uri: &str,
    is_file: bool,
    mode: InputMode,
    folders: &Folders,
) -> Result<String, String> {
    if mode == InputMode::Direct {
        return Ok(uri.to_owned());
    }
    if uri.starts_with("http://") || uri.starts_with("https://") {
        if !is_file {
            return Err(format!(
                "`{uri}` cannot be listed as a folder over HTTP; use type uri_file, or mode direct to pass the address on"
            ));
        }
        return download(uri, &folders.inputs().join(name)).await;
    }
    let local = uri.strip_prefix("file://").unwrap_or(uri);
    if local.contains("://") {
        return Err(format!(
            "`{uri}` has a scheme that is not read here; use mode direct to pass the address on"
        ));
    }
    let path = PathBuf::from(local);
    if !path.exists() {
        return Err(format!("`{uri}` is not on this machine"));
    }
    if mode == InputMode::Download {
        let to = match (is_file, path.file_name()) {
            (true, Some(file)) => folders.inputs().join(name).join(file),
            _ => folders.inputs().join(name),
        };
        return copied(path, to)
            .await
            .map(|place| place.display().to_string());
    }
    Ok(path.display().to_string())
}

async fn download(uri: &str, into: &Path) -> Result<String, String> {
    use tokio::io::AsyncWriteExt as _;
    let last = uri
        .split(['?', '#'])
        .next()
        .and_then(|path| path.rsplit('/').next())
        .filter(|name| !name.is_empty() && *name != "..");
    let place = into.join(last.unwrap_or("content"));
    std::fs::create_dir_all(into).map_err(|error| format!("{}: {error}", into.display()))?;
    let shown = |error: reqwest::Error| format!("`{uri}`: {error}");
    // no credentials of this server go to another
    let mut response = reqwest::get(uri)
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(shown)?;
    let mut file = tokio::fs::File::create(&place)
        .await
        .map_err(|error| format!("{}: {error}", place.display()))?;
    while let Some(piece) = response.chunk().await.map_err(shown)? {
        file.write_all(&piece)
            .await
            .map_err(|error| format!("{}: {error}", place.display()))?;
    }
    file.flush()
        .await
        .map_err(|error| format!("{}: {error}", place.display()))?;
    Ok(place.display().to_string())
}
