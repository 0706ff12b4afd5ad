//! People of the directory.

use countersign_model::{
    name::Email,
    reason::{Reason, Refusal},
    registry::{InDirectory, Record, Status, TenantRole, UserDoc},
    token::AccessClaims,
};

use super::{check, directory, user};
use crate::{
    command::{Change, Command, Verdict, WriteTx},
    registry::{
        approvers,
        leaving::{self, Departed},
        rights, users,
    },
    rejection::{Rejection, refuse},
};

/// Makes a member, who never signed in.
#[derive(Debug, Clone)]
pub struct CreatePerson {
    /// The token that asks.
    pub token: AccessClaims,
    /// How to reach them (`userName`).
    pub email: Email,
    /// What they are called.
    pub display_name: String,
    /// What the directory calls them.
    pub external_id: Option<String>,
    /// Whether they are there already.
    pub active: bool,
}

/// Changes what the directory may of a person; what is absent stays.
#[derive(Debug, Clone)]
pub struct ChangePerson {
    /// The token that asks.
    pub token: AccessClaims,
    /// Who, by id.
    pub user: String,
    /// Their address, which must be the one that they have.
    pub email: Option<Email>,
    /// What they are called.
    pub display_name: Option<String>,
    /// What the directory calls them.
    pub external_id: Option<Option<String>>,
    /// Whether they are there.
    pub active: Option<bool>,
    /// Whether they are gone for good.
    pub deleted: bool,
}

/// A person as they are now.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// The person.
    pub user: Record,
    /// Whether more of what they answered for is to be orphaned.
    pub more: bool,
}

impl Command for CreatePerson {
    type Output = Provisioned;

    const NAME: &'static str = "user create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Provisioned>, Rejection> {
        directory(tx, &self.token)?;
        check("displayName", Some(&self.display_name))?;
        check("externalId", self.external_id.as_deref())?;
        let made = users::create(tx, &self.email, TenantRole::Member, None)?;
        let mut doc = rights::doc(made.user())?.clone();
        doc.display_name.clone_from(&self.display_name);
        doc.directory = Some(InDirectory {
            external_id: self.external_id.clone(),
            display_name: String::new(),
            switched_off: !self.active,
        });
        let after = Record {
            status: if self.active {
                Status::Active
            } else {
                Status::Disabled
            },
            doc: doc.into(),
            ..made.clone()
        };
        let user = tx.replace(&made, after, &Change::verb("updated").because(why()))?;
        Ok(Verdict::Done(Provisioned { user, more: false }))
    }
}

impl Command for ChangePerson {
    type Output = Provisioned;

    const NAME: &'static str = "user update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Provisioned>, Rejection> {
        directory(tx, &self.token)?;
        check("displayName", self.display_name.as_deref())?;
        check(
            "externalId",
            self.external_id.as_ref().and_then(Option::as_deref),
        )?;
        let before = user(tx, &self.user)?;
        let old = rights::doc(before.user())?.clone();
        if self.email.as_ref().is_some_and(|email| *email != old.email) {
            return refuse(Reason::Unprocessable, USER_NAME_STAYS);
        }
        let doc = self.edited(&old);
        let comes = self.active == Some(true) && before.status == Status::Disabled;
        let goes = self.deleted || self.active == Some(false) && before.status == Status::Active;
        if doc == old && !comes && !goes {
            return Ok(Verdict::Done(Provisioned {
                user: before,
                more: false,
            }));
        }
        let owns = old.role == TenantRole::Owner;
        if owns && !(goes && before.status == Status::Active) {
            return refuse(
                Reason::Forbidden,
                "the directory changes no owner of the tenant: another owner does",
            );
        }
        // Of an owner who has left it changes nothing either: they are signed out.
        let before = if owns || doc == old {
            before
        } else {
            tx.update(&before, doc.into(), &Change::verb("updated").because(why()))?
        };
        if goes {
            return self.gone(tx, before);
        }
        if comes {
            return self.back(tx, before).map(Verdict::Done);
        }
        Ok(Verdict::Done(Provisioned {
            user: before,
            more: false,
        }))
    }
}

impl ChangePerson {
    fn edited(&self, old: &UserDoc) -> UserDoc {
        let mut doc = old.clone();
        if let Some(name) = &self.display_name {
            doc.display_name.clone_from(name);
        }
        if let Some(external_id) = &self.external_id {
            let mut known = doc.directory.take().unwrap_or_default();
            known.external_id.clone_from(external_id);
            doc.directory = Some(known);
        }
        doc
    }

    /// They have left.
    fn gone(
        &self,
        tx: &mut WriteTx<'_, '_>,
        before: Record,
    ) -> Result<Verdict<Provisioned>, Rejection> {
        let mut doc = rights::doc(before.user())?.clone();
        let mut known = doc.directory.take().unwrap_or_default();
        // What an owner switched off stays so, whatever the directory says later.
        known.switched_off |= before.status == Status::Active;
        doc.directory = Some(known);
        let gone = Record {
            status: if self.deleted {
                Status::Deleted
            } else {
                Status::Disabled
            },
            doc: doc.into(),
            ..before.clone()
        };
        match leaving::directory_says_gone(tx, before, gone, "the directory says that they left")? {
            Departed::Left(left) => Ok(Verdict::Done(Provisioned {
                user: left.outcome.record().clone(),
                more: left.more,
            })),
            Departed::SignedOut(_) => Ok(Verdict::RefusedWithEffects(Refusal::new(
                Reason::Forbidden,
                "they own the tenant, or countersign for something guarded: they are signed out everywhere, and an owner sends them away with a second person",
            ))),
        }
    }

    /// They are there again. What was orphaned stays so until somebody answers for it.
    fn back(&self, tx: &mut WriteTx<'_, '_>, before: Record) -> Result<Provisioned, Rejection> {
        let mut doc = rights::doc(before.user())?.clone();
        let Some(known) = doc.directory.as_mut().filter(|one| one.switched_off) else {
            return refuse(
                Reason::Forbidden,
                "the directory did not switch them off: an owner of the tenant switches them on",
            );
        };
        known.switched_off = false;
        if approvers::countersigns(tx, before.id.cast(), doc.role)? {
            return refuse(
                Reason::Forbidden,
                "they would countersign again, and the directory brings no approver: an owner of the tenant switches them on",
            );
        }
        let after = Record {
            status: Status::Active,
            doc: doc.into(),
            ..before.clone()
        };
        let change = Change::verb("enabled").because(why());
        Ok(Provisioned {
            user: tx.replace(&before, after, &change)?,
            more: false,
        })
    }
}

/// Why the directory gives nobody another address.
pub const USER_NAME_STAYS: &str =
    "`userName` stays: codes to sign in are made for it, and an owner of the tenant changes it";

fn why() -> Option<String> {
    Some("the directory says so".to_owned())
}
