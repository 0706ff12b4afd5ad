//! What changed between two versions of a record, for its evidence.

use std::collections::BTreeSet;

use countersign_model::{
    evidence::{Reference, Role, Text},
    registry::{Doc, Noun, Record},
};
use serde_json::{Map, Value, json};

use crate::{
    evidence::seal::{refer, refer_person},
    rejection::Fault,
};

/// What changed between two versions, member by member; what is secret or personal shows only that it changed.
pub(super) fn difference(before: Option<&Record>, after: &Record) -> Result<Value, Fault> {
    let mut old = before.map(document).transpose()?.unwrap_or_default();
    let new = document(after)?;
    let names: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    let mut changes = Map::new();
    for name in names {
        let (was, is) = (
            old.remove(&name).unwrap_or_default(),
            new.get(&name).cloned().unwrap_or_default(),
        );
        if was == is {
            continue;
        }
        let change = match name.as_str() {
            "secret" => json!("changed"),
            "email" | "display_name" | "handle" => {
                json!({"to": Text::personal(is.as_str().unwrap_or_default())})
            }
            "subject" if after.noun == Noun::LinkedAccount => {
                json!({"to": Text::personal(is.as_str().unwrap_or_default())})
            }
            // What another system calls an account, and who it says owns it, may be a person's.
            "external_id" | "facts" if after.noun == Noun::ObservedAccount => {
                json!({"to": Text::personal(plain(&is))})
            }
            _ if before.is_none() => json!({"to": is}),
            _ => json!({"from": was, "to": is}),
        };
        changes.insert(name, change);
    }
    Ok(Value::Object(changes))
}

fn document(record: &Record) -> Result<Map<String, Value>, Fault> {
    let mut members = match serde_json::from_str(&record.doc.to_json()?)? {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("status".to_owned(), json!(record.status));
    members.insert("epoch".to_owned(), json!(record.epoch));
    if !matches!(
        record.noun,
        Noun::LinkedAccount | Noun::ObservedAccount | Noun::User
    ) {
        members.insert("record_name".to_owned(), json!(record.name));
    }
    Ok(members)
}

/// What a change is about: the record, and the identity that it is or belongs to.
pub(super) fn changed(record: &Record) -> Vec<Reference> {
    let mut refs = vec![match record.noun {
        Noun::User => refer_person(Role::Target, record.id, &record.name),
        Noun::LinkedAccount | Noun::ObservedAccount => refer(Role::Target, record.id, None),
        _ => refer(Role::Target, record.id, Some(&record.name)),
    }];
    match &record.doc {
        Doc::Identity(doc) => refs.push(refer(Role::Identity, record.id, Some(&doc.attribution()))),
        Doc::Credential(doc) => refs.push(refer(Role::Identity, doc.identity_id, None)),
        _ => {}
    }
    refs
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}
