//! What SQLite's codes mean to a caller.

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::StoreError;

/// The error of a statement about this table.
pub(crate) fn classify(error: &Error, table: &str) -> StoreError {
    let Error::SqliteFailure(failure, message) = error else {
        return StoreError::Fault(format!("{error} (table `{table}`)"));
    };
    let text = message.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        ErrorCode::ConstraintViolation if is_unique(failure.extended_code) => {
            StoreError::Conflict {
                table: table.to_owned(),
                constraint: text,
            }
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Unavailable("another program holds the database file".to_owned())
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt {
            table: table.to_owned(),
            column: "(file)".to_owned(),
            id: "(any)".to_owned(),
            detail: text,
        },
        ErrorCode::DiskFull => StoreError::Full(text),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            StoreError::ReadOnly(format!("the database file ({text})"))
        }
        ErrorCode::CannotOpen
        | ErrorCode::SystemIoFailure
        | ErrorCode::OutOfMemory
        | ErrorCode::FileLockingProtocolFailed => StoreError::Unavailable(text),
        _ => StoreError::Fault(format!("{text} (table `{table}`)")),
    }
}

fn is_unique(code: i32) -> bool {
    [
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
        ffi::SQLITE_CONSTRAINT_ROWID,
    ]
    .contains(&code)
}
