//! Foreign issuers: only the owners of the tenant say whose word counts.

use std::collections::BTreeSet;

use countersign_model::{
    Id, LEEWAY_SECONDS, SHORT_LIVED_SECONDS,
    evidence::Grain,
    id,
    permission::Person,
    reason::Reason,
    registry::{IssuerDoc, IssuerProfile, KeySource, Noun, Record, Relation, Status},
    time::Seconds,
};
use countersign_store::Tx;

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    reading::{self, Page, PageQuery, Shown},
    rights::{self, check_text},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Revocation, Verdict, WriteTx},
    federation,
    loosening::Loosening,
    rejection::{Rejection, refuse},
    revoked::RevokedSet,
};

const URL_BYTES: usize = 128;
const KEYS_BYTES: usize = 256 * 1024;
const BUNDLE_BYTES: usize = 64 * 1024;

/// What the server knows, and an issuer is checked against.
#[derive(Debug, Clone)]
pub struct IssuerRules {
    /// The tenant's own issuer URL.
    pub tenant_issuer: String,
    /// Whether an issuer on loopback is let in: `federation.allow_loopback_issuers`.
    pub allow_loopback: bool,
}

/// Registers an issuer.
#[derive(Debug, Clone)]
pub struct CreateIssuer {
    /// Its name here; its URL when absent. Clusters that share a URL need one each.
    pub name: Option<String>,
    /// Its identifier, byte for byte as in `iss`.
    pub url: String,
    /// The platform.
    pub profile: IssuerProfile,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The audience that its tokens must name; absent for this tenant's issuer.
    pub audience: Option<String>,
    /// Extra trusted roots for its HTTPS, as PEM.
    pub ca_bundle: Option<String>,
    /// The trust domain, for SPIFFE.
    pub trust_domain: Option<String>,
    /// What it is checked against.
    pub rules: IssuerRules,
}

/// Edits an issuer. While guarded identities trust it, that takes a second owner.
#[derive(Debug, Clone)]
pub struct UpdateIssuer {
    /// Which, by id or URL.
    pub issuer: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Where its keys come from.
    pub keys: Option<KeySource>,
    /// The audience that its tokens must name; `Some(None)` for this tenant's issuer.
    pub audience: Option<Option<String>>,
    /// Extra trusted roots; `Some(None)` for none.
    pub ca_bundle: Option<Option<String>>,
    /// Why.
    pub reason: Option<String>,
    /// What it is checked against.
    pub rules: IssuerRules,
}

/// Trusts a revoked issuer again, once every token that it vouched for is dead anyway.
#[derive(Debug, Clone)]
pub struct EnableIssuer {
    /// Which, by id or URL.
    pub issuer: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// Deletes an issuer: nobody gets in through it any more, and tokens that it vouched for die.
#[derive(Debug, Clone)]
pub struct DeleteIssuer {
    /// Which, by id or URL.
    pub issuer: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateIssuer {
    type Output = Record;

    const NAME: &'static str = "issuer create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let doc = IssuerDoc {
            url: self.url.clone(),
            profile: self.profile,
            keys: self.keys.clone(),
            audience: self.audience.clone(),
            ca_bundle: self.ca_bundle.clone(),
            trust_domain: self.trust_domain.clone(),
        };
        put_new(tx, &person, None, self.name.clone(), doc, &self.rules).map(Verdict::Done)
    }
}

impl Command for UpdateIssuer {
    type Output = ChangeOutcome;

    const NAME: &'static str = "issuer update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Issuer, &self.issuer, self.if_version)?;
        let mut doc = rights::doc(before.issuer())?.clone();
        if let Some(keys) = &self.keys {
            doc.keys = keys.clone();
        }
        if let Some(audience) = &self.audience {
            doc.audience.clone_from(audience);
        }
        if let Some(bundle) = &self.ca_bundle {
            doc.ca_bundle.clone_from(bundle);
        }
        put_edit(tx, &person, &before, doc, self.reason.clone(), &self.rules).map(Verdict::Done)
    }
}

impl Command for EnableIssuer {
    type Output = ChangeOutcome;

    const NAME: &'static str = "issuer enable";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "enable an issuer")?;
        let before = rights::located(tx, Noun::Issuer, &self.issuer, self.if_version)?;
        if before.status == Status::Active {
            return Ok(Verdict::Done(ChangeOutcome::Applied {
                record: before,
                changed_alone: false,
            }));
        }
        // The revocation by id would kill new tokens too, until it lapses.
        let free = before.updated_at + Seconds(SHORT_LIVED_SECONDS + 2 * LEEWAY_SECONDS);
        if tx.now() < free {
            let detail = format!("its revocation is in force until {free}: enable it then");
            return refuse(Reason::Conflict, detail);
        }
        let after = Record {
            status: Status::Active,
            ..before.clone()
        };
        let loosens = changes(tx, &before)?;
        let (verb, reason) = (Verb::Enabled, self.reason.clone());
        let edit = Edit {
            person: &person,
            before: &before,
            after,
            verb,
            reason,
            loosens,
            asks: Asking::default(),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

impl Command for DeleteIssuer {
    type Output = Record;

    const NAME: &'static str = "issuer delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        rights::tenant_owner(tx, "delete an issuer")?;
        let before = rights::located(tx, Noun::Issuer, &self.issuer, self.if_version)?;
        stop(tx, &before, Status::Deleted, self.reason.as_deref()).map(Verdict::Done)
    }
}

/// Stops to believe an issuer, and kills the tokens that it vouched for.
pub(crate) fn stop(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    status: Status,
    reason: Option<&str>,
) -> Result<Record, Rejection> {
    let after = Record {
        status,
        ..before.clone()
    };
    let verb = if status == Status::Deleted {
        "deleted"
    } else {
        "disabled"
    };
    let record = tx.replace(
        before,
        after,
        &Change::verb(verb).because(reason.map(str::to_owned)),
    )?;
    let revocation = Revocation {
        tenant_id: tx.tenant_id(),
        grain: Grain::Issuer,
        target: record.id.to_string(),
        generation: None,
        until: RevokedSet::until(tx.now()),
    };
    tx.revoke(revocation, None, reason.unwrap_or(verb))?;
    Ok(record)
}

/// Registers an issuer of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    name: Option<String>,
    doc: IssuerDoc,
    rules: &IssuerRules,
) -> Result<Record, Rejection> {
    rights::must_own_tenant(person, "register an issuer")?;
    check(&doc, rules)?;
    let spiffe = doc
        .trust_domain
        .as_ref()
        .map(|domain| format!("spiffe://{domain}"));
    let own = if doc.url.is_empty() {
        spiffe.unwrap_or_default()
    } else {
        doc.url.clone()
    };
    let name = name.unwrap_or(own);
    check_text("name", &name, URL_BYTES)?;
    if name.is_empty() {
        return refuse(
            Reason::Unprocessable,
            "an issuer has a URL, or a trust domain",
        );
    }
    let new = NewRecord {
        id,
        name,
        parent_id: None,
        doc: doc.into(),
    };
    tx.create(new, &Change::verb("created"))
}

/// Edits an issuer to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: IssuerDoc,
    reason: Option<String>,
    rules: &IssuerRules,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.issuer())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    rights::must_own_tenant(person, "change an issuer")?;
    check(&doc, rules)?;
    if (&doc.url, doc.profile, &doc.trust_domain) != (&old.url, old.profile, &old.trust_domain) {
        return refuse(
            Reason::Unprocessable,
            "URL, platform and trust domain say which issuer it is: register another",
        );
    }
    let loosens = changes(tx, before)?;
    let after = Record {
        doc: doc.into(),
        ..before.clone()
    };
    let edit = Edit {
        person,
        before,
        after,
        verb: Verb::Updated,
        reason,
        loosens,
        asks: Asking::default(),
        retires: None,
    };
    guarding::settle(tx, edit)
}

/// An issuer that some trust rule names: other keys may vouch for its runs.
fn changes(tx: &mut WriteTx<'_, '_>, issuer: &Record) -> Result<BTreeSet<Loosening>, Rejection> {
    let rules = tx.linked_to(Relation::Trusts, issuer.id)?;
    let trusted = rules
        .iter()
        .any(|credential| credential.status != Status::Deleted);
    Ok(trusted
        .then_some(Loosening::IssuerChanged)
        .into_iter()
        .collect())
}

fn check(doc: &IssuerDoc, rules: &IssuerRules) -> Result<(), Rejection> {
    check_text("url", &doc.url, URL_BYTES)?;
    check_text(
        "ca_bundle",
        &doc.ca_bundle
            .as_deref()
            .unwrap_or_default()
            .replace('\r', ""),
        BUNDLE_BYTES,
    )?;
    if let KeySource::Inline(keys) = &doc.keys
        && keys.to_string().len() > KEYS_BYTES
    {
        return refuse(
            Reason::Unprocessable,
            format!("`keys` takes at most {KEYS_BYTES} bytes"),
        );
    }
    let errors = federation::lint_issuer(doc, &rules.tenant_issuer, rules.allow_loopback);
    if errors.is_empty() {
        return Ok(());
    }
    refuse(
        Reason::Unprocessable,
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
    )
}

/// A page of issuers: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Issuer, query)
}

/// One issuer, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, issuer: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Issuer, issuer)
}
