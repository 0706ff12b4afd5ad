//! Reading: pages and single records, with what the person may see, in the order of names.

use std::collections::{BTreeMap, btree_map::Entry};

use countersign_model::{
    Id, id,
    permission::Person,
    reason::Reason,
    registry::{CredentialSecret, Doc, IdentityDoc, Noun, ProjectDoc, Record, Relation, Status},
};
use countersign_store::{Tx, records, seen};

use super::rights;
use crate::{
    command::Permit,
    rejection::{Rejection, refuse},
    rows,
};

/// The most entries of a page.
pub const MAX_PAGE: u32 = 500;

/// How many records one page looks at, so that a list of which a person may see little ends in time.
const MAX_SCAN: usize = 5_000;

/// Which part of a list.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// The `next` of the page before.
    pub after: Option<(String, Id<id::Record>)>,
    /// How many entries; 0 for as many as there may be.
    pub limit: u32,
    /// Only names that begin so.
    pub name_prefix: Option<String>,
    /// Whether tombstones are listed too.
    pub with_deleted: bool,
    /// Only those of this status; tombstones when that is the status.
    pub status: Option<Status>,
}

/// A record in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The record.
    pub record: Record,
    /// When and from where it was last used.
    pub seen: Option<seen::Seen>,
}

/// Part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The records.
    pub items: Vec<Listed>,
    /// The names of all that their documents name by id.
    pub names: BTreeMap<Id<id::Record>, String>,
    /// Where the next page begins, when there is more.
    pub next: Option<(String, Id<id::Record>)>,
}

/// One record with all that it takes to show it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The record.
    pub record: Record,
    /// When and from where it was last used.
    pub seen: Option<seen::Seen>,
    /// The names of all that its document names by id.
    pub names: BTreeMap<Id<id::Record>, String>,
}

/// The person who reads.
///
/// # Errors
/// `forbidden` when it is not an active person, or a fault.
pub fn reader(tx: &mut Tx<'_>, permit: &Permit) -> Result<Person, Rejection> {
    let (tenant_id, user_id) = (permit.tenant_id(), permit.user()?);
    let record = rows::by_id(tx, tenant_id, user_id.cast())?;
    let Some(record) = record.filter(|record| record.status == Status::Active) else {
        return refuse(Reason::Forbidden, "this user is not active");
    };
    let teams = rows::linked_to(tx, tenant_id, Relation::Member, user_id.cast())?;
    let role = rights::doc(record.user())?.role;
    let teams = teams
        .iter()
        .filter(|team| team.noun == Noun::Team && team.status == Status::Active);
    Ok(Person {
        user_id,
        role,
        teams: teams.map(|team| team.id.cast()).collect(),
    })
}

/// The record of an id or name, dead ones included when an id finds them.
///
/// # Errors
/// `not_found`, or a fault.
pub fn locate(
    tx: &mut Tx<'_>,
    permit: &Permit,
    noun: Noun,
    id_or_name: &str,
) -> Result<Record, Rejection> {
    let tenant_id = permit.tenant_id();
    let by_id = match id_or_name.parse::<Id<id::Record>>() {
        Ok(id) => rows::by_id(tx, tenant_id, id)?,
        Err(_) => None,
    };
    let found = match by_id.filter(|record| record.noun == noun) {
        Some(record) => Some(record),
        None => records::by_alias(tx, tenant_id, noun, id_or_name)?,
    };
    found.ok_or_else(|| rights::not_found(noun, id_or_name))
}

/// One record with the names that its document needs.
///
/// # Errors
/// A fault.
pub fn shown(tx: &mut Tx<'_>, record: Record) -> Result<Shown, Rejection> {
    let seen = seen::by_record(tx, record.id)?;
    let mut names = BTreeMap::new();
    name_all(tx, &record, &mut names)?;
    Ok(Shown {
        record,
        seen,
        names,
    })
}

/// A noun that everybody in the tenant may read.
///
/// # Errors
/// `not_found`, `forbidden` when no person reads, or a fault.
pub fn show_public(
    tx: &mut Tx<'_>,
    permit: &Permit,
    noun: Noun,
    id_or_name: &str,
) -> Result<Shown, Rejection> {
    reader(tx, permit)?;
    let record = locate(tx, permit, noun, id_or_name)?;
    shown(tx, record)
}

/// A page of a noun that everybody in the tenant may read.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list_public(
    tx: &mut Tx<'_>,
    permit: &Permit,
    noun: Noun,
    query: &PageQuery,
) -> Result<Page, Rejection> {
    reader(tx, permit)?;
    page(tx, permit, noun, None, query, |_, _| Ok(true))
}

/// A page of the records that `keep` keeps.
pub(crate) fn page(
    tx: &mut Tx<'_>,
    permit: &Permit,
    noun: Noun,
    parent_id: Option<Id<id::Record>>,
    query: &PageQuery,
    mut keep: impl FnMut(&mut Tx<'_>, &Record) -> Result<bool, Rejection>,
) -> Result<Page, Rejection> {
    let limit = if query.limit == 0 {
        MAX_PAGE
    } else {
        query.limit.min(MAX_PAGE)
    } as usize;
    let mut page = Page::default();
    let mut after = query.after.clone();
    let mut looked_at = 0;
    loop {
        let wanted = records::RecordQuery {
            tenant_id: permit.tenant_id(),
            noun,
            parent_id,
            name_prefix: query.name_prefix.as_deref(),
            after: after.as_ref().map(|(name, id)| (name.as_str(), *id)),
            with_deleted: query.with_deleted || query.status == Some(Status::Deleted),
            limit: MAX_PAGE,
        };
        let found = records::list(tx, &wanted)?;
        let last = found.len() < MAX_PAGE as usize;
        looked_at += found.len();
        let mut rest = found.into_iter().peekable();
        while let Some(record) = rest.next() {
            let position = (record.name.clone(), record.id);
            if query.status.is_none_or(|status| record.status == status) && keep(tx, &record)? {
                let seen = seen::by_record(tx, record.id)?;
                name_all(tx, &record, &mut page.names)?;
                page.items.push(Listed { record, seen });
            }
            after = Some(position);
            if page.items.len() == limit {
                page.next = after.filter(|_| rest.peek().is_some() || !last);
                return Ok(page);
            }
        }
        if last {
            return Ok(page);
        }
        if looked_at >= MAX_SCAN {
            page.next = after;
            return Ok(page);
        }
    }
}

/// Records that were found otherwise, as a page that is whole.
///
/// # Errors
/// A fault.
pub(crate) fn page_of(tx: &mut Tx<'_>, records: Vec<Record>) -> Result<Page, Rejection> {
    let mut page = Page::default();
    for record in records {
        let seen = seen::by_record(tx, record.id)?;
        name_all(tx, &record, &mut page.names)?;
        page.items.push(Listed { record, seen });
    }
    Ok(page)
}

/// The projects that a page has already looked at.
#[derive(Default)]
pub(crate) struct Projects(BTreeMap<Id<id::Record>, Option<ProjectDoc>>);

impl Projects {
    /// Whether the person may see the identity.
    pub(crate) fn sees(
        &mut self,
        tx: &mut Tx<'_>,
        tenant_id: Id<id::Tenant>,
        person: &Person,
        identity: &IdentityDoc,
    ) -> Result<bool, Rejection> {
        let project = self.project(tx, tenant_id, identity.project_id)?;
        Ok(project.is_some_and(|project| person.sees(identity, project)))
    }

    /// Whether the person may see what lives in the project: its members, and who reads evidence.
    pub(crate) fn shows(
        &mut self,
        tx: &mut Tx<'_>,
        tenant_id: Id<id::Tenant>,
        person: &Person,
        project: Id<id::Project>,
    ) -> Result<bool, Rejection> {
        let project = self.project(tx, tenant_id, project)?;
        let member = project.is_some_and(|project| person.role_in(project).is_some());
        Ok(member || person.reads_evidence())
    }

    fn project(
        &mut self,
        tx: &mut Tx<'_>,
        tenant_id: Id<id::Tenant>,
        id: Id<id::Project>,
    ) -> Result<Option<&ProjectDoc>, Rejection> {
        Ok(match self.0.entry(id.cast()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let found = rows::by_id(tx, tenant_id, id.cast())?;
                unknown.insert(found.and_then(|record| record.project().cloned()))
            }
        }
        .as_ref())
    }
}

/// The living or dead identity of this name, when the person may see it.
pub(crate) fn visible_identity(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    text: &str,
) -> Result<Record, Rejection> {
    let record = locate(tx, permit, Noun::Identity, text)?;
    let sees = Projects::default().sees(
        tx,
        permit.tenant_id(),
        person,
        rights::doc(record.identity())?,
    )?;
    if sees {
        Ok(record)
    } else {
        Err(rights::not_found(Noun::Identity, text))
    }
}

fn name_all(
    tx: &mut Tx<'_>,
    record: &Record,
    names: &mut BTreeMap<Id<id::Record>, String>,
) -> Result<(), Rejection> {
    for id in mentions(&record.doc) {
        if !names.contains_key(&id)
            && let Some(named) = rows::by_id(tx, record.tenant_id, id)?
        {
            names.insert(id, named.name);
        }
    }
    Ok(())
}

/// Every record that a document names by id.
fn mentions(doc: &Doc) -> Vec<Id<id::Record>> {
    match doc {
        Doc::Audience(doc) => doc.served_by.iter().map(|id| id.cast()).collect(),
        Doc::Credential(doc) => {
            let issuer = match &doc.secret {
                CredentialSecret::TrustRule(rule) => Some(rule.issuer_id.cast()),
                CredentialSecret::ApiKey { .. }
                | CredentialSecret::ClientSecret { .. }
                | CredentialSecret::PublicKey { .. }
                | CredentialSecret::SelfSignedTlsClientAuth { .. }
                | CredentialSecret::TlsClientAuth { .. } => None,
            };
            [
                Some(doc.identity_id.cast()),
                doc.created_by.map(Id::cast),
                issuer,
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        Doc::Identity(doc) => {
            let mut ids = vec![
                doc.project_id.cast(),
                doc.sponsor.record_id(),
                doc.owner.record_id(),
                doc.created_by.cast(),
            ];
            ids.extend(
                doc.pending_sponsor
                    .iter()
                    .flat_map(|pending| [pending.party.record_id(), pending.asked_by.cast()]),
            );
            ids.extend(doc.managers.iter().map(|id| id.cast::<id::Record>()));
            ids.extend(doc.audiences.iter().map(|id| id.cast::<id::Record>()));
            ids.extend(
                doc.approval_rule
                    .approvers
                    .iter()
                    .map(|party| party.record_id()),
            );
            let acting = doc.impersonators.iter();
            ids.extend(acting.map(|right| right.party.record_id()));
            ids.extend(
                doc.review
                    .iter()
                    .map(|review| review.by.cast::<id::Record>()),
            );
            ids.extend(
                doc.confirmed
                    .iter()
                    .map(|last| last.by.cast::<id::Record>()),
            );
            ids
        }
        Doc::Key(doc) => vec![doc.project_id.cast()],
        Doc::LinkedAccount(doc) => vec![doc.user_id.cast(), doc.set_by.cast()],
        Doc::ObservedAccount(doc) => doc.names(),
        Doc::Pack(doc) => vec![doc.project_id.cast(), doc.sponsor.record_id()],
        Doc::Project(doc) => {
            let members = doc
                .members
                .iter()
                .flat_map(|member| [member.user_id.cast(), member.added_by.cast()]);
            members.chain(doc.personal_of.map(Id::cast)).collect()
        }
        Doc::Team(doc) => doc.members.iter().map(|id| id.cast()).collect(),
        Doc::User(doc) => doc.invited_by.map(Id::cast).into_iter().collect(),
        Doc::Tenant(doc) => {
            let provider = doc.provider.iter();
            let teams = provider.flat_map(|provider| provider.teams.values());
            let teams = teams.map(|team| team.cast());
            teams.chain(doc.provisioner.map(Id::cast)).collect()
        }
        Doc::Action(_) | Doc::Environment(_) | Doc::Issuer(_) | Doc::Policy(_) | Doc::Scope(_) => {
            Vec::new()
        }
    }
}
