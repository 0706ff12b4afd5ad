//! The rules that every identity keeps, new or edited.

use countersign_model::{
    Timestamp,
    action::{ActionClass, ActionSet},
    identity::Kind,
    permission::Person,
    reason::Reason,
    registry::{IdentityDoc, Noun, Party, ProjectDoc, Status},
    time::Seconds,
};

use crate::{
    command::WriteTx,
    long_lived,
    registry::{
        impersonators,
        rights::{self, DESCRIPTION_BYTES, Held, check_count, check_text},
    },
    rejection::{Rejection, refuse},
};

/// The longest life of an identity between two looks at it.
const LONGEST: Seconds = Seconds::days(3653);
/// The longest life of a token, in seconds.
const LONGEST_TOKEN: i64 = countersign_model::SHORT_LIVED_SECONDS;
/// As many as a person can still oversee.
const MOST_MANAGERS: usize = 50;
const MOST_ENVIRONMENTS: usize = 50;
const MOST_AUDIENCES: usize = 100;
const MOST_ACTIONS: usize = 500;
const MOST_RESOURCES: usize = 500;
const MOST_ROLES: usize = 100;
const MOST_APPROVERS: usize = 50;
const PURPOSE_BYTES: usize = 1024;
/// Room for a long URI.
const RESOURCE_BYTES: usize = 512;
const METADATA_BYTES: usize = 16 * 1024;

/// Checks a document against its project and what stood before; answers what should be known.
pub(super) fn check(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    project: &ProjectDoc,
    before: Option<&IdentityDoc>,
    doc: &IdentityDoc,
) -> Result<Vec<String>, Rejection> {
    limits(doc)?;
    life(doc, before, tx.now())?;
    people(tx, doc, before)?;
    places(tx, doc, before)?;
    impersonators::check(tx, doc, before)?;
    long_lived::names_a_part(tx, doc, before)?;
    // Giving is what counts: an action that the identity already has stays, and narrows at issue.
    let none = ActionSet::default();
    let had = before.map_or(&none, |before| &before.allowed_actions);
    Held::by(person, project).must_cover(&doc.allowed_actions.difference(had))?;
    actions(tx, doc, before)
}

fn limits(doc: &IdentityDoc) -> Result<(), Rejection> {
    check_text("purpose", &doc.purpose, PURPOSE_BYTES)?;
    check_text("description", &doc.description, DESCRIPTION_BYTES)?;
    if doc.purpose.trim().is_empty() {
        return refuse(
            Reason::Unprocessable,
            "`purpose` is empty: say what it is for",
        );
    }
    check_count("managers", doc.managers.len(), MOST_MANAGERS)?;
    check_count("environments", doc.environments.len(), MOST_ENVIRONMENTS)?;
    check_count("audiences", doc.audiences.len(), MOST_AUDIENCES)?;
    check_count("allowed_actions", doc.allowed_actions.len(), MOST_ACTIONS)?;
    check_count("denied_actions", doc.denied_actions.len(), MOST_ACTIONS)?;
    check_count("resources", doc.resources.len(), MOST_RESOURCES)?;
    check_count("roles", doc.roles.len(), MOST_ROLES)?;
    check_count(
        "approvers",
        doc.approval_rule.approvers.len(),
        MOST_APPROVERS,
    )?;
    for resource in &doc.resources {
        check_text("resources", resource, RESOURCE_BYTES)?;
        if resource.is_empty() {
            return refuse(Reason::Unprocessable, "`resources` holds an empty text");
        }
    }
    if serde_json::to_string(&doc.metadata)?.len() > METADATA_BYTES {
        return refuse(
            Reason::Unprocessable,
            format!("`metadata` takes at most {METADATA_BYTES} bytes"),
        );
    }
    Ok(())
}

fn life(doc: &IdentityDoc, before: Option<&IdentityDoc>, now: Timestamp) -> Result<(), Rejection> {
    if !(1..=LONGEST_TOKEN).contains(&doc.token_ttl_seconds) {
        let detail = format!(
            "a token lives 1 to {LONGEST_TOKEN} seconds, not {}",
            doc.token_ttl_seconds
        );
        return refuse(Reason::Unprocessable, detail);
    }
    if before.is_some_and(|before| before.expires_at == doc.expires_at) {
        return Ok(());
    }
    if doc.expires_at <= now {
        return refuse(
            Reason::Unprocessable,
            format!("`expires_at` is in the past: {}", doc.expires_at),
        );
    }
    if doc.expires_at > now + LONGEST {
        return refuse(
            Reason::Unprocessable,
            "everything expires: `expires_at` is at most ten years from now",
        );
    }
    Ok(())
}

fn people(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    before: Option<&IdentityDoc>,
) -> Result<(), Rejection> {
    // INVARIANT: no identity exists without somebody who can administer it.
    if rights::active(tx, doc.managers.iter().copied())?.is_empty() {
        return refuse(
            Reason::LastOneLeaving,
            "an identity keeps at least one active manager: name another first",
        );
    }
    let kept = |party: Party| {
        before.is_some_and(|before| before.sponsor == party || before.owner == party)
    };
    let asked = doc.pending_sponsor.as_ref().map(|pending| pending.party);
    for party in [doc.sponsor, doc.owner]
        .into_iter()
        .chain(asked)
        .filter(|party| !kept(*party))
    {
        if rights::living(tx, party)?.is_empty() {
            return refuse(
                Reason::Unprocessable,
                "a sponsor or owner is an active user, or a team with one",
            );
        }
    }
    let rule = &doc.approval_rule;
    if !(1..=10).contains(&rule.required) {
        return refuse(Reason::Unprocessable, "an approval takes 1 to 10 people");
    }
    if before.is_some_and(|before| before.approval_rule == *rule) || rule.approvers.is_empty() {
        return Ok(());
    }
    let mut people = std::collections::BTreeSet::new();
    for party in &rule.approvers {
        people.extend(rights::living(tx, *party)?);
    }
    if people.len() < rule.required as usize {
        let detail = format!(
            "the rule asks for {} people and names {} who are active",
            rule.required,
            people.len()
        );
        return refuse(Reason::Unprocessable, detail);
    }
    Ok(())
}

fn places(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    before: Option<&IdentityDoc>,
) -> Result<(), Rejection> {
    for name in &doc.environments {
        if before.is_some_and(|before| before.environments.contains(name)) {
            continue;
        }
        let found = tx.find(Noun::Environment, name)?;
        if found.is_none_or(|record| record.status != Status::Active) {
            return refuse(
                Reason::Unprocessable,
                format!(
                    "there is no environment `{name}`; an owner of the tenant makes it: `countersign environment create {name}`"
                ),
            );
        }
    }
    for id in &doc.audiences {
        if before.is_some_and(|before| before.audiences.contains(id)) {
            continue;
        }
        let audience = tx.get(*id)?;
        if audience.noun != Noun::Audience || audience.status != Status::Active {
            return refuse(
                Reason::Unprocessable,
                format!("audience `{}` is not in use", audience.name),
            );
        }
    }
    Ok(())
}

fn actions(
    tx: &mut WriteTx<'_, '_>,
    doc: &IdentityDoc,
    before: Option<&IdentityDoc>,
) -> Result<Vec<String>, Rejection> {
    let catalogue = rights::catalogue(tx)?;
    if doc.kind == Kind::ApiKey
        && let Some(action) = doc
            .allowed_actions
            .iter()
            .find(|action| catalogue.class(action) != ActionClass::Read)
    {
        let class = catalogue.class(action).as_str();
        let detail = format!(
            "an `api_key` only reads, and `{action}` is of class `{class}`; choose another kind"
        );
        return refuse(Reason::Unprocessable, detail);
    }
    let refuse_unknown = rights::tenant(tx)?.refuse_unknown_actions;
    let mut warnings = Vec::new();
    for action in doc
        .allowed_actions
        .iter()
        .chain(doc.denied_actions.iter())
        .filter(|action| !catalogue.knows(action))
    {
        let near = catalogue
            .nearest(action)
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let new = before.is_none_or(|before| {
            !before.allowed_actions.contains(action) && !before.denied_actions.contains(action)
        });
        if refuse_unknown && new {
            return refuse(
                Reason::Unprocessable,
                format!("unknown action `{action}`{near}"),
            );
        }
        warnings.push(format!(
            "unknown action `{action}`, which counts as irreversible{near}"
        ));
    }
    Ok(warnings)
}
