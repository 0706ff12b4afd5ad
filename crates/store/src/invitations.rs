//! Invitations that are open: each lets the person of an address in, once.

use countersign_model::{
    id::{self, Id},
    invitation::Invitation,
    name::InvalidName,
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Inserts an invitation. `false`: there is one for this address already, and nothing was written.
///
/// # Errors
/// When the database fails.
pub fn insert(tx: &mut Tx<'_>, invitation: &Invitation) -> Result<bool, StoreError> {
    let doc = serde_json::to_string(&invitation.doc)
        .map_err(|error| StoreError::Fault(format!("invitation {}: {error}", invitation.id)))?;
    let values = values![
        invitation.id,
        invitation.tenant_id,
        invitation.email.as_str(),
        invitation.created_at,
        invitation.expires_at,
        doc,
    ];
    Ok(tx.exec(&INSERT, values)? == 1)
}

/// The invitation of this id, if it is open still; whether its time is over is for the reader to see.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_id(tx: &mut Tx<'_>, id: Id<id::Invitation>) -> Result<Option<Invitation>, StoreError> {
    tx.row(&BY_ID, values![id])?
        .map(|row| read(&row))
        .transpose()
}

/// The invitation for this address.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_email(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    email: &str,
) -> Result<Option<Invitation>, StoreError> {
    tx.row(&BY_EMAIL, values![tenant_id, email])?
        .map(|row| read(&row))
        .transpose()
}

/// The invitations of a tenant, by address.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_tenant(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    limit: u32,
) -> Result<Vec<Invitation>, StoreError> {
    tx.rows(&OF_TENANT, values![tenant_id, limit])?
        .iter()
        .map(read)
        .collect()
}

/// Uses an invitation up, or takes it back. `false`: it was no more.
///
/// # Errors
/// When the database fails.
pub fn delete(tx: &mut Tx<'_>, id: Id<id::Invitation>) -> Result<bool, StoreError> {
    Ok(tx.exec(&DELETE, values![id])? == 1)
}

/// Removes invitations whose time was over before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

fn read(row: &Row) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        email: row
            .text(2)?
            .parse()
            .map_err(|error: InvalidName| row.corrupt(2, &error.to_string()))?,
        created_at: row.time(3)?,
        expires_at: row.time(4)?,
        doc: row.json(5)?,
    })
}

pub(crate) static STATEMENTS: &[&Sql] = &[&INSERT, &BY_ID, &BY_EMAIL, &OF_TENANT, &DELETE, &PRUNE];

static INSERT: Sql = Sql::new(
    "INSERT INTO invitation (id, tenant_id, email, created_at, expires_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (tenant_id, email) DO NOTHING",
);

static BY_ID: Sql = Sql::new(
    "SELECT id, tenant_id, email, created_at, expires_at, doc
    FROM invitation
    WHERE id = ?1",
);

static BY_EMAIL: Sql = Sql::new(
    "SELECT id, tenant_id, email, created_at, expires_at, doc
    FROM invitation
    WHERE tenant_id = ?1 AND email = ?2",
);

static OF_TENANT: Sql = Sql::new(
    "SELECT id, tenant_id, email, created_at, expires_at, doc
    FROM invitation
    WHERE tenant_id = ?1
    ORDER BY email
    LIMIT ?2",
);

static DELETE: Sql = Sql::new("DELETE FROM invitation WHERE id = ?1");

static PRUNE: Sql = Sql::new(
    "DELETE FROM invitation
    WHERE id IN (SELECT id FROM invitation WHERE expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2)",
);
