//! Erasing what is personal in a record, as evidence: the record, its proofs and checkpoints stay.

use countersign_model::{
    Id,
    evidence::{Erased, Event, Role},
    id,
    reason::{Reason, Refusal},
    registry::TenantRole,
};
use countersign_store::evidence;

use super::{seal::Disclosed, seal::refer};
use crate::{
    command::{Command, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

/// Erases personal values of a record.
pub struct Erase {
    /// The record.
    pub record: Id<id::Evidence>,
    /// The digests of the values; all of the record when empty.
    pub digests: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What was erased.
#[derive(Debug)]
pub struct ErasedFields {
    /// How many values went.
    pub fields: u32,
    /// The record of the erasure.
    pub evidence: Id<id::Evidence>,
}

impl Command for Erase {
    type Output = ErasedFields;

    const NAME: &'static str = "evidence erase";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ErasedFields>, Rejection> {
        if tx.acting_person()?.role != TenantRole::Owner {
            return refuse(
                Reason::Forbidden,
                "only an owner of the tenant can erase personal values",
            );
        }
        let tenant = tx.tenant_id();
        let found = evidence::by_id(tx.peek(), self.record)?.filter(|row| row.tenant_id == tenant);
        let Some(row) = found else {
            return Err(Refusal::new(
                Reason::NotFound,
                format!("there is no record {}", self.record),
            )
            .into());
        };
        let disclosed: Vec<Disclosed> = row
            .disclosed
            .as_deref()
            .map(serde_json::from_str)
            .transpose()?
            .unwrap_or_default();
        let goes =
            |entry: &Disclosed| self.digests.is_empty() || self.digests.contains(&entry.digest);
        let fields =
            u32::try_from(disclosed.iter().filter(|entry| goes(entry)).count()).unwrap_or(u32::MAX);
        if fields == 0 {
            return refuse(
                Reason::NotFound,
                "the record discloses no such value; it may be erased already",
            );
        }
        let rest: Vec<&Disclosed> = disclosed.iter().filter(|entry| !goes(entry)).collect();
        let rest = if rest.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&rest)?)
        };
        evidence::disclose(tx.rows(), self.record, rest.as_deref())?;
        let event = Event::Erased(Erased {
            record: self.record,
            fields,
            reason: self.reason.clone(),
        });
        let draft = tx
            .draft(event)
            .refs([refer(Role::Target, self.record, None)])
            .parents([self.record]);
        let evidence = tx.evidence(draft)?;
        Ok(Verdict::Done(ErasedFields { fields, evidence }))
    }
}
