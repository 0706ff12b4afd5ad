//! The transaction of a command: what it reads, and what it writes with its evidence.

use countersign_model::{
    Id, Timestamp,
    evidence::{Changed, Event, Grain, REASON_CHARS, Reference, Revoked, Role},
    id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Doc, Noun, Record, Relation, Status},
};
use countersign_store::{Tx, changes, evidence, records, revocations};

use super::{
    Change, NewRecord, Permit,
    difference::{changed, difference},
};
use crate::{
    ctx::Ctx,
    evidence::seal::{Draft, refer},
    people,
    rejection::Rejection,
    revoked::RevokedSet,
    rows,
};

/// The transaction of one command.
pub struct WriteTx<'t, 'c> {
    pub(super) tx: &'t mut Tx<'c>,
    pub(super) ctx: &'t Ctx,
    pub(super) permit: &'t Permit,
    pub(super) effects: Effects,
    /// What each record of it refers to besides.
    pub(super) also: Vec<Reference>,
}

/// What a command did, for the memory of this replica.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) changed: Vec<(Id<id::Tenant>, Noun, Id<id::Record>)>,
    pub(crate) revoked: Vec<Revocation>,
    pub(crate) evidence: u32,
    pub(super) wrote: bool,
}

/// A revocation by id, as memory keeps it.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// At which grain.
    pub grain: Grain,
    /// What.
    pub target: String,
    /// The generation below which tokens are dead, for grains that have one.
    pub generation: Option<i64>,
    /// Until when it must be kept.
    pub until: Timestamp,
}

impl<'t, 'c> WriteTx<'t, 'c> {
    /// The context.
    #[must_use]
    pub const fn ctx(&self) -> &'t Ctx {
        self.ctx
    }

    /// Now.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.ctx.now
    }

    /// Who acts.
    #[must_use]
    pub const fn permit(&self) -> &'t Permit {
        self.permit
    }

    /// The tenant.
    #[must_use]
    pub const fn tenant_id(&self) -> Id<id::Tenant> {
        self.permit.tenant_id
    }

    /// The rows, for what is not a record of the registry. Who writes here also calls [`Self::evidence`].
    pub(crate) fn rows(&mut self) -> &mut Tx<'c> {
        self.effects.wrote = true;
        self.tx
    }

    /// The rows, to read.
    pub(crate) fn peek(&mut self) -> &mut Tx<'c> {
        self.tx
    }

    /// The record with this id.
    ///
    /// # Errors
    /// `not_found` when there is none in this tenant, or a fault.
    pub fn get<K: id::Kind>(&mut self, record: Id<K>) -> Result<Record, Rejection> {
        let found = rows::by_id(self.tx, self.permit.tenant_id, record.cast())?;
        found.ok_or_else(|| {
            Refusal::new(
                Reason::NotFound,
                format!("there is no {} {record}", K::NOUN),
            )
            .into()
        })
    }

    /// The record that a name finds, dead ones included.
    ///
    /// # Errors
    /// A fault.
    pub fn find(&mut self, noun: Noun, name: &str) -> Result<Option<Record>, Rejection> {
        Ok(records::by_alias(
            self.tx,
            self.permit.tenant_id,
            noun,
            name,
        )?)
    }

    /// The living record of an id or name, as callers write it.
    ///
    /// # Errors
    /// `not_found` when there is none, or a fault.
    pub fn locate(&mut self, noun: Noun, id_or_name: &str) -> Result<Record, Rejection> {
        let by_id = match id_or_name.parse::<Id<id::Record>>() {
            Ok(id) => rows::by_id(self.tx, self.permit.tenant_id, id)?,
            Err(_) => None,
        };
        let found = match by_id {
            Some(record) => Some(record),
            None => self.find(noun, id_or_name)?,
        };
        found
            .filter(|record| record.noun == noun && record.status != Status::Deleted)
            .ok_or_else(|| {
                let shown: String = id_or_name
                    .chars()
                    .take(128)
                    .flat_map(char::escape_debug)
                    .collect();
                Refusal::new(
                    Reason::NotFound,
                    format!("there is no {} `{shown}`", noun.as_str().replace('_', " ")),
                )
                .into()
            })
    }

    /// All living records of a noun.
    ///
    /// # Errors
    /// A fault.
    pub fn all(&mut self, noun: Noun) -> Result<Vec<Record>, Rejection> {
        Ok(rows::all(self.tx, self.permit.tenant_id, noun)?)
    }

    /// Those of the living records of a noun that are wanted, however many there are beside them.
    ///
    /// # Errors
    /// A fault, also when more than ten thousand are wanted.
    pub fn matching(
        &mut self,
        noun: Noun,
        wanted: impl FnMut(&Record) -> bool,
    ) -> Result<Vec<Record>, Rejection> {
        Ok(rows::matching(
            self.tx,
            self.permit.tenant_id,
            noun,
            wanted,
        )?)
    }

    /// The records of a noun under a record, dead ones included.
    ///
    /// # Errors
    /// A fault.
    pub fn children<K: id::Kind>(
        &mut self,
        noun: Noun,
        parent: Id<K>,
    ) -> Result<Vec<Record>, Rejection> {
        Ok(rows::children(
            self.tx,
            self.permit.tenant_id,
            noun,
            parent.cast(),
        )?)
    }

    /// The records that relate to a record.
    ///
    /// # Errors
    /// A fault.
    pub fn linked_to<K: id::Kind>(
        &mut self,
        relation: Relation,
        target: Id<K>,
    ) -> Result<Vec<Record>, Rejection> {
        Ok(rows::linked_to(
            self.tx,
            self.permit.tenant_id,
            relation,
            target.cast(),
        )?)
    }

    /// What decides about the rights of a person.
    ///
    /// # Errors
    /// `forbidden` when the person is not an active user, or a fault.
    pub fn person(&mut self, user: Id<id::User>) -> Result<Person, Rejection> {
        people::person(self.tx, self.permit.tenant_id, user)
    }

    /// The rights of the person who acts.
    ///
    /// # Errors
    /// `forbidden` when it is not a person, or not an active one, or a fault.
    pub fn acting_person(&mut self) -> Result<Person, Rejection> {
        let user = self.permit.user()?;
        self.person(user)
    }

    /// Makes a record, with its evidence.
    ///
    /// # Errors
    /// `name_taken` when the name or an alias is or was in use, or a fault.
    pub fn create(&mut self, new: NewRecord, change: &Change) -> Result<Record, Rejection> {
        let record = Record {
            id: new.id.unwrap_or_else(|| self.ctx.id()),
            tenant_id: self.permit.tenant_id,
            noun: new.doc.noun(),
            name: new.name,
            parent_id: new.parent_id,
            version: 1,
            epoch: 0,
            status: Status::Active,
            created_at: self.ctx.now,
            updated_at: self.ctx.now,
            doc: new.doc,
        };
        rows::insert(self.tx, &record)?;
        self.record_change(&record, None, change)?;
        Ok(record)
    }

    /// Writes a new document and version, with its evidence.
    ///
    /// # Errors
    /// `conflict` when somebody else changed the record meanwhile, or a fault.
    pub fn update(
        &mut self,
        before: &Record,
        doc: Doc,
        change: &Change,
    ) -> Result<Record, Rejection> {
        self.replace(
            before,
            Record {
                doc,
                ..before.clone()
            },
            change,
        )
    }

    /// Writes a new document, name, status or epoch, with its evidence.
    ///
    /// # Errors
    /// `conflict` when somebody else changed the record meanwhile, or a fault.
    pub fn replace(
        &mut self,
        before: &Record,
        mut after: Record,
        change: &Change,
    ) -> Result<Record, Rejection> {
        rows::update(self.tx, before, &mut after, self.ctx.now)?;
        self.record_change(&after, Some(before), change)?;
        if after.epoch > before.epoch {
            self.announce_epoch(&after)?;
        }
        Ok(after)
    }

    /// Writes what nobody decides on, with its evidence. The version stays, so that what people countersigned
    /// about the record still holds.
    ///
    /// # Errors
    /// `conflict` when somebody else changed the record meanwhile, or a fault.
    pub(crate) fn note(
        &mut self,
        before: &Record,
        mut after: Record,
        change: &Change,
    ) -> Result<Record, Rejection> {
        rows::note(self.tx, &mut after, self.ctx.now)?;
        self.record_change(&after, Some(before), change)?;
        Ok(after)
    }

    /// Records evidence: the actor, and the caller's references and event.
    ///
    /// # Errors
    /// `unprocessable` when the reason that somebody gave is too long, or a fault.
    pub fn evidence(&mut self, mut draft: Draft) -> Result<Id<id::Evidence>, Rejection> {
        let given = draft.event.reason().map_or(0, |text| text.chars().count());
        if given > REASON_CHARS {
            return Err(Refusal::new(
                Reason::Unprocessable,
                format!("a reason has at most {REASON_CHARS} characters, and this one {given}: shorten it, and link to the rest"),
            )
            .into());
        }
        self.permit.sign(&mut draft);
        draft.refs.extend(self.also.iter().cloned());
        let sealed = draft.seal(self.ctx, self.permit.tenant_id)?;
        evidence::insert(self.tx, &sealed.row)?;
        self.effects.evidence += 1;
        Ok(sealed.id)
    }

    /// Does what somebody else asked for earlier, in the story of their request: the records say that it was they, and refer to
    /// these besides.
    pub(crate) fn in_story<R>(
        &mut self,
        permit: &Permit,
        also: Vec<Reference>,
        work: impl FnOnce(&mut WriteTx<'_, 'c>) -> Result<R, Rejection>,
    ) -> Result<R, Rejection> {
        let mut inner = WriteTx {
            tx: self.tx,
            ctx: self.ctx,
            permit,
            effects: std::mem::take(&mut self.effects),
            also,
        };
        let done = work(&mut inner);
        self.effects = inner.effects;
        done
    }

    /// Counts a record that was written by who issues a token.
    pub(crate) const fn issued(&mut self) {
        self.effects.evidence += 1;
    }

    /// A draft of this story.
    #[must_use]
    pub fn draft(&self, event: Event) -> Draft {
        Draft::new(self.permit.txn, event)
    }

    /// Revokes by id or generation, with its evidence, which says whose it was.
    ///
    /// # Errors
    /// A fault.
    pub fn revoke(
        &mut self,
        revocation: Revocation,
        whose: Option<Reference>,
        reason: &str,
    ) -> Result<Id<id::Evidence>, Rejection> {
        let event = Event::Revoked(Revoked {
            grain: revocation.grain,
            target: revocation.target.clone(),
            reason: reason.to_owned(),
        });
        let mut refs = match revocation.grain {
            Grain::Run => vec![refer(Role::Run, &revocation.target, None)],
            Grain::Token => vec![refer(Role::Token, &revocation.target, None)],
            Grain::Identity => vec![refer(Role::Identity, &revocation.target, None)],
            Grain::Chain => vec![refer(Role::Chain, &revocation.target, None)],
            Grain::Credential
            | Grain::Issuer
            | Grain::Project
            | Grain::Tenant
            | Grain::TrustRule => {
                vec![refer(Role::Target, &revocation.target, None)]
            }
        };
        refs.extend(whose);
        let evidence = self.evidence(self.draft(event).refs(refs))?;
        self.insert_revocation(revocation, reason)?;
        Ok(evidence)
    }

    /// Tells every replica that the tenant's keys changed.
    pub(crate) fn announce_keys(&mut self) -> Result<(), Rejection> {
        let tenant = self.permit.tenant_id;
        changes::append(self.tx, tenant, Noun::Tenant, tenant.cast(), self.ctx.now)?;
        self.effects.wrote = true;
        self.effects
            .changed
            .push((tenant, Noun::Tenant, tenant.cast()));
        Ok(())
    }

    fn announce_epoch(&mut self, record: &Record) -> Result<(), Rejection> {
        let grain = match record.noun {
            Noun::Credential => Grain::Credential,
            Noun::Identity | Noun::User => Grain::Identity,
            Noun::Project => Grain::Project,
            Noun::Tenant => Grain::Tenant,
            Noun::Action
            | Noun::Audience
            | Noun::Environment
            | Noun::Issuer
            | Noun::Key
            | Noun::LinkedAccount
            | Noun::ObservedAccount
            | Noun::Pack
            | Noun::Policy
            | Noun::Scope
            | Noun::Team => return Ok(()),
        };
        let revocation = Revocation {
            tenant_id: record.tenant_id,
            grain,
            target: record.id.to_string(),
            generation: Some(record.epoch),
            until: RevokedSet::until(self.ctx.now),
        };
        // Its evidence is the change of the record itself.
        self.insert_revocation(revocation, record.status.as_str())
    }

    /// Inserts a revocation whose evidence is the record that the caller writes.
    pub(crate) fn insert_revocation(
        &mut self,
        revocation: Revocation,
        reason: &str,
    ) -> Result<(), Rejection> {
        let by = self.permit.user().ok();
        let row = revocations::Revocation {
            tenant_id: revocation.tenant_id,
            grain: revocation.grain,
            target: revocation.target.clone(),
            epoch: revocation.generation,
            until_at: revocation.until,
            reason: reason.to_owned(),
            by_user: by,
            at: self.ctx.now,
        };
        revocations::insert(self.tx, &row)?;
        self.effects.wrote = true;
        self.effects.revoked.push(revocation);
        Ok(())
    }

    fn record_change(
        &mut self,
        after: &Record,
        before: Option<&Record>,
        change: &Change,
    ) -> Result<(), Rejection> {
        self.effects.wrote = true;
        self.effects
            .changed
            .push((after.tenant_id, after.noun, after.id));
        let event = Event::Changed(Changed {
            noun: after.noun,
            verb: change.verb.to_owned(),
            version: after.version,
            changes: difference(before, after)?,
            reason: change.reason.clone(),
            changed_alone: change.changed_alone,
        });
        let mut draft = self.draft(event);
        draft.refs = changed(after);
        self.evidence(draft)?;
        Ok(())
    }
}
