//! Whom a change names: its ids, as people know them, so that who countersigns it reads what it does.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{
    Id, id,
    registry::{Noun, Record},
};
use countersign_store::Tx;
use serde_json::Value;

use crate::{rejection::Rejection, rows};

/// How many ids of one change are looked up: more people than one change should bring.
const LOOKED_UP: usize = 100;

/// The names of what everybody in the tenant may see: people, teams and resource servers.
pub(super) fn names(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    change: &Value,
) -> Result<BTreeMap<Id<id::Record>, String>, Rejection> {
    let mut ids = BTreeSet::new();
    collect(change, &mut ids);
    let mut names = BTreeMap::new();
    for id in ids.into_iter().take(LOOKED_UP) {
        let found = rows::by_id(tx, tenant, id)?.filter(is_public);
        names.extend(found.map(|record| (record.id, record.name)));
    }
    Ok(names)
}

const fn is_public(record: &Record) -> bool {
    matches!(record.noun, Noun::Audience | Noun::Team | Noun::User)
}

fn collect(value: &Value, ids: &mut BTreeSet<Id<id::Record>>) {
    match value {
        Value::String(text) => ids.extend(text.parse::<Id<id::Record>>().ok()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Object(members) => members.values().for_each(|member| collect(member, ids)),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}
