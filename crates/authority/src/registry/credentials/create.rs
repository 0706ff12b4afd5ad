//! Making a credential.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{
    Id, Timestamp, id,
    name::EnvironmentName,
    permission::Person,
    reason::Reason,
    registry::{CredentialDoc, CredentialSecret, Doc, Noun, Record, Status},
    trust::Accepted,
};

use super::{
    CreatedCredential, MOST_KEPT, MOST_LIVE, NewSecret, certificates, fits, live, undeleted, void,
    warnings,
};
use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    loosening::{self, Loosening},
    registry::{
        approvers::{self, Asking},
        guarding::{self, ChangeOutcome, Edit, Retire, Verb},
        rights,
    },
    rejection::{Fault, Rejection, refuse},
};

/// Adds a credential to an identity.
#[derive(Debug, Clone)]
pub struct CreateCredential {
    /// The identity, by id or name.
    pub identity: String,
    /// What people call it.
    pub label: String,
    /// What proves the identity.
    pub secret: NewSecret,
    /// When it ends; never when absent, until it is rotated.
    pub expires_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

/// A trust rule, by name.
#[derive(Debug, Clone)]
pub struct TrustInput {
    /// The issuer, by id or URL.
    pub issuer: String,
    /// The environments that a match may yield.
    pub environments: Vec<EnvironmentName>,
    /// Claims and what each may be.
    pub matches: BTreeMap<String, Accepted>,
}

impl Command for CreateCredential {
    type Output = CreatedCredential;

    const NAME: &'static str = "credential create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<CreatedCredential>, Rejection> {
        let person = rights::editor(tx)?;
        let (identity, _) = rights::managed(tx, &person, &self.identity)?;
        let (name, secret) = self.secret.resolve(tx)?;
        let doc = CredentialDoc {
            identity_id: identity.id.cast(),
            label: self.label.clone(),
            expires_at: certificates::ends(&secret, self.expires_at),
            secret,
            created_by: Some(person.user_id),
            revoked_because: None,
        };
        let new = NewRecord {
            id: None,
            name,
            parent_id: Some(identity.id),
            doc: doc.into(),
        };
        let adding = Adding {
            reason: self.reason.clone(),
            retires: None,
            being_made: false,
        };
        put_new(tx, &person, &identity, new, adding).map(Verdict::Done)
    }
}

/// How a credential comes.
pub(crate) struct Adding {
    /// Why.
    pub(crate) reason: Option<String>,
    /// The one that it replaces.
    pub(crate) retires: Option<Retire>,
    /// Whether the identity is made in the same transaction.
    pub(crate) being_made: bool,
}

/// Makes a credential of a document, after every check; on a guarded identity it waits.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
    new: NewRecord,
    adding: Adding,
) -> Result<CreatedCredential, Rejection> {
    let Adding {
        reason,
        retires,
        being_made,
    } = adding;
    rights::manages(tx, person, identity)?;
    let Doc::Credential(doc) = &new.doc else {
        return Err(Fault::Invariant("a credential of another noun".to_owned()).into());
    };
    fits(tx, identity, doc)?;
    let warnings = warnings(tx, doc)?;
    room(tx, identity)?;
    let loosens = if being_made {
        BTreeSet::new()
    } else {
        loosens(tx, person, identity, doc)?
    };
    let mut asks = Asking::of(identity);
    if !loosens.is_empty() && rights::is_directory(tx, identity.id)? {
        rights::must_own_directory(person)?;
        asks = Asking::default();
    }
    let outcome = if loosens.is_empty() || !approvers::somebody_else(tx, person, asks)? {
        let changed_alone = !loosens.is_empty();
        let change = Change {
            verb: "created",
            reason: reason.clone(),
            changed_alone,
        };
        let record = tx.create(new, &change)?;
        void(tx, identity)?;
        if let Some(retire) = retires {
            super::retire(tx, retire, reason)?;
        }
        ChangeOutcome::Applied {
            record,
            changed_alone,
        }
    } else {
        let created = tx.create(new, &Change::verb("created").because(reason.clone()))?;
        let off = Record {
            status: Status::Disabled,
            ..created.clone()
        };
        let waits =
            Change::verb("disabled").because(Some("it waits for a second person".to_owned()));
        let before = tx.replace(&created, off, &waits)?;
        let after = Record {
            status: Status::Active,
            ..before.clone()
        };
        let edit = Edit {
            person,
            before: &before,
            after,
            verb: Verb::Enabled,
            reason,
            loosens,
            asks,
            retires,
        };
        guarding::settle(tx, edit)?
    };
    Ok(CreatedCredential {
        identity: identity.clone(),
        outcome,
        warnings,
    })
}

fn room(tx: &mut WriteTx<'_, '_>, identity: &Record) -> Result<(), Rejection> {
    let id: Id<id::Identity> = identity.id.cast();
    if live(tx, id)?.len() >= MOST_LIVE {
        let detail = format!(
            "`{}` has {MOST_LIVE} live credentials already: revoke one first",
            identity.name
        );
        return refuse(Reason::Unprocessable, detail);
    }
    if undeleted(tx, id)?.len() >= MOST_KEPT {
        let detail = format!(
            "`{}` has {MOST_KEPT} credentials that ended: revoke some first",
            identity.name
        );
        return refuse(Reason::Unprocessable, detail);
    }
    Ok(())
}

/// What the new credential loosens. The first one of an identity, by who made the identity, is part
/// of making it and loosens nothing; of the company's directory none is.
fn loosens(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
    doc: &CredentialDoc,
) -> Result<BTreeSet<Loosening>, Rejection> {
    let own = rights::doc(identity.identity())?;
    let all = tx.children(Noun::Credential, identity.id)?;
    let directory = rights::is_directory(tx, identity.id)?;
    if all.is_empty() && own.created_by == person.user_id && !directory {
        return Ok(BTreeSet::new());
    }
    let protected = rights::protected(tx)?;
    Ok(match &doc.secret {
        CredentialSecret::TrustRule(rule) => {
            let rules: Vec<_> = all
                .iter()
                .filter(|record| record.status == Status::Active)
                .filter_map(|record| match &record.credential()?.secret {
                    CredentialSecret::TrustRule(rule) => Some(rule.clone()),
                    CredentialSecret::ApiKey { .. }
                    | CredentialSecret::ClientSecret { .. }
                    | CredentialSecret::PublicKey { .. }
                    | CredentialSecret::SelfSignedTlsClientAuth { .. }
                    | CredentialSecret::TlsClientAuth { .. } => None,
                })
                .collect();
            let more = std::slice::from_ref(rule);
            if directory {
                loosening::of_guarded_trust(&rules, more)
            } else {
                loosening::of_trust(own, &rules, more, &protected)
            }
        }
        CredentialSecret::ApiKey { .. }
        | CredentialSecret::ClientSecret { .. }
        | CredentialSecret::PublicKey { .. }
        | CredentialSecret::SelfSignedTlsClientAuth { .. }
        | CredentialSecret::TlsClientAuth { .. } => {
            let guarded = directory || loosening::is_guarded(own, &protected);
            guarded
                .then_some(Loosening::CredentialAdded)
                .into_iter()
                .collect()
        }
    })
}
