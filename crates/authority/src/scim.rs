//! The company's directory keeps people and teams in step (SCIM 2.0, RFC 7643 and RFC 7644).
//!
//! One identity may, which the owners of the tenant named, with a token that carries the action for it. It makes members and
//! teams of its own, and says that somebody has left: it makes no owner and changes none, makes nobody an approver, links no
//! account, and changes no team that people made.

mod groups;
mod users;

pub use groups::{ChangeGroup, CreateGroup, DeleteGroup, Membership};
pub use users::{ChangePerson, CreatePerson, Provisioned, USER_NAME_STAYS};

use countersign_model::{
    Id,
    enforce::Work,
    id,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status, TenantDoc},
    token::AccessClaims,
};
use countersign_store::{Tx, records};

use crate::{
    automation::carries,
    command::{Permit, WriteTx},
    registry::rights,
    rejection::{Rejection, refuse},
    rows,
};

/// What the token of the directory carries.
pub const ACTION: &str = "registry.scim.write";

/// Which of the people, or of the teams of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// Those that the directory calls so.
    ExternalId(String),
    /// The one with this id.
    Id(String),
    /// The one of this name: an address, or what the directory calls a group.
    Name(String),
}

/// Which part of those that are wanted: a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many of the first are left out.
    pub skip: usize,
    /// How many are shown at most.
    pub take: usize,
}

/// A page of what was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The records of the page.
    pub page: Vec<Record>,
    /// How many there are on all pages.
    pub total: usize,
}

impl Found {
    /// Counts one more, and keeps it when it is of the page.
    fn add(&mut self, record: Record, window: Window) {
        if self.total >= window.skip && self.page.len() < window.take {
            self.page.push(record);
        }
        self.total += 1;
    }
}

/// The people, or the teams of the directory, that are wanted: all in the order of their names, else in that of their making.
///
/// # Errors
/// `forbidden` to everybody but the directory, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    token: &AccessClaims,
    noun: Noun,
    wanted: &Wanted,
    window: Window,
) -> Result<Found, Rejection> {
    may_read(tx, permit, token)?;
    let tenant = permit.tenant_id();
    let mut found = Found::default();
    let few = match (noun, wanted) {
        // No text here has one.
        (_, Wanted::ExternalId(text) | Wanted::Name(text)) if text.contains('\0') => Vec::new(),
        (Noun::User, Wanted::All) => {
            let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let (skip, take) = (part(window.skip), part(window.take));
            found.page = records::skipping(tx, tenant, noun, skip, take)?;
            found.total = usize::try_from(records::count(tx, tenant, noun)?).unwrap_or_default();
            return Ok(found);
        }
        (_, Wanted::Id(text)) => match text.parse() {
            Ok(id) => rows::by_id(tx, tenant, id)?.into_iter().collect(),
            Err(_) => Vec::new(),
        },
        (Noun::User, Wanted::Name(name)) => {
            let name = name.to_ascii_lowercase();
            let found = records::by_alias(tx, tenant, Noun::User, &name)?;
            found.into_iter().filter(|user| user.name == name).collect()
        }
        (_, Wanted::ExternalId(text)) => {
            records::by_external_id(tx, tenant, noun, text, OF_ONE_EXTERNAL_ID)?
        }
        (_, Wanted::All | Wanted::Name(_)) => {
            rows::each(tx, tenant, noun, |team| {
                if is_shown(&team) && is_called(&team, wanted) {
                    found.add(team, window);
                }
            })?;
            return Ok(found);
        }
    };
    for record in few {
        if record.noun == noun && is_shown(&record) {
            found.add(record, window);
        }
    }
    Ok(found)
}

/// Whether a team is called in the directory what is wanted.
fn is_called(team: &Record, wanted: &Wanted) -> bool {
    let Wanted::Name(wanted) = wanted else {
        return true;
    };
    let known = team.team().and_then(|doc| doc.directory.as_ref());
    known.is_some_and(|one| one.display_name.eq_ignore_ascii_case(wanted))
}

/// People all; of teams those that the directory made.
fn is_shown(record: &Record) -> bool {
    record.status != Status::Deleted && record.team().is_none_or(|team| team.directory.is_some())
}

/// Refuses everybody but the directory.
///
/// # Errors
/// `forbidden`, `action_not_allowed`, or a fault.
pub fn may_read(tx: &mut Tx<'_>, permit: &Permit, token: &AccessClaims) -> Result<(), Rejection> {
    let tenant = permit.tenant_id();
    let identity = permit.program()?;
    let record = rows::by_id(tx, tenant, tenant.cast())?;
    let settings = rights::doc(record.as_ref().and_then(Record::tenant))?;
    let identity = rows::by_id(tx, tenant, identity.cast())?;
    may(settings, identity.as_ref(), token)
}

/// Refuses everybody but the directory.
fn directory(tx: &mut WriteTx<'_, '_>, token: &AccessClaims) -> Result<(), Rejection> {
    let identity = tx.permit().program()?;
    let settings = rights::tenant(tx)?;
    let identity = tx.get(identity)?;
    may(&settings, Some(&identity), token)
}

/// INVARIANT: who may make an identity may not make it the directory: the owners of the tenant name it, and nobody else can.
fn may(
    settings: &TenantDoc,
    identity: Option<&Record>,
    token: &AccessClaims,
) -> Result<(), Rejection> {
    let named = identity.filter(|one| settings.provisioner == Some(one.id.cast()));
    let Some(identity) = named else {
        return refuse(
            Reason::Forbidden,
            "only the identity that the owners of the tenant named as its directory provisions people: `countersign tenant update --provisioner IDENTITY`",
        );
    };
    let doc = rights::doc(identity.identity())?;
    Ok(carries(token, doc, ACTION, Work::Other)?)
}

/// A user of the tenant that has not gone.
fn user(tx: &mut WriteTx<'_, '_>, text: &str) -> Result<Record, Rejection> {
    let missing = || Rejection::from(no_such(Noun::User, text));
    let id: Id<id::User> = text.parse().map_err(|_| missing())?;
    let record = tx.get(id).map_err(|_| missing())?;
    if record.noun == Noun::User && record.status != Status::Deleted {
        return Ok(record);
    }
    Err(missing())
}

/// The refusal of what is not there.
#[must_use]
pub fn no_such(noun: Noun, text: &str) -> Refusal {
    let shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    let what = noun.as_str();
    Refusal::new(Reason::NotFound, format!("there is no {what} `{shown}`"))
}

/// How many of one `externalId` are found: a directory gives it to one.
const OF_ONE_EXTERNAL_ID: u32 = 200;

/// The longest name or id that the directory gives.
const TEXT_BYTES: usize = 256;

/// Refuses a name or id of the directory that is too long or has what no line shows.
fn check(field: &'static str, text: Option<&str>) -> Result<(), Rejection> {
    let Some(text) = text else { return Ok(()) };
    rights::check_line(field, text, TEXT_BYTES)
}
