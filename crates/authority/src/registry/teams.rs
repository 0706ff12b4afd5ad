//! Teams: people who answer together. A team is never empty.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
    name::TeamName,
    permission::Person,
    reason::Reason,
    registry::{Noun, Party, Record, Relation, Status, TeamDoc, TenantRole},
};
use countersign_store::Tx;

use super::{
    approvers::{self, Asking},
    guarding::{self, ChangeOutcome, Edit, Verb},
    reading::{self, Page, PageQuery, Shown},
    rights::{self, check_count},
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::{self, Loosening},
    rejection::{Rejection, refuse},
    rows,
};

pub(crate) const MOST_MEMBERS: usize = 200;

/// Makes a team.
#[derive(Debug, Clone)]
pub struct CreateTeam {
    /// Its name.
    pub name: TeamName,
    /// Who is in it: e-mail addresses, handles or ids; the caller when empty.
    pub members: Vec<String>,
}

/// Edits a team. Who joins or is taken out of one that countersigns takes a second person.
#[derive(Debug, Clone)]
pub struct UpdateTeam {
    /// Which, by id or name.
    pub team: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Its name.
    pub name: Option<TeamName>,
    /// Who is in it, as a whole.
    pub members: Option<Vec<String>>,
    /// Why.
    pub reason: Option<String>,
}

/// Deletes a team that answers for nothing. Its name stays taken.
#[derive(Debug, Clone)]
pub struct DeleteTeam {
    /// Which, by id or name.
    pub team: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for CreateTeam {
    type Output = Record;

    const NAME: &'static str = "team create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let members = if self.members.is_empty() {
            vec![person.user_id]
        } else {
            rights::users(tx, &self.members)?
        };
        put_new(
            tx,
            &person,
            None,
            TeamDoc {
                name: self.name.clone(),
                members,
                directory: None,
            },
        )
        .map(Verdict::Done)
    }
}

impl Command for UpdateTeam {
    type Output = ChangeOutcome;

    const NAME: &'static str = "team update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Team, &self.team, self.if_version)?;
        let mut doc = rights::doc(before.team())?.clone();
        if let Some(name) = &self.name {
            doc.name = name.clone();
        }
        if let Some(texts) = &self.members {
            doc.members = rights::users(tx, texts)?;
        }
        put_edit(tx, &person, &before, doc, self.reason.clone()).map(Verdict::Done)
    }
}

impl Command for DeleteTeam {
    type Output = Record;

    const NAME: &'static str = "team delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let before = rights::located(tx, Noun::Team, &self.team, self.if_version)?;
        may_edit(&person, rights::doc(before.team())?)?;
        if let Some(identity) = answers(tx, &before)? {
            let detail = format!(
                "the team answers for `{}`, or countersigns for it: name another there first",
                identity.name
            );
            return refuse(Reason::LastOneLeaving, detail);
        }
        let after = Record {
            status: Status::Deleted,
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

/// Makes a team of a document, after every check.
pub(crate) fn put_new(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    id: Option<Id<id::Record>>,
    doc: TeamDoc,
) -> Result<Record, Rejection> {
    if person.role != TenantRole::Owner && !doc.members.contains(&person.user_id) {
        return refuse(
            Reason::Forbidden,
            "who makes a team is in it, unless they own the tenant",
        );
    }
    check(tx, &doc)?;
    let new = NewRecord {
        id,
        name: doc.name.to_string(),
        parent_id: None,
        doc: doc.into(),
    };
    tx.create(new, &Change::verb("created"))
}

/// Edits a team to another document, after every check.
pub(crate) fn put_edit(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    before: &Record,
    doc: TeamDoc,
    reason: Option<String>,
) -> Result<ChangeOutcome, Rejection> {
    let old = rights::doc(before.team())?;
    if doc == *old {
        return Ok(ChangeOutcome::Applied {
            record: before.clone(),
            changed_alone: false,
        });
    }
    may_edit(person, old)?;
    check(tx, &doc)?;
    let joins = doc.members.iter().any(|user| !old.members.contains(user));
    let gone = old.members.iter().copied();
    let gone = gone.filter(|user| *user != person.user_id && !doc.members.contains(user));
    let goes = approvers::any_besides(tx, gone, &BTreeSet::new())?;
    let mut guarded = Vec::new();
    if joins || goes {
        guarded = self::guarded(tx, before)?;
    }
    let mut loosens = BTreeSet::new();
    if !guarded.is_empty() {
        loosens.extend(joins.then_some(Loosening::ApproverAdded));
        loosens.extend(goes.then_some(Loosening::ApproverRemoved));
    }
    let after = Record {
        name: doc.name.to_string(),
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
        asks: Asking::of_all(&guarded),
        retires: None,
    };
    guarding::settle(tx, edit)
}

/// Something that a team answers or countersigns for, if there is anything.
pub(crate) fn answers(
    tx: &mut WriteTx<'_, '_>,
    team: &Record,
) -> Result<Option<Record>, Rejection> {
    let (tenant, alive) = (tx.tenant_id(), |one: &Record| one.status != Status::Deleted);
    for relation in [Relation::Sponsor, Relation::Owner, Relation::Observed] {
        let mut first = rows::linked_matching(tx.peek(), tenant, relation, team.id, alive, 1)?;
        if let Some(first) = first.pop() {
            return Ok(Some(first));
        }
    }
    Ok(countersigns(tx, team.id.cast())?.into_iter().find(alive))
}

/// Lets a user into a team, or out of it, as the company's directory says.
///
/// INVARIANT: the directory brings no approver and takes none away (T16): into a team that countersigns for something guarded, and
/// out of it, people let people. And a team keeps its last active member: somebody answers.
pub(crate) fn follow(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    user: Id<id::User>,
    joins: bool,
    why: &str,
) -> Result<bool, Rejection> {
    let mut doc = rights::doc(before.team())?.clone();
    if doc.members.contains(&user) == joins {
        return Ok(true);
    }
    // Who has left countersigns no more, and may leave the team too.
    let counts = joins || !rights::active(tx, [user])?.is_empty();
    if counts && !guarded(tx, before)?.is_empty() {
        return Ok(false);
    }
    if joins {
        doc.members.push(user);
    } else {
        doc.members.retain(|member| *member != user);
    }
    if doc.members.len() > MOST_MEMBERS {
        return Ok(false);
    }
    if rights::active(tx, doc.members.iter().copied())?.is_empty() && answers(tx, before)?.is_some()
    {
        return Ok(false);
    }
    let change = Change::verb("updated").because(Some(why.to_owned()));
    tx.update(before, doc.into(), &change)?;
    Ok(true)
}

/// The guarded identities for which a team countersigns.
fn guarded(tx: &mut WriteTx<'_, '_>, team: &Record) -> Result<Vec<Record>, Rejection> {
    let protected = rights::protected(tx)?;
    let mut guarded = countersigns(tx, team.id.cast())?;
    guarded.retain(|record| {
        record
            .identity()
            .is_some_and(|doc| loosening::is_guarded(doc, &protected))
    });
    Ok(guarded)
}

/// The identities for which a team countersigns.
fn countersigns(tx: &mut WriteTx<'_, '_>, team: Id<id::Team>) -> Result<Vec<Record>, Rejection> {
    tx.matching(Noun::Identity, |record| {
        record
            .identity()
            .is_some_and(|doc| doc.approval_rule.approvers.contains(&Party::Team(team)))
    })
}

/// A member of the team, or an owner of the tenant.
pub(crate) fn may_edit(person: &Person, team: &TeamDoc) -> Result<(), Rejection> {
    if person.role == TenantRole::Owner || team.members.contains(&person.user_id) {
        return Ok(());
    }
    refuse(
        Reason::Forbidden,
        format!(
            "only its members and the owners of the tenant can change team `{}`",
            team.name
        ),
    )
}

fn check(tx: &mut WriteTx<'_, '_>, doc: &TeamDoc) -> Result<(), Rejection> {
    check_count("members", doc.members.len(), MOST_MEMBERS)?;
    if rights::active(tx, doc.members.iter().copied())?.is_empty() {
        return refuse(
            Reason::LastOneLeaving,
            format!("team `{}` keeps at least one active member", doc.name),
        );
    }
    Ok(())
}

/// A page of teams: everybody in the tenant sees them.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, query: &PageQuery) -> Result<Page, Rejection> {
    reading::list_public(tx, permit, Noun::Team, query)
}

/// One team, by id or name.
///
/// # Errors
/// `not_found`, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, team: &str) -> Result<Shown, Rejection> {
    reading::show_public(tx, permit, Noun::Team, team)
}
