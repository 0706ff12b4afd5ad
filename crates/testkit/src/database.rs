//! The databases that every integration test runs on: fresh for each, gone when it ends.

use std::{fmt, sync::Arc, thread};

use countersign_store::testing::TemporaryDatabase;

/// A fresh database. Clones are the same one; it goes with the last of them.
#[derive(Clone)]
pub struct Database(Option<Arc<Temporary>>);

/// Where the PostgreSQL server of the tests is.
const VARIABLE: &str = "COUNTERSIGN_TEST_POSTGRES";

impl Database {
    /// An embedded one: it lives in the server's own directory.
    #[must_use]
    pub const fn sqlite() -> Self {
        Self(None)
    }

    /// One on the PostgreSQL server that `COUNTERSIGN_TEST_POSTGRES` names, if it does.
    ///
    /// # Panics
    /// When that server does not make one.
    #[must_use]
    pub fn postgres() -> Option<Self> {
        let base = std::env::var(VARIABLE).ok()?;
        // The synchronous driver has a runtime of its own, which must not start within ours.
        let making = thread::spawn(move || {
            TemporaryDatabase::create(&base).expect("a PostgreSQL database for the test")
        });
        let made = making.join().expect("a PostgreSQL database for the test");
        Some(Self(Some(Arc::new(Temporary(Some(made))))))
    }

    /// Its URL, when servers reach it over the network.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.0
            .as_ref()?
            .0
            .as_ref()
            .map(|database| database.url.as_str())
    }

    /// Which engine it is.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        if self.0.is_some() {
            "PostgreSQL"
        } else {
            "SQLite"
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.engine())
    }
}

struct Temporary(Option<TemporaryDatabase>);

impl Drop for Temporary {
    fn drop(&mut self) {
        let database = self.0.take();
        let _ = thread::spawn(move || drop(database)).join();
    }
}

/// SQLite always, and PostgreSQL when `COUNTERSIGN_TEST_POSTGRES` names a server.
#[must_use]
pub fn databases() -> Vec<Database> {
    std::iter::once(Database::sqlite())
        .chain(Database::postgres())
        .collect()
}

/// Runs a test on each database in turn; the output says on which it failed.
pub async fn on_each_database(test: impl AsyncFn(Database)) {
    for database in databases() {
        eprintln!("on {database:?}");
        test(database).await;
    }
}

/// Runs a test that needs several replicas; without a PostgreSQL server it says so and does nothing.
pub async fn on_postgres(test: impl AsyncFn(Database)) {
    match Database::postgres() {
        Some(database) => test(database).await,
        None => eprintln!("skipped: {VARIABLE} names no PostgreSQL server"),
    }
}
