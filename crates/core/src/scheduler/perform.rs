//! Doing what the queue decided: rows first, then the executor.

use std::sync::Arc;

use lazuli_spec::Action;
use lazuli_spec::computes::NodeSize;
use lazuli_store::computes::{self, NodeRow};

use super::driver::Driver;
use super::job::{Happening, Outcome};
use super::queue::{Command, Key};
use crate::executor::{ExecutorError, Handle, JobAddress, LaunchRequest, RunnerLife};
use crate::{Access, Error, Result, tokens};

impl Driver {
    pub(super) async fn perform(self: &Arc<Self>, command: Command) -> Result<()> {
        match command {
            Command::AddNode { compute, node } | Command::FreeNode { compute, node } => {
                self.put_node(compute, node, None).await
            }
            Command::RemoveNode { compute, node } => {
                let write = move |tx: &mut lazuli_store::Tx<'_>| {
                    Ok::<_, Error>(computes::delete_node(tx, &compute.0, &compute.1, node)?)
                };
                self.core.store().write(write).await
            }
            Command::Mark { job, happening } => self.mark(&job, happening).await.map(drop),
            Command::Launch { job, node } => {
                // launching may take a while; others are not kept waiting
                let driver = Arc::clone(self);
                tokio::spawn(async move { driver.launch(job, node).await });
                Ok(())
            }
            Command::Cancel { job } => {
                self.end(job, false);
                Ok(())
            }
            Command::Kill { job } => {
                self.end(job, true);
                Ok(())
            }
        }
    }

    async fn put_node(&self, compute: Key, node: i64, job: Option<String>) -> Result<()> {
        let row = NodeRow {
            workspace_id: compute.0,
            compute: compute.1,
            node,
            job,
            idle_since: self.core.now(),
        };
        self.core
            .store()
            .write(move |tx| Ok::<_, Error>(computes::put_node(tx, &row)?))
            .await
    }

    /// Lazuli's own access to a job's workspace.
    pub(super) async fn access(&self, workspace_id: &str) -> Result<Access> {
        let workspace = self.core.workspace_name(workspace_id).await?;
        Ok(self
            .core
            .system_in(workspace_id, &workspace, Action::JobsWrite))
    }

    pub(super) async fn mark(&self, job: &Key, happening: Happening) -> Result<Outcome> {
        let access = self.access(&job.0).await?;
        let (outcome, entry) = self
            .core
            .advance_job(&access, &job.0, &job.1, happening.clone())
            .await?;
        if let (Happening::Assigned(node), Outcome::Moved) = (happening, outcome) {
            self.put_node((job.0.clone(), entry.compute), node, Some(job.1.clone()))
                .await?;
        }
        Ok(outcome)
    }

    async fn launch(self: Arc<Self>, job: Key, node: i64) {
        let result = self.try_launch(&job, node).await;
        self.asked().launching.remove(&job);
        if let Err(error) = result {
            tracing::warn!(job = job.1, %error, "the job could not be launched now; it is tried again");
        }
    }

    async fn try_launch(&self, job: &Key, node: i64) -> Result<()> {
        let Some(request) = self.launch_request(job, node).await? else {
            return Ok(());
        };
        let happening = match self.executor.launch(request).await {
            Ok(Handle(handle)) => Happening::Launched(handle),
            Err(ExecutorError::Refused(reason)) => Happening::LaunchRefused(reason),
            Err(ExecutorError::Unavailable(reason)) => {
                return Err(Error::new(lazuli_spec::ErrorCode::Unavailable, reason));
            }
        };
        self.mark(job, happening).await?;
        let asks_again = self.core.store();
        let (workspace_id, name) = job.clone();
        let row = asks_again
            .read(move |tx| Ok::<_, Error>(lazuli_store::jobs::find(tx, &workspace_id, &name)?))
            .await?;
        // canceled while it was being launched: the queue must look once more, now that there is a handle
        if row.is_some_and(|row| row.progress.cancel_at.is_some()) {
            self.core.jobs().wake.notify_one();
        }
        Ok(())
    }

    /// What the executor needs, with a fresh token; nothing when the job no longer has the node.
    async fn launch_request(&self, job: &Key, node: i64) -> Result<Option<LaunchRequest>> {
        let workspace = self.core.workspace_name(&job.0).await?;
        let (core, key) = (self.core.clone(), job.clone());
        let prepared = self
            .core
            .store()
            .write(move |tx| {
                let row = crate::jobs::find(tx, &key.0, &key.1)?;
                if row.progress.node != Some(node) || row.progress.handle.is_some() {
                    return Ok::<_, Error>(None);
                }
                let size = computes::find(tx, &key.0, &row.compute)?
                    .map(|compute| compute.spec.node_size());
                let token = tokens::mint_for_job(tx, &core, &row.created_by, &key.0, &key.1, None)?;
                Ok(Some((
                    size.unwrap_or(NodeSize {
                        cores: 1,
                        memory_bytes: None,
                    }),
                    token.reveal(),
                )))
            })
            .await?;
        let capacity = self.executor.capacity();
        Ok(prepared.map(|(size, token)| LaunchRequest {
            workspace,
            job: job.1.clone(),
            token,
            cores: size.cores.min(capacity.cores).max(1),
            // a limit above what the machine has limits nothing
            memory_bytes: size
                .memory_bytes
                .filter(|bytes| *bytes < capacity.memory_bytes),
        }))
    }

    /// Asks the executor to end a job, aside from the queue's own path.
    fn end(self: &Arc<Self>, job: Key, at_once: bool) {
        let driver = Arc::clone(self);
        tokio::spawn(async move {
            let result = driver.try_end(&job, at_once).await;
            if let Err(error) = result {
                tracing::warn!(job = job.1, %error, "the job could not be ended now; it is tried again");
                let mut asked = driver.asked();
                asked.canceled.remove(&job);
                asked.killed.remove(&job);
            }
        });
    }

    async fn try_end(&self, job: &Key, at_once: bool) -> Result<()> {
        let (workspace_id, name) = job.clone();
        let row = self
            .core
            .store()
            .read(move |tx| Ok::<_, Error>(lazuli_store::jobs::find(tx, &workspace_id, &name)?))
            .await?;
        let Some(handle) = row.and_then(|row| row.progress.handle) else {
            return Ok(());
        };
        let workspace = self.core.workspace_name(&job.0).await?;
        let (address, handle) = (address(&workspace, job), Handle(handle));
        let ended = if at_once {
            self.executor.kill(address, &handle).await
        } else {
            self.executor.cancel(address, &handle).await
        };
        ended.map_err(|error| Error::new(lazuli_spec::ErrorCode::Unavailable, error.to_string()))
    }

    /// Asks what became of each runner. A runner that lives reports by itself; this finds those that do not.
    pub(super) async fn poll_runners(&self) -> Result<()> {
        let queue = self.load().await?;
        for (key, entry) in queue.jobs {
            let Some(handle) = entry.handle else { continue };
            let workspace = self.core.workspace_name(&key.0).await?;
            let address = address(&workspace, &key);
            let life = match self.executor.poll(address, &Handle(handle)).await {
                Ok(life) => life,
                Err(error) => {
                    tracing::debug!(job = entry.name, %error, "the runner's state is not known now");
                    continue;
                }
            };
            match life {
                RunnerLife::Alive => {}
                RunnerLife::Ended(report) => {
                    self.mark(&key, Happening::Reported(*report)).await?;
                }
                RunnerLife::Lost(reason) => {
                    self.mark(&key, Happening::Lost(reason)).await?;
                }
            }
        }
        Ok(())
    }
}

/// What the executor calls a job.
pub(super) fn address<'a>(workspace: &'a str, job: &'a Key) -> JobAddress<'a> {
    JobAddress {
        workspace,
        job: &job.1,
    }
}
