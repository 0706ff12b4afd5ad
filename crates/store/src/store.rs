//! The store: closures go in, futures of their results come out.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use crate::{
    archive::Archive,
    db::{Engine, Tx, postgres, sqlite},
    error::StoreError,
    installation,
    job::{Job, job},
    migrate,
    pending::Pending,
    queue::Queue,
    readers::{ReadMode, Readers},
    statistics::{Counters, Statistics},
};

/// How a unit of work that writes is run. On SQLite all are alike: one writer runs them one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteMode {
    /// Guarded inserts that touch no row of others (issue, refusal). Many are merged into one transaction.
    Append,
    /// Sequencer, leases, clean-up: `READ COMMITTED` with compare-and-set.
    Housekeeping,
    /// Commands that read and then change: `SERIALIZABLE`, run again when concurrent changes got in the way.
    Serializable,
}

/// Where the rows live.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A PostgreSQL server, as a URL.
    Postgres(String),
    /// A data directory.
    Sqlite(PathBuf),
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Where the rows live.
    pub location: Location,
    /// Connections that read for requests. Searches and followers have some of their own.
    pub readers: usize,
    /// Connections that write. SQLite has one, whatever this says.
    pub writers: usize,
    /// How many units of work may wait, for the writers and for each kind of readers.
    pub queue: usize,
    /// Where the bodies of old records are, if anywhere.
    pub archive: Option<Archive>,
}

/// An open database. Clones share it; it closes when the last one goes, after carrying out what was accepted.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    writable: bool,
    writes: Arc<Queue>,
    reads: Readers,
    inline: Option<sqlite::readers::Inline>,
    archive: Option<Arc<Archive>>,
    counters: Arc<Counters>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: Option<sqlite::directory::DirectoryLock>,
}

impl StoreConfig {
    /// The defaults for this place.
    #[must_use]
    pub fn new(location: Location) -> Self {
        Self {
            location,
            readers: READERS,
            writers: WRITERS,
            queue: QUEUE,
            archive: None,
        }
    }

    /// A data directory.
    pub fn sqlite(directory: impl Into<PathBuf>) -> Self {
        Self::new(Location::Sqlite(directory.into()))
    }

    /// A PostgreSQL server.
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::new(Location::Postgres(url.into()))
    }
}

impl Store {
    /// Opens the database, brings its schema up to this version, starts its threads.
    ///
    /// # Errors
    /// One sentence when another server uses the directory, when it cannot be written, when the schema is of a version
    /// that this program does not know, when the server does not answer.
    pub fn open(config: StoreConfig) -> Result<Self, StoreError> {
        match &config.location {
            Location::Sqlite(directory) => Self::open_sqlite(directory, &config),
            Location::Postgres(url) => Self::open_postgres(url, &config, true),
        }
    }

    /// Opens the database to read only, also beside a running server. Nothing is created or migrated.
    ///
    /// # Errors
    /// As [`Store::open`], and when no server of this version has used the database yet.
    pub fn open_reader(config: StoreConfig) -> Result<Self, StoreError> {
        match &config.location {
            Location::Sqlite(directory) => {
                let file = sqlite::directory::database_file(directory);
                if !file.is_file() {
                    let path = directory.display();
                    return Err(StoreError::Unavailable(format!(
                        "`{path}` has no database: start the server there first"
                    )));
                }
                let inner = Inner::new(Engine::Sqlite, false, &config, None);
                Self::start_sqlite_readers(inner, &file, config.readers)
            }
            Location::Postgres(url) => Self::open_postgres(url, &config, false),
        }
    }

    /// Queues work that writes. The closure can be run again, so it must have no effect but through the transaction;
    /// its `Err` rolls back its own changes and nothing else; it must not wait for other work of this store, for
    /// that may stand behind it in the queue. A full queue answers [`StoreError::Busy`] at once.
    pub fn write<T, E, F>(&self, mode: WriteMode, work: F) -> Pending<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        if !self.inner.writable {
            return Pending::ready(Err(
                StoreError::ReadOnly("this connection".to_owned()).into()
            ));
        }
        let (job, future) = job(mode, self.inner.with_archive(work));
        push(&self.inner.writes, job);
        future
    }

    /// Queues work that only reads, in a snapshot of its own, as [`ReadMode::Request`].
    pub fn read<T, E, F>(&self, work: F) -> Pending<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        self.read_as(ReadMode::Request, work)
    }

    /// Queues work that only reads, in a snapshot of its own, for the readers of this kind.
    pub fn read_as<T, E, F>(&self, mode: ReadMode, work: F) -> Pending<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (job, future) = job(WriteMode::Housekeeping, self.inner.with_archive(work));
        push(self.inner.reads.queue(mode), job);
        future
    }

    /// Reads on this very thread where that takes microseconds (SQLite, point reads); elsewhere it blocks for a round
    /// trip, so ask [`reads_inline`](Self::reads_inline) first.
    ///
    /// # Errors
    /// What the closure says, or the database.
    pub fn read_inline<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        match &self.inner.inline {
            Some(inline) => inline.read(self.inner.with_archive(work)),
            None => self.read(work).wait(),
        }
    }

    /// Whether [`read_inline`](Self::read_inline) needs no round trip.
    #[must_use]
    pub fn reads_inline(&self) -> bool {
        self.inner.inline.is_some()
    }

    /// Which database this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// Where the bodies of old records are, if anywhere.
    #[must_use]
    pub fn archive(&self) -> Option<&Archive> {
        self.inner.archive.as_deref()
    }

    /// Counts for metrics.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inner
            .counters
            .read(self.inner.writes.depth(), self.inner.reads.depth())
    }

    /// Whether work failed because there was no room, nothing may be written or the disk or server gave an error, and no
    /// [`probe`](Self::probe) succeeded since. Other work that succeeds may have needed no room, so it proves nothing.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        self.inner.counters.is_unwritable()
    }

    /// Finds out whether as much as a full group of work can be written: writes it, and removes it. Blocks.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn probe(&self) -> Result<(), StoreError> {
        let mode = WriteMode::Housekeeping;
        let write = self.write(mode, |tx| {
            // SQLite does not write a page that would stay as it is.
            installation::remove(tx, PROBE)?;
            installation::replace(tx, PROBE, &"x".repeat(PROBE_BYTES))
        });
        write.wait()?;
        self.write(mode, |tx| installation::remove(tx, PROBE))
            .wait()?;
        self.inner.counters.written();
        Ok(())
    }

    /// Accepts nothing more, carries out what was accepted, and waits for that.
    pub fn close(&self) {
        self.inner.close();
    }

    fn open_sqlite(directory: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        let lock = sqlite::directory::claim(directory)?;
        let file = sqlite::directory::database_file(directory);
        let writer = sqlite::connection::open(&file, sqlite::connection::Role::Writer)?;
        migrate_sqlite(&writer)?;
        let inner = Inner::new(Engine::Sqlite, true, config, Some(lock));
        let (queue, counters, path) = (
            Arc::clone(&inner.writes),
            Arc::clone(&inner.counters),
            file.clone(),
        );
        let (checkpoints, woken) = sqlite::checkpointer::checkpoints();
        inner.spawn("writer", move || {
            sqlite::writer::run(writer, path, queue, counters, checkpoints)
        })?;
        let beside = sqlite::connection::open(&file, sqlite::connection::Role::Checkpointer)?;
        inner.spawn("checkpoint", move || {
            sqlite::checkpointer::run(beside, woken)
        })?;
        Self::start_sqlite_readers(inner, &file, config.readers)
    }

    fn start_sqlite_readers(
        mut inner: Inner,
        file: &Path,
        count: usize,
    ) -> Result<Self, StoreError> {
        // These work while they read: more of them than processors only hold memory.
        let cores = thread::available_parallelism().map_or(count, |cores| cores.get().max(2));
        let count = count.min(cores);
        let inline = sqlite::readers::Inline::open(file, count)?;
        if !inner.writable {
            inline.read(migrate::check)?;
        }
        for (queue, threads) in inner.reads.all(count) {
            for connection in sqlite::readers::threads(file, threads)? {
                let queue = Arc::clone(&queue);
                inner.spawn("reader", move || sqlite::readers::run(connection, queue))?;
            }
        }
        inner.inline = Some(inline);
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    fn open_postgres(url: &str, config: &StoreConfig, writable: bool) -> Result<Self, StoreError> {
        let settings = Arc::new(postgres::settings::Settings::parse(url)?);
        let connection = settings.connect()?;
        postgres::prepare_schema(connection, writable)?;
        let inner = Inner::new(Engine::Postgres, writable, config, None);
        let writers = if writable { config.writers.max(1) } else { 0 };
        for _ in 0..writers {
            let worker = postgres::worker::Worker::new(&settings, &inner.writes, &inner.counters);
            inner.spawn("writer", move || worker.write())?;
        }
        for (queue, threads) in inner.reads.all(config.readers.max(1)) {
            for _ in 0..threads {
                let worker = postgres::worker::Worker::new(&settings, &queue, &inner.counters);
                inner.spawn("reader", move || worker.read())?;
            }
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

impl Inner {
    fn new(
        engine: Engine,
        writable: bool,
        config: &StoreConfig,
        lock: Option<sqlite::directory::DirectoryLock>,
    ) -> Self {
        Self {
            engine,
            writable,
            writes: Arc::new(Queue::new(config.queue)),
            reads: Readers::new(config.queue),
            inline: None,
            archive: config.archive.clone().map(Arc::new),
            counters: Arc::default(),
            threads: Mutex::default(),
            _lock: lock,
        }
    }

    /// The work, in transactions that know where the bodies of old records are.
    fn with_archive<T, F: FnMut(&mut Tx<'_>) -> T>(
        &self,
        mut work: F,
    ) -> impl FnMut(&mut Tx<'_>) -> T + use<T, F> {
        let archive = self.archive.clone();
        move |tx| {
            tx.set_archive(archive.as_ref());
            work(tx)
        }
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = thread::Builder::new()
            .name(format!("store-{name}"))
            .spawn(body)
            .map_err(|error| {
                StoreError::Unavailable(format!("no thread for the database: {error}"))
            })?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    fn close(&self) {
        self.writes.close();
        self.reads.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last clone may have been captured by a closure: a thread does not wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("engine", &self.inner.engine)
            .finish_non_exhaustive()
    }
}

/// The URL may hold a password, so it is never shown.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("Postgres(..)"),
            Self::Sqlite(directory) => f.debug_tuple("Sqlite").field(directory).finish(),
        }
    }
}

fn push(queue: &Queue, job: Box<dyn Job>) {
    if let Err((mut job, error)) = queue.push(job) {
        job.settle(Err(error));
    }
}

fn migrate_sqlite(writer: &rusqlite::Connection) -> Result<(), StoreError> {
    sqlite::connection::command(writer, "BEGIN IMMEDIATE")?;
    match migrate::apply(&mut Tx::sqlite(writer)) {
        Ok(()) => sqlite::connection::command(writer, "COMMIT"),
        Err(error) => {
            let _ = writer.execute_batch("ROLLBACK");
            Err(error)
        }
    }
}

/// The row that a probe writes.
const PROBE: &str = "write_probe";

/// A page for each unit of the largest group: with much less, a probe would succeed where the next group fails.
const PROBE_BYTES: usize = sqlite::writer::MAX_BATCH * 4096;

/// Enough for a machine of a few cores.
const READERS: usize = 4;

/// PostgreSQL connections that write; more cost memory on its side and gain little.
const WRITERS: usize = 8;

/// A quarter of a second of work at full rate. What does not fit is told to come again.
const QUEUE: usize = 4096;
