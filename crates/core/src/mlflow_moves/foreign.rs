//! An opened MLflow database, with the folder of its artifacts.

use std::path::{Path, PathBuf};

use lazuli_spec::ErrorCode;
use lazuli_store::mlflow::{Context, Page, Pipe, Place, Places, Purpose, Schema, parse_address};
use lazuli_store::{Dialect, Store, StoreError, Tx};

use super::{folder_failed, theirs};
use crate::{Error, Result};

/// How it was named.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `sqlite:///…` or `postgresql://…`.
    pub url: String,
    /// MLflow's artifact folder.
    pub artifacts: Option<PathBuf>,
    /// What the rows call the folder, where that is neither its path nor `mlflow-artifacts:/`.
    pub artifacts_name: Option<String>,
    /// MLflow's workspace.
    pub workspace: String,
    /// Where relative paths begin.
    pub current: PathBuf,
}

/// MLflow's side of a move.
#[derive(Debug)]
pub struct Foreign {
    pub(super) store: Store,
    pub(super) schema: Schema,
    pub(super) address: String,
    pub(super) workspace: String,
    pub(super) places: Places,
}

impl Foreign {
    /// Opens it, and refuses what is no MLflow database or too old a one.
    pub async fn open(given: &Given, purpose: Purpose) -> Result<Self> {
        let address = parse_address(&given.url, &given.current)
            .map_err(|error| Error::new(ErrorCode::InvalidArgument, error.to_string()))?;
        let folder = given
            .artifacts
            .as_deref()
            .map(|path| given.current.join(path));
        if let Some(folder) = &folder {
            check_folder(folder, purpose).await?;
        }
        let shown = address.shown();
        let store = Store::open_foreign(address.backend, purpose == Purpose::Export)
            .await
            .map_err(theirs)?;
        let schema = store
            .read(move |tx| Schema::read(tx, purpose))
            .await
            .map_err(theirs)?;
        let name = given.artifacts_name.as_deref();
        Ok(Self {
            store,
            schema,
            address: shown,
            workspace: given.workspace.clone(),
            places: Places::new(folder.as_deref(), name, &given.current),
        })
    }

    /// Closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Where it is, without the password.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.store.dialect() == Dialect::Postgres
    }

    /// What converting rows needs to know.
    pub(super) fn context(&self, workspace_id: &str) -> Context {
        Context {
            workspace_id: workspace_id.to_owned(),
            their_workspace: self.workspace.clone(),
            places: self.places.clone(),
        }
    }

    /// Asks the database.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        self.store.read(question).await.map_err(theirs)
    }

    /// A page of a pipe that begins here.
    pub(super) async fn page(&self, pipe: &Pipe, after: Option<Place>) -> Result<Page> {
        let (pipe, workspace) = (pipe.clone(), self.workspace.clone());
        self.ask(move |tx| pipe.read(tx, &workspace, after.as_ref(), pipe.batch()))
            .await
    }

    /// How many rows of a pipe there are here.
    pub(super) async fn count(&self, pipe: &Pipe) -> Result<i64> {
        let (pipe, workspace) = (pipe.clone(), self.workspace.clone());
        self.ask(move |tx| pipe.count_from(tx, &workspace)).await
    }
}

async fn check_folder(folder: &Path, purpose: Purpose) -> Result<()> {
    if purpose == Purpose::Export {
        return tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| folder_failed("make", folder, &error));
    }
    match tokio::fs::metadata(folder).await {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::invalid(
            "artifacts",
            format!("`{}` is no folder", folder.display()),
        )),
        Err(error) => Err(folder_failed("read", folder, &error)),
    }
}
