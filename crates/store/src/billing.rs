//! Billing: counters of operations, folded from the log in its order, and how far that is.
//!
//! A step compares and moves the cursor in the transaction of its counts, so that no record counts twice. A month is closed
//! under the same lock: what is counted later is told apart as late.

use countersign_model::{
    billing::{Counter, Month, Operation, Tally},
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, Value, values},
};

/// How far the log is counted: all of the generations before, and so many entries of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The generation.
    pub generation: i64,
    /// How many of its entries.
    pub size: i64,
}

/// How a month was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// What was counted until then.
    pub counted: Counted,
    /// When.
    pub at: Timestamp,
    /// SHA-256 over its counters, in hexadecimal.
    pub digest: String,
    /// The record of it.
    pub evidence_id: Id<id::Evidence>,
}

/// A month of a tenant in which something was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledMonth {
    /// Whose.
    pub tenant_id: Id<id::Tenant>,
    /// Which.
    pub month: Month,
    /// How many steps added to it: while it stays, no counter of the month changes.
    pub steps: i64,
    /// How it was closed, when it was.
    pub closed: Option<Closed>,
}

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What is counted.
    pub counter: Counter,
    /// How many, until the month was closed.
    pub counted: i64,
    /// How many were found later.
    pub late: i64,
    /// What the project was called last in that month.
    pub project_name: Option<String>,
    /// What the identity was called last in that month.
    pub identity_name: Option<String>,
}

/// How far the log is counted.
///
/// # Errors
/// When the database fails.
pub fn counted(tx: &mut Tx<'_>) -> Result<Counted, StoreError> {
    let row = tx.row(&CURSOR, &[])?;
    row.map_or(Ok(BEGINNING), |row| {
        Ok(Counted {
            generation: row.int(0)?,
            size: row.int(1)?,
        })
    })
}

/// Moves the cursor, and keeps every other fold and close out until this transaction ends; also to where it is. `false`:
/// it is somewhere else by now, and the caller undoes its step.
///
/// # Errors
/// When the database fails.
pub fn advance(tx: &mut Tx<'_>, from: Counted, to: Counted) -> Result<bool, StoreError> {
    if from == BEGINNING {
        tx.exec(&BEGIN, values![BEGINNING.generation, BEGINNING.size])?;
    }
    let moved = tx.exec(
        &ADVANCE,
        values![from.generation, from.size, to.generation, to.size],
    )?;
    Ok(moved == 1)
}

/// Adds what was counted. Whoever calls this holds the cursor.
///
/// # Errors
/// When the database fails.
pub fn add(tx: &mut Tx<'_>, tally: &Tally) -> Result<(), StoreError> {
    let mut months: Vec<(Id<id::Tenant>, Month, bool)> = Vec::new();
    let mut rows = Vec::with_capacity(tally.counts.len());
    for (counter, count) in &tally.counts {
        let (tenant, month) = (counter.tenant, counter.month);
        let known = months.iter().find(|one| (one.0, one.1) == (tenant, month));
        let late = match known {
            Some((_, _, closed)) => *closed,
            None => {
                tx.exec(&OPEN, values![tenant, month.to_string()])?;
                let closed =
                    self::month(tx, tenant, month)?.is_some_and(|one| one.closed.is_some());
                months.push((tenant, month, closed));
                closed
            }
        };
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        let (counted, late) = if late { (0, count) } else { (count, 0) };
        rows.push(vec![
            tenant.into(),
            month.to_string().into(),
            or_none(counter.project),
            or_none(counter.identity),
            counter.operation.as_str().into(),
            counted.into(),
            late.into(),
        ]);
    }
    tx.exec_rows(&ADD, &ADD_MANY, rows)?;
    let named = tally.names.iter().map(|((tenant, month, id), name)| {
        vec![
            Value::from(*tenant),
            month.to_string().into(),
            (*id).into(),
            name.as_str().into(),
        ]
    });
    tx.exec_rows(&NAME, &NAME_MANY, named.collect())?;
    Ok(())
}

/// A month of a tenant, if anything was counted in it.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn month(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    month: Month,
) -> Result<Option<BilledMonth>, StoreError> {
    tx.row(&MONTH, values![tenant, month.to_string()])?
        .map(|row| read_month(&row))
        .transpose()
}

/// The months of a tenant in which anything was counted, the newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn months(tx: &mut Tx<'_>, tenant: Id<id::Tenant>) -> Result<Vec<BilledMonth>, StoreError> {
    tx.rows(&MONTHS, values![tenant])?
        .iter()
        .map(read_month)
        .collect()
}

/// Months from before this one that are not closed: at most so many.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn open_before(
    tx: &mut Tx<'_>,
    before: Month,
    limit: u32,
) -> Result<Vec<BilledMonth>, StoreError> {
    tx.rows(&OPEN_BEFORE, values![before.to_string(), limit])?
        .iter()
        .map(read_month)
        .collect()
}

/// Closes a month as it was after so many steps. `false`: it was closed before, or there were more. Whoever calls this
/// holds the cursor.
///
/// # Errors
/// When the database fails.
pub fn close(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    month: Month,
    steps: i64,
    closed: &Closed,
) -> Result<bool, StoreError> {
    let values = values![
        tenant,
        month.to_string(),
        steps,
        closed.counted.generation,
        closed.counted.size,
        closed.at,
        closed.digest.as_str(),
        closed.evidence_id,
    ];
    Ok(tx.exec(&CLOSE, values)? == 1)
}

/// The lines of a month after one of them, those of one project when one is given: at most so many.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn lines(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    month: Month,
    project: Option<Id<id::Project>>,
    after: Option<&Counter>,
    limit: u32,
) -> Result<Vec<Line>, StoreError> {
    let (from, until) = project.map_or(([0; 16], [0xff; 16]), |id| (id.bytes(), id.bytes()));
    // An operation has a name, so that every line comes after the empty one.
    let (project, identity, operation) = match after {
        Some(last) => (
            or_none(last.project),
            or_none(last.identity),
            last.operation.as_str(),
        ),
        None => (Value::from(from), Value::from([0; 16]), ""),
    };
    let values = [
        tenant.into(),
        month.to_string().into(),
        project,
        identity,
        operation.into(),
        until.into(),
        limit.into(),
    ];
    let rows = tx.rows(&LINES, &values)?;
    rows.iter()
        .map(|row| read_line(row, tenant, month))
        .collect()
}

fn read_month(row: &Row) -> Result<BilledMonth, StoreError> {
    let month = row.text(1)?;
    let closed = match row.opt_int(5)? {
        None => None,
        Some(_) => Some(Closed {
            counted: Counted {
                generation: row.int(3)?,
                size: row.int(4)?,
            },
            at: row.time(5)?,
            digest: row.text(6)?.to_owned(),
            evidence_id: row.id(7)?,
        }),
    };
    Ok(BilledMonth {
        tenant_id: row.id(0)?,
        month: month.parse().map_err(|_| row.corrupt(1, "not a month"))?,
        steps: row.int(2)?,
        closed,
    })
}

fn read_line(row: &Row, tenant: Id<id::Tenant>, month: Month) -> Result<Line, StoreError> {
    let operation = Operation::parse(row.text(2)?)
        .ok_or_else(|| row.corrupt(2, "not an operation that is counted"))?;
    Ok(Line {
        counter: Counter {
            tenant,
            month,
            project: some(row.id(0)?),
            identity: some(row.id(1)?),
            operation,
        },
        counted: row.int(3)?,
        late: row.int(4)?,
        project_name: row.opt_text(5)?.map(str::to_owned),
        identity_name: row.opt_text(6)?.map(str::to_owned),
    })
}

/// A key has no null: sixteen zeros stand for none, which are no id.
fn or_none<K: id::Kind>(id: Option<Id<K>>) -> Value {
    id.map_or([0; 16], |id| id.bytes()).into()
}

fn some<K: id::Kind>(id: Id<K>) -> Option<Id<K>> {
    (id.bytes() != [0; 16]).then_some(id)
}

/// Before the first step.
const BEGINNING: Counted = Counted {
    generation: 1,
    size: 0,
};

pub(crate) static STATEMENTS: &[&Sql] = &[
    &CURSOR,
    &BEGIN,
    &ADVANCE,
    &OPEN,
    &ADD,
    &ADD_MANY,
    &NAME,
    &NAME_MANY,
    &MONTH,
    &MONTHS,
    &OPEN_BEFORE,
    &CLOSE,
    &LINES,
];

static CURSOR: Sql = Sql::new("SELECT generation, size FROM billing_cursor WHERE single = 1");

static BEGIN: Sql = Sql::new(
    "INSERT INTO billing_cursor (single, generation, size)
    VALUES (1, ?1, ?2)
    ON CONFLICT (single) DO NOTHING",
);

static ADVANCE: Sql = Sql::new(
    "UPDATE billing_cursor
    SET generation = ?3, size = ?4
    WHERE single = 1 AND generation = ?1 AND size = ?2",
);

static OPEN: Sql = Sql::new(
    "INSERT INTO billing_month (tenant_id, month, steps)
    VALUES (?1, ?2, 1)
    ON CONFLICT (tenant_id, month) DO UPDATE
    SET steps = billing_month.steps + 1",
);

static ADD: Sql = Sql::new(
    "INSERT INTO billing_counter (tenant_id, month, project_id, identity_id, operation, counted, late)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (tenant_id, month, project_id, identity_id, operation) DO UPDATE
    SET counted = billing_counter.counted + excluded.counted, late = billing_counter.late + excluded.late",
);

static ADD_MANY: Sql = Sql::rows(
    "INSERT INTO billing_counter (tenant_id, month, project_id, identity_id, operation, counted, late) VALUES",
    7,
    16,
    "ON CONFLICT (tenant_id, month, project_id, identity_id, operation) DO UPDATE
    SET counted = billing_counter.counted + excluded.counted, late = billing_counter.late + excluded.late",
);

static NAME: Sql = Sql::new(
    "INSERT INTO billing_name (tenant_id, month, id, name)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (tenant_id, month, id) DO UPDATE
    SET name = excluded.name
    WHERE excluded.name <> billing_name.name",
);

static NAME_MANY: Sql = Sql::rows(
    "INSERT INTO billing_name (tenant_id, month, id, name) VALUES",
    4,
    16,
    "ON CONFLICT (tenant_id, month, id) DO UPDATE
    SET name = excluded.name
    WHERE excluded.name <> billing_name.name",
);

static MONTH: Sql = Sql::new(
    "SELECT tenant_id, month, steps, generation, size, closed_at, digest, evidence_id
    FROM billing_month
    WHERE tenant_id = ?1 AND month = ?2",
);

/// A hundred years: no installation has more.
static MONTHS: Sql = Sql::new(
    "SELECT tenant_id, month, steps, generation, size, closed_at, digest, evidence_id
    FROM billing_month
    WHERE tenant_id = ?1
    ORDER BY month DESC
    LIMIT 1200",
);

static OPEN_BEFORE: Sql = Sql::new(
    "SELECT tenant_id, month, steps, generation, size, closed_at, digest, evidence_id
    FROM billing_month
    WHERE month < ?1 AND closed_at IS NULL
    ORDER BY month, tenant_id
    LIMIT ?2",
);

static CLOSE: Sql = Sql::new(
    "UPDATE billing_month
    SET generation = ?4, size = ?5, closed_at = ?6, digest = ?7, evidence_id = ?8
    WHERE tenant_id = ?1 AND month = ?2 AND steps = ?3 AND closed_at IS NULL",
);

static LINES: Sql = Sql::new(
    "SELECT c.project_id, c.identity_id, c.operation, c.counted, c.late, p.name, i.name
    FROM billing_counter c
    LEFT JOIN billing_name p ON p.tenant_id = c.tenant_id AND p.month = c.month AND p.id = c.project_id
    LEFT JOIN billing_name i ON i.tenant_id = c.tenant_id AND i.month = c.month AND i.id = c.identity_id
    WHERE c.tenant_id = ?1 AND c.month = ?2
        AND (c.project_id, c.identity_id, c.operation) > (?3, ?4, ?5)
        AND c.project_id <= ?6
    ORDER BY c.project_id, c.identity_id, c.operation
    LIMIT ?7",
);
