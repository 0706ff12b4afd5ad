//! Revocations: followed by every replica, kept until nothing that they stop can be alive.

use countersign_model::{
    evidence::Grain,
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    feed::{Cursor, Page},
    sql::Sql,
    value::{Row, values},
};

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whose.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of thing it works on.
    pub grain: Grain,
    /// Which one.
    pub target: String,
    /// For what has epochs: tokens of a smaller one are revoked.
    pub epoch: Option<i64>,
    /// When the last thing that it stops is dead anyway (leeway included).
    pub until_at: Timestamp,
    /// Why, in words.
    pub reason: String,
    /// The user who did it, if one did.
    pub by_user: Option<Id<id::User>>,
    /// When.
    pub at: Timestamp,
}

/// Inserts a revocation.
///
/// # Errors
/// When the database fails.
pub fn insert(tx: &mut Tx<'_>, revocation: &Revocation) -> Result<(), StoreError> {
    let values = values![
        revocation.tenant_id,
        revocation.grain.as_str(),
        revocation.target.as_str(),
        revocation.epoch,
        revocation.until_at,
        revocation.reason.as_str(),
        revocation.by_user,
        revocation.at,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// What was committed after this cursor and still stops something. From [`Cursor::START`] it is everything that a
/// fresh memory needs. Revocations can come more than once: see [`Cursor`].
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn after(
    tx: &mut Tx<'_>,
    cursor: Cursor,
    now: Timestamp,
    limit: u32,
) -> Result<Page<Revocation>, StoreError> {
    let lowest_open = tx.lowest_open()?;
    let rows = tx.rows(&AFTER, values![cursor.xid, cursor.seq, now, limit])?;
    let last = rows
        .last()
        .map(|row| Ok::<_, StoreError>((row.int(0)?, row.int(1)?)))
        .transpose()?;
    let items = rows
        .iter()
        .map(|row| read(row, 2))
        .collect::<Result<_, _>>()?;
    Ok(cursor.page(items, last, limit, lowest_open))
}

/// What was revoked with this target, newest first: to say when and why.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn by_target(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    target: &str,
    limit: u32,
) -> Result<Vec<Revocation>, StoreError> {
    tx.rows(&BY_TARGET, values![tenant_id, target, limit])?
        .iter()
        .map(|row| read(row, 0))
        .collect()
}

/// Removes what stops nothing any more. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![now, limit])
}

fn read(row: &Row, first: usize) -> Result<Revocation, StoreError> {
    let grain = row.text(first + 1)?;
    Ok(Revocation {
        tenant_id: row.id(first)?,
        grain: Grain::parse(grain)
            .ok_or_else(|| row.corrupt(first + 1, "not a grain of revocations"))?,
        target: row.text(first + 2)?.to_owned(),
        epoch: row.opt_int(first + 3)?,
        until_at: row.time(first + 4)?,
        reason: row.text(first + 5)?.to_owned(),
        by_user: row.opt_id(first + 6)?,
        at: row.time(first + 7)?,
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[&INSERT, &AFTER, &BY_TARGET, &PRUNE];

static INSERT: Sql = Sql::new(
    "INSERT INTO revocation (tenant_id, grain, target, epoch, until_at, reason, by_user, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
);

static AFTER: Sql = Sql::new(
    "SELECT xid, seq, tenant_id, grain, target, epoch, until_at, reason, by_user, at
    FROM revocation
    WHERE (xid, seq) > (?1, ?2) AND until_at >= ?3
    ORDER BY xid, seq
    LIMIT ?4",
);

static BY_TARGET: Sql = Sql::new(
    "SELECT tenant_id, grain, target, epoch, until_at, reason, by_user, at
    FROM revocation
    WHERE tenant_id = ?1 AND target = ?2
    ORDER BY at DESC, seq DESC
    LIMIT ?3",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM revocation
    WHERE (xid, seq) IN (SELECT xid, seq FROM revocation WHERE until_at < ?1 ORDER BY until_at, seq LIMIT ?2)",
);
