//! Editing an identity. What loosens its guards waits for a second person.

use countersign_model::{
    Id, Timestamp,
    action::ActionSet,
    id,
    name::{EnvironmentName, RoleName},
    permission::Person,
    reason::Reason,
    registry::{IdentityDoc, Noun, Party, PendingSponsor, Record, Status, TrustModel},
};
use serde_json::{Map, Value};

use super::{
    check::check,
    create::{RuleInput, audiences_of, claims, once},
    lifecycle::standing,
};
use crate::{
    command::{Command, Verdict, WriteTx},
    loosening::{self, Loosening},
    registry::{
        approvers::Asking,
        credentials,
        guarding::{self, ChangeOutcome, Edit, Verb},
        impersonators::{self, ImpersonatorInput},
        packs, rights,
    },
    rejection::{Rejection, refuse},
};

/// Edits an identity.
#[derive(Debug, Clone)]
pub struct UpdateIdentity {
    /// Which, by id or name.
    pub identity: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// What changes.
    pub patch: IdentityPatch,
    /// Why.
    pub reason: Option<String>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct IdentityPatch {
    /// Who answers; somebody else than the caller must first accept.
    pub sponsor: Option<String>,
    /// Who runs it.
    pub owner: Option<String>,
    /// Who may administer it.
    pub managers: Option<Vec<String>>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Anything else that people should know.
    pub description: Option<String>,
    /// Where it may act.
    pub environments: Option<Vec<EnvironmentName>>,
    /// Which resource servers it may call.
    pub audiences: Option<Vec<String>>,
    /// Which resources it may touch.
    pub resources: Option<Vec<String>>,
    /// What it may do.
    pub allowed_actions: Option<ActionSet>,
    /// What it must never do.
    pub denied_actions: Option<ActionSet>,
    /// Roles at its resource servers.
    pub roles: Option<Vec<RoleName>>,
    /// How long its tokens live.
    pub token_ttl_seconds: Option<i64>,
    /// Whether a person must countersign what is not of class `read`.
    pub requires_approval: Option<bool>,
    /// Who countersigns, and how many.
    pub approval_rule: Option<RuleInput>,
    /// Who may act as it with their own sign-in, all of them.
    pub impersonators: Option<Vec<ImpersonatorInput>>,
    /// The only type of credential that it may have; `Some(None)` for any.
    pub trust_model: Option<Option<TrustModel>>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Free data of its users, as a whole.
    pub metadata: Option<Map<String, Value>>,
}

/// What came of an edit.
#[derive(Debug, Clone)]
pub struct EditedIdentity {
    /// How it ended.
    pub outcome: ChangeOutcome,
    /// What should be known.
    pub warnings: Vec<String>,
}

impl Command for UpdateIdentity {
    type Output = EditedIdentity;

    const NAME: &'static str = "identity update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<EditedIdentity>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = rights::managed(tx, &person, &self.identity)?;
        rights::expect_version(&before, self.if_version)?;
        let mut doc = rights::doc(before.identity())?.clone();
        self.patch.apply(tx, &person, &mut doc)?;
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl IdentityPatch {
    fn apply(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        doc: &mut IdentityDoc,
    ) -> Result<(), Rejection> {
        self.people(tx, person, doc)?;
        if let Some(audiences) = &self.audiences {
            doc.audiences = audiences_of(tx, person, audiences, false)?.0;
        }
        set(&mut doc.purpose, &self.purpose);
        set(&mut doc.description, &self.description);
        set(&mut doc.environments, &self.environments.clone().map(once));
        set(&mut doc.resources, &self.resources.clone().map(once));
        set(&mut doc.allowed_actions, &self.allowed_actions);
        set(&mut doc.denied_actions, &self.denied_actions);
        set(&mut doc.roles, &self.roles.clone().map(once));
        set(&mut doc.token_ttl_seconds, &self.token_ttl_seconds);
        set(&mut doc.requires_approval, &self.requires_approval);
        set(&mut doc.trust_model, &self.trust_model);
        set(&mut doc.expires_at, &self.expires_at);
        set(&mut doc.metadata, &self.metadata);
        for (field, stated) in [
            ("environments", self.environments.is_some()),
            ("expires", self.expires_at.is_some()),
            ("managers", self.managers.is_some()),
            ("owner", self.owner.is_some()),
            ("purpose", self.purpose.is_some()),
            ("resources", self.resources.is_some()),
            ("sponsor", self.sponsor.is_some()),
            ("trust_model", self.trust_model.is_some()),
        ] {
            if stated {
                doc.defaulted.remove(field);
            }
        }
        Ok(())
    }

    fn people(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
        doc: &mut IdentityDoc,
    ) -> Result<(), Rejection> {
        if let Some(text) = &self.sponsor {
            let party = rights::party(tx, text)?;
            name_sponsor(doc, person, party, tx.now());
        }
        if let Some(text) = &self.owner {
            doc.owner = rights::party(tx, text)?;
        }
        if let Some(texts) = &self.managers {
            doc.managers = rights::users(tx, texts)?;
        }
        if let Some(rule) = &self.approval_rule {
            doc.approval_rule = rule.resolve(tx)?;
        }
        if let Some(stated) = &self.impersonators {
            doc.impersonators = impersonators::resolve(tx, &doc.impersonators, stated)?;
        }
        Ok(())
    }
}

/// Names a sponsor: at once when the person is that sponsor, and asked otherwise.
pub(super) fn name_sponsor(doc: &mut IdentityDoc, person: &Person, party: Party, now: Timestamp) {
    if person.is(party) {
        if doc.defaulted.contains("owner") || doc.owner == doc.sponsor {
            doc.owner = party;
        }
        doc.sponsor = party;
        doc.pending_sponsor = None;
    } else if doc.sponsor == party && doc.orphan_grace_until.is_none() {
        doc.pending_sponsor = None;
    } else if doc
        .pending_sponsor
        .as_ref()
        .is_none_or(|pending| pending.party != party)
    {
        doc.pending_sponsor = Some(PendingSponsor {
            party,
            asked_by: person.user_id,
            asked_at: now,
            hands_over: None,
        });
    }
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

/// Edits an identity to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    mut doc: IdentityDoc,
    reason: Option<String>,
) -> Result<EditedIdentity, Rejection> {
    let old = rights::doc(before.identity())?;
    let mut after = before.clone();
    after.name = doc.name.to_string();
    after.parent_id = Some(doc.project_id.cast());
    let steps_in = person.is(doc.sponsor) || doc.managers != old.managers;
    if old.orphan_grace_until.is_some() && steps_in && !rights::living(tx, doc.sponsor)?.is_empty()
    {
        // Somebody answers again.
        doc.orphan_grace_until = None;
    }
    after.status = match before.status {
        Status::Expired if doc.expires_at > tx.now() => standing(&doc),
        Status::Active | Status::Orphaned => standing(&doc),
        status => status,
    };
    let verb = if doc.project_id == old.project_id {
        Verb::Updated
    } else {
        Verb::Transferred
    };
    let old = old.clone();
    if verb == Verb::Transferred {
        // INVARIANT: a token names the project that it was issued in, and revoking a project revokes by
        // that name: what an identity got in its old project must not outlive the move (T12).
        after.epoch += 1;
    }
    after.doc = doc.into();
    if after == *before {
        let outcome = ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        };
        return Ok(EditedIdentity {
            outcome,
            warnings: Vec::new(),
        });
    }
    let warnings = may_become(tx, person, before, &after)?;
    let protected = rights::protected(tx)?;
    let directory = rights::is_directory(tx, before.id)?;
    let new = rights::doc(after.identity())?;
    let mut loosens = if directory {
        loosening::of_guarded(&old, new)
    } else {
        loosening::of_identity(&old, new, &protected)
    };
    if verb == Verb::Transferred
        && old.approval_rule.approvers.is_empty()
        && loosening::is_guarded(&old, &protected)
    {
        // Other people own the new project, and would countersign.
        loosens.insert(Loosening::ApproverAdded);
    }
    let mut asks = Asking::of(before);
    let claims = claims()?;
    let comes_to_claim = new.allowed_actions.contains(&claims)
        && (!old.allowed_actions.contains(&claims) || verb == Verb::Transferred);
    if comes_to_claim && packs::read_keys(tx, new.project_id)? {
        if loosens.is_empty() {
            // INVARIANT: whoever edits what nothing else guards has no say in who countersigns.
            asks = Asking::owners_of(new.project_id);
        }
        loosens.insert(Loosening::ActionAdded);
    }
    if directory && !loosens.is_empty() {
        rights::must_own_directory(person)?;
        asks = Asking::default();
    }
    let edit = Edit {
        person,
        before,
        after,
        verb,
        reason,
        loosens,
        asks,
        retires: None,
    };
    let outcome = guarding::settle(tx, edit)?;
    Ok(EditedIdentity { outcome, warnings })
}

/// Whether a person may edit an identity so; answers what should be known.
pub(crate) fn may_become(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    after: &Record,
) -> Result<Vec<String>, Rejection> {
    let project = rights::manages(tx, person, before)?;
    let (old, new) = (
        rights::doc(before.identity())?,
        rights::doc(after.identity())?,
    );
    if (&old.kind, &old.subject, &old.client_id, old.created_by)
        != (&new.kind, &new.subject, &new.client_id, new.created_by)
    {
        return refuse(
            Reason::Unprocessable,
            "kind, subject and client id are fixed once an identity is made",
        );
    }
    if new.sponsor != old.sponsor && !person.is(new.sponsor) {
        return refuse(
            Reason::Forbidden,
            "nobody is made to answer: whom you name as sponsor accepts first",
        );
    }
    let place = rights::doc(project.project())?;
    if new.project_id == old.project_id {
        if new.trust_model != old.trust_model {
            admits_all(tx, before.id.cast(), new)?;
        }
        return check(tx, person, place, Some(old), new);
    }
    rights::must_own(person, place, "move an identity out of it")?;
    let target = rights::project_of(tx, new)?;
    let target_doc = rights::doc(target.project())?;
    if person.role_in(target_doc).is_none() || target.status != Status::Active {
        return Err(rights::not_found(Noun::Project, &target_doc.name));
    }
    rights::must_own(person, target_doc, "move an identity into it")?;
    // In another project everything is given anew.
    rights::Held::by(person, target_doc).must_cover(&new.allowed_actions)?;
    check(tx, person, target_doc, Some(old), new)
}

/// Refuses a trust model that excludes a credential which is there.
fn admits_all(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Identity>,
    doc: &IdentityDoc,
) -> Result<(), Rejection> {
    let Some(model) = doc.trust_model else {
        return Ok(());
    };
    for record in credentials::live(tx, identity)? {
        let kept = rights::doc(record.credential())?.credential_type();
        if !model.admits(kept) {
            let detail = format!(
                "the trust model `{}` excludes credential `{}` of type `{}`: revoke it first",
                model.as_str(),
                record.name,
                kept.as_str()
            );
            return refuse(Reason::TrustModelExcludes, detail);
        }
    }
    Ok(())
}
