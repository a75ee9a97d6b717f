//! The audit trail: appended to, read, never changed.

use lazuli_spec::audit::{AuditRecord, Outcome};

use crate::{Row, StoreError, Tx, params};

const COLUMNS: &str =
    "sequence, at, principal_id, principal_name, action, target, workspace, outcome,
    request_id, address, previous_hash, hash";

fn from_row(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
    let outcome: String = row.get(7)?;
    Ok(AuditRecord {
        sequence: row.get(0)?,
        at: row.get(1)?,
        principal_id: row.get(2)?,
        principal_name: row.get(3)?,
        action: row.get(4)?,
        target: row.get(5)?,
        workspace: row.get(6)?,
        // an outcome nobody knows must still be shown to the verifier: it reads as a changed record
        outcome: Outcome::parse(&outcome).unwrap_or(Outcome::Denied),
        request_id: row.get(8)?,
        address: row.get(9)?,
        previous_hash: row.get(10)?,
        hash: row.get(11)?,
    })
}

/// Appends a record: its place and hashes are filled in here. Taking the head's row first puts concurrent writers in line.
pub fn append(tx: &mut Tx<'_>, mut record: AuditRecord) -> Result<AuditRecord, StoreError> {
    let (sequence, previous_hash): (i64, String) = tx.query_one(
        "UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, hash",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    record.sequence = sequence;
    record.previous_hash = previous_hash;
    record.hash = record.expected_hash();
    tx.execute(
        "INSERT INTO audit_records (sequence, at, principal_id, principal_name, action, target, workspace, outcome,
             request_id, address, previous_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        params![
            record.sequence,
            record.at,
            &record.principal_id,
            &record.principal_name,
            &record.action,
            &record.target,
            &record.workspace,
            record.outcome.as_str(),
            &record.request_id,
            &record.address,
            &record.previous_hash,
            &record.hash
        ],
    )?;
    tx.execute(
        "UPDATE audit_head SET hash = $1 WHERE id = 1",
        params![&record.hash],
    )?;
    Ok(record)
}

/// Which records a list is to show.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this principal, by name.
    pub principal: Option<String>,
    /// Only actions that end so, for example `jobs/write`.
    pub action: Option<String>,
    /// Only in this workspace.
    pub workspace: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// The oldest first, not the newest.
    pub oldest_first: bool,
}

/// A page of records beyond the given place in the filter's order.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &AuditFilter,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditRecord>, StoreError> {
    let (beyond, order, start) = if filter.oldest_first {
        (">", "ASC", 0)
    } else {
        ("<", "DESC", i64::MAX)
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_records
         WHERE sequence {beyond} $1
           AND ($2 = '' OR principal_name = $2)
           AND ($3 = '' OR substr(action, length(action) - length($3) + 1) = $3)
           AND ($4 = '' OR workspace = $4)
           AND ($5 = '' OR outcome = $5)
         ORDER BY sequence {order} LIMIT $6"
    );
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    tx.query(
        &sql,
        params![
            after.unwrap_or(start),
            text(&filter.principal),
            text(&filter.action),
            text(&filter.workspace),
            filter.outcome.map_or("", Outcome::as_str),
            i64::from(limit)
        ],
        from_row,
    )
}

/// A page of records after the given place, oldest first: the order of verification.
pub fn oldest(tx: &mut Tx<'_>, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_records WHERE sequence > $1 ORDER BY sequence LIMIT $2"
    );
    tx.query(&sql, params![after, i64::from(limit)], from_row)
}

/// Where the trail ends: the last place and its hash.
pub fn head(tx: &mut Tx<'_>) -> Result<(i64, String), StoreError> {
    tx.query_one(
        "SELECT sequence, hash FROM audit_head WHERE id = 1",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
