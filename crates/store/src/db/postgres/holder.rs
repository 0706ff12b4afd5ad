//! Who holds back what is read in the order of transactions: the oldest that is still open.

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// The oldest open transaction of a PostgreSQL server, as far as this user may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process of its connection; nothing for a prepared transaction.
    pub pid: Option<i64>,
    /// What the program calls itself.
    pub application: String,
    /// The user of the database.
    pub user: String,
    /// What it does: `idle in transaction`, for instance.
    pub state: String,
    /// How long it has been open, in seconds, where that can be seen.
    pub seconds: Option<i64>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(pid) = self.pid else {
            return f.write_str(
                "a prepared transaction (`SELECT gid, prepared, owner FROM pg_prepared_xacts` names it)",
            );
        };
        write!(f, "process {pid}")?;
        for (what, value) in [
            ("application", &self.application),
            ("user", &self.user),
            ("state", &self.state),
        ] {
            if !value.is_empty() {
                write!(f, ", {what} `{}`", value.escape_debug())?;
            }
        }
        match self.seconds {
            Some(seconds) => write!(f, ", open for {seconds} s"),
            None => Ok(()),
        }
    }
}

impl Tx<'_> {
    /// Whoever holds the oldest open transaction, this one left out; nothing on SQLite, where none can.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holder(&mut self) -> Result<Option<Holder>, StoreError> {
        match self.engine() {
            crate::db::Engine::Sqlite => Ok(None),
            crate::db::Engine::Postgres => {
                let row = self.row(&HOLDER, values![])?;
                row.as_ref().map(read).transpose()
            }
        }
    }
}

fn read(row: &Row) -> Result<Holder, StoreError> {
    Ok(Holder {
        pid: row.opt_int(0)?,
        application: row.text(1)?.to_owned(),
        user: row.text(2)?.to_owned(),
        state: row.text(3)?.to_owned(),
        seconds: row.opt_int(4)?,
    })
}

/// Every transaction that wrote locks its own number, and anybody may see the locks: of another user's connection
/// the activity may tell nothing but the process.
static HOLDER: Sql = Sql::new(
    "SELECT CAST(l.pid AS BIGINT), COALESCE(a.application_name, ''), COALESCE(CAST(a.usename AS TEXT), ''),
        COALESCE(a.state, ''), CAST(extract(epoch FROM clock_timestamp() - a.xact_start) AS BIGINT)
    FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
        AND CAST(CAST(l.transactionid AS TEXT) AS BIGINT)
            = CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) % 4294967296
    LIMIT 1",
);
