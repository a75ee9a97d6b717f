//! Backup and restore: between any two back ends, and never half.

use lazuli_store::testing::{Scratch, run};
use lazuli_store::{Store, StoreError, params, verify_backup};

/// Rows with every type and a foreign key, in tables that the migrations made.
async fn fill(store: &Store, rows: i64) {
    store
        .write(move |tx| {
            for n in 0..rows {
                tx.execute(
                    "INSERT INTO principals (id, kind, name, display_name, password_hash, disabled, created_at, created_by)
                     VALUES ($1, 'user', $2, 'É \u{1F48E}', $3, 0, $4, 'test')",
                    params![format!("p{n}"), format!("n{n}"), (n % 2 == 0).then_some("hash"), n],
                )?;
                tx.execute(
                    "INSERT INTO tokens (id, principal_id, name, secret_hash, scopes, created_at)
                     VALUES ($1, $2, 't', $3, '[]', $4)",
                    params![format!("t{n}"), format!("p{n}"), vec![n as u8; 32], i64::MIN + n],
                )?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

type Token = (String, String, Vec<u8>, i64, Option<String>);

async fn tokens(store: &Store) -> Vec<Token> {
    store
        .read(|tx| {
            tx.query(
                "SELECT t.id, p.display_name, t.secret_hash, t.created_at, p.password_hash
                 FROM tokens t JOIN principals p ON p.id = t.principal_id ORDER BY t.id",
                params![],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                },
            )
        })
        .await
        .unwrap_or_else(|error: StoreError| panic!("{error}"))
}

#[test]
fn every_row_comes_back_on_every_back_end() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        for (number, from) in Scratch::each().into_iter().enumerate() {
            let store = from.open().await;
            fill(&store, 1500).await;
            let file = folder.path().join(format!("{number}.backup"));
            let written = store.backup_file(&file).await.unwrap();
            assert!(
                written.tables.contains(&("tokens".to_owned(), 1500)),
                "{written:?}"
            );
            assert_eq!(verify_backup(&file).await.unwrap(), written);
            for to in Scratch::each() {
                let (restored, summary) = Store::restore_file(to.options(), &file).await.unwrap();
                assert_eq!(summary, written);
                assert_eq!(tokens(&restored).await, tokens(&store).await);
                assert_eq!(restored.check().await.unwrap(), Vec::<String>::new());
                // It is a working store: its keys hold, and a backup of it has the same rows.
                let orphan = restored
                    .write(|tx| {
                        tx.execute(
                            "INSERT INTO tokens (id, principal_id, name, secret_hash, scopes, created_at)
                             VALUES ('x', 'nobody', 't', $1, '[]', 0)",
                            params![vec![1_u8]],
                        )
                    })
                    .await;
                assert!(orphan.is_err_and(|error: StoreError| error.is_foreign_key_violation()));
                let again = restored.backup(std::io::sink()).await.unwrap();
                assert_eq!(again.tables, written.tables);
                restored.close().await;
            }
            store.close().await;
        }
    });
}

#[test]
fn a_backup_is_one_moment_while_writing_goes_on() {
    run(async {
        for scratch in Scratch::each() {
            let store = scratch.open().await;
            fill(&store, 300).await;
            let writing = tokio::spawn({
                let store = store.clone();
                async move {
                    for n in 0..200_i64 {
                        // Each transaction adds to both tables: a torn snapshot would show different counts.
                        store
                            .write(move |tx| {
                                tx.execute(
                                    "INSERT INTO principals (id, kind, name, display_name, disabled, created_at, created_by)
                                     VALUES ($1, 'user', $1, '', 0, 0, '')",
                                    params![format!("w{n}")],
                                )?;
                                tx.execute(
                                    "INSERT INTO tokens (id, principal_id, name, secret_hash, scopes, created_at)
                                     VALUES ($1, $1, 't', $2, '[]', 0)",
                                    params![format!("w{n}"), vec![1_u8]],
                                )
                            })
                            .await
                            .unwrap_or_else(|error: StoreError| panic!("{error}"));
                    }
                }
            });
            for _ in 0..5 {
                let summary = store.backup(std::io::sink()).await.unwrap();
                let count = |name: &str| {
                    summary
                        .tables
                        .iter()
                        .find(|(table, _)| table == name)
                        .unwrap()
                        .1
                };
                assert_eq!(count("tokens"), count("principals"));
            }
            writing.await.unwrap();
        }
    });
}

#[test]
fn damaged_and_foreign_files_restore_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good");
        let scratch = Scratch::sqlite();
        let source = scratch.open().await;
        fill(&source, 20).await;
        source.backup_file(&good).await.unwrap();
        let bytes = std::fs::read(&good).unwrap();

        let mut cases: Vec<(String, Vec<u8>)> = vec![
            ("empty".into(), vec![]),
            (
                "foreign".into(),
                b"PK\x03\x04 not ours at all, just some file".to_vec(),
            ),
            ("appended".into(), [&bytes[..], b"x"].concat()),
        ];
        for cut in [20, bytes.len() / 2, bytes.len() - 33, bytes.len() - 1] {
            cases.push((format!("cut at {cut}"), bytes[..cut].to_vec()));
        }
        for flip in (17..bytes.len()).step_by(97) {
            let mut flipped = bytes.clone();
            flipped[flip] ^= 0x41;
            cases.push((format!("flipped at {flip}"), flipped));
        }
        let target = folder.path().join("target.db");
        let bad = folder.path().join("bad");
        for (what, content) in cases {
            std::fs::write(&bad, content).unwrap();
            assert!(verify_backup(&bad).await.is_err(), "{what}");
            let options = lazuli_store::StoreOptions::sqlite(&target);
            let error = Store::restore_file(options, &bad).await.expect_err(&what);
            assert!(
                matches!(error, StoreError::Archive(_) | StoreError::Schema(_)),
                "{what}: {error}"
            );
        }
        // Nothing of all that stayed behind: the same file still takes the good archive, and then no other.
        let options = lazuli_store::StoreOptions::sqlite(&target);
        let (restored, _) = Store::restore_file(options.clone(), &good).await.unwrap();
        assert_eq!(tokens(&restored).await.len(), 20);
        let refused = Store::restore_file(options, &good).await.unwrap_err();
        assert!(refused.to_string().contains("not empty"), "{refused}");
        assert_eq!(tokens(&restored).await.len(), 20);
    });
}

#[test]
fn a_backup_that_cannot_be_written_leaves_no_file() {
    run(async {
        let scratch = Scratch::sqlite();
        let store = scratch.open().await;
        let error = store
            .backup_file("/proc/nowhere/x.backup")
            .await
            .unwrap_err();
        assert!(
            matches!(&error, StoreError::Archive(m) if m.contains("/proc/nowhere")),
            "{error}"
        );
        if std::path::Path::new("/dev/full").exists() {
            let full = std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap();
            let error = store.backup(full).await.unwrap_err();
            assert!(matches!(error, StoreError::Full(_)), "{error}");
        }
        assert!(store.status().await.is_ok(), "the store goes on");
    });
}
