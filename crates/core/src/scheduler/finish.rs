//! After the end of a job: its live logs become artifacts of its run, and its node is cleaned.

use std::sync::Arc;

use lazuli_store::jobs;

use super::driver::Driver;
use super::perform::address;
use super::queue::Key;
use crate::jobs::logs;
use crate::{Error, Result};

/// How many ended jobs are looked at in one go.
const BATCH: u32 = 16;

impl Driver {
    /// Settles jobs that have ended, one by one. Each step may be repeated, so a crash in between costs nothing.
    pub(super) async fn finish_ended(self: &Arc<Self>) -> Result<()> {
        let ended = self
            .core
            .store()
            .read(|tx| Ok::<_, Error>(jobs::unsettled(tx, BATCH)?))
            .await?;
        for job in ended {
            // one at a time and one task each: a large log does not hold up the queue
            if !self.asked().settling.insert(job.clone()) {
                continue;
            }
            let driver = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = driver.settle(&job).await {
                    tracing::warn!(job = job.1, %error, "the job's logs could not be kept now; it is tried again");
                }
                driver.asked().settling.remove(&job);
            });
        }
        Ok(())
    }

    async fn settle(&self, job: &Key) -> Result<()> {
        let access = self.access(&job.0).await?;
        logs::keep_logs(&access, &job.0, &job.1).await?;
        let key = job.clone();
        access
            .log(move |tx| {
                jobs::settle(tx, &key.0, &key.1)?;
                Ok(jobs::delete_logs(tx, &key.0, &key.1)?)
            })
            .await?;
        self.core.jobs().news(&job.0, &job.1);
        self.executor
            .forget(address(access.workspace(), job))
            .await
            .map_err(|error| Error::new(lazuli_spec::ErrorCode::Unavailable, error.to_string()))
    }
}
