//! Relations between records, stated by their documents and askable from both ends.

use countersign_model::{
    id::{self, Id},
    registry::{Record, Relation},
};

use crate::{
    db::Tx,
    error::StoreError,
    records,
    sql::Sql,
    value::{Value, values},
};

/// Makes these the only relations that the record states.
///
/// # Errors
/// When the database fails.
pub fn replace(
    tx: &mut Tx<'_>,
    tenant_id: Id<id::Tenant>,
    from_id: Id<id::Record>,
    links: &[(Relation, Id<id::Record>)],
) -> Result<(), StoreError> {
    tx.exec(&CLEAR, values![from_id])?;
    let rows = links.iter().map(|(relation, to_id)| {
        vec![
            Value::from(tenant_id),
            from_id.into(),
            relation.as_str().into(),
            (*to_id).into(),
        ]
    });
    tx.exec_rows(&INSERT, &INSERT_MANY, rows.collect())?;
    Ok(())
}

/// The records that point at this one, in the order of their ids.
///
/// # Errors
/// When a row does not parse, or the database fails.
pub fn linked_to(
    tx: &mut Tx<'_>,
    to_id: Id<id::Record>,
    relation: Relation,
    after: Option<Id<id::Record>>,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let after = after.map_or_else(Vec::new, |id| id.bytes().to_vec());
    tx.rows(&LINKED_TO, values![to_id, relation.as_str(), after, limit])?
        .iter()
        .map(records::read)
        .collect()
}

pub(crate) static STATEMENTS: &[&Sql] = &[&CLEAR, &INSERT, &INSERT_MANY, &LINKED_TO];

static CLEAR: Sql = Sql::new("DELETE FROM link WHERE from_id = ?1");

static INSERT: Sql = Sql::new(
    "INSERT INTO link (tenant_id, from_id, relation, to_id)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (from_id, relation, to_id) DO NOTHING",
);

static INSERT_MANY: Sql = Sql::rows(
    "INSERT INTO link (tenant_id, from_id, relation, to_id) VALUES",
    4,
    16,
    "ON CONFLICT (from_id, relation, to_id) DO NOTHING",
);

static LINKED_TO: Sql = Sql::new(
    "SELECT r.id, r.tenant_id, r.noun, r.name, r.parent_id, r.version, r.epoch, r.status, r.doc, r.created_at, r.updated_at
    FROM link l
    JOIN record r ON r.id = l.from_id
    WHERE l.to_id = ?1 AND l.relation = ?2 AND l.from_id > ?3
    ORDER BY l.from_id
    LIMIT ?4",
);
