//! [`Store`]: the one way to the database. It hands closures to the back end's own threads, so that no async thread
//! ever waits for a disk, and answers when the transaction has ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::postgres::session::Session;
use crate::postgres::workers::{self, Purpose};
use crate::queue::Shared;
use crate::work::{self, Message};
use crate::{Dialect, StoreError, Tx, migrations, sqlite};

/// Closures that may wait for a thread before callers wait for room.
const QUEUE: usize = 1024;

/// Where the data lives.
#[derive(Clone, PartialEq, Eq)]
pub enum Backend {
    /// An SQLite file, made when missing.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
    /// A PostgreSQL database, which must exist.
    Postgres {
        /// `postgres://user:password@host:port/database`.
        url: String,
    },
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.location())
    }
}

impl Backend {
    /// Where it is, without the password.
    pub fn location(&self) -> String {
        match self {
            Backend::Sqlite { path } => path.display().to_string(),
            Backend::Postgres { url } => without_password(url),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Backend::Sqlite { .. } => Dialect::Sqlite,
            Backend::Postgres { .. } => Dialect::Postgres,
        }
    }
}

fn without_password(url: &str) -> String {
    let Ok(config) = url.parse::<postgres::Config>() else {
        return "postgres://(unreadable)".to_owned();
    };
    let host = config
        .get_hosts()
        .first()
        .map_or_else(String::new, |host| match host {
            postgres::config::Host::Tcp(name) => name.clone(),
            postgres::config::Host::Unix(path) => path.display().to_string(),
        });
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!(
        "postgres://{}@{host}:{port}/{}",
        config.get_user().unwrap_or(""),
        config.get_dbname().unwrap_or("")
    )
}

/// How to open a [`Store`].
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the data lives.
    pub backend: Backend,
    /// Threads that read (and, on PostgreSQL, as many that write).
    pub readers: usize,
}

impl StoreOptions {
    /// An SQLite file.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        StoreOptions {
            backend: Backend::Sqlite {
                path: path.as_ref().to_owned(),
            },
            readers: 4,
        }
    }

    /// A PostgreSQL database.
    pub fn postgres(url: impl Into<String>) -> Self {
        StoreOptions {
            backend: Backend::Postgres { url: url.into() },
            readers: 4,
        }
    }
}

/// The metadata database. Cheap to clone; the threads end when the last clone is dropped or after [`Store::close`].
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    reads: mpsc::Sender<Message>,
    writes: mpsc::Sender<Message>,
    readers: usize,
    writers: usize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.inner.backend).finish()
    }
}

impl Store {
    /// Opens the database and brings its schema up to date. Refuses a schema that is newer than this program or was
    /// altered.
    pub async fn open(options: StoreOptions) -> Result<Store, StoreError> {
        on_thread("lazuli-db-open", move || {
            Store::open_as(&options, Schema::Own)
        })
        .await
    }

    /// Opens a database of another program: nothing of ours is looked for or made in it. Only read from unless `writable`.
    pub async fn open_foreign(backend: Backend, writable: bool) -> Result<Store, StoreError> {
        on_thread("lazuli-db-open", move || {
            let options = StoreOptions {
                backend,
                readers: 1,
            };
            Store::open_as(&options, Schema::Foreign { writable })
        })
        .await
    }

    /// The back end's dialect.
    pub fn dialect(&self) -> Dialect {
        self.inner.backend.dialect()
    }

    /// Where the data lives.
    pub fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    /// Runs a closure that only reads. It sees one snapshot, and every write acknowledged before it began.
    pub async fn read<T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        submit(&self.inner.reads, body).await
    }

    /// Runs a closure as one transaction. When this returns `Ok` its work is on the disk; when it returns `Err` (or
    /// the closure panics) nothing of it remains. Once started it runs to its end even if the caller goes away.
    pub async fn write<T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        submit(&self.inner.writes, body).await
    }

    /// Closures that wait for a thread: readers, then writers.
    pub fn waiting(&self) -> (usize, usize) {
        let waiting = |queue: &mpsc::Sender<Message>| queue.max_capacity() - queue.capacity();
        (waiting(&self.inner.reads), waiting(&self.inner.writes))
    }

    /// Ends the threads after all work that is already queued, and closes the database cleanly. Later calls answer
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        // Readers first: SQLite's log is folded into the file by the last connection, the writer's.
        stop(&self.inner.reads, self.inner.readers).await;
        stop(&self.inner.writes, self.inner.writers).await;
    }

    fn open_as(options: &StoreOptions, schema: Schema) -> Result<Store, StoreError> {
        let readers = options.readers.max(1);
        let (reads, read_queue) = mpsc::channel(QUEUE);
        let (writes, write_queue) = mpsc::channel(QUEUE);
        let writers = match &options.backend {
            Backend::Sqlite { path } => {
                start_sqlite(path, readers, schema, read_queue, write_queue)?
            }
            Backend::Postgres { url } => {
                start_postgres(url, readers, schema, read_queue, write_queue)?
            }
        };
        let backend = options.backend.clone();
        Ok(Store {
            inner: Arc::new(Inner {
                backend,
                reads,
                writes,
                readers,
                writers,
            }),
        })
    }
}

/// Whose tables a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    /// Ours: brought up to date when opened.
    Own,
    /// Another program's.
    Foreign { writable: bool },
}

fn start_sqlite(
    path: &Path,
    readers: usize,
    schema: Schema,
    read_queue: mpsc::Receiver<Message>,
    write_queue: mpsc::Receiver<Message>,
) -> Result<usize, StoreError> {
    let writer = match schema {
        Schema::Own => sqlite::open_writer(path)?,
        Schema::Foreign { writable } => sqlite::open_foreign(path, writable)?,
    };
    if schema == Schema::Own {
        migrations::run_sqlite(&writer)?;
    }
    let read_queue = Shared::new(read_queue);
    for number in 0..readers {
        let connection = sqlite::open_reader(path)?;
        let queue = read_queue.clone();
        start(&format!("lazuli-db-r{number}"), move || {
            sqlite::readers::run(connection, &queue);
        })?;
    }
    start("lazuli-db-w", move || {
        sqlite::writer::run(writer, write_queue);
    })?;
    Ok(1)
}

fn start_postgres(
    url: &str,
    threads: usize,
    schema: Schema,
    read_queue: mpsc::Receiver<Message>,
    write_queue: mpsc::Receiver<Message>,
) -> Result<usize, StoreError> {
    let mut session = Session::open(url)?;
    if schema == Schema::Own {
        migrations::run_postgres(&mut session)?;
    }
    let mut first = Some(session);
    for (queue, purpose) in [(write_queue, Purpose::Write), (read_queue, Purpose::Read)] {
        let queue = Shared::new(queue);
        for number in 0..threads {
            // Other connections are made when first needed.
            let (queue, url, first) = (queue.clone(), url.to_owned(), first.take());
            start(&format!("lazuli-pg-{purpose:?}{number}"), move || {
                workers::run(&url, first, &queue, purpose);
            })?;
        }
    }
    Ok(threads)
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|cause| StoreError::Unavailable(format!("cannot start a thread: {cause}")))
}

/// Runs blocking set-up work on a thread of its own.
pub(crate) async fn on_thread<T, F>(name: &str, body: F) -> Result<T, StoreError>
where
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    start(name, move || drop(answer.send(body())))?;
    receiver
        .await
        .unwrap_or_else(|_| Err(StoreError::Panicked(format!("thread {name} ended early"))))
}

async fn submit<T, E, F>(queue: &mpsc::Sender<Message>, body: F) -> Result<T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (work, answer) = work::pack(body);
    queue
        .send(Message::Work(work))
        .await
        .map_err(|_| StoreError::Closed)?;
    answer.await.map_err(|_| StoreError::Closed)?
}

async fn stop(queue: &mpsc::Sender<Message>, threads: usize) {
    for _ in 0..threads {
        let (done, ended) = oneshot::channel();
        if queue.send(Message::Stop(done)).await.is_err() {
            return;
        }
        // The thread drops its end, which is the signal.
        drop(ended.await);
    }
}
