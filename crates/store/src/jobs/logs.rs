//! Live logs: appended at an offset, read from any offset, dropped when they have become artifacts.

use crate::{Row, StoreError, Tx, params};

/// A log and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its name, for example `user_logs/std_log.txt`.
    pub name: String,
    /// Bytes so far.
    pub length: i64,
}

fn from_row(row: &Row<'_>) -> Result<LogRow, StoreError> {
    Ok(LogRow {
        name: row.get(0)?,
        length: row.get(1)?,
    })
}

/// Appends bytes that begin at `offset` and gives the new length. What is there already is skipped, so a repeated request
/// changes nothing; bytes beyond a gap are not taken, and the length says where to go on.
pub fn append_log(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    name: &str,
    offset: i64,
    data: &[u8],
) -> Result<i64, StoreError> {
    // the row is written first: on PostgreSQL that puts writers of one log in line
    tx.execute(
        "INSERT INTO job_logs (workspace_id, job, name, length) VALUES ($1, $2, $3, 0)
         ON CONFLICT (workspace_id, job, name) DO UPDATE SET length = job_logs.length",
        params![workspace_id, job, name],
    )?;
    let length = log(tx, workspace_id, job, name)?.map_or(0, |log| log.length);
    let skip = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
    if offset > length || skip >= data.len() {
        return Ok(length);
    }
    let fresh = &data[skip..];
    tx.execute(
        "INSERT INTO job_log_chunks (workspace_id, job, name, start, data) VALUES ($1, $2, $3, $4, $5)",
        params![workspace_id, job, name, length, fresh],
    )?;
    let next = length + fresh.len() as i64;
    tx.execute(
        "UPDATE job_logs SET length = $4 WHERE workspace_id = $1 AND job = $2 AND name = $3",
        params![workspace_id, job, name, next],
    )?;
    Ok(next)
}

/// One log.
pub fn log(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    name: &str,
) -> Result<Option<LogRow>, StoreError> {
    tx.query_opt(
        "SELECT name, length FROM job_logs WHERE workspace_id = $1 AND job = $2 AND name = $3",
        params![workspace_id, job, name],
        from_row,
    )
}

/// All logs of a job.
pub fn log_names(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
) -> Result<Vec<LogRow>, StoreError> {
    tx.query(
        "SELECT name, length FROM job_logs WHERE workspace_id = $1 AND job = $2 ORDER BY name",
        params![workspace_id, job],
        from_row,
    )
}

/// Bytes from `offset` on, at most about `most` of them; empty at the end.
pub fn read_log(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    name: &str,
    offset: i64,
    most: usize,
) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let mut next = offset;
    // the chunk in which the offset lies, and those after it, until there is enough
    loop {
        let chunk: Option<(i64, Vec<u8>)> = tx.query_opt(
            "SELECT start, data FROM job_log_chunks
             WHERE workspace_id = $1 AND job = $2 AND name = $3 AND start <= $4 ORDER BY start DESC LIMIT 1",
            params![workspace_id, job, name, next],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some((start, data)) = chunk else {
            return Ok(bytes);
        };
        let inside = usize::try_from(next - start).unwrap_or(usize::MAX);
        if inside >= data.len() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&data[inside..]);
        next = start + data.len() as i64;
        if bytes.len() >= most {
            bytes.truncate(most);
            return Ok(bytes);
        }
    }
}

/// Drops a job's live logs.
pub fn delete_logs(tx: &mut Tx<'_>, workspace_id: &str, job: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM job_log_chunks WHERE workspace_id = $1 AND job = $2",
        params![workspace_id, job],
    )?;
    tx.execute(
        "DELETE FROM job_logs WHERE workspace_id = $1 AND job = $2",
        params![workspace_id, job],
    )?;
    Ok(())
}
