//! Applying a manifest: every step of its plan in one transaction, through the same rules as single edits.

use countersign_model::{
    Id,
    action::ActionSet,
    id,
    permission::Person,
    reason::Reason,
    registry::{CredentialDoc, CredentialSecret, Doc, IdentityDoc, Noun, Record, Status},
    trust::TrustRule,
};

use super::{
    actions, audiences,
    credentials::{self, Adding},
    environments,
    guarding::ChangeOutcome,
    identities,
    issuers::{self, IssuerRules},
    packs, policies, projects, rights, scopes, teams,
};
use crate::{
    command::{Command, NewRecord, Verdict, WriteTx},
    manifest::{self, Step},
    rejection::{Rejection, refuse},
};

/// How many steps one transaction takes: a longer plan is applied in parts, in order.
pub const MAX_STEPS: usize = 200;

/// Applies the steps of a plan: all of them, or none.
#[derive(Debug, Clone)]
pub struct ApplyManifest {
    /// The steps, in the order of the plan.
    pub steps: Vec<Step>,
    /// What issuers are checked against.
    pub rules: IssuerRules,
    /// Why.
    pub reason: Option<String>,
}

/// What became of one step.
#[derive(Debug, Clone)]
pub struct AppliedStep {
    /// What it is.
    pub noun: Noun,
    /// Its name.
    pub name: String,
    /// What was done.
    pub verb: manifest::Verb,
    /// The record.
    pub record_id: Id<id::Record>,
    /// What waits for a second person.
    pub approvals: Vec<Id<id::Approval>>,
    /// Whether it loosened a guard and nobody else could have countersigned it.
    pub changed_alone: bool,
    /// What has to wait for these approvals: apply the manifest again after them.
    pub deferred: Vec<String>,
}

impl Command for ApplyManifest {
    type Output = Vec<AppliedStep>;

    const NAME: &'static str = "manifest apply";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Vec<AppliedStep>>, Rejection> {
        let person = rights::editor(tx)?;
        if self.steps.len() > MAX_STEPS {
            return refuse(
                Reason::BadRequest,
                format!("one apply takes at most {MAX_STEPS} documents that change"),
            );
        }
        let mut applied = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let one = self
                .step(tx, &person, step)
                .map_err(|rejection| placed(rejection, step))?;
            applied.push(one);
        }
        Ok(Verdict::Done(applied))
    }
}

/// A refusal says which document it is about.
fn placed(rejection: Rejection, step: &Step) -> Rejection {
    match rejection {
        Rejection::Refused(mut refusal) => {
            let noun = step.noun.as_str().replace('_', " ");
            refusal.detail = format!(
                "{}:{}: {noun} `{}`: {}",
                step.file, step.line, step.name, refusal.detail
            );
            Rejection::Refused(refusal)
        }
        other @ (Rejection::Fault(_) | Rejection::Recorded(_)) => other,
    }
}

impl ApplyManifest {
    fn step(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        step: &Step,
    ) -> Result<AppliedStep, Rejection> {
        let mut applied = AppliedStep {
            noun: step.noun,
            name: step.name.clone(),
            verb: step.verb,
            record_id: step.record_id,
            approvals: Vec::new(),
            changed_alone: false,
            deferred: Vec::new(),
        };
        let outcome = match step.verb {
            manifest::Verb::Unchanged => return Ok(applied),
            manifest::Verb::Create => self.create(tx, person, step)?,
            manifest::Verb::Update => {
                let before = tx.get(step.record_id)?;
                rights::expect_version(&before, step.version)?;
                self.update(tx, person, &before, &step.doc)?
            }
        };
        applied.note(&outcome);
        if step.noun == Noun::Identity {
            self.trust(tx, person, step, outcome.record().clone(), &mut applied)?;
        }
        Ok(applied)
    }

    fn create(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        step: &Step,
    ) -> Result<ChangeOutcome, Rejection> {
        let id = Some(step.record_id);
        let record = match step.doc.clone() {
            Doc::Action(doc) => return actions::put_new(tx, person, id, doc),
            Doc::Audience(doc) => {
                audiences::not_ourselves(&doc.name, &self.rules.tenant_issuer)?;
                audiences::put_new(tx, person, id, doc)?
            }
            Doc::Environment(doc) => environments::put_new(tx, person, id, doc)?,
            Doc::Identity(doc) => return self.create_identity(tx, person, id, *doc),
            Doc::Issuer(doc) => {
                issuers::put_new(tx, person, id, Some(step.name.clone()), *doc, &self.rules)?
            }
            Doc::Pack(doc) => return packs::put_new(tx, person, id, *doc),
            Doc::Policy(doc) => policies::put_new(tx, person, id, doc)?,
            Doc::Project(doc) => projects::put_new(tx, person, id, doc)?,
            Doc::Scope(doc) => scopes::put_new(tx, person, id, doc)?,
            Doc::Team(doc) => teams::put_new(tx, person, id, doc)?,
            Doc::Credential(_)
            | Doc::Key(_)
            | Doc::LinkedAccount(_)
            | Doc::ObservedAccount(_)
            | Doc::Tenant(_)
            | Doc::User(_) => {
                return no_document();
            }
        };
        Ok(ChangeOutcome::Applied {
            record,
            changed_alone: false,
        })
    }

    /// Makes an identity. What a worker may only come to with a second person waits for one.
    fn create_identity(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        id: Option<Id<id::Record>>,
        doc: IdentityDoc,
    ) -> Result<ChangeOutcome, Rejection> {
        let claims: ActionSet = [identities::claims()?].into_iter().collect();
        let mut first = doc.clone();
        if packs::read_keys(tx, doc.project_id)? {
            first.allowed_actions = doc.allowed_actions.difference(&claims);
        }
        let waits = first.allowed_actions != doc.allowed_actions;
        let (record, _) = identities::put_new(tx, person, id, first)?;
        if waits {
            let edited = identities::put_edit(tx, person, &record, doc, self.reason.clone())?;
            return Ok(edited.outcome);
        }
        Ok(ChangeOutcome::Applied {
            record,
            changed_alone: false,
        })
    }

    fn update(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        before: &Record,
        doc: &Doc,
    ) -> Result<ChangeOutcome, Rejection> {
        let reason = self.reason.clone();
        match doc.clone() {
            Doc::Action(doc) => actions::put_edit(tx, person, before, doc, reason),
            Doc::Audience(doc) => audiences::put_edit(tx, person, before, doc, reason),
            Doc::Environment(doc) => environments::put_edit(tx, person, before, doc, reason),
            Doc::Identity(doc) => {
                Ok(identities::put_edit(tx, person, before, *doc, reason)?.outcome)
            }
            Doc::Issuer(doc) => issuers::put_edit(tx, person, before, *doc, reason, &self.rules),
            Doc::Pack(doc) => packs::put_edit(tx, person, before, *doc, reason),
            Doc::Policy(doc) => policies::put_edit(tx, person, before, doc, reason),
            Doc::Project(doc) => projects::put_edit(tx, person, before, doc, reason),
            Doc::Scope(doc) => scopes::put_edit(tx, person, before, doc, reason),
            Doc::Team(doc) => teams::put_edit(tx, person, before, doc, reason),
            Doc::Credential(_)
            | Doc::Key(_)
            | Doc::LinkedAccount(_)
            | Doc::ObservedAccount(_)
            | Doc::Tenant(_)
            | Doc::User(_) => no_document(),
        }
    }

    /// Adds the trust rules that are new. Those that are gone go only once nothing waits: a program
    /// must not lose its way in while people read.
    fn trust(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        step: &Step,
        identity: Record,
        applied: &mut AppliedStep,
    ) -> Result<(), Rejection> {
        for rule in &step.trust.add {
            let own = rights::doc(identity.identity())?;
            if !applied.approvals.is_empty()
                && rule
                    .environments
                    .iter()
                    .any(|name| !own.environments.contains(name))
            {
                applied
                    .deferred
                    .push("a trust rule for environments that wait for approval".to_owned());
                continue;
            }
            let outcome = self.add_rule(
                tx,
                person,
                &identity,
                rule,
                step.verb == manifest::Verb::Create,
            )?;
            applied.note(&outcome);
        }
        for credential in &step.trust.remove {
            let record = tx.get(*credential)?;
            if !applied.approvals.is_empty() {
                applied
                    .deferred
                    .push(format!("revoking trust rule `{}`", record.name));
            } else if record.status != Status::Deleted {
                rights::manages(tx, person, &identity)?;
                credentials::bury(tx, &record, Some("the manifest no longer has it"))?;
            }
        }
        Ok(())
    }

    fn add_rule(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        identity: &Record,
        rule: &TrustRule,
        being_made: bool,
    ) -> Result<ChangeOutcome, Rejection> {
        let doc = CredentialDoc {
            identity_id: identity.id.cast(),
            label: String::new(),
            secret: CredentialSecret::TrustRule(rule.clone()),
            created_by: Some(person.user_id),
            expires_at: None,
            revoked_because: None,
        };
        let name = credentials::public_id("trust");
        let new = NewRecord {
            id: None,
            name,
            parent_id: Some(identity.id),
            doc: doc.into(),
        };
        let adding = Adding {
            reason: self.reason.clone(),
            retires: None,
            being_made,
        };
        Ok(credentials::put_new(tx, person, identity, new, adding)?.outcome)
    }
}

impl AppliedStep {
    fn note(&mut self, outcome: &ChangeOutcome) {
        self.approvals.extend(outcome.approval_id());
        self.changed_alone |= outcome.changed_alone();
    }
}

fn no_document<T>() -> Result<T, Rejection> {
    refuse(
        Reason::BadRequest,
        "a manifest has no documents of this noun",
    )
}
