//! Groups of the directory: teams that it made.

use std::collections::BTreeSet;

use countersign_model::{
    Id, id,
    name::TeamName,
    reason::{Reason, Refusal},
    registry::{InDirectory, Noun, Record, Status, TeamDoc},
    token::AccessClaims,
};

use super::{check, directory, no_such, user};
use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    registry::{rights, teams},
    rejection::{Rejection, refuse},
};

/// Makes a team of a group.
#[derive(Debug, Clone)]
pub struct CreateGroup {
    /// The token that asks.
    pub token: AccessClaims,
    /// What the directory calls it.
    pub display_name: String,
    /// Its id there.
    pub external_id: Option<String>,
    /// Who is in it, by id.
    pub members: Vec<String>,
}

/// Changes a group; what is absent stays.
#[derive(Debug, Clone)]
pub struct ChangeGroup {
    /// The token that asks.
    pub token: AccessClaims,
    /// Which, by id.
    pub group: String,
    /// What the directory calls it. The team keeps its name here.
    pub display_name: Option<String>,
    /// Its id there.
    pub external_id: Option<Option<String>>,
    /// What is done to who is in it, one after the other.
    pub members: Vec<Membership>,
}

/// One thing that is done to who is in a group, each by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// These are in it, and nobody else.
    Are(Vec<String>),
    /// These join.
    Join(Vec<String>),
    /// These leave.
    Leave(Vec<String>),
}

/// Deletes a group that answers for nothing.
#[derive(Debug, Clone)]
pub struct DeleteGroup {
    /// The token that asks.
    pub token: AccessClaims,
    /// Which, by id.
    pub group: String,
}

impl Command for CreateGroup {
    type Output = Record;

    const NAME: &'static str = "team create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        directory(tx, &self.token)?;
        check("displayName", Some(&self.display_name))?;
        check("externalId", self.external_id.as_deref())?;
        let id = tx.ctx().id();
        let name = self.name(tx, id)?;
        let mut members: Vec<Id<id::User>> = Vec::new();
        for member in &self.members {
            let id = user(tx, member)?.id.cast();
            if !members.contains(&id) {
                members.push(id);
            }
        }
        rights::check_count("members", members.len(), teams::MOST_MEMBERS)?;
        let doc = TeamDoc {
            name,
            members,
            directory: Some(InDirectory {
                external_id: self.external_id.clone(),
                display_name: self.display_name.clone(),
                switched_off: false,
            }),
        };
        let new = NewRecord {
            id: Some(id),
            name: doc.name.to_string(),
            parent_id: None,
            doc: doc.into(),
        };
        tx.create(new, &Change::verb("created").because(why()))
            .map(Verdict::Done)
    }
}

impl CreateGroup {
    /// The name that the team has here: that of the group, with a part of its own id where that is another's, or was.
    fn name(&self, tx: &mut WriteTx<'_, '_>, id: Id<id::Record>) -> Result<TeamName, Rejection> {
        let plain = plain(&self.display_name);
        let known = match plain.as_str() {
            "" => None,
            plain => tx.find(Noun::Team, plain)?,
        };
        // The same group, sent once more, is not made twice.
        let again = known.as_ref().is_some_and(|known| {
            let called = known.team().and_then(|doc| doc.directory.as_ref());
            known.status == Status::Active
                && called.is_some_and(|one| one.display_name == self.display_name)
        });
        let name = if again || known.is_none() && !plain.is_empty() {
            plain
        } else {
            let id = id.to_string();
            let part: String = id.chars().rev().take(ID_CHARACTERS).collect();
            let plain = if plain.is_empty() {
                "group"
            } else {
                plain.as_str()
            };
            let head: String = plain.chars().take(NAME_CHARACTERS).collect();
            format!("{head}-{part}")
        };
        let wrong = |error| Refusal::new(Reason::Unprocessable, format!("`displayName`: {error}"));
        Ok(name.parse().map_err(wrong)?)
    }
}

impl Command for ChangeGroup {
    type Output = Record;

    const NAME: &'static str = "team update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        directory(tx, &self.token)?;
        check("displayName", self.display_name.as_deref())?;
        check(
            "externalId",
            self.external_id.as_ref().and_then(Option::as_deref),
        )?;
        let mut team = group(tx, &self.group)?;
        let old = rights::doc(team.team())?.clone();
        let mut doc = old.clone();
        if let Some(known) = &mut doc.directory {
            if let Some(name) = &self.display_name {
                known.display_name.clone_from(name);
            }
            if let Some(external_id) = &self.external_id {
                known.external_id.clone_from(external_id);
            }
        }
        if doc != old {
            team = tx.update(&team, doc.into(), &Change::verb("updated").because(why()))?;
        }
        let Moves { joins, leaves } = self.moves(tx, &old)?;
        // Who joins first: a team that answers for something is at no moment empty.
        for (users, joining) in [(joins, true), (leaves, false)] {
            for user in users {
                if !teams::follow(tx, &team, user, joining, DIRECTORY)? {
                    return refuse(
                        Reason::Forbidden,
                        format!(
                            "team `{}` countersigns for something guarded, or answers for something and would be empty, or is full: its people change it",
                            team.name
                        ),
                    );
                }
                team = tx.get(team.id)?;
            }
        }
        Ok(Verdict::Done(team))
    }
}

/// Who joins, and who leaves.
struct Moves {
    joins: BTreeSet<Id<id::User>>,
    leaves: BTreeSet<Id<id::User>>,
}

impl ChangeGroup {
    /// Who joins, and who leaves.
    fn moves(&self, tx: &mut WriteTx<'_, '_>, old: &TeamDoc) -> Result<Moves, Rejection> {
        let old: BTreeSet<Id<id::User>> = old.members.iter().copied().collect();
        let mut now = old.clone();
        for step in &self.members {
            match step {
                Membership::Are(named) => now = users(tx, named)?,
                Membership::Join(named) => now.extend(users(tx, named)?),
                // Who has left the tenant can leave a group too.
                Membership::Leave(named) => {
                    for id in named.iter().filter_map(|text| text.parse().ok()) {
                        now.remove(&id);
                    }
                }
            }
        }
        Ok(Moves {
            joins: &now - &old,
            leaves: &old - &now,
        })
    }
}

impl Command for DeleteGroup {
    type Output = ();

    const NAME: &'static str = "team delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        directory(tx, &self.token)?;
        let before = group(tx, &self.group)?;
        if teams::answers(tx, &before)?.is_some() {
            return refuse(
                Reason::LastOneLeaving,
                format!(
                    "team `{}` answers for something: its people name another there first",
                    before.name
                ),
            );
        }
        let after = Record {
            status: Status::Deleted,
            ..before.clone()
        };
        tx.replace(&before, after, &Change::verb("deleted").because(why()))?;
        Ok(Verdict::Done(()))
    }
}

fn users(tx: &mut WriteTx<'_, '_>, named: &[String]) -> Result<BTreeSet<Id<id::User>>, Rejection> {
    let found = named.iter().map(|text| Ok(user(tx, text)?.id.cast()));
    found.collect()
}

/// A team that the directory made.
fn group(tx: &mut WriteTx<'_, '_>, text: &str) -> Result<Record, Rejection> {
    let missing = || Rejection::from(no_such(Noun::Team, text));
    let id: Id<id::Team> = text.parse().map_err(|_| missing())?;
    let record = tx.get(id).map_err(|_| missing())?;
    let own = record.team().is_some_and(|team| team.directory.is_some());
    if own && record.status == Status::Active {
        return Ok(record);
    }
    Err(missing())
}

/// What a team's name can have of the group's: its letters, digits and `._-`, in lower case; nothing of a name in other letters.
fn plain(display_name: &str) -> String {
    let plain: String = display_name
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
            _ => '-',
        })
        .collect();
    let plain = plain.trim_start_matches(['.', '_', '-']);
    plain.chars().take(NAME_CHARACTERS).collect()
}

/// How much of its name here a team has of the group's: with a part of its id that is a name's whole length.
const NAME_CHARACTERS: usize = 119;
/// Enough to tell two groups of one name apart.
const ID_CHARACTERS: usize = 8;

fn why() -> Option<String> {
    Some(DIRECTORY.to_owned())
}

const DIRECTORY: &str = "the directory says so";
