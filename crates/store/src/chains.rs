//! Renewal chains of long-lived tokens, moved from version to version by compare-and-set.

use countersign_model::{
    chain::Chain,
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Inserts a chain.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, chain: &Chain) -> Result<(), StoreError> {
    let values = values![
        chain.id,
        chain.tenant_id,
        chain.principal_id,
        chain.scope.as_str(),
        chain.version,
        chain.created_at,
        chain.due_at,
        chain.ends_at,
        doc_text(chain)?,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// Writes a chain that is still of the version that it carries, and raises the version by one. `false`: somebody else was
/// faster, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn update(tx: &mut Tx<'_>, chain: &Chain) -> Result<bool, StoreError> {
    let values = values![
        chain.id,
        chain.version,
        chain.due_at,
        chain.ends_at,
        doc_text(chain)?
    ];
    Ok(tx.exec(&UPDATE, values)? == 1)
}

/// The chain with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Chain>) -> Result<Option<Chain>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// Every chain of an identity or user that has not ended by itself or by revocation, newest first. There is no limit: who
/// ends all of them must find all of them.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn live_of_principal(
    tx: &mut Tx<'_>,
    principal_id: Id<id::Record>,
    now: Timestamp,
) -> Result<Vec<Chain>, StoreError> {
    tx.rows(&LIVE_OF_PRINCIPAL, values![principal_id, now])?
        .iter()
        .map(read)
        .collect()
}

/// The chains of an identity or user: those that end last come first, so that what is over never hides what lives.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_principal(
    tx: &mut Tx<'_>,
    principal_id: Id<id::Record>,
    limit: u32,
) -> Result<Vec<Chain>, StoreError> {
    tx.rows(&OF_PRINCIPAL, values![principal_id, limit])?
        .iter()
        .map(read)
        .collect()
}

/// The chains of a tenant whose renewal was due before this instant, the longest due first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn due_before(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Chain>, StoreError> {
    tx.rows(&DUE_BEFORE, values![tenant_id, before, limit])?
        .iter()
        .map(read)
        .collect()
}

/// Removes chains whose last token died before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

fn read(row: &Row) -> Result<Chain, StoreError> {
    let scope = row.text(3)?;
    Ok(Chain {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        principal_id: row.id(2)?,
        scope: scope
            .parse()
            .map_err(|_| row.corrupt(3, "not a scope of tokens"))?,
        version: row.int(4)?,
        created_at: row.time(5)?,
        due_at: row.opt_time(6)?,
        ends_at: row.time(7)?,
        doc: row.json(8)?,
    })
}

fn doc_text(chain: &Chain) -> Result<String, StoreError> {
    serde_json::to_string(&chain.doc)
        .map_err(|error| StoreError::Fault(format!("chain {}: {error}", chain.id)))
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &UPDATE,
    &BY_ID,
    &LIVE_OF_PRINCIPAL,
    &OF_PRINCIPAL,
    &DUE_BEFORE,
    &PRUNE,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO token_chain (id, tenant_id, principal_id, scope, version, created_at, due_at, ends_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
);

static UPDATE: Sql = Sql::new(
    "UPDATE token_chain
    SET due_at = ?3, ends_at = ?4, doc = ?5, version = version + 1
    WHERE id = ?1 AND version = ?2",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, principal_id, scope, version, created_at, due_at, ends_at, doc
    FROM token_chain
    WHERE id = ?1",
);

static LIVE_OF_PRINCIPAL: Sql = Sql::new(
    "SELECT id, tenant_id, principal_id, scope, version, created_at, due_at, ends_at, doc
    FROM token_chain
    WHERE principal_id = ?1 AND ends_at > ?2
    ORDER BY id DESC",
);

static OF_PRINCIPAL: Sql = Sql::new(
    "SELECT id, tenant_id, principal_id, scope, version, created_at, due_at, ends_at, doc
    FROM token_chain
    WHERE principal_id = ?1
    ORDER BY ends_at DESC, id DESC
    LIMIT ?2",
);

static DUE_BEFORE: Sql = Sql::new(
    "SELECT id, tenant_id, principal_id, scope, version, created_at, due_at, ends_at, doc
    FROM token_chain
    WHERE due_at < ?2 AND tenant_id = ?1
    ORDER BY due_at, id
    LIMIT ?3",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM token_chain
    WHERE id IN (SELECT id FROM token_chain WHERE ends_at < ?1 ORDER BY ends_at, id LIMIT ?2)",
);
