//! People's passkeys: public keys alone; and questions to a browser that wait for their answer, each used once.

use countersign_model::{
    id::{self, Id},
    passkey::{Ceremony, Passkey},
    time::Timestamp,
};

use crate::{
    db::Tx,
    error::StoreError,
    sql::Sql,
    value::{Row, values},
};

/// Inserts a passkey. `false`: there is one of this credential already, whoever's, and nothing was written.
///
/// # Errors
/// When the database fails.
pub fn insert(tx: &mut Tx<'_>, passkey: &Passkey) -> Result<bool, StoreError> {
    let values = values![
        passkey.id,
        passkey.tenant_id,
        passkey.user_id,
        passkey.credential_id.as_slice(),
        passkey.created_at,
        doc_text(passkey)?,
    ];
    Ok(tx.exec(&INSERT, values)? == 1)
}

/// Writes what changes with use.
///
/// # Errors
/// When the database fails.
pub fn update(tx: &mut Tx<'_>, passkey: &Passkey) -> Result<bool, StoreError> {
    Ok(tx.exec(&UPDATE, values![passkey.id, doc_text(passkey)?])? == 1)
}

/// The passkeys of a user, oldest first.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn of_user(tx: &mut Tx<'_>, user_id: Id<id::User>) -> Result<Vec<Passkey>, StoreError> {
    tx.rows(&OF_USER, values![user_id])?
        .iter()
        .map(read)
        .collect()
}

/// The passkey of a credential.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn by_credential(tx: &mut Tx<'_>, credential_id: &[u8]) -> Result<Option<Passkey>, StoreError> {
    tx.row(&BY_CREDENTIAL, values![credential_id])?
        .map(|row| read(&row))
        .transpose()
}

/// Removes a passkey.
///
/// # Errors
/// When the database fails.
pub fn delete(tx: &mut Tx<'_>, id: Id<id::Passkey>) -> Result<bool, StoreError> {
    Ok(tx.exec(&DELETE, values![id])? == 1)
}

/// Inserts a question. What its person was asked before, where that is known, waits no longer.
///
/// # Errors
/// When the id is taken, or the database fails.
pub fn ask(tx: &mut Tx<'_>, ceremony: &Ceremony) -> Result<(), StoreError> {
    let doc = serde_json::to_string(&ceremony.doc)
        .map_err(|error| StoreError::Fault(format!("ceremony {}: {error}", ceremony.id)))?;
    let user_id = ceremony.doc.user_id();
    let values = values![
        ceremony.id,
        ceremony.tenant_id,
        user_id,
        ceremony.expires_at,
        doc
    ];
    tx.exec(&ASK, values).map(drop)
}

/// A question that waits, if there is it still.
///
/// # Errors
/// When the row does not parse, or the database fails.
pub fn asked(tx: &mut Tx<'_>, id: Id<id::Ceremony>) -> Result<Option<Ceremony>, StoreError> {
    let Some(row) = tx.row(&ASKED, values![id])? else {
        return Ok(None);
    };
    Ok(Some(Ceremony {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        expires_at: row.time(2)?,
        doc: row.json(3)?,
    }))
}

/// Uses a question up. `false`: somebody did already.
///
/// # Errors
/// When the database fails.
pub fn answered(tx: &mut Tx<'_>, id: Id<id::Ceremony>) -> Result<bool, StoreError> {
    Ok(tx.exec(&ANSWERED, values![id])? == 1)
}

/// How many questions to nobody in particular wait now in a tenant.
///
/// # Errors
/// When the database fails.
pub fn count_asked(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    match tx.row(&COUNT_ASKED, values![tenant_id, now])? {
        Some(row) => row.int(0),
        None => Ok(0),
    }
}

/// Removes questions that nobody answered before this instant. Says how many went.
///
/// # Errors
/// When the database fails.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    tx.exec(&PRUNE, values![before, limit])
}

fn read(row: &Row) -> Result<Passkey, StoreError> {
    Ok(Passkey {
        id: row.id(0)?,
        tenant_id: row.id(1)?,
        user_id: row.id(2)?,
        credential_id: row.blob(3)?.to_vec(),
        created_at: row.time(4)?,
        doc: row.json(5)?,
    })
}

fn doc_text(passkey: &Passkey) -> Result<String, StoreError> {
    serde_json::to_string(&passkey.doc)
        .map_err(|error| StoreError::Fault(format!("passkey {}: {error}", passkey.id)))
}

pub(crate) static STATEMENTS: &[&Sql] = &[
    &INSERT,
    &UPDATE,
    &OF_USER,
    &BY_CREDENTIAL,
    &DELETE,
    &ASK,
    &ASKED,
    &ANSWERED,
    &COUNT_ASKED,
    &PRUNE,
];

static INSERT: Sql = Sql::new(
    "INSERT INTO passkey (id, tenant_id, user_id, credential_id, created_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (credential_id) DO NOTHING",
);

static UPDATE: Sql = Sql::new("UPDATE passkey SET doc = ?2 WHERE id = ?1");

static OF_USER: Sql = Sql::new(
    "SELECT id, tenant_id, user_id, credential_id, created_at, doc
    FROM passkey
    WHERE user_id = ?1
    ORDER BY id",
);

static BY_CREDENTIAL: Sql = Sql::new(
    "SELECT id, tenant_id, user_id, credential_id, created_at, doc
    FROM passkey
    WHERE credential_id = ?1",
);

static DELETE: Sql = Sql::new("DELETE FROM passkey WHERE id = ?1");

static ASK: Sql = Sql::new(
    "INSERT INTO ceremony (id, tenant_id, user_id, expires_at, doc)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (user_id) DO UPDATE
    SET id = excluded.id, tenant_id = excluded.tenant_id, expires_at = excluded.expires_at, doc = excluded.doc",
);

static ASKED: Sql = Sql::new(
    "SELECT id, tenant_id, expires_at, doc
    FROM ceremony
    WHERE id = ?1",
);

static ANSWERED: Sql = Sql::new("DELETE FROM ceremony WHERE id = ?1");

static COUNT_ASKED: Sql = Sql::new(
    "SELECT COUNT(*) FROM ceremony WHERE tenant_id = ?1 AND expires_at > ?2 AND user_id IS NULL",
);

static PRUNE: Sql = Sql::new(
    "DELETE FROM ceremony
    WHERE id IN (SELECT id FROM ceremony WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2)",
);
