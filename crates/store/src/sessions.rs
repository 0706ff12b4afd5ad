//! People's sign-ins that last, moved from version to version by compare-and-set, and the refresh tokens of those at a command
//! line, by keyed hash.

use countersign_model::{
    id::{self, Id},
    session::{AtProvider, Session},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// A refresh token, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its public half.
    pub id: String,
    /// Whose it is.
    pub session_id: Id<id::Session>,
    /// The keyed hash of all of it.
    pub hash: [u8; 32],
    /// When its session is over.
    pub until: Timestamp,
}

/// Inserts a session.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, session: &Session) -> Result<(), StoreError> {
    let values = values![
        session.id,
        session.tenant_id,
        session.user_id,
        session.version,
        session.created_at,
        session.ends_at,
        provider_key(session),
        doc_text(session)?,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// Writes a session that is still of the version that it carries, and raises the version by one. `false`: somebody else was
/// faster, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn update(tx: &mut Tx<'_>, session: &Session) -> Result<bool, StoreError> {
    let values = values![
        session.id,
        session.version,
        session.ends_at,
        doc_text(session)?
    ];
    Ok(tx.exec(&UPDATE, values)? == 1)
}

/// The session with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Session>) -> Result<Option<Session>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The sessions of a user whose time is not over, newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_user(
    tx: &mut Tx<'_>,
    user_id: Id<id::User>,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    tx.rows(&OF_USER, values![user_id, now])?
        .iter()
        .map(read)
        .collect()
}

/// The sessions whose time is not over of one session at a tenant's provider, by [`AtProvider::key`].
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_provider(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    key: &str,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    tx.rows(&OF_PROVIDER, values![tenant_id, key, now])?
        .iter()
        .map(read)
        .collect()
}

/// Removes sessions that were over before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

/// Inserts a refresh token.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert_token(tx: &mut Tx<'_>, token: &RefreshToken) -> Result<(), StoreError> {
    let values = values![
        token.id.as_str(),
        token.session_id,
        token.hash.as_slice(),
        token.until
    ];
    tx.exec(&INSERT_TOKEN, values).map(drop)
}

/// The refresh token with this public half.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn token_by_id(tx: &mut Tx<'_>, id: &str) -> Result<Option<RefreshToken>, StoreError> {
    let Some(row) = tx.row(&TOKEN_BY_ID, values![id])? else {
        return Ok(None);
    };
    Ok(Some(RefreshToken {
        id: row.text(0)?.to_owned(),
        session_id: row.id(1)?,
        hash: row.bytes(2)?,
        until: row.time(3)?,
    }))
}

/// Removes refresh tokens of sessions that were over before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune_tokens(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE_TOKENS, values![before, limit])
}

fn read(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        user_id: row.id(2)?,
        version: row.int(3)?,
        created_at: row.time(4)?,
        ends_at: row.time(5)?,
        doc: row.json(6)?,
    })
}

fn provider_key(session: &Session) -> Option<String> {
    let provider = session.doc.provider.as_ref()?;
    let sid = provider.sid.as_deref()?;
    Some(AtProvider::key(&provider.issuer, sid))
}

fn doc_text(session: &Session) -> Result<String, StoreError> {
    serde_json::to_string(&session.doc)
        .map_err(|error| StoreError::Fault(format!("session {}: {error}", session.id)))
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &UPDATE,
    &BY_ID,
    &OF_USER,
    &OF_PROVIDER,
    &PRUNE,
    &INSERT_TOKEN,
    &TOKEN_BY_ID,
    &PRUNE_TOKENS,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO session (id, tenant_id, user_id, version, created_at, ends_at, provider_key, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
);

static UPDATE: Sql = Sql::new(
    "UPDATE session
    SET ends_at = ?3, doc = ?4, version = version + 1
    WHERE id = ?1 AND version = ?2",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, user_id, version, created_at, ends_at, doc
    FROM session
    WHERE id = ?1",
);

static OF_USER: Sql = Sql::new(
    "SELECT id, tenant_id, user_id, version, created_at, ends_at, doc
    FROM session
    WHERE user_id = ?1 AND ends_at > ?2
    ORDER BY id DESC",
);

static OF_PROVIDER: Sql = Sql::new(
    "SELECT id, tenant_id, user_id, version, created_at, ends_at, doc
    FROM session
    WHERE provider_key = ?2 AND tenant_id = ?1 AND ends_at > ?3
    ORDER BY id",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM session
    WHERE id IN (SELECT id FROM session WHERE ends_at < ?1 ORDER BY ends_at, id LIMIT ?2)",
);

static INSERT_TOKEN: Sql = Sql::new(
    "INSERT INTO refresh_token (id, session_id, hash, until_at)
    VALUES (?1, ?2, ?3, ?4)",
);

static TOKEN_BY_ID: Sql = Sql::new(
    "SELECT id, session_id, hash, until_at
    FROM refresh_token
    WHERE id = ?1",
);

static PRUNE_TOKENS: Sql = Sql::new(
    "DELETE FROM refresh_token
    WHERE id IN (SELECT id FROM refresh_token WHERE until_at < ?1 ORDER BY until_at, id LIMIT ?2)",
);
