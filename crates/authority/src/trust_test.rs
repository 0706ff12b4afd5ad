//! `trust test`: what an identity trusts, and what a refused attempt claimed, for who manages it.

use countersign_model::{
    Id, Timestamp, id,
    name::EnvironmentName,
    reason::{Reason, Refusal},
    registry::{CredentialSecret, Noun, Record, Status, TenantRole},
    trust::TrustRule,
};
use countersign_store::{Tx, attempts};

use crate::{
    attempts::Attempt,
    command::Permit,
    registry::{reading, rights},
    rejection::{Fault, Rejection, refuse},
    rows,
};

/// Everything that an explanation is made of, but for the issuers' keys.
#[derive(Debug, Clone)]
pub struct TrustCase {
    /// The identity.
    pub identity: Record,
    /// Its living trust rules.
    pub rules: Vec<(Record, TrustRule)>,
    /// The issuers that they name.
    pub issuers: Vec<Record>,
    /// The environments that are protected.
    pub protected: Vec<EnvironmentName>,
    /// The refused attempt, and when it was made.
    pub attempt: Option<(Attempt, Timestamp)>,
}

/// Gathers the case of an identity, or of a refused attempt.
///
/// # Errors
/// `not_found` when there is no such identity or attempt for this person, or a fault.
pub fn gather(
    tx: &mut Tx<'_>,
    permit: &Permit,
    identity: Option<&str>,
    attempt: Option<Id<id::Evidence>>,
) -> Result<TrustCase, Rejection> {
    let attempt = attempt.map(|id| find(tx, permit, id)).transpose()?;
    let named = match (
        identity,
        attempt.as_ref().and_then(|(_, _, identity)| *identity),
    ) {
        (Some(text), _) => text.to_owned(),
        (None, Some(id)) => id.to_string(),
        (None, None) => {
            return refuse(
                Reason::BadRequest,
                "name the identity with `identity`, or the refused attempt with `attempt`",
            );
        }
    };
    let identity = managed(tx, permit, &named)?;
    let attempt = match attempt {
        Some((_, _, of)) if of != Some(identity.id.cast()) => {
            return refuse(Reason::NotFound, "the attempt was at another identity");
        }
        Some((attempt, at, _)) => Some((attempt, at)),
        None => None,
    };
    let (mut rules, mut issuers) = (Vec::new(), Vec::<Record>::new());
    for credential in rows::children(tx, permit.tenant_id(), Noun::Credential, identity.id)? {
        let rule = match credential.credential().map(|doc| &doc.secret) {
            Some(CredentialSecret::TrustRule(rule)) if credential.status == Status::Active => {
                rule.clone()
            }
            _ => continue,
        };
        if issuers
            .iter()
            .all(|known| known.id != rule.issuer_id.cast())
        {
            issuers.extend(rows::by_id(tx, permit.tenant_id(), rule.issuer_id.cast())?);
        }
        rules.push((credential, rule));
    }
    let environments = rows::all(tx, permit.tenant_id(), Noun::Environment)?;
    let protected = environments
        .iter()
        .filter_map(Record::environment)
        .filter(|doc| doc.protected);
    Ok(TrustCase {
        identity,
        rules,
        issuers,
        protected: protected.map(|doc| doc.name.clone()).collect(),
        attempt,
    })
}

fn managed(tx: &mut Tx<'_>, permit: &Permit, text: &str) -> Result<Record, Rejection> {
    let person = reading::reader(tx, permit)?;
    let identity = reading::visible_identity(tx, permit, &person, text)?;
    let doc = rights::doc(identity.identity())?;
    let project = rows::by_id(tx, permit.tenant_id(), doc.project_id.cast())?;
    let manages = project
        .as_ref()
        .and_then(Record::project)
        .is_some_and(|project| person.manages(doc, project));
    if !manages || person.role == TenantRole::Auditor {
        return refuse(
            Reason::Forbidden,
            format!("only who manages `{}` tests what it trusts", doc.name),
        );
    }
    Ok(identity)
}

fn find(
    tx: &mut Tx<'_>,
    permit: &Permit,
    id: Id<id::Evidence>,
) -> Result<(Attempt, Timestamp, Option<Id<id::Identity>>), Rejection> {
    // Attempts are listed below an id: the one wanted is the first below its successor.
    let next = u128::from_be_bytes(id.bytes()).saturating_add(1);
    let rows = attempts::list(
        tx,
        permit.tenant_id(),
        None,
        Some(Id::from_bytes(next.to_be_bytes())),
        1,
    )?;
    let missing = || {
        Refusal::new(
            Reason::NotFound,
            format!("there is no refused attempt {id}; they are kept for three days"),
        )
    };
    let row = rows
        .into_iter()
        .find(|row| row.id == id)
        .ok_or_else(missing)?;
    Ok((
        serde_json::from_str(&row.doc).map_err(Fault::from)?,
        row.at,
        row.identity_id,
    ))
}

/// A refused attempt, for the list.
#[derive(Debug, Clone)]
pub struct KeptAttempt {
    /// Its id.
    pub id: Id<id::Evidence>,
    /// When it was made.
    pub at: Timestamp,
    /// What is kept of it.
    pub attempt: Attempt,
}

/// The refused attempts at an identity, newest first, for who manages it.
///
/// # Errors
/// `not_found` or `forbidden` when that is not this person, or a fault.
pub fn refused(
    tx: &mut Tx<'_>,
    permit: &Permit,
    identity: &str,
    before: Option<Id<id::Evidence>>,
    limit: u32,
) -> Result<Vec<KeptAttempt>, Rejection> {
    let identity = managed(tx, permit, identity)?;
    let rows = attempts::list(
        tx,
        permit.tenant_id(),
        Some(identity.id.cast()),
        before,
        limit,
    )?;
    let read = |row: attempts::RefusedAttempt| {
        let attempt = serde_json::from_str(&row.doc).map_err(Fault::from)?;
        Ok(KeptAttempt {
            id: row.id,
            at: row.at,
            attempt,
        })
    };
    rows.into_iter().map(read).collect()
}
