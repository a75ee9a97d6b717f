//! Computes: the clusters jobs run on.

use lazuli_spec::computes::{Compute, ComputeSpec};
use lazuli_spec::lists::ListFilter;
use lazuli_spec::{Action, ErrorCode, Page, PageRequest, Timestamp};
use lazuli_store::computes;
pub use lazuli_store::computes::NodeRow;
use lazuli_store::{Tx, jobs};

use crate::lists::Listing;
use crate::{Caller, Core, Error, Result};

/// A cluster and the nodes it has now.
#[derive(Debug, Clone)]
pub struct ComputeDetails {
    /// The cluster.
    pub compute: Compute,
    /// Its nodes.
    pub nodes: Vec<NodeRow>,
}

/// Makes a new workspace's own cluster: as many nodes as this machine has cores.
pub(crate) fn insert_default(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let spec = ComputeSpec::default_cluster(cores);
    let compute = Compute {
        spec,
        created_at: now,
        created_by: by.to_owned(),
        modified_at: now,
        revision: 1,
    };
    Ok(computes::insert(tx, workspace_id, &compute)?)
}

impl Core {
    /// Makes a cluster, or changes the one of that name. `if_match` is the revision the caller read.
    pub async fn put_compute(
        &self,
        caller: &Caller,
        workspace: &str,
        spec: ComputeSpec,
        if_match: Option<i64>,
    ) -> Result<(ComputeDetails, bool)> {
        let access = self
            .access(caller, workspace, Action::ComputesWrite)
            .await?;
        let (workspace_id, by) = (
            access.workspace_id().to_owned(),
            caller.principal_id().to_owned(),
        );
        let made = access
            .write(format!("computes/{}", spec.name), move |tx, change| {
                let now = change.now();
                let before = computes::find(tx, &workspace_id, &spec.name)?;
                if if_match.is_some_and(|revision| {
                    before.as_ref().map(|compute| compute.revision) != Some(revision)
                }) {
                    return Err(Error::new(
                        ErrorCode::PreconditionFailed,
                        "the compute has changed since it was read; read it again",
                    ));
                }
                let is_new = before.is_none();
                let compute = match before {
                    Some(before) if before.spec == spec => {
                        change.nothing();
                        before
                    }
                    Some(before) => Compute {
                        spec,
                        modified_at: now,
                        revision: before.revision + 1,
                        ..before
                    },
                    None => Compute {
                        spec,
                        created_at: now,
                        created_by: by,
                        modified_at: now,
                        revision: 1,
                    },
                };
                if is_new {
                    computes::insert(tx, &workspace_id, &compute)?;
                } else {
                    computes::update(tx, &workspace_id, &compute)?;
                }
                let nodes = computes::nodes(tx, &workspace_id, &compute.spec.name)?;
                Ok((ComputeDetails { compute, nodes }, is_new))
            })
            .await?;
        self.jobs().wake.notify_one();
        Ok(made)
    }

    /// One cluster.
    pub async fn get_compute(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<ComputeDetails> {
        let access = self.access(caller, workspace, Action::ComputesRead).await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .read(move |tx| {
                let compute = computes::find(tx, &workspace_id, &name)?
                    .ok_or_else(|| Error::not_found("compute", &name))?;
                let nodes = computes::nodes(tx, &workspace_id, &name)?;
                Ok(ComputeDetails { compute, nodes })
            })
            .await
    }

    /// A page of clusters.
    pub async fn list_computes(
        &self,
        caller: &Caller,
        workspace: &str,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<ComputeDetails>> {
        let access = self.access(caller, workspace, Action::ComputesRead).await?;
        let listing = Listing::read(&"computes", filter, &page)?;
        let (search, workspace_id) = (listing.search.clone(), access.workspace_id().to_owned());
        let rows = access
            .read(move |tx| {
                let rows = computes::list(tx, &workspace_id, &search)?;
                let with_nodes = rows.into_iter().map(|(compute, key)| {
                    let nodes = computes::nodes(tx, &workspace_id, &compute.spec.name)?;
                    Ok((ComputeDetails { compute, nodes }, key))
                });
                with_nodes.collect::<Result<Vec<_>>>()
            })
            .await?;
        Ok(listing.page(rows))
    }

    /// Removes a cluster that no job waits for or runs on.
    pub async fn delete_compute(&self, caller: &Caller, workspace: &str, name: &str) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::ComputesDelete)
            .await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("computes/{name}"), move |tx, _| {
                if computes::find(tx, &workspace_id, &name)?.is_none() {
                    return Err(Error::not_found("compute", &name));
                }
                let jobs = jobs::count_unended(tx, &workspace_id, &name)?;
                if jobs > 0 {
                    return Err(Error::conflict(format!(
                        "{jobs} jobs wait for `{name}` or run on it"
                    ))
                    .hint("cancel them, or let them end, first"));
                }
                computes::delete(tx, &workspace_id, &name)?;
                Ok(())
            })
            .await
    }
}
