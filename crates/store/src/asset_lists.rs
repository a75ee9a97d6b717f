//! Lists of assets: by name (each with its newest version), and the versions of one name.

use lazuli_spec::Timestamp;
use lazuli_spec::assets::{Asset, AssetKind, ListView};
use lazuli_spec::trees::ContentHash;

use crate::assets::{COLUMNS, TABLES, from_row};
use crate::sql::Statement;
use crate::{StoreError, Tx, Value, as_params, params};

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssetOrder {
    /// By name.
    #[default]
    Name,
    /// By the moment the version shown was made.
    CreatedAt,
}

/// Which names to list.
#[derive(Clone, Debug)]
pub struct AssetSearch {
    /// The kind.
    pub kind: AssetKind,
    /// Which archived ones.
    pub view: ListView,
    /// Only names that begin so.
    pub prefix: Option<String>,
    /// Only names whose version shown has this tag, with this value if one is given.
    pub tag: Option<(String, Option<String>)>,
    /// The order.
    pub order: AssetOrder,
    /// Backwards.
    pub descending: bool,
    /// The place of the last one shown: its time and name.
    pub after: Option<(Timestamp, String)>,
    /// How many at most.
    pub limit: u32,
}

/// Names, each with its newest version in the view.
pub fn names(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &AssetSearch,
) -> Result<Vec<Asset>, StoreError> {
    let mut statement = Statement::new(tx.dialect());
    let workspace = statement.bind(workspace_id);
    let kind = statement.bind(search.kind.as_str());
    let newest = |condition: &str| {
        format!(
            "v.sequence = (SELECT MAX(w.sequence) FROM asset_versions w WHERE w.workspace_id = v.workspace_id
             AND w.kind = v.kind AND w.name = v.name{condition})"
        )
    };
    let has_active = "EXISTS (SELECT 1 FROM asset_versions w WHERE w.workspace_id = v.workspace_id
         AND w.kind = v.kind AND w.name = v.name AND w.archived = 0)";
    let mut conditions = vec![
        format!("v.workspace_id = {workspace}"),
        format!("v.kind = {kind}"),
    ];
    match search.view {
        ListView::All => conditions.push(newest("")),
        ListView::ActiveOnly => {
            conditions.push("a.archived = 0".to_owned());
            conditions.push(newest(" AND w.archived = 0"));
        }
        ListView::ArchivedOnly => {
            conditions.push(format!("(a.archived = 1 OR NOT {has_active})"));
            conditions.push(newest(""));
        }
    }
    if let Some(prefix) = &search.prefix {
        // names are ASCII, so everything that begins with the prefix lies before prefix + DEL
        let from = statement.bind(prefix.as_str());
        let to = statement.bind(format!("{prefix}\u{7f}"));
        conditions.push(format!("v.name >= {from} AND v.name < {to}"));
    }
    if let Some((key, value)) = &search.tag {
        conditions.push(tag_condition(&mut statement, key, value.as_deref()));
    }
    let order = keys(search);
    if let Some((time, name)) = &search.after {
        let place: Vec<(String, bool, Value)> = order
            .iter()
            .map(|(column, ascending)| {
                let value = match *column {
                    "v.created_at" => Value::Integer(time.0),
                    _ => Value::Text(name.clone()),
                };
                ((*column).to_owned(), *ascending, value)
            })
            .collect();
        conditions.push(statement.after(&place));
    }
    let direction = |ascending: bool| if ascending { "ASC" } else { "DESC" };
    let order: Vec<String> = order
        .iter()
        .map(|(c, ascending)| format!("{c} {}", direction(*ascending)))
        .collect();
    let limit = statement.bind(i64::from(search.limit));
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {} ORDER BY {} LIMIT {limit}",
        conditions.join(" AND "),
        order.join(", ")
    );
    tx.query(&sql, &as_params(&statement.values), from_row)
}

fn keys(search: &AssetSearch) -> Vec<(&'static str, bool)> {
    let ascending = !search.descending;
    match search.order {
        AssetOrder::Name => vec![("v.name", ascending)],
        AssetOrder::CreatedAt => vec![("v.created_at", ascending), ("v.name", ascending)],
    }
}

fn tag_condition(statement: &mut Statement, key: &str, value: Option<&str>) -> String {
    let key = statement.bind(key);
    let value = match value {
        Some(value) => format!(" AND t.value = {}", statement.bind(value)),
        None => String::new(),
    };
    format!(
        "EXISTS (SELECT 1 FROM asset_tags t WHERE t.workspace_id = v.workspace_id AND t.kind = v.kind
         AND t.name = v.name AND t.version = v.version AND t.key = {key}{value})"
    )
}

/// The versions of one name, newest first, made before the place `before`.
pub fn versions(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    kind: AssetKind,
    name: &str,
    view: ListView,
    before: i64,
    limit: u32,
) -> Result<Vec<Asset>, StoreError> {
    let condition = match view {
        ListView::All => "",
        ListView::ActiveOnly => "AND v.archived = 0 AND a.archived = 0",
        ListView::ArchivedOnly => "AND (v.archived = 1 OR a.archived = 1)",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE v.workspace_id = $1 AND v.kind = $2 AND v.name = $3 AND v.sequence < $4
         {condition} ORDER BY v.sequence DESC LIMIT $5"
    );
    tx.query(
        &sql,
        params![workspace_id, kind.as_str(), name, before, i64::from(limit)],
        from_row,
    )
}

/// The assets that have this content, oldest first: the way back from a job's input to what it was registered as.
pub fn with_content(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    hash: &ContentHash,
    limit: u32,
) -> Result<Vec<Asset>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE v.workspace_id = $1 AND v.content_hash = $2
         ORDER BY v.created_at, v.kind, v.name, v.sequence LIMIT $3"
    );
    tx.query(
        &sql,
        params![workspace_id, hash.as_str(), i64::from(limit)],
        from_row,
    )
}

/// What a job has made.
pub fn of_job(tx: &mut Tx<'_>, workspace_id: &str, job: &str) -> Result<Vec<Asset>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE v.workspace_id = $1 AND v.job = $2 ORDER BY v.kind, v.name, v.sequence"
    );
    tx.query(&sql, params![workspace_id, job], from_row)
}
