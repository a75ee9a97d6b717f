//! Rows of `tokens`: hashes, never secrets.

use lazuli_spec::Timestamp;
use lazuli_spec::lists::SortKey;
use lazuli_spec::principals::{Principal, PrincipalKind};
use lazuli_spec::tokens::{Token, TokenState};

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::{Row, StoreError, Tx, params};

const COLUMNS: &str =
    "t.id, t.principal_id, t.name, t.scopes, t.job, t.created_at, t.expires_at, t.revoked_at";

/// A token together with what a check of credentials needs.
#[derive(Clone)]
pub struct Credential {
    /// The token as listed.
    pub token: Token,
    /// What is compared with the hash of the secret presented.
    pub secret_hash: Vec<u8>,
    /// The workspace a job's token is confined to.
    pub workspace_id: Option<String>,
    /// Whose it is.
    pub principal: Principal,
}

fn from_row(row: &Row<'_>) -> Result<Token, StoreError> {
    let scopes: String = row.get(3)?;
    Ok(Token {
        id: row.get(0)?,
        principal_id: row.get(1)?,
        name: row.get(2)?,
        scopes: crate::json::decode(&scopes)?,
        job: row.get(4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        revoked_at: row.get(7)?,
    })
}

/// Adds a token.
pub fn insert(
    tx: &mut Tx<'_>,
    token: &Token,
    secret_hash: &[u8],
    workspace_id: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO tokens (id, principal_id, name, secret_hash, scopes, workspace_id, job, created_at, expires_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        params![
            &token.id,
            &token.principal_id,
            &token.name,
            secret_hash,
            crate::json::encode(&token.scopes)?,
            workspace_id,
            token.job.as_deref(),
            token.created_at,
            token.expires_at,
            token.revoked_at
        ],
    )?;
    Ok(())
}

/// The token of that id with its owner, for a check of credentials.
pub fn credential(tx: &mut Tx<'_>, id: &str) -> Result<Option<Credential>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, t.secret_hash, t.workspace_id,
                p.id, p.kind, p.name, p.display_name, p.disabled, p.created_at, p.created_by
         FROM tokens t JOIN principals p ON p.id = t.principal_id WHERE t.id = $1"
    );
    tx.query_opt(&sql, params![id], |row| {
        let kind: String = row.get(11)?;
        Ok(Credential {
            token: from_row(row)?,
            secret_hash: row.get(8)?,
            workspace_id: row.get(9)?,
            principal: Principal {
                id: row.get(10)?,
                kind: PrincipalKind::parse(&kind)
                    .ok_or_else(|| StoreError::Corrupt(format!("principal kind `{kind}`")))?,
                name: row.get(12)?,
                display_name: row.get(13)?,
                disabled: row.get(14)?,
                created_at: row.get(15)?,
                created_by: row.get(16)?,
            },
        })
    })
}

/// Which tokens a list is to show.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// Only of the principal with this name.
    pub principal: Option<String>,
    /// Only in this state.
    pub state: Option<TokenState>,
}

/// A page of tokens that people made (not those of jobs), in their state at `now`.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &TokenFilter,
    now: Timestamp,
    search: &ListSearch,
) -> Result<Vec<Keyed<Token>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.only("t.job IS NULL");
    if let Some(name) = &filter.principal {
        let name = list.bind(name.as_str());
        list.only(format!(
            "t.principal_id = (SELECT p.id FROM principals p WHERE p.name = {name})"
        ));
    }
    // a revoked token counts as revoked, also when its time is over
    match filter.state {
        None => {}
        Some(TokenState::Revoked) => list.only("t.revoked_at IS NOT NULL"),
        Some(TokenState::Expired) => {
            let now = list.bind(now.0);
            list.only(format!("t.revoked_at IS NULL AND t.expires_at <= {now}"));
        }
        Some(TokenState::Active) => {
            let now = list.bind(now.0);
            list.only(format!(
                "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > {now})"
            ));
        }
    }
    list.prefix("t.name");
    let rows = Rows {
        columns: COLUMNS,
        width: 8,
        from: "tokens t",
        read: from_row,
        sorted_by: &[
            (SortKey::CreatedAt, "t.created_at"),
            (SortKey::Name, "t.name"),
        ],
        unique: "t.id",
    };
    list.run(tx, &rows)
}

/// Takes a token back. Says whether there was one that still stood.
pub fn revoke(tx: &mut Tx<'_>, id: &str, at: Timestamp) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        params![id, at],
    )?;
    Ok(changed > 0)
}

/// Takes back every token of a job.
pub fn revoke_for_job(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    job: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE tokens SET revoked_at = $3 WHERE workspace_id = $1 AND job = $2 AND revoked_at IS NULL",
        params![workspace_id, job, at],
    )?;
    Ok(())
}

/// Takes back every token of a principal.
pub fn revoke_for_principal(
    tx: &mut Tx<'_>,
    principal_id: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE tokens SET revoked_at = $2 WHERE principal_id = $1 AND revoked_at IS NULL",
        params![principal_id, at],
    )?;
    Ok(())
}
