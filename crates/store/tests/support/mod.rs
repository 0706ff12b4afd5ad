//! The databases that every test runs on, and values to put in.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

use countersign_model::{
    id::{self, Id},
    registry::{Noun, Record, Status, TeamDoc},
    time::Timestamp,
};
use countersign_store::{
    Pending, Store, StoreConfig, StoreError, Tx, WriteMode,
    evidence::{self, EvidenceRow, Position, Unsequenced},
    installation, records,
    testing::TemporaryDatabase,
};

/// A fresh database of one engine. It goes when this value goes.
pub struct Database {
    pub engine: &'static str,
    pub config: StoreConfig,
    pub url: Option<String>,
    _directory: Option<tempfile::TempDir>,
    _database: Option<TemporaryDatabase>,
}

impl Database {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            engine: "sqlite",
            config: StoreConfig::sqlite(directory.path()),
            url: None,
            _directory: Some(directory),
            _database: None,
        }
    }

    pub fn postgres() -> Option<Self> {
        let base = std::env::var("COUNTERSIGN_TEST_POSTGRES").ok()?;
        Some(Self::postgres_at(&base))
    }

    pub fn postgres_at(base: &str) -> Self {
        let database = TemporaryDatabase::create(base).unwrap();
        let mut config = StoreConfig::postgres(database.url.as_str());
        config.writers = 4;
        config.readers = 2;
        Self {
            engine: "postgres",
            config,
            url: Some(database.url.clone()),
            _directory: None,
            _database: Some(database),
        }
    }

    pub fn open(&self) -> Store {
        Store::open(self.config.clone()).unwrap()
    }
}

/// SQLite always; PostgreSQL when `COUNTERSIGN_TEST_POSTGRES` names a server.
pub fn databases() -> Vec<Database> {
    std::iter::once(Database::sqlite())
        .chain(Database::postgres())
        .collect()
}

/// Runs a test on a fresh store of each engine.
pub fn on_each(test: impl Fn(&Store)) {
    for database in databases() {
        eprintln!("on {}", database.engine);
        let store = database.open();
        test(&store);
        store.close();
    }
}

pub fn write<T: Send + 'static>(
    store: &Store,
    work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(WriteMode::Serializable, work).wait().unwrap()
}

pub fn read<T: Send + 'static>(
    store: &Store,
    work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.read(work).wait().unwrap()
}

/// An id that sorts by `millis`, and differs from every other.
pub fn id_at<K: id::Kind>(millis: u64) -> Id<K> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed));
    let bits = (u128::from(millis) << 80) | (7 << 76) | (2 << 62) | count;
    Id::from_bytes(bits.to_be_bytes())
}

pub fn id<K: id::Kind>() -> Id<K> {
    id_at(1_700_000_000_000)
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

pub fn team(tenant_id: Id<id::Tenant>, name: &str) -> Record {
    Record {
        id: id(),
        tenant_id,
        noun: Noun::Team,
        name: name.to_owned(),
        parent_id: None,
        version: 1,
        epoch: 0,
        status: Status::Active,
        created_at: at(0),
        updated_at: at(0),
        doc: TeamDoc {
            name: name.parse().unwrap(),
            members: vec![id()],
            directory: None,
        }
        .into(),
    }
}

pub fn evidence(tenant_id: Id<id::Tenant>, millis: u64) -> EvidenceRow {
    EvidenceRow {
        id: id_at(millis),
        tenant_id,
        kind: "token_issued".to_owned(),
        txn: id(),
        occurred_at: Timestamp::from_micros(millis as i64 * 1000),
        recorded_at: Timestamp::from_micros(millis as i64 * 1000),
        outcome: "done".to_owned(),
        identity_id: Some(id()),
        salt: vec![1, 2, 3],
        body: "{\"v\":1}".to_owned(),
        disclosed: Some("{\"0\":[\"salt\",\"dana@example.com\"]}".to_owned()),
        lost: None,
    }
}

pub fn insert(store: &Store, record: &Record) {
    let record = record.clone();
    write(store, move |tx| records::insert(tx, &record));
}

/// Reads until nothing is left, whatever other databases of the server do meanwhile.
pub fn unsequenced(store: &Store, after: Position, expected: usize) -> Vec<Unsequenced> {
    let (mut after, mut all) = (after, Vec::new());
    for _ in 0..1000 {
        let page = read(store, move |tx| evidence::unsequenced(tx, after, 3));
        after = page.last().map_or(after, |last| last.position);
        all.extend(page);
        if all.len() >= expected {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    all
}

pub fn put(store: &Store, name: &'static str) -> Pending<Result<(), StoreError>> {
    store.write(WriteMode::Append, move |tx| {
        installation::replace(tx, name, "x")
    })
}

pub fn has(store: &Store, name: &'static str) -> bool {
    read(store, move |tx| installation::read(tx, name)).is_some()
}

/// Occupies the writers until the sender is dropped, so that what is queued meanwhile is run together.
pub fn hold(store: &Store, writers: usize) -> impl FnOnce() {
    let (started, is_started) = sync_channel(64);
    let gates: Vec<_> = (0..writers)
        .map(|_| {
            let (open, gate) = sync_channel::<()>(1);
            let (gate, started) = (Mutex::new(gate), started.clone());
            let held = store.write(WriteMode::Housekeeping, move |_| {
                started.send(()).unwrap();
                let _ = gate.lock().unwrap().recv();
                Ok::<_, StoreError>(())
            });
            is_started.recv_timeout(Duration::from_secs(5)).unwrap();
            (open, held)
        })
        .collect();
    move || {
        for (open, held) in gates {
            drop(open);
            // It shares the fate of its group, which a test may spoil.
            let _ = held.wait();
        }
    }
}
