//! What a [`Tx`] promises: values come back as they went in, failures undo their own closure and nothing else.

use lazuli_spec::Timestamp;
use lazuli_store::testing::each_backend;
use lazuli_store::{Store, StoreError, Tx, Value, as_params, params};

/// A table of every column type, made by the test itself.
pub(crate) async fn with_table(store: &Store) {
    store
        .write(|tx| {
            tx.execute(
                "CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT UNIQUE, x DOUBLE PRECISION, b BYTEA)",
                params![],
            )
        })
        .await
        .unwrap();
}

async fn insert(store: &Store, id: &str, n: i64) -> Result<u64, StoreError> {
    let id = id.to_owned();
    store
        .write(move |tx| tx.execute("INSERT INTO things (id, n) VALUES ($1, $2)", params![id, n]))
        .await
}

async fn count(store: &Store) -> i64 {
    store
        .read(|tx| tx.query_one("SELECT COUNT(*) FROM things", params![], |row| row.get(0)))
        .await
        .unwrap_or_else(|error: StoreError| panic!("{error}"))
}

#[test]
fn values_come_back_as_they_went_in() {
    each_backend(|store| async move {
        with_table(&store).await;
        let doubles = [
            0.1,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            3.0,
        ];
        for (n, x) in doubles.into_iter().enumerate() {
            let back: (i64, f64, Vec<u8>, Option<String>) = store
                .write(move |tx| {
                    let id = format!("d{n}");
                    tx.execute(
                        "INSERT INTO things (id, n, x, b) VALUES ($1, $2, $3, $4)",
                        params![id, i64::MAX - n as i64, x, Vec::<u8>::new()],
                    )?;
                    tx.query_one(
                        "SELECT n, x, b, NULL FROM things WHERE id = $1",
                        params![id],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                    )
                })
                .await
                .unwrap_or_else(|error: StoreError| panic!("{error}"));
            assert_eq!(back.0, i64::MAX - n as i64);
            assert!(
                back.1.to_bits() == x.to_bits() || (x.is_nan() && back.1.is_nan()),
                "{x} came back as {}",
                back.1
            );
            assert_eq!((back.2, back.3), (vec![], None));
        }
        // NaN is greater than every number, on both.
        let order: Vec<String> = store
            .read(|tx| {
                tx.query(
                    "SELECT id FROM things ORDER BY x DESC, id LIMIT $1",
                    params![2_i64],
                    |row| row.get(0),
                )
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert_eq!(order, ["d5", "d3"]);
    });
}

#[test]
fn other_types_text_and_nulls() {
    each_backend(|store| async move {
        with_table(&store).await;
        let text = "quote ' \" ? $1 :x \u{1F48E} \\ %_\n";
        store
            .write(move |tx| {
                let none: Option<f64> = None;
                tx.execute(
                    "INSERT INTO things (id, n, x, b) VALUES ($1, $2, $3, $4)",
                    params![text, true, none, Some(vec![0_u8, 255])],
                )?;
                tx.execute(
                    "UPDATE things SET n = $1 WHERE id = '$1' OR id = $2",
                    params![Timestamp(7), text],
                )
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        let row: (String, Timestamp, Option<f64>, Vec<u8>) = store
            .read(|tx| {
                let missing: Option<&str> = None;
                tx.query_one(
                    "SELECT id, n, x, b FROM things WHERE $1 IS NULL OR id = $1",
                    params![missing],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert_eq!(row, (text.to_owned(), Timestamp(7), None, vec![0, 255]));

        let nul = insert(&store, "a\0b", 1).await.unwrap_err();
        assert!(matches!(nul, StoreError::Invalid(_)), "{nul}");
        let wrong: Result<i64, StoreError> = store
            .read(|tx| tx.query_one("SELECT id FROM things", params![], |row| row.get(0)))
            .await;
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("column id: expected i64, found text")
        );
        let absent: Result<i64, StoreError> = store
            .read(|tx| {
                tx.query_one("SELECT n FROM things WHERE id = 'no'", params![], |row| {
                    row.get(0)
                })
            })
            .await;
        assert_eq!(absent.unwrap_err(), StoreError::NotFound);
    });
}

#[test]
fn a_failed_closure_undoes_itself_alone() {
    each_backend(|store| async move {
        with_table(&store).await;
        let attempts = (0..40_i64).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |tx| -> Result<i64, StoreError> {
                        tx.execute(
                            "INSERT INTO things (id, n) VALUES ($1, $2)",
                            params![format!("t{n}"), n],
                        )?;
                        assert!(n % 5 != 1, "closure {n} panics");
                        if n % 5 == 2 {
                            Err(StoreError::NotFound)
                        } else {
                            Ok(n)
                        }
                    })
                    .await
            })
        });
        let mut kept = 0;
        for (n, attempt) in attempts.collect::<Vec<_>>().into_iter().enumerate() {
            match attempt.await.unwrap() {
                Ok(_) => kept += 1,
                Err(StoreError::Panicked(message)) => {
                    assert_eq!(message, format!("closure {n} panics"));
                }
                Err(error) => assert_eq!((error, n % 5), (StoreError::NotFound, 2)),
            }
        }
        assert_eq!((kept, count(&store).await), (24, 24));
    });
}

#[test]
fn conflicts_say_which_rule_and_table() {
    each_backend(|store| async move {
        with_table(&store).await;
        insert(&store, "a", 1).await.unwrap();
        for (id, n) in [("a", 2), ("b", 1)] {
            let error = insert(&store, id, n).await.unwrap_err();
            assert!(error.is_unique_violation(), "{error}");
            assert_eq!(error.conflicting_table(), Some("things"));
        }
        let broken = store
            .write(|tx| {
                tx.execute("CREATE TABLE parts (id TEXT NOT NULL CHECK (id <> ''), whole TEXT REFERENCES things)", params![])?;
                tx.savepoint(|tx| tx.execute("INSERT INTO parts VALUES ('p', 'nobody')", params![])).map_err(|e| {
                    assert!(e.is_foreign_key_violation(), "{e}");
                    e
                })
            })
            .await;
        assert!(broken.is_err());
        assert_eq!(count(&store).await, 1);
    });
}

/// PostgreSQL cannot go on after a failed statement, so SQLite must not either.
#[test]
fn a_failed_statement_spoils_its_transaction_unless_in_a_savepoint() {
    each_backend(|store| async move {
        with_table(&store).await;
        insert(&store, "a", 1).await.unwrap();
        let clash =
            |tx: &mut Tx<'_>| tx.execute("INSERT INTO things (id, n) VALUES ('a', 9)", params![]);
        let hidden = store
            .write(move |tx| {
                tx.execute("INSERT INTO things (id, n) VALUES ('b', 2)", params![])?;
                drop(clash(tx));
                assert!(
                    tx.execute("INSERT INTO things (id, n) VALUES ('c', 3)", params![])
                        .is_err()
                );
                Ok(())
            })
            .await;
        assert!(hidden.is_err_and(|error: StoreError| error.is_unique_violation()));
        assert_eq!(count(&store).await, 1);

        store
            .write(move |tx| {
                assert!(tx.savepoint(clash).is_err());
                tx.savepoint(|tx| {
                    tx.savepoint(|tx| {
                        tx.execute("INSERT INTO things (id, n) VALUES ('c', 3)", params![])
                    })
                })
            })
            .await
            .unwrap();
        assert_eq!(count(&store).await, 2);
    });
}

#[test]
fn pages_by_key_with_sql_built_at_run_time() {
    each_backend(|store| async move {
        with_table(&store).await;
        // An order in which a locale's collation and plain bytes differ.
        for (n, id) in ["B", "a", "_", "A", "b", "ä"].iter().enumerate() {
            insert(&store, id, n as i64).await.unwrap();
        }
        let mut seen: Vec<String> = Vec::new();
        loop {
            let mut sql = "SELECT id FROM things WHERE n >= $1".to_owned();
            let mut values = vec![Value::from(0_i64)];
            if let Some(last) = seen.last() {
                values.push(last.as_str().into());
                sql.push_str(" AND id > $2");
            }
            let page: Vec<String> = store
                .read(move |tx| {
                    tx.query(
                        &format!("{sql} ORDER BY id LIMIT 4"),
                        &as_params(&values),
                        |row| row.get(0),
                    )
                })
                .await
                .unwrap_or_else(|error: StoreError| panic!("{error}"));
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, ["A", "B", "_", "a", "b", "ä"]);
    });
}

#[test]
fn like_means_the_same_on_both() {
    each_backend(|store| async move {
        with_table(&store).await;
        for (n, id) in ["Alpha", "alpha", "a\\b"].iter().enumerate() {
            insert(&store, id, n as i64).await.unwrap();
        }
        let find = |ignore_case: bool, pattern: &'static str| {
            let store = store.clone();
            async move {
                store
                    .read(move |tx| {
                        let dialect = tx.dialect();
                        let test = if ignore_case {
                            dialect.ilike("id", "$1")
                        } else {
                            dialect.like("id", "$1")
                        };
                        tx.query(
                            &format!("SELECT id FROM things WHERE {test} ORDER BY id"),
                            params![pattern],
                            |row| row.get::<String>(0),
                        )
                    })
                    .await
                    .unwrap_or_else(|error: StoreError| panic!("{error}"))
            }
        };
        assert_eq!(find(false, "al%").await, ["alpha"]);
        assert_eq!(find(true, "aL%").await, ["Alpha", "alpha"]);
        assert_eq!(find(false, "a\\%").await, ["a\\b"]);
    });
}

#[test]
fn readers_see_one_snapshot_while_writers_go_on() {
    each_backend(|store| async move {
        with_table(&store).await;
        insert(&store, "a", 1).await.unwrap();
        let (started, wait_started) = tokio::sync::oneshot::channel();
        let (go_on, wait_go_on) = std::sync::mpsc::channel::<()>();
        let reading = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .read(move |tx| {
                        let sql = "SELECT COUNT(*) FROM things";
                        let before: i64 = tx.query_one(sql, params![], |row| row.get(0))?;
                        started.send(()).unwrap();
                        wait_go_on.recv().unwrap();
                        let after: i64 = tx.query_one(sql, params![], |row| row.get(0))?;
                        Ok((before, after))
                    })
                    .await
                    .unwrap_or_else(|error: StoreError| panic!("{error}"))
            }
        });
        wait_started.await.unwrap();
        insert(&store, "b", 2).await.unwrap();
        assert_eq!(
            count(&store).await,
            2,
            "an acknowledged write is seen by the next reader"
        );
        go_on.send(()).unwrap();
        assert_eq!(reading.await.unwrap(), (1, 1));
        let denied = store
            .read(|tx| tx.execute("DELETE FROM things", params![]))
            .await;
        assert!(
            denied.is_err_and(|_: StoreError| true),
            "a reader cannot write"
        );
        assert_eq!(count(&store).await, 2);
    });
}

#[test]
fn big_values_and_many_rows_pass() {
    each_backend(|store| async move {
        with_table(&store).await;
        let big: Vec<u8> = (0..8_000_000_u32).map(|n| n as u8).collect();
        let expected = big.clone();
        let back: Vec<u8> = store
            .write(move |tx| {
                tx.execute(
                    "INSERT INTO things (id, b) VALUES ('big', $1)",
                    params![big],
                )?;
                tx.query_one("SELECT b FROM things", params![], |row| row.get(0))
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert!(back == expected);
        let sum = store
            .write(|tx| {
                for n in 0..5000_i64 {
                    tx.execute(
                        "INSERT INTO things (id, n) VALUES ($1, $2)",
                        params![format!("{n}"), n],
                    )?;
                }
                let mut sum = 0;
                tx.for_each(
                    "SELECT n FROM things WHERE n IS NOT NULL",
                    params![],
                    |row| {
                        sum += row.get::<i64>(0)?;
                        Ok(())
                    },
                )?;
                Ok(sum)
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert_eq!(sum, 4999 * 2500);
    });
}

#[test]
fn a_closed_store_says_so() {
    each_backend(|store| async move {
        with_table(&store).await;
        let last = insert(&store, "a", 1);
        last.await.unwrap();
        store.close().await;
        assert_eq!(
            insert(&store, "b", 2).await.unwrap_err(),
            StoreError::Closed
        );
    });
}
