//! What PostgreSQL's codes mean to a caller.

use std::error::Error as _;

use postgres::{Error, error::SqlState};

use crate::error::StoreError;

/// An error, and whether the connection is of no more use.
pub(crate) struct Classified {
    pub(crate) error: StoreError,
    pub(crate) broken: bool,
}

/// The error of a statement about this table. Never contains values, only names.
pub(crate) fn classify(error: &Error, table: &str) -> Classified {
    let Some(db) = error.as_db_error() else {
        return outside(error, table);
    };
    let message = db.message();
    let code = db.code();
    if *code == SqlState::UNIQUE_VIOLATION || *code == SqlState::EXCLUSION_VIOLATION {
        let constraint = db.constraint().unwrap_or("unnamed").to_owned();
        return kept(StoreError::Conflict {
            table: table.to_owned(),
            constraint,
        });
    }
    if [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::LOCK_NOT_AVAILABLE,
    ]
    .contains(&code)
    {
        return kept(StoreError::Serialization);
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        // A primary that became a standby: the next connection may find the new primary.
        return gone(StoreError::ReadOnly("the PostgreSQL server".to_owned()));
    }
    if [&SqlState::DISK_FULL, &SqlState::OUT_OF_MEMORY].contains(&code) {
        return kept(StoreError::Full(message.to_owned()));
    }
    if *code == SqlState::QUERY_CANCELED {
        return kept(StoreError::Unavailable(format!(
            "a statement on table `{table}` took too long"
        )));
    }
    // Statements prepared before a change of the schema: a new connection prepares them again.
    let stale = [
        &SqlState::INVALID_SQL_STATEMENT_NAME,
        &SqlState::FEATURE_NOT_SUPPORTED,
    ]
    .contains(&code)
        && (message.contains("prepared statement") || message.contains("cached plan"));
    // Classes 08 connection exception, 53 insufficient resources, 57P operator intervention, 58 system error,
    // 28 and 3D: what stands at the door.
    let class = code.code().get(..2).unwrap_or_default();
    if stale
        || ["08", "28", "3D", "53", "58"].contains(&class)
        || code.code().starts_with("57P")
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
    {
        return gone(StoreError::Unavailable(message.to_owned()));
    }
    kept(StoreError::Fault(format!(
        "{message} ({}, table `{table}`)",
        code.code()
    )))
}

/// The error with its causes, which the driver keeps apart.
pub(crate) fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn outside(error: &Error, table: &str) -> Classified {
    let text = describe(error);
    // A value that does not fit its parameter is our mistake; everything else is the wire.
    if text.contains("parameter") {
        return kept(StoreError::Fault(format!("{text} (table `{table}`)")));
    }
    gone(StoreError::Unavailable(text))
}

fn kept(error: StoreError) -> Classified {
    Classified {
        error,
        broken: false,
    }
}

fn gone(error: StoreError) -> Classified {
    Classified {
        error,
        broken: true,
    }
}
