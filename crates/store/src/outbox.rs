//! Messages that are still to be delivered: written with the change that they tell of, sent afterwards.

use countersign_model::{
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id: the receiver may see it twice, and recognises it by this.
    pub id: Id<id::Evidence>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of message.
    pub kind: String,
    /// What it says, as JSON.
    pub payload: String,
    /// When to try next.
    pub next_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// Where it goes; empty until somebody looked at it.
    pub channel: String,
    /// To whom, where it is for one person.
    pub recipient: Option<Id<id::User>>,
}

/// Queues a message.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, message: &Message) -> Result<(), StoreError> {
    let values = values![
        message.id,
        message.tenant_id,
        message.kind.as_str(),
        message.payload.as_str(),
        message.next_at,
        message.attempts,
        message.channel.as_str(),
        message.recipient,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// The messages whose time has come, oldest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError> {
    let read = |row: &Row| {
        Ok(Message {
            id: row.id(0)?,
            tenant_id: row.id(1)?,
            kind: row.text(2)?.to_owned(),
            payload: row.text(3)?.to_owned(),
            next_at: row.time(4)?,
            attempts: row.int(5)?,
            channel: row.text(6)?.to_owned(),
            recipient: row.opt_id(7)?,
        })
    };
    tx.rows(&DUE, values![now, limit])?
        .iter()
        .map(read)
        .collect()
}

/// How many messages wait to be delivered, and since when the oldest of them does.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn waiting(tx: &mut Tx<'_>) -> Result<(u64, Option<Timestamp>), StoreError> {
    let count = match tx.row(&WAITING, values![])? {
        Some(row) => u64::try_from(row.int(0)?).unwrap_or_default(),
        None => 0,
    };
    let Some(row) = tx.row(&OLDEST, values![])? else {
        return Ok((count, None));
    };
    let id: Id<id::Evidence> = row.id(0)?;
    // A UUIDv7 begins with the milliseconds of its making (RFC 9562 §5.7).
    let [a, b, c, d, e, f, ..] = id.bytes();
    let millis = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    Ok((
        count,
        Some(Timestamp::from_micros(millis.saturating_mul(1000))),
    ))
}

/// The message was delivered: it goes.
///
/// # Errors
/// When the database fails.
pub fn complete(tx: &mut Tx<'_>, id: Id<id::Evidence>) -> Result<bool, StoreError> {
    Ok(tx.exec(&COMPLETE, values![id])? == 1)
}

/// The message of this attempt was not delivered: again at this time, or (`None`) never, and then it is kept as dead.
/// `false`: somebody else has tried meanwhile.
///
/// # Errors
/// When the database fails.
pub fn retry(
    tx: &mut Tx<'_>,
    message: &Message,
    next_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let values = values![
        message.id,
        message.attempts,
        next_at.unwrap_or(message.next_at),
        next_at.is_none()
    ];
    Ok(tx.exec(&RETRY, values)? == 1)
}

/// Removes dead messages whose last attempt was planned before this time. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune_dead(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE_DEAD, values![before, limit])
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &DUE,
    &WAITING,
    &OLDEST,
    &COMPLETE,
    &RETRY,
    &PRUNE_DEAD,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO outbox (id, tenant_id, kind, payload, next_at, attempts, dead, channel, recipient)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8)",
);

static DUE: Sql = Sql::new(
    "SELECT id, tenant_id, kind, payload, next_at, attempts, channel, recipient
    FROM outbox
    WHERE dead = 0 AND next_at <= ?1
    ORDER BY next_at, id
    LIMIT ?2",
);

static WAITING: Sql = Sql::new("SELECT COUNT(*) FROM outbox WHERE dead = 0");

static OLDEST: Sql = Sql::new(
    "SELECT id
    FROM outbox
    WHERE dead = 0
    ORDER BY id
    LIMIT 1",
);

static COMPLETE: Sql = Sql::new("DELETE FROM outbox WHERE id = ?1");

static RETRY: Sql = Sql::new(
    "UPDATE outbox
    SET attempts = attempts + 1, next_at = ?3, dead = ?4
    WHERE id = ?1 AND attempts = ?2",
);

static PRUNE_DEAD: Sql = Sql::new(
    "DELETE FROM outbox
    WHERE id IN (SELECT id FROM outbox WHERE dead = 1 AND next_at < ?1 ORDER BY next_at, id LIMIT ?2)",
);
