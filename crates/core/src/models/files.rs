//! Files of models. Uploaded models through the artifact proxy: `trees/<id>/<path>`, where MLflow's clients look for the files of a version
//! that was registered from an upload or a job's output. Read-only, and only trees that the workspace has.

use std::collections::BTreeMap;

use lazuli_spec::ErrorCode;
use lazuli_spec::trees::{Tree, TreeId};

use super::proxied_path;
use crate::artifacts::{ArtifactEntry, BlobRead, ByteRange};
use crate::{Access, Caller, Core, Error, Result, content};

impl Core {
    /// The proxy's path of a file of a version, for [`Core::get_artifact`].
    pub async fn model_file_path(
        &self,
        caller: &Caller,
        workspace: &str,
        (name, version): (&str, &str),
        file: &str,
    ) -> Result<String> {
        let found = self
            .get_model_version(caller, workspace, name, version)
            .await?;
        let of_run = found.location.strip_prefix("runs:/");
        if let Some((run_id, folder)) = of_run.and_then(|rest| rest.split_once('/')) {
            let file = format!("{folder}/{file}");
            return self
                .run_artifact_path(caller, workspace, run_id, &file)
                .await;
        }
        below(&found.location, file)
    }

    /// The proxy's path of a file of a logged model, for [`Core::get_artifact`].
    pub async fn logged_model_file_path(
        &self,
        caller: &Caller,
        workspace: &str,
        model_id: &str,
        file: &str,
    ) -> Result<String> {
        let model = self
            .get_logged_model(caller, workspace, model_id, false)
            .await?;
        below(&model.artifact_location, file)
    }
}

/// A file's path in a folder that this server has.
fn below(folder: &str, file: &str) -> Result<String> {
    let root = proxied_path(folder).ok_or_else(|| {
        let message = format!("the files at `{folder}` are not on this server");
        Error::new(ErrorCode::Unsupported, message)
    })?;
    Ok(format!("{root}/{file}"))
}

/// A place in a tree, if the proxy's path names one.
pub(crate) struct TreePlace<'p> {
    id: &'p str,
    rest: &'p str,
}

impl<'p> TreePlace<'p> {
    /// Takes a path apart.
    pub(crate) fn of(path: &'p str) -> Option<Self> {
        let inside = path.trim_matches('/').strip_prefix("trees/")?;
        let (id, rest) = inside.split_once('/').unwrap_or((inside, ""));
        Some(Self { id, rest })
    }

    /// Opens the file.
    pub(crate) async fn open(&self, access: &Access, range: Option<ByteRange>) -> Result<BlobRead> {
        let tree = self.tree(access).await?;
        let entry = tree.get(self.rest).ok_or_else(|| self.missing())?;
        content::open_noted(access, &entry.sha256, range).await
    }

    /// The direct children of the folder; none when it is a file.
    pub(crate) async fn children(&self, access: &Access) -> Result<Vec<ArtifactEntry>> {
        let tree = self.tree(access).await?;
        let folder = if self.rest.is_empty() {
            String::new()
        } else {
            format!("{}/", self.rest)
        };
        let mut children = BTreeMap::new();
        for entry in tree.entries() {
            let Some(below) = entry.path.strip_prefix(&folder) else {
                continue;
            };
            match below.split_once('/') {
                Some((name, _)) => children.insert(name.to_owned(), None),
                None => children.insert(below.to_owned(), Some(entry.size)),
            };
        }
        Ok(children
            .into_iter()
            .map(|(path, size)| ArtifactEntry { path, size })
            .collect())
    }

    async fn tree(&self, access: &Access) -> Result<Tree> {
        let id =
            TreeId::parse(self.id).map_err(|error| Error::invalid("path", error.to_string()))?;
        content::tree_of(access, &id).await
    }

    fn missing(&self) -> Error {
        Error::not_found("file", format!("trees/{}/{}", self.id, self.rest))
    }
}
