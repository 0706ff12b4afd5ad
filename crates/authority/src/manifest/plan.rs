//! Planning: the steps from the registry as it is to the registry that the documents describe.

mod approvers;
mod change;
mod entries;
mod guards;

use std::{collections::BTreeSet, fmt};

use countersign_model::{
    Id, id,
    registry::{CredentialType, Doc, IdentityDoc, Noun},
    trust::TrustRule,
};
use serde::{Deserialize, Serialize};

use super::{
    Applying, Diagnostic, Document, Resolver, SourcedDocument,
    desired::{Desire, Entry},
};
use crate::loosening::{self, Loosening};

pub use change::FieldChange;
pub(super) use entries::rank;

/// What applying would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The steps, in an order in which each finds what it refers to.
    pub steps: Vec<Step>,
    /// What may be meant but should be looked at.
    pub warnings: Vec<Diagnostic>,
    /// Identities that stand at defaults where somebody should know better.
    pub incomplete: Vec<Incomplete>,
    /// Identities that need approval which nobody but the one who applies could ever give.
    pub nobody_can_approve: Vec<String>,
}

/// One record made, changed or left as it is.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What happens to it.
    pub verb: Verb,
    /// What it is.
    pub noun: Noun,
    /// Its name.
    pub name: String,
    /// What changes, field by field as documents name them.
    pub changes: Vec<FieldChange>,
    /// How that weakens what guards an identity; not empty: it takes a second person.
    pub loosens: BTreeSet<Loosening>,
    /// The file of its document.
    pub file: String,
    /// The line where its document begins.
    pub line: u64,
    /// Its id: one that it has, or the one that it gets. Other steps refer to it.
    #[serde(skip)]
    pub record_id: Id<id::Record>,
    /// The version that the step was planned on; absent when an earlier step makes the record.
    #[serde(skip)]
    pub version: Option<i64>,
    /// What it should be.
    #[serde(skip)]
    pub doc: Doc,
    /// What happens to the trust rules of an identity.
    #[serde(skip)]
    pub trust: TrustChange,
}

/// What happens to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It is made.
    Create,
    /// It stays as it is.
    Unchanged,
    /// It changes.
    Update,
}

/// What happens to the trust rules of an identity, each of which is a credential of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustChange {
    /// The rules that are new.
    pub add: Vec<TrustRule>,
    /// The credentials whose rules the document no longer has.
    pub remove: Vec<Id<id::Credential>>,
}

/// An identity and the fields of it that nobody stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// The identity.
    pub name: String,
    /// Its fields that stand at a default, as documents name them.
    pub fields: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError<S> {
    /// The documents cannot be applied: everything that is wrong with them.
    Invalid(Vec<Diagnostic>),
    /// The resolver stopped: something must be looked up first.
    Stopped(S),
}

impl Verb {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Unchanged => "unchanged",
            Self::Update => "update",
        }
    }
}

impl Plan {
    /// Whether applying would change anything.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.steps.iter().any(|step| step.verb != Verb::Unchanged)
    }
}

impl Step {
    /// Whether the step takes a second person.
    #[must_use]
    pub fn is_loosening(&self) -> bool {
        !self.loosens.is_empty()
    }
}

impl TrustChange {
    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl<S: fmt::Display> fmt::Display for PlanError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Stopped(stop) => stop.fmt(f),
        }
    }
}

/// Compares documents with the registry. Every new record gets an id of its own, so that documents
/// may refer to each other whatever their order.
///
/// # Errors
/// Everything that is wrong with the documents, or what the resolver must look up first.
pub fn plan<R: Resolver>(
    documents: &[SourcedDocument],
    resolver: &R,
    applying: &Applying<'_>,
    new_id: impl FnMut() -> Id<id::Record>,
) -> Result<Plan, PlanError<R::Stop>> {
    make(documents, resolver, applying, new_id)
        .map_err(PlanError::Stopped)?
        .map_err(PlanError::Invalid)
}

fn make<R: Resolver>(
    documents: &[SourcedDocument],
    resolver: &R,
    applying: &Applying<'_>,
    new_id: impl FnMut() -> Id<id::Record>,
) -> Result<Result<Plan, Vec<Diagnostic>>, R::Stop> {
    let (entries, mut desire) = entries::collect(documents, resolver, applying, new_id)?;
    let mut planned = Vec::with_capacity(entries.len());
    for entry in &entries {
        let Some(doc) = desire.doc(entry)? else {
            continue;
        };
        desire.docs.insert(entry.id, doc.clone());
        let trust = Trust::of(&mut desire, entry, &doc)?;
        planned.push(Planned { entry, doc, trust });
    }
    if !desire.errors.is_empty() {
        desire.errors.sort_by(|one, other| {
            (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column))
        });
        return Ok(Err(desire.errors));
    }

    let mut plan = Plan {
        steps: Vec::new(),
        warnings: Vec::new(),
        incomplete: Vec::new(),
        nobody_can_approve: Vec::new(),
    };
    let mut later = Vec::new();
    for one in &planned {
        let (first, second) = one.steps(&desire)?;
        plan.steps.push(first);
        later.extend(second);
        if let Doc::Identity(identity) = &one.doc {
            plan.incomplete.extend(incomplete(identity, &one.trust));
            if approvers::nobody_can_approve(&desire, identity)? {
                plan.nobody_can_approve.push(identity.name.to_string());
            }
        }
    }
    plan.steps.extend(later);
    plan.warnings = desire.warnings;
    Ok(Ok(plan))
}

/// A document, and what became of it.
struct Planned<'a> {
    entry: &'a Entry<'a>,
    doc: Doc,
    trust: Trust,
}

/// The trust rules of an identity before and after.
#[derive(Default)]
struct Trust {
    before: Vec<TrustRule>,
    after: Vec<TrustRule>,
    change: TrustChange,
}

impl Trust {
    fn of<R: Resolver>(
        desire: &mut Desire<'_, R>,
        entry: &Entry<'_>,
        doc: &Doc,
    ) -> Result<Self, R::Stop> {
        let (
            Doc::Identity(identity),
            Document::Identity(manifest) | Document::PipelineIdentity(manifest),
        ) = (doc, entry.document)
        else {
            return Ok(Self::default());
        };
        let current = match &entry.current {
            Some(record) => desire.resolver.trust_rules(record.id.cast())?,
            None => Vec::new(),
        };
        let before: Vec<_> = current.iter().map(|(_, rule)| rule.clone()).collect();
        let Some(stated) = &manifest.trust else {
            return Ok(Self {
                after: before.clone(),
                before,
                change: TrustChange::default(),
            });
        };
        let wanted = desire.trust(entry, identity, stated)?;
        let (kept, removed): (Vec<_>, Vec<_>) = current
            .into_iter()
            .partition(|(_, rule)| wanted.contains(rule));
        let add: Vec<_> = wanted
            .into_iter()
            .filter(|rule| !before.contains(rule))
            .collect();
        let after = kept
            .into_iter()
            .map(|(_, rule)| rule)
            .chain(add.iter().cloned())
            .collect();
        let remove = removed
            .into_iter()
            .map(|(credential, _)| credential)
            .collect();
        Ok(Self {
            before,
            after,
            change: TrustChange { add, remove },
        })
    }
}

impl Planned<'_> {
    /// The step of the document, and another one for what can only be said once identities exist.
    fn steps<R: Resolver>(&self, desire: &Desire<'_, R>) -> Result<(Step, Option<Step>), R::Stop> {
        let current = self.entry.current.as_ref().map(|record| &record.doc);
        let Some(first) = self.without_new_identities(desire) else {
            return Ok((self.step(desire, current, &self.doc)?, None));
        };
        let step = self.step(desire, current, &first)?;
        let mut second = self.step(desire, Some(&first), &self.doc)?;
        second.version = None;
        Ok((step, Some(second)))
    }

    /// An audience that is run by identities of the same documents is made without them: they refer
    /// to it, and it to them.
    fn without_new_identities<R: Resolver>(&self, desire: &Desire<'_, R>) -> Option<Doc> {
        let Doc::Audience(audience) = &self.doc else {
            return None;
        };
        let is_new = |id: &Id<id::Identity>| desire.is_new.contains(&id.cast());
        let mut first = audience.clone();
        first.served_by.retain(|id| !is_new(id));
        (first.served_by.len() < audience.served_by.len()).then(|| first.into())
    }

    fn step<R: Resolver>(
        &self,
        desire: &Desire<'_, R>,
        before: Option<&Doc>,
        after: &Doc,
    ) -> Result<Step, R::Stop> {
        let protected = desire.protected();
        let mut loosens = before
            .map(|before| loosening::of_doc(before, after, &protected))
            .unwrap_or_default();
        loosens.extend(match before {
            Some(before) => guards::loosened(desire, self.entry.id, before, after)?,
            None => guards::loosened_by_new(desire, after)?,
        });
        if let (Some(Doc::Identity(old)), Doc::Identity(identity)) = (before, after) {
            let (trusted, trusts) = (&self.trust.before, &self.trust.after);
            loosens.extend(loosening::of_trust(identity, trusted, trusts, &protected));
            if guards::is_directory(desire, self.entry.id)? {
                loosens.extend(loosening::of_guarded(old, identity));
                loosens.extend(loosening::of_guarded_trust(trusted, trusts));
            }
        }
        let verb = match before {
            None => Verb::Create,
            Some(before) if before == after && self.trust.change.is_empty() => Verb::Unchanged,
            Some(_) => Verb::Update,
        };
        let before = before.map(|doc| (doc, self.trust.before.as_slice()));
        let changes = match verb {
            Verb::Unchanged => Vec::new(),
            Verb::Create | Verb::Update => {
                change::between(desire, before, (after, &self.trust.after))?
            }
        };
        let place = self.entry.source.at(self.entry.place, String::new());
        Ok(Step {
            verb,
            noun: self.entry.noun,
            name: self.entry.name.clone(),
            changes,
            loosens,
            file: place.file,
            line: place.line,
            record_id: self.entry.id,
            version: self.entry.current.as_ref().map(|record| record.version),
            doc: after.clone(),
            trust: self.trust.change.clone(),
        })
    }
}

fn incomplete(identity: &IdentityDoc, trust: &Trust) -> Option<Incomplete> {
    let mut fields: Vec<_> = identity.defaulted.iter().cloned().collect();
    let needs_trust = identity
        .trust_model
        .is_some_and(|model| model.admits(CredentialType::TrustRule));
    if needs_trust && trust.after.is_empty() {
        fields.push("trust".to_owned());
    }
    (!fields.is_empty()).then(|| Incomplete {
        name: identity.name.to_string(),
        fields,
    })
}
