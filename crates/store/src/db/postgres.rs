//! PostgreSQL: threads that each own a connection.
//!
//! Guarded inserts that wait at the same time are merged into one transaction, because a commit costs more than an
//! insert. Commands run `SERIALIZABLE` and are run again, within bounds, when concurrent changes got in the way.
//! While the server is away callers get [`StoreError::Unavailable`] at once, and the
//! threads connect again by themselves.

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod holder;
pub(crate) mod line;
pub(crate) mod settings;
pub(crate) mod worker;

use crate::{db::Tx, error::StoreError, migrate};

/// Checks the server, then applies the migrations (or, for a reader, compares them).
pub(crate) fn prepare_schema(
    mut connection: connection::Connection,
    writable: bool,
) -> Result<(), StoreError> {
    connection.check_server()?;
    connection.command("BEGIN")?;
    // Others may be migrating: wait for them longer than for a statement.
    connection.command("SET LOCAL statement_timeout = '120s'; SET LOCAL lock_timeout = '60s'")?;
    let mut tx = Tx::postgres(&mut connection);
    let result = if writable {
        migrate::apply(&mut tx)
    } else {
        migrate::check(&mut tx)
    };
    match result {
        Ok(()) => connection.command("COMMIT"),
        Err(error) => {
            let _ = connection.command("ROLLBACK");
            Err(error)
        }
    }
}
