//! A full disk and a lost connection: clear errors, nothing lost, and the store goes on afterwards.

use lazuli_store::testing::{Scratch, each_backend, run};
use lazuli_store::{Dialect, Store, StoreError, params};

use crate::contract::with_table;

async fn limit_pages(store: &Store, pages: u32) {
    store
        .write(move |tx| {
            tx.query(
                &format!("PRAGMA max_page_count = {pages}"),
                params![],
                |_| Ok(()),
            )
        })
        .await
        .unwrap_or_else(|error: StoreError| panic!("{error}"));
}

async fn insert(store: &Store, id: &'static str, size: usize) -> Result<u64, StoreError> {
    store
        .write(move |tx| {
            tx.execute(
                "INSERT INTO things (id, b) VALUES ($1, $2)",
                params![id, vec![7_u8; size]],
            )
        })
        .await
}

#[test]
fn a_full_disk_is_said_so_and_nothing_is_lost() {
    run(async {
        let scratch = Scratch::sqlite();
        let store = scratch.open().await;
        with_table(&store).await;
        insert(&store, "before", 10).await.unwrap();
        let pages = store.status().await.unwrap().size_bytes / 4096;
        limit_pages(&store, pages as u32 + 8).await;
        // Side by side, so that some share a commit with the one that fills the disk.
        let (small, big, other) = tokio::join!(
            insert(&store, "small", 10),
            insert(&store, "big", 1 << 20),
            insert(&store, "other", 10)
        );
        assert!(matches!(big, Err(StoreError::Full(_))), "{big:?}");
        limit_pages(&store, 1 << 30).await;
        insert(&store, "after", 1 << 20).await.unwrap();
        let mut expected = vec!["after", "before"];
        for (id, outcome) in [("other", &other), ("small", &small)] {
            assert!(
                matches!(outcome, Ok(1) | Err(StoreError::Full(_))),
                "{outcome:?}"
            );
            expected.extend(outcome.is_ok().then_some(id));
        }
        let found: Vec<String> = store
            .read(|tx| {
                tx.query("SELECT id FROM things ORDER BY id", params![], |row| {
                    row.get(0)
                })
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert_eq!(found, expected);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_lost_connection_is_made_again() {
    each_backend(|store| async move {
        if store.dialect() == Dialect::Sqlite {
            return;
        }
        with_table(&store).await;
        insert(&store, "before", 10).await.unwrap();
        // From inside a transaction: its own connection goes too, and its work with it.
        let cut = store
            .write(|tx| {
                tx.execute("INSERT INTO things (id) VALUES ('lost')", params![])?;
                tx.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                     ORDER BY pid = pg_backend_pid()",
                    params![],
                    |_| Ok(()),
                )
            })
            .await;
        assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{cut:?}");
        for id in ["a", "b", "c", "d", "e", "f"] {
            insert(&store, id, 10).await.unwrap();
        }
        let count: i64 = store
            .read(|tx| tx.query_one("SELECT COUNT(*) FROM things", params![], |row| row.get(0)))
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert_eq!(count, 7);
    });
}

/// Two transactions that take two rows in opposite order: PostgreSQL ends one of them, and says that it may be retried.
#[test]
fn a_deadlock_is_busy_and_the_other_goes_on() {
    each_backend(|store| async move {
        with_table(&store).await;
        insert(&store, "x", 1).await.unwrap();
        insert(&store, "y", 1).await.unwrap();
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
        let both = [["x", "y"], ["y", "x"]].map(|order| {
            let (store, barrier) = (store.clone(), barrier.clone());
            tokio::spawn(async move {
                store
                    .write(move |tx| {
                        tx.execute(
                            "UPDATE things SET n = NULL WHERE id = $1",
                            params![order[0]],
                        )?;
                        if tx.dialect() == Dialect::Postgres {
                            barrier.wait();
                        }
                        tx.execute(
                            "UPDATE things SET n = NULL WHERE id = $1",
                            params![order[1]],
                        )
                    })
                    .await
            })
        });
        let mut outcomes = Vec::new();
        for one in both {
            outcomes.push(one.await.unwrap());
        }
        let busy = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(StoreError::Busy(_))))
            .count();
        let expected = usize::from(store.dialect() == Dialect::Postgres);
        assert_eq!(
            (busy, outcomes.iter().filter(|o| o.is_ok()).count()),
            (expected, 2 - expected),
            "{outcomes:?}"
        );
    });
}
