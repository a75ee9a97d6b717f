//! Tests over both back ends. SQLite always runs, in a temporary folder; PostgreSQL runs when `LAZULI_TEST_POSTGRES`
//! names a server (see `tests/support/postgres`), in a database of its own that is dropped afterwards.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::postgres::Session;
use crate::{Store, StoreError, StoreOptions};

/// The variable that names the PostgreSQL server for tests.
pub const POSTGRES: &str = "LAZULI_TEST_POSTGRES";

/// A database made for one test; gone when dropped.
pub struct Scratch {
    options: StoreOptions,
    _folder: Option<TempDir>,
    database: Option<Database>,
}

struct Database {
    server: String,
    name: String,
}

/// Runs `body` once for each back end, each time with a fresh, migrated store. Takes a plain `#[test]`: it brings its
/// own async runtime.
pub fn each_backend<F, Fut>(body: F)
where
    F: Fn(Store) -> Fut,
    Fut: Future<Output = ()>,
{
    for scratch in Scratch::each() {
        run(async {
            let store = scratch.open().await;
            body(store.clone()).await;
            store.close().await;
        });
    }
}

/// Runs a future to its end on a runtime of its own.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(future)
}

impl Scratch {
    /// One empty database for each back end that is at hand.
    pub fn each() -> Vec<Scratch> {
        let server = std::env::var(POSTGRES).ok().filter(|url| !url.is_empty());
        let postgres = server.map(|server| Scratch::postgres(&server));
        std::iter::once(Scratch::sqlite()).chain(postgres).collect()
    }

    /// An empty SQLite database in a temporary folder.
    pub fn sqlite() -> Scratch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = StoreOptions::sqlite(folder.path().join("lazuli.db"));
        Scratch {
            options,
            _folder: Some(folder),
            database: None,
        }
    }

    fn postgres(server: &str) -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lazuli_test_{}_{number}", std::process::id());
        let sql = [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name} TEMPLATE template0"),
        ];
        on_server(server, sql).expect("the test server makes a database");
        let options = StoreOptions::postgres(with_database(server, &name));
        let database = Database {
            server: server.to_owned(),
            name,
        };
        Scratch {
            options,
            _folder: None,
            database: Some(database),
        }
    }

    /// How to open it.
    pub fn options(&self) -> StoreOptions {
        self.options.clone()
    }

    /// Opens it; may be done several times.
    pub async fn open(&self) -> Store {
        Store::open(self.options())
            .await
            .expect("the test store opens")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(Database { server, name }) = self.database.take() else {
            return;
        };
        drop(on_server(
            &server,
            [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")],
        ));
    }
}

/// Runs statements on a thread of its own: the client blocks, and the test may be inside a runtime.
fn on_server<const N: usize>(server: &str, statements: [String; N]) -> Result<(), StoreError> {
    let server = server.to_owned();
    let work = move || {
        let mut session = Session::open(&server)?;
        statements.iter().try_for_each(|sql| session.batch(sql))
    };
    let ended = std::thread::spawn(work).join();
    ended.unwrap_or_else(|payload| Err(StoreError::panicked(payload.as_ref())))
}

/// The same server URL with another database.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) = server
        .split_once('?')
        .map_or((server, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let base = base[authority..]
        .find('/')
        .map_or(base, |at| &base[..authority + at]);
    query.map_or_else(
        || format!("{base}/{name}"),
        |query| format!("{base}/{name}?{query}"),
    )
}
