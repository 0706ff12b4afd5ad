//! The schema: numbered texts, applied once, never changed after a release.
//!
//! Each applied text is kept word for word in `schema_migration`, so that a changed one is noticed. A change is
//! made by expanding first (a new migration that old servers can live with) and contracting in a later version.

use crate::{
    db::{Engine, Tx},
    error::StoreError,
    sql::Sql,
    value::values,
};

struct Migration {
    version: i64,
    name: &'static str,
    text: &'static str,
}

/// Brings the schema up to this version. Runs within a transaction that others wait for.
pub(crate) fn apply(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.engine() == Engine::Postgres {
        tx.batch(LOCK)?;
    }
    tx.batch(&render(TABLE, tx.engine()))?;
    let applied = applied(tx)?;
    for migration in MIGRATIONS.iter().skip(applied) {
        let text = render(migration.text, tx.engine());
        tx.batch(&text)?;
        let now = tx.database_now()?;
        tx.exec(
            &INSERT,
            values![migration.version, migration.name, text, now],
        )?;
    }
    Ok(())
}

/// Whether the schema is exactly of this version.
pub(crate) fn check(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match applied(tx) {
        Ok(count) if count == MIGRATIONS.len() => Ok(()),
        Ok(_) | Err(StoreError::Fault(_)) => Err(StoreError::WrongVersion(
            "its schema is older: start the server of this version once".to_owned(),
        )),
        Err(error) => Err(error),
    }
}

/// How many of our migrations were applied; refuses others than ours.
fn applied(tx: &mut Tx<'_>) -> Result<usize, StoreError> {
    let rows = tx.rows(&ALL, &[])?;
    for (index, row) in rows.iter().enumerate() {
        let (version, name) = (row.int(0)?, row.text(1)?);
        let Some(migration) = MIGRATIONS
            .get(index)
            .filter(|ours| ours.version == version && ours.name == name)
        else {
            return Err(StoreError::WrongVersion(format!(
                "it has the migration `{version} {name}`, which this program does not know: run the newer version"
            )));
        };
        if row.text(2)? != render(migration.text, tx.engine()) {
            return Err(StoreError::WrongVersion(format!(
                "its migration `{version} {name}` differs from the one of this program: run the version that wrote it"
            )));
        }
    }
    Ok(rows.len())
}

/// The words in braces are what the two databases spell differently.
fn render(text: &str, engine: Engine) -> String {
    let words: [(&str, &str, &str); 8] = [
        ("{int}", "INTEGER", "BIGINT"),
        ("{blob}", "BLOB", "BYTEA"),
        ("{text}", "TEXT", "TEXT COLLATE \"C\""),
        ("{strict}", "STRICT", ""),
        ("{keyed}", "STRICT, WITHOUT ROWID", ""),
        (
            "{xid}",
            "INTEGER NOT NULL DEFAULT 0",
            "BIGINT NOT NULL DEFAULT (CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT))",
        ),
        (
            "{serial}",
            "INTEGER PRIMARY KEY AUTOINCREMENT",
            "BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL",
        ),
        ("{serial_key}", "", ", PRIMARY KEY (xid, seq)"),
    ];
    words
        .iter()
        .fold(text.to_owned(), |text, (word, sqlite, postgres)| {
            text.replace(
                word,
                match engine {
                    Engine::Postgres => postgres,
                    Engine::Sqlite => sqlite,
                },
            )
        })
}

pub(crate) static STATEMENTS: &[&Sql] = &[&ALL, &INSERT];

static ALL: Sql =
    Sql::new("SELECT version, name, text FROM schema_migration ORDER BY version LIMIT 10000");

static INSERT: Sql = Sql::new(
    "INSERT INTO schema_migration (version, name, text, applied_at) VALUES (?1, ?2, ?3, ?4)",
);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version {int} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    text {text} NOT NULL,
    applied_at {int} NOT NULL
) {strict}";

/// One number for all replicas: who migrates makes the others wait.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4920163518)";

static MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "first",
    text: include_str!("../migrations/0001_first.sql"),
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_and_no_word_is_left() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, index as i64 + 1);
            for engine in [Engine::Postgres, Engine::Sqlite] {
                assert!(!render(migration.text, engine).contains('{'));
            }
        }
    }
}
