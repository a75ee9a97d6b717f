//! What the scheduler asks: who waits, who runs, who has ended and is not tidied up.

use lazuli_spec::Timestamp;

use super::{Progress, progress_from_row};
use crate::{StoreError, Tx, params};

/// A job in the queue: who it is and where it stands.
pub type QueueRow = (String, String, String, Timestamp, Progress);

/// The jobs that have a node, and of those that wait the first `each` of each compute.
pub fn active(tx: &mut Tx<'_>, each: u32) -> Result<Vec<QueueRow>, StoreError> {
    let columns = "state, node, handle, report_sequence, seen_at, cancel_at, timeout_seconds, exit_code, error, queued_at, \
                   preparing_at, running_at, finalizing_at, ended_at";
    let sql = format!(
        "SELECT workspace_id, name, compute, created_at, {columns} FROM (
             SELECT jobs.*, ROW_NUMBER() OVER (PARTITION BY workspace_id, compute ORDER BY created_at, name) AS place
             FROM jobs WHERE state = 'Queued'
         ) waiting WHERE place <= $1
         UNION ALL
         SELECT workspace_id, name, compute, created_at, {columns} FROM jobs
         WHERE state IN ('Starting', 'Preparing', 'Running', 'Finalizing', 'CancelRequested', 'NotResponding')"
    );
    tx.query(&sql, params![each], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            progress_from_row(row, 4)?,
        ))
    })
}

/// Jobs of all workspaces by state, for the server's metrics.
pub fn count_by_state(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>, StoreError> {
    tx.query(
        "SELECT state, COUNT(*) FROM jobs GROUP BY state ORDER BY state",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Where one job stands; its row stays locked until the transaction ends.
pub fn progress(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    name: &str,
) -> Result<Option<QueueRow>, StoreError> {
    let lock = tx.dialect().for_update();
    let sql = format!(
        "SELECT workspace_id, name, compute, created_at, state, node, handle, report_sequence, seen_at, cancel_at, timeout_seconds,
                exit_code, error, queued_at, preparing_at, running_at, finalizing_at, ended_at
         FROM jobs WHERE workspace_id = $1 AND name = $2{lock}"
    );
    tx.query_opt(&sql, params![workspace_id, name], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            progress_from_row(row, 4)?,
        ))
    })
}

/// Ended jobs that are not settled: workspace id and name.
pub fn unsettled(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<(String, String)>, StoreError> {
    tx.query(
        "SELECT workspace_id, name FROM jobs WHERE settled = 0 AND ended_at IS NOT NULL ORDER BY ended_at LIMIT $1",
        params![limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// How many jobs of a compute have not ended.
pub fn count_unended(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    compute: &str,
) -> Result<i64, StoreError> {
    tx.query_one(
        "SELECT COUNT(*) FROM jobs WHERE workspace_id = $1 AND compute = $2 AND state NOT IN ('Completed', 'Failed', 'Canceled')",
        params![workspace_id, compute],
        |row| row.get(0),
    )
}
