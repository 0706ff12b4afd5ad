//! Audiences: one resource server each, run by the identities that it is served by.

use countersign_model::{
    Id, id,
    name::AudienceName,
    permission::Person,
    reason::Reason,
    registry::{AudienceDoc, Noun, Record, Relation, SigningAlg, Status, TenantRole},
};
use countersign_store::Tx;

use super::{
    guarding::ChangeOutcome,
    reading::{self, Page, PageQuery, Shown},
    rights::{self, DESCRIPTION_BYTES, check_count, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    rejection::{Rejection, refuse},
};

/// Defaults of the feed's greatest age, and its bounds, in seconds.
const FEED_AGE: i64 = 30;
const IRREVERSIBLE_FEED_AGE: i64 = 5;
const LONGEST_FEED_AGE: i64 = 3600;
const MOST_SERVING: usize = 50;

/// Makes an audience.
#[derive(Debug, Clone)]
pub struct CreateAudience {
    /// Its name, which becomes `aud`.
    pub name: AudienceName,
    /// The algorithm of its tokens.
    pub signing_alg: SigningAlg,
    /// The identities that run it, by id or name.
    pub served_by: Vec<String>,
    /// The greatest age of a guard's revocation feed; 30 when not stated.
    pub max_feed_age_seconds: Option<i64>,
    /// The same for irreversible actions; 5 when not stated.
    pub max_feed_age_irreversible_seconds: Option<i64>,
    /// What it is.
    pub description: String,
    /// The tenant's own issuer, which is no resource server.
    pub tenant_issuer: String,
}

/// Edits an audience.
#[derive(Debug, Clone)]
pub struct UpdateAudience {
    /// Which, by id or name.
    pub audience: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// What changes.
    pub patch: AudiencePatch,
    /// Why.
    pub reason: Option<String>,
}

/// What an edit changes; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct AudiencePatch {
    /// The algorithm of its tokens.
    pub signing_alg: Option<SigningAlg>,
    /// The identities that run it.
    pub served_by: Option<Vec<String>>,
    /// The greatest age of a guard's revocation feed.
    pub max_feed_age_seconds: Option<i64>,
    /// The same for irreversible actions.
    pub max_feed_age_irreversible_seconds: Option<i64>,
    /// What it is.
    pub description: Option<String>,
}

/// Deletes an audience. No token is issued for it any more, and its name stays taken.
#[derive(Debug, Clone)]
pub struct DeleteAudience {
    /// Which, by id or name.
    pub audience: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateAudience {
    type Output = Record;

    const NAME: &'static str = "audience create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        not_ourselves(&self.name, &self.tenant_issuer)?;
        let doc = AudienceDoc {
            signing_alg: self.signing_alg,
            served_by: serving(tx, &self.served_by)?,
            max_feed_age_seconds: self.max_feed_age_seconds.unwrap_or(FEED_AGE),
            max_feed_age_irreversible_seconds: self
                .max_feed_age_irreversible_seconds
                .unwrap_or(IRREVERSIBLE_FEED_AGE),
            description: self.description.clone(),
            ..plain(self.name.clone())
        };
        put_new(tx, &person, None, doc).map(Verdict::Done)
    }
}

impl Command for UpdateAudience {
    type Output = ChangeOutcome;

    const NAME: &'static str = "audience update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Audience, &self.audience, self.if_version)?;
        let mut doc = rights::doc(before.audience())?.clone();
        let patch = &self.patch;
        doc.signing_alg = patch.signing_alg.unwrap_or(doc.signing_alg);
        if let Some(texts) = &patch.served_by {
            doc.served_by = serving(tx, texts)?;
        }
        doc.max_feed_age_seconds = patch
            .max_feed_age_seconds
            .unwrap_or(doc.max_feed_age_seconds);
        doc.max_feed_age_irreversible_seconds = patch
            .max_feed_age_irreversible_seconds
            .unwrap_or(doc.max_feed_age_irreversible_seconds);
        if let Some(description) = &patch.description {
            doc.description.clone_from(description);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeleteAudience {
    type Output = Record;

    const NAME: &'static str = "audience delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Audience, &self.audience, self.if_version)?;
        may_edit(tx, &person, &before)?;
        let callers = tx.linked_to(Relation::Audience, before.id)?;
        if let Some(caller) = callers
            .iter()
            .find(|caller| caller.status != Status::Deleted)
        {
            let detail = format!(
                "`{}` still calls it; take it from its audiences first",
                caller.name
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let after = Record {
            status: Status::Deleted,
            epoch: before.epoch + 1,
            ..before.clone()
        };
        tx.replace(
            &before,
            after,
            &Change::verb("deleted").because(self.reason.clone()),
        )
        .map(Verdict::Done)
    }
}

/// An audience that stands at its defaults.
pub(crate) fn plain(name: AudienceName) -> AudienceDoc {
    AudienceDoc {
        name,
        signing_alg: SigningAlg::default(),
        served_by: Vec::new(),
        max_feed_age_seconds: FEED_AGE,
        max_feed_age_irreversible_seconds: IRREVERSIBLE_FEED_AGE,
        description: String::new(),
    }
}

/// Refuses the server itself as a resource server: whoever ran it would introspect people's sessions
/// and report results of them.
pub(crate) fn not_ourselves(name: &AudienceName, tenant_issuer: &str) -> Result<(), Rejection> {
    if name.trim_end_matches('/') == tenant_issuer.trim_end_matches('/') {
        let detail = format!("`{name}` is this server, which needs no audience of its own");
        return refuse(Reason::Unprocessable, detail);
    }
    Ok(())
}

fn serving(tx: &mut WriteTx<'_, '_>, texts: &[String]) -> Result<Vec<Id<id::Identity>>, Rejection> {
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let id = tx.locate(Noun::Identity, text)?.id.cast();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Makes an audience of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: AudienceDoc,
) -> Result<Record, Rejection> {
    check(tx, person, &[], &doc)?;
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: None,
        doc: doc.into(),
    };
    tx.create(new, &Change::verb("created"))
}

/// Edits an audience to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: AudienceDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.audience())?.clone();
    may_edit(tx, person, before)?;
    if doc.name != old.name {
        return refuse(
            Reason::Unprocessable,
            "the name of an audience is in its tokens and does not change",
        );
    }
    if doc == old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    check(tx, person, &old.served_by, &doc)?;
    let record = tx.update(before, doc.into(), &Change::verb("updated").because(reason))?;
    Ok(ChangeOutcome::Applied {
        record,
        changed_alone: false,
    })
}

fn check(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    served_before: &[Id<id::Identity>],
    doc: &AudienceDoc,
) -> Result<(), Rejection> {
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    check_count("served_by", doc.served_by.len(), MOST_SERVING)?;
    for age in [
        doc.max_feed_age_seconds,
        doc.max_feed_age_irreversible_seconds,
    ] {
        if !(1..=LONGEST_FEED_AGE).contains(&age) {
            return refuse(
                Reason::Unprocessable,
                format!("the greatest age of a feed is 1 to {LONGEST_FEED_AGE} seconds"),
            );
        }
    }
    if doc.max_feed_age_irreversible_seconds > doc.max_feed_age_seconds {
        return refuse(
            Reason::Unprocessable,
            "for irreversible actions the feed is at least as fresh as for the others",
        );
    }
    // Who serves an audience introspects its tokens: nobody gives that to a program of somebody else.
    for id in doc
        .served_by
        .iter()
        .filter(|id| !served_before.contains(id))
    {
        let identity = tx.get(*id)?;
        rights::manages(tx, person, &identity)?;
    }
    Ok(())
}

/// A tenant's owner, or whoever manages an identity that runs it.
fn may_edit(tx: &mut WriteTx<'_, '_>, person: &Person, audience: &Record) -> Result<(), Rejection> {
    if person.role == TenantRole::Owner {
        return Ok(());
    }
    for id in &rights::doc(audience.audience())?.served_by {
        let identity = tx.get(*id)?;
        if rights::may_manage(tx, person, &identity)? {
            return Ok(());
        }
    }
    let detail = format!(
        "only a tenant owner, or who manages an identity that runs it, can change `{}`",
        audience.name
    );
    refuse(Reason::Forbidden, detail)
}

/// A page of audiences: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Audience, query)
}

/// One audience, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, audience: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Audience, audience)
}
