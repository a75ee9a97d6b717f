//! A small MLflow database, with the column types that MLflow declares, through all pipes and back, on both back ends.

use std::path::Path;

use super::*;
use crate::testing::{Scratch, run};
use crate::{Backend, Store, StoreError, Tx, params};

/// The tables of the rows below; the other tables are missing, as in an older database.
const THEIRS: &str = "
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
INSERT INTO alembic_version VALUES ('abc');
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256), artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32),
    creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE experiment_tags (key VARCHAR(250), value TEXT, experiment_id INTEGER, PRIMARY KEY (key, experiment_id));
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), source_type VARCHAR(20), source_name VARCHAR(500),
    entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT, end_time BIGINT, source_version VARCHAR(50),
    lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER, deleted_time BIGINT);
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN,
    PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
CREATE TABLE latest_metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN,
    PRIMARY KEY (key, run_uuid));
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE registered_models (name VARCHAR(256) PRIMARY KEY, creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000));
CREATE TABLE registered_model_tags (key VARCHAR(250), value VARCHAR(5000), name VARCHAR(256), PRIMARY KEY (key, name));
CREATE TABLE model_versions (name VARCHAR(256), version INTEGER, creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000),
    user_id VARCHAR(256), current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32), status VARCHAR(20), run_link VARCHAR(500),
    storage_location VARCHAR(500), PRIMARY KEY (name, version));
CREATE TABLE issues (issue_id VARCHAR(36) PRIMARY KEY, experiment_id INTEGER, name VARCHAR(250), description TEXT, status VARCHAR(50),
    severity VARCHAR(50), root_causes TEXT, source_run_id VARCHAR(32), categories TEXT, created_timestamp BIGINT,
    last_updated_timestamp BIGINT, created_by VARCHAR(255));
";

const ROWS: &str = "
INSERT INTO experiments VALUES (0, 'renamed', 'mlflow-artifacts:/0', 'active', 5, 6), (7, 'Default', './elsewhere/7', 'deleted', NULL, NULL);
INSERT INTO experiment_tags VALUES ('k', 'v', 7);
INSERT INTO runs VALUES ('r1', '', 'LOCAL', '', '', 'ann', 'FINISHED', 1000, 2000, '', 'active', 'mlflow-artifacts:/0/r1/artifacts', 0, NULL),
    ('r2', 'two', 'LOCAL', '', '', NULL, 'RUNNING', NULL, NULL, '', 'deleted', 's3://b/7/r2/artifacts', 7, 3000),
    ('r3', 'odd', 'LOCAL', '', '', NULL, 'LOST', NULL, NULL, '', 'active', '', 0, NULL);
INSERT INTO params VALUES ('lr', '0.1', 'r1'), ('lr', '0.2', 'r2');
INSERT INTO tags VALUES ('mlflow.runName', 'one', 'r1'), ('t', NULL, 'r1');
INSERT INTO metrics VALUES ('m', 0.5, 10, 'r1', 1, FALSE), ('m', 0, 11, 'r1', 2, TRUE), ('m', 0, 11, 'r1', 2, FALSE), ('m', 0.25, 9, 'r1', 3, FALSE),
    ('m', 1.7976931348623157e308, 12, 'r2', 0, FALSE);
INSERT INTO registered_models VALUES ('iris', 1, 2, NULL), ('hello', 1, 2, NULL);
INSERT INTO registered_model_tags VALUES ('mlflow.prompt.is_prompt', 'true', 'hello');
INSERT INTO model_versions VALUES ('iris', 1, 1, 2, 'd', NULL, 'Production', 'runs:/r1/model', 'r1', 'READY', '', NULL),
    ('iris', 2, 1, 2, NULL, NULL, 'Deleted_Internal', 'REDACTED', NULL, 'READY', NULL, NULL);
INSERT INTO issues VALUES ('iss-1', 0, 'slow', 'd', 'resolved', 'high', '[\"a\", \"\\u00e9\"]', 'r1', NULL, 5, 6, 'ann'),
    ('iss-2', 7, 'odd', 'd', 'pending', NULL, NULL, 'none', '[\"c\"]', 7, 8, NULL),
    ('iss-3', 0, 'bad', 'd', 'open', NULL, NULL, NULL, NULL, 9, 9, NULL);
";

/// Pages this small make every pipe go on from its place.
const PAGE: usize = 2;

async fn theirs(scratch: &Scratch, rows: bool) -> (Store, Schema) {
    let backend = scratch.options().backend;
    if let Backend::Sqlite { path } = &backend {
        std::fs::write(path, "").unwrap();
    }
    let store = Store::open_foreign(backend, true).await.unwrap();
    let made = store
        .write(move |tx| {
            tx.batch(THEIRS)?;
            if rows { tx.batch(ROWS) } else { Ok(()) }
        })
        .await;
    made.unwrap();
    let schema = store
        .read(|tx| Schema::read(tx, Purpose::Import))
        .await
        .unwrap();
    (store, schema)
}

fn context() -> Context {
    let folder = tempfile::tempdir().unwrap();
    Context {
        workspace_id: "w".to_owned(),
        their_workspace: "default".to_owned(),
        places: Places::new(Some(folder.path()), None, Path::new("/")),
    }
}

/// Every row of a pipe; says what was skipped.
async fn pump(pipe: &Pipe, from: &Store, workspace: &'static str, into: &Store) -> Vec<Skipped> {
    let (mut after, mut skipped) = (None, Vec::new());
    loop {
        let reading = pipe.clone();
        let page = from
            .read(move |tx| reading.read(tx, workspace, after.as_ref(), PAGE))
            .await;
        let page = page.unwrap_or_else(|error| panic!("{}: {error}", pipe.noun));
        // the place survives being written down
        after = page
            .next
            .as_ref()
            .map(|next| serde_json::from_str(&serde_json::to_string(next).unwrap()).unwrap());
        assert_eq!(after, page.next);
        let writing = pipe.clone();
        let written = into
            .write(move |tx| writing.write(tx, &context(), &page))
            .await;
        skipped.extend(written.unwrap_or_else(|error| panic!("{}: {error}", pipe.noun)));
        if after.is_none() {
            return skipped;
        }
    }
}

fn begin(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO workspaces (id, name, display_name, description, tags, created_at, created_by, updated_at)
         VALUES ('w', 'w', '', '', '{}', 0, '', 0)",
        params![],
    )?;
    crate::experiments::insert_default(tx, "w", lazuli_spec::Timestamp(0))
}

#[test]
fn a_database_comes_and_goes() {
    let scratches = Scratch::each()
        .into_iter()
        .zip(Scratch::each())
        .zip(Scratch::each());
    for ((ours, full), empty) in scratches {
        run(async {
            let (store, (source, schema)) = (ours.open().await, theirs(&full, true).await);
            store.write(begin).await.unwrap();
            let mut skipped = Vec::new();
            // twice: nothing is doubled
            for pipe in imports(&schema).iter().chain(&imports(&schema)) {
                skipped = [skipped, pump(pipe, &source, "default", &store).await].concat();
            }
            assert_eq!(skipped.len(), 4, "{skipped:?}");
            assert!(skipped[1].name == "iss-3" && skipped[1].why.contains("'status'"));
            assert_eq!(
                (skipped[0].name.as_str(), skipped[0].why.as_str()),
                ("r3", "`LOST` is no status of a run")
            );
            let settled = store
                .write(|tx| settle_series(tx, "w", 0, 10))
                .await
                .unwrap();
            assert_eq!(settled.unwrap().count, 2);
            store.read(come).await.unwrap();

            let (target, _) = theirs(&empty, false).await;
            for pipe in exports().iter().filter(|pipe| there(pipe.noun)) {
                assert_eq!(pump(pipe, &store, "w", &target).await, []);
            }
            let same = |tx: &mut Tx<'_>| {
                tx.query(
                    "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics ORDER BY run_uuid, key, step, is_nan",
                    params![],
                    |row| Ok((row.get::<String>(0)?, row.get::<i64>(2)?, row.get::<f64>(4)?.to_bits(), row.get::<bool>(5)?)),
                )
            };
            assert_eq!(
                target.read(same).await.unwrap(),
                source.read(same).await.unwrap()
            );
            let latest: (f64, bool) = target
                .read(|tx| {
                    let sql = "SELECT value, is_nan FROM latest_metrics WHERE run_uuid = 'r1'";
                    tx.query_one(sql, params![], |row| Ok((row.get(0)?, row.get(1)?)))
                })
                .await
                .unwrap();
            assert_eq!(latest, (0.25, false));
            let issue = |tx: &mut Tx<'_>| {
                let sql = "SELECT name, severity, root_causes, source_run_id, last_updated_timestamp FROM issues WHERE issue_id = 'iss-1'";
                tx.query_one(sql, params![], |row| {
                    let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
                    Ok((texts, row.get::<i64>(4)?))
                })
            };
            assert_eq!(
                target.read(issue).await.unwrap(),
                source.read(issue).await.unwrap()
            );
            for store in [store, source, target] {
                store.close().await;
            }
        });
    }
}

/// Nouns whose tables the small database has.
fn there(noun: &str) -> bool {
    [
        "experiments",
        "experiment tags",
        "runs",
        "params",
        "tags",
        "metrics",
        "latest metrics",
        "registered models",
        "registered model tags",
        "model versions",
        "issues",
    ]
    .contains(&noun)
}

/// What has come, in our tables.
fn come(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let experiments = tx.query(
        "SELECT experiment_id, name, artifact_location, lifecycle_stage, created_at FROM experiments ORDER BY experiment_id",
        params![],
        |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<String>(2)?, row.get::<String>(3)?, row.get::<i64>(4)?)),
    )?;
    assert_eq!(
        experiments,
        [
            (
                0,
                "renamed".to_owned(),
                "mlflow-artifacts:/0".to_owned(),
                "active".to_owned(),
                5_000
            ),
            (
                7,
                "Default".to_owned(),
                "./elsewhere/7".to_owned(),
                "deleted".to_owned(),
                0
            )
        ]
    );
    let next: i64 = tx.query_one(
        "SELECT next_id FROM experiment_counters",
        params![],
        |row| row.get(0),
    )?;
    assert_eq!(next, 8);
    let first = crate::runs::load(tx, "w", "r1")?.unwrap();
    assert_eq!(
        (
            first.info.run_name.as_str(),
            first.info.artifact_uri.as_str()
        ),
        ("one", "mlflow-artifacts:/0/r1/artifacts")
    );
    assert_eq!(first.tags.len(), 2);
    assert!(first.metrics[0].point.value.total_cmp(&0.25).is_eq());
    let second = crate::runs::load(tx, "w", "r2")?.unwrap();
    assert_eq!(second.info.artifact_uri, "s3://b/7/r2/artifacts");
    let counts = |tx: &mut Tx<'_>, sql: &str| tx.query_one(sql, params![], |row| row.get::<i64>(0));
    assert_eq!(counts(tx, "SELECT COUNT(*) FROM metric_points")?, 5);
    // time went back at the third step
    assert_eq!(
        counts(tx, "SELECT COUNT(*) FROM metric_series WHERE in_order = 0")?,
        1
    );
    let prompts = "SELECT COUNT(*) FROM registered_models WHERE is_prompt = 1 AND name = 'hello'";
    assert_eq!(counts(tx, prompts)?, 1);
    let version = crate::model_versions::find(tx, "w", "iris", "1")?
        .unwrap()
        .version;
    assert_eq!(version.location, "mlflow-artifacts:/0/r1/artifacts/model");
    assert_eq!(version.source, "runs:/r1/model");
    let issue = crate::issues::find(tx, "w", "iss-1", false)?.unwrap().text;
    assert_eq!(issue.root_causes, ["a", "é"]);
    assert_eq!(issue.source_run_id.as_deref(), Some("r1"));
    let issue = crate::issues::find(tx, "w", "iss-2", false)?.unwrap().text;
    assert_eq!(
        (issue.source_run_id, issue.categories),
        (None, vec!["c".to_owned()])
    );
    let model = crate::models::find(tx, "w", "iris")?.unwrap().model_no;
    assert_eq!(crate::model_versions::next_number(tx, model)?, 3);
    Ok(())
}

#[test]
fn what_is_taken_and_what_stays_is_said() {
    for (ours, full) in Scratch::each().into_iter().zip(Scratch::each()) {
        run(async {
            let (store, (source, schema)) = (ours.open().await, theirs(&full, true).await);
            store.write(begin).await.unwrap();
            let clashing = |noun: &'static str| {
                let (pipe, source, store) = (find(&schema, noun), source.clone(), store.clone());
                async move {
                    let page = source
                        .read(move |tx| pipe.read(tx, "default", None, 100))
                        .await
                        .unwrap();
                    store
                        .read(move |tx| clashes(tx, noun, "w", &page))
                        .await
                        .unwrap()
                }
            };
            // the untouched default experiment gives way, also by its name
            assert_eq!(clashing("experiments").await, []);
            for noun in ["experiments", "runs", "registered models"] {
                pump(&find(&schema, noun), &source, "default", &store).await;
            }
            let taken = clashing("experiments").await;
            assert_eq!(taken.len(), 2, "{taken:?}");
            assert!(taken.iter().any(|clash| clash.name == "0 `renamed`"));
            assert_eq!(clashing("runs").await[0].taken, "in the workspace `w`");
            assert_eq!(clashing("registered models").await.len(), 2);

            source
                .write(|tx| {
                    tx.batch("CREATE TABLE webhooks (a INTEGER); INSERT INTO webhooks VALUES (1)")
                })
                .await
                .unwrap();
            let schema = source
                .read(|tx| Schema::read(tx, Purpose::Import))
                .await
                .unwrap();
            let left = source
                .read(move |tx| leftovers(tx, &schema, "default"))
                .await
                .unwrap();
            assert_eq!(
                (left.len(), left[0].table.as_str(), left[0].rows),
                (1, "webhooks", 1)
            );
            let refused = source
                .read(|tx| Schema::read(tx, Purpose::Export))
                .await
                .unwrap_err();
            assert!(
                refused.to_string().contains("mlflow db upgrade"),
                "{refused}"
            );
            store.close().await;
            source.close().await;
        });
    }
}

fn find(schema: &Schema, noun: &str) -> Pipe {
    imports(schema)
        .into_iter()
        .find(|pipe| pipe.noun == noun)
        .unwrap()
}
