//! Approvals: requests that wait for people, moved from state to state by compare-and-set.

use countersign_model::{
    approval::{Approval, ApprovalRequest, ApprovalStatus},
    id::{self, Id},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDecision {
    /// On what.
    pub approval_id: Id<id::Approval>,
    /// Who.
    pub user_id: Id<id::User>,
    /// `approve` or `deny`.
    pub decision: String,
    /// When.
    pub at: Timestamp,
    /// What belongs to it, as JSON.
    pub doc: String,
}

/// Which approvals to list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalQuery {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Only in this state, as stored.
    pub status: Option<ApprovalStatus>,
    /// Only about this identity.
    pub identity_id: Option<Id<id::Identity>>,
    /// The id of the last one of the page before.
    pub before: Option<Id<id::Approval>>,
    /// At most so many.
    pub limit: u32,
}

/// Inserts a new request.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn insert(tx: &mut Tx<'_>, approval: &Approval) -> Result<(), StoreError> {
    let run_key = match &approval.doc.request {
        ApprovalRequest::Change(_) | ApprovalRequest::Execution(_) => None,
        ApprovalRequest::Grant(grant) => Some(grant.run_key.as_str()),
    };
    let values = values![
        approval.id,
        approval.tenant_id,
        approval.doc.digest.as_str(),
        approval.identity_id,
        run_key,
        approval.status.as_str(),
        approval.version,
        doc_text(approval)?,
        approval.opened_at,
        approval.expires_at,
    ];
    tx.exec(&INSERT, values).map(drop)
}

/// Writes state, document and expiry of an approval that is still in `from` and of the version that it carries, and
/// raises the version by one. `false`: somebody else was faster, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn transition(
    tx: &mut Tx<'_>,
    from: ApprovalStatus,
    to: &Approval,
) -> Result<bool, StoreError> {
    let values = values![
        to.id,
        from.as_str(),
        to.version,
        to.status.as_str(),
        doc_text(to)?,
        to.expires_at
    ];
    Ok(tx.exec(&TRANSITION, values)? == 1)
}

/// The approval with this id, in whatever tenant.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Approval>) -> Result<Option<Approval>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The approvals about an identity that are pending or approved, and have not lapsed: what an edit voids.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn open_of_identity(
    tx: &mut Tx<'_>,
    identity_id: Id<id::Identity>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Approval>, StoreError> {
    tx.rows(&OPEN_OF_IDENTITY, values![identity_id, now, limit])?
        .iter()
        .map(read)
        .collect()
}

/// A page of approvals, newest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn list(tx: &mut Tx<'_>, query: &ApprovalQuery) -> Result<Vec<Approval>, StoreError> {
    let before = query
        .before
        .map_or_else(|| vec![0xff; 17], |id| id.bytes().to_vec());
    let status = query.status.map(ApprovalStatus::as_str);
    let rows = match (query.identity_id, status) {
        (Some(identity_id), status) => tx.rows(
            &LIST_BY_IDENTITY,
            values![query.tenant_id, before, query.limit, identity_id, status],
        )?,
        (None, Some(status)) => tx.rows(
            &LIST_BY_STATUS,
            values![query.tenant_id, before, query.limit, status],
        )?,
        (None, None) => tx.rows(&LIST, values![query.tenant_id, before, query.limit])?,
    };
    rows.iter().map(read).collect()
}

/// Requests that lapsed and still stand as pending or approved, oldest expiry first: for the job that closes them.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn lapsed(
    tx: &mut Tx<'_>,
    status: ApprovalStatus,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Approval>, StoreError> {
    tx.rows(&LAPSED, values![status.as_str(), now, limit])?
        .iter()
        .map(read)
        .collect()
}

/// Voids all that is pending or approved, everywhere: after a restore. Says how many.
///
/// # Errors
/// When the database fails.
pub fn void_all(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.exec(&VOID_ALL, &[])
}

/// Records an answer. `false`: this person has answered before, nothing was written.
///
/// # Errors
/// When the database fails.
pub fn decide(tx: &mut Tx<'_>, decision: &ApprovalDecision) -> Result<bool, StoreError> {
    let values = values![
        decision.approval_id,
        decision.user_id,
        decision.decision.as_str(),
        decision.at,
        decision.doc.as_str(),
    ];
    Ok(tx.exec(&DECIDE, values)? == 1)
}

/// The answers to a request, in the order of time.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn decisions(
    tx: &mut Tx<'_>,
    approval_id: Id<id::Approval>,
) -> Result<Vec<ApprovalDecision>, StoreError> {
    let read = |row: &Row| {
        Ok(ApprovalDecision {
            approval_id,
            user_id: row.id(0)?,
            decision: row.text(1)?.to_owned(),
            at: row.time(2)?,
            doc: row.text(3)?.to_owned(),
        })
    };
    tx.rows(&DECISIONS, values![approval_id])?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<Approval, StoreError> {
    Ok(Approval {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        identity_id: row.opt_id(2)?,
        status: ApprovalStatus::parse(row.text(3)?)
            .ok_or_else(|| row.corrupt(3, "not a status of approvals"))?,
        version: row.int(4)?,
        opened_at: row.time(5)?,
        expires_at: row.time(6)?,
        doc: row.json(7)?,
    })
}

fn doc_text(approval: &Approval) -> Result<String, StoreError> {
    serde_json::to_string(&approval.doc)
        .map_err(|error| StoreError::Fault(format!("approval {}: {error}", approval.id)))
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &TRANSITION,
    &BY_ID,
    &OPEN_OF_IDENTITY,
    &LIST,
    &LIST_BY_STATUS,
    &LIST_BY_IDENTITY,
    &LAPSED,
    &VOID_ALL,
    &DECIDE,
    &DECISIONS,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO approval (id, tenant_id, digest, identity_id, run_key, status, version, doc, opened_at, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
);

static TRANSITION: Sql = Sql::new(
    "UPDATE approval
    SET status = ?4, doc = ?5, expires_at = ?6, version = version + 1
    WHERE id = ?1 AND status = ?2 AND version = ?3",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, status, version, opened_at, expires_at, doc
    FROM approval
    WHERE id = ?1",
);

static OPEN_OF_IDENTITY: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, status, version, opened_at, expires_at, doc
    FROM approval
    WHERE identity_id = ?1 AND status IN ('pending', 'approved') AND expires_at > ?2
    ORDER BY id
    LIMIT ?3",
);

static LIST: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, status, version, opened_at, expires_at, doc
    FROM approval
    WHERE tenant_id = ?1 AND id < ?2
    ORDER BY id DESC
    LIMIT ?3",
);

static LIST_BY_STATUS: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, status, version, opened_at, expires_at, doc
    FROM approval
    WHERE tenant_id = ?1 AND status = ?4 AND id < ?2
    ORDER BY id DESC
    LIMIT ?3",
);

static LIST_BY_IDENTITY: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, status, version, opened_at, expires_at, doc
    FROM approval
    WHERE identity_id = ?4 AND tenant_id = ?1 AND id < ?2
        AND (CAST(?5 AS TEXT) IS NULL OR status = CAST(?5 AS TEXT))
    ORDER BY id DESC
    LIMIT ?3",
);

static LAPSED: Sql = Sql::new(
    "SELECT id, tenant_id, identity_id, status, version, opened_at, expires_at, doc
    FROM approval
    WHERE status = ?1 AND expires_at <= ?2
    ORDER BY expires_at, id
    LIMIT ?3",
);

static VOID_ALL: Sql = Sql::new(
    "UPDATE approval
    SET status = 'voided', version = version + 1
    WHERE status IN ('pending', 'approved')",
);

static DECIDE: Sql = Sql::new(
    "INSERT INTO approval_decision (approval_id, user_id, decision, at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (approval_id, user_id) DO NOTHING",
);

static DECISIONS: Sql = Sql::new(
    "SELECT user_id, decision, at, doc
    FROM approval_decision
    WHERE approval_id = ?1
    ORDER BY at, user_id
    LIMIT 1000",
);
