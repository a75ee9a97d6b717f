//! Which tables and columns an MLflow database has.

use std::collections::{BTreeMap, BTreeSet};

use crate::{StoreError, Tx, catalog, params};

/// What the database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be read.
    Import,
    /// To be filled.
    Export,
}

/// The tables of a database with their columns, and the revision of its schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// What its migrations call the schema.
    pub revision: String,
    tables: BTreeMap<String, BTreeSet<String>>,
}

/// Without these there is nothing to import: every MLflow since 1.2 has them.
const NEEDED: &[(&str, &[&str])] = &[
    ("alembic_version", &["version_num"]),
    (
        "experiments",
        &[
            "experiment_id",
            "name",
            "artifact_location",
            "lifecycle_stage",
        ],
    ),
    (
        "runs",
        &[
            "run_uuid",
            "name",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "lifecycle_stage",
            "artifact_uri",
            "experiment_id",
        ],
    ),
    (
        "metrics",
        &["key", "value", "timestamp", "run_uuid", "step", "is_nan"],
    ),
    ("params", &["key", "value", "run_uuid"]),
    ("tags", &["key", "value", "run_uuid"]),
    ("experiment_tags", &["key", "value", "experiment_id"]),
    (
        "registered_models",
        &["name", "creation_time", "last_updated_time", "description"],
    ),
    (
        "model_versions",
        &[
            "name",
            "version",
            "current_stage",
            "source",
            "run_id",
            "run_link",
        ],
    ),
];

/// What the present MLflow has and a database that is to be filled must have.
const WANTED: &[(&str, &[&str])] = &[
    ("inputs", &["step"]),
    ("logged_models", &["model_id"]),
    ("logged_model_metrics", &["model_id"]),
    ("model_versions", &["storage_location"]),
    ("registered_model_aliases", &["alias"]),
    ("trace_info", &["trace_name", "total_cost"]),
    ("spans", &["model_name"]),
    ("assessments", &["is_numeric_value", "assessment_metadata"]),
    ("entity_associations", &["association_id"]),
    ("issues", &["categories"]),
];

impl Schema {
    /// Reads it, and refuses what is no MLflow database or too old a one.
    pub fn read(tx: &mut Tx<'_>, purpose: Purpose) -> Result<Self, StoreError> {
        let mut schema = Self::default();
        for table in catalog::table_names(tx)? {
            let columns = tx.query(tx.dialect().list_columns(), params![&table], |row| {
                row.get(0)
            })?;
            schema.tables.insert(table, columns.into_iter().collect());
        }
        if !schema.has("alembic_version") || !schema.has("experiments") || !schema.has("runs") {
            return Err(StoreError::Schema(match purpose {
                Purpose::Import => {
                    "this is no MLflow database: the tables `experiments` and `runs` are not there"
                        .to_owned()
                }
                Purpose::Export => {
                    "the database has no MLflow schema: make one first with `mlflow db upgrade URL`"
                        .to_owned()
                }
            }));
        }
        schema.revision = tx
            .query_opt(
                "SELECT version_num FROM alembic_version",
                params![],
                |row| row.get(0),
            )?
            .unwrap_or_default();
        let needed = match purpose {
            Purpose::Import => NEEDED.iter().chain(&[]),
            Purpose::Export => NEEDED.iter().chain(WANTED),
        };
        for (table, columns) in needed {
            for column in *columns {
                if !schema.column(table, column) {
                    return Err(schema.too_old(table, column));
                }
            }
        }
        Ok(schema)
    }

    fn too_old(&self, table: &str, column: &str) -> StoreError {
        StoreError::Schema(format!(
            "the database's schema (revision {}) is too old: it has no `{table}.{column}`. \
             Bring it up to date with `mlflow db upgrade URL` of MLflow 3 (on a copy, if the old MLflow still uses it)",
            self.revision
        ))
    }

    /// Whether the table is there.
    pub fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether the column is there.
    pub fn column(&self, table: &str, column: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|columns| columns.contains(column))
    }

    /// Every table.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Whether it keeps several workspaces apart.
    pub fn has_workspaces(&self) -> bool {
        self.column("experiments", "workspace")
    }

    /// `alias.column`, or a null of that type where there is no such column.
    pub(super) fn pick(&self, table: &str, alias: &str, column: &str, sql_type: &str) -> String {
        if self.column(table, column) {
            format!("{alias}.{column}")
        } else {
            format!("CAST(NULL AS {sql_type})")
        }
    }

    /// The condition that a row of `alias` is of the workspace `$1`.
    pub(super) fn in_workspace(&self, table: &str, alias: &str) -> String {
        if self.column(table, "workspace") {
            format!("{alias}.workspace = $1")
        } else {
            "1 = 1".to_owned()
        }
    }
}
