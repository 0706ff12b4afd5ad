//! Executions, moved from state to state by compare-and-set on state and attempt.

use countersign_model::{
    execution::{Execution, ExecutionState},
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Inserts an execution.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, execution: &Execution) -> Result<(), StoreError> {
    let values = values![
        execution.id,
        execution.tenant_id,
        execution.project_id,
        execution.action_ref.as_str(),
        execution.state.as_str(),
        execution.attempt,
        execution.worker_id,
        execution.due_at,
        execution.lease_until,
        execution.created_at,
        execution.ended_at,
        execution.event_id,
        doc_text(execution)?,
        publish_at(execution),
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// Writes an execution that still stands where it stood. `false`: somebody else was faster, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn update(
    tx: &mut Tx<'_>,
    before: (ExecutionState, u32),
    execution: &Execution,
) -> Result<bool, StoreError> {
    let (state, attempt) = before;
    let values = values![
        execution.id,
        state.as_str(),
        attempt,
        execution.state.as_str(),
        execution.attempt,
        execution.worker_id,
        execution.due_at,
        execution.lease_until,
        execution.ended_at,
        doc_text(execution)?,
        publish_at(execution),
    ];
    Ok(tx.exec(&UPDATE, values)? == 1)
}

/// When the broker is told of an execution: as soon as it is due, and again in another attempt.
fn publish_at(execution: &Execution) -> Option<Timestamp> {
    (execution.state == ExecutionState::Scheduled).then_some(execution.due_at)
}

/// An execution that waits, and that the broker is to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToPublish {
    /// Which.
    pub id: Id<id::Execution>,
    /// Whose queue it belongs into.
    pub project_id: Id<id::Project>,
    /// The attempts that it had.
    pub attempt: u32,
    /// Since when it waits.
    pub due_at: Timestamp,
    /// Whether the broker took a message of it already, which may be lost.
    pub published: bool,
}

/// The executions that the broker is to be told of, the longest overdue first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn to_publish(
    tx: &mut Tx<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ToPublish>, StoreError> {
    let rows = tx.rows(&TO_PUBLISH, values![now, limit])?;
    let read = |row: &Row| {
        Ok(ToPublish {
            id: row.id(0)?,
            project_id: row.id(1)?,
            attempt: u32::try_from(row.int(2)?).map_err(|_| row.corrupt(2, "not an attempt"))?,
            due_at: row.time(3)?,
            published: row.int(4)? != 0,
        })
    };
    rows.iter().map(read).collect()
}

/// Notes when the broker is told of an execution next, and whether it knows of it. `false`: it does not wait any more.
///
/// # Errors
/// When the database fails.
pub fn publish_again(
    tx: &mut Tx<'_>,
    told: &ToPublish,
    published: bool,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let values = values![told.id, told.attempt, u32::from(published), at];
    Ok(tx.exec(&PUBLISH_AGAIN, values)? == 1)
}

/// Puts off when a worker's execution is lost. `false`: it is not this worker's attempt any more.
///
/// # Errors
/// When the database fails.
pub fn extend(
    tx: &mut Tx<'_>,
    id: Id<id::Execution>,
    worker: Id<id::Identity>,
    attempt: u32,
    until: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.exec(&EXTEND, values![id, worker, attempt, until])? == 1)
}

/// The execution with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Execution>) -> Result<Option<Execution>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The executions of a project that wait and whose time has come, the longest due first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn due(
    tx: &mut Tx<'_>,
    project_id: Id<id::Project>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Execution>, StoreError> {
    tx.rows(&DUE, values![project_id, now, limit])?
        .iter()
        .map(read)
        .collect()
}

/// The executions of a tenant whose workers were not heard of in time, or that nobody took in time: the lease of one that
/// waits is how long it may.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn overdue(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Execution>, StoreError> {
    tx.rows(&OVERDUE, values![tenant_id, now, limit])?
        .iter()
        .map(read)
        .collect()
}

/// Which executions to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ExecutionQuery<'a> {
    /// Only those in this state.
    pub state: Option<ExecutionState>,
    /// Only those of this action.
    pub action_ref: Option<&'a str>,
    /// Only those before this one.
    pub before: Option<Id<id::Execution>>,
    /// At most so many.
    pub limit: u32,
}

/// The executions of a tenant, newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn list(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    query: &ExecutionQuery<'_>,
) -> Result<Vec<Execution>, StoreError> {
    let before = query
        .before
        .map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    let values = values![
        tenant_id,
        before,
        query.state.map_or("", ExecutionState::as_str),
        query.action_ref.unwrap_or_default(),
        query.limit,
    ];
    tx.rows(&LIST, values)?.iter().map(read).collect()
}

/// Removes executions that were over before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

fn read(row: &Row) -> Result<Execution, StoreError> {
    let attempt = u32::try_from(row.int(5)?).map_err(|_| row.corrupt(5, "not an attempt"))?;
    Ok(Execution {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        project_id: row.id(2)?,
        action_ref: row.text(3)?.to_owned(),
        state: ExecutionState::parse(row.text(4)?).ok_or_else(|| row.corrupt(4, "not a state"))?,
        attempt,
        worker_id: row.opt_id(6)?,
        due_at: row.time(7)?,
        lease_until: row.opt_time(8)?,
        created_at: row.time(9)?,
        ended_at: row.opt_time(10)?,
        event_id: row.opt_id(11)?,
        doc: row.json(12)?,
    })
}

fn doc_text(execution: &Execution) -> Result<String, StoreError> {
    serde_json::to_string(&execution.doc)
        .map_err(|error| StoreError::Fault(format!("execution {}: {error}", execution.id)))
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &UPDATE,
    &TO_PUBLISH,
    &PUBLISH_AGAIN,
    &EXTEND,
    &BY_ID,
    &DUE,
    &OVERDUE,
    &LIST,
    &PRUNE,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO execution
        (id, tenant_id, project_id, action_ref, status, attempt, worker_id, due_at, lease_until, created_at, ended_at,
        event_id, doc, publish_at, published)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 0)",
);

static UPDATE: Sql = Sql::new(
    "UPDATE execution
    SET status = ?4, attempt = ?5, worker_id = ?6, due_at = ?7, lease_until = ?8, ended_at = ?9, doc = ?10,
        publish_at = ?11, published = 0
    WHERE id = ?1 AND status = ?2 AND attempt = ?3",
);

static TO_PUBLISH: Sql = Sql::new(
    "SELECT id, project_id, attempt, due_at, published
    FROM execution
    WHERE publish_at <= ?1
    ORDER BY publish_at, id
    LIMIT ?2",
);

static PUBLISH_AGAIN: Sql = Sql::new(
    "UPDATE execution
    SET published = ?3, publish_at = ?4
    WHERE id = ?1 AND attempt = ?2 AND status = 'scheduled'",
);

static EXTEND: Sql = Sql::new(
    "UPDATE execution
    SET lease_until = ?4
    WHERE id = ?1 AND worker_id = ?2 AND attempt = ?3 AND status = 'running'",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, project_id, action_ref, status, attempt, worker_id, due_at, lease_until, created_at, ended_at,
        event_id, doc
    FROM execution
    WHERE id = ?1",
);

static DUE: Sql = Sql::new(
    "SELECT id, tenant_id, project_id, action_ref, status, attempt, worker_id, due_at, lease_until, created_at, ended_at,
        event_id, doc
    FROM execution
    WHERE project_id = ?1 AND status = 'scheduled' AND due_at <= ?2
    ORDER BY due_at, id
    LIMIT ?3",
);

static OVERDUE: Sql = Sql::new(
    "SELECT id, tenant_id, project_id, action_ref, status, attempt, worker_id, due_at, lease_until, created_at, ended_at,
        event_id, doc
    FROM execution
    WHERE lease_until < ?2 AND tenant_id = ?1
    ORDER BY lease_until, id
    LIMIT ?3",
);

static LIST: Sql = Sql::new(
    "SELECT id, tenant_id, project_id, action_ref, status, attempt, worker_id, due_at, lease_until, created_at, ended_at,
        event_id, doc
    FROM execution
    WHERE tenant_id = ?1 AND id < ?2 AND (?3 = '' OR status = ?3) AND (?4 = '' OR action_ref = ?4)
    ORDER BY id DESC
    LIMIT ?5",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM execution
    WHERE id IN (SELECT id FROM execution WHERE ended_at < ?1 ORDER BY ended_at, id LIMIT ?2)",
);
