//! Who may: the checks that every command of the registry begins with, on rows of its own transaction.

use std::collections::BTreeSet;

use countersign_model::{
    Id,
    action::ActionSet,
    id,
    name::EnvironmentName,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{
        IdentityDoc, Noun, Party, ProjectDoc, ProjectRole, Record, Status, TenantDoc, TenantRole,
    },
};

use crate::{
    command::WriteTx,
    policy::Catalogue,
    rejection::{Fault, Rejection, refuse},
};

/// The document of a record that was found as one of its noun.
pub(crate) fn doc<T>(found: Option<&T>) -> Result<&T, Rejection> {
    found.ok_or_else(|| {
        Fault::Invariant("a record with the document of another noun".to_owned()).into()
    })
}

/// The person who acts, when they may change anything at all.
pub(crate) fn editor(tx: &mut WriteTx<'_, '_>) -> Result<Person, Rejection> {
    let person = tx.acting_person()?;
    if person.role == TenantRole::Auditor {
        return refuse(Reason::Forbidden, "an auditor reads and changes nothing");
    }
    Ok(person)
}

/// The person who acts, when they own the tenant.
pub(crate) fn tenant_owner(tx: &mut WriteTx<'_, '_>, what: &str) -> Result<Person, Rejection> {
    let person = tx.acting_person()?;
    must_own_tenant(&person, what)?;
    Ok(person)
}

/// Refuses whoever does not own the tenant.
pub(crate) fn must_own_tenant(person: &Person, what: &str) -> Result<(), Rejection> {
    if person.role == TenantRole::Owner {
        return Ok(());
    }
    refuse(
        Reason::Forbidden,
        format!("only an owner of the tenant can {what}"),
    )
}

/// The refusal of what is not there, or not for this person to know.
pub(crate) fn not_found(noun: Noun, text: &str) -> Rejection {
    let shown: String = text
        .chars()
        .take(128)
        .flat_map(char::escape_debug)
        .collect();
    Refusal::new(
        Reason::NotFound,
        format!("there is no {} `{shown}`", noun.as_str().replace('_', " ")),
    )
    .into()
}

/// What is to be changed, by id or name, at the version that the caller read.
pub(crate) fn located(
    tx: &mut WriteTx<'_, '_>,
    noun: Noun,
    id_or_name: &str,
    if_version: Option<i64>,
) -> Result<Record, Rejection> {
    let record = tx.locate(noun, id_or_name)?;
    expect_version(&record, if_version)?;
    Ok(record)
}

/// Refuses an edit that was made on an older version.
pub(crate) fn expect_version(record: &Record, expected: Option<i64>) -> Result<(), Rejection> {
    match expected {
        Some(version) if version != record.version => {
            let detail = format!(
                "it is at version {}, not {version}: read it again",
                record.version
            );
            refuse(Reason::Conflict, detail)
        }
        Some(_) | None => Ok(()),
    }
}

/// The tenant's settings.
pub(crate) fn tenant(tx: &mut WriteTx<'_, '_>) -> Result<TenantDoc, Rejection> {
    let record = tx.get(tx.tenant_id())?;
    Ok(doc(record.tenant())?.clone())
}

/// Whether an identity is the company's directory. Whoever has hold of it sends people away (T16), so that what it may and who may
/// prove to be it is for the owners of the tenant, two of them, as naming it is.
pub(crate) fn is_directory(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Record>,
) -> Result<bool, Rejection> {
    Ok(tenant(tx)?.provisioner == Some(identity.cast()))
}

/// Refuses whoever would loosen what guards the company's directory and does not own the tenant.
pub(crate) fn must_own_directory(person: &Person) -> Result<(), Rejection> {
    must_own_tenant(
        person,
        "say what the company's directory may, or what proves that it is it",
    )
}

/// The project of an identity.
pub(crate) fn project_of(
    tx: &mut WriteTx<'_, '_>,
    identity: &IdentityDoc,
) -> Result<Record, Rejection> {
    tx.get(identity.project_id)
}

/// The living project of this name, when the person may see it.
pub(crate) fn project(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    text: &str,
) -> Result<Record, Rejection> {
    let record = tx.locate(Noun::Project, text)?;
    match person.role_in(doc(record.project())?) {
        Some(_) => Ok(record),
        None => Err(not_found(Noun::Project, text)),
    }
}

/// Refuses whoever does not own the project.
pub(crate) fn must_own(person: &Person, project: &ProjectDoc, what: &str) -> Result<(), Rejection> {
    if person.role_in(project) == Some(ProjectRole::Owner) {
        return Ok(());
    }
    refuse(
        Reason::Forbidden,
        format!("only an owner of project `{}` can {what}", project.name),
    )
}

/// The person's own project.
pub(crate) fn personal_project(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
) -> Result<Record, Rejection> {
    let own = tx.children(Noun::Project, person.user_id)?;
    let own = own
        .into_iter()
        .find(|project| project.status == Status::Active);
    own.ok_or_else(|| {
        Refusal::new(
            Reason::NotFound,
            "you have no personal project: name one with `project`",
        )
        .into()
    })
}

/// The living identity of this name with its project, when the person manages it.
pub(crate) fn managed(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    text: &str,
) -> Result<(Record, Record), Rejection> {
    let record = tx.locate(Noun::Identity, text)?;
    let project = manages(tx, person, &record)?;
    Ok((record, project))
}

/// The project of an identity, when the person manages it. Who may not even see it is told that
/// there is none.
pub(crate) fn manages(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
) -> Result<Record, Rejection> {
    let own = doc(identity.identity())?;
    let project = project_of(tx, own)?;
    let place = doc(project.project())?;
    if person.manages(own, place) && person.role != TenantRole::Auditor {
        return Ok(project);
    }
    if person.sees(own, place) {
        let detail = format!(
            "only its managers and the owners of project `{}` can do this to `{}`",
            place.name, own.name
        );
        return refuse(Reason::Forbidden, detail);
    }
    Err(not_found(Noun::Identity, &own.name))
}

/// Whether the person manages a living identity.
pub(crate) fn may_manage(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    identity: &Record,
) -> Result<bool, Rejection> {
    if identity.status == Status::Deleted {
        return Ok(false);
    }
    match manages(tx, person, identity) {
        Ok(_) => Ok(true),
        Err(Rejection::Refused(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// The active user of an e-mail address, handle or id.
pub(crate) fn user(tx: &mut WriteTx<'_, '_>, text: &str) -> Result<Id<id::User>, Rejection> {
    let record = tx.locate(Noun::User, text)?;
    if record.status != Status::Active {
        return refuse(
            Reason::Unprocessable,
            format!("user `{}` is {}", record.name, record.status.as_str()),
        );
    }
    Ok(record.id.cast())
}

/// The users of these texts, each once.
pub(crate) fn users(
    tx: &mut WriteTx<'_, '_>,
    texts: &[String],
) -> Result<Vec<Id<id::User>>, Rejection> {
    let mut found = Vec::with_capacity(texts.len());
    for text in texts {
        let user = user(tx, text)?;
        if !found.contains(&user) {
            found.push(user);
        }
    }
    Ok(found)
}

/// The user or, as `team:NAME`, the team of a text. An id can be of either.
pub(crate) fn party(tx: &mut WriteTx<'_, '_>, text: &str) -> Result<Party, Rejection> {
    if let Some(team) = text.strip_prefix("team:") {
        return Ok(Party::Team(tx.locate(Noun::Team, team)?.id.cast()));
    }
    let text = text.strip_prefix("user:").unwrap_or(text);
    if text.parse::<Id<id::Team>>().is_ok() {
        match tx.locate(Noun::Team, text) {
            Ok(team) => return Ok(Party::Team(team.id.cast())),
            Err(Rejection::Refused(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(Party::User(user(tx, text)?))
}

/// The parties of these texts, each once.
pub(crate) fn parties(tx: &mut WriteTx<'_, '_>, texts: &[String]) -> Result<Vec<Party>, Rejection> {
    let mut found = Vec::with_capacity(texts.len());
    for text in texts {
        let party = party(tx, text)?;
        if !found.contains(&party) {
            found.push(party);
        }
    }
    Ok(found)
}

/// The users behind a party who are active.
pub(crate) fn living(
    tx: &mut WriteTx<'_, '_>,
    party: Party,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let users = match party {
        Party::User(user) => vec![user],
        Party::Team(team) => {
            let record = tx.get(team)?;
            if record.status == Status::Active {
                doc(record.team())?.members.clone()
            } else {
                Vec::new()
            }
        }
    };
    active(tx, users)
}

/// Those of these users who are active.
pub(crate) fn active(
    tx: &mut WriteTx<'_, '_>,
    users: impl IntoIterator<Item = Id<id::User>>,
) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let mut active = BTreeSet::new();
    for user in users {
        if tx.get(user)?.status == Status::Active {
            active.insert(user);
        }
    }
    Ok(active)
}

/// The active owners of the tenant.
pub(crate) fn tenant_owners(tx: &mut WriteTx<'_, '_>) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let owners = tx.matching(Noun::User, |user| {
        user.status == Status::Active
            && user.user().is_some_and(|doc| doc.role == TenantRole::Owner)
    })?;
    Ok(owners.iter().map(|user| user.id.cast()).collect())
}

/// The environments that are protected.
pub(crate) fn protected(tx: &mut WriteTx<'_, '_>) -> Result<BTreeSet<EnvironmentName>, Rejection> {
    let all = tx.all(Noun::Environment)?;
    Ok(all
        .iter()
        .filter_map(|record| record.environment())
        .filter(|doc| doc.protected)
        .map(|doc| doc.name.clone())
        .collect())
}

/// The tenant's actions.
pub(crate) fn catalogue(tx: &mut WriteTx<'_, '_>) -> Result<Catalogue, Rejection> {
    let own = tx.all(Noun::Action)?;
    Ok(Catalogue::new(
        own.iter().filter_map(|record| record.action().cloned()),
    ))
}

/// What a person holds in a project, and can therefore give.
#[derive(Debug)]
pub(crate) enum Held {
    /// What a tenant owner put above the project.
    Ceiling(ActionSet),
    /// The whole catalogue.
    Everything,
    /// Nothing: the person manages an identity, and is no member of its project.
    Nothing,
}

impl Held {
    /// What the person holds.
    pub(crate) fn by(person: &Person, project: &ProjectDoc) -> Self {
        if person.role == TenantRole::Owner {
            return Self::Everything;
        }
        match (person.role_in(project), &project.allowed_actions) {
            (None, _) => Self::Nothing,
            (Some(_), Some(ceiling)) => Self::Ceiling(ceiling.clone()),
            (Some(_), None) => Self::Everything,
        }
    }

    /// Refuses to give more than that.
    pub(crate) fn must_cover(&self, given: &ActionSet) -> Result<(), Rejection> {
        let beyond = match self {
            Self::Everything => return Ok(()),
            Self::Ceiling(ceiling) => given.difference(ceiling),
            Self::Nothing => given.clone(),
        };
        if beyond.is_empty() {
            return Ok(());
        }
        let list = beyond
            .iter()
            .map(|action| format!("`{action}`"))
            .collect::<Vec<_>>()
            .join(", ");
        refuse(
            Reason::NotHeld,
            format!("nobody gives what they do not hold, and you do not hold {list} here"),
        )
    }
}

/// Refuses a text that is too long or has control characters, or marks that show it in another order.
pub(crate) fn check_text(field: &str, text: &str, bytes: usize) -> Result<(), Rejection> {
    let reorders = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.len() <= bytes
        && !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t' || reorders(c))
    {
        return Ok(());
    }
    refuse(
        Reason::Unprocessable,
        format!("`{field}` takes at most {bytes} bytes and no control characters"),
    )
}

/// Refuses the same, and in what is one line also line breaks, tabs and what nobody sees at all: two names that look alike are one
/// name to whoever reads them.
pub(crate) fn check_line(field: &str, text: &str, bytes: usize) -> Result<(), Rejection> {
    let unseen = |c| matches!(c, '\n' | '\t' | '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    if text.chars().any(unseen) {
        return refuse(
            Reason::Unprocessable,
            format!("`{field}` takes one line, without characters that nobody sees"),
        );
    }
    check_text(field, text, bytes)
}

/// Refuses a list that is too long.
pub(crate) fn check_count(field: &str, count: usize, most: usize) -> Result<(), Rejection> {
    if count <= most {
        return Ok(());
    }
    refuse(
        Reason::Unprocessable,
        format!("`{field}` takes at most {most} entries"),
    )
}

/// The longest description.
pub(crate) const DESCRIPTION_BYTES: usize = 4096;
