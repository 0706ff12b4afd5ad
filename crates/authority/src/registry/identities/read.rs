//! Reading identities: those that the person may see.

use countersign_model::{
    Id, Timestamp, id,
    identity::Kind,
    name::EnvironmentName,
    permission::Person,
    registry::{IdentityDoc, Noun, Party, Record, Relation, Status},
};
use countersign_store::Tx;

use crate::{
    command::Permit,
    long_lived,
    registry::{
        reading::{self, Page, PageQuery, Projects, Shown},
        rights,
    },
    rejection::Rejection,
    rows,
};

/// Which identities.
#[derive(Debug, Clone, Default)]
pub struct IdentityFilter {
    /// Only those of this project, by id or name.
    pub project: Option<String>,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// Only those that may act there.
    pub environment: Option<EnvironmentName>,
    /// Only those that this user, or `team:NAME`, answers for.
    pub sponsor: Option<String>,
    /// Only those that left something out, or only those that did not.
    pub incomplete: Option<bool>,
    /// Only those that were due to be confirmed at this time.
    pub review_due_at: Option<Timestamp>,
    /// Only those that the person was asked to answer for.
    pub offered: bool,
    /// Only service accounts that can have long-lived tokens.
    pub long_lived: bool,
}

/// A page of identities.
///
/// # Errors
/// `not_found` when a filter names what is not there, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    filter: &IdentityFilter,
    query: &PageQuery,
) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    let parent = match &filter.project {
        Some(text) => Some(reading::locate(tx, permit, Noun::Project, text)?.id),
        None => None,
    };
    let sponsor = match &filter.sponsor {
        Some(text) => Some(party(tx, permit, text)?),
        None => None,
    };
    let wanted = |record: &Record, doc: &IdentityDoc| {
        filter.status.is_none_or(|status| record.status == status)
            && filter.kind.is_none_or(|kind| doc.kind == kind)
            && filter
                .environment
                .as_ref()
                .is_none_or(|wanted| doc.environments.contains(wanted))
            && (!filter.long_lived || long_lived::scope_of(doc).is_some())
            && filter.review_due_at.is_none_or(|at| {
                record.status == Status::Active && doc.review_due(record.created_at) <= at
            })
            && sponsor.is_none_or(|party| doc.sponsor == party)
            && filter
                .incomplete
                .is_none_or(|incomplete| doc.defaulted.is_empty() != incomplete)
    };
    if filter.offered {
        let prefix = query.name_prefix.as_deref().unwrap_or_default();
        return offered(tx, permit, &person, |record| {
            record.status != Status::Deleted
                && record.name.starts_with(prefix)
                && parent.is_none_or(|parent| record.parent_id == Some(parent))
                && record.identity().is_some_and(|doc| wanted(record, doc))
        });
    }
    let mut projects = Projects::default();
    let query = PageQuery {
        with_deleted: query.with_deleted || filter.status == Some(Status::Deleted),
        ..query.clone()
    };
    reading::page(tx, permit, Noun::Identity, parent, &query, |tx, record| {
        let Some(doc) = record.identity() else {
            return Ok(false);
        };
        Ok(wanted(record, doc) && projects.sees(tx, permit.tenant_id(), &person, doc)?)
    })
}

/// What the person was asked to answer for, alone or in a team: one page, for nobody reads more of them.
fn offered(
    tx: &mut Tx<'_>,
    permit: &Permit,
    person: &Person,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Page, Rejection> {
    let teams = person.teams.iter().map(|team| team.cast());
    let parties: Vec<Id<id::Record>> = teams.chain([person.user_id.cast()]).collect();
    let mut found = Vec::new();
    for party in parties {
        let most = reading::MAX_PAGE as usize;
        let (tenant, asked) = (permit.tenant_id(), Relation::Asked);
        found.extend(rows::linked_matching(
            tx, tenant, asked, party, &wanted, most,
        )?);
    }
    reading::page_of(tx, found)
}

/// One identity, by id, name, client id or subject.
///
/// # Errors
/// `not_found`, also when the person may not see it, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, identity: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::visible_identity(tx, permit, &person, identity)?;
    reading::shown(tx, record)
}

/// When the oldest credential of an identity was made that works now.
///
/// # Errors
/// A fault.
pub fn oldest_credential(
    tx: &mut Tx<'_>,
    permit: &Permit,
    identity: Id<id::Record>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Rejection> {
    let works = |record: &Record| {
        let ends = record.credential().and_then(|doc| doc.expires_at);
        record.status == Status::Active && ends.is_none_or(|at| at > now)
    };
    // They come in the order of their ids, which is that of their making.
    let tenant = permit.tenant_id();
    let found = rows::children_up_to(tx, tenant, Noun::Credential, identity, works, 1)?;
    Ok(found.first().map(|record| record.created_at))
}

fn party(tx: &mut Tx<'_>, permit: &Permit, text: &str) -> Result<Party, Rejection> {
    if let Some(team) = text.strip_prefix("team:") {
        return Ok(Party::Team(
            reading::locate(tx, permit, Noun::Team, team)?.id.cast(),
        ));
    }
    match reading::locate(tx, permit, Noun::User, text) {
        Ok(user) => Ok(Party::User(user.id.cast())),
        Err(Rejection::Refused(_)) => match reading::locate(tx, permit, Noun::Team, text) {
            Ok(team) => Ok(Party::Team(team.id.cast())),
            Err(_) => Err(rights::not_found(Noun::User, text)),
        },
        Err(fault) => Err(fault),
    }
}
