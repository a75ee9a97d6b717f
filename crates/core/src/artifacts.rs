//! Artifacts: the files of runs and logged models, addressed as MLflow's proxy does: `<experiment>/<run>/artifacts/<path>`.
//!
//! A path from a client is never a path on a disk: it is taken apart, the run it names is looked up in the caller's
//! workspace, and what remains becomes a checked [`BlobKey`].

use bytes::Bytes;
use futures::Stream;
use lazuli_blob::BlobKey;
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::{Action, ErrorCode};
use lazuli_store::{Tx, experiments, logged_models, runs, traces};

use crate::memo::Memo;
use crate::models::TreePlace;
use crate::runs::{Writer, run_not_found};
use crate::traces::trace_not_found;
use crate::{Access, Caller, Core, Error, Result};

pub use lazuli_blob::{BlobRead, ByteRange, PutResult};

/// A file or a folder among artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactEntry {
    /// Its path, relative to what was listed from.
    pub path: String,
    /// Its size; `None` for a folder.
    pub size: Option<u64>,
}

/// Whose place was found to be there, for whom: workspace, experiment, run, whether to write, and the job that asked.
pub(crate) type Located = Memo<((String, i64, String, bool), Option<String>), ()>;

/// What a path through the proxy names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the folder of a run.
    Run {
        experiment: ExperimentId,
        run_id: String,
    },
    /// In another folder of an experiment: a logged model's, a trace's.
    Experiment {
        experiment: ExperimentId,
        rest: String,
    },
    /// Anywhere else: a place of the workspace's own.
    Workspace,
}

fn place(path: &str) -> Place {
    let mut parts = path.splitn(3, '/');
    let (first, second) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let number = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    let Some(experiment) = first.parse().ok().map(ExperimentId).filter(|_| number) else {
        return Place::Workspace;
    };
    if matches!(second, "models" | "traces" | "") {
        let rest = path
            .get(first.len()..)
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned();
        return Place::Experiment { experiment, rest };
    }
    Place::Run {
        experiment,
        run_id: second.to_owned(),
    }
}

impl Core {
    /// Streams a file in, replacing what was there. If the stream breaks, nothing changes.
    pub async fn put_artifact<S, E>(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
        body: S,
    ) -> Result<PutResult>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (_, key) = self.artifact_to_write(caller, workspace, path).await?;
        self.blobs()
            .put_stream(&key, body)
            .await
            .map_err(unsafe_path)
    }

    /// Opens a file, or a part of it.
    pub async fn get_artifact(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
        range: Option<ByteRange>,
    ) -> Result<BlobRead> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        open(&access, path, range).await
    }

    /// Removes a file or a folder with all in it.
    pub async fn delete_artifact(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
    ) -> Result<()> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let key = locate(&access, path, Some(Writer::of(&access))).await?;
        access
            .write(format!("artifacts/{path}"), |_, _| Ok(()))
            .await?;
        self.blobs().delete(&key).await?;
        self.blobs().delete_prefix(&key).await?;
        Ok(())
    }

    /// The direct children of a folder of the proxy's.
    pub async fn list_artifact_folder(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
    ) -> Result<Vec<ArtifactEntry>> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        if let Some(place) = TreePlace::of(path) {
            return place.children(&access).await;
        }
        let folder = locate(&access, path.trim_end_matches('/'), None).await?;
        self.children(&folder).await
    }

    /// The direct children of a folder of a run's artifacts, and the run's artifact root.
    pub async fn list_run_artifacts(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        path: Option<&str>,
    ) -> Result<(String, Vec<ArtifactEntry>)> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), run_id.to_owned());
        let info = access
            .read(move |tx| {
                runs::info(tx, &workspace_id, &wanted)?.ok_or_else(|| run_not_found(&wanted))
            })
            .await?;
        let root = run_root(&info.artifact_uri)?;
        let prefix = path
            .map(|path| path.trim_matches('/'))
            .filter(|path| !path.is_empty());
        let folder = match prefix {
            Some(prefix) => format!("{root}/{prefix}"),
            None => root,
        };
        let folder = locate(&access, &folder, None).await?;
        let mut entries = self.children(&folder).await?;
        if let Some(prefix) = prefix {
            for entry in &mut entries {
                entry.path = format!("{prefix}/{}", entry.path);
            }
        }
        Ok((info.artifact_uri, entries))
    }

    /// Where a run's file lies in the proxy's paths: for links that name the run.
    pub async fn run_artifact_path(
        &self,
        caller: &Caller,
        workspace: &str,
        run_id: &str,
        path: &str,
    ) -> Result<String> {
        let access = self.access(caller, workspace, Action::RunsRead).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), run_id.to_owned());
        let info = access
            .read(move |tx| {
                runs::info(tx, &workspace_id, &wanted)?.ok_or_else(|| run_not_found(&wanted))
            })
            .await?;
        Ok(format!("{}/{path}", run_root(&info.artifact_uri)?))
    }

    /// Checks that the caller may write a file of this path, before its bytes are looked at.
    pub async fn check_artifact_path(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
    ) -> Result<()> {
        self.artifact_to_write(caller, workspace, path)
            .await
            .map(drop)
    }

    /// The object that a writer's path names.
    pub(crate) async fn artifact_to_write(
        &self,
        caller: &Caller,
        workspace: &str,
        path: &str,
    ) -> Result<(Access, BlobKey)> {
        let access = self.access(caller, workspace, Action::RunsWrite).await?;
        let key = locate(&access, path, Some(Writer::of(&access))).await?;
        Ok((access, key))
    }

    async fn children(&self, folder: &BlobKey) -> Result<Vec<ArtifactEntry>> {
        let listed = self.blobs().list_folder(Some(folder)).await?;
        let mut entries: Vec<ArtifactEntry> = listed
            .folders
            .iter()
            .map(|key| ArtifactEntry {
                path: key.file_name().to_owned(),
                size: None,
            })
            .chain(listed.files.iter().map(|meta| ArtifactEntry {
                path: meta.key.file_name().to_owned(),
                size: Some(meta.size),
            }))
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

/// Opens a file, or a part of it. The access must be to read runs.
pub(crate) async fn open(
    access: &Access,
    path: &str,
    range: Option<ByteRange>,
) -> Result<BlobRead> {
    if let Some(place) = TreePlace::of(path) {
        return place.open(access, range).await;
    }
    let key = locate(access, path, None).await?;
    let read = match range {
        Some(range) => access.blobs().get_range(&key, range).await,
        None => access.blobs().get(&key).await,
    };
    read.map_err(|error| {
        if error.is_not_found() {
            return Error::new(ErrorCode::NotFound, format!("No such artifact: '{path}'"))
                .caused_by(error);
        }
        error.into()
    })
}

/// The object a path names, once its run or experiment was found in the workspace (and may be written by `writer`).
pub(crate) async fn locate(access: &Access, path: &str, writer: Option<Writer>) -> Result<BlobKey> {
    match place(path) {
        Place::Run { experiment, run_id } => {
            let workspace_id = access.workspace_id().to_owned();
            let asked = (
                workspace_id.clone(),
                experiment.0,
                run_id.clone(),
                writer.is_some(),
            );
            let job = access.caller().job().map(|identity| identity.job.clone());
            let asked = (asked, job);
            // a folder's files come one after the other: what was found for one goes for the next
            let known = access.core().located();
            if known.get(&asked).is_some() {
                return BlobKey::proxied(&workspace_id, path).map_err(unsafe_path);
            }
            access
                .read(move |tx| {
                    let run = match &writer {
                        Some(writer) => writer.unlocked(tx, &run_id)?,
                        None => runs::find(tx, &workspace_id, &run_id, false)?
                            .ok_or_else(|| run_not_found(&run_id))?,
                    };
                    if run.experiment_id == experiment {
                        Ok(())
                    } else {
                        Err(run_not_found(&run_id))
                    }
                })
                .await?;
            known.put(asked, ());
        }
        Place::Experiment { experiment, rest } => {
            let workspace_id = access.workspace_id().to_owned();
            access
                .read(move |tx| {
                    check_inside(tx, &workspace_id, experiment, &rest, writer.as_ref())?;
                    let known = experiments::numbers(tx, &workspace_id, &[experiment])?;
                    if !known.is_empty() {
                        return Ok(());
                    }
                    let message = format!("No Experiment with id={experiment} exists");
                    Err(Error::new(ErrorCode::NotFound, message))
                })
                .await?;
        }
        Place::Workspace => {
            if let Some(writer) = writer {
                let path = path.to_owned();
                access.read(move |tx| writer.folder(tx, &path)).await?;
            }
        }
    }
    BlobKey::proxied(access.workspace_id(), path).map_err(unsafe_path)
}

/// What lies below `models` belongs to a logged model that must be there, what is written below `traces` to a trace. An
/// experiment's folder as a whole holds what many runs have made: nobody writes to it or removes it at one stroke.
fn check_inside(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    experiment: ExperimentId,
    rest: &str,
    writer: Option<&Writer>,
) -> Result<()> {
    let mut parts = rest.split('/');
    let folder = parts.next().unwrap_or_default();
    if let Some(writer) = writer.filter(|_| folder == "traces") {
        let trace_id = parts.next().filter(|trace_id| !trace_id.is_empty());
        let trace_id = trace_id.ok_or_else(|| Error::invalid("path", "Invalid path"))?;
        let trace = traces::find(tx, workspace_id, trace_id, false)?
            .filter(|trace| trace.info.experiment_id == experiment);
        let trace = trace.ok_or_else(|| trace_not_found(trace_id))?;
        return writer.trace(tx, &trace);
    }
    if folder != "models" {
        return match writer {
            Some(_) if folder.is_empty() => Err(Error::invalid("path", "Invalid path")),
            Some(writer) => writer.folder(tx, rest),
            None => Ok(()),
        };
    }
    let model_id = parts.next().unwrap_or_default();
    let found = logged_models::find(tx, workspace_id, model_id)?
        .filter(|model| model.experiment_id == experiment);
    let Some(model) = found else {
        let message = format!("Logged model with ID '{model_id}' not found.");
        return Err(Error::new(ErrorCode::NotFound, message));
    };
    match writer {
        Some(writer) => writer.logged_model(tx, &model),
        None => Ok(()),
    }
}

/// The proxy's path of a run's artifact root, if the artifacts are on this server.
fn run_root(artifact_uri: &str) -> Result<String> {
    let rest = artifact_uri
        .strip_prefix("mlflow-artifacts:")
        .ok_or_else(|| {
            Error::new(
                ErrorCode::Unsupported,
                format!(
                    "the run's artifacts are at {artifact_uri}, not on this server: list them there"
                ),
            )
        })?;
    // with or without a host: `mlflow-artifacts://host:port/0/…`
    let path = match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    };
    Ok(path.trim_matches('/').to_owned())
}

/// The protocol's word for a path that climbs out, is absolute or cannot be a name; which rule it breaks is in the log.
fn unsafe_path(error: lazuli_blob::BlobError) -> Error {
    let error = Error::from(error);
    if error.code == ErrorCode::InvalidArgument {
        return Error::invalid("path", "Invalid path").caused_by(error);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let run = Place::Run {
            experiment: ExperimentId(3),
            run_id: "abc".into(),
        };
        assert_eq!(place("3/abc/artifacts/model/MLmodel"), run);
        assert_eq!(place("3/abc/artifacts"), run);
        assert_eq!(
            place("3/models/m-1/artifacts/MLmodel"),
            Place::Experiment {
                experiment: ExperimentId(3),
                rest: "models/m-1/artifacts/MLmodel".into()
            }
        );
        assert_eq!(place("mine/x"), Place::Workspace);
        assert_eq!(place("+3/x/y"), Place::Workspace);
    }

    #[test]
    fn roots_come_with_and_without_a_host() {
        assert_eq!(
            run_root("mlflow-artifacts:/0/abc/artifacts").unwrap(),
            "0/abc/artifacts"
        );
        assert_eq!(
            run_root("mlflow-artifacts://host:1/0/abc/artifacts").unwrap(),
            "0/abc/artifacts"
        );
        assert!(run_root("s3://bucket/x").is_err());
    }
}
