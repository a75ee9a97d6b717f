//! A process that writes as fast as it can is killed with SIGKILL: every write that it said was acknowledged is there.
//!
//! The child is this test binary again, told by a variable to be the child.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use lazuli_store::testing::{Scratch, run};
use lazuli_store::{Backend, Store, StoreError, StoreOptions, params};

const TARGET: &str = "LAZULI_TEST_CRASH_TARGET";
const WRITERS: i64 = 8;
const ENOUGH: usize = 400;

#[test]
fn acknowledged_writes_survive_kill_9() {
    if let Ok(target) = std::env::var(TARGET) {
        return run(hammer(&target));
    }
    for scratch in Scratch::each() {
        run(async {
            let store = scratch.open().await;
            let sql = "CREATE TABLE acknowledged (id BIGINT PRIMARY KEY, body TEXT NOT NULL)";
            store
                .write(move |tx| tx.execute(sql, params![]))
                .await
                .unwrap_or_else(|e: StoreError| panic!("{e}"));
            store.close().await;
            for round in 1..=3 {
                let promised = kill_in_mid_write(&scratch.options(), round);
                let store = scratch.open().await;
                let found: Vec<i64> = store
                    .read(|tx| {
                        tx.query(
                            "SELECT id FROM acknowledged WHERE LENGTH(body) = 100",
                            params![],
                            |row| row.get(0),
                        )
                    })
                    .await
                    .unwrap_or_else(|e: StoreError| panic!("{e}"));
                let found: std::collections::HashSet<_> = found.into_iter().collect();
                let lost: Vec<_> = promised.iter().filter(|id| !found.contains(id)).collect();
                assert!(
                    lost.is_empty(),
                    "round {round}: lost {lost:?} of {}",
                    promised.len()
                );
                assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
                store.close().await;
            }
        });
    }
}

/// Starts the child, lets it acknowledge some writes, kills it, and gives the ids that it acknowledged.
fn kill_in_mid_write(options: &StoreOptions, round: i64) -> Vec<i64> {
    let target = match &options.backend {
        Backend::Sqlite { path } => format!("{round} {}", path.display()),
        Backend::Postgres { url } => format!("{round} {url}"),
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::acknowledged_writes_survive_kill_9",
            "--nocapture",
        ])
        .env(TARGET, target)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ids = Vec::new();
    for line in lines.map_while(Result::ok) {
        if let Some(id) = line.strip_prefix("ack ") {
            ids.push(id.parse().unwrap());
        }
        if ids.len() == ENOUGH {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(ids.len() >= ENOUGH, "the child wrote only {}", ids.len());
    ids
}

async fn hammer(target: &str) {
    let (round, place) = target.split_once(' ').unwrap();
    let round: i64 = round.parse().unwrap();
    let options = if place.starts_with("postgres") {
        StoreOptions::postgres(place)
    } else {
        StoreOptions::sqlite(place)
    };
    let store = Store::open(options).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0_i64.. {
                let id = (round * 100 + writer) * 1_000_000 + n;
                store
                    .write(move |tx| {
                        let body = "x".repeat(100);
                        tx.execute(
                            "INSERT INTO acknowledged (id, body) VALUES ($1, $2)",
                            params![id, body],
                        )
                    })
                    .await
                    .unwrap_or_else(|e: StoreError| panic!("{e}"));
                println!("ack {id}");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}
