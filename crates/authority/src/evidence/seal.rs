//! Sealing: a draft becomes the bytes that are hashed and kept for ever.

use std::collections::BTreeSet;

use countersign_crypto::{digest, random};
use countersign_model::{
    Id, Timestamp,
    audit_fields::{self, AuditField},
    evidence::{Assurance, Event, Evidence, FORM, Reference, Role, Text},
    id,
    identity::Kind,
};
use countersign_store::evidence::EvidenceRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ctx::Ctx, rejection::Fault};

/// A record before it is sealed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id, when somebody already gave it out (a token's `jti`).
    pub id: Option<Id<id::Evidence>>,
    /// What happened.
    pub event: Event,
    /// The story.
    pub txn: Id<id::Transaction>,
    /// What it follows from.
    pub parents: Vec<Id<id::Evidence>>,
    /// Who and what took part.
    pub refs: Vec<Reference>,
    /// What the kind's audit table asks for and is not there.
    pub missing: Vec<AuditField>,
    /// Who recorded it.
    pub source: String,
    /// How well it is known.
    pub assurance: Assurance,
    /// When it happened, when that was not now.
    pub occurred_at: Option<Timestamp>,
}

/// A sealed record: the row to insert.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Its id.
    pub id: Id<id::Evidence>,
    /// The row.
    pub row: EvidenceRow,
}

/// A personal value and its salt, as kept beside the record until somebody erases it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosed {
    /// SHA-256 of salt and value, in hexadecimal: how it stands in the record.
    pub digest: String,
    /// The salt, in hexadecimal.
    pub salt: String,
    /// The value.
    pub value: String,
}

impl Draft {
    /// A record that we observed ourselves, with no parents yet.
    #[must_use]
    pub fn new(txn: Id<id::Transaction>, event: Event) -> Self {
        Self {
            id: None,
            event,
            txn,
            parents: Vec::new(),
            refs: Vec::new(),
            missing: Vec::new(),
            source: "countersign".to_owned(),
            assurance: Assurance::Observed,
            occurred_at: None,
        }
    }

    /// With these references.
    #[must_use]
    pub fn refs(mut self, refs: impl IntoIterator<Item = Reference>) -> Self {
        self.refs.extend(refs);
        self
    }

    /// With these parents.
    #[must_use]
    pub fn parents(mut self, parents: impl IntoIterator<Item = Id<id::Evidence>>) -> Self {
        self.parents.extend(parents);
        self
    }

    /// Notes what the audit table of the kind asks for and is not among these.
    #[must_use]
    pub fn audited(mut self, kind: Kind, present: &BTreeSet<AuditField>) -> Self {
        self.missing = audit_fields::missing(kind, present);
        self
    }

    /// Seals it.
    ///
    /// # Errors
    /// When the record does not serialise, which is a fault of ours.
    pub fn seal(self, ctx: &Ctx, tenant: Id<id::Tenant>) -> Result<Sealed, Fault> {
        let id = self.id.unwrap_or_else(|| ctx.id());
        let (kind, outcome) = (self.event.kind(), self.event.outcome());
        let identity_id = self
            .refs
            .iter()
            .find(|found| found.role == Role::Identity)
            .and_then(|found| found.id.parse().ok());
        let (txn, occurred_at) = (self.txn, self.occurred_at.unwrap_or(ctx.now));
        let record = Evidence {
            v: FORM,
            id,
            tenant,
            event: self.event,
            occurred_at,
            recorded_at: ctx.now,
            source: self.source,
            assurance: self.assurance,
            txn,
            parents: self.parents,
            refs: self.refs,
            missing: self.missing,
        };
        let mut salts = Salts::draw();
        let salt = salts.next();
        let (body, disclosed) = seal_personal(&serde_json::to_string(&record)?, &mut salts)?;
        let disclosed = if disclosed.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&disclosed)?)
        };
        let row = EvidenceRow {
            id,
            tenant_id: tenant,
            kind: kind.to_owned(),
            txn,
            occurred_at,
            recorded_at: ctx.now,
            outcome: outcome.to_owned(),
            identity_id,
            salt: salt.to_vec(),
            body,
            disclosed,
            lost: None,
        };
        Ok(Sealed { id, row })
    }
}

/// A reference by role, id and a name that is not personal.
pub fn refer(role: Role, id: impl ToString, name: Option<&str>) -> Reference {
    Reference {
        role,
        id: id.to_string(),
        name: name.map(|name| Text::Plain(name.to_owned())),
    }
}

/// A reference to a person, whose name is personal.
pub fn refer_person(role: Role, id: impl ToString, name: &str) -> Reference {
    Reference {
        role,
        id: id.to_string(),
        name: Some(Text::personal(name)),
    }
}

/// Puts a digest in the place of every personal value. Works on the text, which is compact JSON: there
/// a quotation mark within a string has a backslash before it, so that `{"personal":"` can only be what
/// it looks like.
fn seal_personal(
    text: &str,
    salts: &mut Salts,
) -> Result<(String, Vec<Disclosed>), serde_json::Error> {
    let (mut body, mut disclosed) = (
        String::with_capacity(text.len() + PERSONAL_GROWS),
        Vec::new(),
    );
    let mut rest = text;
    while let Some((before, value)) = rest.split_once(PERSONAL) {
        body.push_str(before);
        rest = value;
        let end = string_end(value);
        match value.split_at_checked(end) {
            // Its only member: an object with more of them is somebody's own.
            Some((literal, after)) if after.starts_with('}') => {
                let entry =
                    Disclosed::new(serde_json::from_str(&format!("\"{literal}"))?, salts.next());
                body.push_str("{\"digest\":\"");
                body.push_str(&entry.digest);
                body.push('"');
                disclosed.push(entry);
                rest = after;
            }
            _ => body.push_str(PERSONAL),
        }
    }
    body.push_str(rest);
    Ok((body, disclosed))
}

/// Where the text after a JSON string begins; the string's own quotation mark is before `text`.
fn string_end(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    text.len()
}

const PERSONAL: &str = "{\"personal\":\"";

/// A digest is longer than most addresses and names; there are about three in a record.
const PERSONAL_GROWS: usize = 256;

/// Random salts, each used once. They are drawn several at a time: a draw costs more than what it yields.
struct Salts(std::array::IntoIter<[u8; SALT], USUAL_SALTS>);

impl Salts {
    fn draw() -> Self {
        let mut drawn = [[0; SALT]; USUAL_SALTS];
        random::fill(drawn.as_flattened_mut());
        Self(drawn.into_iter())
    }

    fn next(&mut self) -> [u8; SALT] {
        loop {
            match self.0.next() {
                Some(salt) => return salt,
                None => *self = Self::draw(),
            }
        }
    }
}

const SALT: usize = 16;

/// That of a record, and those of three personal values: most have no more.
const USUAL_SALTS: usize = 4;

impl Disclosed {
    fn new(value: String, salt: [u8; SALT]) -> Self {
        let digest = hex::encode(digest::sha256_of(&[&salt, value.as_bytes()]));
        Self {
            digest,
            salt: hex::encode(salt),
            value,
        }
    }

    /// Whether salt and value give the digest that stands in the record.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        hex::decode(&self.salt).is_ok_and(|salt| {
            hex::encode(digest::sha256_of(&[&salt, self.value.as_bytes()])) == self.digest
        })
    }
}

/// Reads a record, with the personal values that are still disclosed in their places.
///
/// # Errors
/// When the bytes are no record.
pub fn read(body: &str, disclosed: Option<&str>) -> Result<Evidence, serde_json::Error> {
    let mut value: Value = serde_json::from_str(body)?;
    if let Some(disclosed) = disclosed {
        let disclosed: Vec<Disclosed> = serde_json::from_str(disclosed)?;
        disclose(&mut value, &disclosed);
    }
    serde_json::from_value(value)
}

fn disclose(value: &mut Value, disclosed: &[Disclosed]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| disclose(item, disclosed)),
        Value::Object(members) => {
            let known = (members.len() == 1)
                .then(|| members.get("digest").and_then(Value::as_str))
                .flatten()
                .and_then(|digest| {
                    disclosed
                        .iter()
                        .find(|entry| entry.digest == digest && entry.is_genuine())
                });
            if let Some(entry) = known {
                members.clear();
                members.insert("personal".to_owned(), Value::String(entry.value.clone()));
            } else {
                members
                    .values_mut()
                    .for_each(|member| disclose(member, disclosed));
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sealed(value: &Value) -> (Value, Vec<Disclosed>) {
        let (body, disclosed) = seal_personal(&value.to_string(), &mut Salts::draw()).unwrap();
        (serde_json::from_str(&body).unwrap(), disclosed)
    }

    #[test]
    fn every_personal_value_is_a_digest_and_comes_back() {
        for text in [
            "dana@example.com",
            "",
            "a\"b",
            "back\\",
            "\\\"}",
            "\u{1f600}\n",
            "{\"personal\":\"x\"}",
        ] {
            let value = json!({ "a": { "personal": text }, "b": [{ "personal": "other" }, 7], "personal": "not alone" });
            let (mut body, disclosed) = sealed(&value);
            assert_eq!(disclosed.len(), 2, "{text}");
            assert_eq!(
                disclosed.first().map(|entry| entry.value.as_str()),
                Some(text)
            );
            assert!(disclosed.iter().all(Disclosed::is_genuine));
            assert_eq!(
                body.pointer("/a/digest").and_then(Value::as_str),
                disclosed.first().map(|entry| entry.digest.as_str())
            );
            disclose(&mut body, &disclosed);
            assert_eq!(body, value);
        }
    }

    #[test]
    fn text_that_looks_like_a_personal_value_stays() {
        for value in [
            json!("{\"personal\":\"x\"}"),
            json!({ "personal": "x", "more": 1 }),
            json!({ "personal": 7 }),
            json!({ "personal": { "personal": 7 } }),
            json!(["{\"personal\":", "\"x\"}"]),
        ] {
            assert_eq!(sealed(&value), (value.clone(), Vec::new()));
        }
    }
}
