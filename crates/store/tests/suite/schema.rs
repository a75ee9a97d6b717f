//! The schema: readable in one file, the same on both back ends, and refused when it is not ours.

use std::path::Path;

use lazuli_store::testing::{Scratch, each_backend, run};
use lazuli_store::{Store, StoreError, params};

const HEAD: &str = "-- The whole current schema, as the migrations make it on SQLite (PostgreSQL's differs only in collation).\n\
                    -- Generated: UPDATE_SCHEMA=1 cargo test -p lazuli-store schema\n";

#[test]
fn schema_sql_is_what_the_migrations_make() {
    let made = run(async {
        let scratch = Scratch::sqlite();
        let store = scratch.open().await;
        let statements: Vec<String> = store
            .read(|tx| {
                tx.query(
                    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name",
                    params![],
                    |row| row.get(0),
                )
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        statements.iter().fold(HEAD.to_owned(), |text, statement| {
            format!("{text}\n{statement};\n")
        })
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == made,
        "schema.sql is out of date: UPDATE_SCHEMA=1 cargo test -p lazuli-store schema"
    );
}

#[test]
fn status_tells_version_tables_and_place() {
    each_backend(|store| async move {
        let status = store.status().await.unwrap();
        assert_eq!(status.schema_version, status.wanted_version);
        assert_eq!(status.migrations.len() as i64, status.schema_version);
        assert!(
            status
                .migrations
                .iter()
                .all(|m| m.applied_at > 1_700_000_000_000_000)
        );
        assert!(status.size_bytes > 0);
        assert!(!status.location.contains("password"));
        let names: Vec<_> = status
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        assert!(
            names.contains(&"workspaces") && names.is_sorted(),
            "{names:?}"
        );
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    });
}

async fn spoil(store: &Store, sql: &'static str) {
    store
        .write(move |tx| tx.execute(sql, params![]))
        .await
        .unwrap_or_else(|error: StoreError| panic!("{error}"));
    store.close().await;
}

#[test]
fn a_newer_or_altered_schema_is_refused_and_left_alone() {
    run(async {
        for (sql, words) in [
            (
                "INSERT INTO schema_migrations VALUES (9999, '9999_future', 'x', 0)",
                "use a newer lazuli",
            ),
            (
                "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1",
                "altered",
            ),
        ] {
            for scratch in Scratch::each() {
                spoil(&scratch.open().await, sql).await;
                let refused = Store::open(scratch.options()).await.unwrap_err();
                assert!(
                    matches!(&refused, StoreError::Schema(message) if message.contains(words)),
                    "{refused}"
                );
            }
        }
    });
}

#[test]
fn opening_again_and_many_at_once_migrates_once() {
    run(async {
        for scratch in Scratch::each() {
            let opened = (0..4).map(|_| tokio::spawn(Store::open(scratch.options())));
            for store in opened.collect::<Vec<_>>() {
                store.await.unwrap().unwrap().close().await;
            }
            let status = scratch.open().await.status().await.unwrap();
            assert_eq!(status.schema_version, status.wanted_version);
        }
    });
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lazuli.db");
        let text = "this is a letter, not a database. ".repeat(200);
        std::fs::write(&file, &text).unwrap();
        let refused = Store::open(lazuli_store::StoreOptions::sqlite(&file))
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, StoreError::Corrupt(m) if m.contains("lazuli.db")),
            "{refused}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

        let missing = folder.path().join("no/such/folder.db");
        let refused = Store::open(lazuli_store::StoreOptions::sqlite(missing))
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, StoreError::Unavailable(m) if m.contains("no/such")),
            "{refused}"
        );
        let refused = Store::open(lazuli_store::StoreOptions::postgres(
            "postgres://u:secret@127.0.0.1:1/x",
        ))
        .await;
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(m)) if !m.contains("secret")),
            "{refused:?}"
        );
    });
}

#[test]
fn the_database_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lazuli.db");
        let store = Store::open(lazuli_store::StoreOptions::sqlite(&file))
            .await
            .unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
        store.close().await;
    });
}
